//! Listeners of every kind, end to end: who gets in, who does not, and what a stranger learns.

mod authority;
mod proxies;
mod reload;
mod strangers;
mod tls;
mod transports;
mod unix;
mod websocket;

use crate::kit::Server;
use authority::{Authority, Files};
use mqtt_broker::config::{Bind, Listener, ListenerKind};
use mqtt_broker::{Access, AccessRequest, Answer, Broker, ClientInfo, Config, Decision};
use mqtt_io::{Connector, DialError, Endpoint, Stream, TlsOptions};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(10);

/// Lets everybody do everything and remembers who subscribed.
#[derive(Clone, Default)]
struct Guests(Arc<Mutex<Vec<ClientInfo>>>);

impl Guests {
    fn last(&self) -> ClientInfo {
        self.0.lock().unwrap().last().unwrap().clone()
    }
}

impl Access for Guests {
    fn decide(&self, request: &AccessRequest<'_>) -> Answer {
        if let AccessRequest::Subscribe { client, .. } = request {
            self.0.lock().unwrap().push((*client).clone());
        }
        Answer::Ready(Decision::Allow)
    }
}

/// A listener of this kind on a free port of this machine.
fn listener(kind: ListenerKind) -> Listener {
    let mut listener = Listener::new(kind);
    listener.bind = Bind::Address("127.0.0.1:0".parse().unwrap());
    listener
}

/// A TLS listener that shows a certificate for `localhost`.
fn tls_listener(kind: ListenerKind, files: &Files, authority: &Authority) -> Listener {
    let mut listener = listener(kind);
    let server = authority.server("localhost");
    listener.tls.certfile = Some(files.write("server.pem", &server.pem()));
    listener.tls.keyfile = Some(files.write("server.key", &server.key_pem()));
    listener
}

/// A broker with a listener `door` and one of TCP.
fn with_door(listener: Listener) -> (Server, Guests) {
    let guests = Guests::default();
    let name = format!("{}:door", listener.kind);
    let change = |config: &mut Config| {
        config.listeners.insert(name, listener);
    };
    let server = Server::of(change, guests.clone(), mqtt_broker::MemoryLog);
    (server, guests)
}

fn port(broker: &Broker, name: &str) -> u16 {
    let listeners = broker.listeners();
    let found = listeners.iter().find(|listener| *listener.name == *name);
    found.unwrap().addresses[0].port()
}

/// What a client of `authority`'s servers needs to know.
fn trusting(authority: &Authority) -> TlsOptions {
    TlsOptions::new().ca_pem(authority.pem()).unwrap()
}

async fn dial(url: &str, connector: &Connector) -> Result<Guest, DialError> {
    let endpoint = Endpoint::parse(url).unwrap();
    let stream = connector.connect_within(&endpoint, PATIENCE).await?;
    Ok(Guest { stream })
}

/// A client that writes its own packets of MQTT 3.1.1.
struct Guest {
    stream: Stream,
}

impl Guest {
    async fn connect(url: &str, connector: &Connector, client_id: &str) -> Self {
        let mut guest = dial(url, connector).await.unwrap();
        assert_eq!(guest.hello(client_id).await, [0x20, 2, 0, 0], "{url}");
        guest
    }

    /// CONNECT, and what comes back.
    async fn hello(&mut self, client_id: &str) -> Vec<u8> {
        self.send(&hello(client_id)).await;
        self.receive().await.unwrap()
    }

    async fn subscribe(&mut self, topic_filter: &str) {
        let mut body = vec![0, 1];
        push_text(&mut body, topic_filter);
        body.push(0);
        self.send(&packet(0x82, &body)).await;
        assert_eq!(self.receive().await.unwrap(), [0x90, 3, 0, 1, 0]);
    }

    async fn publish(&mut self, topic_name: &str, payload: &[u8]) {
        self.send(&publish(topic_name, payload)).await;
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// The next packet; none when the connection has ended.
    async fn receive(&mut self) -> Option<Vec<u8>> {
        let mut bytes = vec![self.byte().await?];
        let (mut len, mut shift) = (0, 0);
        loop {
            let byte = self.byte().await?;
            bytes.push(byte);
            len |= usize::from(byte & 0x7F) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let head = bytes.len();
        bytes.resize(head + len, 0);
        let read = self.stream.read_exact(&mut bytes[head..]);
        timeout(PATIENCE, read).await.unwrap().ok()?;
        Some(bytes)
    }

    async fn byte(&mut self) -> Option<u8> {
        timeout(PATIENCE, self.stream.read_u8()).await.unwrap().ok()
    }

    /// Whether the connection still does what it should.
    async fn is_alive(&mut self) -> bool {
        if self.stream.write_all(&[0xC0, 0]).await.is_err() || self.stream.flush().await.is_err() {
            return false;
        }
        self.receive().await == Some(vec![0xD0, 0])
    }
}

fn hello(client_id: &str) -> Vec<u8> {
    let mut body = b"\0\x04MQTT\x04\x02\0\0".to_vec();
    push_text(&mut body, client_id);
    packet(0x10, &body)
}

fn publish(topic_name: &str, payload: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    push_text(&mut body, topic_name);
    body.extend_from_slice(payload);
    packet(0x30, &body)
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut len = body.len();
    loop {
        let low = u8::try_from(len % 128).unwrap();
        len /= 128;
        bytes.push(if len > 0 { low | 0x80 } else { low });
        if len == 0 {
            break;
        }
    }
    bytes.extend_from_slice(body);
    bytes
}

fn push_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
    bytes.extend_from_slice(text.as_bytes());
}
