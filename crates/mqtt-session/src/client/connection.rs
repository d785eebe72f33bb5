//! `ClientConnection`: one Network Connection of a client, its state and its time.

use super::error::is_for_clients;
use super::{ClientError, ClientSession, Flow, SendRefusal, ServerGrants};
#[cfg(feature = "alloc")]
use crate::Heap;
use crate::fitting::append_fitting;
use crate::held_acks::HeldAcks;
use crate::output::append;
use crate::storage::PacketIds;
use crate::{
    AuthExchange, AuthMethod, ClientKeepAlive, ClientKeepAliveStep, InboundAliases, Journal, Link,
    Negotiated, NoJournal, OUTBOUND_ALIASES_DEFAULT, OutboundAliases, Output, Storage,
};
use core::num::{NonZeroU16, NonZeroU32};
use mqtt_codec::{
    ConnAck, Connect, Disconnect, EncodeError, Field, PACKET_LEN_MAX, Packet, Properties, Property,
    PropertyId, PropertyList, ProtocolVersion, ReasonCode,
};

/// A CONNACK without a word, for the time before it comes.
const NOTHING_GRANTED: ConnAck<'static> = ConnAck {
    session_present: false,
    reason: ReasonCode::SUCCESS,
    properties: Properties::EMPTY,
};

/// The longest answer in a QoS flow: fixed header, Packet Identifier, Reason Code. Unit: bytes.
pub(super) const ANSWER_LEN_MAX: usize = 5;

/// What the client makes of a server that continues a session this process knows nothing of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum UnknownSession {
    /// The connection ends, as v5 [MQTT-3.2.2-4] demands of a client that keeps its session.
    Refuse,
    /// Its messages and subscriptions are taken: for a client that keeps nothing between two runs.
    TakeOver,
}

/// What a client decides for itself on a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ClientSettings {
    /// How long the answer to PINGREQ may take, in milliseconds.
    pub ping_answer_within_ms: u64,
    /// Whether a session only the server knows is taken over.
    pub unknown_session: UnknownSession,
}

/// One Network Connection of a client, from CONNECT on.
#[derive(Debug)]
pub struct ClientConnection<
    M,
    R,
    #[cfg(feature = "alloc")] S: Storage = Heap,
    #[cfg(not(feature = "alloc"))] S: Storage,
    J = NoJournal,
> {
    pub(super) session: ClientSession<M, R, S, J>,
    pub(super) phase: Phase,
    pub(super) negotiated: Negotiated,
    pub(super) grants: ServerGrants,
    pub(super) link: Link<S>,
    pub(super) aliases: InboundAliases<S>,
    pub(super) acks: HeldAcks<S>,
    pub(super) outbound: OutboundAliases<S>,
    /// Whether the Receive Maximum is told and not insisted on.
    pub(super) takes_excess: bool,
    pub(super) outbound_aliases_max: u16,
    pub(super) auth: Option<AuthExchange<AuthMethod>>,
    pub(super) keep_alive: ClientKeepAlive,
    /// When the wait for CONNACK is over.
    handshake_until_ms: Option<u64>,
    pub(super) settings: ClientSettings,
    pub(super) asked: Asked,
    pub(super) now_ms: u64,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Phase {
    /// CONNECT is sent, CONNACK is due.
    Connecting,
    Connected,
    /// DISCONNECT was sent or received, or CONNACK refused.
    Ended,
}

/// What CONNECT said, for reading CONNACK.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) version: ProtocolVersion,
    pub(super) clean_start: bool,
    keep_alive_s: u16,
    session_expiry_interval_s: u32,
    receive_maximum: Option<NonZeroU16>,
    topic_alias_maximum: u16,
    maximum_packet_size: Option<NonZeroU32>,
}

