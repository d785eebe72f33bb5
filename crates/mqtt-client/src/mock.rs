//! A server in memory for tests of programs that use this client; feature `mock`.
//!
//! It answers whatever a client asks, with yes unless told otherwise, and knows one client at a time. There are no
//! sockets, so tests may run on paused time.
//!
//! ```
//! use mqtt_client::QoS;
//! use mqtt_client::mock::Server;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = Server::new();
//! let client = server.builder().connect().await?;
//! let mut commands = client.subscribe("pumps/7/#").qos(QoS::AtLeastOnce).await?;
//!
//! server.publish("pumps/7/on", "now", QoS::AtLeastOnce);
//! assert_eq!(commands.next().await.unwrap().topic_name(), "pumps/7/on");
//!
//! client.publish("pumps/7/state", "running").qos(QoS::AtLeastOnce).await?;
//! assert_eq!(server.published().await.payload, "running");
//!
//! server.cut();
//! client.publish("pumps/7/state", "still running").qos(QoS::AtLeastOnce).await?;
//! # Ok(())
//! # }
//! ```

mod connection;

use crate::{Client, ClientBuilder, QoS, ReasonCode, Stream};
use bytes::Bytes;
use connection::Connection;
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::sync::watch;

/// Bytes that fit between client and server in each direction.
const PIPE_LEN: usize = 64 * 1024;

/// A server in memory; clones are the same server.
#[derive(Clone, Debug, Default)]
pub struct Server {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    state: Mutex<State>,
    /// Told when a message was published or a filter subscribed to.
    changed: Notify,
    /// Told when there is something to send, or to end.
    work: Notify,
    /// Which connection is in use; one that is not ends.
    generation: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    /// Why attempts at connecting fail, if they do.
    refusal: Option<Refusal>,
    /// Whether the server forgets the session with the connection.
    is_forgetful: bool,
    /// The answer to every PUBLISH of QoS 1 and 2.
    publish_reason: ReasonCode,
    /// Messages that have arrived and not been looked at.
    published: VecDeque<Published>,
    /// Topic Filters that are subscribed to, in order.
    subscribed: Vec<String>,
    /// Messages to send.
    outgoing: VecDeque<Published>,
    /// Whether a client has been here, so that there is a session.
    has_session: bool,
}

/// Why an attempt at connecting fails.
#[derive(Clone, Copy, Debug)]
enum Refusal {
    Unreachable,
    Reason(ReasonCode),
}

/// A message a client has published.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Published {
    /// Its Topic Name.
    pub topic_name: String,
    /// What it says.
    pub payload: Bytes,
    /// The QoS it came with.
    pub qos: QoS,
    /// Whether it is to be retained.
    pub retain: bool,
}

impl Server {
    /// A server that says yes to everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// A builder of a client of this server.
    pub fn builder(&self) -> ClientBuilder {
        let server = self.clone();
        Client::builder("mock").connector(move |_| {
            let server = server.clone();
            async move { server.connect() }
        })
    }

    /// A connection to this server, for a connector of one's own; the one before it ends.
    ///
    /// # Errors
    /// After [`Server::set_unreachable`].
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn connect(&self) -> io::Result<Stream> {
        self.inner.connect()
    }

    /// Nobody can connect from now on; a connection that is there stays.
    pub fn set_unreachable(&self) {
        self.inner.lock().refusal = Some(Refusal::Unreachable);
    }

    /// Everybody who connects is refused with `reason` from now on.
    pub fn refuse_with(&self, reason: ReasonCode) {
        self.inner.lock().refusal = Some(Refusal::Reason(reason));
    }

    /// Everybody may connect again.
    pub fn accept_all(&self) {
        self.inner.lock().refusal = None;
    }

    /// Forgets the session with each connection from now on: what clients subscribe to and what they are sent.
    pub fn forget_sessions(&self) {
        self.inner.lock().is_forgetful = true;
    }

    /// Answers every message of QoS 1 and 2 with `reason` from now on.
    pub fn answer_publishes(&self, reason: ReasonCode) {
        self.inner.lock().publish_reason = reason;
    }

    /// Ends the connection, as a network does that fails.
    pub fn cut(&self) {
        self.inner
            .generation
            .send_modify(|generation| *generation += 1);
    }

    /// Sends a message to the client, whatever it is subscribed to; without a connection it waits for the next.
    pub fn publish(&self, topic_name: impl Into<String>, payload: impl Into<Bytes>, qos: QoS) {
        self.inner.lock().outgoing.push_back(Published {
            topic_name: topic_name.into(),
            payload: payload.into(),
            qos,
            retain: false,
        });
        self.inner.work.notify_one();
    }

    /// The next message a client has published, once there is one.
    ///
    /// Cancel safety: a dropped call takes none.
    pub async fn published(&self) -> Published {
        loop {
            let changed = self.inner.changed.notified();
            if let Some(published) = self.inner.lock().published.pop_front() {
                return published;
            }
            changed.await;
        }
    }

    /// The Topic Filters that are subscribed to, in the order they were asked for.
    pub fn subscribed(&self) -> Vec<String> {
        self.inner.lock().subscribed.clone()
    }
}

impl Inner {
    fn connect(self: &Arc<Self>) -> io::Result<Stream> {
        let mut state = self.lock();
        let reason = match state.refusal {
            Some(Refusal::Unreachable) => return Err(io::ErrorKind::ConnectionRefused.into()),
            Some(Refusal::Reason(reason)) => reason,
            None => ReasonCode::SUCCESS,
        };
        if state.is_forgetful {
            state.has_session = false;
            state.subscribed.clear();
        }
        drop(state);
        let (near, far) = tokio::io::duplex(PIPE_LEN);
        self.generation.send_modify(|generation| *generation += 1);
        let connection = Connection::new(Arc::clone(self), reason);
        tokio::spawn(connection.run(far, self.generation.subscribe()));
        Ok(Stream::other(near))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
