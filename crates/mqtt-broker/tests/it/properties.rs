//! What v5 adds to PUBLISH: properties passed on, aliases, expiry, packet sizes.

use crate::kit::{Client, Hello, Post, QOS0, QOS1, QOS2, Server, V5, V311};
use mqtt_broker::config::ByteSize;
use mqtt_codec::{PacketType, PayloadFormat, Property, ReasonCode, TopicName};
use std::num::{NonZeroU16, NonZeroU32};

fn alias(value: u16) -> Property<'static> {
    Property::TopicAlias(NonZeroU16::new(value).unwrap())
}

/// Covers: v5 [MQTT-3.3.2-4], v5 [MQTT-3.3.2-15], v5 [MQTT-3.3.2-16], v5 [MQTT-3.3.2-17], v5 [MQTT-3.3.2-18], v5 [MQTT-3.3.2-20].
#[test]
fn v5_properties_are_passed_on_untouched_and_in_order() {
    let server = Server::start();
    let mut client = Client::connect(&server, V5, "c");
    let mut old = Client::connect(&server, V311, "old");
    client.subscribe("t", QOS2);
    old.subscribe("t", QOS2);
    let properties = [
        Property::UserProperty("b", "2"),
        Property::PayloadFormatIndicator(PayloadFormat::Utf8),
        Property::UserProperty("a", "1"),
        Property::ContentType("text/plain"),
        Property::ResponseTopic(TopicName::try_new("answers").unwrap()),
        Property::CorrelationData(&[0, 255, 1]),
        Property::UserProperty("b", "2"),
    ];
    for qos in [QOS0, QOS1, QOS2] {
        client.post(&Post {
            qos,
            properties: &properties,
            ..Post::new("t", b"text")
        });
        if qos != QOS0 {
            client.receive();
        }
        let expected: Vec<_> = properties.iter().map(|one| format!("{one:?}")).collect();
        assert_eq!(client.message().properties, expected);
        let message = old.message();
        assert_eq!(
            (message.payload.as_str(), message.properties.len()),
            ("text", 0)
        );
        client.ack(PacketType::PubRel, 1);
        client.receive();
    }
}

/// Covers: v5 [MQTT-3.3.2-12], v5 [MQTT-3.1.2-27].
#[test]
fn v5_an_alias_stands_for_its_topic_and_is_not_passed_on() {
    let server = Server::start();
    let mut client = Client::connect(&server, V5, "c");
    client.subscribe("#", QOS0);
    let by_alias = |value: u16, topic_name: Option<&'static str>| {
        let properties = [alias(value)];
        Post {
            topic_name,
            properties: &properties,
            ..Post::new("", b"x")
        }
        .bytes(V5)
    };
    for (value, topic_name, expected) in [
        (1, Some("a"), "a"),
        (1, None, "a"),
        (16, Some("b"), "b"),
        (1, None, "a"),
        (16, None, "b"),
        (1, Some("c"), "c"),
        (1, None, "c"),
    ] {
        client.send_bytes(&by_alias(value, topic_name));
        let message = client.message();
        assert_eq!(message.topic_name, expected);
        assert_eq!(message.properties.len(), 0);
    }
}

#[test]
fn v5_every_alias_up_to_the_maximum_is_understood() {
    let server = Server::with(|config| config.mqtt.max_topic_alias = 300);
    let mut client = Client::connect(&server, V5, "c");
    client.subscribe("#", QOS0);
    for value in 1..=300 {
        let topic_name = format!("t/{value}");
        client.post(&Post {
            properties: &[alias(value)],
            ..Post::new(&topic_name, b"")
        });
        client.message();
    }
    for value in 1..=300 {
        client.post(&Post {
            topic_name: None,
            properties: &[alias(value)],
            ..Post::new("", b"")
        });
        assert_eq!(client.message().topic_name, format!("t/{value}"));
    }
}

/// Covers: v5 [MQTT-3.3.2-7].
#[test]
fn v5_aliases_end_with_their_connection() {
    let server = Server::start();
    let mut client = Hello::lasting(V5, "c").attach(&server, false);
    client.post(&Post {
        properties: &[alias(1)],
        ..Post::new("t", b"")
    });
    client.disconnect();
    let mut client = Hello::lasting(V5, "c").attach(&server, true);
    client.post(&Post {
        topic_name: None,
        properties: &[alias(1)],
        ..Post::new("", b"")
    });
    client.expect_disconnect(ReasonCode::TOPIC_ALIAS_INVALID);
}

