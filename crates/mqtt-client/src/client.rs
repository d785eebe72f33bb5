//! `Client`: the handle.

use crate::command::{Command, Control};
use crate::driver::DriverParts;
use crate::earlier::Earlier;
use crate::mailbox;
use crate::options::Options;
use crate::publish::Receipt;
use crate::shared::{CloseOnDrop, Shared};
use crate::store;
use crate::{
    ClientBuilder, CloseReason, ClosedError, ConnAckInfo, ConnectError, Disconnect, Events,
    Message, Permit, Publish, PublishError, Request, Restored, State, Subscribe, Unclaimed,
    Unsubscribe,
};
use bytes::Bytes;
use mqtt_codec::QoS;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};

/// A handle of one client; cheap to clone, usable from any task.
///
/// A driver in the background does the work, so nothing has to be polled for progress. It connects again when a
/// connection is lost: receipts and subscriptions outlive connections.
/// When the last handle is dropped, and with it the last [`Subscription`](crate::Subscription) and
/// [`Unclaimed`], what is queued is sent and the client disconnects.
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) handle: Arc<Handle>,
}

#[derive(Debug)]
pub(crate) struct Handle {
    pub(crate) commands: mailbox::Sender<Command>,
    control: mpsc::UnboundedSender<Control>,
    pub(crate) shared: Arc<Shared>,
}

impl Client {
    /// Begins a client of the server at `address`: `mqtt://`, `mqtts://`, `ws://`, `wss://`, `quic://` or `unix://`, the names
    /// `tcp`, `ssl` and `tls` that others use for the first two, or just `host:port`.
    ///
    /// The port is that of the scheme when missing (1883, 8883, 80, 443); `user:password@` may stand before the host,
    /// percent-encoded.
    pub fn builder(address: impl AsRef<str>) -> ClientBuilder {
        ClientBuilder::new(address.as_ref())
    }

