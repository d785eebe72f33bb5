//! SUBSCRIBE.

use mqtt_codec::{
    EncodeError, Field, Malformed, Packet, PacketId, PacketType, Properties, PropertyId, QoS,
    ReasonCode, RetainHandling, Subscribe, SubscribeFilters, SubscriptionOptions,
};

use crate::support::{
    STANDARD, V5, V31, V311, answer, block, decode, encode, field, filter, no_properties, packet,
    refused, refused_at,
};

/// A SUBSCRIBE of one filter.
fn one(version: mqtt_codec::ProtocolVersion, text: &str, options: u8) -> Vec<u8> {
    let filter = field(text);
    packet(
        0x82,
        &[&[0, 1], no_properties(version), &filter, &[options]].concat(),
    )
}

fn subscribe<'a>(filters: &'a [(mqtt_codec::TopicFilter<'a>, SubscriptionOptions)]) -> Packet<'a> {
    Packet::Subscribe(Subscribe {
        packet_id: PacketId::MIN,
        properties: Properties::EMPTY,
        filters: SubscribeFilters::from(filters),
    })
}

#[test]
fn filters_and_options_are_read_in_order() {
    let options = SubscriptionOptions {
        qos: QoS::AtLeastOnce,
        no_local: true,
        retain_as_published: true,
        retain_handling: RetainHandling::DoNotSend,
    };
    let filters = [
        (filter("a/+"), options),
        (filter("#"), SubscriptionOptions::new(QoS::ExactlyOnce)),
    ];
    let bytes = b"\x82\x0D\0\x01\0\0\x03a/+\x2D\0\x01#\x02";
    assert_eq!(encode(V5, &subscribe(&filters)), bytes);
    let Ok(Packet::Subscribe(read)) = decode(V5, bytes) else {
        panic!()
    };
    assert_eq!((read.filters.len(), read.filters.is_empty()), (2, false));
    assert_eq!(read.filters.iter().len(), 2);
    assert!(read.filters.iter().eq(filters));
    let before = [(filter("a"), SubscriptionOptions::new(QoS::ExactlyOnce))];
    for version in [V31, V311] {
        let bytes = b"\x82\x06\0\x01\0\x01a\x02";
        assert_eq!(encode(version, &subscribe(&before)), bytes);
        assert_eq!(decode(version, bytes), Ok(subscribe(&before)));
    }
}

/// Covers: v5 [MQTT-3.8.3-2], v3.1.1 [MQTT-3.8.3-3].
#[test]
fn v5_3_8_3_2_a_filter_is_needed() {
    for version in STANDARD {
        let bytes = packet(0x82, &[&[0, 1], no_properties(version)].concat());
        let packet_type = PacketType::Subscribe;
        assert_eq!(
            refused(version, &bytes),
            Malformed::FiltersEmpty { packet_type }
        );
        assert_eq!(answer(version, &bytes), ReasonCode::PROTOCOL_ERROR);
        let missing = EncodeError::Missing {
            field: Field::TopicFilters,
        };
        assert_eq!(subscribe(&[]).encoded_len(version), Err(missing));
    }
}

/// Covers: v5 [MQTT-3.8.3-5].
#[test]
fn v5_3_8_3_5_reserved_option_bits_are_refused() {
    for options in [0x40, 0x80, 0xC0, 0x41] {
        let bytes = one(V5, "t", options);
        assert_eq!(
            refused_at(V5, &bytes),
            (Malformed::SubscriptionOptionsReserved, 8)
        );
        assert_eq!(answer(V5, &bytes), ReasonCode::MALFORMED_PACKET);
    }
}

/// Covers: v3.1.1 [MQTT-3.8.3-4].
#[test]
fn v311_3_8_3_4_only_qos_0_to_2_is_accepted() {
    for options in 0..=u8::MAX {
        let bytes = one(V311, "t", options);
        match options {
            0..=2 => assert!(decode(V311, &bytes).is_ok()),
            3 => assert_eq!(refused(V311, &bytes), Malformed::SubscriptionQosInvalid),
            _ => assert_eq!(
                refused(V311, &bytes),
                Malformed::SubscriptionOptionsReserved
            ),
        }
    }
}

#[test]
fn v5_options_have_30_values() {
    let accepted = (0..=u8::MAX).filter(|options| decode(V5, &one(V5, "t", *options)).is_ok());
    assert_eq!(accepted.count(), 3 * 2 * 2 * 3);
    assert_eq!(
        refused(V5, &one(V5, "t", 0x03)),
        Malformed::SubscriptionQosInvalid
    );
    assert_eq!(
        refused(V5, &one(V5, "t", 0x30)),
        Malformed::RetainHandlingInvalid
    );
    assert_eq!(answer(V5, &one(V5, "t", 0x30)), ReasonCode::PROTOCOL_ERROR);
}

/// Covers: v5 [MQTT-3.8.3-4].
#[test]
fn v5_3_8_3_4_no_local_on_a_shared_subscription_is_refused() {
    let bytes = one(V5, "$share/g/t", 0x04);
    assert_eq!(refused(V5, &bytes), Malformed::NoLocalOnShared);
    assert_eq!(answer(V5, &bytes), ReasonCode::PROTOCOL_ERROR);
    assert!(decode(V5, &one(V5, "t", 0x04)).is_ok());
    assert!(decode(V5, &one(V5, "$share/g/t", 0x00)).is_ok());
    let options = SubscriptionOptions {
        no_local: true,
        ..SubscriptionOptions::default()
    };
    let filters = [(filter("$share/g/t"), options)];
    assert_eq!(
        subscribe(&filters).encoded_len(V5),
        Err(EncodeError::NoLocalOnShared)
    );
}

#[test]
fn options_beyond_the_qos_are_not_written_before_v5() {
    let base = SubscriptionOptions::new(QoS::AtLeastOnce);
    for options in [
        SubscriptionOptions {
            no_local: true,
            ..base
        },
        SubscriptionOptions {
            retain_as_published: true,
            ..base
        },
        SubscriptionOptions {
            retain_handling: RetainHandling::SendIfNew,
            ..base
        },
    ] {
        let filters = [(filter("t"), options)];
        let not_in_version = EncodeError::NotInVersion {
            field: Field::SubscriptionOptions,
        };
        assert_eq!(subscribe(&filters).encoded_len(V311), Err(not_in_version));
        assert!(subscribe(&filters).encoded_len(V5).is_ok());
    }
}

/// Covers: v5 [MQTT-2.2.1-3], v3.1.1 [MQTT-2.3.1-1].
#[test]
fn v5_2_2_1_3_packet_identifier_0_is_refused() {
    for version in STANDARD {
        let mut bytes = one(version, "t", 0);
        bytes[3] = 0;
        assert_eq!(refused_at(version, &bytes), (Malformed::PacketIdZero, 2));
    }
}

#[test]
fn one_subscription_identifier_at_most() {
    let with = |properties: &[u8]| {
        packet(
            0x82,
            &[&[0, 1], block(properties).as_slice(), b"\0\x01t\0"].concat(),
        )
    };
    let bytes = with(&[0x0B, 0xFF, 0xFF, 0xFF, 0x7F]);
    let Ok(Packet::Subscribe(read)) = decode(V5, &bytes) else {
        panic!()
    };
    let ids: Vec<u32> = read
        .properties
        .subscription_identifiers()
        .map(|id| id.get())
        .collect();
    assert_eq!(ids, [268_435_455]);
    let property = PropertyId::SubscriptionIdentifier;
    let repeated = with(&[0x0B, 1, 0x0B, 2]);
    assert_eq!(
        refused(V5, &repeated),
        Malformed::PropertyRepeated { property }
    );
    assert_eq!(
        refused(V5, &with(&[0x0B, 0])),
        Malformed::PropertyValueInvalid { property }
    );
    assert_eq!(answer(V5, &with(&[0x0B, 0])), ReasonCode::PROTOCOL_ERROR);
}

#[test]
fn a_filter_without_options_is_refused() {
    for version in STANDARD {
        let bytes = packet(
            0x82,
            &[&[0, 1], no_properties(version), b"\0\x01t"].concat(),
        );
        assert_eq!(refused(version, &bytes), Malformed::Truncated);
    }
}
