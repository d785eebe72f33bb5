//! Mistakes that other implementations shipped, none of which is to be made here.
//!
//! Each class has crashed, hung or fooled a client or broker in use.

use mqtt_codec::{
    Ack, ConnAck, Connect, EncodeError, Malformed, PACKET_LEN_MAX, Packet, PacketId, PacketType,
    Properties, PropertyId, ReasonCode, frame,
};

use crate::support::{V5, V31, V311, block, decode, encode, packet, refused};

/// A read past the end of the packet into what follows it in the stream.
#[test]
fn regress_inner_length_does_not_reach_into_the_next_packet() {
    for (version, first, body) in [
        (V311, 0x30, &b"\0\x09t"[..]),
        (V5, 0x30, b"\0\x01t\x09\x01"),
        (V5, 0x30, b"\0\x01t\x02\x26\0"),
        (V311, 0x32, b"\0\x01t\0"),
        (V311, 0x82, b"\0\x01\0\x05a"),
        (V311, 0xA2, b"\0\x01\xFF\xFFa"),
        (V5, 0x20, b"\0\0\x05\x1F\0\x09ab"),
        (V5, 0x40, b"\0\x01\0\x0A"),
    ] {
        let mut bytes = packet(first, body);
        let len = bytes.len();
        bytes.extend([b'x'; 300]);
        let found = frame(&bytes, PACKET_LEN_MAX).unwrap().unwrap();
        assert_eq!(found.len, len);
        assert_eq!(
            Packet::decode(found, version).unwrap_err().kind,
            Malformed::Truncated
        );
    }
}

/// A field that runs over the end is waited for, and the connection hangs.
#[test]
fn regress_a_whole_packet_is_never_waited_for() {
    for len in 0..40 {
        for first in 0x10..=u8::MAX {
            let bytes = packet(first, &vec![0xFF; len]);
            assert!(!matches!(frame(&bytes, PACKET_LEN_MAX), Ok(None)));
        }
    }
}

/// Topic and properties longer than the packet make the payload length wrap.
#[test]
fn regress_the_payload_length_does_not_underflow() {
    for body in [
        &b"\xFF\xFF"[..],
        b"\0\x01t\xFF\xFF\xFF\x7F",
        b"\0\0\x7F",
        b"\0\x05ab",
    ] {
        assert_eq!(refused(V5, &packet(0x30, body)), Malformed::Truncated);
    }
    assert_eq!(refused(V5, &[0x30, 0]), Malformed::Truncated);
    assert_eq!(refused(V5, &[0x32, 1, 0]), Malformed::Truncated);
}

/// A PUBLISH of v5 that ends before its Property Length is taken for one without properties.
#[test]
fn regress_a_v5_publish_has_a_property_length() {
    assert_eq!(refused(V5, &packet(0x30, b"\0\x01t")), Malformed::Truncated);
    assert_eq!(
        refused(V5, &packet(0x32, b"\0\x01t\0\x01")),
        Malformed::Truncated
    );
}

/// A property that runs past its block eats the payload.
#[test]
fn regress_a_property_does_not_reach_into_the_payload() {
    let bytes = packet(0x30, b"\0\x01t\x04\x03\0\x09apayload!");
    assert_eq!(refused(V5, &bytes), Malformed::Truncated);
}

/// Integers of five bytes, padded ones and the largest one.
#[test]
fn regress_variable_byte_integers() {
    for (tail, kind) in [
        (
            &[0x80, 0x80, 0x80, 0x80, 0x00][..],
            Malformed::VarIntTooLong,
        ),
        (&[0xFF, 0xFF, 0xFF, 0xFF, 0x7F], Malformed::VarIntTooLong),
        (&[0xFF, 0xFF, 0xFF, 0xFF], Malformed::VarIntTooLong),
        (&[0x80, 0x80, 0x80, 0x00], Malformed::VarIntNotMinimal),
        (&[0x80, 0x00], Malformed::VarIntNotMinimal),
        (&[0x80], Malformed::Truncated),
        (&[0xFF, 0xFF, 0xFF, 0x7F], Malformed::Truncated),
    ] {
        let bytes = packet(0x30, &[b"\0\x01t", tail].concat());
        assert_eq!(refused(V5, &bytes), kind, "{tail:02x?}");
        if kind == Malformed::Truncated && tail.len() == 4 {
            // The largest Property Length is also the largest Subscription Identifier.
            continue;
        }
        let identifier = packet(
            0x30,
            &[b"\0\x01t", &block(&[&[0x0B], tail].concat())[..]].concat(),
        );
        assert_eq!(refused(V5, &identifier), kind, "{tail:02x?}");
    }
}

