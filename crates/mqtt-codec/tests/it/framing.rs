//! The fixed header: type, flags and Remaining Length.

use mqtt_codec::{
    DecodeError, Frame, Malformed, PACKET_LEN_MAX, Packet, PacketType, ReasonCode, bytes_missing,
    frame,
};

use crate::support::{STANDARD, V5, V31, V311, answer, decode, packet, refused};

fn error_of(bytes: &[u8]) -> Malformed {
    frame(bytes, PACKET_LEN_MAX).unwrap_err().kind
}

#[test]
fn nothing_is_decided_before_the_packet_is_whole() {
    let bytes = packet(0x30, b"\0\x01tpayload");
    for len in 0..bytes.len() {
        assert_eq!(
            frame(&bytes[..len], PACKET_LEN_MAX),
            Ok(None),
            "{len} bytes"
        );
    }
    let found = frame(&bytes, PACKET_LEN_MAX).unwrap().unwrap();
    assert_eq!(
        found,
        Frame {
            first: 0x30,
            body: &bytes[2..],
            len: bytes.len()
        }
    );
    assert_eq!(
        (found.packet_type(), found.flags()),
        (Some(PacketType::Publish), 0)
    );
}

#[test]
fn bytes_behind_the_packet_are_left_alone() {
    let found = frame(&[0xC0, 0, 0xD0, 0], PACKET_LEN_MAX).unwrap().unwrap();
    assert_eq!((found.len, found.body), (2, &[][..]));
}

#[test]
fn bytes_missing_counts_down_to_the_packet() {
    assert_eq!(bytes_missing(&[]), 2);
    assert_eq!(bytes_missing(&[0x30]), 1);
    assert_eq!(bytes_missing(&[0x30, 0x80]), 1);
    assert_eq!(bytes_missing(&[0x30, 0x80, 0x01]), 128);
    assert_eq!(bytes_missing(&[0x30, 3, 0]), 2);
    assert_eq!(bytes_missing(&[0x30, 3, 0, 1, b't', 9]), 0);
    assert_eq!(bytes_missing(&[0x00]), 0);
    assert_eq!(bytes_missing(&[0x30, 0x80, 0x00]), 0);
}

/// Covers: v5 [MQTT-1.5.5-1].
#[test]
fn v5_1_5_5_1_padded_remaining_length_is_refused() {
    for bytes in [
        &[0xC0, 0x80, 0x00][..],
        &[0xC0, 0xFF, 0x00],
        &[0x30, 0x80, 0x80, 0x80, 0x00],
    ] {
        assert_eq!(error_of(bytes), Malformed::VarIntNotMinimal);
    }
}

/// Covers: v5 [MQTT-1.5.5-1].
#[test]
fn v5_1_5_5_1_remaining_length_is_written_in_its_shortest_form() {
    for (payload_len, header) in [
        (124, &[0x30, 127][..]),
        (125, &[0x30, 0x80, 0x01]),
        (16_380, &[0x30, 0xFF, 0x7F]),
        (16_381, &[0x30, 0x80, 0x80, 0x01]),
        (2_097_148, &[0x30, 0xFF, 0xFF, 0x7F]),
        (2_097_149, &[0x30, 0x80, 0x80, 0x80, 0x01]),
    ] {
        let body = [b"\0\x01t".as_slice(), &vec![7; payload_len]].concat();
        let bytes = packet(0x30, &body);
        assert!(bytes.starts_with(header));
        let read = decode(V311, &bytes).unwrap();
        assert_eq!(crate::support::encode(V311, &read), bytes);
    }
}

#[test]
fn remaining_length_of_five_bytes_is_refused_before_the_fifth() {
    assert_eq!(frame(&[0x30, 0x80, 0x80, 0x80], PACKET_LEN_MAX), Ok(None));
    assert_eq!(
        error_of(&[0x30, 0x80, 0x80, 0x80, 0x80]),
        Malformed::VarIntTooLong
    );
    assert_eq!(
        error_of(&[0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F]),
        Malformed::VarIntTooLong
    );
}

#[test]
fn the_largest_packet_is_not_too_large() {
    let header = [0x30, 0xFF, 0xFF, 0xFF, 0x7F];
    assert_eq!(frame(&header, PACKET_LEN_MAX), Ok(None));
    assert_eq!(bytes_missing(&header), 268_435_455);
    let too_large = DecodeError {
        kind: Malformed::PacketTooLarge,
        at: 1,
    };
    assert_eq!(frame(&header, PACKET_LEN_MAX - 1), Err(too_large));
}

#[test]
fn a_packet_that_is_too_large_is_refused_by_its_header_alone() {
    let error = frame(&[0x30, 99], 100).unwrap_err();
    assert_eq!(error.kind, Malformed::PacketTooLarge);
    assert_eq!(error.reason_code(), ReasonCode::PACKET_TOO_LARGE);
    assert_eq!(frame(&[0x30, 98], 100), Ok(None));
}

