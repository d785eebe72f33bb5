//! A Network Connection after CONNACK, seen from the server.

use crate::kit::*;
use core::num::NonZeroU16;
use mqtt_codec::{
    Connect, Delivery, Packet, PacketType, Properties, Property, PropertyList, ProtocolVersion,
    Publish, QoS, ReasonCode, Subscribe, SubscribeFilters, SubscriptionIdentifier,
    SubscriptionOptions, TopicFilter, Unsubscribe, UnsubscribeFilters,
};
use mqtt_session::{
    Acceptance, Fixed, MessageExpiry, NotSent, NotSentReason, OutputBuffer, ProtocolError,
    SendRefusal, ServerError, ServerEvent, ServerGrants, ServerLimits, ServerOffer, ServerSession,
};

const QOS_1: QoS = QoS::AtLeastOnce;
const QOS_2: QoS = QoS::ExactlyOnce;

/// Sends `message` to the client: the PUBLISH.
fn send(connection: &mut Connection, message: Message) -> Vec<u8> {
    let mut out = Vec::new();
    connection.publish(message, 0, &mut out).unwrap();
    out
}

/// Covers: v5 [MQTT-3.1.0-2], v3.1.1 [MQTT-3.1.0-2], v5 [MQTT-4.13.1-1], v3.1.1 [MQTT-4.8.0-1].
#[test]
fn v5_3_1_0_2_a_second_connect_ends_the_connection() {
    for (version, told) in [(V5, &[0xE0, 1, 0x82][..]), (V311, &[])] {
        let mut connection = connected(version, &[]);
        let again = Packet::Connect(Connect::new(version, "me"));
        let error = objection(&mut connection, &again);
        let packet_type = PacketType::Connect;
        assert_eq!(error, ProtocolError::Unexpected { packet_type }.into());
        let mut out = Vec::new();
        connection.fail(error, &mut out);
        assert_eq!(out, told);
        assert!(!connection.is_connected());
    }
}

#[test]
fn packets_only_a_server_sends_end_the_connection() {
    let mut connection = connected(V5, &[]);
    for packet in [
        Packet::ConnAck(Default::default()),
        Packet::PingResp,
        Packet::Auth(Default::default()),
    ] {
        let packet_type = packet.packet_type();
        let error = objection(&mut connection, &packet);
        assert_eq!(error, ProtocolError::Unexpected { packet_type }.into());
    }
}

/// Covers: v5 [MQTT-3.3.4-1], v3.1.1 [MQTT-3.3.4-1], v3.1.1 [MQTT-2.3.1-6].
#[test]
fn v5_3_3_4_1_the_answer_follows_the_qos() {
    for version in ProtocolVersion::ALL {
        let mut connection = connected(version, &[]);
        assert_eq!(receive(&mut connection, Delivery::AtMostOnce), None);
        for (delivery, expected) in [
            (Delivery::AtLeastOnce(id(5)), Packet::PubAck(ack(5, OK))),
            (Delivery::ExactlyOnce(id(9)), Packet::PubRec(ack(9, OK))),
        ] {
            let token = receive(&mut connection, delivery).unwrap();
            let mut out = Vec::new();
            connection.acknowledge(token, OK, &mut out).unwrap();
            assert_eq!(packet(version, &out), expected);
        }
        let answer = handle(&mut connection, &Packet::PubRel(ack(9, OK)));
        assert_eq!(packet(version, &answer), Packet::PubComp(ack(9, OK)));
        assert_eq!(connection.unacknowledged(), 0);
    }
}

#[test]
fn acknowledgements_leave_in_the_order_their_messages_came() {
    let mut connection = connected(V5, &[]);
    let first = receive(&mut connection, Delivery::AtLeastOnce(id(1))).unwrap();
    let second = receive(&mut connection, Delivery::ExactlyOnce(id(2))).unwrap();
    let third = receive(&mut connection, Delivery::AtLeastOnce(id(3))).unwrap();
    let mut out = Vec::new();
    connection.acknowledge(third, OK, &mut out).unwrap();
    connection.acknowledge(second, OK, &mut out).unwrap();
    assert!(out.is_empty());
    assert_eq!(connection.unacknowledged(), 3);
    let refused = ReasonCode::QUOTA_EXCEEDED;
    connection.acknowledge(first, refused, &mut out).unwrap();
    let expected = [
        Packet::PubAck(ack(1, refused)),
        Packet::PubRec(ack(2, OK)),
        Packet::PubAck(ack(3, OK)),
    ];
    assert_eq!(packets(V5, &out), expected);
}