/// SUBACK and UNSUBACK without Reason Codes crash the client that looks at the first.
#[test]
fn regress_suback_and_unsuback_without_reason_codes() {
    for (version, bytes) in [
        (V31, &[0x90, 2, 0, 1][..]),
        (V311, &[0x90, 2, 0, 1]),
        (V5, &[0x90, 3, 0, 1, 0]),
    ] {
        let packet_type = PacketType::SubAck;
        assert_eq!(
            refused(version, bytes),
            Malformed::ReasonCodesEmpty { packet_type }
        );
    }
    let packet_type = PacketType::UnsubAck;
    assert_eq!(
        refused(V5, &[0xB0, 3, 0, 1, 0]),
        Malformed::ReasonCodesEmpty { packet_type }
    );
    assert_eq!(refused(V5, &[0x90, 2, 0, 1]), Malformed::Truncated);
}

/// A truncated SUBSCRIBE kills the broker.
#[test]
fn regress_a_truncated_subscribe_is_refused() {
    let whole = b"\0\x01\0\x03a/b\x01\0\x01c\x02";
    assert!(decode(V311, &packet(0x82, whole)).is_ok());
    for len in 0..whole.len() {
        let shorter = packet(0x82, &whole[..len]);
        if len == 8 {
            assert!(decode(V311, &shorter).is_ok());
        } else {
            assert!(decode(V311, &shorter).is_err(), "{len} bytes");
        }
    }
}

/// Properties of other packets, and repeated ones, are accepted, in the Will above all.
#[test]
fn regress_properties_are_checked_in_the_will_too() {
    let with = |will: &[u8]| {
        let will = block(will);
        packet(
            0x10,
            &[
                &b"\0\x04MQTT\x05\x06\0\0\0\0\x01c"[..],
                &will,
                b"\0\x01w\0\0",
            ]
            .concat(),
        )
    };
    assert!(decode(V5, &with(&[0x18, 0, 0, 0, 1])).is_ok());
    let property = PropertyId::WillDelayInterval;
    let twice = with(&[0x18, 0, 0, 0, 1, 0x18, 0, 0, 0, 1]);
    assert_eq!(
        refused(V5, &twice),
        Malformed::PropertyRepeated { property }
    );
    let property = PropertyId::TopicAlias;
    assert_eq!(
        refused(V5, &with(&[0x23, 0, 1])),
        Malformed::PropertyNotAllowed { property }
    );
}

/// Memory is set aside by the announced size before the client has said who it is.
#[test]
fn regress_the_announced_size_is_checked_before_the_body() {
    let header = [0x10, 0xFF, 0xFF, 0xFF, 0x7F];
    assert_eq!(
        frame(&header, 65_536).unwrap_err().kind,
        Malformed::PacketTooLarge
    );
    assert_eq!(frame(&header[..2], 65_536), Ok(None));
}

/// A crafted CONNACK, with and without its User Properties, crashes the client.
#[test]
fn regress_crafted_connack() {
    for tail in [
        &b"\x05\x26\0\x01a\0"[..],
        b"\x04\x26\0\x09a",
        b"\x03\x26\0\0",
        b"\x01\x26",
    ] {
        assert_eq!(
            refused(V5, &packet(0x20, &[&[0, 0], tail].concat())),
            Malformed::Truncated
        );
    }
    assert!(decode(V5, &packet(0x20, b"\0\0\x05\x26\0\0\0\0")).is_ok());
}

/// Acknowledgements come with 2, 3, 4 and more bytes, and one of them is misread.
#[test]
fn regress_acks_of_every_length() {
    let success = Packet::PubComp(Ack::new(PacketId::MIN));
    for body in [&[0, 1][..], &[0, 1, 0], &[0, 1, 0, 0]] {
        assert_eq!(decode(V5, &packet(0x70, body)), Ok(success));
    }
    assert!(decode(V5, &packet(0x70, b"\0\x01\0\x05\x26\0\0\0\0")).is_ok());
    assert_eq!(
        decode(V5, &[0xE0, 1, 0x04]).unwrap(),
        decode(V5, &[0xE0, 2, 4, 0]).unwrap()
    );
}

