//! From the opening of a Network Connection to CONNACK, seen from the server.

use crate::kit::*;
use core::num::NonZeroU16;
use mqtt_codec::{
    ConnAck, Connect, Delivery, Disconnect, Packet, Properties, Property, PropertyList,
    ProtocolVersion, QoS, ReasonCode, TopicName, Will,
};
use mqtt_session::{
    Acceptance, Fixed, HandshakeEvent, ProtocolError, SendRefusal, ServerError, ServerGrants,
    ServerHandshake, ServerLimits, ServerOffer, SessionExpiry,
};

fn refused(reason: u8) -> ServerError {
    ServerError::ConnectRefused(ReasonCode::new(reason))
}

/// CONNACK as the server accepts `connect`.
fn connack(offer: ServerOffer, connect: &Connect<'_>, properties: &[Property<'_>]) -> Vec<u8> {
    let list = PropertyList::new(properties);
    let mut out = Vec::new();
    let acceptance = Acceptance {
        properties: Properties::from(&list),
        ..acceptance(None)
    };
    let accepted = asked(offer, connect).accept(acceptance, 0, &mut out);
    assert!(accepted.is_ok());
    out
}

/// Covers: v5 [MQTT-3.1.0-1], v3.1.1 [MQTT-3.1.0-1], v5 [MQTT-3.14.0-1].
#[test]
fn v5_3_1_0_1_the_first_packet_is_connect() {
    for version in ProtocolVersion::ALL {
        for packet in [Packet::PingReq, Packet::Disconnect(Disconnect::default())] {
            let mut handshake = ServerHandshake::new(OFFER, 0);
            let bytes = bytes(version, &packet);
            let error = handshake.handle_frame(framed(&bytes), 0).unwrap_err();
            assert_eq!(error, ServerError::ConnectExpected);
            let mut out = Vec::new();
            handshake.fail(error, &mut out);
            assert!(out.is_empty(), "nobody is told before CONNACK");
        }
    }
}

#[test]
fn a_client_that_says_nothing_has_its_time() {
    let mut handshake = ServerHandshake::new(OFFER, 500);
    assert_eq!(handshake.next_deadline_ms(), Some(10_500));
    assert_eq!(handshake.handle_timeout(10_499), Ok(()));
    assert_eq!(
        handshake.handle_timeout(10_500),
        Err(ServerError::ConnectTimeout)
    );
    let mut handshake = asked(OFFER, &connect(V5, Properties::EMPTY));
    assert_eq!(handshake.next_deadline_ms(), None, "the owner decides");
    assert_eq!(handshake.handle_timeout(u64::MAX), Ok(()));
}

/// Covers: v5 [MQTT-3.2.0-1], v3.1.1 [MQTT-3.2.0-1].
#[test]
fn v5_3_2_0_1_nothing_leaves_before_connack() {
    for version in ProtocolVersion::ALL {
        let mut handshake = asked(OFFER, &connect(version, Properties::EMPTY));
        let early = bytes(version, &Packet::PingReq);
        for _ in 0..2 {
            let event = handshake.handle_frame(framed(&early), 0).unwrap();
            assert!(matches!(event, HandshakeEvent::TooEarly), "{event:?}");
        }
        let mut out = Vec::new();
        let accepted = handshake.accept(acceptance(None), 0, &mut out).unwrap();
        assert!(matches!(packet(version, &out), Packet::ConnAck(_)));
        let mut connection = accepted.connection;
        let answer = handle(&mut connection, &Packet::PingReq);
        assert_eq!(packet(version, &answer), Packet::PingResp);
    }
}

/// Covers: v5 [MQTT-3.2.0-2].
#[test]
fn v5_3_2_0_2_there_is_one_connack() {
    let mut handshake = asked(OFFER, &connect(V5, Properties::EMPTY));
    let mut out = Vec::new();
    assert!(handshake.accept(acceptance(None), 0, &mut out).is_ok());
    let len = out.len();
    let again = handshake.accept(acceptance(None), 0, &mut out).unwrap_err();
    assert_eq!(again.reason, SendRefusal::NotConnected);
    handshake.refuse(ReasonCode::BANNED, Properties::EMPTY, &mut out);
    handshake.fail(refused(0x87), &mut out);
    assert_eq!(out.len(), len);
}