#[test]
fn before_v5_a_refused_message_closes_and_is_new_when_it_comes_again() {
    let list = PropertyList::new(&[]);
    let back = connect(V311, Properties::from(&list));
    let mut connection = accepted(OFFER, &back, None).connection;
    let token = receive(&mut connection, Delivery::ExactlyOnce(id(1))).unwrap();
    let mut out = Vec::new();
    let reason = ReasonCode::NOT_AUTHORIZED;
    let error = connection.acknowledge(token, reason, &mut out).unwrap_err();
    assert_eq!(error, ServerError::PublishRefused(reason));
    connection.fail(error, &mut out);
    assert!(
        out.is_empty(),
        "no word, and no acknowledgement that is a lie"
    );
    let found = connection.into_session(0).session;
    let mut connection = accepted(OFFER, &back, Some(found)).connection;
    assert!(receive(&mut connection, Delivery::ExactlyOnce(id(1))).is_some());
}

#[test]
fn a_token_of_an_earlier_connection_does_nothing() {
    let list = [Property::SessionExpiryInterval(100)];
    let list = PropertyList::new(&list);
    let back = connect(V5, Properties::from(&list));
    let mut connection = accepted(OFFER, &back, None).connection;
    let old = receive(&mut connection, Delivery::ExactlyOnce(id(1))).unwrap();
    let found = connection.into_session(0).session;
    let mut connection = accepted(OFFER, &back, Some(found)).connection;
    let again = Packet::Publish(Publish {
        dup: true,
        ..publish("t", Delivery::ExactlyOnce(id(1)))
    });
    let answer = handle(&mut connection, &again);
    assert_eq!(packet(V5, &answer), Packet::PubRec(ack(1, OK)));
    let mut out = Vec::new();
    let refused = ReasonCode::QUOTA_EXCEEDED;
    assert_eq!(connection.acknowledge(old, refused, &mut out), Ok(()));
    assert!(out.is_empty());
    let answer = handle(&mut connection, &Packet::PubRel(ack(1, OK)));
    assert_eq!(packet(V5, &answer), Packet::PubComp(ack(1, OK)));
}

/// Covers: v5 [MQTT-4.3.3-10].
#[test]
fn v5_4_3_3_10_a_repeat_waits_for_what_the_first_one_waits_for() {
    let mut connection = connected(V5, &[]);
    let first = receive(&mut connection, Delivery::ExactlyOnce(id(1))).unwrap();
    let again = Packet::Publish(Publish {
        dup: true,
        ..publish("t", Delivery::ExactlyOnce(id(1)))
    });
    let mut out = Vec::new();
    let event = try_handle(&mut connection, &again, 0, &mut out).unwrap();
    let ServerEvent::Repeated { ack: second } = event else {
        panic!("{event:?}")
    };
    assert!(out.is_empty());
    connection.acknowledge(second, OK, &mut out).unwrap();
    connection.acknowledge(first, OK, &mut out).unwrap();
    let pubrec = Packet::PubRec(ack(1, OK));
    assert_eq!(packets(V5, &out), [pubrec, pubrec]);
}

/// Covers: v5 [MQTT-4.3.3-13].
#[test]
fn v5_4_3_3_13_an_expired_message_is_finished_all_the_same() {
    let mut connection = connected(V5, &[]);
    let expiry = [Property::MessageExpiryInterval(1)];
    let list = PropertyList::new(&expiry);
    let message = Packet::Publish(Publish {
        properties: Properties::from(&list),
        ..publish("t", Delivery::ExactlyOnce(id(1)))
    });
    let mut out = Vec::new();
    let event = try_handle(&mut connection, &message, 0, &mut out).unwrap();
    let ServerEvent::Message {
        ack: Some(token), ..
    } = event
    else {
        panic!("{event:?}")
    };
    connection.acknowledge(token, OK, &mut out).unwrap();
    let long_after = 10_000;
    handle_at(&mut connection, &message, long_after, &mut out);
    let release = Packet::PubRel(ack(1, OK));
    try_handle(&mut connection, &release, long_after, &mut out).unwrap();
    let expected = [
        Packet::PubRec(ack(1, OK)),
        Packet::PubRec(ack(1, OK)),
        Packet::PubComp(ack(1, OK)),
    ];
    assert_eq!(packets(V5, &out), expected);
}

