//! The client's engine against packets written by hand: mostly what a reconnect does.

mod resuming;

use super::*;
use crate::AckToken;
use alloc::vec;
use alloc::vec::Vec;
use core::num::{NonZeroU16, NonZeroU32};
use mqtt_codec::{
    Ack, ConnAck, Connect, Delivery, Disconnect, PACKET_LEN_MAX, Packet, PacketId, Properties,
    Property, PropertyList, ProtocolVersion, Publish, QoS, ReasonCode, SubscriptionOptions,
    TopicFilter, TopicName, frame,
};

type Session = ClientSession<Message, &'static str>;
type Connection = ClientConnection<Message, &'static str>;

const V5: ProtocolVersion = ProtocolVersion::V5;
const SETTINGS: ClientSettings = ClientSettings {
    ping_answer_within_ms: 1000,
    unknown_session: UnknownSession::Refuse,
};

#[derive(Clone, Debug, Eq, PartialEq)]
struct Message {
    topic_name: &'static str,
    qos: QoS,
    payload: Vec<u8>,
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

    fn forget_body(&mut self) {
        self.payload = Vec::new();
    }
}

fn message(topic_name: &'static str, qos: QoS) -> Message {
    Message {
        topic_name,
        qos,
        payload: vec![b'x'],
    }
}

fn id(number: u16) -> PacketId {
    PacketId::new(number).unwrap()
}

fn ack(number: u16) -> Ack<'static> {
    ack_with(number, ReasonCode::SUCCESS)
}

fn ack_with(number: u16, reason: ReasonCode) -> Ack<'static> {
    Ack {
        packet_id: id(number),
        reason,
        properties: Properties::EMPTY,
    }
}

/// Sends CONNECT for `session`, which continues.
fn connecting(session: &mut Session, version: ProtocolVersion) -> Connection {
    let mut connect = Connect::new(version, "me");
    connect.clean_start = false;
    Connection::connect(session, &connect, SETTINGS, 0, &mut Vec::new()).unwrap()
}

