//! Enhanced authentication: AUTH before CONNACK, and again later. Spec: v5 §4.12.

use crate::access::ClientInfo;
use crate::authenticate::{AuthStep, ConnectRequest, Exchange, Grant, Refusal};
use crate::core::cause::EndCause;
use crate::core::connection::{Arrival, Connection, Open, Step};
use crate::core::{Batch, push_fitting};
use mqtt_codec::{
    Auth, Connect, Frame, Packet, PacketType, Property, ProtocolVersion, ReasonCode, frame,
};
use mqtt_session::{AuthExchange, AuthMethod, Negotiated, ProtocolError};
use std::sync::Arc;

/// Times a client may be asked for more before it counts as refused.
const ASKED_MAX: u8 = 16;

/// The authentication of a connection whose CONNECT named a method.
pub(crate) struct AuthState {
    /// Whose turn it is.
    turns: AuthExchange<AuthMethod>,
    /// Whom to ask; none while nothing is under way.
    exchange: Option<Box<dyn Exchange>>,
    /// How often the client was asked for more in this exchange.
    asked: u8,
    /// The version CONNECT spoke.
    version: ProtocolVersion,
    /// CONNECT, until it is accepted; empty from then on.
    connect: Box<[u8]>,
}

/// What an exchange has come to.
pub(super) enum Authenticated {
    /// An answer is pending: offer the packet again.
    Wait,
    /// The client has been asked for more.
    Asked,
    /// The client is in.
    In(Grant),
    /// The client stays out.
    Out(Refusal),
}

impl Connection {
    /// Whether CONNECT has come and the client is to prove who it is.
    pub(crate) fn is_authenticating(&self) -> bool {
        self.auth
            .as_ref()
            .is_some_and(|auth| !auth.connect.is_empty())
    }

    /// The first step, with what CONNECT says.
    pub(super) fn begin_exchange(
        &mut self,
        connect: &Connect<'_>,
        method: &str,
        negotiated: &Negotiated,
    ) -> Authenticated {
        let unknown = || Authenticated::Out(Refusal::new(ReasonCode::BAD_AUTHENTICATION_METHOD));
        if self.auth.is_none() {
            let Some(arrival) = &self.arrival else {
                return unknown();
            };
            let request = arrival.connect_request(connect);
            let known = self.core.authenticate.as_ref();
            let exchange = known.and_then(|known| known.exchange(&request));
            let (Some(exchange), Some(method)) = (exchange, AuthMethod::try_new(method)) else {
                return unknown();
            };
            self.auth = Some(Box::new(AuthState {
                turns: AuthExchange::server(method),
                exchange: Some(exchange),
                asked: 0,
                version: connect.version,
                connect: Box::default(),
            }));
        }
        let outcome = self.step(connect.properties.authentication_data(), negotiated);
        if let (Authenticated::Asked, Some(auth)) = (&outcome, &mut self.auth) {
            auth.connect = copy_of(connect);
        }
        outcome
    }

    /// AUTH before CONNACK.
    pub(crate) fn handle_first_auth(
        &mut self,
        auth_frame: Frame<'_>,
        batch: &mut Batch,
        now_ms: u64,
    ) -> Result<Step, EndCause> {
        let Some(state) = &mut self.auth else {
            return Err(EndCause::ConnectExpected);
        };
        let auth = Auth::decode(auth_frame, state.version).map_err(EndCause::Malformed)?;
        // A packet that is offered again has been taken already.
        if !state.turns.is_due() {
            state.turns.handle_auth(&auth).map_err(EndCause::Protocol)?;
        }
        let bytes = std::mem::take(&mut state.connect);
        let admitted = self.go_on(&bytes, &auth, batch, now_ms);
        if let (None, Some(state)) = (&self.open, &mut self.auth) {
            state.connect = bytes;
        }
        admitted
    }

    fn go_on(
        &mut self,
        connect: &[u8],
        auth: &Auth<'_>,
        batch: &mut Batch,
        now_ms: u64,
    ) -> Result<Step, EndCause> {
        let whole = frame(connect, u32::MAX).ok().flatten();
        let Some(connect) = whole.and_then(|frame| Connect::decode(frame).ok()) else {
            return Err(EndCause::ConnectExpected);
        };
        let negotiated = Negotiated::of_connect(&connect, &self.core.limits.server());
        match self.step(auth.properties.authentication_data(), &negotiated) {
            Authenticated::Wait => Ok(Step::Wait),
            Authenticated::Asked => Ok(Step::Done),
            Authenticated::Out(refusal) => {
                Err(self.refuse(connect.client_id, &negotiated, &refusal))
            }
            Authenticated::In(grant) => self.admit(&connect, negotiated, grant, batch, now_ms),
        }
    }

