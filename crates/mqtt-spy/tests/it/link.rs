//! A client and a server with a proxy between them.

use std::time::Duration;

use mqtt_spy::{
    Connector, Door, Endpoint, Event, Filter, Limits, Listener, Observer, Proxy, Seen, Settings,
    Side, What,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

/// How long anything may take before it counts as never.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const CONNECT: &[u8] = b"\x10\x0D\0\x04MQTT\x04\x02\0\x3C\0\x01c";
pub(crate) const CONNACK: &[u8] = b"\x20\x02\0\0";

/// A proxy, the server behind it, and who watches.
pub(crate) struct Link {
    pub(crate) server: TcpListener,
    pub(crate) port: u16,
    pub(crate) events: Receiver<Event>,
    pub(crate) observer: Observer,
}

/// A connection through a proxy.
pub(crate) struct Both {
    pub(crate) client: TcpStream,
    pub(crate) server: TcpStream,
}

impl Link {
    pub(crate) async fn new(limits: Limits, filter: Filter) -> Self {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = server.local_addr().unwrap();
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let endpoint = Endpoint::parse(&format!("mqtt://{addr}")).unwrap();
        let (proxy, events) =
            Proxy::new(listener, Door::plain(), Connector::new(), endpoint, limits);
        let port = proxy.local_addr().unwrap().port();
        tokio::spawn(proxy.run());
        Self {
            server,
            port,
            events,
            observer: Observer::new(Settings::default(), filter),
        }
    }

    pub(crate) async fn plain() -> Self {
        Self::new(Limits::default(), Filter::default()).await
    }

    pub(crate) async fn dial(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port)).await.unwrap()
    }

    pub(crate) async fn open(&self) -> Both {
        let client = self.dial().await;
        let (server, _) = self.server.accept().await.unwrap();
        Both { client, server }
    }

    pub(crate) async fn event(&mut self) -> Event {
        let event = timeout(PATIENCE, self.events.recv()).await;
        event.expect("one more event").expect("the proxy runs")
    }

    /// What is seen up to the end of one connection.
    pub(crate) async fn seen_until_closed(&mut self) -> Vec<Seen> {
        let mut seen = Vec::new();
        loop {
            let event = self.event().await;
            let is_closed = matches!(event.happening, mqtt_spy::Happening::Closed { .. });
            seen.extend(self.observer.take(&event));
            if is_closed {
                return seen;
            }
        }
    }
}

impl Both {
    /// Has one side send bytes and the other one take them as they are.
    pub(crate) async fn pass(&mut self, side: Side, bytes: &[u8]) {
        let (from, to) = match side {
            Side::Client => (&mut self.client, &mut self.server),
            Side::Server => (&mut self.server, &mut self.client),
        };
        from.write_all(bytes).await.unwrap();
        let mut taken = vec![0; bytes.len()];
        let read = timeout(PATIENCE, to.read_exact(&mut taken)).await;
        read.expect("the bytes arrive").unwrap();
        assert_eq!(taken, bytes);
    }

    /// Has both sides end, the client first.
    pub(crate) async fn end(mut self) {
        self.client.shutdown().await.unwrap();
        assert_eq!(self.server.read(&mut [0]).await.unwrap(), 0);
        self.server.shutdown().await.unwrap();
        assert_eq!(self.client.read(&mut [0]).await.unwrap(), 0);
    }
}

/// Sides and names of packets, with their notes but for times.
pub(crate) fn packets(seen: &[Seen]) -> Vec<String> {
    let packets = seen.iter().filter_map(|seen| match &seen.what {
        What::Packet(spoken) => Some(spoken),
        _ => None,
    });
    packets
        .map(|spoken| {
            let mut text = format!("{} {}", spoken.side.name(), spoken.packet.name());
            for note in &spoken.notes {
                let note = note.to_string();
                let note = note.split(" after ").next().unwrap();
                text.push_str("; ");
                text.push_str(note);
            }
            text
        })
        .collect()
}
