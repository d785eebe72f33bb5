//! TLS and WebSocket on either side of a proxy.

use std::fs;

use mqtt_io::{Scheme, TlsOptions};
use mqtt_spy::{
    Connector, Door, Endpoint, Filter, Limits, Listener, Observer, Proxy, Settings, TlsAcceptor,
    TlsIdentity, TlsServerOptions,
};
use tempfile::{TempDir, tempdir};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::link::{CONNACK, CONNECT, PATIENCE, packets};

/// A certificate for `localhost`, which is its own authority.
struct Identity {
    dir: TempDir,
    pem: String,
}

impl Identity {
    fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let dir = tempdir().unwrap();
        fs::write(dir.path().join("c.pem"), made.cert.pem()).unwrap();
        fs::write(dir.path().join("c.key"), made.signing_key.serialize_pem()).unwrap();
        Self {
            dir,
            pem: made.cert.pem(),
        }
    }

    fn acceptor(&self) -> TlsAcceptor {
        let certificate = TlsIdentity::certificate_file(self.dir.path().join("c.pem"));
        let identity = certificate.unwrap().key_file(self.dir.path().join("c.key"));
        let options = TlsServerOptions::new().identity(identity.unwrap());
        options.build().unwrap()
    }

    fn connector(&self) -> Connector {
        let options = TlsOptions::new().ca_pem(&self.pem).unwrap();
        Connector::new().tls(options.build().unwrap())
    }
}

/// What is seen of CONNECT and CONNACK between a client and a server by these transports.
async fn passes(client: Scheme, server: Scheme) {
    let identity = Identity::new();
    let door = |scheme: Scheme| {
        let door = match scheme {
            Scheme::Mqtts | Scheme::Wss => Door::plain().tls(identity.acceptor()),
            _ => Door::plain(),
        };
        match scheme.is_websocket() {
            true => door.websocket(["/mqtt"]),
            false => door,
        }
    };
    let any_port = || Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    // A second proxy, of which only the way in is of interest, takes the part of the server.
    let plain = any_port();
    let to_plain = Endpoint::parse(&format!("mqtt://{}", plain.local_addr().unwrap())).unwrap();
    let (inner, mut inner_events) = Proxy::new(
        any_port(),
        door(server),
        Connector::new(),
        to_plain,
        Limits::default(),
    );
    let endpoint = |scheme, port| Endpoint::new(scheme, "localhost", Some(port)).unwrap();
    let (outer, mut events) = Proxy::new(
        any_port(),
        door(client),
        identity.connector(),
        endpoint(server, inner.local_addr().unwrap().port()),
        Limits::default(),
    );
    let port = outer.local_addr().unwrap().port();
    let tasks = [tokio::spawn(inner.run()), tokio::spawn(outer.run())];
    let drain = tokio::spawn(async move { while inner_events.recv().await.is_some() {} });

    let dialled = identity.connector().connect(&endpoint(client, port)).await;
    let mut dialled = dialled.unwrap();
    dialled.write_all(CONNECT).await.unwrap();
    dialled.flush().await.unwrap();
    let (mut accepted, _) = plain.accept().await.unwrap();
    let mut taken = vec![0; CONNECT.len()];
    timeout(PATIENCE, accepted.read_exact(&mut taken))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(taken, CONNECT);
    accepted.write_all(CONNACK).await.unwrap();
    let mut taken = vec![0; CONNACK.len()];
    timeout(PATIENCE, dialled.read_exact(&mut taken))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(taken, CONNACK);

    let mut observer = Observer::new(Settings::default(), Filter::default());
    let mut seen = Vec::new();
    while packets(&seen).len() < 2 {
        let event = timeout(PATIENCE, events.recv()).await.unwrap().unwrap();
        seen.extend(observer.take(&event));
    }
    assert_eq!(
        packets(&seen),
        ["client CONNECT", "server CONNACK; answers CONNECT #1"]
    );
    tasks
        .into_iter()
        .chain([drain])
        .for_each(|task| task.abort());
}

#[tokio::test]
async fn plain_to_tls() {
    passes(Scheme::Mqtt, Scheme::Mqtts).await;
}

#[tokio::test]
async fn tls_to_plain() {
    passes(Scheme::Mqtts, Scheme::Mqtt).await;
}

#[tokio::test]
async fn websocket_to_tls() {
    passes(Scheme::Ws, Scheme::Mqtts).await;
}

#[tokio::test]
async fn websocket_over_tls_to_websocket() {
    passes(Scheme::Wss, Scheme::Ws).await;
}