/// The server accepts; the messages it has forgotten.
fn accept(
    connection: &mut Connection,
    session_present: bool,
    properties: &[Property<'_>],
) -> Result<Vec<Message>, ClientError> {
    let list = PropertyList::new(properties);
    let connack = ConnAck {
        session_present,
        reason: ReasonCode::SUCCESS,
        properties: Properties::from(&list),
    };
    let version = connection.negotiated().version;
    let mut bytes = [0; 64];
    Packet::ConnAck(connack)
        .encode(version, &mut bytes)
        .unwrap();
    let frame = frame(&bytes, PACKET_LEN_MAX).unwrap().unwrap();
    let event = connection.handle_frame(frame, 0, &mut Vec::new())?;
    assert!(matches!(event, ClientEvent::Connected { .. }), "{event:?}");
    Ok(core::iter::from_fn(|| connection.poll_lost()).collect())
}

fn connected(version: ProtocolVersion, properties: &[Property<'_>]) -> Connection {
    let mut connection = connecting(&mut Session::new(), version);
    accept(&mut connection, false, properties).unwrap();
    connection
}

/// Drops the connection and makes the next one, on which the server continues the session.
fn reconnected(connection: Connection, properties: &[Property<'_>]) -> Connection {
    let version = connection.negotiated().version;
    let mut session = connection.into_session();
    let mut connection = connecting(&mut session, version);
    assert_eq!(accept(&mut connection, true, properties), Ok(vec![]));
    connection
}

fn publish(connection: &mut Connection, message: Message) {
    assert_eq!(connection.publish(message, 0, &mut Vec::new()), Ok(None));
}

/// Hands `packet` in; what went out and the messages whose flow has ended.
fn handle(connection: &mut Connection, packet: Packet<'_>) -> (Vec<u8>, Option<Message>) {
    let mut out = Vec::new();
    let ended = match try_handle(connection, packet, &mut out).unwrap() {
        Ended::Message(message) => Some(message),
        Ended::Nothing => None,
    };
    (out, ended)
}

enum Ended {
    Message(Message),
    Nothing,
}

fn try_handle(
    connection: &mut Connection,
    packet: Packet<'_>,
    out: &mut Vec<u8>,
) -> Result<Ended, ClientError> {
    let version = connection.negotiated().version;
    let mut bytes = [0; 64];
    packet.encode(version, &mut bytes).unwrap();
    let frame = frame(&bytes, PACKET_LEN_MAX).unwrap().unwrap();
    match connection.handle_frame(frame, 0, out)? {
        ClientEvent::Acknowledged { message, .. } => Ok(Ended::Message(message)),
        _ => Ok(Ended::Nothing),
    }
}

fn resend(connection: &mut Connection) -> Vec<u8> {
    let mut out = Vec::new();
    assert_eq!(connection.poll_resend(0, &mut out), None);
    out
}

/// The packets in `bytes`, in short: type, DUP, Packet Identifier.
fn read(bytes: &[u8], version: ProtocolVersion) -> Vec<(&'static str, bool, u16)> {
    let mut rest = bytes;
    let mut packets = Vec::new();
    while let Some(frame) = frame(rest, PACKET_LEN_MAX).unwrap() {
        rest = &rest[frame.len..];
        packets.push(match Packet::decode(frame, version).unwrap() {
            Packet::Publish(publish) => {
                let packet_id = publish.delivery.packet_id().map_or(0, PacketId::get);
                ("PUBLISH", publish.dup, packet_id)
            }
            Packet::PubAck(ack) => ("PUBACK", false, ack.packet_id.get()),
            Packet::PubRec(ack) => ("PUBREC", false, ack.packet_id.get()),
            Packet::PubRel(ack) => ("PUBREL", false, ack.packet_id.get()),
            Packet::PubComp(ack) => ("PUBCOMP", false, ack.packet_id.get()),
            Packet::Subscribe(subscribe) => ("SUBSCRIBE", false, subscribe.packet_id.get()),
            Packet::PingReq => ("PINGREQ", false, 0),
            other => panic!("{other:?}"),
        });
    }
    packets
}

/// Where the message before went by an alias, one of QoS 0 can follow it by that alone; nothing else can.
#[test]
fn a_message_goes_where_the_one_before_it_went() {
    let topic = "a/topic/with/an/alias";
    let limits = [
        Property::TopicAliasMaximum(4),
        Property::RetainAvailable(false),
        Property::MaximumPacketSize(NonZeroU32::new(40).unwrap()),
    ];
    let mut connection = connected(ProtocolVersion::V5, &limits);
    connection.limit_outbound_aliases(4);
    let again = |connection: &mut Connection, topic: &str, retain, payload: &[u8]| {
        let mut out = vec![7];
        let is_written = connection.publish_again(topic.as_bytes(), retain, payload, 0, &mut out);
        assert_eq!(is_written, out.len() > 1, "no change, or all of it");
        is_written.then(|| out.split_off(1))
    };
    assert_eq!(
        again(&mut connection, topic, false, b"x"),
        None,
        "the first"
    );
    let mut last = Vec::new();
    for _ in 0..3 {
        last.clear();
        let sent = connection.publish(message(topic, QoS::AtMostOnce), 0, &mut last);
        assert!(matches!(sent, Ok(Some(_))));
    }
    assert_eq!(again(&mut connection, topic, false, b"x"), Some(last));
    assert_eq!(again(&mut connection, "another", false, b"x"), None);
    assert_eq!(
        again(&mut connection, topic, true, b"x"),
        None,
        "not granted"
    );
    assert_eq!(
        again(&mut connection, topic, false, &[0; 40]),
        None,
        "too long"
    );
    let mut session = connection.into_session();
    let mut next = connecting(&mut session, ProtocolVersion::V5);
    assert_eq!(again(&mut next, topic, false, b"x"), None, "no CONNACK yet");
}

#[test]
fn requests_end_with_their_connection() {
    let mut connection = connected(V5, &[]);
    let filters = [(
        TopicFilter::try_new("a").unwrap(),
        SubscriptionOptions::new(QoS::AtMostOnce),
    )];
    let mut out = Vec::new();
    connection
        .subscribe(&filters, Properties::EMPTY, "request", 0, &mut out)
        .unwrap();
    assert_eq!(read(&out, V5), [("SUBSCRIBE", false, 1)]);
    publish(&mut connection, message("t", QoS::AtLeastOnce));
    let requests: Vec<_> = connection.end_requests().collect();
    let session = connection.into_session();
    assert_eq!((requests, session.inflight()), (vec!["request"], 1));
}

#[test]
fn a_token_of_an_earlier_connection_does_nothing() {
    let mut connection = connected(V5, &[]);
    let stale = receive(&mut connection, 5);
    let mut connection = reconnected(connection, &[]);
    let fresh = receive(&mut connection, 5);
    let mut out = Vec::new();
    connection.acknowledge(stale, ReasonCode::SUCCESS, 0, &mut out);
    assert_eq!(out, []);
    connection.acknowledge(fresh, ReasonCode::SUCCESS, 0, &mut out);
    assert_eq!(read(&out, V5), [("PUBACK", false, 5)]);
}

#[test]
fn a_refusal_of_a_message_is_told_from_v5_on() {
    for (version, expected) in [
        (ProtocolVersion::V311, ReasonCode::SUCCESS),
        (V5, ReasonCode::QUOTA_EXCEEDED),
    ] {
        let mut connection = connected(version, &[]);
        let token = receive(&mut connection, 5);
        let mut out = Vec::new();
        connection.acknowledge(token, ReasonCode::QUOTA_EXCEEDED, 0, &mut out);
        let frame = frame(&out, PACKET_LEN_MAX).unwrap().unwrap();
        let packet = Packet::decode(frame, version);
        assert_eq!(packet, Ok(Packet::PubAck(ack_with(5, expected))));
    }
}

/// A refused message was confirmed as taken when the connection ended before its error PUBREC could leave.
#[test]
fn regress_a_refusal_that_never_left_makes_the_repeat_new() {
    let mut connection = connected(V5, &[]);
    let _held = receive(&mut connection, 4);
    let refused = receive_with(&mut connection, Delivery::ExactlyOnce(id(5)));
    let mut out = Vec::new();
    connection.acknowledge(refused, ReasonCode::QUOTA_EXCEEDED, 0, &mut out);
    assert_eq!(out, [], "the message before it is not acknowledged");

    let mut connection = reconnected(connection, &[]);
    let again = receive_with(&mut connection, Delivery::ExactlyOnce(id(5)));
    connection.acknowledge(again, ReasonCode::SUCCESS, 0, &mut out);
    assert_eq!(read(&out, V5), [("PUBREC", false, 5)]);
}

/// The same, with a connection that this side has ended already.
#[test]
fn regress_a_refusal_after_disconnect_makes_the_repeat_new() {
    let mut connection = connected(V5, &[]);
    let refused = receive_with(&mut connection, Delivery::ExactlyOnce(id(5)));
    let mut out = Vec::new();
    let normal = Disconnect {
        reason: ReasonCode::NORMAL_DISCONNECTION,
        properties: Properties::EMPTY,
    };
    connection.disconnect(&normal, 0, &mut out).unwrap();
    out.clear();
    connection.acknowledge(refused, ReasonCode::QUOTA_EXCEEDED, 0, &mut out);
    assert_eq!(out, [], "nothing follows DISCONNECT");
    let mut connection = reconnected(connection, &[]);
    receive_with(&mut connection, Delivery::ExactlyOnce(id(5)));
}

/// The later of two messages with one identifier was taken first, and nothing was acknowledged any more.
#[test]
fn regress_a_token_acknowledges_its_own_message_of_two_with_one_identifier() {
    let mut connection = connected(ProtocolVersion::V311, &[]);
    let first = receive(&mut connection, 5);
    let second = receive(&mut connection, 5);
    let third = receive(&mut connection, 6);
    let mut out = Vec::new();
    for token in [second, third] {
        connection.acknowledge(token, ReasonCode::SUCCESS, 0, &mut out);
        assert_eq!(out, [], "the first one waits");
    }
    connection.acknowledge(first, ReasonCode::SUCCESS, 0, &mut out);
    let expected = [5, 5, 6].map(|number| ("PUBACK", false, number));
    assert_eq!(read(&out, ProtocolVersion::V311), expected);
}

/// A PUBLISH of QoS 1 comes in; its token.
fn receive(connection: &mut Connection, number: u16) -> AckToken {
    receive_with(connection, Delivery::AtLeastOnce(id(number)))
}

/// A PUBLISH with `delivery` comes in that is for the application; its token.
fn receive_with(connection: &mut Connection, delivery: Delivery) -> AckToken {
    let version = connection.negotiated().version;
    let publish = Packet::Publish(Publish {
        dup: false,
        retain: false,
        delivery,
        topic_name: Some(TopicName::try_new("t").unwrap()),
        properties: Properties::EMPTY,
        payload: b"x",
    });
    let mut bytes = [0; 64];
    publish.encode(version, &mut bytes).unwrap();
    let frame = frame(&bytes, PACKET_LEN_MAX).unwrap().unwrap();
    match connection.handle_frame(frame, 0, &mut Vec::new()) {
        Ok(ClientEvent::Message {
            ack: Some(token), ..
        }) => token,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_acknowledgement_of_the_wrong_kind_is_a_protocol_error() {
    let mut connection = connected(V5, &[]);
    publish(&mut connection, message("t", QoS::ExactlyOnce));
    let mut out = Vec::new();
    let wrong = try_handle(&mut connection, Packet::PubAck(ack(1)), &mut out);
    let error = wrong.err().unwrap();
    assert_eq!(error.reason_code(), ReasonCode::PROTOCOL_ERROR);
    connection.fail(error, &mut out);
    let refused = connection
        .publish(message("t", QoS::AtMostOnce), 0, &mut out)
        .unwrap_err();
    assert_eq!(
        refused.reason,
        NotSentReason::Never(SendRefusal::NotConnected)
    );
}

#[test]
fn nothing_is_sent_before_connack() {
    let mut connection = connecting(&mut Session::new(), V5);
    let mut out = Vec::new();
    let refused = connection
        .publish(message("t", QoS::AtMostOnce), 0, &mut out)
        .unwrap_err();
    assert_eq!(
        refused.reason,
        NotSentReason::Never(SendRefusal::NotConnected)
    );
    assert_eq!((out, connection.next_deadline_ms()), (vec![], None));
}

#[test]
fn a_connect_that_cannot_be_written_leaves_the_session() {
    let mut connection = connected(V5, &[]);
    publish(&mut connection, message("t", QoS::AtLeastOnce));
    let mut session = connection.into_session();
    let mut connect = Connect::new(ProtocolVersion::V311, "me");
    connect.password = Some(b"alone");
    let mut out = Vec::new();
    let refused = Connection::connect(&mut session, &connect, SETTINGS, 0, &mut out);
    assert!(matches!(refused, Err(SendRefusal::Encode(_))));
    assert_eq!((session.inflight(), out), (1, vec![]));
}

/// Covers: v5 [MQTT-3.1.2-20], v3.1.1 [MQTT-3.1.2-23].
#[test]
fn pingreq_breaks_a_silence() {
    for version in [ProtocolVersion::V311, V5] {
        let mut connect = Connect::new(version, "me");
        connect.keep_alive_s = 10;
        let mut out = Vec::new();
        let mut session = Session::new();
        let mut connection =
            Connection::connect(&mut session, &connect, SETTINGS, 0, &mut out).unwrap();
        accept(&mut connection, false, &[]).unwrap();
        out.clear();
        assert_eq!(connection.next_deadline_ms(), Some(10_000));
        assert_eq!(connection.handle_timeout(9_999, &mut out), Ok(()));
        assert_eq!(out, []);
        assert_eq!(connection.handle_timeout(10_000, &mut out), Ok(()));
        assert_eq!(read(&out, version), [("PINGREQ", false, 0)]);
        assert_eq!(connection.next_deadline_ms(), Some(11_000));
        let dead = connection.handle_timeout(11_000, &mut out);
        assert_eq!(dead, Err(ClientError::KeepAliveTimeout));
    }
}

/// MQTT 3.1 has no Session Present, so that every reconnect lost what was in flight.
#[test]
fn regress_a_3_1_session_goes_on_without_session_present() {
    let version = ProtocolVersion::V31;
    let mut connection = connected(version, &[]);
    publish(&mut connection, message("a", QoS::ExactlyOnce));
    let received = Publish {
        delivery: Delivery::ExactlyOnce(id(9)),
        topic_name: Some(TopicName::try_new("t").unwrap()),
        ..Publish::default()
    };
    let token = receive_with(&mut connection, received.delivery);
    connection.acknowledge(token, ReasonCode::SUCCESS, 0, &mut Vec::new());
    let received = Packet::Publish(received);
    let mut connection = connecting(&mut connection.into_session(), version);
    assert_eq!(accept(&mut connection, false, &[]), Ok(vec![]));
    assert_eq!(
        read(&resend(&mut connection), version),
        [("PUBLISH", true, 1)]
    );
    let (out, _) = handle(&mut connection, received);
    assert_eq!(read(&out, version), [("PUBREC", false, 9)]);
}

/// Nor has it anything to say of a session that the client has ended.
#[test]
fn a_3_1_session_ends_with_clean_session_on_either_connection() {
    let version = ProtocolVersion::V31;
    for (before, now) in [(true, false), (false, true)] {
        let mut session = Session::new();
        let mut connect = Connect::new(version, "me");
        let mut lost = Vec::new();
        for clean_start in [before, now] {
            connect.clean_start = clean_start;
            let mut connection =
                Connection::connect(&mut session, &connect, SETTINGS, 0, &mut Vec::new()).unwrap();
            lost = accept(&mut connection, false, &[]).unwrap();
            let _ = connection.publish(message("a", QoS::AtLeastOnce), 0, &mut Vec::new());
            session = connection.into_session();
        }
        assert_eq!(lost, [message("a", QoS::AtLeastOnce)]);
    }
}
