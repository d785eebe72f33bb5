//! `ServerConnection`: one Network Connection of a server after CONNACK, its state, its time and its end.

use super::{ServerError, ServerOffer, ServerSession};
#[cfg(feature = "alloc")]
use crate::Heap;
use crate::fitting::append_fitting;
use crate::held_acks::HeldAcks;
use crate::seldom::Seldom;
use crate::{
    AuthExchange, AuthMethod, ConnectionEnd, InboundAliases, Link, Negotiated, OutboundAliases,
    Output, SendRefusal, ServerGrants, ServerKeepAlive, SessionExpiry, Storage,
};
use mqtt_codec::{Disconnect, Packet, PacketType, Properties, PropertyId, ReasonCode};

/// The longest answer in a QoS flow: fixed header, Packet Identifier, Reason Code. Unit: bytes.
pub(super) const ANSWER_LEN_MAX: usize = 5;

/// One Network Connection of a server, from CONNACK on.
///
/// What few connections use at a time is made when it is first used, so that an idle one stays small.
#[derive(Debug)]
pub struct ServerConnection<
    M,
    W,
    #[cfg(feature = "alloc")] S: Storage = Heap,
    #[cfg(not(feature = "alloc"))] S: Storage,
> {
    pub(super) session: ServerSession<M, W, S>,
    pub(super) link: Link<S>,
    pub(super) negotiated: Negotiated,
    pub(super) grants: ServerGrants,
    session_expiry_max: SessionExpiry,
    outbound_aliases_max: u16,
    pub(super) phase: Phase,
    rare: Seldom<Rare<S>>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Phase {
    Connected,
    /// DISCONNECT 0x00 came, or any before v5: there is no Will any more.
    Goodbye,
    /// DISCONNECT was sent, or came with another Reason Code, or the connection failed.
    Ended,
}

/// What a connection has once it has received above QoS 0, used a Topic Alias or authenticates.
#[derive(Debug)]
pub(super) struct Rare<S: Storage> {
    pub(super) acks: HeldAcks<S>,
    pub(super) inbound: InboundAliases<S>,
    pub(super) outbound: OutboundAliases<S>,
    pub(super) auth: Option<AuthExchange<AuthMethod>>,
    authenticate_within_ms: u64,
    /// When the client's time for its answer to AUTH is over; means something while it owes one.
    auth_deadline_ms: u64,
}

/// What is left of a connection that is gone.
#[derive(Debug)]
pub struct Closed<
    M,
    W,
    #[cfg(feature = "alloc")] S: Storage = Heap,
    #[cfg(not(feature = "alloc"))] S: Storage,
> {
    /// The session, to be kept for [`super::Acceptance::found`] if it goes on, to be ended if not.
    pub session: ServerSession<M, W, S>,
    /// Whether the session goes on without a connection; else [`ServerSession::end`] gives its messages back.
    pub goes_on: bool,
    /// The Will, if it is to be published now.
    pub due_will: Option<W>,
}

impl<M, W, S: Storage> ServerConnection<M, W, S> {
    pub(super) fn new(
        session: ServerSession<M, W, S>,
        negotiated: Negotiated,
        offer: &ServerOffer,
        auth: Option<AuthExchange<AuthMethod>>,
    ) -> Self {
        let mut connection = Self {
            session,
            link: Link::with_storage(
                negotiated.peer_receive_maximum,
                negotiated.own_receive_maximum,
            ),
            negotiated,
            grants: offer.grants,
            session_expiry_max: offer.limits.session_expiry_max,
            outbound_aliases_max: offer
                .outbound_aliases_max
                .min(negotiated.peer_topic_alias_maximum),
            phase: Phase::Connected,
            rare: Seldom::EMPTY,
        };
        if auth.is_some() {
            let rare = connection.rare_mut();
            rare.auth = auth;
            rare.authenticate_within_ms = offer.authenticate_within_ms;
        }
        connection
    }

    /// What is in force.
    pub const fn negotiated(&self) -> &Negotiated {
        &self.negotiated
    }

    /// Whether nobody has ended the connection.
    pub fn is_connected(&self) -> bool {
        self.phase == Phase::Connected
    }

    /// PUBLISH packets above QoS 0 without their last acknowledgement.
    pub fn inflight(&self) -> usize {
        self.session.inflight()
    }

    /// PUBLISH packets above QoS 0 that may be sent now; 0 while a resume is under way.
    pub fn window(&self) -> u16 {
        match self.session.flows.is_resuming() {
            true => 0,
            false => self.link.send_quota().left(),
        }
    }

    /// Messages received above QoS 0 whose first acknowledgement has not left.
    pub fn unacknowledged(&self) -> usize {
        self.rare().map_or(0, |rare| rare.acks.len())
    }

    /// A message without its last acknowledgement of a session that Clean Start or time has ended, in order: after
    /// [`super::ServerHandshake::accept`], until there is none. Each keeps its place until it is taken.
    pub fn poll_lost(&mut self) -> Option<M> {
        self.session.flows.poll_lost()
    }

    /// What will outlive the connection.
    pub const fn session(&self) -> &ServerSession<M, W, S> {
        &self.session
    }

    /// Bytes came from the client, even if no packet is whole yet.
    pub const fn handle_received(&mut self, now_ms: u64) {
        self.session.since_ms = now_ms;
    }

    /// When [`ServerConnection::handle_timeout`] has something to do; none while nothing is due.
    pub fn next_deadline_ms(&self) -> Option<u64> {
        if self.phase != Phase::Connected {
            return None;
        }
        match (self.keep_alive_deadline_ms(), self.auth_deadline_ms()) {
            (Some(alive_ms), Some(auth_ms)) => Some(alive_ms.min(auth_ms)),
            (alive_ms, auth_ms) => alive_ms.or(auth_ms),
        }
    }

    /// Looks at the time.
    ///
    /// # Errors
    /// The client was silent for too long, or owes an answer to AUTH: end the connection with
    /// [`ServerConnection::fail`].
    pub fn handle_timeout(&mut self, now_ms: u64) -> Result<(), ServerError> {
        let is_over = |deadline_ms: Option<u64>| deadline_ms.is_some_and(|at_ms| at_ms <= now_ms);
        if self.phase != Phase::Connected {
            return Ok(());
        }
        if is_over(self.keep_alive_deadline_ms()) {
            return Err(ServerError::KeepAliveTimeout);
        }
        if is_over(self.auth_deadline_ms()) {
            return Err(ServerError::AuthenticationTimeout);
        }
        Ok(())
    }

    /// Ends the connection with DISCONNECT, before v5 without a word; close it when `out` is written.
    ///
    /// A Server Reference in `properties` sends the client elsewhere. Nothing can be sent afterwards.
    /// Spec: v5 §3.14, [MQTT-3.14.4-1], [MQTT-4.13.2-1].
    ///
    /// # Errors
    /// A Session Expiry Interval, or a Reason Code that no server sends; the connection stays.
    pub fn disconnect(
        &mut self,
        reason: ReasonCode,
        properties: Properties<'_>,
        out: &mut impl Output,
    ) -> Result<(), SendRefusal> {
        if self.phase != Phase::Connected {
            return Err(SendRefusal::NotConnected);
        }
        if reason == ReasonCode::DISCONNECT_WITH_WILL_MESSAGE {
            return Err(SendRefusal::ReasonOfOtherSide(reason));
        }
        if properties.has(PropertyId::SessionExpiryInterval) {
            return Err(SendRefusal::SessionExpiryFromServer);
        }
        if self.negotiated.version.server_may_disconnect() {
            let packet = Packet::Disconnect(Disconnect { reason, properties });
            match append_fitting(&packet, &self.negotiated, out) {
                // Not to be told does not keep the connection open: v5 [MQTT-4.13.2-1].
                Ok(()) | Err(SendRefusal::PacketTooLarge { .. }) => {}
                Err(refusal) => return Err(refusal),
            }
        }
        self.phase = Phase::Ended;
        Ok(())
    }

    /// Ends the connection because of `error`: DISCONNECT with its Reason Code where the version has one.
    ///
    /// Spec: v5 §4.13.1; v3.1.1 [MQTT-4.8.0-1].
    pub fn fail(&mut self, error: ServerError, out: &mut impl Output) {
        let reason = error
            .reason_code()
            .filter(|reason| reason.allowed_in(PacketType::Disconnect))
            .unwrap_or(ReasonCode::UNSPECIFIED_ERROR);
        // Already ended is ended.
        let _ = self.disconnect(reason, Properties::EMPTY, out);
        if self.phase == Phase::Connected {
            self.phase = Phase::Ended;
        }
    }

    /// Another Network Connection has connected with this Client Identifier: DISCONNECT 0x8E goes to `out`.
    ///
    /// Then close the connection and give [`ServerConnection::into_session`] to the new one.
    /// Spec: v5 [MQTT-3.1.4-3], v3.1.1 [MQTT-3.1.4-2].
    pub fn take_over(&mut self, out: &mut impl Output) {
        // Already ended is ended.
        let _ = self.disconnect(ReasonCode::SESSION_TAKEN_OVER, Properties::EMPTY, out);
    }

    /// The Network Connection is gone at `now_ms`, whoever ended it: what stays and what is due.
    ///
    /// Spec: v5 [MQTT-3.1.2-8], [MQTT-3.1.2-10], [MQTT-3.1.2-23], [MQTT-4.1.0-1].
    pub fn into_session(self, now_ms: u64) -> Closed<M, W, S> {
        let mut session = self.session;
        session.expiry = self.negotiated.session_expiry;
        let end = match self.phase {
            Phase::Goodbye => ConnectionEnd::Goodbye,
            Phase::Connected | Phase::Ended => ConnectionEnd::Other,
        };
        let due_will = session.handle_connection_end(end, now_ms);
        Closed {
            goes_on: session.expiry != SessionExpiry::AT_DISCONNECT,
            session,
            due_will,
        }
    }

    /// Applies the Session Expiry Interval of the client's DISCONNECT; `false` if it may not set one.
    pub(super) fn override_session_expiry(&mut self, asked: SessionExpiry) -> bool {
        self.negotiated
            .override_session_expiry(asked, self.session_expiry_max)
    }

    /// The client has begun to owe an answer to AUTH.
    pub(super) fn limit_authentication(&mut self, now_ms: u64) {
        if let Some(rare) = self.rare.get_mut() {
            rare.auth_deadline_ms = now_ms.saturating_add(rare.authenticate_within_ms);
        }
    }

    pub(super) fn rare(&self) -> Option<&Rare<S>> {
        self.rare.get()
    }

    pub(super) fn rare_if_made(&mut self) -> Option<&mut Rare<S>> {
        self.rare.get_mut()
    }

    pub(super) fn rare_mut(&mut self) -> &mut Rare<S> {
        self.rare.get_or_make(|| Rare {
            acks: HeldAcks::new(self.session.connections.into()),
            inbound: InboundAliases::with_storage(self.negotiated.own_topic_alias_maximum),
            outbound: OutboundAliases::with_storage(
                self.outbound_aliases_max,
                self.negotiated.peer_topic_alias_maximum,
            ),
            auth: None,
            authenticate_within_ms: 0,
            auth_deadline_ms: 0,
        })
    }

    /// The exchange, if CONNECT named an Authentication Method.
    pub(super) fn auth_mut(&mut self) -> Option<&mut AuthExchange<AuthMethod>> {
        self.rare.get_mut()?.auth.as_mut()
    }

    /// The aliases to set, if any may be.
    pub(super) fn outbound_mut(&mut self) -> Option<&mut OutboundAliases<S>> {
        match self.outbound_aliases_max {
            0 => None,
            _ => Some(&mut self.rare_mut().outbound),
        }
    }

    fn keep_alive_deadline_ms(&self) -> Option<u64> {
        ServerKeepAlive::new(self.negotiated.keep_alive_s).deadline_ms(self.session.since_ms)
    }

    fn auth_deadline_ms(&self) -> Option<u64> {
        let rare = self.rare()?;
        let is_waiting = rare.auth.as_ref().is_some_and(AuthExchange::is_waiting);
        is_waiting.then_some(rare.auth_deadline_ms)
    }
}
