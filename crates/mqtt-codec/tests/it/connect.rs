//! CONNECT.

use mqtt_codec::{
    Connect, EncodeError, Field, Lenience, Malformed, PACKET_LEN_MAX, Packet, ProtocolVersion, QoS,
    ReasonCode, Will, frame,
};

use crate::support::{
    STANDARD, V5, V31, V311, answer, block, decode, encode, field, name, no_properties, packet,
    refused, refused_at,
};

/// A CONNECT of these flags and payload fields.
fn connect(version: ProtocolVersion, flags: u8, payload: &[&[u8]]) -> Vec<u8> {
    let head = [
        &field(version.protocol_name())[..],
        &[version.level(), flags, 0, 60],
    ]
    .concat();
    packet(
        0x10,
        &[&head, no_properties(version), &payload.concat()].concat(),
    )
}

fn read(bytes: &[u8]) -> Connect<'_> {
    Connect::decode(frame(bytes, PACKET_LEN_MAX).unwrap().unwrap()).unwrap()
}

fn lenient(bytes: &[u8], lenience: Lenience) -> Result<Connect<'_>, Malformed> {
    let found = frame(bytes, PACKET_LEN_MAX).unwrap().unwrap();
    Connect::decode_lenient(found, lenience).map_err(|error| error.kind)
}

fn full(version: ProtocolVersion) -> Connect<'static> {
    let will = Will {
        topic_name: name("w/t"),
        payload: b"gone",
        qos: QoS::ExactlyOnce,
        retain: true,
        properties: mqtt_codec::Properties::EMPTY,
    };
    Connect {
        keep_alive_s: 60,
        clean_start: true,
        will: Some(will),
        username: Some("user"),
        password: Some(b"\0pass"),
        ..Connect::new(version, "client")
    }
}

/// Covers: v5 [MQTT-3.1.3-1], v5 [MQTT-3.1.3-3], v5 [MQTT-3.1.2-9], v3.1.1 [MQTT-3.1.3-1], v3.1.1 [MQTT-3.1.3-3], v3.1.1 [MQTT-3.1.2-9].
#[test]
fn v5_3_1_3_1_payload_fields_stand_in_order() {
    for version in [V31, V311, V5] {
        let none = no_properties(version);
        let bytes = connect(
            version,
            0xF6,
            &[
                b"\0\x06client",
                none,
                b"\0\x03w/t\0\x04gone",
                b"\0\x04user",
                b"\0\x05\0pass",
            ],
        );
        let packet = Packet::Connect(full(version));
        assert_eq!(encode(version, &packet), bytes);
        assert_eq!(decode(version, &bytes), Ok(packet));
        assert_eq!(read(&bytes), full(version));
    }
}

#[test]
fn connect_says_its_version_itself() {
    for version in [V31, V311, V5] {
        let bytes = connect(version, 0x02, &[b"\0\x01c"]);
        let found = frame(&bytes, PACKET_LEN_MAX).unwrap().unwrap();
        assert_eq!(Connect::version_of(found), Some(version));
        for other in [V31, V311, V5] {
            assert!(
                matches!(decode(other, &bytes), Ok(Packet::Connect(read)) if read.version == version)
            );
        }
    }
    let found = frame(&[0xC0, 0], PACKET_LEN_MAX).unwrap().unwrap();
    assert_eq!(Connect::version_of(found), None);
}

/// Covers: v5 [MQTT-3.1.2-1], v3.1.1 [MQTT-3.1.2-1].
#[test]
fn v5_3_1_2_1_wrong_protocol_name_is_refused() {
    for name in ["mqtt", "MQTT ", "MQISDP", "", "HTTP/1.1"] {
        for level in [3, 4, 5] {
            let bytes = packet(
                0x10,
                &[&field(name)[..], &[level, 2, 0, 0, 0, 1, b'c']].concat(),
            );
            assert_eq!(refused_at(V5, &bytes), (Malformed::ProtocolNameUnknown, 2));
            assert_eq!(answer(V5, &bytes), ReasonCode::UNSUPPORTED_PROTOCOL_VERSION);
        }
    }
}

#[test]
fn v5_3_1_2_2_wrong_protocol_level_is_refused() {
    for (name, level) in [
        ("MQTT", 3),
        ("MQTT", 6),
        ("MQTT", 0),
        ("MQIsdp", 4),
        ("MQIsdp", 5),
    ] {
        let bytes = packet(
            0x10,
            &[&field(name)[..], &[level, 2, 0, 0, 0, 0, 1, b'c']].concat(),
        );
        assert_eq!(
            refused(V5, &bytes),
            Malformed::ProtocolLevelUnsupported { level }
        );
        assert_eq!(answer(V5, &bytes), ReasonCode::UNSUPPORTED_PROTOCOL_VERSION);
    }
}

