//! A client in memory of fixed size: what happens when a table or the output is full.

use crate::kit::{Message, OK, V5, V311, ack, bytes, framed, id, message, packets, publish};
use core::num::NonZeroU16;
use mqtt_codec::{
    ConnAck, Connect, Delivery, EncodeError, Packet, Properties, Property, PropertyId,
    PropertyList, ProtocolVersion, Publish, QoS, ReasonCode,
};
use mqtt_session::{
    AckToken, ClientConnection, ClientError, ClientEvent, ClientSession, ClientSettings, Fixed,
    NotSent, NotSentReason, Output, OutputBuffer, ProtocolError, SendRefusal, UnknownSession,
};

type Session = ClientSession<Message, (), Fixed<2, 2, 1, 4>>;
type Connection = ClientConnection<Message, (), Fixed<2, 2, 1, 4>>;

const SETTINGS: ClientSettings = ClientSettings {
    ping_answer_within_ms: 1000,
    unknown_session: UnknownSession::Refuse,
};

fn receive_maximum(packets: u16) -> Property<'static> {
    Property::ReceiveMaximum(NonZeroU16::new(packets).unwrap())
}

fn try_connect(
    session: &mut Session,
    version: ProtocolVersion,
    properties: &[Property<'_>],
    out: &mut impl Output,
) -> Result<Connection, SendRefusal> {
    let list = PropertyList::new(properties);
    let connect = Connect {
        clean_start: false,
        keep_alive_s: 10,
        properties: Properties::from(&list),
        ..Connect::new(version, "me")
    };
    Connection::connect(session, &connect, SETTINGS, 0, out)
}

/// A connection that `session` has, and the server too if `session_present`.
fn accepted(session: &mut Session, version: ProtocolVersion, session_present: bool) -> Connection {
    let announced = [receive_maximum(2), Property::TopicAliasMaximum(1)];
    let mut connection = try_connect(session, version, &announced, &mut Vec::new()).unwrap();
    let connack = ConnAck {
        session_present,
        ..ConnAck::default()
    };
    let connack = bytes(version, &Packet::ConnAck(connack));
    let event = connection.handle_frame(framed(&connack), 0, &mut Vec::new());
    assert!(matches!(event, Ok(ClientEvent::Connected { .. })));
    connection
}

fn connected(version: ProtocolVersion) -> Connection {
    accepted(&mut Session::default(), version, false)
}

/// Hands `packet` in: the token of the message in it, if there is one.
fn handle(
    connection: &mut Connection,
    packet: &Packet<'_>,
    out: &mut impl Output,
) -> Result<Option<AckToken>, ClientError> {
    let bytes = bytes(connection.negotiated().version, packet);
    match connection.handle_frame(framed(&bytes), 0, out)? {
        ClientEvent::Message { ack, .. } => Ok(ack),
        _ => Ok(None),
    }
}

fn at_qos_1(number: u16) -> Packet<'static> {
    Packet::Publish(publish("t", Delivery::AtLeastOnce(id(number))))
}

fn at_qos_2(number: u16) -> Packet<'static> {
    Packet::Publish(publish("t", Delivery::ExactlyOnce(id(number))))
}

/// Sends `number` messages of QoS 1.
fn publish_some(connection: &mut Connection, number: u16) {
    for _ in 0..number {
        let sent = connection.publish(message("t", QoS::AtLeastOnce), 0, &mut Vec::new());
        assert_eq!(sent, Ok(None));
    }
}

/// Memory for output with room for `len` bytes more.
fn filled(memory: &mut [u8], room: usize) -> OutputBuffer<'_> {
    let len = memory.len() - room;
    let mut out = OutputBuffer::new(memory);
    assert!(out.extend_by(len).is_some());
    out
}

const LATER: NotSentReason = NotSentReason::Later;

