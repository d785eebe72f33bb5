//! Bytes that are no packet, and packets at the wrong time: the reason told, the connection closed.

use crate::kit::{Client, Post, QOS0, QOS1, Server, V5, V31, V311};
use mqtt_codec::{ProtocolVersion, ReasonCode};

/// Sends `bytes` as each version after CONNECT; v5 must be told `reason`, and all must be closed.
fn refused(versions: &[ProtocolVersion], bytes: &[u8], reason: ReasonCode) {
    let server = Server::start();
    let mut bystander = Client::connect(&server, V5, "bystander");
    for version in versions {
        let mut client = Client::connect(&server, *version, "c");
        client.send_bytes(bytes);
        client.expect_disconnect(reason);
    }
    bystander.ping();
    server.wait_for_connections(1);
}

const ALL: [ProtocolVersion; 3] = ProtocolVersion::ALL;

/// Covers: v5 [MQTT-4.13.1-1], v3.1.1 [MQTT-4.8.0-1], v5 [MQTT-2.1.3-1], v3.1.1 [MQTT-2.2.2-2].
#[test]
fn packet_types_that_do_not_exist_are_malformed() {
    refused(&ALL, &[0x00, 0], ReasonCode::MALFORMED_PACKET);
    refused(&[V31, V311], &[0xF0, 0], ReasonCode::MALFORMED_PACKET);
}

/// Covers: v5 [MQTT-3.6.1-1], v5 [MQTT-3.8.1-1], v5 [MQTT-3.10.1-1], v5 [MQTT-3.14.1-1], v5 [MQTT-3.15.1-1].
/// Covers: v3.1.1 [MQTT-3.6.1-1], v3.1.1 [MQTT-3.8.1-1], v3.1.1 [MQTT-3.10.1-1], v3.1.1 [MQTT-3.14.1-1].
#[test]
fn wrong_fixed_header_flags_are_malformed() {
    let versions = [V311, V5];
    for bytes in [
        &[0x60, 2, 0, 1][..],
        &[0x80, 6, 0, 1, 0, 1, b'a', 0],
        &[0xA0, 5, 0, 1, 0, 1, b'a'],
        &[0xC1, 0],
        &[0xE1, 0],
        &[0x41, 2, 0, 1],
    ] {
        refused(&versions, bytes, ReasonCode::MALFORMED_PACKET);
    }
    refused(&[V5], &[0xF1, 2, 0x19, 0], ReasonCode::MALFORMED_PACKET);
}

/// Covers: v5 [MQTT-3.3.1-4], v3.1.1 [MQTT-3.3.1-4].
#[test]
fn publish_at_qos_3_is_malformed() {
    refused(
        &ALL,
        &[0x36, 5, 0, 1, b't', 0, 1],
        ReasonCode::MALFORMED_PACKET,
    );
}

#[test]
fn a_remaining_length_of_five_bytes_is_malformed() {
    let bytes = [0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F];
    refused(&ALL, &bytes, ReasonCode::MALFORMED_PACKET);
}

/// Covers: v5 [MQTT-1.5.4-1], v5 [MQTT-1.5.4-2], v3.1.1 [MQTT-1.5.3-1], v3.1.1 [MQTT-1.5.3-2].
#[test]
fn topics_that_are_no_text_are_malformed() {
    for text in [[0xC0, 0x80], [0xFF, 0xFE], [b'a', 0]] {
        let bytes = [0x30, 5, 0, 2, text[0], text[1], 0];
        refused(&[V311, V5], &bytes, ReasonCode::MALFORMED_PACKET);
    }
    let bytes = [0x30, 6, 0, 3, 0xED, 0xA0, 0x80, 0];
    refused(&[V311, V5], &bytes, ReasonCode::MALFORMED_PACKET);
}

/// Covers: v5 [MQTT-3.3.2-2], v3.1.1 [MQTT-3.3.2-2], v5 [MQTT-4.7.0-1], v3.1.1 [MQTT-4.7.1-1].
#[test]
fn publish_to_a_wildcard_is_refused() {
    for text in [b'#', b'+'] {
        let bytes = [0x30, 4, 0, 1, text, 0];
        refused(&ALL, &bytes, ReasonCode::TOPIC_NAME_INVALID);
    }
}

/// Covers: v5 [MQTT-4.7.1-1], v5 [MQTT-4.7.1-2], v3.1.1 [MQTT-4.7.1-2], v3.1.1 [MQTT-4.7.1-3], v5 [MQTT-4.7.3-1], v3.1.1 [MQTT-4.7.3-1].
#[test]
fn filters_that_are_none_are_refused() {
    for filter in [&b"a#"[..], b"#/a", b"a+", b"+a/b", b"a/#/b", b""] {
        for version in ALL {
            let mut bytes = vec![0x82, 0, 0, 1];
            if version == V5 {
                bytes.push(0);
            }
            bytes.extend([0, u8::try_from(filter.len()).unwrap()]);
            bytes.extend_from_slice(filter);
            bytes.push(0);
            bytes[1] = u8::try_from(bytes.len() - 2).unwrap();
            refused(&[version], &bytes, ReasonCode::TOPIC_FILTER_INVALID);
        }
    }
}

/// Covers: v5 [MQTT-3.8.3-2], v5 [MQTT-3.10.3-2], v3.1.1 [MQTT-3.8.3-3], v3.1.1 [MQTT-3.10.3-2].
#[test]
fn requests_without_a_filter_are_protocol_errors() {
    for first in [0x82, 0xA2] {
        refused(&[V31, V311], &[first, 2, 0, 1], ReasonCode::PROTOCOL_ERROR);
        refused(&[V5], &[first, 3, 0, 1, 0], ReasonCode::PROTOCOL_ERROR);
    }
}