/// Covers: v5 [MQTT-4.3.3-1], v5 [MQTT-4.3.3-2], v5 [MQTT-3.3.1-3], v3.1.1 [MQTT-2.3.1-4].
#[test]
fn v5_4_3_3_1_each_message_gets_a_free_identifier_and_no_dup() {
    for version in ProtocolVersion::ALL {
        let mut connection = connected(version, &[]);
        for number in 1..=3 {
            let out = send(&mut connection, message("t", QOS_2));
            let Packet::Publish(publish) = packet(version, &out) else {
                panic!("PUBLISH")
            };
            assert_eq!(publish.delivery, Delivery::ExactlyOnce(id(number)));
            assert!(!publish.dup);
        }
        assert_eq!(connection.inflight(), 3);
    }
}

/// Covers: v5 [MQTT-3.3.4-9], v5 [MQTT-3.3.4-10].
#[test]
fn v5_3_3_4_9_the_receive_maximum_of_the_client_and_our_own_bound_both_count() {
    let two = Property::ReceiveMaximum(NonZeroU16::new(2).unwrap());
    let limits = ServerLimits {
        inflight_max: 2,
        ..OFFER.limits
    };
    let list = PropertyList::new(&[]);
    let modest = ServerOffer { limits, ..OFFER };
    let asked = connect(V5, Properties::from(&list));
    for mut connection in [
        connected(V5, &[two]),
        accepted(modest, &asked, None).connection,
    ] {
        assert_eq!(connection.window(), 2);
        send(&mut connection, message("t", QOS_1));
        send(&mut connection, message("t", QOS_2));
        assert_eq!(connection.window(), 0);
        let third = message("third", QOS_1);
        let mut out = Vec::new();
        let refused = connection.publish(third.clone(), 0, &mut out).unwrap_err();
        let reason = NotSentReason::Later;
        assert_eq!(
            refused,
            NotSent {
                item: third,
                reason
            }
        );
        assert!(out.is_empty());
        send(&mut connection, message("t", QoS::AtMostOnce));
        let token = subscribe(&mut connection, &["a"]).unwrap();
        let answered = connection.answer_subscribe(&token, &[OK], Properties::EMPTY, &mut out);
        assert_eq!(answered, Ok(()));
        handle(&mut connection, &Packet::PubAck(ack(1, OK)));
        assert_eq!(connection.window(), 1);
    }
}

/// Covers: v5 [MQTT-3.1.2-24], v5 [MQTT-3.1.2-25].
#[test]
fn v5_3_1_2_25_what_the_client_does_not_take_comes_back() {
    let mut connection = connected(V5, &[packet_size(12)]);
    let fits = Message {
        payload: vec![b'x'; 4],
        ..message("t", QOS_1)
    };
    assert_eq!(send(&mut connection, fits).len(), 12);
    for qos in [QoS::AtMostOnce, QOS_1, QOS_2] {
        let large = Message {
            payload: vec![b'x'; 7],
            ..message("t", qos)
        };
        let mut out = Vec::new();
        let refused = connection.publish(large, 0, &mut out).unwrap_err();
        assert!(matches!(
            refused.reason,
            NotSentReason::Never(SendRefusal::PacketTooLarge { len_max: 12, .. })
        ));
        assert!(out.is_empty());
    }
    assert_eq!(connection.inflight(), 1, "nothing is left behind");
}