/// Covers: v5 [MQTT-3.3.2-8].
#[test]
fn v5_wrong_aliases_are_told_so() {
    let server = Server::start();
    for (topic_name, value) in [(None, 3), (Some("t"), 17), (None, 17)] {
        let mut client = Client::connect(&server, V5, "c");
        client.post(&Post {
            topic_name,
            properties: &[alias(value)],
            ..Post::new("", b"")
        });
        client.expect_disconnect(ReasonCode::TOPIC_ALIAS_INVALID);
    }
    let mut client = Client::connect(&server, V5, "c");
    // PUBLISH to t with Topic Alias 0.
    client.send_bytes(&[0x30, 7, 0, 1, b't', 3, 35, 0, 0]);
    client.expect_disconnect(ReasonCode::TOPIC_ALIAS_INVALID);
    let mut client = Client::connect(&server, V5, "c");
    // PUBLISH with neither a Topic Name nor a Topic Alias.
    client.send_bytes(&[0x30, 3, 0, 0, 0]);
    client.expect_disconnect(ReasonCode::PROTOCOL_ERROR);
}

/// Covers: v5 [MQTT-3.3.4-6].
#[test]
fn v5_a_subscription_identifier_from_a_publisher_is_a_protocol_error() {
    let server = Server::start();
    let mut client = Client::connect(&server, V5, "c");
    client.send_bytes(&[0x30, 6, 0, 1, b't', 2, 11, 1]);
    let received = client.receive();
    let Ok(mqtt_codec::Packet::Disconnect(disconnect)) = received.packet() else {
        panic!("{received:?}");
    };
    assert!(matches!(disconnect.reason.get(), 0x81 | 0x82));
}

/// Covers: v5 [MQTT-3.3.2-5], v5 [MQTT-3.3.2-6].
#[test]
fn v5_messages_expire_while_they_wait_and_tell_what_is_left() {
    let server = Server::start();
    let hello = Hello::lasting(V5, "c");
    let mut client = hello.attach(&server, false);
    client.subscribe("t/#", QOS1);
    client.disconnect();
    let mut publisher = Client::connect(&server, V5, "publisher");
    for (topic_name, expiry_s) in [("t/0", 0), ("t/1", 1), ("t/100", 100)] {
        publisher.publish_fully(&Post {
            qos: QOS1,
            properties: &[Property::MessageExpiryInterval(expiry_s)],
            ..Post::new(topic_name, b"")
        });
    }
    publisher.publish_1("t/none", "");
    // A session that expires after 2 s tells that 2 s have passed.
    let clock = Hello {
        properties: &[Property::SessionExpiryInterval(2)],
        ..Hello::lasting(V5, "clock")
    };
    drop(clock.attach(&server, false));
    server.wait_until("2 s", |broker| broker.sizes().sessions == 2);
    let mut client = hello.attach(&server, true);
    let message = client.take();
    assert_eq!(message.topic_name, "t/100");
    let left_s = message.expiry_s.unwrap();
    assert!((80..=98).contains(&left_s), "{left_s} s left");
    let message = client.take();
    assert_eq!((message.text(), message.expiry_s), (("t/none", ""), None));
    client.expect_nothing();
    assert_eq!(server.broker().totals().dropped_expired, 2);
}

/// Covers: v5 [MQTT-4.3.3-7].
#[test]
fn v5_a_message_that_was_begun_is_finished_after_it_expired() {
    let server = Server::start();
    let hello = Hello::lasting(V5, "c");
    let mut client = hello.attach(&server, false);
    client.subscribe("t", QOS2);
    client.post(&Post {
        qos: QOS2,
        properties: &[Property::MessageExpiryInterval(0)],
        ..Post::new("t", b"x")
    });
    client.expect_ack(PacketType::PubRec, 1);
    let first = client.message();
    drop(client);
    server.wait_for_connections(0);
    let mut client = hello.attach(&server, true);
    let message = client.message();
    assert_eq!((message.packet_id, message.dup), (first.packet_id, true));
    assert_eq!(message.expiry_s, Some(0), "nothing is left of it");
}

/// Covers: v5 [MQTT-3.1.2-24], v5 [MQTT-3.1.2-25].
#[test]
fn v5_nothing_larger_than_the_client_takes_is_sent() {
    let server = Server::start();
    let hello = Hello {
        properties: &[
            Property::MaximumPacketSize(NonZeroU32::new(100).unwrap()),
            Property::SessionExpiryInterval(3600),
            Property::ReceiveMaximum(NonZeroU16::MIN),
        ],
        ..Hello::lasting(V5, "c")
    };
    let mut client = hello.attach(&server, false);
    client.subscribe("t", QOS2);
    let mut publisher = Client::connect(&server, V5, "publisher");
    // Fixed header 2, topic 3, packet id 2, properties 1: 92 bytes of payload make 100.
    let exact = "x".repeat(92);
    let too_large = "x".repeat(93);
    for payload in [&exact, &too_large, &exact, &too_large] {
        publisher.publish_fully(&Post {
            qos: QOS1,
            ..Post::new("t", payload.as_bytes())
        });
    }
    for _ in 0..2 {
        assert_eq!(client.take().payload, exact);
    }
    client.expect_nothing();
    client.disconnect();
    for payload in [&too_large, &exact] {
        publisher.publish_fully(&Post {
            qos: QOS2,
            ..Post::new("t", payload.as_bytes())
        });
    }
    let mut client = hello.attach(&server, true);
    assert_eq!(client.take().payload, exact);
    assert_eq!(server.broker().totals().dropped_too_large, 3);
}