impl<M, R, S: Storage, J: Journal<M>> ClientConnection<M, R, S, J> {
    /// Encodes CONNECT to the end of `out` and waits for CONNACK; takes `session` over, leaving an empty one.
    ///
    /// # Errors
    /// `connect` cannot be written in its version, does not fit into `out`, or announces more than there is room for in
    /// `S`, or without `alloc` its Authentication Method is too long; `session` stays as it was.
    pub fn connect(
        session: &mut ClientSession<M, R, S, J>,
        connect: &Connect<'_>,
        settings: ClientSettings,
        now_ms: u64,
        out: &mut impl Output,
    ) -> Result<Self, SendRefusal>
    where
        J: Default,
    {
        let asked = Asked::of(connect);
        asked.check_room::<S>()?;
        let auth = begin_authentication(connect)?;
        append(&Packet::Connect(*connect), connect.version, out)?;
        let mut session = core::mem::take(session);
        session.connections = session.connections.saturating_add(1).max(now_ms);
        let negotiated = asked.negotiated(&NOTHING_GRANTED);
        Ok(Self {
            acks: HeldAcks::new(session.connections),
            session,
            phase: Phase::Connecting,
            negotiated,
            grants: ServerGrants::of(&NOTHING_GRANTED, connect.version),
            link: Link::with_storage(
                negotiated.peer_receive_maximum,
                negotiated.own_receive_maximum,
            ),
            aliases: InboundAliases::with_storage(negotiated.own_topic_alias_maximum),
            outbound: OutboundAliases::with_storage(0, 0),
            outbound_aliases_max: OUTBOUND_ALIASES_DEFAULT,
            takes_excess: false,
            auth,
            keep_alive: ClientKeepAlive::new(0, 0, now_ms),
            handshake_until_ms: None,
            settings,
            asked,
            now_ms,
        })
    }

    /// Waits for CONNACK until `until_ms` at most, however many AUTH packets come before it.
    pub const fn limit_handshake(&mut self, until_ms: u64) {
        self.handshake_until_ms = Some(until_ms);
    }

    /// Takes what a server sends above the Receive Maximum it was told, where that is no protocol error for the caller,
    /// who then bounds it: by [`ClientConnection::unacknowledged`] and by not reading on.
    ///
    /// To be called before CONNACK.
    pub const fn take_excess(&mut self) {
        self.takes_excess = true;
    }

    /// Sets at most that many Topic Aliases, as far as the server takes them: 0 for none, 16 if nothing is said.
    ///
    /// To be called before CONNACK. Spec: v5 §3.3.2.3.4.
    pub const fn limit_outbound_aliases(&mut self, max: u16) {
        self.outbound_aliases_max = max;
    }

    /// What is in force; before CONNACK what was asked for.
    pub const fn negotiated(&self) -> &Negotiated {
        &self.negotiated
    }

    /// What the server offers; meaningful once connected.
    pub const fn grants(&self) -> ServerGrants {
        self.grants
    }

    /// What has to be durable before the bytes that are encoded now leave; nothing without a journal.
    pub fn barrier(&self) -> J::Barrier {
        self.session.flows.barrier()
    }

    /// Whether the server was asked to keep the session when this connection ends, and agreed; once connected.
    pub const fn outlives_connection(&self) -> bool {
        self.session.outlives_connection()
    }

    /// Whether the server accepted the connection and nobody has ended it.
    pub fn is_connected(&self) -> bool {
        self.phase == Phase::Connected
    }

    /// PUBLISH, SUBSCRIBE and UNSUBSCRIBE packets without their last acknowledgement.
    pub fn inflight(&self) -> usize {
        self.session.inflight()
    }

    /// Messages of QoS 1 and 2 whose first acknowledgement has not been sent, because the application does not
    /// have them yet or because one before them waits.
    pub fn unacknowledged(&self) -> usize {
        self.acks.len()
    }

    /// Bytes came from the server, even if no packet is whole yet.
    pub const fn handle_received(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
        self.keep_alive.received(now_ms);
    }

    /// PINGREQ is encoded but still behind bytes that the transport goes on taking: its answer cannot be late yet.
    pub const fn put_off_ping_answer(&mut self, now_ms: u64) {
        self.keep_alive.put_off_answer(now_ms);
    }

    /// A message without its last acknowledgement that the server has forgotten, in order: after
    /// [`super::ClientEvent::Connected`] without Session Present, until there is none.
    ///
    /// Each keeps its place in the session until it is taken. Spec: v5 [MQTT-3.2.2-5].
    pub fn poll_lost(&mut self) -> Option<M> {
        loop {
            let lost = self.session.flows.poll_lost()?;
            if let Some(message) = lost.into_message() {
                return Some(message);
            }
        }
    }