#[test]
fn a_message_without_a_place_comes_back_until_there_is_one() {
    let mut connection = connected(V5);
    publish_some(&mut connection, 2);
    let item = message("t", QoS::ExactlyOnce);
    let mut out = Vec::new();
    for _ in 0..2 {
        let item = item.clone();
        let refused = connection.publish(item.clone(), 0, &mut out);
        assert_eq!(
            refused,
            Err(NotSent {
                item,
                reason: LATER
            })
        );
    }
    let refused = connection.unsubscribe(&[], Properties::EMPTY, (), 0, &mut out);
    assert_eq!(
        refused,
        Err(NotSent {
            item: (),
            reason: LATER
        })
    );
    let at_once = message("t", QoS::AtMostOnce);
    assert_eq!(
        connection.publish(at_once.clone(), 0, &mut out),
        Ok(Some(at_once))
    );
    out.clear();
    handle(&mut connection, &Packet::PubAck(ack(1, OK)), &mut out).unwrap();
    assert_eq!(connection.publish(item, 0, &mut out), Ok(None));
    let Some(Packet::Publish(sent)) = packets(V5, &out).first().copied() else {
        panic!("{out:?}");
    };
    assert_eq!(sent.delivery, Delivery::ExactlyOnce(id(3)));
}

#[test]
fn a_packet_that_does_not_fit_takes_neither_identifier_nor_quota() {
    let mut connection = connected(V5);
    let item = message("t", QoS::AtLeastOnce);
    let mut memory = [0; 32];
    let mut out = filled(&mut memory, 8);
    let refused = connection.publish(item.clone(), 0, &mut out);
    assert_eq!(
        refused,
        Err(NotSent {
            item: item.clone(),
            reason: LATER
        })
    );
    assert_eq!((out.len(), connection.inflight()), (24, 0));
    out.consume(24);
    assert_eq!(connection.publish(item, 0, &mut out), Ok(None));
    let sent = packets(V5, out.filled());
    let expected = Publish {
        delivery: Delivery::AtLeastOnce(id(1)),
        ..publish("t", Delivery::AtMostOnce)
    };
    assert_eq!(sent, [Packet::Publish(expected)]);
}

#[test]
fn a_packet_larger_than_the_output_is_never_sent() {
    let mut connection = connected(V5);
    let mut memory = [0; 8];
    let mut out = OutputBuffer::new(&mut memory);
    let item = message("t", QoS::AtLeastOnce);
    let refused = connection.publish(item.clone(), 0, &mut out);
    let needed = 9;
    let refusal = SendRefusal::Encode(EncodeError::BufferTooSmall { needed });
    let reason = NotSentReason::Never(refusal);
    assert_eq!(refused, Err(NotSent { item, reason }));
    assert_eq!((out.len(), connection.inflight()), (0, 0));
    let mut session = Session::default();
    let announced = [receive_maximum(1)];
    let refused = try_connect(&mut session, V5, &announced, &mut out).map(drop);
    assert!(
        matches!(refused, Err(SendRefusal::Encode(_))),
        "{refused:?}"
    );
}

/// Covers: v5 [MQTT-4.3.3-4], v5 [MQTT-4.3.3-11].
#[test]
fn a_packet_whose_answer_does_not_fit_is_taken_once_it_does() {
    for (packet, answer) in [
        (Packet::PubRec(ack(1, OK)), Packet::PubRel(ack(1, OK))),
        (Packet::PubRel(ack(7, OK)), Packet::PubComp(ack(7, OK))),
    ] {
        let mut connection = connected(V5);
        let sent = connection.publish(message("t", QoS::ExactlyOnce), 0, &mut Vec::new());
        assert_eq!(sent, Ok(None));
        let token = handle(&mut connection, &at_qos_2(7), &mut Vec::new()).unwrap();
        connection.acknowledge(token.unwrap(), OK, 0, &mut Vec::new());
        let mut memory = [0; 32];
        for room in 0..5 {
            let mut out = filled(&mut memory, room);
            let refused = handle(&mut connection, &packet, &mut out);
            assert_eq!(refused, Err(ClientError::NoRoom));
            assert_eq!(out.room(), room);
        }
        let mut out = OutputBuffer::new(&mut memory);
        assert_eq!(handle(&mut connection, &packet, &mut out), Ok(None));
        assert_eq!(packets(V5, out.filled()), [answer]);
    }
}

