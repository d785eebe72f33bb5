//! Strings: every place a packet has one goes through the same checks.

use mqtt_codec::{Malformed, Packet, ProtocolVersion, ReasonCode};

use crate::support::{
    STANDARD, V5, answer, block, decode, field, no_properties, packet, refused, refused_at,
};

/// Ill-formed: a surrogate, a stray continuation, an overlong slash, a value past U+10FFFF, a
/// character cut short.
const ILL_FORMED: [&[u8]; 5] = [
    b"a\xED\xA0\x80",
    b"\x80",
    b"\xC0\xAF",
    b"\xF4\x90\x80\x80",
    b"ok\xE2\x82",
];

/// Packets of `version` with `text` in one of their strings each.
fn with_text(version: ProtocolVersion, text: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let text = field(text);
    let none = no_properties(version);
    let level = version.level();
    let connect = |flags: u8, parts: &[&[u8]]| {
        let head = [b"\0\x04MQTT".as_slice(), &[level, flags, 0, 0], none].concat();
        packet(0x10, &[&head, parts.concat().as_slice()].concat())
    };
    let mut packets = vec![
        ("client identifier", connect(0x02, &[&text])),
        (
            "will topic",
            connect(0x06, &[b"\0\x01c", none, &text, b"\0\0"]),
        ),
        ("user name", connect(0x82, &[b"\0\x01c", &text])),
        ("topic name", packet(0x30, &[&text, none].concat())),
        (
            "subscribe",
            packet(0x82, &[&[0, 1], none, &text, &[0]].concat()),
        ),
        (
            "unsubscribe",
            packet(0xA2, &[&[0, 1], none, text.as_slice()].concat()),
        ),
    ];
    if version.has_properties() {
        let property = |id: u8| block(&[&[id], text.as_slice()].concat());
        let connack = |id| packet(0x20, &[&[0, 0], property(id).as_slice()].concat());
        let publish = |id| packet(0x30, &[b"\0\x01t", property(id).as_slice()].concat());
        let pair = |name: &[u8], value: &[u8]| block(&[&[0x26], name, value].concat());
        let puback = |pair: Vec<u8>| packet(0x40, &[&[0, 1, 0], pair.as_slice()].concat());
        packets.extend([
            ("content type", publish(0x03)),
            ("response topic", publish(0x08)),
            ("assigned client identifier", connack(0x12)),
            ("authentication method", connack(0x15)),
            ("response information", connack(0x1A)),
            ("server reference", connack(0x1C)),
            ("reason string", connack(0x1F)),
            ("user property name", puback(pair(&text, b"\0\x01v"))),
            ("user property value", puback(pair(b"\0\x01n", &text))),
        ]);
    }
    packets
}

/// Covers: v5 [MQTT-1.5.4-1], v3.1.1 [MQTT-1.5.3-1], v5 [MQTT-1.5.7-1].
#[test]
fn v5_1_5_4_1_ill_formed_utf_8_is_refused_in_every_string() {
    for version in STANDARD {
        for text in ILL_FORMED {
            for (place, bytes) in with_text(version, text) {
                assert_eq!(refused(version, &bytes), Malformed::Utf8Invalid, "{place}");
                assert_eq!(
                    answer(version, &bytes),
                    ReasonCode::MALFORMED_PACKET,
                    "{place}"
                );
            }
        }
    }
}

/// Covers: v5 [MQTT-1.5.4-2], v3.1.1 [MQTT-1.5.3-2], v5 [MQTT-1.5.7-1], v5 [MQTT-4.7.3-2], v3.1.1 [MQTT-4.7.3-2].
#[test]
fn v5_1_5_4_2_null_character_is_refused_in_every_string() {
    for version in STANDARD {
        for text in [
            &b"\0"[..],
            b"sensors\0",
            b"\0sensors",
            b"a rather long text \0 with it inside",
        ] {
            for (place, bytes) in with_text(version, text) {
                let invalid_topic = place == "response topic";
                let kind = refused(version, &bytes);
                assert!(
                    kind == Malformed::NullCharacter || invalid_topic,
                    "{place}: {kind:?}"
                );
            }
        }
    }
}

/// Covers: v5 [MQTT-3.1.3-4], v3.1.1 [MQTT-3.1.3-4].
#[test]
fn v5_3_1_3_4_client_identifier_is_a_string() {
    refused_in("client identifier");
}

/// Covers: v5 [MQTT-3.1.3-11], v3.1.1 [MQTT-3.1.3-10].
#[test]
fn v5_3_1_3_11_will_topic_is_a_string() {
    refused_in("will topic");
}

/// Covers: v5 [MQTT-3.1.3-12], v3.1.1 [MQTT-3.1.3-11].
#[test]
fn v5_3_1_3_12_user_name_is_a_string() {
    refused_in("user name");
}

/// Covers: v5 [MQTT-3.3.2-1], v3.1.1 [MQTT-3.3.2-1].
#[test]
fn v5_3_3_2_1_topic_name_is_a_string() {
    refused_in("topic name");
}

/// Covers: v5 [MQTT-3.3.2-13].
#[test]
fn v5_3_3_2_13_response_topic_is_a_string() {
    refused_in("response topic");
}

/// Covers: v5 [MQTT-3.3.2-19].
#[test]
fn v5_3_3_2_19_content_type_is_a_string() {
    refused_in("content type");
}

/// Covers: v5 [MQTT-3.8.3-1], v3.1.1 [MQTT-3.8.3-1].
#[test]
fn v5_3_8_3_1_topic_filter_of_subscribe_is_a_string() {
    refused_in("subscribe");
}

