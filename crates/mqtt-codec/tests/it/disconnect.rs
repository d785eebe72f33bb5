//! DISCONNECT.

use mqtt_codec::{
    Disconnect, EncodeError, Field, Malformed, Packet, PacketType, Properties, Property,
    PropertyList, ReasonCode,
};

use crate::support::{V5, V31, V311, answer, decode, encode, packet, refused, refused_at};

fn disconnect(reason: ReasonCode) -> Packet<'static> {
    Packet::Disconnect(Disconnect {
        reason,
        properties: Properties::EMPTY,
    })
}

#[test]
fn an_empty_body_is_a_normal_disconnection() {
    let normal = disconnect(ReasonCode::NORMAL_DISCONNECTION);
    for version in [V31, V311, V5] {
        assert_eq!(decode(version, &[0xE0, 0]), Ok(normal));
        assert_eq!(encode(version, &normal), [0xE0, 0]);
    }
    assert_eq!(decode(V5, &[0xE0, 1, 0]), Ok(normal));
    assert_eq!(decode(V5, &[0xE0, 2, 0, 0]), Ok(normal));
}

#[test]
fn a_reason_may_come_without_properties() {
    let taken_over = disconnect(ReasonCode::SESSION_TAKEN_OVER);
    assert_eq!(decode(V5, &[0xE0, 1, 0x8E]), Ok(taken_over));
    assert_eq!(decode(V5, &[0xE0, 2, 0x8E, 0]), Ok(taken_over));
    assert_eq!(encode(V5, &taken_over), [0xE0, 1, 0x8E]);
}

#[test]
fn properties_come_with_a_reason() {
    let set = [Property::SessionExpiryInterval(7)];
    let list = PropertyList::new(&set);
    let properties = Properties::from(&list);
    let packet = Packet::Disconnect(Disconnect {
        reason: ReasonCode::SUCCESS,
        properties,
    });
    let bytes = encode(V5, &packet);
    assert_eq!(bytes, [0xE0, 7, 0, 5, 0x11, 0, 0, 0, 7]);
    assert_eq!(decode(V5, &bytes), Ok(packet));
    assert_eq!(encode(V311, &packet), [0xE0, 0]);
}

#[test]
fn before_v5_there_is_no_body() {
    for version in [V31, V311] {
        assert_eq!(
            refused_at(version, &[0xE0, 1, 0]),
            (Malformed::TrailingBytes, 2)
        );
        for reason in [
            ReasonCode::SERVER_BUSY,
            ReasonCode::DISCONNECT_WITH_WILL_MESSAGE,
        ] {
            let not_in_version = EncodeError::NotInVersion {
                field: Field::ReasonCode,
            };
            assert_eq!(disconnect(reason).encoded_len(version), Err(not_in_version));
        }
    }
}

/// Covers: v5 [MQTT-3.14.2-1].
#[test]
fn v5_3_14_2_1_disconnect_has_its_own_reason_codes() {
    let packet_type = PacketType::Disconnect;
    let mut allowed = 0;
    for code in 0..=u8::MAX {
        let reason = ReasonCode::new(code);
        let bytes = packet(0xE0, &[code, 0]);
        if reason.allowed_in(packet_type) {
            allowed += 1;
            assert_eq!(decode(V5, &bytes), Ok(disconnect(reason)));
        } else {
            let wrong = Malformed::ReasonNotAllowed {
                packet_type,
                reason: code,
            };
            assert_eq!(refused_at(V5, &bytes), (wrong, 2));
            assert_eq!(answer(V5, &bytes), ReasonCode::PROTOCOL_ERROR);
            let refused = EncodeError::ReasonNotAllowed {
                packet_type,
                reason,
            };
            assert_eq!(disconnect(reason).encoded_len(V5), Err(refused));
        }
    }
    // Those of its own table, and 0x8C, which the table of all Reason Codes gives it.
    assert_eq!(allowed, 30);
}

#[test]
fn bytes_behind_the_properties_are_refused() {
    assert_eq!(refused(V5, &[0xE0, 3, 0, 0, 0]), Malformed::TrailingBytes);
}