/// Covers: v5 [MQTT-3.1.4-6], v3.1.1 [MQTT-3.1.4-5], v5 [MQTT-3.2.2-6], v3.1.1 [MQTT-3.2.2-4].
#[test]
fn v5_3_1_4_6_after_a_refusal_nothing_is_looked_at() {
    for (version, code) in [(V5, 0x8A), (V311, 5)] {
        let mut handshake = asked(OFFER, &connect(version, Properties::EMPTY));
        let mut out = Vec::new();
        handshake.refuse(ReasonCode::BANNED, Properties::EMPTY, &mut out);
        assert_eq!(out.get(2..4), Some(&[0, code][..]), "Session Present is 0");
        let len = out.len();
        let bytes = bytes(version, &Packet::PingReq);
        let event = handshake.handle_frame(framed(&bytes), 0).unwrap();
        assert!(matches!(event, HandshakeEvent::Ignored));
        assert!(handshake.accept(acceptance(None), 0, &mut out).is_err());
        assert_eq!(out.len(), len);
    }
}

/// Covers: v5 [MQTT-3.2.2-2], v5 [MQTT-3.2.2-3], v3.1.1 [MQTT-3.2.2-1], v3.1.1 [MQTT-3.2.2-2].
/// Covers: v3.1.1 [MQTT-3.2.2-3].
#[test]
fn v5_3_2_2_3_session_present_says_whether_the_session_goes_on() {
    let expiry = [Property::SessionExpiryInterval(100)];
    let list = PropertyList::new(&expiry);
    for version in [V311, V5] {
        let back = connect(version, Properties::from(&list));
        let clean = Connect {
            clean_start: true,
            ..back
        };
        let found = || {
            let connection = accepted(OFFER, &back, None).connection;
            let closed = connection.into_session(0);
            assert!(closed.goes_on);
            Some(closed.session)
        };
        for (connect, found, present) in [
            (&back, None, false),
            (&back, found(), true),
            (&clean, found(), false),
        ] {
            let mut out = Vec::new();
            let accepted = asked(OFFER, connect).accept(acceptance(found), 5, &mut out);
            assert_eq!(accepted.unwrap().session_present, present);
            let Packet::ConnAck(connack) = packet(version, &out) else {
                panic!("CONNACK")
            };
            assert_eq!((connack.session_present, connack.reason), (present, OK));
        }
    }
}

/// Covers: v5 [MQTT-3.1.2-4], v3.1.1 [MQTT-3.1.2-6].
#[test]
fn v5_3_1_2_4_clean_start_gives_the_old_messages_back() {
    let expiry = [Property::SessionExpiryInterval(100)];
    let list = PropertyList::new(&expiry);
    for version in [V311, V5] {
        let back = connect(version, Properties::from(&list));
        let mut connection = accepted(OFFER, &back, None).connection;
        let first = message("first", QoS::AtLeastOnce);
        let second = message("second", QoS::ExactlyOnce);
        for message in [&first, &second] {
            let sent = connection.publish(message.clone(), 0, &mut Vec::new());
            assert_eq!(sent, Ok(None));
        }
        let found = connection.into_session(0).session;
        let clean = Connect {
            clean_start: true,
            ..back
        };
        let mut connection = accepted(OFFER, &clean, Some(found)).connection;
        assert_eq!(connection.poll_resend(0, &mut Vec::new()), None);
        assert_eq!(connection.poll_lost(), Some(first));
        assert_eq!(connection.poll_lost(), Some(second));
        assert_eq!(connection.poll_lost(), None);
        assert_eq!(connection.inflight(), 0);
    }
}