/// Covers: v5 [MQTT-3.1.2-3], v3.1.1 [MQTT-3.1.2-3].
#[test]
fn v5_3_1_2_3_reserved_connect_flag_is_refused() {
    for version in [V31, V311, V5] {
        let bytes = connect(version, 0x03, &[b"\0\x01c"]);
        assert_eq!(refused(version, &bytes), Malformed::ConnectFlagsReserved);
        assert_eq!(answer(version, &bytes), ReasonCode::MALFORMED_PACKET);
        for flags in 0..=u8::MAX {
            let packet = Connect {
                clean_start: flags & 2 != 0,
                ..full(version)
            };
            assert_eq!(
                encode(version, &Packet::Connect(packet))
                    [2 + 2 + version.protocol_name().len() + 1]
                    & 1,
                0
            );
        }
    }
}

/// Covers: v5 [MQTT-3.1.2-11], v3.1.1 [MQTT-3.1.2-11], v3.1.1 [MQTT-3.1.2-13].
#[test]
fn v5_3_1_2_11_will_qos_without_will_is_refused() {
    for version in STANDARD {
        for flags in [0x0A, 0x12] {
            let bytes = connect(version, flags, &[b"\0\x01c"]);
            assert_eq!(refused(version, &bytes), Malformed::WillFlagsWithoutWill);
        }
        let packet = Packet::Connect(Connect {
            will: None,
            ..full(version)
        });
        assert_eq!(encode(version, &packet)[9] & 0x3C, 0);
    }
}

/// Covers: v5 [MQTT-3.1.2-13], v3.1.1 [MQTT-3.1.2-11], v3.1.1 [MQTT-3.1.2-15].
#[test]
fn v5_3_1_2_13_will_retain_without_will_is_refused() {
    for version in STANDARD {
        let bytes = connect(version, 0x22, &[b"\0\x01c"]);
        assert_eq!(refused(version, &bytes), Malformed::WillFlagsWithoutWill);
        let packet = Packet::Connect(Connect {
            will: None,
            ..full(version)
        });
        assert_eq!(encode(version, &packet)[9] & 0x20, 0);
    }
}

/// Covers: v5 [MQTT-3.1.2-12], v3.1.1 [MQTT-3.1.2-14].
#[test]
fn v5_3_1_2_12_will_qos_3_is_refused() {
    for version in STANDARD {
        let none = no_properties(version);
        let will = |flags| connect(version, flags, &[b"\0\x01c", none, b"\0\x01w\0\0"]);
        for (flags, qos) in [
            (0x06, QoS::AtMostOnce),
            (0x0E, QoS::AtLeastOnce),
            (0x16, QoS::ExactlyOnce),
        ] {
            assert_eq!(read(&will(flags)).will.unwrap().qos, qos);
        }
        assert_eq!(refused(version, &will(0x1E)), Malformed::WillQosInvalid);
        assert_eq!(answer(version, &will(0x1E)), ReasonCode::MALFORMED_PACKET);
    }
}

/// Covers: v5 [MQTT-3.1.2-9], v3.1.1 [MQTT-3.1.2-9].
#[test]
fn v5_3_1_2_9_will_fields_must_be_there() {
    for version in STANDARD {
        let none = no_properties(version);
        for payload in [&[][..], none, b"\0\x01w", b"\0\x01w\0\x05gone"] {
            let bytes = connect(version, 0x06, &[b"\0\x01c", payload]);
            let kind = refused(version, &bytes);
            assert!(
                matches!(kind, Malformed::Truncated),
                "{payload:?}: {kind:?}"
            );
        }
    }
}

/// Covers: v5 [MQTT-3.1.2-16], v3.1.1 [MQTT-3.1.2-18].
#[test]
fn v5_3_1_2_16_user_name_without_its_flag_is_refused() {
    for version in STANDARD {
        let bytes = connect(version, 0x02, &[b"\0\x01c", b"\0\x04user"]);
        assert_eq!(refused(version, &bytes), Malformed::TrailingBytes);
    }
}