    /// AUTH on a connection that is open: the client proves again who it is. Spec: v5 §4.12.1.
    pub(crate) fn handle_auth(&mut self, auth: &Auth<'_>) -> Result<Step, EndCause> {
        let (Some(state), Some(open)) = (&mut self.auth, &self.open) else {
            // A client whose CONNECT had no method sends no AUTH; v5 [MQTT-4.12.0-7].
            let packet_type = PacketType::Auth;
            return Err(EndCause::Protocol(ProtocolError::Unexpected {
                packet_type,
            }));
        };
        if !state.turns.is_due() {
            state.turns.handle_auth(auth).map_err(EndCause::Protocol)?;
        }
        let negotiated = open.negotiated;
        if state.exchange.is_none() {
            let request = ConnectRequest {
                client_id: &open.client.client_id,
                username: open.client.username.as_deref(),
                password: None,
                version: negotiated.version,
                peer: open.client.peer,
                listener: &open.client.listener,
                method: Some(state.turns.method()),
                certificate: open.client.certificate.as_deref(),
            };
            let known = self.core.authenticate.as_ref();
            state.exchange = known.and_then(|known| known.exchange(&request));
            state.asked = 0;
        }
        match self.step(auth.properties.authentication_data(), &negotiated) {
            Authenticated::Wait => Ok(Step::Wait),
            Authenticated::Asked => Ok(Step::Done),
            Authenticated::Out(refusal) => Err(EndCause::AuthenticationFailed(
                match refusal.reason.allowed_in(PacketType::Disconnect) {
                    true => refusal.reason,
                    false => ReasonCode::NOT_AUTHORIZED,
                },
            )),
            Authenticated::In(grant) => {
                self.confirm(&grant, &negotiated);
                if let Some(open) = &mut self.open {
                    let mut client = (*open.client).clone();
                    take_grant(&mut client, grant);
                    open.be(client);
                }
                Ok(Step::Done)
            }
        }
    }

    /// Asks for the next step and tells the client if it has to do more.
    fn step(&mut self, data: Option<&[u8]>, negotiated: &Negotiated) -> Authenticated {
        let Self { auth, gate, .. } = self;
        let Some(state) = auth else {
            return Authenticated::Out(Refusal::new(ReasonCode::NOT_AUTHORIZED));
        };
        let Some(exchange) = &mut state.exchange else {
            return Authenticated::Out(Refusal::new(ReasonCode::BAD_AUTHENTICATION_METHOD));
        };
        match gate.step(|| exchange.step(data)) {
            None => Authenticated::Wait,
            Some(AuthStep::Accept(grant)) => {
                state.exchange = None;
                Authenticated::In(*grant)
            }
            Some(AuthStep::Refuse(refusal)) => {
                state.exchange = None;
                Authenticated::Out(*refusal)
            }
            Some(AuthStep::Continue(_)) if state.asked >= ASKED_MAX => {
                state.exchange = None;
                Authenticated::Out(Refusal::new(ReasonCode::NOT_AUTHORIZED))
            }
            Some(AuthStep::Continue(data)) => {
                state.asked += 1;
                let Some(reason) = state.turns.proceed() else {
                    return Authenticated::Out(Refusal::new(ReasonCode::NOT_AUTHORIZED));
                };
                self.say(reason, &data, negotiated);
                Authenticated::Asked
            }
        }
    }

    /// CONNACK is about to accept: its method and data, if CONNECT had a method; v5 [MQTT-4.12.0-5].
    pub(super) fn accepted_method(&mut self) -> Option<&str> {
        let state = self.auth.as_mut()?;
        let _ = state.turns.succeed();
        Some(state.turns.method())
    }

    /// The AUTH that ends a re-authentication.
    fn confirm(&mut self, grant: &Grant, negotiated: &Negotiated) {
        let succeeded = self.auth.as_mut().and_then(|state| state.turns.succeed());
        if let Some(reason) = succeeded {
            let data = grant.authentication_data.as_deref().unwrap_or_default();
            self.say(reason, data, negotiated);
        }
    }

    /// Sends AUTH; v5 [MQTT-4.12.0-2].
    fn say(&mut self, reason: ReasonCode, data: &[u8], negotiated: &Negotiated) {
        let Some(state) = &self.auth else { return };
        let mut set = vec![Property::AuthenticationMethod(state.turns.method())];
        if !data.is_empty() {
            set.push(Property::AuthenticationData(data));
        }
        push_fitting(&mut self.out, negotiated, &set, None, |properties| {
            Packet::Auth(Auth { reason, properties })
        });
        self.answers_sent += 1;
    }
}

impl Arrival {
    /// What is asked about a CONNECT.
    pub(super) fn connect_request<'a>(&'a self, connect: &Connect<'a>) -> ConnectRequest<'a> {
        ConnectRequest {
            client_id: connect.client_id,
            username: connect.username,
            password: connect.password,
            version: connect.version,
            peer: self.peer,
            listener: &self.listener,
            method: connect.properties.authentication_method(),
            certificate: self.certificate.as_deref(),
        }
    }
}

/// CONNECT once more, to be read again when its client is known.
fn copy_of(connect: &Connect<'_>) -> Box<[u8]> {
    let mut bytes = vec![0; connect.encoded_len().unwrap_or_default()];
    match connect.encode(&mut bytes) {
        Ok(_) => bytes.into(),
        Err(_) => Box::default(),
    }
}

impl Open {
    /// Who the client is from here on.
    fn be(&mut self, client: ClientInfo) {
        self.client = Arc::new(client);
        self.last_topic.forget_right();
        let mut state = self.cell.state.lock();
        if state.epoch == self.epoch {
            state.client = Some(Arc::clone(&self.client));
        }
    }
}

/// Puts what authentication found over what the client said of itself.
pub(crate) fn take_grant(client: &mut ClientInfo, grant: Grant) {
    if grant.username.is_some() || grant.anonymous {
        client.username = grant.username;
    }
    client.superuser = grant.superuser;
    client.attributes = (!grant.attributes.is_empty()).then(|| Arc::new(grant.attributes));
    client.rules = grant.rules;
    client.identity = grant.identity;
}