/// Covers: v5 [MQTT-3.3.1-1], v5 [MQTT-4.4.0-1], v3.1.1 [MQTT-4.4.0-1].
#[test]
fn v5_4_4_0_1_a_resume_sends_again_what_the_client_still_takes() {
    let expiry = Property::SessionExpiryInterval(100);
    let mut connection = connected(V5, &[expiry]);
    let large = |qos| Message {
        payload: vec![b'x'; 50],
        ..message("large", qos)
    };
    send(&mut connection, message("small", QOS_1));
    send(&mut connection, large(QOS_1));
    send(&mut connection, large(QOS_2));
    send(&mut connection, message("released", QOS_2));
    handle(&mut connection, &Packet::PubRec(ack(4, OK)));
    let found = connection.into_session(0).session;

    let properties = [expiry, packet_size(20)];
    let list = PropertyList::new(&properties);
    let back = connect(V5, Properties::from(&list));
    let mut connection = accepted(OFFER, &back, Some(found)).connection;
    let mut out = Vec::new();
    let (given_up, refusal) = connection.poll_resend(0, &mut out).unwrap();
    assert_eq!(given_up, large(QOS_1));
    assert!(matches!(refusal, SendRefusal::PacketTooLarge { .. }));
    assert_eq!(connection.poll_resend(0, &mut out), None);
    let again = Packet::Publish(Publish {
        dup: true,
        ..publish("small", Delivery::AtLeastOnce(id(1)))
    });
    // The client may know the identifier of the one of QoS 2, so it has to release it.
    let expected = [
        Packet::PubRel(ack(4, OK)),
        again,
        Packet::PubRel(ack(3, OK)),
    ];
    assert_eq!(packets(V5, &out), expected);
    let ended = try_handle(&mut connection, &Packet::PubComp(ack(3, OK)), 0, &mut out);
    assert!(matches!(
        ended,
        Ok(ServerEvent::Acknowledged { message, .. }) if message.payload.is_empty()
    ));
}

/// Covers: v5 [MQTT-3.3.2-5], v5 [MQTT-3.3.2-6], v5 [MQTT-4.3.3-7].
#[test]
fn v5_3_3_2_6_the_interval_counts_down_and_a_begun_delivery_is_finished() {
    let expiry = Property::SessionExpiryInterval(100);
    let mut connection = connected(V5, &[expiry]);
    let message = Message {
        expiry: Some(MessageExpiry::after(10, 0)),
        ..message("t", QOS_2)
    };
    let left = |version, out: &[u8]| match packet(version, out) {
        Packet::Publish(publish) => publish.properties.message_expiry_interval_s(),
        other => panic!("{other:?}"),
    };
    let mut out = Vec::new();
    connection
        .publish(message.clone(), 4_000, &mut out)
        .unwrap();
    assert_eq!(left(V5, &out), Some(6));
    let refused = connection.publish(message, 10_000, &mut out).unwrap_err();
    assert_eq!(refused.reason, NotSentReason::Never(SendRefusal::Expired));
    let found = connection.into_session(0).session;
    let list = [expiry];
    let list = PropertyList::new(&list);
    let back = connect(V5, Properties::from(&list));
    let mut connection = accepted(OFFER, &back, Some(found)).connection;
    let mut out = Vec::new();
    assert_eq!(connection.poll_resend(11_000, &mut out), None);
    assert_eq!(left(V5, &out), Some(0));
}

#[test]
fn only_a_server_says_by_which_subscription() {
    let mut connection = connected(V5, &[]);
    let property = Property::SubscriptionIdentifier(SubscriptionIdentifier::new(1).unwrap());
    let set = [property];
    let list = PropertyList::new(&set);
    let packet = Packet::Publish(Publish {
        properties: Properties::from(&list),
        ..publish("t", Delivery::AtMostOnce)
    });
    let error = objection(&mut connection, &packet);
    assert_eq!(
        error,
        ProtocolError::SubscriptionIdentifierFromClient.into()
    );
    assert_eq!(error.reason_code(), Some(ReasonCode::PROTOCOL_ERROR));
}

#[test]
fn what_connack_said_is_not_there_is_refused_with_its_own_reason_code() {
    let grants = ServerGrants {
        maximum_qos: QOS_1,
        retain: false,
        wildcards: false,
        subscription_identifiers: false,
        shared_subscriptions: false,
    };
    let list = PropertyList::new(&[]);
    let asked = connect(V5, Properties::from(&list));
    let mut connection = accepted(ServerOffer { grants, ..OFFER }, &asked, None).connection;
    let reason_of = |error: ServerError| error.reason_code().unwrap().get();
    let qos = Packet::Publish(publish("t", Delivery::ExactlyOnce(id(1))));
    assert_eq!(reason_of(objection(&mut connection, &qos)), 0x9B);
    let retained = Packet::Publish(Publish {
        retain: true,
        ..publish("t", Delivery::AtMostOnce)
    });
    assert_eq!(reason_of(objection(&mut connection, &retained)), 0x9A);
    for (filter, reason) in [("a/+", 0xA2), ("$share/g/a", 0x9E)] {
        let error = subscribe(&mut connection, &[filter]).unwrap_err();
        assert_eq!(reason_of(error), reason);
    }
    let set = [Property::SubscriptionIdentifier(
        SubscriptionIdentifier::new(1).unwrap(),
    )];
    let list = PropertyList::new(&set);
    let filters = filters(&["a"]);
    let packet = Packet::Subscribe(Subscribe {
        packet_id: id(1),
        properties: Properties::from(&list),
        filters: SubscribeFilters::from(&*filters),
    });
    assert_eq!(reason_of(objection(&mut connection, &packet)), 0xA1);
    assert!(subscribe(&mut connection, &["a"]).is_ok());
}

