//! SCRAM-SHA-256 with the users of the built-in database, by enhanced authentication. Spec: v5 §4.12, RFC 7677.

use super::{Desk, count};
use crate::access::{Identity, UserStore};
use crate::authenticate::{AuthAnswer, AuthStep, Exchange, Grant};
use mqtt_auth::{AuthError, ScramExchange, ScramSha256Server};
use mqtt_codec::ReasonCode;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

/// The Authentication Method.
pub(in crate::access) const SCRAM_METHOD: &str = "SCRAM-SHA-256";

/// One authenticator.
pub(in crate::access) struct ScramAuthenticator {
    name: Arc<str>,
    server: ScramSha256Server,
    store: UserStore,
}

impl ScramAuthenticator {
    /// One with a secret of its own.
    ///
    /// # Errors
    /// The system has no randomness.
    pub(super) fn new(name: &Arc<str>, store: &UserStore) -> Result<Self, AuthError> {
        Ok(Self {
            name: Arc::clone(name),
            server: ScramSha256Server::new()?,
            store: store.clone(),
        })
    }

    /// Whether who proved this identity would be let in with it still.
    pub(super) fn is_valid(&self, desk: &Desk, identity: &Identity) -> bool {
        let found = self.store.find_scram(&identity.user);
        found.is_some_and(|(_, stored, _)| desk.proofs.stamp(&stored) == identity.stamp)
    }
}

/// One exchange. Its steps cost a few digests; the slow part of SCRAM is the client's.
pub(in crate::access) struct ScramSteps {
    desk: Arc<Desk>,
    scram: Arc<ScramAuthenticator>,
    peer: SocketAddr,
    /// Who the client is already, if it proves itself again: that stays so.
    known_as: Option<Box<str>>,
    under_way: Option<ScramExchange>,
}

impl ScramSteps {
    pub(in crate::access) fn new(
        desk: &Arc<Desk>,
        scram: &Arc<ScramAuthenticator>,
        peer: SocketAddr,
        known_as: Option<&str>,
    ) -> Self {
        Self {
            desk: Arc::clone(desk),
            scram: Arc::clone(scram),
            peer,
            known_as: known_as.map(Into::into),
            under_way: None,
        }
    }
}

impl Exchange for ScramSteps {
    fn step(&mut self, authentication_data: Option<&[u8]>) -> AuthAnswer {
        let data = authentication_data.unwrap_or_default();
        let step = match self.under_way.take() {
            None => self.begin(data),
            Some(exchange) => self.finish(exchange, data),
        };
        AuthAnswer::Ready(step.unwrap_or_else(|cause| self.refuse(cause)))
    }
}

impl ScramSteps {
    fn begin(&mut self, data: &[u8]) -> Result<AuthStep, &'static str> {
        if !self.desk.attempts.may_try(self.peer.ip(), Instant::now()) {
            count(&self.desk.counters.limited);
            let reason = ReasonCode::CONNECTION_RATE_EXCEEDED;
            return Ok(AuthStep::refuse(reason));
        }
        let begun = self.scram.server.begin(data);
        let mut exchange = begun.map_err(|_| "its first message is faulty")?;
        let known_as = self.known_as.as_deref();
        if known_as.is_some_and(|name| name != exchange.username()) {
            return Err("it names another user than CONNECT, or than it is");
        }
        let stored = self.scram.store.find_scram(exchange.username());
        let challenge = exchange.challenge(stored.as_ref().map(|(scram, _, _)| scram));
        let challenge = challenge.map_err(|_| "its first message is faulty")?;
        self.under_way = Some(exchange);
        Ok(AuthStep::Continue(challenge.into()))
    }

    fn finish(&self, mut exchange: ScramExchange, data: &[u8]) -> Result<AuthStep, &'static str> {
        let proof = exchange.finish(data);
        let proof = proof.map_err(|_| "no such user, or another password")?;
        let found = self.scram.store.find_scram(exchange.username());
        let (_, stored, superuser) = found.ok_or("the user is gone")?;
        count(&self.desk.counters.accepted);
        Ok(AuthStep::Accept(Box::new(Grant {
            username: Some(exchange.username().into()),
            superuser,
            authentication_data: Some(proof.into()),
            identity: Some(Arc::new(Identity {
                authenticator: Arc::clone(&self.scram.name),
                user: exchange.username().into(),
                stamp: self.desk.proofs.stamp(&stored),
                expires_at_s: None,
            })),
            ..Grant::default()
        })))
    }

    fn refuse(&self, cause: &'static str) -> AuthStep {
        count(&self.desk.counters.refused);
        self.desk.attempts.failed(self.peer.ip(), Instant::now());
        let (peer, authenticator) = (self.peer, &*self.scram.name);
        tracing::info!(%peer, authenticator, cause, "client refused");
        AuthStep::refuse(ReasonCode::NOT_AUTHORIZED)
    }
}