    /// When [`ClientConnection::handle_timeout`] has something to do; none while nothing is due.
    pub fn next_deadline_ms(&self) -> Option<u64> {
        match (self.phase, self.keep_alive.step(self.now_ms)) {
            (Phase::Connecting, _) => self.handshake_until_ms,
            (Phase::Ended, _) => None,
            (Phase::Connected, ClientKeepAliveStep::WaitUntil(deadline_ms)) => deadline_ms,
            (Phase::Connected, ClientKeepAliveStep::SendPing | ClientKeepAliveStep::Dead) => {
                Some(self.now_ms)
            }
        }
    }

    /// Does what is due at `now_ms`: PINGREQ after a silence of either side.
    ///
    /// # Errors
    /// [`ClientError::KeepAliveTimeout`] when the server did not answer the last one,
    /// [`ClientError::HandshakeTimeout`] when CONNACK did not come.
    pub fn handle_timeout(
        &mut self,
        now_ms: u64,
        out: &mut impl Output,
    ) -> Result<(), ClientError> {
        self.now_ms = now_ms;
        match self.phase {
            Phase::Connecting if self.handshake_until_ms.is_some_and(|until| until <= now_ms) => {
                return Err(ClientError::HandshakeTimeout);
            }
            Phase::Connecting | Phase::Ended => return Ok(()),
            Phase::Connected => {}
        }
        match self.keep_alive.step(now_ms) {
            ClientKeepAliveStep::WaitUntil(_) => {}
            ClientKeepAliveStep::SendPing => {
                if self.send(&Packet::PingReq, out) {
                    self.keep_alive.sent_ping(now_ms);
                }
            }
            ClientKeepAliveStep::Dead => return Err(ClientError::KeepAliveTimeout),
        }
        Ok(())
    }

    /// Ends the connection with DISCONNECT; nothing can be sent afterwards.
    ///
    /// Words for people are left out where the server takes no packet of that size. A client that authenticates may
    /// leave before CONNACK. Spec: v5 §3.14, [MQTT-3.14.4-1], [MQTT-3.1.2-30].
    ///
    /// # Errors
    /// `disconnect` cannot be written in the version in use, has a Reason Code that only servers send, or would keep a
    /// session that CONNECT said ends with its connection; the connection stays.
    pub fn disconnect(
        &mut self,
        disconnect: &Disconnect<'_>,
        now_ms: u64,
        out: &mut impl Output,
    ) -> Result<(), SendRefusal> {
        self.now_ms = now_ms;
        if !self.may_disconnect() {
            return Err(SendRefusal::NotConnected);
        }
        if !is_for_clients(disconnect.reason) {
            return Err(SendRefusal::ReasonOfOtherSide(disconnect.reason));
        }
        let expiry_s = disconnect.properties.session_expiry_interval_s();
        if self.asked.session_expiry_interval_s == 0 && expiry_s.unwrap_or(0) != 0 {
            return Err(SendRefusal::SessionExpiryRaised);
        }
        append_fitting(&Packet::Disconnect(*disconnect), &self.negotiated, out)?;
        self.phase = Phase::Ended;
        Ok(())
    }

    /// Ends the connection because of `error`: DISCONNECT with its Reason Code where the version has one.
    ///
    /// Spec: v5 §4.13.1; v3.1.1 has no way to tell a server, so the caller just closes.
    pub fn fail(&mut self, error: ClientError, out: &mut impl Output) {
        if self.may_disconnect() && self.negotiated.version.disconnect_has_body() {
            let disconnect = Disconnect {
                reason: error.reason_code(),
                properties: Properties::EMPTY,
            };
            self.send(&Packet::Disconnect(disconnect), out);
        }
        self.phase = Phase::Ended;
    }

    /// Before CONNACK only a client that authenticates may.
    fn may_disconnect(&self) -> bool {
        match self.phase {
            Phase::Connecting => self.auth.is_some(),
            Phase::Connected => true,
            Phase::Ended => false,
        }
    }

    /// The Network Connection is gone: the requests that nobody will answer, in order; nothing can be sent afterwards.
    pub fn end_requests(&mut self) -> impl Iterator<Item = R> {
        self.phase = Phase::Ended;
        let requests = self.session.flows.handle_connection_lost();
        requests.filter_map(Flow::into_request)
    }

