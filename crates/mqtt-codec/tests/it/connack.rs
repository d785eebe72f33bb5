//! CONNACK.

use mqtt_codec::{
    ConnAck, EncodeError, Malformed, Packet, PacketType, Properties, Property, PropertyList,
    ReasonCode,
};

use crate::support::{
    STANDARD, V5, V31, V311, answer, decode, encode, no_properties, packet, refused, refused_at,
};

/// Covers: v5 [MQTT-3.2.2-1].
#[test]
fn v5_3_2_2_1_reserved_acknowledge_flags_are_refused() {
    for version in STANDARD {
        for flags in 2..=u8::MAX {
            let bytes = packet(0x20, &[&[flags, 0], no_properties(version)].concat());
            assert_eq!(
                refused_at(version, &bytes),
                (Malformed::ConnAckFlagsReserved, 2)
            );
        }
        for session_present in [false, true] {
            let connack = ConnAck {
                session_present,
                ..ConnAck::default()
            };
            let bytes = encode(version, &Packet::ConnAck(connack));
            assert_eq!(bytes[2], u8::from(session_present));
            assert_eq!(decode(version, &bytes), Ok(Packet::ConnAck(connack)));
        }
    }
}

/// Covers: v5 [MQTT-3.2.2-8].
#[test]
fn v5_3_2_2_8_reason_codes_of_other_packets_are_refused() {
    for code in 0..=u8::MAX {
        let reason = ReasonCode::new(code);
        let connack = ConnAck {
            reason,
            ..ConnAck::default()
        };
        let bytes = packet(0x20, &[0, code, 0]);
        if reason.allowed_in(PacketType::ConnAck) {
            assert_eq!(decode(V5, &bytes), Ok(Packet::ConnAck(connack)));
            assert_eq!(encode(V5, &Packet::ConnAck(connack)), bytes);
        } else {
            let packet_type = PacketType::ConnAck;
            let wrong = Malformed::ReasonNotAllowed {
                packet_type,
                reason: code,
            };
            assert_eq!(refused_at(V5, &bytes), (wrong, 3));
            assert_eq!(answer(V5, &bytes), ReasonCode::PROTOCOL_ERROR);
            let refused = Err(EncodeError::ReasonNotAllowed {
                packet_type,
                reason,
            });
            assert_eq!(connack.encoded_len(V5), refused);
            assert_eq!(connack.encoded_len(V311), refused);
        }
    }
    let allowed = |code: &u8| ReasonCode::new(*code).allowed_in(PacketType::ConnAck);
    assert_eq!((0..=u8::MAX).filter(allowed).count(), 22);
}

#[test]
fn return_codes_before_v5_become_reason_codes() {
    let expected = [
        ReasonCode::SUCCESS,
        ReasonCode::UNSUPPORTED_PROTOCOL_VERSION,
        ReasonCode::CLIENT_IDENTIFIER_NOT_VALID,
        ReasonCode::SERVER_UNAVAILABLE,
        ReasonCode::BAD_USER_NAME_OR_PASSWORD,
        ReasonCode::NOT_AUTHORIZED,
    ];
    for version in [V31, V311] {
        for (code, reason) in (0..).zip(expected) {
            let packet = Packet::ConnAck(ConnAck {
                reason,
                ..ConnAck::default()
            });
            assert_eq!(decode(version, &[0x20, 2, 0, code]), Ok(packet));
            assert_eq!(encode(version, &packet), [0x20, 2, 0, code]);
        }
        for code in 6..=u8::MAX {
            assert!(matches!(
                refused(version, &[0x20, 2, 0, code]),
                Malformed::ReasonNotAllowed { .. }
            ));
        }
    }
}

#[test]
fn other_refusals_become_the_nearest_return_code() {
    for (reason, code) in [
        (ReasonCode::BANNED, 5),
        (ReasonCode::BAD_AUTHENTICATION_METHOD, 5),
        (ReasonCode::SERVER_BUSY, 3),
        (ReasonCode::QUOTA_EXCEEDED, 3),
        (ReasonCode::UNSPECIFIED_ERROR, 3),
    ] {
        let packet = Packet::ConnAck(ConnAck {
            reason,
            ..ConnAck::default()
        });
        assert_eq!(encode(V311, &packet), [0x20, 2, 0, code]);
    }
}

#[test]
fn session_present_in_a_refusal_is_refused() {
    let refusal = |version| {
        let code = if version == V5 { 0x87 } else { 5 };
        packet(0x20, &[&[1, code], no_properties(version)].concat())
    };
    for version in STANDARD {
        assert_eq!(
            refused(version, &refusal(version)),
            Malformed::SessionPresentWithError
        );
        let reason = ReasonCode::NOT_AUTHORIZED;
        let connack = ConnAck {
            session_present: true,
            reason,
            properties: Properties::EMPTY,
        };
        assert_eq!(
            connack.encoded_len(version),
            Err(EncodeError::SessionPresentWithError)
        );
    }
}

#[test]
fn a_3_1_client_is_not_told_of_its_session() {
    let connack = ConnAck {
        session_present: true,
        ..ConnAck::default()
    };
    assert_eq!(encode(V31, &Packet::ConnAck(connack)), [0x20, 2, 0, 0]);
    let read = decode(V31, &[0x20, 2, 1, 0]);
    assert_eq!(read, Ok(Packet::ConnAck(ConnAck::default())));
}

/// Covers: v5 [MQTT-2.2.2-1].
#[test]
fn v5_2_2_2_1_no_properties_are_one_byte() {
    let connack = Packet::ConnAck(ConnAck::default());
    assert_eq!(encode(V5, &connack), [0x20, 3, 0, 0, 0]);
    assert_eq!(refused(V5, &[0x20, 2, 0, 0]), Malformed::Truncated);
    assert_eq!(encode(V311, &connack), [0x20, 2, 0, 0]);
}

#[test]
fn properties_are_left_out_before_v5() {
    let set = [Property::ReasonString("no")];
    let list = PropertyList::new(&set);
    let connack = ConnAck {
        properties: Properties::from(&list),
        ..ConnAck::default()
    };
    assert_eq!(encode(V311, &Packet::ConnAck(connack)), [0x20, 2, 0, 0]);
    assert_eq!(
        encode(V5, &Packet::ConnAck(connack)),
        b"\x20\x08\0\0\x05\x1F\0\x02no"
    );
}

#[test]
fn other_lengths_are_refused() {
    assert_eq!(refused(V311, &[0x20, 0]), Malformed::Truncated);
    assert_eq!(refused(V311, &[0x20, 1, 0]), Malformed::Truncated);
    assert_eq!(refused(V311, &[0x20, 3, 0, 0, 0]), Malformed::TrailingBytes);
    assert_eq!(
        refused(V5, &[0x20, 4, 0, 0, 0, 0]),
        Malformed::TrailingBytes
    );
}
