//! PUBACK, PUBREC, PUBREL and PUBCOMP.

use mqtt_codec::{
    Ack, EncodeError, Field, Malformed, Packet, PacketId, PacketType, Properties, Property,
    PropertyList, ReasonCode,
};

use crate::support::{
    STANDARD, V5, V31, V311, answer, decode, encode, packet, refused, refused_at,
};

const ACKS: [PacketType; 4] = [
    PacketType::PubAck,
    PacketType::PubRec,
    PacketType::PubRel,
    PacketType::PubComp,
];

fn ack<'a>(packet_type: PacketType, ack: Ack<'a>) -> Packet<'a> {
    match packet_type {
        PacketType::PubAck => Packet::PubAck(ack),
        PacketType::PubRec => Packet::PubRec(ack),
        PacketType::PubRel => Packet::PubRel(ack),
        _ => Packet::PubComp(ack),
    }
}

#[test]
fn two_bytes_mean_success_in_every_version() {
    for packet_type in ACKS {
        let bytes = packet(packet_type.first_byte(), &[0x12, 0x34]);
        let packet = ack(packet_type, Ack::new(PacketId::new(0x1234).unwrap()));
        for version in [V31, V311, V5] {
            assert_eq!(decode(version, &bytes), Ok(packet));
            assert_eq!(encode(version, &packet), bytes);
        }
    }
}

#[test]
fn three_bytes_are_a_reason_without_properties() {
    let reason = ReasonCode::NO_MATCHING_SUBSCRIBERS;
    let packet = Packet::PubAck(Ack {
        reason,
        ..Ack::new(PacketId::MIN)
    });
    assert_eq!(decode(V5, &[0x40, 3, 0, 1, 0x10]), Ok(packet));
    assert_eq!(encode(V5, &packet), [0x40, 3, 0, 1, 0x10]);
    let success = Packet::PubAck(Ack::new(PacketId::MIN));
    assert_eq!(decode(V5, &[0x40, 3, 0, 1, 0]), Ok(success));
    assert_eq!(encode(V5, &success), [0x40, 2, 0, 1]);
}

#[test]
fn four_bytes_are_a_reason_and_an_empty_block() {
    let success = Packet::PubRec(Ack::new(PacketId::MIN));
    assert_eq!(decode(V5, &[0x50, 4, 0, 1, 0, 0]), Ok(success));
}

#[test]
fn properties_come_with_a_reason() {
    let set = [Property::ReasonString("ok")];
    let list = PropertyList::new(&set);
    let properties = Properties::from(&list);
    for packet_type in ACKS {
        let packet = ack(
            packet_type,
            Ack {
                properties,
                ..Ack::new(PacketId::MIN)
            },
        );
        let bytes = encode(V5, &packet);
        assert_eq!(&bytes[1..], b"\x09\0\x01\0\x05\x1F\0\x02ok");
        assert_eq!(decode(V5, &bytes), Ok(packet));
        assert_eq!(&encode(V311, &packet)[1..], [2, 0, 1]);
    }
}

#[test]
fn before_v5_anything_behind_the_packet_identifier_is_refused() {
    for packet_type in ACKS {
        for version in [V31, V311] {
            let bytes = packet(packet_type.first_byte(), &[0, 1, 0]);
            assert_eq!(refused_at(version, &bytes), (Malformed::TrailingBytes, 4));
        }
    }
}

#[test]
fn packet_identifier_0_is_refused() {
    for packet_type in ACKS {
        for version in STANDARD {
            let bytes = packet(packet_type.first_byte(), &[0, 0]);
            assert_eq!(refused_at(version, &bytes), (Malformed::PacketIdZero, 2));
        }
    }
}