/// Covers: v5 [MQTT-3.2.2-9].
#[test]
fn v5_3_2_2_9_connack_says_what_differs_from_what_was_asked_for() {
    let offer = ServerOffer {
        limits: ServerLimits {
            receive_maximum: 20,
            inflight_max: 30,
            topic_alias_maximum: 4,
            packet_len_max: 50_000,
            session_expiry_max: SessionExpiry(600),
            keep_alive_max_s: NonZeroU16::new(100),
        },
        grants: ServerGrants {
            maximum_qos: QoS::AtLeastOnce,
            retain: false,
            wildcards: false,
            subscription_identifiers: false,
            shared_subscriptions: false,
        },
        ..OFFER
    };
    let asked = [Property::SessionExpiryInterval(1_000)];
    let list = PropertyList::new(&asked);
    let connect = connect(V5, Properties::from(&list));
    let connect = Connect {
        client_id: "",
        ..connect
    };
    let out = connack(offer, &connect, &[Property::AssignedClientIdentifier("it")]);
    let Packet::ConnAck(ConnAck { properties, .. }) = packet(V5, &out) else {
        panic!("CONNACK")
    };
    assert_eq!(properties.iter().count(), 11);
    assert_eq!(properties.assigned_client_identifier(), Some("it"));
    assert_eq!(properties.session_expiry_interval_s(), Some(600));
    assert_eq!(properties.receive_maximum(), NonZeroU16::new(20));
    assert_eq!(properties.maximum_qos(), Some(QoS::AtLeastOnce));
    assert_eq!(properties.retain_available(), Some(false));
    assert_eq!(
        properties.maximum_packet_size().map(|size| size.get()),
        Some(50_000)
    );
    assert_eq!(properties.topic_alias_maximum(), Some(4));
    assert_eq!(properties.wildcard_subscription_available(), Some(false));
    assert_eq!(properties.subscription_identifiers_available(), Some(false));
    assert_eq!(properties.shared_subscription_available(), Some(false));
    assert_eq!(properties.server_keep_alive_s(), Some(100));
    let connect = Connect {
        client_id: "me",
        ..connect
    };
    let out = connack(OFFER, &connect, &[]);
    let Packet::ConnAck(ConnAck { properties, .. }) = packet(V5, &out) else {
        panic!("CONNACK")
    };
    let said: Vec<_> = properties.iter().collect();
    assert_eq!(said, [Property::TopicAliasMaximum(10)]);
}

/// Covers: v5 [MQTT-3.2.2-16].
#[test]
fn v5_3_2_2_16_a_client_without_an_identifier_is_told_its_own() {
    let nameless = Connect {
        client_id: "",
        ..connect(V5, Properties::EMPTY)
    };
    let mut handshake = asked(OFFER, &nameless);
    let mut out = Vec::new();
    let refused = handshake.accept(acceptance(None), 0, &mut out).unwrap_err();
    assert_eq!(refused.reason, SendRefusal::ClientIdentifierNotAssigned);
    assert!(out.is_empty());
    let assigned = [Property::AssignedClientIdentifier("it")];
    let told = |connect| {
        let out = connack(OFFER, connect, &assigned);
        let Packet::ConnAck(ConnAck { properties, .. }) = packet(V5, &out) else {
            panic!("CONNACK")
        };
        properties.assigned_client_identifier().is_some()
    };
    assert!(told(&nameless));
    assert!(!told(&connect(V5, Properties::EMPTY)), "it has one");
    let before_v5 = Connect::new(V311, "");
    assert_eq!(connack(OFFER, &before_v5, &[]), [0x20, 2, 0, 0]);
}

/// Covers: v5 [MQTT-3.1.2-28].
#[test]
fn v5_3_1_2_28_response_information_is_for_who_asks() {
    for (asks, told) in [
        (None, None),
        (Some(false), None),
        (Some(true), Some("base")),
    ] {
        let asks: Vec<_> = asks
            .map(Property::RequestResponseInformation)
            .into_iter()
            .collect();
        let list = PropertyList::new(&asks);
        let connect = connect(V5, Properties::from(&list));
        let out = connack(OFFER, &connect, &[Property::ResponseInformation("base")]);
        let Packet::ConnAck(ConnAck { properties, .. }) = packet(V5, &out) else {
            panic!("CONNACK")
        };
        assert_eq!(properties.response_information(), told);
    }
}

