//! The client's steps of an enhanced authentication.

use super::connection::Phase;
use super::{ClientConnection, SendRefusal};
use crate::{AuthExchange, AuthMethod, Journal, Output, Storage};
use mqtt_codec::{Properties, ReasonCode};

impl<M, R, S: Storage, J: Journal<M>> ClientConnection<M, R, S, J> {
    /// Answers the server's AUTH by AUTH 0x18; `properties` has Authentication Data and words, the method is added.
    ///
    /// Spec: v5 [MQTT-4.12.0-3], [MQTT-4.12.0-5].
    ///
    /// # Errors
    /// The server has not asked, or CONNECT named no method; or AUTH cannot be sent.
    pub fn authenticate(
        &mut self,
        properties: Properties<'_>,
        now_ms: u64,
        out: &mut impl Output,
    ) -> Result<(), SendRefusal> {
        self.send_auth(AuthExchange::proceed, properties, now_ms, out)
    }

    /// Begins to authenticate again by AUTH 0x19; traffic goes on meanwhile.
    ///
    /// Spec: v5 §4.12.1, [MQTT-4.12.1-1].
    ///
    /// # Errors
    /// CONNECT named no method, there is no CONNACK yet, or an exchange is under way; or AUTH cannot be sent.
    pub fn authenticate_again(
        &mut self,
        properties: Properties<'_>,
        now_ms: u64,
        out: &mut impl Output,
    ) -> Result<(), SendRefusal> {
        self.send_auth(AuthExchange::begin_again, properties, now_ms, out)
    }

    fn send_auth(
        &mut self,
        step: impl FnOnce(&mut AuthExchange<AuthMethod>) -> Option<ReasonCode>,
        properties: Properties<'_>,
        now_ms: u64,
        out: &mut impl Output,
    ) -> Result<(), SendRefusal> {
        self.now_ms = now_ms;
        if self.phase == Phase::Ended {
            return Err(SendRefusal::NotConnected);
        }
        let auth = self.auth.as_mut();
        let auth = auth.ok_or(SendRefusal::AuthenticationNotDue)?;
        auth.send(step, properties, &self.negotiated, out)?;
        self.keep_alive.sent(now_ms);
        Ok(())
    }
}
