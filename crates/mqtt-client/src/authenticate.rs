//! Enhanced authentication: where its methods come from, and doing it again.

use crate::command::Control;
use crate::{Client, ClosedError};
use mqtt_auth::{AuthError, ClientAuth};
use mqtt_session::SendRefusal;
use std::fmt;
use std::sync::Arc;
use tokio::sync::oneshot;

/// What makes the authentication of each connection; shows no more than that it is there.
#[derive(Clone)]
pub(crate) struct AuthSource(pub(crate) Arc<dyn Fn() -> Box<dyn ClientAuth> + Send + Sync>);

impl fmt::Debug for AuthSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthSource")
    }
}

/// Why a client was not authenticated again.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReauthenticateError {
    /// The client does not authenticate by AUTH, or does so at this moment, or there is no connection.
    #[error("not sent: {0}")]
    NotSent(SendRefusal),
    /// The method does not go on, or the server has not proven itself.
    #[error(transparent)]
    Method(#[from] AuthError),
    /// The connection was lost meanwhile, as when the server refuses; the next one authenticates anew.
    #[error("the connection ended before the server agreed")]
    ConnectionLost,
    /// The client has ended.
    #[error(transparent)]
    Closed(#[from] ClosedError),
}

impl Client {
    /// Authenticates again on the connection in use, as before what was proven expires; waits for the server's consent.
    ///
    /// Traffic goes on meanwhile. A server that refuses ends the connection. Spec: v5 §4.12.1.
    ///
    /// Cancel safety: dropped before its first poll nothing was sent; dropped later, only the outcome is lost.
    ///
    /// # Errors
    /// There is nothing to authenticate with, or it did not go well.
    pub async fn reauthenticate(&self) -> Result<(), ReauthenticateError> {
        let (reply, answer) = oneshot::channel();
        self.control(Control::Reauthenticate(reply))?;
        answer
            .await
            .unwrap_or_else(|_| Err(self.handle.shared.closed_error().into()))
    }
}
