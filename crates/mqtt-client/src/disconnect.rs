//! Disconnecting: the request.

use crate::command::{Control, DisconnectRequest};
use crate::options::whole_seconds;
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
    session_expiry: Option<Duration>,
    reason_string: Option<String>,
    user_properties: Vec<(String, String)>,
}

impl Disconnect {
    pub(crate) const fn new(client: Client) -> Self {
        let (timeout, reason) = (limits::DISCONNECT_TIMEOUT, ReasonCode::NORMAL_DISCONNECTION);
        Self {
            client,
            timeout,
            reason,
            session_expiry: None,
            reason_string: None,
            user_properties: Vec::new(),
        }
    }

    /// Sets the Reason Code; normal when not set. From v5 on.
    pub const fn reason(mut self, reason: ReasonCode) -> Self {
        self.reason = reason;
        self
    }

    /// Sets how long the server keeps the session from now on, in whole seconds; as agreed at CONNECT when not set.
    ///
    /// From v5 on, and not above zero where CONNECT said zero. Spec: v5 §3.14.2.2.2.
    pub const fn session_expiry(mut self, session_expiry: Duration) -> Self {
        self.session_expiry = Some(session_expiry);
        self
    }

    /// Adds words for people; from v5 on.
    pub fn reason_string(mut self, reason_string: impl Into<String>) -> Self {
        self.reason_string = Some(reason_string.into());
        self
    }

    /// Adds a User Property; from v5 on.
    pub fn user_property(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.user_properties.push((name.into(), value.into()));
        self
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
        let request = DisconnectRequest {
            timeout: self.timeout,
            reason: self.reason,
            session_expiry_s: self.session_expiry.map(whole_seconds),
            reason_string: self.reason_string,
            user_properties: self.user_properties,
            reply,
        };
        self.client
            .control(Control::Disconnect(Box::new(request)))?;
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
