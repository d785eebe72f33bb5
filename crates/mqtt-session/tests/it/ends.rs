//! The ways a Network Connection of a server ends, and what stays.

use crate::kit::*;
use core::num::NonZeroU16;
use mqtt_codec::{
    Connect, Delivery, Disconnect, Packet, Properties, Property, PropertyList, Publish, QoS,
    ReasonCode,
};
use mqtt_session::{
    ProtocolError, SendRefusal, ServerError, ServerEvent, ServerLimits, ServerOffer, SessionExpiry,
};

/// Covers: v5 [MQTT-3.1.2-22], v3.1.1 [MQTT-3.1.2-24], v5 [MQTT-3.2.2-22].
#[test]
fn v5_3_1_2_22_silence_of_one_and_a_half_keep_alives_is_too_long() {
    for (version, told) in [(V5, &[0xE0, 1, 0x8D][..]), (V311, &[])] {
        let asked = Connect {
            keep_alive_s: 10,
            ..connect(version, Properties::EMPTY)
        };
        let mut connection = accepted(OFFER, &asked, None).connection;
        assert_eq!(connection.next_deadline_ms(), Some(15_000));
        try_handle(&mut connection, &Packet::PingReq, 2_000, &mut Vec::new()).unwrap();
        assert_eq!(connection.next_deadline_ms(), Some(17_000));
        connection.handle_received(3_000);
        assert_eq!(connection.handle_timeout(17_999), Ok(()));
        let error = connection.handle_timeout(18_000).unwrap_err();
        let mut out = Vec::new();
        connection.fail(error, &mut out);
        assert_eq!(out, told);
        assert_eq!(connection.next_deadline_ms(), None);
    }
    assert_eq!(connected(V5, &[]).next_deadline_ms(), None);
}

/// Covers: v5 [MQTT-4.13.1-1], v3.1.1 [MQTT-4.8.0-1].
#[test]
fn v5_4_13_1_an_error_disconnect_has_no_word_for_is_an_unspecified_one() {
    for error in [
        ServerError::PublishRefused(ReasonCode::PACKET_IDENTIFIER_IN_USE),
        ServerError::ConnectExpected,
    ] {
        for (version, told) in [(V5, &[0xE0, 1, 0x80][..]), (V311, &[])] {
            let mut connection = connected(version, &[]);
            let mut out = Vec::new();
            connection.fail(error, &mut out);
            assert_eq!(out, told, "{error:?}");
            assert!(!connection.is_connected());
        }
    }
}

/// Covers: v5 [MQTT-3.14.4-1], v5 [MQTT-3.14.4-2], v5 [MQTT-4.13.2-1].
#[test]
fn v5_3_14_4_1_disconnect_is_the_last_word() {
    let mut connection = connected(V5, &[]);
    let token = receive(&mut connection, Delivery::AtLeastOnce(id(1))).unwrap();
    let request = subscribe(&mut connection, &["a"]).unwrap();
    let mut out = Vec::new();
    let reason = ReasonCode::SERVER_SHUTTING_DOWN;
    connection
        .disconnect(reason, Properties::EMPTY, &mut out)
        .unwrap();
    assert_eq!(out, [0xE0, 1, 0x8B]);
    assert!(!connection.is_connected());
    let again = connection.disconnect(reason, Properties::EMPTY, &mut out);
    assert_eq!(again, Err(SendRefusal::NotConnected));
    connection.fail(ServerError::KeepAliveTimeout, &mut out);
    connection.take_over(&mut out);
    connection.acknowledge(token, OK, &mut out).unwrap();
    let answered = connection.answer_subscribe(&request, &[OK], Properties::EMPTY, &mut out);
    assert_eq!(answered, Err(SendRefusal::NotConnected));
    let refused = connection.publish(message("t", QoS::AtLeastOnce), 0, &mut out);
    assert!(refused.is_err());
    assert_eq!(connection.poll_resend(0, &mut out), None);
    let event = try_handle(&mut connection, &Packet::PingReq, 0, &mut out).unwrap();
    assert!(matches!(event, ServerEvent::Handled));
    assert_eq!(out.len(), 3);
}

/// Covers: v5 [MQTT-3.14.2-2].
#[test]
fn v5_3_14_2_2_a_server_has_no_session_expiry_to_say() {
    let mut connection = connected(V5, &[]);
    let set = [Property::SessionExpiryInterval(1)];
    let list = PropertyList::new(&set);
    let mut out = Vec::new();
    let refused = connection.disconnect(OK, Properties::from(&list), &mut out);
    assert_eq!(refused, Err(SendRefusal::SessionExpiryFromServer));
    assert!(out.is_empty() && connection.is_connected());
}

