//! `ServerHandshake`: a Network Connection from its opening to CONNACK.

use super::connack::{Asked, write_acceptance, write_refusal};
use super::{ServerConnection, ServerError, ServerOffer, ServerSession};
#[cfg(feature = "alloc")]
use crate::Heap;
use crate::error::too_large;
use crate::negotiated::refusal_version;
use crate::{
    AuthExchange, AuthMethod, Negotiated, Output, ProtocolError, SendRefusal, Storage, Will,
};
use mqtt_codec::{
    Auth, Connect, DecodeError, Disconnect, Frame, Packet, PacketType, Properties, ReasonCode,
};

/// What one packet before CONNACK brought about.
#[derive(Debug)]
#[non_exhaustive]
pub enum HandshakeEvent<'a> {
    /// CONNECT: accept, refuse, or ask for more by AUTH if it has an Authentication Method.
    Connect(Connect<'a>),
    /// AUTH: the answer asked for; accept, refuse or ask for more.
    Authenticate(Auth<'a>),
    /// DISCONNECT instead of an answer.
    Disconnected(Disconnect<'a>),
    /// The client did not wait for CONNACK: offer this packet to the connection once it is accepted.
    TooEarly,
    /// Nothing is looked at after a refusal; v5 [MQTT-3.1.4-6], v3.1.1 [MQTT-3.1.4-5].
    Ignored,
}

/// What the owner adds to the decision to accept.
#[derive(Debug)]
pub struct Acceptance<
    'a,
    M,
    W,
    #[cfg(feature = "alloc")] S: Storage = Heap,
    #[cfg(not(feature = "alloc"))] S: Storage,
> {
    /// The session of this Client Identifier, if there is one; its Network Connection is gone.
    pub found: Option<ServerSession<M, W, S>>,
    /// The Will of CONNECT as the owner keeps it; looked at only if CONNECT has one.
    pub will: Option<W>,
    /// For CONNACK: Assigned Client Identifier, Response Information, Authentication Data, words for people.
    ///
    /// What the session knows itself is written by it: limits, grants, Authentication Method.
    pub properties: Properties<'a>,
}

/// An accepted connection.
#[derive(Debug)]
pub struct Accepted<
    M,
    W,
    #[cfg(feature = "alloc")] S: Storage = Heap,
    #[cfg(not(feature = "alloc"))] S: Storage,
> {
    /// The connection from now on.
    pub connection: ServerConnection<M, W, S>,
    /// Whether it goes on with the session found; if not, [`ServerConnection::poll_lost`] gives the messages of that
    /// one back.
    pub session_present: bool,
    /// The Will of a session found, if that ended or the Will was due: publish it.
    pub due_will: Option<W>,
}

/// A connection that could not be accepted: refuse it, or close it.
#[derive(Debug)]
pub struct NotAccepted<
    M,
    W,
    #[cfg(feature = "alloc")] S: Storage = Heap,
    #[cfg(not(feature = "alloc"))] S: Storage,
> {
    /// The session found, as it was given.
    pub found: Option<ServerSession<M, W, S>>,
    /// Why not: CONNACK is larger than the client takes, or the client owes an answer to AUTH.
    pub reason: SendRefusal,
}

/// A Network Connection without CONNACK: only CONNECT, AUTH and DISCONNECT come, only AUTH and CONNACK leave.
///
/// Spec: v5 §3.1.4, [MQTT-3.2.0-1], [MQTT-3.2.0-2]; v3.1.1 §3.1.4.
#[derive(Debug)]
pub struct ServerHandshake {
    offer: ServerOffer,
    phase: Phase,
    /// When the client's time for the next step is over; means something while it owes one.
    deadline_ms: u64,
    asked: Option<Asked>,
    auth: Option<AuthExchange<AuthMethod>>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    /// CONNECT is due.
    Opened,
    /// The owner has to decide.
    Deciding,
    /// The answer to AUTH is due.
    Authenticating,
    /// CONNACK has left, or the client has gone.
    Over,
}

impl ServerHandshake {
    /// A Network Connection opened at `now_ms`.
    pub const fn new(offer: ServerOffer, now_ms: u64) -> Self {
        Self {
            offer,
            phase: Phase::Opened,
            deadline_ms: now_ms.saturating_add(offer.connect_within_ms),
            asked: None,
            auth: None,
        }
    }

    /// What CONNECT and the offer come to; none before CONNECT.
    pub fn negotiated(&self) -> Option<&Negotiated> {
        self.asked.as_ref().map(|asked| &asked.negotiated)
    }

    /// Takes one Control Packet.
    ///
    /// # Errors
    /// The client broke the protocol, or asks for what there is not: end the connection with
    /// [`ServerHandshake::fail`].
    pub fn handle_frame<'a>(
        &mut self,
        frame: Frame<'a>,
        now_ms: u64,
    ) -> Result<HandshakeEvent<'a>, ServerError> {
        match self.phase {
            Phase::Opened => self.handle_connect(frame, now_ms),
            Phase::Deciding if self.auth.is_none() => Ok(HandshakeEvent::TooEarly),
            Phase::Deciding | Phase::Authenticating => self.handle_answer(frame),
            Phase::Over => Ok(HandshakeEvent::Ignored),
        }
    }

    /// When [`ServerHandshake::handle_timeout`] has something to do; none while the owner decides.
    pub fn next_deadline_ms(&self) -> Option<u64> {
        matches!(self.phase, Phase::Opened | Phase::Authenticating).then_some(self.deadline_ms)
    }

    /// Looks at the time.
    ///
    /// # Errors
    /// The client took too long: end the connection with [`ServerHandshake::fail`].
    pub fn handle_timeout(&mut self, now_ms: u64) -> Result<(), ServerError> {
        match self.phase {
            _ if now_ms < self.deadline_ms => Ok(()),
            Phase::Opened => Err(ServerError::ConnectTimeout),
            Phase::Authenticating => Err(ServerError::AuthenticationTimeout),
            Phase::Deciding | Phase::Over => Ok(()),
        }
    }

    /// Asks the client for more by AUTH 0x18; `properties` has Authentication Data and words, the method is added.
    ///
    /// Spec: v5 [MQTT-4.12.0-2], [MQTT-4.12.0-5], [MQTT-4.12.0-6].
    ///
    /// # Errors
    /// CONNECT named no method or the client owes the next step; or AUTH is larger than the client takes.
    pub fn authenticate(
        &mut self,
        properties: Properties<'_>,
        now_ms: u64,
        out: &mut impl Output,
    ) -> Result<(), SendRefusal> {
        let (Some(asked), Some(auth)) = (&self.asked, &mut self.auth) else {
            return Err(SendRefusal::AuthenticationNotDue);
        };
        if self.phase != Phase::Deciding {
            return Err(SendRefusal::AuthenticationNotDue);
        }
        auth.send(AuthExchange::proceed, properties, &asked.negotiated, out)?;
        self.phase = Phase::Authenticating;
        self.deadline_ms = now_ms.saturating_add(self.offer.authenticate_within_ms);
        Ok(())
    }

    /// Accepts the client: CONNACK 0x00 goes to the end of `out`.
    ///
    /// Session Present is set if the session found goes on, which needs Clean Start 0 and time left of its Session
    /// Expiry Interval; then call [`ServerConnection::poll_resend`]. Spec: v5 §3.2.2.1.1, v3.1.1 §3.2.2.2.
    ///
    /// # Errors
    /// CONNACK is larger than the client takes, names no Client Identifier where CONNECT had none, or it is not the
    /// owner's turn; nothing has changed.
    pub fn accept<M, W, S: Storage>(
        &mut self,
        acceptance: Acceptance<'_, M, W, S>,
        now_ms: u64,
        out: &mut impl Output,
    ) -> Result<Accepted<M, W, S>, NotAccepted<M, W, S>> {
        let Acceptance {
            found,
            will,
            properties,
        } = acceptance;
        let (Phase::Deciding, Some(mut asked)) = (self.phase, self.asked) else {
            let reason = SendRefusal::NotConnected;
            return Err(NotAccepted { found, reason });
        };
        asked.negotiated.limit_to_room::<S>();
        let session_present = found
            .as_ref()
            .is_some_and(|session| session.continues(asked.clean_start, now_ms));
        let written = match &self.auth {
            Some(auth) if !auth.is_due() => Err(SendRefusal::AuthenticationNotDue),
            auth => {
                let method = auth.as_ref().map(AuthExchange::method);
                write_acceptance(
                    &asked,
                    &self.offer,
                    session_present,
                    properties,
                    method,
                    out,
                )
            }
        };
        if let Err(reason) = written {
            return Err(NotAccepted { found, reason });
        }
        if let Some(auth) = &mut self.auth {
            auth.succeed();
        }
        self.phase = Phase::Over;
        let mut session = found.unwrap_or_else(|| ServerSession::begun(now_ms));
        let old_will = session.will.take();
        let due_will = old_will.and_then(|will| {
            let is_cancelled = session_present && will.due_ms(session.since_ms) > now_ms;
            will.handle_reconnect(is_cancelled)
        });
        match session_present {
            true => session.flows.begin_resume(),
            false => session.flows.lose(),
        }
        session.expiry = asked.negotiated.session_expiry;
        session.connections = session.connections.wrapping_add(1);
        session.since_ms = now_ms;
        session.will = match (will, asked.will_delay_s) {
            (Some(message), Some(delay_s)) => Some(Will { message, delay_s }),
            _ => None,
        };
        let connection =
            ServerConnection::new(session, asked.negotiated, &self.offer, self.auth.take());
        Ok(Accepted {
            connection,
            session_present,
            due_will,
        })
    }

    /// Refuses the client: CONNACK with `reason` goes to the end of `out`; then close the connection.
    ///
    /// A Server Reference in `properties` sends it elsewhere. What the client cannot be told, it is not told.
    /// Spec: v5 [MQTT-3.2.2-6], [MQTT-3.2.2-7], §3.2.2.2; v3.1.1 [MQTT-3.2.2-4], [MQTT-3.2.2-5].
    pub fn refuse(
        &mut self,
        reason: ReasonCode,
        properties: Properties<'_>,
        out: &mut impl Output,
    ) {
        if let (Some(asked), false) = (&self.asked, self.phase == Phase::Over) {
            write_refusal(&asked.negotiated, reason, properties, out);
        }
        self.phase = Phase::Over;
    }

    /// Ends the connection because of `error`; where a client can be told, CONNACK goes to the end of `out`.
    ///
    /// Before v5 a CONNECT that is no CONNECT is not answered, but for two mistakes of it: another version and a
    /// Client Identifier that will not do. Spec: v5 §4.13.1; v3.1.1 [MQTT-3.1.2-2], [MQTT-3.1.3-8], [MQTT-3.1.4-1].
    pub fn fail(&mut self, error: ServerError, out: &mut impl Output) {
        if self.phase != Phase::Over
            && let (Some(asked), Some(reason)) = (&self.asked, error.reason_code())
        {
            write_refusal(&asked.negotiated, reason, Properties::EMPTY, out);
        }
        self.phase = Phase::Over;
    }

    fn handle_connect<'a>(
        &mut self,
        frame: Frame<'a>,
        now_ms: u64,
    ) -> Result<HandshakeEvent<'a>, ServerError> {
        if frame.packet_type() != Some(PacketType::Connect) {
            return Err(ServerError::ConnectExpected);
        }
        let limits = &self.offer.limits;
        if u32::try_from(frame.len).map_or(true, |len| len > limits.packet_len_max) {
            return Err(too_large().into());
        }
        let connect = match Connect::decode(frame) {
            Ok(connect) => connect,
            Err(error) => {
                self.note_malformed(frame, error);
                return Err(error.into());
            }
        };
        self.asked = Some(Asked::of(&connect, &self.offer));
        self.phase = Phase::Deciding;
        self.deadline_ms = now_ms;
        if let Some(will) = &connect.will {
            let grants = self.offer.grants;
            if will.qos > grants.maximum_qos {
                return Err(ServerError::ConnectRefused(ReasonCode::QOS_NOT_SUPPORTED));
            }
            if will.retain && !grants.retain {
                return Err(ServerError::ConnectRefused(
                    ReasonCode::RETAIN_NOT_SUPPORTED,
                ));
            }
        }
        if let Some(method) = connect.properties.authentication_method() {
            let refused = ServerError::ConnectRefused(ReasonCode::BAD_AUTHENTICATION_METHOD);
            let method = AuthMethod::try_new(method).ok_or(refused)?;
            self.auth = Some(AuthExchange::server(method));
        }
        Ok(HandshakeEvent::Connect(connect))
    }

    /// Remembers in which version a CONNECT that is none can be answered, if in any.
    fn note_malformed(&mut self, frame: Frame<'_>, error: DecodeError) {
        let version = refusal_version(error.reason_code(), Connect::version_of(frame));
        self.asked = version.map(|version| Asked::of(&Connect::new(version, ""), &self.offer));
    }

    fn handle_answer<'a>(&mut self, frame: Frame<'a>) -> Result<HandshakeEvent<'a>, ServerError> {
        let (Some(asked), Some(auth)) = (&self.asked, &mut self.auth) else {
            return Ok(HandshakeEvent::TooEarly);
        };
        if u32::try_from(frame.len).map_or(true, |len| len > asked.negotiated.own_packet_len_max) {
            return Err(too_large().into());
        }
        match Packet::decode(frame, asked.negotiated.version)? {
            Packet::Auth(packet) => {
                auth.handle_auth(&packet)?;
                self.phase = Phase::Deciding;
                Ok(HandshakeEvent::Authenticate(packet))
            }
            Packet::Disconnect(disconnect) => {
                self.phase = Phase::Over;
                Ok(HandshakeEvent::Disconnected(disconnect))
            }
            // Nothing else before CONNACK: v5 [MQTT-3.1.2-30].
            other => Err(ProtocolError::Unexpected {
                packet_type: other.packet_type(),
            }
            .into()),
        }
    }
}
