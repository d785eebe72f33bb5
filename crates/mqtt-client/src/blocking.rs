//! The same client for programs without async: every method has the name it has elsewhere and waits itself.
//!
//! A thread in the background does the work. What is awaited in the async client ends with `send()` here.
//!
//! ```no_run
//! use mqtt_client::QoS;
//! use mqtt_client::blocking::Client;
//! use std::time::Duration;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::builder("mqtt://localhost").client_id("meter-3").connect()?;
//! let mut readings = client.subscribe("sensors/#").qos(QoS::AtLeastOnce).send()?;
//! client.publish("sensors/1", "21.5").qos(QoS::AtLeastOnce).send()?;
//! while let Some(message) = readings.next_timeout(Duration::from_secs(10)) {
//!     println!("{}: {}", message.topic_name(), message.text()?);
//! }
//! client.disconnect().send()?;
//! # Ok(())
//! # }
//! ```
//!
//! Nothing here may be called from within an async task: that panics, as blocking a runtime's thread does.

mod builder;
mod operations;
mod receive;

pub use builder::ClientBuilder;
pub use operations::{Disconnect, Publish, Receipt, Request, Restored, Subscribe, Unsubscribe};
pub use receive::{Events, Subscription, Unclaimed};

use crate::{
    CloseReason, ClosedError, ConnAckInfo, Message, PublishError, QoS, ReauthenticateError, State,
    limits,
};
use bytes::Bytes;
use std::io;
use std::sync::Arc;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::watch;
use tokio::time::timeout;

/// A handle of one client; cheap to clone, usable from any thread.
///
/// Dropping the last one, with the last receipt and the last stream of messages, waits until what is queued is sent,
/// [`DISCONNECT_TIMEOUT`](limits::DISCONNECT_TIMEOUT) at most.
#[derive(Clone, Debug)]
pub struct Client {
    // The order matters: the client goes first, then its thread.
    inner: crate::Client,
    thread: Arc<Thread>,
}

/// The thread that does the work.
#[derive(Debug)]
struct Thread {
    /// None only while it is dropped.
    runtime: Option<Runtime>,
    handle: Handle,
    state: Option<watch::Receiver<State>>,
}

impl Thread {
    fn start() -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("mqtt-client")
            .enable_all()
            .build()?;
        Ok(Self {
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
            state: None,
        })
    }

    fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.handle.block_on(future)
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        let Some(runtime) = self.runtime.take() else {
            return;
        };
        // In an async task waiting would panic.
        if let Some(mut state) = self.state.take()
            && Handle::try_current().is_err()
        {
            let limit = limits::DISCONNECT_TIMEOUT + limits::CLOSE_TIMEOUT;
            let closed = state.wait_for(|state| matches!(state, State::Closed));
            // Either way it ends now.
            let _ = runtime.block_on(async { timeout(limit, closed).await.is_ok() });
        }
        runtime.shutdown_background();
    }
}

impl Client {
    /// As [`crate::Client::builder`].
    pub fn builder(address: impl AsRef<str>) -> ClientBuilder {
        ClientBuilder::new(address.as_ref())
    }

    /// As [`crate::Client::publish`].
    pub fn publish(&self, topic_name: impl Into<String>, payload: impl Into<Bytes>) -> Publish {
        Publish::new(self.inner.publish(topic_name, payload), &self.thread)
    }

    /// As [`crate::Client::request`].
    pub fn request(&self, topic_name: impl Into<String>, payload: impl Into<Bytes>) -> Request {
        Request::new(self.inner.request(topic_name, payload), &self.thread)
    }

    /// As [`crate::Client::respond`].
    pub fn respond(&self, request: &Message, payload: impl Into<Bytes>) -> Option<Publish> {
        let publish = self.inner.respond(request, payload)?;
        Some(Publish::new(publish, &self.thread))
    }

    /// As [`crate::Client::subscribe`].
    pub fn subscribe(&self, topic_filter: impl Into<String>) -> Subscribe {
        Subscribe::new(self.inner.subscribe(topic_filter), &self.thread)
    }

    /// As [`crate::Client::subscribe_many`].
    pub fn subscribe_many<F: Into<String>>(
        &self,
        topic_filters: impl IntoIterator<Item = F>,
    ) -> Subscribe {
        Subscribe::new(self.inner.subscribe_many(topic_filters), &self.thread)
    }

    /// As [`crate::Client::unsubscribe`].
    pub fn unsubscribe(&self, topic_filter: impl Into<String>) -> Unsubscribe {
        Unsubscribe::new(self.inner.unsubscribe(topic_filter), &self.thread)
    }

    /// As [`crate::Client::unclaimed`].
    pub fn unclaimed(&self) -> Unclaimed {
        Unclaimed::new(self.inner.unclaimed(), &self.thread)
    }

    /// As [`crate::Client::reserve`].
    ///
    /// # Errors
    /// The client has ended.
    pub fn reserve(&self, qos: QoS, bytes: usize) -> Result<crate::Permit, PublishError> {
        self.thread.wait(self.inner.reserve(qos, bytes))
    }

    /// As [`crate::Client::restored`].
    pub fn restored(&self) -> Vec<Restored> {
        let restored = self.inner.restored().into_iter();
        restored
            .map(|one| Restored::new(one, &self.thread))
            .collect()
    }

    /// As [`crate::Client::connack`].
    pub fn connack(&self) -> Option<Arc<ConnAckInfo>> {
        self.inner.connack()
    }

    /// As [`crate::Client::connected`].
    ///
    /// # Errors
    /// The client has ended.
    pub fn connected(&self) -> Result<Arc<ConnAckInfo>, ClosedError> {
        self.thread.wait(self.inner.connected())
    }

    /// How the client stands to its server now.
    pub fn state(&self) -> State {
        self.inner.state().borrow().clone()
    }

    /// As [`crate::Client::events`].
    pub fn events(&self) -> Events {
        Events::new(self.inner.events(), &self.thread)
    }

    /// As [`crate::Client::metrics`].
    #[cfg(feature = "metrics")]
    pub fn metrics(&self) -> crate::Metrics {
        self.inner.metrics()
    }

    /// As [`crate::Client::drain`].
    ///
    /// # Errors
    /// The client has ended.
    pub fn drain(&self) -> Result<(), ClosedError> {
        self.thread.wait(self.inner.drain())
    }

    /// As [`crate::Client::reauthenticate`].
    ///
    /// # Errors
    /// As there.
    pub fn reauthenticate(&self) -> Result<(), ReauthenticateError> {
        self.thread.wait(self.inner.reauthenticate())
    }

    /// As [`crate::Client::disconnect`].
    pub fn disconnect(&self) -> Disconnect {
        Disconnect::new(self.inner.disconnect(), &self.thread)
    }

    /// As [`crate::Client::closed`].
    pub fn closed(&self) -> CloseReason {
        self.thread.wait(self.inner.closed())
    }

    /// The async client behind this one, for the parts of a program that are async.
    pub const fn as_async(&self) -> &crate::Client {
        &self.inner
    }
}