/// Covers: v3.1.1 [MQTT-3.8.3-4], v5 [MQTT-3.8.3-5].
#[test]
fn reserved_subscription_options_close() {
    for options in [0x04, 0x40, 0x80] {
        let bytes = [0x82, 6, 0, 1, 0, 1, b'a', options];
        refused(&[V311], &bytes, ReasonCode::MALFORMED_PACKET);
    }
    for options in [0x40, 0x80] {
        let bytes = [0x82, 7, 0, 1, 0, 0, 1, b'a', options];
        refused(&[V5], &bytes, ReasonCode::MALFORMED_PACKET);
    }
    for options in [0x03, 0x30] {
        let bytes = [0x82, 7, 0, 1, 0, 0, 1, b'a', options];
        refused(&[V5], &bytes, ReasonCode::PROTOCOL_ERROR);
    }
}

/// Covers: v5 [MQTT-3.8.3-4].
#[test]
fn no_local_on_a_shared_subscription_is_a_protocol_error() {
    let mut bytes = vec![0x82, 17, 0, 1, 0, 0, 11];
    bytes.extend_from_slice(b"$share/g/ab");
    bytes.push(0x04);
    refused(&[V5], &bytes, ReasonCode::PROTOCOL_ERROR);
}

#[test]
fn packet_identifier_zero_is_a_protocol_error() {
    refused(
        &[V5],
        &[0x32, 6, 0, 1, b't', 0, 0, 0],
        ReasonCode::PROTOCOL_ERROR,
    );
    refused(
        &[V31, V311],
        &[0x32, 5, 0, 1, b't', 0, 0],
        ReasonCode::PROTOCOL_ERROR,
    );
    refused(&ALL, &[0x40, 2, 0, 0], ReasonCode::PROTOCOL_ERROR);
}

#[test]
fn packets_of_a_server_are_protocol_errors() {
    let server = Server::start();
    for version in ALL {
        for bytes in [
            &[0x20, 2, 0, 0][..],
            &[0x90, 3, 0, 1, 0],
            &[0xB0, 2, 0, 1],
            &[0xD0, 0],
        ] {
            let mut client = Client::connect(&server, version, "c");
            client.send_bytes(bytes);
            let answer = client.raw().receive_to_end().unwrap();
            match version {
                V5 => assert!(
                    matches!(answer[..], [0xE0, _, 0x81 | 0x82, ..]),
                    "{answer:?}"
                ),
                _ => assert!(answer.is_empty(), "{answer:?}"),
            }
        }
    }
}

#[test]
fn bytes_behind_the_last_field_are_malformed() {
    refused(&[V311], &[0x40, 3, 0, 1, 0], ReasonCode::MALFORMED_PACKET);
    refused(&[V311], &[0xE0, 1, 0], ReasonCode::MALFORMED_PACKET);
    refused(&ALL, &[0xC0, 1, 0], ReasonCode::MALFORMED_PACKET);
    refused(
        &[V5],
        &[0x40, 5, 0, 1, 0, 0, 0],
        ReasonCode::MALFORMED_PACKET,
    );
}

#[test]
fn what_comes_before_a_mistake_is_done_and_what_comes_after_is_not() {
    let server = Server::start();
    let mut watcher = Client::connect(&server, V5, "watcher");
    watcher.subscribe("#", QOS0);
    for version in ALL {
        let mut client = Client::connect(&server, version, "c");
        let mut bytes = Post {
            qos: QOS1,
            ..Post::new("t", b"before")
        }
        .bytes(version);
        bytes.extend([0x00, 0]);
        bytes.extend(Post::new("t", b"after").bytes(version));
        client.send_bytes(&bytes);
        assert_eq!(client.receive().bytes()[0], 0x40);
        client.expect_disconnect(ReasonCode::MALFORMED_PACKET);
        assert_eq!(watcher.message().text(), ("t", "before"));
        watcher.expect_nothing();
    }
}

/// The reason arrives although the client is still sending what is refused.
///
/// Other systems may throw away what a client has not yet read when its connection is reset.
#[cfg(target_os = "linux")]
#[test]
fn a_client_in_the_middle_of_a_large_packet_learns_why_it_is_closed() {
    let server = Server::start();
    for _ in 0..10 {
        let mut client = Client::connect(&server, V5, "c");
        // A PUBLISH of 4 MB where 1 MB is allowed.
        let mut bytes = vec![0x30, 0x80, 0x80, 0x80, 0x02];
        bytes.resize(4 * 1024 * 1024, 0);
        let _ = client.raw().send_bytes(&bytes);
        client.expect_disconnect(ReasonCode::PACKET_TOO_LARGE);
    }
}

#[test]
fn a_shutdown_is_told_to_v5_clients_and_closes_all() {
    let mut server = Server::start();
    let mut clients: Vec<_> = ALL
        .iter()
        .map(|version| Client::connect(&server, *version, version.protocol_name()))
        .collect();
    let mut last = Client::connect(&server, V5, "last");
    let mut silent = Client::open(&server, V5);
    let addr = server.addr();
    server.begin_shutdown();
    // Both are named MQTT, so the second has taken the first one's session over.
    clients[0].expect_close();
    clients[1].expect_close();
    clients[2].expect_disconnect(ReasonCode::SERVER_SHUTTING_DOWN);
    last.expect_disconnect(ReasonCode::SERVER_SHUTTING_DOWN);
    silent.expect_close();
    assert!(mqtt_testkit::raw::RawClient::connect(addr, V5).is_err());
}
