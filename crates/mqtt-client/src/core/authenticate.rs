//! The exchange of AUTH packets, at the beginning of a connection and again later.

use super::{Core, Link};
use crate::authenticate::{AuthSource, ReauthenticateError};
use crate::{CloseReason, ConnectError};
use mqtt_auth::{AuthError, ClientAuth};
use mqtt_codec::{Properties, Property, PropertyList, ReasonCode};
use mqtt_session::SendRefusal;
use std::fmt;
use std::sync::Arc;
use tokio::sync::oneshot;

/// What the client says on the connection in use.
#[derive(Default)]
pub(super) struct Exchange {
    method: Option<Box<dyn ClientAuth>>,
    /// Who waits for a re-authentication.
    again: Option<oneshot::Sender<Result<(), ReauthenticateError>>>,
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("again", &self.again)
            .finish_non_exhaustive()
    }
}

impl Exchange {
    /// Begins anew for a connection: Authentication Method and Authentication Data, if there are any.
    pub(super) fn begin(
        &mut self,
        source: Option<&AuthSource>,
    ) -> Result<Option<(String, Vec<u8>)>, AuthError> {
        *self = Self::default();
        let Some(AuthSource(source)) = source else {
            return Ok(None);
        };
        let mut method = source();
        let first = (method.method().to_owned(), method.first()?);
        self.method = Some(method);
        Ok(Some(first))
    }

    /// The server is satisfied.
    pub(super) fn finish(&mut self, server_data: Option<&[u8]>) -> Result<(), AuthError> {
        match &mut self.method {
            Some(method) => method.finish(server_data),
            None => Ok(()),
        }
    }

    /// The connection is gone.
    pub(super) fn lose(&mut self) {
        if let Some(again) = self.again.take() {
            // As with the other answers, nobody may be waiting.
            let _ = again.send(Err(ReauthenticateError::ConnectionLost));
        }
    }
}

impl Core {
    /// AUTH 0x18: the server asks for more.
    pub(super) fn answer_challenge(&mut self, server_data: Vec<u8>) {
        let Some(method) = &mut self.exchange.method else {
            return;
        };
        match method.next(&server_data) {
            Ok(data) => {
                if let Err(refusal) = self.send_auth(&data, false) {
                    tracing::warn!(%refusal, "cannot answer the server's AUTH");
                    self.end_unauthenticated(AuthError::OutOfTurn);
                }
            }
            Err(error) => self.end_unauthenticated(error),
        }
    }

    /// AUTH 0x00: the server agrees to a re-authentication.
    pub(super) fn finish_again(&mut self, server_data: Option<Vec<u8>>) {
        let finished = self.exchange.finish(server_data.as_deref());
        if let Some(again) = self.exchange.again.take() {
            // As with the other answers, nobody may be waiting.
            let _ = again.send(finished.clone().map_err(Into::into));
        }
        if let Err(error) = finished {
            self.end_unauthenticated(error);
        }
    }

    pub(super) fn reauthenticate(
        &mut self,
        reply: oneshot::Sender<Result<(), ReauthenticateError>>,
    ) {
        let begun = match (&mut self.exchange.method, self.is_accepted) {
            (Some(method), true) if self.exchange.again.is_none() => {
                method.first().map_err(Into::into)
            }
            (Some(_), false) => Err(ReauthenticateError::NotSent(SendRefusal::NotConnected)),
            (Some(_), true) | (None, _) => Err(ReauthenticateError::NotSent(
                SendRefusal::AuthenticationNotDue,
            )),
        };
        let sent = begun.and_then(|data| {
            self.send_auth(&data, true)
                .map_err(ReauthenticateError::NotSent)
        });
        match sent {
            Ok(()) => self.exchange.again = Some(reply),
            Err(error) => {
                // As with the other answers, nobody may be waiting.
                let _ = reply.send(Err(error));
            }
        }
    }

    /// Ends the connection because authentication does not go on.
    pub(super) fn end_unauthenticated(&mut self, error: AuthError) {
        self.disconnect_for(ReasonCode::UNSPECIFIED_ERROR);
        let error = Arc::new(ConnectError::Authentication(error));
        self.end(CloseReason::ConnectFailed(error));
    }

    fn send_auth(&mut self, data: &[u8], is_first: bool) -> Result<(), SendRefusal> {
        let Link::Here(connection) = &mut self.link else {
            return Err(SendRefusal::NotConnected);
        };
        let list = (!data.is_empty()).then_some(Property::AuthenticationData(data));
        let list = PropertyList::new(list.as_slice());
        let properties = Properties::from(&list);
        match is_first {
            true => connection.authenticate_again(properties, self.now_ms, &mut self.out),
            false => connection.authenticate(properties, self.now_ms, &mut self.out),
        }
    }
}
