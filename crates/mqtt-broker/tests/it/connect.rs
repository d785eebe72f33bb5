//! CONNECT and CONNACK: who is let in, and what is agreed.

use crate::kit::{Client, Hello, QOS0, QOS1, Server, V5, V31, V311};
use mqtt_broker::config::Duration;
use mqtt_codec::{Property, ProtocolVersion, ReasonCode};
use std::num::{NonZeroU16, NonZeroU32};

/// Covers: v5 [MQTT-3.1.4-5], v3.1.1 [MQTT-3.1.4-4], v3.1.1 [MQTT-3.2.2-1], v3.1.1 [MQTT-3.2.0-1].
#[test]
fn connect_is_answered_by_connack_byte_for_byte() {
    let server = Server::start();
    let (_, welcome) = Hello::new(V31, "old").ask(&server);
    assert_eq!(welcome.bytes, [0x20, 2, 0, 0]);
    let (_, welcome) = Hello::new(V311, "c").ask(&server);
    assert_eq!(welcome.bytes, [0x20, 2, 0, 0]);
    let (_, welcome) = Hello::new(V5, "c").ask(&server);
    assert_eq!(welcome.bytes[..4], [0x20, welcome.bytes[1], 0, 0]);
}

/// Covers: v5 [MQTT-4.12.0-6].
#[test]
fn connack_says_what_the_client_cannot_guess_and_nothing_else() {
    let server = Server::start();
    let (_, welcome) = Hello::new(V5, "c").ask(&server);
    let mut properties = welcome.properties;
    properties.sort();
    assert_eq!(
        properties,
        [
            "MaximumPacketSize(1048576)",
            "ReceiveMaximum(1024)",
            "TopicAliasMaximum(16)",
        ]
    );
}

/// Covers: v5 [MQTT-3.1.0-2], v3.1.1 [MQTT-3.1.0-2].
#[test]
fn a_second_connect_is_a_protocol_error() {
    let server = Server::start();
    for version in ProtocolVersion::ALL {
        let mut client = Client::connect(&server, version, "twice");
        client.send_bytes(&Hello::new(version, "twice").bytes());
        client.expect_disconnect(ReasonCode::PROTOCOL_ERROR);
    }
}