/// Covers: v5 [MQTT-4.6.0-2], v5 [MQTT-4.6.0-3].
#[test]
fn acknowledgements_that_do_not_fit_leave_later_in_their_order() {
    let mut connection = connected(V5);
    let mut memory = [0; 32];
    let mut out = filled(&mut memory, 4);
    let first = handle(&mut connection, &at_qos_1(5), &mut out).unwrap();
    let second = handle(&mut connection, &at_qos_2(6), &mut out).unwrap();
    for token in [second, first] {
        connection.acknowledge(token.unwrap(), OK, 0, &mut out);
    }
    assert_eq!((out.room(), connection.unacknowledged()), (4, 2));
    assert!(connection.poll_resend(0, &mut out).is_none());
    assert_eq!((out.room(), connection.unacknowledged()), (4, 2));
    out.consume(usize::MAX);
    assert!(connection.poll_resend(0, &mut out).is_none());
    let acks = [Packet::PubAck(ack(5, OK)), Packet::PubRec(ack(6, OK))];
    assert_eq!(packets(V5, out.filled()), acks);
    assert_eq!(connection.unacknowledged(), 0);
    out.consume(usize::MAX);
    assert!(connection.poll_resend(0, &mut out).is_none());
    assert!(out.filled().is_empty(), "each of them once");
}

/// Covers: v5 [MQTT-4.4.0-1], v5 [MQTT-4.6.0-1], v5 [MQTT-4.6.0-4].
#[test]
fn a_resume_leaves_packet_by_packet_as_there_is_room() {
    let mut session = Session::default();
    let mut connection = accepted(&mut session, V5, false);
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        assert_eq!(
            connection.publish(message("t", qos), 0, &mut Vec::new()),
            Ok(None)
        );
    }
    handle(
        &mut connection,
        &Packet::PubRec(ack(2, OK)),
        &mut Vec::new(),
    )
    .unwrap();
    let mut session = connection.into_session();
    let mut connection = accepted(&mut session, V5, true);
    let mut memory = [0; 12];
    let mut out = OutputBuffer::new(&mut memory);
    let mut sent = Vec::new();
    for _ in 0..2 {
        assert!(connection.poll_resend(0, &mut out).is_none());
        assert_eq!(packets(V5, out.filled()).len(), 1);
        sent.extend_from_slice(out.filled());
        out.consume(usize::MAX);
    }
    let again = Publish {
        dup: true,
        ..publish("t", Delivery::AtLeastOnce(id(1)))
    };
    let expected = [Packet::PubRel(ack(2, OK)), Packet::Publish(again)];
    assert_eq!(packets(V5, &sent), expected);
    assert!(connection.poll_resend(0, &mut out).is_none());
    assert!(out.filled().is_empty(), "each of them once");
}

#[test]
fn a_ping_that_does_not_fit_stays_due() {
    let mut connection = connected(V5);
    let mut memory = [0; 32];
    let mut out = filled(&mut memory, 1);
    assert_eq!(connection.handle_timeout(10_000, &mut out), Ok(()));
    assert_eq!(connection.next_deadline_ms(), Some(10_000));
    out.consume(usize::MAX);
    assert_eq!(connection.handle_timeout(10_000, &mut out), Ok(()));
    assert_eq!(packets(V5, out.filled()), [Packet::PingReq]);
    assert_eq!(connection.next_deadline_ms(), Some(11_000));
}

#[test]
fn nothing_is_announced_for_which_there_is_no_room() {
    let mut session = Session::default();
    let mut connection = accepted(&mut session, V5, false);
    publish_some(&mut connection, 1);
    let mut session = connection.into_session();
    let mut out = Vec::new();
    for (announced, property, value, room_for) in [
        (vec![], PropertyId::ReceiveMaximum, u16::MAX, 2),
        (vec![receive_maximum(3)], PropertyId::ReceiveMaximum, 3, 2),
        (
            vec![receive_maximum(2), Property::TopicAliasMaximum(2)],
            PropertyId::TopicAliasMaximum,
            2,
            1,
        ),
    ] {
        let refused = try_connect(&mut session, V5, &announced, &mut out).map(drop);
        let announced = value;
        let refusal = SendRefusal::AnnouncesTooMuch {
            property,
            announced,
            room_for,
        };
        assert_eq!(refused, Err(refusal));
    }
    assert_eq!((session.inflight(), out.len()), (1, 0));
    assert!(try_connect(&mut session, V311, &[], &mut out).is_ok());
}

#[test]
fn one_above_the_receive_maximum_is_refused_with_its_reason() {
    let mut connection = connected(V5);
    for number in [1, 2] {
        assert!(handle(&mut connection, &at_qos_2(number), &mut Vec::new()).is_ok());
    }
    for packet in [at_qos_2(3), at_qos_2(1), at_qos_1(3)] {
        let error = handle(&mut connection, &packet, &mut Vec::new()).unwrap_err();
        let reason = ReasonCode::RECEIVE_MAXIMUM_EXCEEDED;
        assert_eq!(error.reason_code(), reason);
    }
}