/// A few bytes make the receiver hold or pass on many.
#[test]
fn regress_what_was_read_is_never_longer_when_written() {
    for (version, bytes) in [
        (V5, packet(0xE0, &[0, 0])),
        (V5, packet(0xE0, &[])),
        (V5, packet(0x40, &[0, 1, 0, 0])),
        (V5, packet(0xF0, &[])),
        (V5, packet(0x30, b"\0\x01t\0")),
        (V31, packet(0x10, b"\0\x06MQIsdp\x03\xC2\0\0\0\x01c")),
    ] {
        let read = decode(version, &bytes).unwrap();
        let written = encode(version, &read);
        assert!(written.len() <= bytes.len(), "{read:?}");
    }
}

/// Strings over 65 535 bytes wrap in their length.
#[test]
fn regress_long_strings_do_not_wrap() {
    let client_id = "c".repeat(65_536 + 3);
    assert!(matches!(
        Connect::new(V5, &client_id).encoded_len(),
        Err(EncodeError::TooLong { .. })
    ));
}

/// A buffer that is too small is left half written.
#[test]
fn regress_a_failed_encode_leaves_the_buffer_alone() {
    let connack = Packet::ConnAck(ConnAck::default());
    let mut out = [0xA5; 4];
    assert_eq!(
        connack.encode(V5, &mut out),
        Err(EncodeError::BufferTooSmall { needed: 5 })
    );
    let ack = Ack {
        reason: ReasonCode::SERVER_BUSY,
        ..Ack::new(PacketId::MIN)
    };
    assert!(Packet::PubAck(ack).encode(V5, &mut out).is_err());
    assert_eq!(out, [0xA5; 4]);
}

/// Flags are patched at an offset that counts from the start of the buffer, not of the packet.
#[test]
fn regress_connect_behind_other_bytes_has_the_right_flags() {
    let connect = Packet::Connect(Connect {
        username: Some("u"),
        ..Connect::new(V311, "c")
    });
    let alone = encode(V311, &connect);
    let mut out = vec![0xA5; 7 + alone.len()];
    assert_eq!(connect.encode(V311, &mut out[7..]), Ok(alone.len()));
    assert_eq!(out[7..], alone);
}

/// A Message Expiry Interval of 0 is refused, which the standard allows.
#[test]
fn regress_message_expiry_0_is_allowed() {
    let bytes = packet(
        0x30,
        &[b"\0\x01t", &block(&[0x02, 0, 0, 0, 0])[..]].concat(),
    );
    let Ok(Packet::Publish(publish)) = decode(V5, &bytes) else {
        panic!()
    };
    assert_eq!(publish.properties.message_expiry_interval_s(), Some(0));
}

/// Properties are written in an order that differs from run to run.
#[test]
fn regress_the_order_of_properties_is_kept() {
    let raw = b"\x26\0\x01b\0\0\x02\0\0\0\x01\x26\0\x01a\0\0\x01\x01";
    let bytes = packet(0x30, &[b"\0\x01t", &block(raw)[..]].concat());
    let read = decode(V5, &bytes).unwrap();
    assert_eq!(encode(V5, &read), bytes);
    let Packet::Publish(publish) = read else {
        panic!()
    };
    assert!(
        publish
            .properties
            .user_properties()
            .eq([("b", ""), ("a", "")])
    );
    assert_ne!(publish.properties, Properties::EMPTY);
}

/// The Will bits without a Will, an empty Topic Name, no filter: accepted before v5 by some.
#[test]
fn regress_checks_that_v3_readers_leave_out() {
    let connect = packet(0x10, b"\0\x04MQTT\x04\x1A\0\0\0\x01c");
    assert_eq!(refused(V311, &connect), Malformed::WillFlagsWithoutWill);
    assert_eq!(
        refused(V311, &packet(0x30, b"\0\0")),
        Malformed::TopicNameEmpty
    );
    let packet_type = PacketType::Subscribe;
    assert_eq!(
        refused(V311, &[0x82, 2, 0, 1]),
        Malformed::FiltersEmpty { packet_type }
    );
}
