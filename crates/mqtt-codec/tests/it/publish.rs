//! PUBLISH.

use mqtt_codec::{
    Delivery, EncodeError, Field, Lenience, Malformed, PACKET_LEN_MAX, Packet, PacketId,
    Properties, Property, PropertyId, PropertyList, Publish, QoS, ReasonCode, frame,
};

use crate::support::{
    STANDARD, V5, V31, V311, answer, block, encode, name, no_properties, packet, refused,
    refused_at,
};

fn read(version: mqtt_codec::ProtocolVersion, bytes: &[u8]) -> Publish<'_> {
    Publish::decode(frame(bytes, PACKET_LEN_MAX).unwrap().unwrap(), version).unwrap()
}

/// Covers: v5 [MQTT-2.2.1-2], v3.1.1 [MQTT-2.3.1-5].
#[test]
fn v5_2_2_1_2_qos_0_has_no_packet_identifier() {
    let publish = Publish {
        topic_name: Some(name("a/b")),
        payload: b"\0\x07",
        ..Publish::default()
    };
    for version in [V31, V311, V5] {
        let expected = packet(
            0x30,
            &[b"\0\x03a/b".as_slice(), no_properties(version), b"\0\x07"].concat(),
        );
        assert_eq!(encode(version, &Packet::Publish(publish)), expected);
        assert_eq!(read(version, &expected), publish);
    }
}

#[test]
fn qos_1_and_2_have_a_packet_identifier() {
    let packet_id = PacketId::new(0x1234).unwrap();
    for (delivery, first) in [
        (Delivery::AtLeastOnce(packet_id), 0x32),
        (Delivery::ExactlyOnce(packet_id), 0x34),
    ] {
        for version in [V31, V311, V5] {
            let publish = Publish {
                delivery,
                topic_name: Some(name("t")),
                payload: b"hello",
                ..Publish::default()
            };
            let none = no_properties(version);
            let expected = packet(first, &[b"\0\x01t\x12\x34", none, b"hello"].concat());
            assert_eq!(encode(version, &Packet::Publish(publish)), expected);
            assert_eq!(read(version, &expected), publish);
            assert_eq!(publish.delivery.packet_id(), Some(packet_id));
        }
    }
}

/// Covers: v5 [MQTT-2.2.1-3], v3.1.1 [MQTT-2.3.1-1].
#[test]
fn v5_2_2_1_3_packet_identifier_0_is_refused() {
    for version in STANDARD {
        for first in [0x32, 0x34] {
            let bytes = packet(first, &[b"\0\x01t\0\0", no_properties(version)].concat());
            assert_eq!(refused_at(version, &bytes), (Malformed::PacketIdZero, 5));
            assert_eq!(answer(version, &bytes), ReasonCode::PROTOCOL_ERROR);
        }
    }
    assert_eq!(PacketId::new(0), None);
}

/// Covers: v5 [MQTT-3.3.1-4], v3.1.1 [MQTT-3.3.1-4].
#[test]
fn v5_3_3_1_4_qos_3_is_refused() {
    for version in STANDARD {
        for first in [0x36, 0x37, 0x3E, 0x3F] {
            let bytes = packet(first, &[b"\0\x01t\0\x01", no_properties(version)].concat());
            assert_eq!(refused_at(version, &bytes), (Malformed::QosInvalid, 0));
            assert_eq!(answer(version, &bytes), ReasonCode::MALFORMED_PACKET);
        }
    }
}

/// Covers: v5 [MQTT-3.3.1-2], v3.1.1 [MQTT-3.3.1-2].
#[test]
fn v5_3_3_1_2_dup_at_qos_0_is_neither_read_nor_written() {
    let publish = Publish {
        dup: true,
        topic_name: Some(name("t")),
        ..Publish::default()
    };
    for version in STANDARD {
        let bytes = packet(0x38, &[b"\0\x01t", no_properties(version)].concat());
        assert_eq!(refused_at(version, &bytes), (Malformed::DupAtQos0, 0));
        assert_eq!(publish.encoded_len(version), Err(EncodeError::DupAtQos0));
        let forgiving = Lenience {
            dup_at_qos_0: true,
            ..Lenience::STRICT
        };
        let found = frame(&bytes, PACKET_LEN_MAX).unwrap().unwrap();
        let read = Packet::decode_lenient(found, version, forgiving);
        assert_eq!(
            read,
            Ok(Packet::Publish(Publish {
                dup: false,
                ..publish
            }))
        );
    }
}

#[test]
fn dup_and_retain_are_kept() {
    for first in [0x3A, 0x3B, 0x33, 0x3C, 0x3D, 0x35] {
        let bytes = packet(first, b"\0\x01t\0\x01");
        let publish = read(V311, &bytes);
        assert_eq!(
            (publish.dup, publish.retain),
            (first & 8 != 0, first & 1 != 0)
        );
        assert_eq!(encode(V311, &Packet::Publish(publish)), bytes);
    }
}

/// Covers: v5 [MQTT-3.3.2-2], v3.1.1 [MQTT-3.3.2-2], v5 [MQTT-4.7.0-1], v3.1.1 [MQTT-4.7.1-1].
#[test]
fn v5_3_3_2_2_wildcard_in_a_topic_name_is_refused() {
    let long = "0123456789/0123456789/0123456789/#";
    for version in STANDARD {
        for topic in ["#", "+", "a/#", "a/+/b", "a+", "#a", long] {
            let body = [
                crate::support::field(topic).as_slice(),
                no_properties(version),
            ]
            .concat();
            let bytes = packet(0x30, &body);
            assert_eq!(
                refused_at(version, &bytes),
                (Malformed::TopicNameWildcard, 4),
                "{topic}"
            );
            assert_eq!(answer(version, &bytes), ReasonCode::TOPIC_NAME_INVALID);
        }
    }
}

