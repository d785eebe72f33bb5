//! A message, packets as bytes, and a server that accepts.

use core::num::NonZeroU32;
use mqtt_codec::{
    Ack, Connect, Delivery, Frame, PACKET_LEN_MAX, Packet, PacketId, Properties, Property,
    PropertyList, ProtocolVersion, Publish, QoS, ReasonCode, Subscribe, SubscribeFilters,
    SubscriptionOptions, TopicFilter, TopicName, frame,
};
use mqtt_session::{
    Acceptance, Accepted, AckToken, HandshakeEvent, MessageExpiry, OutgoingMessage, RequestToken,
    ServerConnection, ServerError, ServerEvent, ServerHandshake, ServerLimits, ServerOffer,
    ServerSession, SessionExpiry,
};

pub(crate) const V5: ProtocolVersion = ProtocolVersion::V5;
pub(crate) const V311: ProtocolVersion = ProtocolVersion::V311;
pub(crate) const OK: ReasonCode = ReasonCode::SUCCESS;

pub(crate) type Session = ServerSession<Message, &'static str>;
pub(crate) type Connection = ServerConnection<Message, &'static str>;

/// An offer without a limit that a test has not asked for.
pub(crate) const OFFER: ServerOffer = ServerOffer::new(ServerLimits {
    receive_maximum: 65_535,
    inflight_max: 65_535,
    topic_alias_maximum: 10,
    packet_len_max: PACKET_LEN_MAX,
    session_expiry_max: SessionExpiry::NEVER,
    keep_alive_max_s: None,
});

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Message {
    pub(crate) topic_name: &'static str,
    pub(crate) qos: QoS,
    pub(crate) payload: Vec<u8>,
    pub(crate) expiry: Option<MessageExpiry>,
}

impl OutgoingMessage for Message {
    fn qos(&self) -> QoS {
        self.qos
    }

    fn with_publish<T>(
        &self,
        dup: bool,
        delivery: Delivery,
        use_publish: impl FnOnce(&Publish<'_>) -> T,
    ) -> Option<T> {
        Some(use_publish(&Publish {
            dup,
            retain: false,
            delivery,
            topic_name: Some(TopicName::try_new(self.topic_name).unwrap()),
            properties: Properties::EMPTY,
            payload: &self.payload,
        }))
    }

    fn expiry(&self) -> Option<MessageExpiry> {
        self.expiry
    }

    fn forget_body(&mut self) {
        self.payload = Vec::new();
    }
}

pub(crate) fn message(topic_name: &'static str, qos: QoS) -> Message {
    Message {
        topic_name,
        qos,
        payload: vec![b'x'],
        expiry: None,
    }
}

pub(crate) fn id(number: u16) -> PacketId {
    PacketId::new(number).unwrap()
}

pub(crate) fn ack(number: u16, reason: ReasonCode) -> Ack<'static> {
    Ack {
        packet_id: id(number),
        reason,
        properties: Properties::EMPTY,
    }
}

pub(crate) fn publish(topic_name: &str, delivery: Delivery) -> Publish<'_> {
    Publish {
        delivery,
        topic_name: Some(TopicName::try_new(topic_name).unwrap()),
        payload: b"x",
        ..Publish::default()
    }
}

pub(crate) fn packet_size(bytes: u32) -> Property<'static> {
    Property::MaximumPacketSize(NonZeroU32::new(bytes).unwrap())
}

/// `packet` as bytes.
pub(crate) fn bytes(version: ProtocolVersion, packet: &Packet<'_>) -> Vec<u8> {
    let mut bytes = vec![0; packet.encoded_len(version).unwrap()];
    packet.encode(version, &mut bytes).unwrap();
    bytes
}

pub(crate) fn framed(bytes: &[u8]) -> Frame<'_> {
    frame(bytes, PACKET_LEN_MAX).unwrap().unwrap()
}

/// All packets in `bytes`.
pub(crate) fn packets(version: ProtocolVersion, mut bytes: &[u8]) -> Vec<Packet<'_>> {
    let mut packets = Vec::new();
    while let Some(frame) = frame(bytes, PACKET_LEN_MAX).unwrap() {
        packets.push(Packet::decode(frame, version).unwrap());
        bytes = bytes.get(frame.len..).unwrap();
    }
    packets
}

/// The one packet in `bytes`.
pub(crate) fn packet(version: ProtocolVersion, bytes: &[u8]) -> Packet<'_> {
    let mut packets = packets(version, bytes);
    assert_eq!(packets.len(), 1, "{packets:?}");
    packets.remove(0)
}

