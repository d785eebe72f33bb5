//! A network whose every connection a test plays the server of.

use crate::server::{DUPLEX_LEN, Server};
use mqtt_client::{
    Attempt, Client, ClientBuilder, ProtocolVersion, QoS, Receipt, Reconnect, Stream,
};
use mqtt_codec::Property;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;

/// Where a client's attempts arrive.
pub(crate) struct Net {
    attempts: mpsc::UnboundedReceiver<(Attempt, DuplexStream)>,
    /// Attempts that fail from now on.
    down: Arc<AtomicU32>,
}

/// A network, and a builder of a client that uses it.
pub(crate) fn net(address: &str) -> (Net, ClientBuilder) {
    let (sender, attempts) = mpsc::unbounded_channel();
    let down = Arc::new(AtomicU32::new(0));
    let is_down = Arc::clone(&down);
    let builder = Client::builder(address).connector(move |attempt| {
        let (sender, is_down) = (sender.clone(), Arc::clone(&is_down));
        async move {
            let (near, far) = tokio::io::duplex(DUPLEX_LEN);
            // Told in any case, so that a test sees attempts that fail as well.
            let _ = sender.send((attempt, far));
            let one_less = |down: u32| down.checked_sub(1);
            match is_down.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less) {
                Ok(_) => Err(io::ErrorKind::ConnectionRefused.into()),
                Err(_) => Ok(Stream::other(near)),
            }
        }
    });
    let builder = builder
        .client_id("client")
        .reconnect(Reconnect::new().seed(1));
    (Net { attempts, down }, builder)
}

impl Net {
    /// Whether nobody can be reached.
    pub(crate) fn set_down(&self, down: bool) {
        self.refuse(if down { u32::MAX } else { 0 });
    }

    /// The next `attempts` fail.
    pub(crate) fn refuse(&self, attempts: u32) {
        self.down.store(attempts, Ordering::Relaxed);
    }

    /// The next attempt.
    pub(crate) async fn attempt(&mut self) -> Attempt {
        self.attempts.recv().await.unwrap().0
    }

    /// The next attempt, as the server of it.
    pub(crate) async fn next(&mut self, version: ProtocolVersion) -> Server {
        let (_, far) = self.attempts.recv().await.unwrap();
        Server::new(far, version)
    }

    /// The next connection, accepted.
    pub(crate) async fn accept(&mut self, session_present: bool) -> Server {
        self.accept_with(session_present, &[]).await
    }

    pub(crate) async fn accept_with(
        &mut self,
        session_present: bool,
        properties: &[Property<'_>],
    ) -> Server {
        let mut server = self.next(ProtocolVersion::V5).await;
        server.accept_with(session_present, properties).await;
        server
    }
}

/// A client that is connected over a network.
pub(crate) async fn connected_over(
    options: impl FnOnce(ClientBuilder) -> ClientBuilder,
) -> (Client, Server, Net) {
    let (mut net, builder) = net("first.example");
    let (client, server) = tokio::join!(options(builder).connect(), net.accept(false));
    (client.unwrap(), server, net)
}

/// Hands a message to the client.
pub(crate) async fn enqueue(client: &Client, topic_name: &str, qos: QoS) -> Receipt {
    let publish = client.publish(topic_name, "x").qos(qos);
    publish.enqueue().await.unwrap()
}

/// The session outlives its connection.
pub(crate) fn kept(builder: ClientBuilder) -> ClientBuilder {
    builder.session_expiry(Duration::from_secs(60))
}