#[test]
fn a_client_can_be_sent_elsewhere_later_too() {
    let mut connection = connected(V5, &[]);
    let set = [Property::ServerReference("there")];
    let list = PropertyList::new(&set);
    let mut out = Vec::new();
    let reason = ReasonCode::USE_ANOTHER_SERVER;
    connection
        .disconnect(reason, Properties::from(&list), &mut out)
        .unwrap();
    let Packet::Disconnect(Disconnect {
        reason: said,
        properties,
    }) = packet(V5, &out)
    else {
        panic!("DISCONNECT")
    };
    assert_eq!(
        (said, properties.server_reference()),
        (reason, Some("there"))
    );
}

/// Covers: v5 [MQTT-3.1.4-3], v3.1.1 [MQTT-3.1.4-2].
#[test]
fn v5_3_1_4_3_the_older_connection_is_told_and_ended() {
    for (version, told) in [(V5, &[0xE0, 1, 0x8E][..]), (V311, &[])] {
        let mut connection = connected(version, &[Property::SessionExpiryInterval(100)]);
        let mut out = Vec::new();
        connection.take_over(&mut out);
        assert_eq!(out, told);
        assert!(!connection.is_connected());
        assert!(connection.into_session(0).goes_on);
    }
}

/// Covers: v5 [MQTT-4.1.0-1], v3.1.1 [MQTT-4.1.0-1], v3.1.1 [MQTT-4.1.0-2].
#[test]
fn v5_4_1_0_1_state_lives_as_long_as_the_connection() {
    for version in [V311, V5] {
        let asked = Connect {
            clean_start: true,
            ..connect(version, Properties::EMPTY)
        };
        let mut connection = accepted(OFFER, &asked, None).connection;
        assert_eq!(
            connection.negotiated().session_expiry,
            SessionExpiry::AT_DISCONNECT
        );
        let token = receive(&mut connection, Delivery::ExactlyOnce(id(1))).unwrap();
        connection.acknowledge(token, OK, &mut Vec::new()).unwrap();
        connection
            .publish(message("t", QoS::AtLeastOnce), 0, &mut Vec::new())
            .unwrap();
        // However long it takes, a repeat is known and the message is open.
        let again = Packet::Publish(Publish {
            dup: true,
            ..publish("t", Delivery::ExactlyOnce(id(1)))
        });
        let mut out = Vec::new();
        handle_at(&mut connection, &again, u64::MAX, &mut out);
        assert_eq!(packet(version, &out), Packet::PubRec(ack(1, OK)));
        assert_eq!(connection.inflight(), 1);
        let mut closed = connection.into_session(u64::MAX);
        assert!(!closed.goes_on);
        assert!(closed.session.end().eq([message("t", QoS::AtLeastOnce)]));
    }
}

/// Covers: v5 [MQTT-3.1.2-23].
#[test]
fn v5_3_1_2_23_disconnect_has_the_last_word_on_how_long_the_session_stays() {
    let leave = |asked_s: u32, disconnect_s: u32| {
        let mut connection = connected(V5, &[Property::SessionExpiryInterval(asked_s)]);
        let set = [Property::SessionExpiryInterval(disconnect_s)];
        let list = PropertyList::new(&set);
        let goodbye = Packet::Disconnect(Disconnect {
            reason: OK,
            properties: Properties::from(&list),
        });
        try_handle(&mut connection, &goodbye, 0, &mut Vec::new())?;
        Ok::<_, ServerError>(connection.into_session(1_000))
    };
    let closed = leave(10, 20).unwrap();
    assert_eq!(closed.session.expiry(), SessionExpiry(20));
    assert_eq!(closed.session.next_deadline_ms(), Some(21_000));
    assert!(!leave(10, 0).unwrap().goes_on);
    assert_eq!(leave(0, 0).unwrap().session.expiry(), SessionExpiry(0));
    let raised = leave(0, 1).unwrap_err();
    assert_eq!(raised, ProtocolError::SessionExpiryRaised.into());
    assert_eq!(raised.reason_code(), Some(ReasonCode::PROTOCOL_ERROR));
}

#[test]
fn packets_larger_than_announced_end_the_connection() {
    let limits = ServerLimits {
        packet_len_max: 40,
        ..OFFER.limits
    };
    let asked = connect(V5, Properties::EMPTY);
    let mut connection = accepted(ServerOffer { limits, ..OFFER }, &asked, None).connection;
    let payload = [0; 40];
    let large = Packet::Publish(Publish {
        payload: &payload,
        ..publish("t", Delivery::AtMostOnce)
    });
    let error = objection(&mut connection, &large);
    let mut out = Vec::new();
    connection.fail(error, &mut out);
    assert_eq!(out, [0xE0, 1, 0x95]);
}