/// Covers: v5 [MQTT-2.1.3-1], v3.1.1 [MQTT-2.2.2-1], v3.1.1 [MQTT-2.2.2-2].
#[test]
fn v5_2_1_3_1_reserved_flags_are_refused_in_the_first_byte() {
    for packet_type in PacketType::ALL {
        if packet_type == PacketType::Publish {
            continue;
        }
        let listed = packet_type.first_byte();
        for flags in 0..16 {
            let first = (listed & 0xF0) | flags;
            let may_be_dup = listed & 0x0F == 0x02 && flags == 0x0A;
            if first == listed || may_be_dup {
                assert_eq!(frame(&[first], PACKET_LEN_MAX), Ok(None), "{first:02x}");
            } else {
                let error = frame(&[first], PACKET_LEN_MAX).unwrap_err();
                assert_eq!(
                    error.kind,
                    Malformed::FlagsReserved { packet_type },
                    "{first:02x}"
                );
                assert_eq!(error.reason_code(), ReasonCode::MALFORMED_PACKET);
            }
        }
    }
}

/// Covers: v5 [MQTT-3.6.1-1], v3.1.1 [MQTT-3.6.1-1].
#[test]
fn v5_3_6_1_1_pubrel_flags_are_2() {
    flags_are_2(PacketType::PubRel, &[0, 1]);
}

/// Covers: v5 [MQTT-3.8.1-1], v3.1.1 [MQTT-3.8.1-1].
#[test]
fn v5_3_8_1_1_subscribe_flags_are_2() {
    flags_are_2(PacketType::Subscribe, &[0, 1, 0, 0, 1, b't', 0]);
}

/// Covers: v5 [MQTT-3.10.1-1], v3.1.1 [MQTT-3.10.1-1].
#[test]
fn v5_3_10_1_1_unsubscribe_flags_are_2() {
    flags_are_2(PacketType::Unsubscribe, &[0, 1, 0, 0, 1, b't']);
}

/// `body` is that of a v5 packet; its empty property block is left out for 3.1.1.
fn flags_are_2(packet_type: PacketType, body: &[u8]) {
    let number = packet_type.get() << 4;
    for version in STANDARD {
        let mut body = body.to_vec();
        if !version.has_properties() && body.len() > 2 {
            body.remove(2);
        }
        assert!(decode(version, &packet(number | 2, &body)).is_ok());
        for flags in (0..16).filter(|flags| *flags != 2) {
            let bytes = packet(number | flags, &body);
            assert_eq!(
                refused(version, &bytes),
                Malformed::FlagsReserved { packet_type }
            );
            assert_eq!(answer(version, &bytes), ReasonCode::MALFORMED_PACKET);
        }
    }
}

#[test]
fn a_3_1_peer_may_repeat_with_dup() {
    for bytes in [
        packet(0x6A, &[0, 1]),
        packet(0x8A, &[0, 1, 0, 1, b't', 0]),
        packet(0xAA, &[0, 1, 0, 1, b't']),
    ] {
        assert!(decode(V31, &bytes).is_ok());
        assert!(matches!(
            refused(V311, &bytes),
            Malformed::FlagsReserved { .. }
        ));
    }
}

/// Covers: v5 [MQTT-3.14.1-1], v3.1.1 [MQTT-3.14.1-1].
#[test]
fn v5_3_14_1_1_disconnect_flags_are_0() {
    for version in STANDARD {
        for flags in 1..16 {
            let bytes = packet(0xE0 | flags, &[]);
            assert_eq!(answer(version, &bytes), ReasonCode::MALFORMED_PACKET);
        }
    }
}

/// Covers: v5 [MQTT-3.15.1-1].
#[test]
fn v5_3_15_1_1_auth_flags_are_0() {
    for flags in 1..16 {
        assert_eq!(
            answer(V5, &packet(0xF0 | flags, &[])),
            ReasonCode::MALFORMED_PACKET
        );
    }
}

#[test]
fn type_0_is_refused_in_the_first_byte() {
    for first in 0x00..0x10 {
        assert_eq!(error_of(&[first]), Malformed::PacketTypeReserved);
    }
}

#[test]
fn a_frame_made_by_hand_is_checked_again() {
    let made = |first, body| Frame {
        first,
        body,
        len: 0,
    };
    for (first, kind) in [
        (0x00, Malformed::PacketTypeReserved),
        (
            0x41,
            Malformed::FlagsReserved {
                packet_type: PacketType::PubAck,
            },
        ),
        (
            0xC1,
            Malformed::FlagsReserved {
                packet_type: PacketType::PingReq,
            },
        ),
    ] {
        assert_eq!(
            Packet::decode(made(first, &[0, 1]), V5).unwrap_err().kind,
            kind
        );
    }
    assert_eq!(
        Packet::decode(made(0x36, &[0, 1, b't', 0, 1, 0]), V5)
            .unwrap_err()
            .kind,
        Malformed::QosInvalid
    );
}

#[test]
fn ping_packets_are_two_bytes() {
    for version in [V31, V311, V5] {
        assert_eq!(decode(version, &[0xC0, 0]), Ok(Packet::PingReq));
        assert_eq!(decode(version, &[0xD0, 0]), Ok(Packet::PingResp));
        assert_eq!(refused(version, &[0xC0, 1, 0]), Malformed::TrailingBytes);
        assert_eq!(refused(version, &[0xD0, 1, 0]), Malformed::TrailingBytes);
        assert_eq!(crate::support::encode(version, &Packet::PingReq), [0xC0, 0]);
        assert_eq!(
            crate::support::encode(version, &Packet::PingResp),
            [0xD0, 0]
        );
    }
}