/// Covers: v5 [MQTT-3.10.3-1], v3.1.1 [MQTT-3.10.3-1].
#[test]
fn v5_3_10_3_1_topic_filter_of_unsubscribe_is_a_string() {
    refused_in("unsubscribe");
}

/// A string that is none is refused there, and one that is one is not.
fn refused_in(place: &str) {
    let find = |version, text: &[u8]| {
        with_text(version, text)
            .into_iter()
            .find(|(name, _)| *name == place)
            .map(|(_, bytes)| bytes)
    };
    assert!(find(V5, b"x").is_some());
    for version in STANDARD {
        for text in [&b"bad\xFF"[..], b"\0"] {
            if let Some(bytes) = find(version, text) {
                assert!(decode(version, &bytes).is_err());
            }
        }
        if let Some(bytes) = find(version, "gr\u{fc}n \u{1F600}".as_bytes()) {
            assert!(decode(version, &bytes).is_ok());
        }
    }
}

/// Covers: v5 [MQTT-1.5.4-3], v3.1.1 [MQTT-1.5.3-3].
#[test]
fn v5_1_5_4_3_byte_order_mark_stays_in_the_string() {
    for version in STANDARD {
        let bytes = packet(
            0x30,
            &[&field(b"\xEF\xBB\xBFt"), no_properties(version)].concat(),
        );
        let Ok(Packet::Publish(publish)) = decode(version, &bytes) else {
            panic!()
        };
        assert_eq!(publish.topic_name.unwrap().as_str(), "\u{FEFF}t");
        assert_eq!(
            crate::support::encode(version, &Packet::Publish(publish)),
            bytes
        );
    }
}

#[test]
fn control_characters_and_non_characters_are_accepted() {
    for text in ["\u{1}", "\u{7F}", "\u{FFFF}", "\u{1FFFE}"] {
        for version in STANDARD {
            let bytes = packet(0x30, &[&field(text), no_properties(version)].concat());
            assert!(decode(version, &bytes).is_ok());
        }
    }
}

#[test]
fn the_offset_is_that_of_the_first_wrong_byte() {
    let bytes = packet(0x30, b"\0\x04abc\xFF");
    assert_eq!(refused_at(V5, &bytes), (Malformed::Utf8Invalid, 7));
    let bytes = packet(0x20, &[&[0, 0][..], &block(b"\x1F\0\x03ab\0")].concat());
    assert_eq!(refused_at(V5, &bytes), (Malformed::NullCharacter, 10));
}

/// Strings that follow each other are looked at as one text, in which one that is cut short, or
/// lacks its start, may find what it lacks beside it: the last byte of a length is 0xC3 here, or
/// the first is 0xA9, and both together are a character.
#[test]
fn a_string_is_not_made_whole_by_its_neighbours() {
    let headless = [b"\xA9".as_slice(), &[b'a'; 0xC2]].concat();
    for version in STANDARD {
        let level = version.level();
        let head = [b"\0\x04MQTT".as_slice(), &[level, 0x82, 0, 0]].concat();
        let head = [head.as_slice(), no_properties(version)].concat();
        let connect = packet(
            0x10,
            &[&head, &field(&headless), &field("user")[..]].concat(),
        );
        let at = 3 + head.len() + 2;
        let wrong = |at: usize| (Malformed::Utf8Invalid, u32::try_from(at).unwrap());
        assert_eq!(refused_at(version, &connect), wrong(at));

        let connect = packet(0x10, &[&head, &field("c"), &field(&headless)[..]].concat());
        assert_eq!(refused_at(version, &connect), wrong(at + 3));

        let head = [&[0, 1], no_properties(version)].concat();
        let filters = [&head, &field("a"), &[0][..], &field(&headless), &[0]].concat();
        let at = 3 + head.len() + 6;
        assert_eq!(refused_at(version, &packet(0x82, &filters)), wrong(at));
    }
    // The Property Length of the Will is 169 = 0xA9 0x01.
    let text = field([b'a'; 82]);
    let will_properties = block(&[&[0x26], text.as_slice(), &text].concat());
    assert!(will_properties.starts_with(b"\xA9\x01"));
    let head = b"\0\x04MQTT\x05\x06\0\0\0";
    let will = [will_properties, field("t"), field("")].concat();
    let connect = |client_id: &[u8]| packet(0x10, &[head, &field(client_id)[..], &will].concat());
    assert!(decode(V5, &connect(b"ab")).is_ok());
    assert_eq!(
        refused_at(V5, &connect(b"a\xC3")),
        (Malformed::Utf8Invalid, 3 + 11 + 2 + 1)
    );
}

/// Texts too long to be looked at as one are read all the same, and so are those beside bytes
/// that are none.
#[test]
fn strings_are_read_beside_anything() {
    let head = b"\0\x04MQTT\x04\x86\0\0";
    for payload in [vec![0xFF; 10], vec![b'x'; 5000], vec![0xFF; 5000]] {
        let parts = [
            field("c"),
            field("t/\u{e9}"),
            field(&payload),
            field("\u{e9}"),
        ];
        let bytes = packet(0x10, &[head.as_slice(), &parts.concat()].concat());
        let Ok(Packet::Connect(connect)) = decode(ProtocolVersion::V311, &bytes) else {
            panic!("{:?}", decode(ProtocolVersion::V311, &bytes));
        };
        let will = connect.will.unwrap();
        assert_eq!((connect.client_id, connect.username), ("c", Some("\u{e9}")));
        assert_eq!(will.topic_name.as_str(), "t/\u{e9}");
        assert_eq!(will.payload, payload);
    }
}
