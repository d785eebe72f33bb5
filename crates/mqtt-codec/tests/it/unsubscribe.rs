//! UNSUBSCRIBE and UNSUBACK.

use mqtt_codec::{
    EncodeError, Field, Malformed, Packet, PacketId, PacketType, Properties, ReasonCode,
    ReasonCodes, TopicFilter, UnsubAck, Unsubscribe, UnsubscribeFilters,
};

use crate::support::{
    STANDARD, V5, V31, V311, answer, decode, encode, filter, no_properties, packet, refused,
    refused_at,
};

fn unsubscribe<'a>(filters: &'a [TopicFilter<'a>]) -> Packet<'a> {
    Packet::Unsubscribe(Unsubscribe {
        packet_id: PacketId::MIN,
        properties: Properties::EMPTY,
        filters: UnsubscribeFilters::from(filters),
    })
}

fn unsuback(reasons: &[ReasonCode]) -> Packet<'_> {
    Packet::UnsubAck(UnsubAck {
        packet_id: PacketId::MIN,
        properties: Properties::EMPTY,
        reasons: ReasonCodes::from(reasons),
    })
}

/// Covers: v3.1.1 [MQTT-3.10.3-1].
#[test]
fn v311_3_10_3_1_filters_follow_each_other() {
    let filters = [filter("a/+"), filter("$share/g/#")];
    for version in [V31, V311, V5] {
        let none = no_properties(version);
        let bytes = packet(
            0xA2,
            &[&[0, 1], none, b"\0\x03a/+\0\x0A$share/g/#"].concat(),
        );
        assert_eq!(encode(version, &unsubscribe(&filters)), bytes);
        let Ok(Packet::Unsubscribe(read)) = decode(version, &bytes) else {
            panic!()
        };
        assert_eq!((read.filters.len(), read.filters.is_empty()), (2, false));
        assert_eq!(read.filters.iter().len(), 2);
        assert!(read.filters.iter().eq(filters));
    }
}

/// Covers: v5 [MQTT-3.10.3-2], v3.1.1 [MQTT-3.10.3-2].
#[test]
fn v5_3_10_3_2_a_filter_is_needed() {
    for version in STANDARD {
        let bytes = packet(0xA2, &[&[0, 1], no_properties(version)].concat());
        let packet_type = PacketType::Unsubscribe;
        assert_eq!(
            refused(version, &bytes),
            Malformed::FiltersEmpty { packet_type }
        );
        assert_eq!(answer(version, &bytes), ReasonCode::PROTOCOL_ERROR);
        let missing = EncodeError::Missing {
            field: Field::TopicFilters,
        };
        assert_eq!(unsubscribe(&[]).encoded_len(version), Err(missing));
    }
}

/// Covers: v5 [MQTT-2.2.1-3], v3.1.1 [MQTT-2.3.1-1].
#[test]
fn v5_2_2_1_3_packet_identifier_0_is_refused() {
    for version in STANDARD {
        let bytes = packet(
            0xA2,
            &[&[0, 0], no_properties(version), b"\0\x01t"].concat(),
        );
        assert_eq!(refused_at(version, &bytes), (Malformed::PacketIdZero, 2));
    }
}

#[test]
fn unsuback_is_a_packet_identifier_before_v5() {
    for version in [V31, V311] {
        assert_eq!(decode(version, &[0xB0, 2, 0, 1]), Ok(unsuback(&[])));
        assert_eq!(encode(version, &unsuback(&[])), [0xB0, 2, 0, 1]);
        let told = [ReasonCode::SUCCESS, ReasonCode::NO_SUBSCRIPTION_EXISTED];
        assert_eq!(encode(version, &unsuback(&told)), [0xB0, 2, 0, 1]);
        let refused_one = [ReasonCode::NOT_AUTHORIZED];
        let not_in_version = EncodeError::NotInVersion {
            field: Field::ReasonCode,
        };
        assert_eq!(
            unsuback(&refused_one).encoded_len(version),
            Err(not_in_version)
        );
        assert_eq!(
            refused(version, &[0xB0, 3, 0, 1, 0]),
            Malformed::TrailingBytes
        );
    }
}

#[test]
fn unsuback_needs_a_reason_code_in_v5() {
    let packet_type = PacketType::UnsubAck;
    assert_eq!(
        refused(V5, &[0xB0, 3, 0, 1, 0]),
        Malformed::ReasonCodesEmpty { packet_type }
    );
    assert_eq!(answer(V5, &[0xB0, 3, 0, 1, 0]), ReasonCode::PROTOCOL_ERROR);
    assert_eq!(refused(V5, &[0xB0, 2, 0, 1]), Malformed::Truncated);
    let missing = EncodeError::Missing {
        field: Field::ReasonCodes,
    };
    assert_eq!(unsuback(&[]).encoded_len(V5), Err(missing));
}

/// Covers: v5 [MQTT-3.11.3-2].
#[test]
fn v5_3_11_3_2_unsuback_has_its_own_reason_codes() {
    let packet_type = PacketType::UnsubAck;
    let mut allowed = 0;
    for code in 0..=u8::MAX {
        let bytes = packet(0xB0, &[0, 1, 0, 0, code]);
        let reasons = [ReasonCode::SUCCESS, ReasonCode::new(code)];
        if ReasonCode::new(code).allowed_in(packet_type) {
            allowed += 1;
            assert_eq!(decode(V5, &bytes), Ok(unsuback(&reasons)));
            assert_eq!(encode(V5, &unsuback(&reasons)), bytes);
        } else {
            let wrong = Malformed::ReasonNotAllowed {
                packet_type,
                reason: code,
            };
            assert_eq!(refused_at(V5, &bytes), (wrong, 6));
            let reason = ReasonCode::new(code);
            let refused = EncodeError::ReasonNotAllowed {
                packet_type,
                reason,
            };
            assert_eq!(unsuback(&reasons).encoded_len(V5), Err(refused));
        }
    }
    assert_eq!(allowed, 7);
}