/// A peer that counts as v5 §4.9 describes may have twice the Receive Maximum open after a reconnect.
#[test]
fn twice_the_receive_maximum_finds_a_place() {
    let mut session = Session::default();
    let mut connection = accepted(&mut session, V5, false);
    let mut out = Vec::new();
    for number in [1, 2] {
        let token = handle(&mut connection, &at_qos_2(number), &mut out).unwrap();
        connection.acknowledge(token.unwrap(), OK, 0, &mut out);
    }
    let mut session = connection.into_session();
    let mut connection = accepted(&mut session, V5, true);
    for number in [1, 2] {
        handle(&mut connection, &Packet::PubRel(ack(number, OK)), &mut out).unwrap();
    }
    for number in 3..7 {
        let token = handle(&mut connection, &at_qos_2(number), &mut out).unwrap();
        assert!(token.is_some());
    }
    let error = handle(&mut connection, &at_qos_2(7), &mut out).unwrap_err();
    assert_eq!(error.reason_code(), ReasonCode::RECEIVE_MAXIMUM_EXCEEDED);
}

#[test]
fn a_server_without_a_receive_maximum_waits_for_the_application() {
    let mut connection = connected(V311);
    let mut out = Vec::new();
    let mut tokens = Vec::new();
    for number in 1..=4 {
        tokens.extend(handle(&mut connection, &at_qos_1(number), &mut out).unwrap());
    }
    for _ in 0..2 {
        let refused = handle(&mut connection, &at_qos_1(5), &mut out);
        assert_eq!(refused, Err(ClientError::NoRoom));
    }
    connection.acknowledge(tokens.remove(0), OK, 0, &mut out);
    assert_eq!(packets(V311, &out), [Packet::PubAck(ack(1, OK))]);
    assert!(
        handle(&mut connection, &at_qos_1(5), &mut out)
            .unwrap()
            .is_some()
    );
}

#[test]
fn more_unreleased_than_there_is_room_for_end_the_connection_and_come_again() {
    let mut session = Session::default();
    let mut connection = accepted(&mut session, V311, false);
    let mut out = Vec::new();
    for number in 1..=4 {
        let token = handle(&mut connection, &at_qos_2(number), &mut out).unwrap();
        connection.acknowledge(token.unwrap(), OK, 0, &mut out);
    }
    let error = handle(&mut connection, &at_qos_2(5), &mut out).unwrap_err();
    let exceeded = ProtocolError::ReceiveMaximumExceeded { receive_maximum: 4 };
    assert_eq!(error, ClientError::Protocol(exceeded));
    let mut session = connection.into_session();
    let mut connection = accepted(&mut session, V311, true);
    handle(&mut connection, &Packet::PubRel(ack(1, OK)), &mut out).unwrap();
    assert_eq!(
        handle(&mut connection, &at_qos_2(2), &mut out),
        Ok(None),
        "known"
    );
    assert!(
        handle(&mut connection, &at_qos_2(5), &mut out)
            .unwrap()
            .is_some()
    );
}

#[test]
fn a_topic_name_too_long_to_remember_is_delivered_with_its_packet() {
    let mut connection = connected(V5);
    let alias = NonZeroU16::MIN;
    let list = [Property::TopicAlias(alias)];
    let list = PropertyList::new(&list);
    let with_alias = |topic_name| {
        let delivery = Delivery::AtMostOnce;
        Packet::Publish(Publish {
            properties: Properties::from(&list),
            ..publish(topic_name, delivery)
        })
    };
    let alone = Packet::Publish(Publish {
        topic_name: None,
        properties: Properties::from(&list),
        ..Publish::default()
    });
    let mut names = Vec::new();
    for packet in [with_alias("four"), alone, with_alias("five5")] {
        let bytes = bytes(V5, &packet);
        match connection.handle_frame(framed(&bytes), 0, &mut Vec::new()) {
            Ok(ClientEvent::Message { publish, .. }) => {
                names.push(publish.topic_name.unwrap().as_str().to_owned());
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(names, ["four", "four", "five5"]);
    let error = handle(&mut connection, &alone, &mut Vec::new()).unwrap_err();
    let too_long = ProtocolError::TopicNameTooLong { alias: 1 };
    assert_eq!(error, ClientError::Protocol(too_long));
    assert_eq!(error.reason_code(), ReasonCode::QUOTA_EXCEEDED);
}
