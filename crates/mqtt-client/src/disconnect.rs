//! Disconnecting: the request.

use crate::command::{Control, DisconnectRequest};
use crate::{Client, DisconnectError, limits};
use mqtt_codec::ReasonCode;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// An orderly end, by [`Client::disconnect`].
///
/// `.await` on it takes nothing new from any handle, sends what is queued, waits for the acknowledgements of what is
/// under way, sends DISCONNECT and resolves when the transport is closed.
///
/// Cancel safety: dropped before its first poll nothing happens; dropped later, the client disconnects all the same.
#[derive(Debug)]
#[must_use = "nothing is disconnected before it is awaited"]
pub struct Disconnect {
    client: Client,
    timeout: Duration,
    reason: ReasonCode,
}

impl Disconnect {
    pub(crate) const fn new(client: Client) -> Self {
        let (timeout, reason) = (limits::DISCONNECT_TIMEOUT, ReasonCode::NORMAL_DISCONNECTION);
        Self {
            client,
            timeout,
            reason,
        }
    }

    /// Sets how long acknowledgements are waited for; 5 seconds when not set.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Has the server publish the Will Message; from v5 on.
    pub const fn with_will(mut self) -> Self {
        self.reason = ReasonCode::DISCONNECT_WITH_WILL_MESSAGE;
        self
    }

    async fn send(self) -> Result<(), DisconnectError> {
        let shared = Arc::clone(&self.client.handle.shared);
        let (reply, answer) = oneshot::channel();
        let (timeout, reason) = (self.timeout, self.reason);
        self.client.control(Control::Disconnect(DisconnectRequest {
            timeout,
            reason,
            reply,
        }))?;
        answer
            .await
            .unwrap_or_else(|_| Err(shared.closed_error().into()))
    }
}

impl IntoFuture for Disconnect {
    type Output = Result<(), DisconnectError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