/// Covers: v5 [MQTT-3.14.0-1].
#[test]
fn a_first_packet_that_is_not_connect_closes_in_silence() {
    let server = Server::start();
    for bytes in [
        &[0xC0, 0][..],
        &[0x30, 4, 0, 1, b't', 0],
        &[0x82, 6, 0, 1, 0, 1, b'a', 0],
        &[0x20, 2, 0, 0],
        &[0x00, 0],
        &[0xE0, 0],
        &[0xF0, 0],
        &[0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
        b"GET / HTTP/1.1\r\n\r\n",
    ] {
        let mut client = Client::open(&server, V5);
        client.send_bytes(bytes);
        client.expect_close();
    }
    server.wait_for_connections(0);
}

/// Covers: v5 [MQTT-3.1.2-2], v3.1.1 [MQTT-3.1.2-2].
#[test]
fn an_unknown_protocol_level_is_told_so_and_closed() {
    let server = Server::start();
    for level in [0, 2, 6, 0x7F] {
        let mut client = Client::open(&server, V311);
        client.send_bytes(&[
            0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', level, 2, 0, 0, 0, 1, b'c',
        ]);
        assert_eq!(client.receive().bytes(), [0x20, 2, 0, 1], "level {level}");
        client.expect_close();
    }
}

/// Covers: v5 [MQTT-3.1.2-1], v3.1.1 [MQTT-3.1.2-1].
#[test]
fn a_wrong_protocol_name_is_not_served() {
    let server = Server::start();
    for name in [b"MQTQ", b"mqtt"] {
        let mut client = Client::open(&server, V311);
        let mut bytes = vec![0x10, 13, 0, 4];
        bytes.extend_from_slice(name);
        bytes.extend_from_slice(&[4, 2, 0, 0, 0, 1, b'c']);
        client.send_bytes(&bytes);
        let answer = client.raw().receive_to_end().unwrap();
        assert!(
            answer.is_empty() || answer == [0x20, 2, 0, 1],
            "{answer:02X?}"
        );
    }
    assert_eq!(server.broker().sizes().sessions, 0);
}

/// Covers: v5 [MQTT-3.1.2-3], v3.1.1 [MQTT-3.1.2-3], v5 [MQTT-3.1.4-1], v3.1.1 [MQTT-3.1.4-1].
#[test]
fn connect_flags_with_bit_0_close_without_connack() {
    let server = Server::start();
    for version in [V311, V5] {
        let mut client = Client::open(&server, version);
        let mut bytes = Hello::new(version, "c").bytes();
        bytes[9] |= 1;
        client.send_bytes(&bytes);
        client.expect_close();
    }
}

/// Covers: v5 [MQTT-3.1.2-11], v5 [MQTT-3.1.2-12], v5 [MQTT-3.1.2-13], v3.1.1 [MQTT-3.1.2-13], v3.1.1 [MQTT-3.1.2-14], v3.1.1 [MQTT-3.1.2-15].
#[test]
fn will_bits_without_a_will_and_will_qos_3_close() {
    let server = Server::start();
    for version in [V311, V5] {
        for flags in [0b0000_1000, 0b0001_0000, 0b0010_0000, 0b0001_1100] {
            let mut client = Client::open(&server, version);
            let mut bytes = Hello::new(version, "c").bytes();
            bytes[9] |= flags;
            client.send_bytes(&bytes);
            client.finish();
            client.expect_close();
        }
    }
}

/// Covers: v3.1.1 [MQTT-3.1.3-8].
#[test]
fn v311_an_empty_client_id_needs_a_clean_session() {
    let server = Server::start();
    let mut client = Client::open(&server, V311);
    client.send_bytes(&[0x10, 12, 0, 4, b'M', b'Q', b'T', b'T', 4, 0, 0, 0, 0, 0]);
    assert_eq!(client.receive().bytes(), [0x20, 2, 0, 2]);
    client.expect_close();
}

/// Covers: v3.1.1 [MQTT-3.1.3-6].
#[test]
fn v311_an_empty_client_id_gets_a_session_of_its_own() {
    let server = Server::start();
    let mut first = Client::connect(&server, V311, "");
    let mut second = Client::connect(&server, V311, "");
    assert_eq!(server.broker().sizes().sessions, 2);
    first.ping();
    second.ping();
}

/// Covers: v5 [MQTT-3.1.3-6], v5 [MQTT-3.1.3-7], v5 [MQTT-3.2.2-16].
#[test]
fn v5_an_assigned_client_id_is_told_unique_and_good_for_coming_back() {
    let server = Server::start();
    let hello = Hello::lasting(V5, "");
    let (first, welcome) = hello.ask(&server);
    let (_second, other) = hello.ask(&server);
    let client_id = welcome.assigned_client_id.unwrap();
    assert_ne!(Some(&client_id), other.assigned_client_id.as_ref());
    assert!(!client_id.is_empty());
    drop(first);
    Hello::lasting(V5, &client_id).attach(&server, true);
}

#[test]
fn v31_client_ids_have_1_to_23_characters() {
    let server = Server::start();
    for (client_id, code) in [
        ("", 2),
        ("a", 0),
        ("12345678901234567890123", 0),
        ("123456789012345678901234", 2),
    ] {
        let len = u8::try_from(client_id.len()).unwrap();
        let mut bytes = vec![0x10, 14 + len, 0, 6];
        bytes.extend_from_slice(b"MQIsdp");
        bytes.extend_from_slice(&[3, 2, 0, 0, 0, len]);
        bytes.extend_from_slice(client_id.as_bytes());
        let mut client = Client::open(&server, V31);
        client.send_bytes(&bytes);
        assert_eq!(
            client.receive().bytes(),
            [0x20, 2, 0, code],
            "{client_id:?}"
        );
    }
}

/// Covers: v5 [MQTT-3.1.3-5], v3.1.1 [MQTT-3.1.3-5].
#[test]
fn client_ids_of_23_letters_and_digits_are_accepted() {
    let server = Server::start();
    for version in [V311, V5] {
        for client_id in ["0", "0123456789abcdefghijklm", "nopqrstuvwxyzABCDEFGHIJ"] {
            Client::connect(&server, version, client_id);
        }
        Client::connect(&server, version, "KLMNOPQRSTUVWXYZ");
    }
}

/// Covers: v5 [MQTT-3.1.3-8], v3.1.1 [MQTT-3.1.3-9], v5 [MQTT-3.2.2-6], v5 [MQTT-3.2.2-7], v3.1.1 [MQTT-3.2.2-4], v3.1.1 [MQTT-3.2.2-5].
#[test]
fn a_client_id_too_long_is_refused_and_closed() {
    let server = Server::with(|config| config.mqtt.max_clientid_len = 30);
    let client_id = "x".repeat(31);
    let (mut client, welcome) = Hello::new(V311, &client_id).ask(&server);
    assert_eq!(welcome.bytes, [0x20, 2, 0, 2]);
    client.expect_close();
    let (mut client, welcome) = Hello::new(V5, &client_id).ask(&server);
    assert_eq!((welcome.session_present, welcome.reason), (false, 0x85));
    client.expect_close();
}

/// Covers: v5 [MQTT-3.1.4-6], v3.1.1 [MQTT-3.1.4-5].
#[test]
fn what_follows_a_refused_connect_is_ignored() {
    let server = Server::with(|config| config.mqtt.max_clientid_len = 30);
    let mut watcher = Client::connect(&server, V5, "watcher");
    watcher.subscribe("#", QOS0);
    let client_id = "x".repeat(31);
    for version in [V311, V5] {
        let mut client = Client::open(&server, version);
        let mut bytes = Hello::new(version, &client_id).bytes();
        bytes.extend(crate::kit::Post::new("t", b"1").bytes(version));
        client.send_bytes(&bytes);
        assert!(client.welcome().reason >= 0x80);
        client.expect_close();
    }
    watcher.expect_nothing();
}

/// Covers: v5 [MQTT-4.12.0-1].
#[test]
fn an_authentication_method_nobody_knows_is_refused() {
    let server = Server::start();
    let hello = Hello {
        properties: &[Property::AuthenticationMethod("SCRAM")],
        ..Hello::new(V5, "c")
    };
    let (mut client, welcome) = hello.ask(&server);
    assert_eq!(welcome.reason, 0x8C);
    client.expect_close();
}

#[test]
fn auth_without_a_method_is_a_protocol_error() {
    let server = Server::start();
    let mut client = Client::connect(&server, V5, "c");
    client.send_bytes(&[0xF0, 2, 0x19, 0]);
    client.expect_disconnect(ReasonCode::PROTOCOL_ERROR);
}

#[test]
fn a_keep_alive_above_the_maximum_is_lowered_and_told() {
    let server = Server::with(|config| config.mqtt.max_keepalive = Some(Duration::from_secs(30)));
    for (asked, told) in [(0, true), (31, true), (30, false), (10, false)] {
        let hello = Hello {
            keep_alive_s: asked,
            ..Hello::new(V5, "c")
        };
        let (_, welcome) = hello.ask(&server);
        let found = welcome
            .properties
            .contains(&"ServerKeepAlive(30)".to_owned());
        assert_eq!(found, told, "asked {asked}");
    }
}

#[test]
fn a_session_expiry_above_the_maximum_is_lowered_and_told() {
    let server = Server::with(|config| {
        config.mqtt.max_session_expiry_interval = Some(Duration::from_secs(100));
    });
    for (asked, told) in [(101, true), (u32::MAX, true), (100, false), (0, false)] {
        let hello = Hello {
            properties: &[Property::SessionExpiryInterval(asked)],
            ..Hello::new(V5, "c")
        };
        let (_, welcome) = hello.ask(&server);
        let found = welcome
            .properties
            .contains(&"SessionExpiryInterval(100)".to_owned());
        assert_eq!(found, told, "asked {asked}");
    }
}

#[test]
fn limits_of_the_configuration_are_told_to_v5_clients() {
    let server = Server::with(|config| {
        config.mqtt.receive_maximum = 7;
        config.mqtt.max_topic_alias = 0;
        config.mqtt.max_packet_size = mqtt_broker::config::ByteSize::from_kb(4);
    });
    let (_, welcome) = Hello::new(V5, "c").ask(&server);
    for expected in [
        "ReceiveMaximum(7)",
        "TopicAliasMaximum(0)",
        "MaximumPacketSize(4096)",
    ] {
        assert!(
            welcome.properties.contains(&expected.to_owned()),
            "{expected}"
        );
    }
}

/// Covers: v5 [MQTT-3.1.2-24].
#[test]
fn a_client_that_takes_only_tiny_packets_gets_no_larger_connack() {
    let server = Server::start();
    let hello = Hello {
        properties: &[Property::MaximumPacketSize(NonZeroU32::new(10).unwrap())],
        ..Hello::new(V5, "c")
    };
    let mut client = hello.send(&server);
    let answer = client.raw().receive_to_end().unwrap();
    assert_eq!(answer, [0x20, 3, 0, 0x95, 0]);
}

#[test]
fn connections_above_the_maximum_are_turned_away() {
    let server = Server::with(|config| config.mqtt.max_connections = 1);
    let mut first = Client::connect(&server, V5, "first");
    Client::open(&server, V5).expect_close();
    first.ping();
    first.disconnect();
    server.wait_for_connections(0);
    Client::connect(&server, V5, "second");
}

#[test]
fn sessions_above_the_maximum_are_refused() {
    let server = Server::with(|config| config.mqtt.max_sessions = 1);
    let mut first = Client::connect(&server, V5, "first");
    let (_, welcome) = Hello::new(V5, "second").ask(&server);
    assert_eq!(welcome.reason, 0x97);
    let (_, welcome) = Hello::new(V311, "second").ask(&server);
    assert_eq!(welcome.bytes, [0x20, 2, 0, 3]);
    first.ping();
    // Its own place is free for it.
    let mut again = Client::connect(&server, V5, "first");
    again.subscribe("t", QOS1);
    again.ping();
}

/// Covers: v5 [MQTT-3.12.4-1], v3.1.1 [MQTT-3.12.4-1].
#[test]
fn ping_is_answered() {
    let server = Server::start();
    for version in ProtocolVersion::ALL {
        Client::connect(&server, version, "c").ping();
    }
}

#[test]
fn packets_may_follow_connect_without_waiting_for_connack() {
    let server = Server::start();
    for version in ProtocolVersion::ALL {
        let mut client = Client::open(&server, version);
        let mut bytes = Hello::new(version, "eager").bytes();
        bytes.extend([0xC0, 0, 0xC0, 0]);
        client.send_bytes(&bytes);
        client.welcome();
        assert_eq!(client.receive().bytes(), [0xD0, 0]);
        assert_eq!(client.receive().bytes(), [0xD0, 0]);
    }
}

#[test]
fn a_connect_in_single_bytes_is_understood() {
    let server = Server::start();
    let mut client = Client::open(&server, V5);
    for byte in Hello::new(V5, "slow").bytes() {
        client.send_bytes(&[byte]);
    }
    assert_eq!(client.welcome().reason, 0);
}

#[test]
fn a_receive_maximum_of_zero_is_a_protocol_error() {
    let server = Server::start();
    let hello = Hello {
        properties: &[Property::ReceiveMaximum(NonZeroU16::MAX)],
        ..Hello::new(V5, "c")
    };
    let mut bytes = hello.bytes();
    let at = bytes.windows(2).position(|pair| pair == [0xFF, 0xFF]);
    let at = at.unwrap();
    bytes[at..at + 2].copy_from_slice(&[0, 0]);
    let mut client = Client::open(&server, V5);
    client.send_bytes(&bytes);
    client.expect_close();
}

#[test]
fn no_connect_in_time_closes() {
    let server = Server::with(|config| config.mqtt.idle_timeout = Duration::from_millis(100));
    let mut silent = Client::open(&server, V5);
    let mut half = Client::open(&server, V5);
    half.send_bytes(&Hello::new(V5, "half").bytes()[..9]);
    silent.expect_close();
    half.expect_close();
    server.wait_for_connections(0);
    assert_eq!(server.broker().totals().ends["connect_timeout"], 2);
}