/// Covers: v5 [MQTT-3.1.2-17], v3.1.1 [MQTT-3.1.2-19].
#[test]
fn v5_3_1_2_17_user_name_flag_without_user_name_is_refused() {
    for version in STANDARD {
        let bytes = connect(version, 0x82, &[b"\0\x01c"]);
        assert_eq!(refused(version, &bytes), Malformed::Truncated);
    }
}

/// Covers: v5 [MQTT-3.1.2-18], v3.1.1 [MQTT-3.1.2-20].
#[test]
fn v5_3_1_2_18_password_without_its_flag_is_refused() {
    for version in STANDARD {
        let bytes = connect(version, 0x82, &[b"\0\x01c", b"\0\x04user", b"\0\x04pass"]);
        assert_eq!(refused(version, &bytes), Malformed::TrailingBytes);
    }
}

/// Covers: v5 [MQTT-3.1.2-19], v3.1.1 [MQTT-3.1.2-21].
#[test]
fn v5_3_1_2_19_password_flag_without_password_is_refused() {
    for version in STANDARD {
        let bytes = connect(version, 0xC2, &[b"\0\x01c", b"\0\x04user"]);
        assert_eq!(refused(version, &bytes), Malformed::Truncated);
    }
}

/// Covers: v3.1.1 [MQTT-3.1.2-22].
#[test]
fn v311_3_1_2_22_password_needs_a_user_name() {
    let alone = [&b"\0\x01c"[..], b"\0\x04pass"];
    for version in [V31, V311] {
        let bytes = connect(version, 0x42, &alone);
        assert_eq!(refused(version, &bytes), Malformed::PasswordWithoutUserName);
        let packet = Connect {
            username: None,
            ..full(version)
        };
        let missing = EncodeError::Missing {
            field: Field::UserName,
        };
        assert_eq!(packet.encoded_len(), Err(missing));
    }
    assert_eq!(
        read(&connect(V5, 0x42, &alone)).password,
        Some(&b"pass"[..])
    );
}

/// Covers: v3.1.1 [MQTT-3.1.3-7].
#[test]
fn v311_3_1_3_7_empty_client_identifier_needs_clean_session() {
    let empty = [&b"\0\0"[..]];
    assert_eq!(
        refused(V311, &connect(V311, 0x00, &empty)),
        Malformed::ClientIdEmpty
    );
    assert_eq!(
        answer(V311, &connect(V311, 0x00, &empty)),
        ReasonCode::CLIENT_IDENTIFIER_NOT_VALID
    );
    assert_eq!(read(&connect(V311, 0x02, &empty)).client_id, "");
    assert_eq!(read(&connect(V5, 0x00, &empty)).client_id, "");
    let packet = Connect {
        clean_start: false,
        ..Connect::new(V311, "")
    };
    assert_eq!(
        packet.encoded_len(),
        Err(EncodeError::Missing {
            field: Field::ClientId
        })
    );
}

#[test]
fn a_3_1_client_identifier_has_1_to_23_characters() {
    let longest = "\u{e4}".repeat(23);
    assert_eq!(
        read(&connect(V31, 0x02, &[&field(&longest)])).client_id,
        longest
    );
    assert_eq!(
        refused(V31, &connect(V31, 0x02, &[b"\0\0"])),
        Malformed::ClientIdEmpty
    );
    let long = connect(V31, 0x02, &[&field("c".repeat(24))]);
    assert_eq!(refused(V31, &long), Malformed::ClientIdTooLong);
    let forgiving = Lenience {
        long_client_id: true,
        ..Lenience::STRICT
    };
    assert_eq!(lenient(&long, forgiving).unwrap().client_id.len(), 24);
    let packet = Connect::new(V31, "123456789012345678901234");
    let too_long = EncodeError::TooLong {
        field: Field::ClientId,
        max: 23,
    };
    assert_eq!(packet.encoded_len(), Err(too_long));
}

#[test]
fn a_3_1_client_may_leave_out_credentials_it_announces() {
    let bytes = connect(V31, 0xC2, &[b"\0\x01c"]);
    assert_eq!((read(&bytes).username, read(&bytes).password), (None, None));
    let bytes = connect(V31, 0xC2, &[b"\0\x01c", b"\0\x04user"]);
    assert_eq!(
        (read(&bytes).username, read(&bytes).password),
        (Some("user"), None)
    );
}