/// Covers: v5 [MQTT-3.2.2-10].
#[test]
fn v5_3_2_2_10_a_filter_may_ask_for_more_than_the_maximum_qos() {
    let grants = ServerGrants {
        maximum_qos: QoS::AtMostOnce,
        ..ServerGrants::ALL
    };
    let asked = connect(V5, Properties::EMPTY);
    let mut connection = accepted(ServerOffer { grants, ..OFFER }, &asked, None).connection;
    for qos in [QoS::AtMostOnce, QOS_1, QOS_2] {
        let options = SubscriptionOptions {
            qos,
            ..SubscriptionOptions::default()
        };
        let filters = [(TopicFilter::try_new("a").unwrap(), options)];
        let packet = Packet::Subscribe(Subscribe {
            packet_id: id(1),
            properties: Properties::EMPTY,
            filters: SubscribeFilters::from(&filters[..]),
        });
        let event = try_handle(&mut connection, &packet, 0, &mut Vec::new());
        assert!(matches!(event, Ok(ServerEvent::Subscribe { .. })));
    }
}

/// Covers: v3.1.1 [MQTT-3.8.3-2].
#[test]
fn v311_3_8_3_2_a_server_without_wildcards_refuses_them() {
    let grants = ServerGrants {
        wildcards: false,
        ..ServerGrants::ALL
    };
    let asked = connect(V311, Properties::EMPTY);
    let mut connection = accepted(ServerOffer { grants, ..OFFER }, &asked, None).connection;
    assert!(subscribe(&mut connection, &["a", "b/#"]).is_err());
    assert!(subscribe(&mut connection, &["a", "b"]).is_ok());
}

/// Covers: v5 [MQTT-3.8.4-6], v3.1.1 [MQTT-2.3.1-7].
#[test]
fn v5_3_8_4_6_each_filter_has_its_answer() {
    let mut connection = connected(V5, &[]);
    let token = subscribe(&mut connection, &["a", "b"]).unwrap();
    let mut out = Vec::new();
    let count = SendRefusal::ReasonCodeCount { wanted: 2, got: 1 };
    let short = connection.answer_subscribe(&token, &[OK], Properties::EMPTY, &mut out);
    assert_eq!((short, out.is_empty()), (Err(count), true));
    let reasons = [ReasonCode::GRANTED_QOS_1, ReasonCode::NOT_AUTHORIZED];
    let answered = connection.answer_subscribe(&token, &reasons, Properties::EMPTY, &mut out);
    assert_eq!(answered, Ok(()));
    let Packet::SubAck(suback) = packet(V5, &out) else {
        panic!("SUBACK")
    };
    assert_eq!(suback.packet_id, id(7));
    assert!(suback.reasons.iter().eq(reasons));
    let filter = [TopicFilter::try_new("a").unwrap()];
    let unsubscribe = Packet::Unsubscribe(Unsubscribe {
        packet_id: id(8),
        properties: Properties::EMPTY,
        filters: UnsubscribeFilters::from(&filter[..]),
    });
    let event = try_handle(&mut connection, &unsubscribe, 0, &mut Vec::new()).unwrap();
    let ServerEvent::Unsubscribe { answer, .. } = event else {
        panic!("{event:?}")
    };
    let mut out = Vec::new();
    let answered = connection.answer_unsubscribe(&answer, &[OK], Properties::EMPTY, &mut out);
    assert_eq!(answered, Ok(()));
    assert_eq!(out, [0xB0, 4, 0, 8, 0, 0]);
}

