//! `Client`: the handle.

use crate::command::{Command, Control};
use crate::driver::DriverParts;
use crate::options::Options;
use crate::shared::{CloseOnDrop, Shared};
use crate::{
    ClientBuilder, CloseReason, ClosedError, ConnAckInfo, Disconnect, Publish, Subscribe,
    Unclaimed, Unsubscribe,
};
use bytes::Bytes;
use std::sync::Arc;
use tokio::sync::mpsc;

/// A handle of one client; cheap to clone, usable from any task.
///
/// A driver in the background does the work, so nothing has to be polled for progress.
/// When the last handle is dropped, and with it the last [`Subscription`](crate::Subscription) and
/// [`Unclaimed`], what is queued is sent and the client disconnects.
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) handle: Arc<Handle>,
}

#[derive(Debug)]
pub(crate) struct Handle {
    commands: mpsc::UnboundedSender<Command>,
    control: mpsc::UnboundedSender<Control>,
    pub(crate) shared: Arc<Shared>,
}

impl Client {
    /// Begins a client of the server at `address`: `mqtt://host:port`, `tcp://host:port` or just `host:port`.
    ///
    /// The port is 1883 when missing; `user:password@` may stand before the host, percent-encoded.
    pub fn builder(address: impl AsRef<str>) -> ClientBuilder {
        ClientBuilder::new(address.as_ref())
    }

    pub(crate) fn with_driver(options: Options) -> (Self, DriverParts) {
        let (commands, receiver) = mpsc::unbounded_channel();
        let (control, control_receiver) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared::new(options.publish_capacity));
        let parts = DriverParts {
            guard: CloseOnDrop(Arc::clone(&shared)),
            options,
            receiver,
            control: control_receiver,
            sender: commands.clone(),
        };
        let handle = Handle {
            commands,
            control,
            shared,
        };
        let handle = Arc::new(handle);
        (Self { handle }, parts)
    }

    /// Publishes a message; see [`Publish`] for what can be set, and for what `.await` on it means.
    pub fn publish(&self, topic_name: impl Into<String>, payload: impl Into<Bytes>) -> Publish {
        Publish::new(self.clone(), topic_name.into(), payload.into())
    }

    /// Subscribes to `topic_filter`; see [`Subscribe`].
    pub fn subscribe(&self, topic_filter: impl Into<String>) -> Subscribe {
        Subscribe::new(self.clone(), vec![topic_filter.into()])
    }

    /// Subscribes to several filters by one packet and receives their messages in one stream; see [`Subscribe`].
    pub fn subscribe_many<F: Into<String>>(
        &self,
        topic_filters: impl IntoIterator<Item = F>,
    ) -> Subscribe {
        Subscribe::new(
            self.clone(),
            topic_filters.into_iter().map(Into::into).collect(),
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

    /// What the server said when it accepted the connection; none before and after it.
    pub fn connack(&self) -> Option<Arc<ConnAckInfo>> {
        self.handle.shared.connack()
    }

    /// Waits until the server has accepted the connection.
    ///
    /// Cancel safety: nothing is lost.
    ///
    /// # Errors
    /// It did not, or the connection has ended since.
    pub async fn connected(&self) -> Result<Arc<ConnAckInfo>, ClosedError> {
        self.handle.shared.connected().await
    }

    /// Ends the connection in an orderly way; see [`Disconnect`].
    pub fn disconnect(&self) -> Disconnect {
        Disconnect::new(self.clone())
    }

    /// Waits until the connection has ended, and tells why.
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
