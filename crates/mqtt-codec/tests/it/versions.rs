//! What is asked of a version, and the names of codes.

use mqtt_codec::{
    DecodeError, EncodeError, Field, Malformed, PacketType, PropertyId, ProtocolVersion, QoS,
    ReasonCode, Rule,
};

use crate::support::{V5, V31, V311};

#[test]
fn levels_and_names() {
    for (version, level, name) in [(V31, 3, "MQIsdp"), (V311, 4, "MQTT"), (V5, 5, "MQTT")] {
        assert_eq!((version.level(), version.protocol_name()), (level, name));
        assert_eq!(ProtocolVersion::from_level(level), Some(version));
    }
    for level in [0, 1, 2, 6, 0x83, 0xFF] {
        assert_eq!(ProtocolVersion::from_level(level), None);
    }
    assert!(V31 < V311 && V311 < V5);
}

#[test]
fn only_v5_has_what_v5_brought() {
    let questions = [
        ProtocolVersion::has_properties,
        ProtocolVersion::has_ack_reason,
        ProtocolVersion::has_auth,
        ProtocolVersion::has_unsuback_reasons,
        ProtocolVersion::disconnect_has_body,
        ProtocolVersion::server_may_disconnect,
        ProtocolVersion::allows_password_alone,
        ProtocolVersion::allows_empty_topic_name,
    ];
    for question in questions {
        assert_eq!([V31, V311, V5].map(question), [false, false, true]);
    }
    let not_in_3_1 = [
        ProtocolVersion::has_suback_failure,
        ProtocolVersion::has_session_present,
    ];
    for question in not_in_3_1 {
        assert_eq!([V31, V311, V5].map(question), [false, true, true]);
    }
    let only_3_1 = [
        ProtocolVersion::may_resend_while_connected,
        ProtocolVersion::allows_missing_credentials,
    ];
    for question in only_3_1 {
        assert_eq!([V31, V311, V5].map(question), [true, false, false]);
    }
}

#[test]
fn connack_codes_go_there_and_back() {
    for version in [V31, V311] {
        for code in 0..=5 {
            let reason = version.connack_reason(code).unwrap();
            assert_eq!(version.connack_code(reason), code);
        }
        assert_eq!(version.connack_reason(6), None);
        assert_eq!(version.connack_code(ReasonCode::SERVER_MOVED), 3);
    }
    assert_eq!(V5.connack_code(ReasonCode::SERVER_MOVED), 0x9D);
    assert_eq!(V5.connack_reason(1), None);
}

#[test]
fn suback_codes_lose_their_reason_before_v5() {
    for (reason, before, v5) in [
        (ReasonCode::GRANTED_QOS_1, 1, 1),
        (ReasonCode::NOT_AUTHORIZED, 0x80, 0x87),
        (ReasonCode::UNSPECIFIED_ERROR, 0x80, 0x80),
    ] {
        assert_eq!(
            [V311, V5].map(|version| version.suback_code(reason)),
            [before, v5]
        );
    }
}

#[test]
fn numbers_of_enums_go_there_and_back() {
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        assert_eq!(QoS::from_u8(u8::from(qos)), Some(qos));
    }
    assert_eq!(QoS::from_u8(3), None);
    for packet_type in PacketType::ALL {
        assert_eq!(PacketType::from_u8(packet_type.get()), Some(packet_type));
    }
    assert_eq!(
        (PacketType::from_u8(0), PacketType::from_u8(16)),
        (None, None)
    );
}

#[test]
fn reason_codes_have_names() {
    assert_eq!(
        ReasonCode::SESSION_TAKEN_OVER.to_string(),
        "0x8E session taken over"
    );
    assert_eq!(ReasonCode::new(0x42).to_string(), "0x42 unknown");
    assert_eq!(ReasonCode::SUCCESS.name(), "success");
    let known = (0..=u8::MAX)
        .map(ReasonCode::new)
        .filter(|reason| reason.name() != "unknown");
    assert_eq!(known.count(), 43);
    assert!(!ReasonCode::new(0x7F).is_error() && ReasonCode::new(0x80).is_error());
}

#[test]
fn errors_are_small_and_say_all_they_know() {
    assert!(size_of::<DecodeError>() <= 16);
    let error = DecodeError {
        kind: Malformed::PacketIdZero,
        at: 2,
    };
    let rule = Rule {
        v5: Some("MQTT-2.2.1-3"),
        v311: Some("MQTT-2.3.1-1"),
    };
    assert_eq!(error.rule(), Some(rule));
    let text = "packet identifier 0 at byte 2 (v5 [MQTT-2.2.1-3], v3.1.1 [MQTT-2.3.1-1])";
    assert_eq!(error.to_string(), text);
    let property = PropertyId::TopicAlias;
    let error = DecodeError {
        kind: Malformed::PropertyRepeated { property },
        at: 9,
    };
    assert_eq!(error.to_string(), "property topic alias repeated at byte 9");
    let error = EncodeError::TooLong {
        field: Field::WillPayload,
        max: 65_535,
    };
    assert_eq!(error.to_string(), "will payload of more than 65535 bytes");
}