/// Covers: v3.1.1 [MQTT-4.7.3-1].
#[test]
fn v311_4_7_3_1_empty_topic_name_is_refused() {
    for version in [V31, V311] {
        assert_eq!(
            refused_at(version, &[0x30, 2, 0, 0]),
            (Malformed::TopicNameEmpty, 2)
        );
        let publish = Publish::default();
        let field = Field::Property(PropertyId::TopicAlias);
        assert_eq!(
            publish.encoded_len(version),
            Err(EncodeError::NotInVersion { field })
        );
    }
}

/// Covers: v5 [MQTT-4.7.3-1].
#[test]
fn v5_4_7_3_1_empty_topic_name_needs_a_topic_alias() {
    assert_eq!(
        refused_at(V5, &[0x30, 3, 0, 0, 0]),
        (Malformed::TopicNameEmpty, 2)
    );
    assert_eq!(answer(V5, &[0x30, 3, 0, 0, 0]), ReasonCode::PROTOCOL_ERROR);
    let missing = EncodeError::Missing {
        field: Field::TopicName,
    };
    assert_eq!(Publish::default().encoded_len(V5), Err(missing));

    let bytes = packet(
        0x30,
        &[&[0, 0], block(&[0x23, 0, 7]).as_slice(), b"p"].concat(),
    );
    let publish = read(V5, &bytes);
    assert_eq!(publish.topic_name, None);
    assert_eq!(publish.properties.topic_alias().map(u16::from), Some(7));
    assert_eq!(encode(V5, &Packet::Publish(publish)), bytes);
}

/// Covers: v5 [MQTT-3.3.2-8].
#[test]
fn v5_3_3_2_8_topic_alias_0_is_refused() {
    let bytes = packet(
        0x30,
        &[b"\0\x01t", block(&[0x23, 0, 0]).as_slice()].concat(),
    );
    let invalid = Malformed::PropertyValueInvalid {
        property: PropertyId::TopicAlias,
    };
    assert_eq!(refused_at(V5, &bytes), (invalid, 7));
    assert_eq!(answer(V5, &bytes), ReasonCode::TOPIC_ALIAS_INVALID);
}

/// Covers: v5 [MQTT-3.3.2-14].
#[test]
fn v5_3_3_2_14_wildcard_in_a_response_topic_is_refused() {
    for topic in ["a/#", "+"] {
        let property = [&[0x08][..], &crate::support::field(topic)].concat();
        let bytes = packet(0x30, &[b"\0\x01t", block(&property).as_slice()].concat());
        let invalid = Malformed::PropertyValueInvalid {
            property: PropertyId::ResponseTopic,
        };
        assert_eq!(refused(V5, &bytes), invalid);
    }
}

/// Covers: v5 [MQTT-3.3.2-1], v3.1.1 [MQTT-3.3.2-1].
#[test]
fn v5_3_3_2_1_topic_name_comes_first() {
    let list = [Property::ContentType("text")];
    let list = PropertyList::new(&list);
    let publish = Publish {
        delivery: Delivery::AtLeastOnce(PacketId::MIN),
        topic_name: Some(name("first")),
        properties: Properties::from(&list),
        ..Publish::default()
    };
    for version in STANDARD {
        let bytes = encode(version, &Packet::Publish(publish));
        assert_eq!(&bytes[2..11], b"\0\x05first\0\x01");
    }
}

#[test]
fn the_payload_may_be_empty_or_anything() {
    for payload in [&b""[..], b"\0", b"\xFF\xFE", &[0; 300]] {
        let publish = Publish {
            topic_name: Some(name("t")),
            payload,
            ..Publish::default()
        };
        for version in [V31, V311, V5] {
            let bytes = encode(version, &Packet::Publish(publish));
            assert_eq!(read(version, &bytes).payload, payload);
        }
    }
}

#[test]
fn every_shorter_head_is_refused() {
    let bytes = packet(
        0x32,
        &[b"\0\x03a/b\0\x01", block(&[0x02, 0, 0, 0, 9]).as_slice()].concat(),
    );
    assert!(read(V5, &bytes).payload.is_empty());
    for len in 0..bytes.len() - 2 {
        let shorter = packet(0x32, &bytes[2..2 + len]);
        assert_eq!(refused(V5, &shorter), Malformed::Truncated, "{len} bytes");
    }
}

#[test]
fn a_packet_over_the_largest_remaining_length_is_not_written() {
    let publish = Publish {
        topic_name: Some(name("t")),
        ..Publish::default()
    };
    let max = 268_435_455;
    assert_eq!(publish.head_len(V311, max - 3), Ok(8));
    let too_long = EncodeError::TooLong {
        field: Field::Packet,
        max,
    };
    assert_eq!(publish.head_len(V311, max - 2), Err(too_long));
    assert_eq!(publish.head_len(V311, usize::MAX), Err(too_long));
}

#[test]
fn delivery_joins_qos_and_packet_identifier() {
    let id = PacketId::MAX;
    assert_eq!(
        Delivery::new(QoS::AtMostOnce, None),
        Some(Delivery::AtMostOnce)
    );
    assert_eq!(
        Delivery::new(QoS::AtLeastOnce, Some(id)),
        Some(Delivery::AtLeastOnce(id))
    );
    assert_eq!(
        Delivery::new(QoS::ExactlyOnce, Some(id)),
        Some(Delivery::ExactlyOnce(id))
    );
    assert_eq!(Delivery::new(QoS::AtMostOnce, Some(id)), None);
    assert_eq!(Delivery::new(QoS::AtLeastOnce, None), None);
    assert_eq!(Delivery::ExactlyOnce(id).qos(), QoS::ExactlyOnce);
}
