//! AUTH.

use mqtt_codec::{
    Auth, EncodeError, Field, Malformed, Packet, PacketType, Properties, Property, PropertyId,
    PropertyList, ReasonCode,
};

use crate::support::{V5, V31, V311, answer, block, decode, encode, packet, refused, refused_at};

/// An AUTH of this Reason Code and method.
fn auth(code: u8) -> Vec<u8> {
    packet(
        0xF0,
        &[&[code], block(b"\x15\0\x05SCRAM").as_slice()].concat(),
    )
}

#[test]
fn every_step_names_its_method() {
    let set = [Property::AuthenticationMethod("SCRAM")];
    let list = PropertyList::new(&set);
    for reason in [
        ReasonCode::SUCCESS,
        ReasonCode::CONTINUE_AUTHENTICATION,
        ReasonCode::RE_AUTHENTICATE,
    ] {
        let packet = Packet::Auth(Auth {
            reason,
            properties: Properties::from(&list),
        });
        assert_eq!(encode(V5, &packet), auth(reason.get()));
        assert_eq!(decode(V5, &auth(reason.get())), Ok(packet));
    }
}

#[test]
fn the_shortest_auth_is_a_success() {
    let success = Packet::Auth(Auth::default());
    assert_eq!(decode(V5, &[0xF0, 0]), Ok(success));
    assert_eq!(encode(V5, &success), [0xF0, 0]);
    assert_eq!(decode(V5, &[0xF0, 2, 0, 0]), Ok(success));
    assert_eq!(refused(V5, &[0xF0, 1, 0]), Malformed::Truncated);
}

#[test]
fn a_missing_method_is_refused() {
    for bytes in [
        packet(0xF0, &[0x18, 0]),
        packet(0xF0, &[0x19, 0]),
        packet(0xF0, &[&[0x18], block(b"\x1F\0\x01r").as_slice()].concat()),
        packet(0xF0, &[&[0x18], block(b"\x16\0\x01d").as_slice()].concat()),
        packet(0xF0, &[&[0x00], block(b"\x1F\0\x01r").as_slice()].concat()),
    ] {
        assert_eq!(refused(V5, &bytes), Malformed::AuthenticationMethodMissing);
        assert_eq!(answer(V5, &bytes), ReasonCode::PROTOCOL_ERROR);
    }
    let reason = ReasonCode::CONTINUE_AUTHENTICATION;
    let missing = EncodeError::Missing {
        field: Field::Property(PropertyId::AuthenticationMethod),
    };
    let without = Auth {
        reason,
        properties: Properties::EMPTY,
    };
    assert_eq!(without.encoded_len(V5), Err(missing));
}

/// Covers: v5 [MQTT-3.15.2-1].
#[test]
fn v5_3_15_2_1_auth_has_its_own_reason_codes() {
    let packet_type = PacketType::Auth;
    for code in (0..=u8::MAX).filter(|code| !matches!(code, 0x00 | 0x18 | 0x19)) {
        let wrong = Malformed::ReasonNotAllowed {
            packet_type,
            reason: code,
        };
        assert_eq!(refused_at(V5, &auth(code)), (wrong, 2));
        assert_eq!(answer(V5, &auth(code)), ReasonCode::PROTOCOL_ERROR);
        let reason = ReasonCode::new(code);
        let refused = EncodeError::ReasonNotAllowed {
            packet_type,
            reason,
        };
        assert_eq!(
            Auth {
                reason,
                ..Auth::default()
            }
            .encoded_len(V5),
            Err(refused)
        );
    }
}

#[test]
fn before_v5_there_is_no_auth() {
    let packet_type = PacketType::Auth;
    for version in [V31, V311] {
        let expected = Malformed::PacketTypeNotInVersion { packet_type };
        assert_eq!(refused(version, &auth(0x18)), expected);
        let not_in_version = EncodeError::NotInVersion {
            field: Field::PacketType(packet_type),
        };
        assert_eq!(Auth::default().encoded_len(version), Err(not_in_version));
    }
}