/// Covers: v5 [MQTT-3.2.2-12], v5 [MQTT-3.2.2-13].
#[test]
fn v5_3_2_2_12_a_will_the_server_cannot_publish_is_refused() {
    let grants = ServerGrants {
        maximum_qos: QoS::AtMostOnce,
        retain: false,
        ..ServerGrants::ALL
    };
    let offer = ServerOffer { grants, ..OFFER };
    for (qos, retain, reason) in [
        (QoS::AtLeastOnce, false, 0x9B),
        (QoS::AtMostOnce, true, 0x9A),
    ] {
        let will = Will {
            topic_name: TopicName::try_new("gone").unwrap(),
            payload: b"",
            qos,
            retain,
            properties: Properties::EMPTY,
        };
        let connect = Connect {
            will: Some(will),
            ..connect(V5, Properties::EMPTY)
        };
        let bytes = bytes(V5, &Packet::Connect(connect));
        let mut handshake = ServerHandshake::new(offer, 0);
        let error = handshake.handle_frame(framed(&bytes), 0).unwrap_err();
        assert_eq!(error, refused(reason));
        let mut out = Vec::new();
        handshake.fail(error, &mut out);
        assert_eq!(out, [0x20, 3, 0, reason, 0]);
        assert!(handshake.accept(acceptance(None), 0, &mut out).is_err());
    }
}

/// Covers: v5 [MQTT-3.1.4-1], v3.1.1 [MQTT-3.1.4-1], v3.1.1 [MQTT-3.1.2-2], v5 [MQTT-3.1.2-2].
/// Covers: v3.1.1 [MQTT-3.1.3-8].
#[test]
fn v5_3_1_4_1_a_connect_that_is_none_is_answered_where_it_can_be() {
    let told = |connect: &[u8]| {
        let mut handshake = ServerHandshake::new(OFFER, 0);
        let error = handshake.handle_frame(framed(connect), 0).unwrap_err();
        let mut out = Vec::new();
        handshake.fail(error, &mut out);
        let event = handshake.handle_frame(framed(connect), 0).unwrap();
        assert!(matches!(event, HandshakeEvent::Ignored));
        out
    };
    // Bit 0 of the flags is set.
    let flags = |level| {
        [
            16, 13, 0, 4, b'M', b'Q', b'T', b'T', level, 1, 0, 0, 0, 0, 0,
        ]
    };
    assert_eq!(told(&flags(4)), [0_u8; 0], "3.1.1 has no word for it");
    assert_eq!(told(&flags(5)), [0x20, 3, 0, 0x81, 0]);
    assert_eq!(told(&flags(9)), [0x20, 2, 0, 1], "another version");
    // No Client Identifier, no Clean Session.
    let nameless = [16, 12, 0, 4, b'M', b'Q', b'T', b'T', 4, 0, 0, 0, 0, 0];
    assert_eq!(told(&nameless), [0x20, 2, 0, 2]);
}

#[test]
fn a_connect_larger_than_the_server_takes_is_not_read() {
    let limits = ServerLimits {
        packet_len_max: 10,
        ..OFFER.limits
    };
    let mut handshake = ServerHandshake::new(ServerOffer { limits, ..OFFER }, 0);
    let bytes = bytes(V5, &Packet::Connect(connect(V5, Properties::EMPTY)));
    let error = handshake.handle_frame(framed(&bytes), 0).unwrap_err();
    assert_eq!(error.reason_code(), Some(ReasonCode::PACKET_TOO_LARGE));
}

#[test]
fn a_client_that_takes_no_connack_of_that_size_keeps_its_session() {
    let properties = [packet_size(5), Property::SessionExpiryInterval(100)];
    let list = PropertyList::new(&properties);
    let back = connect(V5, Properties::from(&list));
    let found = connected(V5, &[Property::SessionExpiryInterval(100)]);
    let found = found.into_session(0).session;
    let mut handshake = asked(OFFER, &back);
    let mut out = Vec::new();
    let refused = handshake.accept(acceptance(Some(found)), 0, &mut out);
    let refused = refused.unwrap_err();
    assert!(refused.found.is_some());
    assert!(matches!(
        refused.reason,
        SendRefusal::PacketTooLarge { len_max: 5, .. }
    ));
    handshake.refuse(ReasonCode::PACKET_TOO_LARGE, Properties::EMPTY, &mut out);
    assert_eq!(out, [0x20, 3, 0, 0x95, 0]);
}

