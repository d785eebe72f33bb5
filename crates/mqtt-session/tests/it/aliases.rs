//! Topic Aliases of the server's own, and what differs per receiver of a message that goes to many.

use crate::kit::*;
use core::num::NonZeroU16;
use mqtt_codec::{
    Delivery, Packet, Properties, Property, PropertyList, Publish, QoS, SubscriptionIdentifier,
};
use mqtt_session::{
    AliasTopic, EncodedPublish, NotSentReason, OutboundAliases, ProtocolError, SendRefusal,
    ServerError, ServerEvent, ServerOffer, Stamp, TopicForm,
};

const TOPIC: &str = "house/kitchen/temperature";

fn alias(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).unwrap()
}

fn aliases_of_peer(maximum: u16) -> Property<'static> {
    Property::TopicAliasMaximum(maximum)
}

/// Topic Name and alias of the PUBLISH that carries a message to `topic_name`.
fn sent(
    connection: &mut Connection,
    topic_name: &'static str,
    qos: QoS,
) -> (Option<&'static str>, Option<u16>) {
    let mut out = Vec::new();
    connection
        .publish(message(topic_name, qos), 0, &mut out)
        .unwrap();
    match packet(connection.negotiated().version, out.leak()) {
        Packet::Publish(publish) => {
            let name = publish.topic_name.map(|topic_name| topic_name.as_str());
            (name, publish.properties.topic_alias().map(NonZeroU16::get))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_topic_gets_an_alias_the_second_time() {
    let mut connection = connected(V5, &[aliases_of_peer(5)]);
    let qos = QoS::AtLeastOnce;
    assert_eq!(sent(&mut connection, TOPIC, qos), (Some(TOPIC), None));
    assert_eq!(sent(&mut connection, TOPIC, qos), (Some(TOPIC), Some(1)));
    assert_eq!(sent(&mut connection, TOPIC, qos), (None, Some(1)));
    assert_eq!(sent(&mut connection, TOPIC, qos), (None, Some(1)));
}

/// Covers: v5 [MQTT-3.1.2-26], v5 [MQTT-3.3.2-11].
#[test]
fn v5_3_1_2_26_aliases_stay_within_the_maximum_of_the_client() {
    const NAMES: [&str; 6] = [
        "topic/number/1",
        "topic/number/2",
        "topic/number/3",
        "topic/number/4",
        "topic/number/5",
        "topic/number/6",
    ];
    for maximum in [1, 2, 5] {
        let mut connection = connected(V5, &[aliases_of_peer(maximum)]);
        let mut highest = 0;
        for round in 0..40 {
            for (at, name) in NAMES.into_iter().enumerate() {
                for _ in 0..(round * 7 + at) % 4 {
                    let (_, alias) = sent(&mut connection, name, QoS::AtMostOnce);
                    highest = highest.max(alias.unwrap_or(0));
                }
            }
        }
        assert_eq!(highest, maximum);
    }
}

/// Covers: v5 [MQTT-3.1.2-27].
#[test]
fn v5_3_1_2_27_no_aliases_unless_announced() {
    let none: [&[Property<'_>]; 2] = [&[], &[aliases_of_peer(0)]];
    for properties in none {
        for version in [V311, V5] {
            let mut connection = connected(version, properties);
            for _ in 0..3 {
                let sent = sent(&mut connection, TOPIC, QoS::AtMostOnce);
                assert_eq!(sent, (Some(TOPIC), None));
            }
        }
    }
    let offer = ServerOffer {
        outbound_aliases_max: 0,
        ..OFFER
    };
    let list = [aliases_of_peer(5)];
    let list = PropertyList::new(&list);
    let asked = connect(V5, Properties::from(&list));
    let mut connection = accepted(offer, &asked, None).connection;
    for _ in 0..3 {
        assert_eq!(
            sent(&mut connection, TOPIC, QoS::AtMostOnce),
            (Some(TOPIC), None)
        );
    }
}

/// Covers: v5 [MQTT-3.3.2-7].
#[test]
fn v5_3_3_2_7_an_alias_ends_with_its_connection() {
    let properties = [aliases_of_peer(5), Property::SessionExpiryInterval(100)];
    let mut connection = connected(V5, &properties);
    for _ in 0..3 {
        sent(&mut connection, TOPIC, QoS::AtLeastOnce);
    }
    let found = connection.into_session(0).session;
    let list = PropertyList::new(&properties);
    let back = connect(V5, Properties::from(&list));
    let mut connection = accepted(OFFER, &back, Some(found)).connection;
    let mut out = Vec::new();
    assert_eq!(connection.poll_resend(0, &mut out), None);
    let again = packets(V5, &out);
    assert_eq!(again.len(), 3);
    for packet in again {
        let Packet::Publish(publish) = packet else {
            panic!("{packet:?}")
        };
        assert_eq!(publish.topic_name.unwrap().as_str(), TOPIC);
        assert!(publish.dup && publish.properties.is_empty());
    }
    let first = sent(&mut connection, TOPIC, QoS::AtMostOnce);
    assert_eq!(first, (Some(TOPIC), None));
}

#[test]
fn the_alias_is_left_out_where_it_does_not_fit() {
    let properties = [aliases_of_peer(5), packet_size(31)];
    let mut connection = connected(V5, &properties);
    for _ in 0..3 {
        let sent = sent(&mut connection, TOPIC, QoS::AtMostOnce);
        assert_eq!(sent, (Some(TOPIC), None), "31 bytes without it");
    }
}

#[test]
fn the_topic_unused_for_longest_gives_its_alias_away() {
    let mut aliases = OutboundAliases::new(2, 10);
    let mut send = |name| {
        let topic = AliasTopic::new(name);
        let form = aliases.plan(topic);
        aliases.sent(topic, form);
        form
    };
    for name in ["topic/first", "topic/second"] {
        send(name);
        send(name);
    }
    assert_eq!(send("topic/first"), TopicForm::Alias(alias(1)));
    assert_eq!(send("topic/third"), TopicForm::Name);
    let third = send("topic/third");
    assert_eq!(
        third,
        TopicForm::NameAndAlias(alias(2)),
        "that of the second"
    );
    assert_eq!(send("topic/third"), TopicForm::Alias(alias(2)));
    assert_eq!(send("topic/second"), TopicForm::Name);
    assert_eq!(send("topic/first"), TopicForm::Alias(alias(1)));
}

#[test]
fn topics_in_too_large_a_circle_do_not_chase_each_other() {
    let names: Vec<String> = (0..6)
        .map(|number| format!("topic/number/{number}"))
        .collect();
    let mut aliases = OutboundAliases::new(4, 4);
    let mut set = 0;
    for name in names.iter().cycle().take(600) {
        let topic = AliasTopic::new(name);
        let form = aliases.plan(topic);
        set += usize::from(matches!(form, TopicForm::NameAndAlias(_)));
        aliases.sent(topic, form);
    }
    assert!((1..=4).contains(&set), "set {set} times");
}

#[test]
fn short_and_very_long_names_are_sent_in_full() {
    let long = "x".repeat(1025);
    let mut aliases = OutboundAliases::new(10, 10);
    for name in ["1234567", &long] {
        let topic = AliasTopic::new(name);
        for _ in 0..3 {
            assert_eq!(aliases.plan(topic), TopicForm::Name);
            aliases.sent(topic, TopicForm::Name);
        }
    }
    assert_eq!(OutboundAliases::new(u16::MAX, u16::MAX).maximum(), 256);
}

/// Covers: v5 [MQTT-3.3.2-12].
#[test]
fn v5_3_3_2_12_aliases_of_the_client_are_resolved_up_to_the_maximum() {
    let mut connection = connected(V5, &[]);
    let with_alias = |number, name: Option<&'static str>| {
        let set = [Property::TopicAlias(alias(number))];
        let list = PropertyList::new(&set);
        let packet = Packet::Publish(Publish {
            topic_name: name.map(|name| mqtt_codec::TopicName::try_new(name).unwrap()),
            properties: Properties::from(&list),
            ..Publish::default()
        });
        bytes(V5, &packet)
    };
    let mut give = |number, name| {
        let bytes = with_alias(number, name);
        match connection.handle_frame(framed(&bytes), 0, &mut Vec::new())? {
            ServerEvent::Message { publish, ack: None } => {
                Ok::<_, ServerError>(publish.topic_name.unwrap().as_str().to_owned())
            }
            event => panic!("{event:?}"),
        }
    };
    for number in 1..=10 {
        assert_eq!(give(number, Some("t")).as_deref(), Ok("t"));
        assert_eq!(give(number, None).as_deref(), Ok("t"));
    }
    let invalid = ProtocolError::TopicAliasInvalid { alias: 11 };
    assert_eq!(give(11, Some("t")), Err(invalid.into()));
    let mut connection = connected(V5, &[]);
    let unset = with_alias(3, None);
    let error = connection
        .handle_frame(framed(&unset), 0, &mut Vec::new())
        .unwrap_err();
    let mut out = Vec::new();
    connection.fail(error, &mut out);
    assert_eq!(out, [0xE0, 1, 0x94]);
}

/// A message encoded once, as a broker has it: with a place for an identifier, and none.
fn encoded_once(qos: QoS) -> (Publish<'static>, Vec<u8>, Option<usize>) {
    let delivery = match qos {
        QoS::AtMostOnce => Delivery::AtMostOnce,
        _ => Delivery::AtLeastOnce(id(1)),
    };
    let publish = publish(TOPIC, delivery);
    let mut bytes = vec![0; publish.head_len(V5, 1).unwrap()];
    let head = publish.encode_head(V5, 1, &mut bytes).unwrap();
    bytes.extend(publish.payload);
    (publish, bytes, head.packet_id_at)
}

/// The packet one receiver gets: patched from what was encoded once, or encoded for it alone.
fn stamped(stamp: Stamp, qos: QoS, subscription_ids: &[SubscriptionIdentifier]) -> Vec<u8> {
    let (publish, mut encoded, packet_id_at) = encoded_once(qos);
    if stamp.is_patch() && subscription_ids.is_empty() {
        stamp.patch(&mut encoded, false, packet_id_at);
        return encoded;
    }
    stamp.show(&publish, subscription_ids, |publish| {
        bytes(V5, &Packet::Publish(*publish))
    })
}

#[test]
fn a_message_encoded_once_differs_only_where_it_must() {
    let two = Property::ReceiveMaximum(alias(2));
    let mut connection = connected(V5, &[aliases_of_peer(5), two]);
    let (_, bytes, _) = encoded_once(QoS::AtLeastOnce);
    let mut encoded = EncodedPublish {
        packet_len: bytes.len(),
        qos: QoS::AtLeastOnce,
        topic: AliasTopic::new(TOPIC),
    };
    let kept = message(TOPIC, QoS::AtLeastOnce);
    let first = connection
        .stamp_acknowledged(kept.clone(), &encoded)
        .unwrap();
    assert!(first.is_patch());
    let at_1 = publish(TOPIC, Delivery::AtLeastOnce(id(1)));
    let patched = stamped(first, encoded.qos, &[]);
    assert_eq!(packet(V5, &patched), Packet::Publish(at_1));

    encoded.qos = QoS::ExactlyOnce;
    let second = connection
        .stamp_acknowledged(kept.clone(), &encoded)
        .unwrap();
    assert_eq!(second.delivery, Delivery::ExactlyOnce(id(2)));
    assert_eq!(second.topic, TopicForm::NameAndAlias(alias(1)));
    let full = connection
        .stamp_acknowledged(kept.clone(), &encoded)
        .unwrap_err();
    assert_eq!((full.item, full.reason), (kept, NotSentReason::Later));

    encoded.qos = QoS::AtMostOnce;
    let third = connection.stamp_at_most_once(&encoded).unwrap();
    let ids = [7, 9].map(|number| SubscriptionIdentifier::new(number).unwrap());
    let own = stamped(third, encoded.qos, &ids);
    let Packet::Publish(publish) = packet(V5, &own) else {
        panic!("PUBLISH")
    };
    assert_eq!(
        (publish.topic_name, publish.delivery),
        (None, Delivery::AtMostOnce)
    );
    assert_eq!(publish.properties.topic_alias(), Some(alias(1)));
    assert!(publish.properties.subscription_identifiers().eq(ids));
    assert_eq!(publish.payload, b"x");

    assert_eq!(connection.inflight(), 2);
    let ended = handle(&mut connection, &Packet::PubAck(ack(1, OK)));
    assert!(ended.is_empty() && connection.inflight() == 1);
}

#[test]
fn a_message_encoded_once_may_be_too_large_for_one() {
    let mut connection = connected(V5, &[packet_size(20)]);
    let encoded = EncodedPublish {
        packet_len: 21,
        qos: QoS::AtLeastOnce,
        topic: AliasTopic::new(TOPIC),
    };
    let too_large = SendRefusal::PacketTooLarge {
        len: 21,
        len_max: 20,
    };
    assert_eq!(connection.stamp_at_most_once(&encoded), Err(too_large));
    let kept = message(TOPIC, QoS::AtLeastOnce);
    let refused = connection.stamp_acknowledged(kept, &encoded).unwrap_err();
    assert_eq!(refused.reason, NotSentReason::Never(too_large));
    assert_eq!(connection.inflight(), 0);
}

/// The alias made a length of two bytes of one of one byte, and the packet was larger than the client takes.
///
/// Covers: v5 [MQTT-3.1.2-24].
#[test]
fn regress_an_alias_does_not_make_a_packet_too_large() {
    const MAX: usize = 130;
    let mut connection = connected(V5, &[aliases_of_peer(5), packet_size(130)]);
    for payload_len in 60..110 {
        for _ in 0..2 {
            let name = format!("topic/with/{payload_len}").leak();
            let payload = vec![b'x'; payload_len];
            let publish = Publish {
                payload: &payload,
                ..publish(name, Delivery::AtMostOnce)
            };
            let packet_len = publish.encoded_len(V5).unwrap();
            let encoded = EncodedPublish {
                packet_len,
                qos: QoS::AtMostOnce,
                topic: AliasTopic::new(name),
            };
            let Ok(stamp) = connection.stamp_at_most_once(&encoded) else {
                assert!(packet_len > MAX);
                continue;
            };
            let len = stamp.show(&publish, &[], |shown| shown.encoded_len(V5).unwrap());
            assert!(len <= MAX, "{len} bytes with {:?}", stamp.topic);
        }
    }
}