    /// # Errors
    /// The store cannot be used.
    pub(crate) fn with_driver(options: Options) -> Result<(Self, DriverParts), ConnectError> {
        let opened = store::open(&options)?;
        let (commands, receiver) = mailbox::mailbox();
        let (control, control_receiver) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared::new(&options, opened.as_ref()));
        let mut earlier = Earlier::default();
        if let Some((_, found)) = opened {
            let leftovers;
            (earlier, leftovers) = found.into_earlier(&shared, &options);
            shared.set_leftovers(leftovers);
        }
        let parts = DriverParts {
            guard: CloseOnDrop(Arc::clone(&shared)),
            options: Arc::new(options),
            receiver,
            control: control_receiver,
            sender: commands.clone(),
            earlier,
        };
        let handle = Handle {
            commands,
            control,
            shared,
        };
        let handle = Arc::new(handle);
        Ok((Self { handle }, parts))
    }

    /// Publishes a message; see [`Publish`] for what can be set, and for what `.await` on it means.
    pub fn publish(&self, topic_name: impl Into<String>, payload: impl Into<Bytes>) -> Publish {
        Publish::new(self.clone(), topic_name.into(), payload.into())
    }

    /// Publishes a message that asks for an answer, and waits for that; see [`Request`].
    pub fn request(&self, topic_name: impl Into<String>, payload: impl Into<Bytes>) -> Request {
        Request::new(self.clone(), topic_name.into(), payload.into())
    }

    /// The answer to a message that asks for one, to be published; none if it does not ask.
    pub fn respond(&self, request: &Message, payload: impl Into<Bytes>) -> Option<Publish> {
        let asked = request.properties();
        let publish = self.publish(asked.response_topic.as_deref()?, payload);
        Some(match &asked.correlation_data {
            Some(correlation_data) => publish.correlation_data(correlation_data.clone()),
            None => publish,
        })
    }

    /// Subscribes to `topic_filter`; see [`Subscribe`].
    pub fn subscribe(&self, topic_filter: impl Into<String>) -> Subscribe {
        Subscribe::new(self.clone(), vec![(topic_filter.into(), None)])
    }

    /// Subscribes to several filters by one packet and receives their messages in one stream; see [`Subscribe`].
    pub fn subscribe_many<F: Into<String>>(
        &self,
        topic_filters: impl IntoIterator<Item = F>,
    ) -> Subscribe {
        Subscribe::new(
            self.clone(),
            topic_filters
                .into_iter()
                .map(|topic_filter| (topic_filter.into(), None))
                .collect(),
        )
    }

    /// Unsubscribes `topic_filter` whoever subscribed to it: its subscriptions end after what they hold.
    ///
    /// Dropping a [`Subscription`](crate::Subscription) does this by itself.
    pub fn unsubscribe(&self, topic_filter: impl Into<String>) -> Unsubscribe {
        Unsubscribe::new(self.clone(), topic_filter.into())
    }

    /// The messages that came without a subscription of this client asking for them; see [`Unclaimed`].
    pub fn unclaimed(&self) -> Unclaimed {
        Unclaimed::new(self.clone())
    }

    /// Waits until a message of `qos` with `bytes` bytes of Topic Name and payload may be handed to the client, and
    /// keeps the place.
    ///
    /// Cancel safety: dropping the future, or the permit, gives the place back and loses no message; so a `select!`
    /// around it never half publishes.
    ///
    /// # Errors
    /// The client has ended.
    pub async fn reserve(&self, qos: QoS, bytes: usize) -> Result<Permit, PublishError> {
        Permit::reserve(self.clone(), qos, bytes).await
    }

    /// The messages that an earlier process with the same [store](ClientBuilder::store) had not finished, each with a
    /// receipt, in the order they were accepted; once: the second time, and without a store, there are none.
    ///
    /// They are published whether anybody asks for them or not.
    pub fn restored(&self) -> Vec<Restored> {
        let shared = &self.handle.shared;
        let leftovers = shared.take_leftovers().into_iter();
        let restored = leftovers.map(|leftover| Restored {
            topic_name: leftover.topic_name,
            payload: leftover.payload,
            qos: leftover.qos,
            receipt: Receipt::restored(leftover.claim, Arc::clone(shared)),
        });
        restored.collect()
    }

    /// What the server said when it accepted the connection; none while there is no connection.
    pub fn connack(&self) -> Option<Arc<ConnAckInfo>> {
        self.handle.shared.connack()
    }

    /// Waits until there is a connection; at once if there is one.
    ///
    /// Cancel safety: nothing is lost.
    ///
    /// # Errors
    /// The client has ended.
    pub async fn connected(&self) -> Result<Arc<ConnAckInfo>, ClosedError> {
        self.handle.shared.connected().await
    }

    /// How the client stands to its server, now and as it changes.
    pub fn state(&self) -> watch::Receiver<State> {
        self.handle.shared.state()
    }

    /// What happens to the client from now on; see [`Events`].
    pub fn events(&self) -> Events {
        self.handle.shared.events.subscribe()
    }

    /// What the client has counted.
    #[cfg(feature = "metrics")]
    pub fn metrics(&self) -> crate::Metrics {
        let shared = &self.handle.shared;
        let free = shared.unsent.available_permits() + shared.unacknowledged.available_permits();
        let pending = shared.publish_places.saturating_sub(free);
        let is_closed = matches!(*shared.state().borrow(), State::Closed);
        shared
            .counters
            .snapshot(if is_closed { 0 } else { pending })
    }

    /// Waits until everything that was published or asked for before has its answer, without ending anything.
    ///
    /// While there is no connection it waits for the next one.
    ///
    /// Cancel safety: nothing is lost.
    ///
    /// # Errors
    /// The client has ended; then every receipt has its answer as well.
    pub async fn drain(&self) -> Result<(), ClosedError> {
        let (reply, idle) = oneshot::channel();
        self.control(Control::Drain(reply))?;
        idle.await.map_err(|_| self.handle.shared.closed_error())
    }

    /// Ends the client in an orderly way; see [`Disconnect`].
    pub fn disconnect(&self) -> Disconnect {
        Disconnect::new(self.clone())
    }

    /// Waits until the client has ended, and tells why.
    ///
    /// Cancel safety: nothing is lost.
    pub async fn closed(&self) -> CloseReason {
        self.handle.shared.closed().await
    }

    /// # Errors
    /// The driver is gone, and the command with it.
    pub(crate) fn send(&self, command: Command) -> Result<(), ClosedError> {
        self.handle
            .commands
            .send(command)
            .map_err(|_| self.handle.shared.closed_error())
    }

    /// # Errors
    /// The driver is gone, and what was asked of it with it.
    pub(crate) fn control(&self, control: Control) -> Result<(), ClosedError> {
        self.handle
            .control
            .send(control)
            .map_err(|_| self.handle.shared.closed_error())
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // Without a driver there is nothing to release.
        let _ = self.control.send(Control::Release);
    }
}