#[test]
fn shorter_and_longer_ones_are_refused() {
    for packet_type in ACKS {
        let first = packet_type.first_byte();
        for body in [&[][..], &[0]] {
            for version in STANDARD {
                assert_eq!(refused(version, &packet(first, body)), Malformed::Truncated);
            }
        }
        assert_eq!(
            refused(V5, &packet(first, &[0, 1, 0, 1])),
            Malformed::Truncated
        );
        assert_eq!(
            refused(V5, &packet(first, &[0, 1, 0, 0, 0])),
            Malformed::TrailingBytes
        );
    }
}

/// Covers: v5 [MQTT-3.4.2-1].
#[test]
fn v5_3_4_2_1_puback_has_its_own_reason_codes() {
    own_reason_codes(PacketType::PubAck, 9);
}

/// Covers: v5 [MQTT-3.5.2-1].
#[test]
fn v5_3_5_2_1_pubrec_has_its_own_reason_codes() {
    own_reason_codes(PacketType::PubRec, 9);
}

/// Covers: v5 [MQTT-3.6.2-1].
#[test]
fn v5_3_6_2_1_pubrel_has_its_own_reason_codes() {
    own_reason_codes(PacketType::PubRel, 2);
}

/// Covers: v5 [MQTT-3.7.2-1].
#[test]
fn v5_3_7_2_1_pubcomp_has_its_own_reason_codes() {
    own_reason_codes(PacketType::PubComp, 2);
}

/// All other Reason Codes are neither read nor written; `count` is the length of the table.
fn own_reason_codes(packet_type: PacketType, count: usize) {
    let mut allowed = 0;
    for code in 0..=u8::MAX {
        let reason = ReasonCode::new(code);
        let bytes = packet(packet_type.first_byte(), &[0, 1, code]);
        let packet = ack(
            packet_type,
            Ack {
                reason,
                ..Ack::new(PacketId::MIN)
            },
        );
        if reason.allowed_in(packet_type) {
            allowed += 1;
            assert_eq!(decode(V5, &bytes), Ok(packet));
        } else {
            let wrong = Malformed::ReasonNotAllowed {
                packet_type,
                reason: code,
            };
            assert_eq!(refused_at(V5, &bytes), (wrong, 4));
            assert_eq!(answer(V5, &bytes), ReasonCode::PROTOCOL_ERROR);
            let refused = EncodeError::ReasonNotAllowed {
                packet_type,
                reason,
            };
            assert_eq!(packet.encoded_len(V5), Err(refused));
        }
    }
    assert_eq!(allowed, count);
}

#[test]
fn an_error_is_not_written_before_v5() {
    for (packet_type, reason) in [
        (PacketType::PubAck, ReasonCode::NOT_AUTHORIZED),
        (PacketType::PubRec, ReasonCode::QUOTA_EXCEEDED),
        (PacketType::PubRel, ReasonCode::PACKET_IDENTIFIER_NOT_FOUND),
        (PacketType::PubComp, ReasonCode::PACKET_IDENTIFIER_NOT_FOUND),
    ] {
        let packet = ack(
            packet_type,
            Ack {
                reason,
                ..Ack::new(PacketId::MIN)
            },
        );
        let not_in_version = EncodeError::NotInVersion {
            field: Field::ReasonCode,
        };
        assert_eq!(packet.encoded_len(V311), Err(not_in_version));
        assert_eq!(packet.encoded_len(V5), Ok(5));
    }
    let reason = ReasonCode::NO_MATCHING_SUBSCRIBERS;
    let packet = Packet::PubAck(Ack {
        reason,
        ..Ack::new(PacketId::MIN)
    });
    assert_eq!(encode(V311, &packet), [0x40, 2, 0, 1]);
}

#[test]
fn an_ack_is_not_written_as_another_packet() {
    for packet_type in PacketType::ALL
        .into_iter()
        .filter(|any| !ACKS.contains(any))
    {
        let refused = Err(EncodeError::NotAnAck { packet_type });
        assert_eq!(
            Ack::new(PacketId::MIN).encoded_len(packet_type, V5),
            refused
        );
    }
}