/// CONNECT that goes on with a session, with `properties`.
pub(crate) fn connect<'a>(version: ProtocolVersion, properties: Properties<'a>) -> Connect<'a> {
    Connect {
        clean_start: false,
        properties,
        ..Connect::new(version, "me")
    }
}

/// A handshake that has taken `connect`.
pub(crate) fn asked(offer: ServerOffer, connect: &Connect<'_>) -> ServerHandshake {
    let mut handshake = ServerHandshake::new(offer, 0);
    let connect = bytes(connect.version, &Packet::Connect(*connect));
    let event = handshake.handle_frame(framed(&connect), 0).unwrap();
    assert!(matches!(event, HandshakeEvent::Connect(_)), "{event:?}");
    handshake
}

pub(crate) fn acceptance(found: Option<Session>) -> Acceptance<'static, Message, &'static str> {
    Acceptance {
        found,
        will: None,
        properties: Properties::EMPTY,
    }
}

/// Accepts `connect` with the session found.
pub(crate) fn accepted(
    offer: ServerOffer,
    connect: &Connect<'_>,
    found: Option<Session>,
) -> Accepted<Message, &'static str> {
    let mut handshake = asked(offer, connect);
    let accepted = handshake.accept(acceptance(found), 0, &mut Vec::new());
    accepted.unwrap()
}

/// A connection of a client that said nothing but `properties`.
pub(crate) fn connected(version: ProtocolVersion, properties: &[Property<'_>]) -> Connection {
    let list = PropertyList::new(properties);
    accepted(OFFER, &connect(version, Properties::from(&list)), None).connection
}

/// Hands `packet` to the server: what it answers by itself.
pub(crate) fn handle(connection: &mut Connection, packet: &Packet<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    handle_at(connection, packet, 0, &mut out);
    out
}

/// Hands `packet` to the server at `now_ms`; a repeat is acknowledged.
pub(crate) fn handle_at(
    connection: &mut Connection,
    packet: &Packet<'_>,
    now_ms: u64,
    out: &mut Vec<u8>,
) {
    match try_handle(connection, packet, now_ms, out).unwrap() {
        ServerEvent::Handled | ServerEvent::Acknowledged { .. } => {}
        ServerEvent::Repeated { ack } => connection.acknowledge(ack, OK, out).unwrap(),
        event => panic!("{event:?}"),
    }
}

/// Hands `packet` to the server, which must object; the error.
pub(crate) fn objection(connection: &mut Connection, packet: &Packet<'_>) -> ServerError {
    let mut out = Vec::new();
    let error = try_handle(connection, packet, 0, &mut out).unwrap_err();
    assert!(out.is_empty(), "nothing is answered");
    error
}

/// Hands `packet` to the server.
///
/// The bytes of the packet are leaked: tests are short, and events borrow from them.
pub(crate) fn try_handle<'a>(
    connection: &'a mut Connection,
    packet: &Packet<'_>,
    now_ms: u64,
    out: &mut Vec<u8>,
) -> Result<ServerEvent<'a, Message>, ServerError> {
    let bytes = bytes(connection.negotiated().version, packet).leak();
    connection.handle_frame(framed(bytes), now_ms, out)
}

/// Sends a PUBLISH to the server, which takes it: its token.
pub(crate) fn receive(connection: &mut Connection, delivery: Delivery) -> Option<AckToken> {
    let packet = Packet::Publish(publish("t", delivery));
    match try_handle(connection, &packet, 0, &mut Vec::new()).unwrap() {
        ServerEvent::Message { ack, .. } => ack,
        event => panic!("{event:?}"),
    }
}

pub(crate) fn filters(texts: &[&'static str]) -> Vec<(TopicFilter<'static>, SubscriptionOptions)> {
    let options = SubscriptionOptions::default();
    let filter = |text: &&'static str| (TopicFilter::try_new(text).unwrap(), options);
    texts.iter().map(filter).collect()
}

/// Sends a SUBSCRIBE with identifier 7 to the server: what to answer it with.
pub(crate) fn subscribe(
    connection: &mut Connection,
    texts: &[&'static str],
) -> Result<RequestToken, ServerError> {
    let filters = filters(texts);
    let packet = Packet::Subscribe(Subscribe {
        packet_id: id(7),
        properties: Properties::EMPTY,
        filters: SubscribeFilters::from(&*filters),
    });
    match try_handle(connection, &packet, 0, &mut Vec::new())? {
        ServerEvent::Subscribe { answer, subscribe } => {
            assert_eq!(subscribe.filters.len(), texts.len());
            Ok(answer)
        }
        event => panic!("{event:?}"),
    }
}