#[test]
fn more_than_the_receive_maximum_ends_the_connection() {
    let limits = ServerLimits {
        receive_maximum: 1,
        ..OFFER.limits
    };
    let asked = connect(V5, Properties::EMPTY);
    let mut connection = accepted(ServerOffer { limits, ..OFFER }, &asked, None).connection;
    receive(&mut connection, Delivery::AtLeastOnce(id(1)));
    let second = Packet::Publish(publish("t", Delivery::AtLeastOnce(id(2))));
    let error = objection(&mut connection, &second);
    let mut out = Vec::new();
    connection.fail(error, &mut out);
    assert_eq!(out, [0xE0, 1, 0x93]);
}

/// A message whose alias was refused counted as received, and its repeat under its Topic Name as known.
///
/// Covers: v5 [MQTT-4.3.3-10].
#[test]
fn regress_a_message_with_a_bad_alias_is_not_received() {
    let expiry = Property::SessionExpiryInterval(100);
    let mut connection = connected(V5, &[expiry]);
    let delivery = Delivery::ExactlyOnce(id(9));
    let alias = [Property::TopicAlias(NonZeroU16::MIN)];
    let alias = PropertyList::new(&alias);
    let named = publish("t", delivery);
    let error = objection(
        &mut connection,
        &Packet::Publish(Publish {
            topic_name: None,
            properties: Properties::from(&alias),
            ..named
        }),
    );
    connection.fail(error, &mut Vec::new());
    let found = connection.into_session(0).session;
    let mut connection = accepted(OFFER, &connect(V5, Properties::EMPTY), Some(found)).connection;
    let again = Packet::Publish(Publish { dup: true, ..named });
    let event = try_handle(&mut connection, &again, 0, &mut Vec::new()).unwrap();
    assert!(matches!(event, ServerEvent::Message { .. }), "{event:?}");
}

/// The answer to a request went out on the next connection, where its identifier named another one or none.
#[test]
fn regress_a_request_is_answered_on_its_own_connection() {
    let mut connection = connected(V5, &[Property::SessionExpiryInterval(100)]);
    let request = subscribe(&mut connection, &["a"]).unwrap();
    let found = connection.into_session(0).session;
    let mut connection = accepted(OFFER, &connect(V5, Properties::EMPTY), Some(found)).connection;
    let mut out = Vec::new();
    let answered = connection.answer_subscribe(&request, &[OK], Properties::EMPTY, &mut out);
    assert_eq!(answered, Err(SendRefusal::NotConnected));
    assert!(out.is_empty());
    let request = subscribe(&mut connection, &["b"]).unwrap();
    let answered = connection.answer_subscribe(&request, &[OK], Properties::EMPTY, &mut out);
    assert_eq!(answered, Ok(()));
}

/// A success that PUBACK has no word for became an error, which PUBACK before v5 cannot say: none was sent.
#[test]
fn regress_before_v5_an_acknowledgement_always_leaves() {
    let mut connection = connected(V311, &[]);
    let token = receive(&mut connection, Delivery::AtLeastOnce(id(1))).unwrap();
    let mut out = Vec::new();
    let error = connection.acknowledge(token, ReasonCode::GRANTED_QOS_1, &mut out);
    let reason = ReasonCode::UNSPECIFIED_ERROR;
    assert_eq!(error, Err(ServerError::PublishRefused(reason)));
}

/// Sessions counted their connections from 1, so that a token of an ended one acknowledged a message of the next.
#[test]
fn regress_a_token_of_an_ended_session_does_nothing() {
    let mut connection = connected(V5, &[]);
    let old = receive(&mut connection, Delivery::AtLeastOnce(id(1))).unwrap();
    let request = subscribe(&mut connection, &["a"]).unwrap();
    assert!(!connection.into_session(1_000).goes_on);

    let mut handshake = asked(OFFER, &connect(V5, Properties::EMPTY));
    let accepted = handshake.accept(acceptance(None), 2_000, &mut Vec::new());
    let mut connection = accepted.unwrap().connection;
    let _new = receive(&mut connection, Delivery::AtLeastOnce(id(1))).unwrap();
    let mut out = Vec::new();
    assert_eq!(connection.acknowledge(old, OK, &mut out), Ok(()));
    assert_eq!((out.len(), connection.unacknowledged()), (0, 1));
    let answered = connection.answer_subscribe(&request, &[OK], Properties::EMPTY, &mut out);
    assert_eq!(answered, Err(SendRefusal::NotConnected));
}