#[test]
fn regress_a_resend_too_large_for_the_new_connection_is_dropped() {
    let server = Server::start();
    let hello = Hello::lasting(V5, "c");
    let mut client = hello.attach(&server, false);
    client.subscribe("t", QOS1);
    let mut publisher = Client::connect(&server, V5, "publisher");
    publisher.publish_1("t", &"x".repeat(1000));
    publisher.publish_1("t", "small");
    client.message();
    client.message();
    drop(client);
    server.wait_for_connections(1);
    let small = Hello {
        properties: &[
            Property::MaximumPacketSize(NonZeroU32::new(100).unwrap()),
            Property::SessionExpiryInterval(3600),
        ],
        ..hello
    };
    let mut client = small.attach(&server, true);
    let message = client.take();
    assert_eq!((message.text(), message.dup), (("t", "small"), true));
    client.expect_nothing();
}

#[test]
fn regress_what_the_next_connection_takes_is_not_known_before() {
    let server = Server::start();
    let small = Hello {
        properties: &[
            Property::MaximumPacketSize(NonZeroU32::new(100).unwrap()),
            Property::SessionExpiryInterval(3600),
        ],
        ..Hello::lasting(V5, "c")
    };
    let mut client = small.attach(&server, false);
    client.subscribe("t", QOS1);
    client.disconnect();
    let mut publisher = Client::connect(&server, V5, "publisher");
    publisher.publish_1("t", &"x".repeat(1000));
    let mut client = Hello::lasting(V5, "c").attach(&server, true);
    assert_eq!(client.take().payload.len(), 1000);
}

#[test]
fn packets_larger_than_we_take_are_refused_by_their_header() {
    let server = Server::with(|config| config.mqtt.max_packet_size = ByteSize::from_kb(1));
    for version in [V311, V5] {
        let mut client = Client::connect(&server, version, "c");
        client.subscribe("t", QOS0);
        let head_len = Post::new("t", b"").bytes(version).len();
        // One more byte than at first for the Remaining Length.
        let exact = "x".repeat(1024 - head_len - 1);
        client.publish("t", &exact);
        assert_eq!(client.message().payload, exact);
        // The fixed header of a PUBLISH of 1025 bytes, without the rest.
        client.send_bytes(&[0x30, 0xFE, 0x07]);
        client.expect_disconnect(ReasonCode::PACKET_TOO_LARGE);
    }
}

#[test]
fn regress_a_large_packet_may_follow_connect_at_once() {
    let server = Server::start();
    let mut watcher = Client::connect(&server, V5, "watcher");
    watcher.subscribe("t", QOS0);
    let payload = vec![b'x'; 700_000];
    let mut bytes = Hello::new(V5, "c").bytes();
    bytes.extend(Post::new("t", &payload).bytes(V5));
    let mut client = Client::open(&server, V5);
    client.send_bytes(&bytes);
    assert_eq!(client.welcome().reason, 0);
    assert_eq!(watcher.message().payload.len(), 700_000);
}

#[test]
fn a_first_packet_larger_than_any_connect_is_not_kept() {
    let server = Server::start();
    let mut client = Client::open(&server, V5);
    // A CONNECT that announces 900,000 bytes and brings most of them.
    client.send_bytes(&[0x10, 0xA0, 0xF7, 0x36]);
    let _ = client.raw().send_bytes(&vec![0; 800_000]);
    client.expect_close();
}

#[test]
fn large_payloads_are_shared_and_whole() {
    let server = Server::start();
    let payload: String = (0..200_000)
        .map(|at| char::from(b'a' + u8::try_from(at % 26).unwrap()))
        .collect();
    for version in [V311, V5] {
        let mut clients: Vec<_> = ["a", "b", "c"]
            .iter()
            .map(|client_id| Client::connect(&server, version, client_id))
            .collect();
        for (at, client) in clients.iter_mut().enumerate() {
            client.subscribe("t", [QOS0, QOS1, QOS2][at]);
        }
        let mut publisher = Client::connect(&server, version, "publisher");
        for _ in 0..3 {
            publisher.publish_fully(&Post {
                qos: QOS2,
                ..Post::new("t", payload.as_bytes())
            });
        }
        for client in &mut clients {
            for _ in 0..3 {
                assert_eq!(client.message().payload, payload);
            }
        }
    }
}