    /// The Network Connection is gone: what outlives it. Requests that [`ClientConnection::end_requests`] has not
    /// given back are dropped.
    pub fn into_session(mut self) -> ClientSession<M, R, S, J> {
        drop(self.end_requests());
        for packet_id in self.acks.outstanding() {
            if self.session.flows.unreleased().contains(packet_id) {
                // There is a place: there is one for each unreleased.
                self.session.held.insert(packet_id);
            }
        }
        self.session
    }

    /// Sends a packet of ours that is correct by construction; `false` when there is no room for it.
    pub(super) fn send(&mut self, packet: &Packet<'_>, out: &mut impl Output) -> bool {
        let sent = append(packet, self.negotiated.version, out).is_ok();
        if sent {
            self.keep_alive.sent(self.now_ms);
        }
        sent
    }
}

impl Asked {
    fn of(connect: &Connect<'_>) -> Self {
        // What a version cannot say, the server does not know, and so it is not held to it.
        let properties = match connect.version.has_properties() {
            true => connect.properties,
            false => Properties::EMPTY,
        };
        Self {
            version: connect.version,
            clean_start: connect.clean_start,
            keep_alive_s: connect.keep_alive_s,
            session_expiry_interval_s: properties.session_expiry_interval_s().unwrap_or(0),
            receive_maximum: properties.receive_maximum(),
            topic_alias_maximum: properties.topic_alias_maximum().unwrap_or(0),
            maximum_packet_size: properties.maximum_packet_size(),
        }
    }

    /// Whether `S` has room for what the server may do.
    fn check_room<S: Storage>(&self) -> Result<(), SendRefusal> {
        let receive_maximum = self.receive_maximum.map_or(u16::MAX, NonZeroU16::get);
        let announced = [
            (
                PropertyId::ReceiveMaximum,
                receive_maximum,
                S::RECEIVE_MAXIMUM,
            ),
            (
                PropertyId::TopicAliasMaximum,
                self.topic_alias_maximum,
                S::TOPIC_ALIAS_MAXIMUM,
            ),
        ];
        // A server before v5 is told of neither.
        let told = announced.iter().filter(|_| self.version.has_properties());
        for &(property, announced, room_for) in told {
            if usize::from(announced) > room_for {
                return Err(SendRefusal::AnnouncesTooMuch {
                    property,
                    announced,
                    room_for,
                });
            }
        }
        Ok(())
    }

    /// What CONNECT and `connack` agree on.
    pub(super) fn negotiated(&self, connack: &ConnAck<'_>) -> Negotiated {
        let receive_maximum = self.receive_maximum.unwrap_or(NonZeroU16::MAX);
        let properties = [
            Property::SessionExpiryInterval(self.session_expiry_interval_s),
            Property::ReceiveMaximum(receive_maximum),
            Property::TopicAliasMaximum(self.topic_alias_maximum),
            Property::MaximumPacketSize(
                self.maximum_packet_size
                    .or(NonZeroU32::new(PACKET_LEN_MAX))
                    .unwrap_or(NonZeroU32::MAX),
            ),
        ];
        let properties = PropertyList::new(&properties);
        let connect = Connect {
            version: self.version,
            bridge: false,
            clean_start: self.clean_start,
            keep_alive_s: self.keep_alive_s,
            client_id: "",
            will: None,
            username: None,
            password: None,
            properties: Properties::from(&properties),
        };
        Negotiated::of_connack(&connect, connack)
    }
}

/// The exchange of a CONNECT that names an Authentication Method.
fn begin_authentication(
    connect: &Connect<'_>,
) -> Result<Option<AuthExchange<AuthMethod>>, SendRefusal> {
    let method = match connect.version.has_auth() {
        true => connect.properties.authentication_method(),
        false => None,
    };
    let Some(method) = method else {
        return Ok(None);
    };
    match AuthMethod::try_new(method) {
        Some(method) => Ok(Some(AuthExchange::client(method))),
        None => Err(SendRefusal::Encode(EncodeError::TooLong {
            field: Field::Property(PropertyId::AuthenticationMethod),
            max: AuthMethod::LEN_MAX,
        })),
    }
}