/// Covers: v5 [MQTT-2.2.1-5].
#[test]
fn acknowledgements_of_nothing_are_answered_and_end_nothing() {
    let mut connection = connected(V5, &[]);
    assert_eq!(
        handle(&mut connection, &Packet::PubAck(ack(1, OK))),
        [0_u8; 0]
    );
    let answer = handle(&mut connection, &Packet::PubRec(ack(2, OK)));
    let unknown = ReasonCode::PACKET_IDENTIFIER_NOT_FOUND;
    assert_eq!(packet(V5, &answer), Packet::PubRel(ack(2, unknown)));
    let refused = ack(3, ReasonCode::QUOTA_EXCEEDED);
    assert_eq!(handle(&mut connection, &Packet::PubRec(refused)), [0_u8; 0]);
    let answer = handle(&mut connection, &Packet::PubRel(ack(4, OK)));
    assert_eq!(packet(V5, &answer), Packet::PubComp(ack(4, unknown)));
    send(&mut connection, message("t", QOS_2));
    let error = objection(&mut connection, &Packet::PubAck(ack(1, OK)));
    assert_eq!(error.reason_code(), Some(ReasonCode::PROTOCOL_ERROR));
}

/// PUBREL and PUBCOMP say nothing but their Reason Code, so there is nothing to leave out.
///
/// Covers: v5 [MQTT-3.6.2-2], v5 [MQTT-3.6.2-3], v5 [MQTT-3.7.2-2], v5 [MQTT-3.7.2-3].
#[test]
fn v5_3_6_2_2_pubrel_and_pubcomp_have_no_words() {
    let limits = ServerLimits {
        topic_alias_maximum: 0,
        ..OFFER.limits
    };
    let tiny = [packet_size(5)];
    let list = PropertyList::new(&tiny);
    let asked = connect(V5, Properties::from(&list));
    let mut connection = accepted(ServerOffer { limits, ..OFFER }, &asked, None).connection;
    let answer = handle(&mut connection, &Packet::PubRec(ack(2, OK)));
    assert_eq!(answer, [0x62, 3, 0, 2, 0x92]);
    let answer = handle(&mut connection, &Packet::PubRel(ack(4, OK)));
    assert_eq!(answer, [0x70, 3, 0, 4, 0x92]);
}

/// A server without an allocator: what finds no place waits, and nothing is lost.
#[test]
fn a_server_of_fixed_size_says_when_it_has_no_room() {
    type Small = Fixed<2, 1, 1, 32>;
    let limits = ServerLimits {
        receive_maximum: 1,
        topic_alias_maximum: 1,
        ..OFFER.limits
    };
    let mut handshake = asked(
        ServerOffer { limits, ..OFFER },
        &connect(V5, Properties::EMPTY),
    );
    let mut memory = [0; 40];
    let mut out = OutputBuffer::new(&mut memory);
    let acceptance = Acceptance {
        found: None::<ServerSession<Message, (), Small>>,
        will: None,
        properties: Properties::EMPTY,
    };
    let mut connection = handshake
        .accept(acceptance, 0, &mut out)
        .unwrap()
        .connection;
    out.consume(out.filled().len());
    for _ in 0..2 {
        let sent = connection.publish(message("t", QOS_2), 0, &mut out);
        assert_eq!(sent, Ok(None));
    }
    let third = connection
        .publish(message("t", QOS_2), 0, &mut out)
        .unwrap_err();
    assert_eq!(third.reason, NotSentReason::Later, "two flows have a place");
    out.consume(out.filled().len());

    let filling = Message {
        payload: vec![b'x'; 32],
        ..message("t", QoS::AtMostOnce)
    };
    assert!(connection.publish(filling, 0, &mut out).is_ok());
    let pubrec = bytes(V5, &Packet::PubRec(ack(1, OK)));
    for _ in 0..2 {
        let refused = connection
            .handle_frame(framed(&pubrec), 0, &mut out)
            .map(drop);
        assert_eq!(refused, Err(ServerError::NoRoom));
    }
    out.consume(out.filled().len());
    assert!(
        connection
            .handle_frame(framed(&pubrec), 0, &mut out)
            .is_ok()
    );
    assert_eq!(packet(V5, out.filled()), Packet::PubRel(ack(1, OK)));
}

/// What a broker keeps for each client that is connected and silent, its strings aside.
#[test]
fn an_idle_connection_is_small() {
    let size = size_of::<Connection>();
    println!(
        "connection: {size} bytes, session: {}",
        size_of::<Session>()
    );
    assert!(size <= 192, "{size} bytes");
}