/// Covers: v5 [MQTT-4.13.2-1].
#[test]
fn v5_4_13_2_1_a_refusal_counts_even_if_it_cannot_be_sent() {
    let properties = [packet_size(4)];
    let list = PropertyList::new(&properties);
    let mut handshake = asked(OFFER, &connect(V5, Properties::from(&list)));
    let mut out = Vec::new();
    handshake.refuse(ReasonCode::BANNED, Properties::EMPTY, &mut out);
    assert!(out.is_empty());
    assert!(handshake.accept(acceptance(None), 0, &mut out).is_err());
}

#[test]
fn a_client_can_be_sent_elsewhere() {
    let mut handshake = asked(OFFER, &connect(V5, Properties::EMPTY));
    let properties = [Property::ServerReference("there")];
    let list = PropertyList::new(&properties);
    let mut out = Vec::new();
    handshake.refuse(ReasonCode::SERVER_MOVED, Properties::from(&list), &mut out);
    let Packet::ConnAck(connack) = packet(V5, &out) else {
        panic!("CONNACK")
    };
    assert_eq!(connack.reason, ReasonCode::SERVER_MOVED);
    assert_eq!(connack.properties.server_reference(), Some("there"));
}

/// Covers: v5 [MQTT-3.1.2-30].
#[test]
fn v5_3_1_2_30_who_authenticates_says_nothing_else_before_connack() {
    let method = [Property::AuthenticationMethod("m")];
    let list = PropertyList::new(&method);
    let connect = connect(V5, Properties::from(&list));
    let early = Packet::Publish(publish("t", Delivery::AtMostOnce));
    for packet in [early, Packet::PingReq] {
        let mut handshake = asked(OFFER, &connect);
        let bytes = bytes(V5, &packet);
        let error = handshake.handle_frame(framed(&bytes), 0).unwrap_err();
        let packet_type = packet.packet_type();
        assert_eq!(error, ProtocolError::Unexpected { packet_type }.into());
        let mut out = Vec::new();
        handshake.fail(error, &mut out);
        assert_eq!(out, [0x20, 3, 0, 0x82, 0]);
    }
    let mut handshake = asked(OFFER, &connect);
    let goodbye = bytes(V5, &Packet::Disconnect(Disconnect::default()));
    let event = handshake.handle_frame(framed(&goodbye), 0).unwrap();
    assert!(matches!(event, HandshakeEvent::Disconnected(_)));
}

/// A server in fixed memory announced more than it had room for, and ended the connections of clients that used it.
#[test]
fn regress_no_more_is_announced_than_there_is_room_for() {
    type Small = Fixed<2, 3, 1, 32>;
    for (version, receive_maximum, aliases) in [(V5, 3, 1), (V311, u16::MAX, 0)] {
        let mut handshake = asked(OFFER, &connect(version, Properties::EMPTY));
        let acceptance = Acceptance::<Message, &'static str, Small> {
            found: None,
            will: None,
            properties: Properties::EMPTY,
        };
        let mut out = Vec::new();
        let accepted = handshake.accept(acceptance, 0, &mut out).unwrap();
        let negotiated = accepted.connection.negotiated();
        assert_eq!(negotiated.own_receive_maximum, receive_maximum);
        let Packet::ConnAck(connack) = packet(version, &out) else {
            panic!("CONNACK")
        };
        let said = connack.properties;
        let told = (version == V5).then_some(receive_maximum);
        assert_eq!(said.receive_maximum().map(NonZeroU16::get), told);
        assert_eq!(said.topic_alias_maximum().unwrap_or(0), aliases);
    }
}

/// What is not in force was told to the client because the owner of the connection said it.
#[test]
fn regress_limits_in_connack_are_those_in_force() {
    let said = [
        Property::SessionExpiryInterval(5),
        Property::MaximumQoS(QoS::AtMostOnce),
        Property::RetainAvailable(false),
        Property::ServerKeepAlive(9),
        Property::ReasonString("welcome"),
    ];
    let bytes = connack(OFFER, &connect(V5, Properties::EMPTY), &said);
    let Packet::ConnAck(connack) = packet(V5, &bytes) else {
        panic!("CONNACK")
    };
    let said = connack.properties;
    assert_eq!(said.reason_string(), Some("welcome"));
    assert_eq!(said.session_expiry_interval_s(), None);
    assert_eq!((said.maximum_qos(), said.retain_available()), (None, None));
    assert_eq!(said.server_keep_alive_s(), None);
}