#[test]
fn the_bridge_bit_is_read_only_when_forgiven() {
    let forgiving = Lenience {
        bridge_bit: true,
        ..Lenience::STRICT
    };
    for version in [V31, V311] {
        let packet = Connect {
            bridge: true,
            ..full(version)
        };
        let bytes = encode(version, &Packet::Connect(packet));
        let level = version.level() | 0x80;
        assert_eq!(
            refused(version, &bytes),
            Malformed::ProtocolLevelUnsupported { level }
        );
        assert_eq!(lenient(&bytes, forgiving), Ok(packet));
    }
    let packet = Connect {
        bridge: true,
        ..full(V5)
    };
    let not_in_version = EncodeError::NotInVersion {
        field: Field::BridgeBit,
    };
    assert_eq!(packet.encoded_len(), Err(not_in_version));
    let mut bytes = encode(V5, &Packet::Connect(full(V5)));
    bytes[8] |= 0x80;
    assert_eq!(
        lenient(&bytes, forgiving),
        Err(Malformed::ProtocolLevelUnsupported { level: 0x85 })
    );
}

#[test]
fn a_will_topic_is_a_topic_name() {
    for version in STANDARD {
        let none = no_properties(version);
        for (topic, kind) in [
            (&b"\0\x03w/#"[..], Malformed::TopicNameWildcard),
            (b"\0\x01+", Malformed::TopicNameWildcard),
            (b"\0\0", Malformed::TopicNameEmpty),
        ] {
            let bytes = connect(version, 0x06, &[b"\0\x01c", none, topic, b"\0\0"]);
            assert_eq!(refused(version, &bytes), kind);
        }
    }
}

#[test]
fn will_properties_are_checked_apart_from_those_of_connect() {
    let with = |connect_block: &[u8], will_block: &[u8]| {
        let head = [
            b"\0\x04MQTT".as_slice(),
            &[5, 0x06, 0, 0],
            &block(connect_block),
        ]
        .concat();
        let will = [&b"\0\x01c"[..], &block(will_block), b"\0\x01w\0\0"].concat();
        packet(0x10, &[head, will].concat())
    };
    let session_expiry = [0x11, 0, 0, 0, 1];
    let will_delay = [0x18, 0, 0, 0, 2];
    let bytes = with(&session_expiry, &will_delay);
    let connect = read(&bytes);
    assert_eq!(connect.properties.session_expiry_interval_s(), Some(1));
    assert_eq!(
        connect.will.unwrap().properties.will_delay_interval_s(),
        Some(2)
    );
    for bytes in [with(&will_delay, &[]), with(&[], &session_expiry)] {
        assert!(matches!(
            refused(V5, &bytes),
            Malformed::PropertyNotAllowed { .. }
        ));
    }
}

#[test]
fn every_shorter_connect_is_refused() {
    for version in [V311, V5] {
        let bytes = encode(version, &Packet::Connect(full(version)));
        for len in 0..bytes.len() - 2 {
            let shorter = packet(0x10, &bytes[2..2 + len]);
            assert_eq!(
                refused(version, &shorter),
                Malformed::Truncated,
                "{len} bytes"
            );
        }
        let longer = packet(0x10, &[&bytes[2..], &[0]].concat());
        assert_eq!(refused(version, &longer), Malformed::TrailingBytes);
    }
}

#[test]
fn fields_that_are_too_long_are_not_written() {
    let long = vec![b'x'; 65_536];
    let text = core::str::from_utf8(&long).unwrap();
    let too_long = |field| Err(EncodeError::TooLong { field, max: 65_535 });
    let base = full(V5);
    assert_eq!(
        Connect::new(V5, text).encoded_len(),
        too_long(Field::ClientId)
    );
    assert_eq!(
        Connect {
            username: Some(text),
            ..base
        }
        .encoded_len(),
        too_long(Field::UserName)
    );
    assert_eq!(
        Connect {
            password: Some(&long),
            ..base
        }
        .encoded_len(),
        too_long(Field::Password)
    );
    let will = Will {
        payload: &long,
        ..base.will.unwrap()
    };
    assert_eq!(
        Connect {
            will: Some(will),
            ..base
        }
        .encoded_len(),
        too_long(Field::WillPayload)
    );
    let longest = text.split_at(65_535).0;
    assert!(Connect::new(V5, longest).encoded_len().is_ok());
}

#[test]
fn a_null_character_is_not_written() {
    let null = |field| Err(EncodeError::NullCharacter { field });
    assert_eq!(Connect::new(V5, "a\0").encoded_len(), null(Field::ClientId));
    let packet = Connect {
        username: Some("\0"),
        ..Connect::new(V5, "c")
    };
    assert_eq!(packet.encoded_len(), null(Field::UserName));
}
