//! SUBACK.

use mqtt_codec::{
    EncodeError, Field, Malformed, Packet, PacketId, PacketType, Properties, ReasonCode,
    ReasonCodes, SubAck,
};

use crate::support::{
    STANDARD, V5, V31, V311, answer, decode, encode, no_properties, packet, refused, refused_at,
};

fn suback(reasons: &[ReasonCode]) -> Packet<'_> {
    Packet::SubAck(SubAck {
        packet_id: PacketId::MIN,
        properties: Properties::EMPTY,
        reasons: ReasonCodes::from(reasons),
    })
}

#[test]
fn reason_codes_keep_their_order() {
    let reasons = [
        ReasonCode::GRANTED_QOS_2,
        ReasonCode::GRANTED_QOS_0,
        ReasonCode::GRANTED_QOS_1,
    ];
    for version in [V31, V311, V5] {
        let bytes = packet(
            0x90,
            &[&[0, 1], no_properties(version), &[2, 0, 1]].concat(),
        );
        assert_eq!(encode(version, &suback(&reasons)), bytes);
        let Ok(Packet::SubAck(read)) = decode(version, &bytes) else {
            panic!()
        };
        assert_eq!((read.reasons.len(), read.reasons.is_empty()), (3, false));
        assert_eq!(read.reasons.iter().len(), 3);
        assert!(read.reasons.iter().eq(reasons));
    }
}

/// Covers: v5 [MQTT-3.9.3-2].
#[test]
fn v5_3_9_3_2_suback_has_its_own_reason_codes() {
    let packet_type = PacketType::SubAck;
    let mut allowed = 0;
    for code in 0..=u8::MAX {
        let bytes = packet(0x90, &[0, 1, 0, 0, code]);
        let reasons = [ReasonCode::GRANTED_QOS_0, ReasonCode::new(code)];
        if ReasonCode::new(code).allowed_in(packet_type) {
            allowed += 1;
            assert_eq!(decode(V5, &bytes), Ok(suback(&reasons)));
            assert_eq!(encode(V5, &suback(&reasons)), bytes);
        } else {
            let wrong = Malformed::ReasonNotAllowed {
                packet_type,
                reason: code,
            };
            assert_eq!(refused_at(V5, &bytes), (wrong, 6));
            assert_eq!(answer(V5, &bytes), ReasonCode::PROTOCOL_ERROR);
            let reason = ReasonCode::new(code);
            let refused = EncodeError::ReasonNotAllowed {
                packet_type,
                reason,
            };
            assert_eq!(suback(&reasons).encoded_len(V5), Err(refused));
        }
    }
    assert_eq!(allowed, 12);
}

/// Covers: v3.1.1 [MQTT-3.9.3-2].
#[test]
fn v311_3_9_3_2_suback_knows_four_codes() {
    for code in 0..=u8::MAX {
        let bytes = [0x90, 3, 0, 1, code];
        if matches!(code, 0 | 1 | 2 | 0x80) {
            assert_eq!(decode(V311, &bytes), Ok(suback(&[ReasonCode::new(code)])));
        } else {
            assert!(matches!(
                refused(V311, &bytes),
                Malformed::ReasonNotAllowed { .. }
            ));
        }
    }
    for reason in [ReasonCode::NOT_AUTHORIZED, ReasonCode::QUOTA_EXCEEDED] {
        assert_eq!(encode(V311, &suback(&[reason])), [0x90, 3, 0, 1, 0x80]);
    }
}

#[test]
fn a_3_1_server_cannot_refuse_a_subscription() {
    assert!(matches!(
        refused(V31, &[0x90, 3, 0, 1, 0x80]),
        Malformed::ReasonNotAllowed { .. }
    ));
    let refusal = [ReasonCode::UNSPECIFIED_ERROR];
    let not_in_version = EncodeError::NotInVersion {
        field: Field::ReasonCode,
    };
    assert_eq!(suback(&refusal).encoded_len(V31), Err(not_in_version));
}

#[test]
fn a_suback_without_reason_codes_is_refused() {
    let packet_type = PacketType::SubAck;
    for version in STANDARD {
        let bytes = packet(0x90, &[&[0, 1], no_properties(version)].concat());
        assert_eq!(
            refused(version, &bytes),
            Malformed::ReasonCodesEmpty { packet_type }
        );
        let missing = EncodeError::Missing {
            field: Field::ReasonCodes,
        };
        assert_eq!(suback(&[]).encoded_len(version), Err(missing));
    }
}
