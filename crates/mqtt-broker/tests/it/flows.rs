//! QoS: the acknowledgements of both directions.

use crate::kit::{Client, Hello, Post, QOS0, QOS1, QOS2, Server, V5, V311, options};
use mqtt_codec::{PacketType, Property, ProtocolVersion, QoS, ReasonCode};
use std::num::NonZeroU16;

/// Covers: v5 [MQTT-3.3.4-1], v3.1.1 [MQTT-3.3.4-1], v5 [MQTT-2.2.1-5], v3.1.1 [MQTT-2.3.1-6].
/// Covers: v5 [MQTT-4.3.2-4], v5 [MQTT-4.3.3-8], v5 [MQTT-4.3.3-11], v3.1.1 [MQTT-4.3.2-2].
#[test]
fn each_qos_has_its_own_answers() {
    let server = Server::start();
    for version in ProtocolVersion::ALL {
        let mut client = Client::connect(&server, version, "c");
        client.subscribe("t", QOS0);
        for qos in [QOS0, QOS1, QOS2] {
            let post = Post {
                qos,
                packet_id: 513,
                ..Post::new("t", b"x")
            };
            client.post(&post);
            match qos {
                QoS::AtMostOnce => {}
                QoS::AtLeastOnce => {
                    assert_eq!(client.receive().bytes(), [0x40, 2, 2, 1]);
                }
                QoS::ExactlyOnce => {
                    assert_eq!(client.receive().bytes(), [0x50, 2, 2, 1]);
                }
            }
            assert_eq!(client.message().text(), ("t", "x"));
            if qos == QOS2 {
                client.ack(PacketType::PubRel, 513);
                assert_eq!(client.receive().bytes(), [0x70, 2, 2, 1]);
            }
            client.expect_nothing();
        }
    }
}

#[test]
fn v5_an_answer_says_when_nobody_subscribes() {
    let server = Server::start();
    let mut client = Client::connect(&server, V5, "c");
    for qos in [QOS1, QOS2] {
        let post = Post {
            qos,
            ..Post::new("t", b"x")
        };
        assert_eq!(client.publish_fully(&post), 0x10);
    }
    let mut old = Client::connect(&server, V311, "old");
    old.post(&Post {
        qos: QOS1,
        ..Post::new("t", b"x")
    });
    assert_eq!(old.receive().bytes(), [0x40, 2, 0, 1]);
}

/// Covers: v5 [MQTT-3.8.4-8], v3.1.1 [MQTT-3.8.4-6], v5 [MQTT-4.3.1-1], v3.1.1 [MQTT-4.3.1-1], v5 [MQTT-4.3.2-2], v5 [MQTT-4.3.3-2], v5 [MQTT-2.2.1-2], v5 [MQTT-2.2.1-4].
#[test]
fn delivery_is_at_the_lower_qos_of_both() {
    let server = Server::start();
    for version in ProtocolVersion::ALL {
        let mut publisher = Client::connect(&server, version, "publisher");
        for granted in [QOS0, QOS1, QOS2] {
            let mut client = Client::connect(&server, version, "subscriber");
            client.subscribe("t", granted);
            for qos in [QOS0, QOS1, QOS2] {
                publisher.publish_fully(&Post {
                    qos,
                    ..Post::new("t", b"x")
                });
                let message = client.take();
                let expected = qos.min(granted);
                assert_eq!(message.qos, expected.get());
                assert_eq!(message.packet_id.is_some(), expected != QOS0);
                assert_ne!(message.packet_id, Some(0));
                assert!(!message.dup);
            }
            client.disconnect();
        }
        publisher.disconnect();
    }
}

/// Covers: v5 [MQTT-3.3.1-3], v3.1.1 [MQTT-3.3.1-3].
#[test]
fn dup_is_not_passed_on() {
    let server = Server::start();
    for version in ProtocolVersion::ALL {
        let mut client = Client::connect(&server, version, "c");
        client.subscribe("t", QOS2);
        for qos in [QOS1, QOS2] {
            client.post(&Post {
                qos,
                dup: true,
                packet_id: 4,
                ..Post::new("t", b"x")
            });
            client.receive();
            assert!(!client.message().dup);
        }
        client.disconnect();
    }
}

/// Covers: v5 [MQTT-4.3.2-5], v3.1.1 [MQTT-4.3.2-2].
#[test]
fn a_qos_1_identifier_used_again_is_a_new_message() {
    let server = Server::start();
    for version in ProtocolVersion::ALL {
        let mut client = Client::connect(&server, version, "c");
        client.subscribe("t", QOS0);
        for payload in [b"1", b"2"] {
            client.post(&Post {
                qos: QOS1,
                dup: true,
                ..Post::new("t", payload)
            });
            client.expect_ack(PacketType::PubAck, 1);
            assert_eq!(client.message().payload.as_bytes(), payload);
        }
        client.disconnect();
    }
}

/// Covers: v5 [MQTT-4.3.3-10], v5 [MQTT-4.3.3-12], v3.1.1 [MQTT-4.3.3-2].
#[test]
fn a_qos_2_identifier_is_a_duplicate_until_it_is_released() {
    let server = Server::start();
    for version in ProtocolVersion::ALL {
        let mut client = Client::connect(&server, version, "c");
        client.subscribe("t", QOS0);
        let post = Post {
            qos: QOS2,
            packet_id: 7,
            ..Post::new("t", b"1")
        };
        client.post(&post);
        client.expect_ack(PacketType::PubRec, 7);
        assert_eq!(client.message().payload, "1");
        client.post(&Post { dup: true, ..post });
        assert_eq!(client.expect_ack(PacketType::PubRec, 7), 0);
        client.expect_nothing();
        client.ack(PacketType::PubRel, 7);
        assert_eq!(client.expect_ack(PacketType::PubComp, 7), 0);
        client.post(&post);
        client.expect_ack(PacketType::PubRec, 7);
        assert_eq!(client.message().payload, "1", "a new message");
        client.disconnect();
    }
}

#[test]
fn a_pubrel_for_nothing_is_answered() {
    let server = Server::start();
    for version in ProtocolVersion::ALL {
        let mut client = Client::connect(&server, version, "c");
        client.ack(PacketType::PubRel, 77);
        let reason = client.expect_ack(PacketType::PubComp, 77);
        assert_eq!(reason, if version == V5 { 0x92 } else { 0 });
    }
}

#[test]
fn a_pubrec_for_nothing_is_answered() {
    let server = Server::start();
    for version in ProtocolVersion::ALL {
        let mut client = Client::connect(&server, version, "c");
        client.ack(PacketType::PubRec, 77);
        let reason = client.expect_ack(PacketType::PubRel, 77);
        assert_eq!(reason, if version == V5 { 0x92 } else { 0 });
    }
}

#[test]
fn acknowledgements_for_nothing_do_no_harm() {
    let server = Server::start();
    for version in ProtocolVersion::ALL {
        let mut client = Client::connect(&server, version, "c");
        client.ack(PacketType::PubAck, 77);
        client.ack(PacketType::PubComp, 77);
        client.ping();
    }
}

#[test]
fn an_acknowledgement_of_the_wrong_kind_is_a_protocol_error() {
    let server = Server::start();
    for version in ProtocolVersion::ALL {
        for (qos, wrong) in [
            (QOS1, PacketType::PubRec),
            (QOS1, PacketType::PubComp),
            (QOS2, PacketType::PubAck),
        ] {
            let mut client = Client::connect(&server, version, "c");
            client.subscribe("t", QOS2);
            client.publish_to_t(qos);
            let packet_id = client.message().packet_id.unwrap();
            client.ack(wrong, packet_id);
            client.expect_disconnect(ReasonCode::PROTOCOL_ERROR);
        }
    }
}

/// Covers: v5 [MQTT-4.4.0-2].
#[test]
fn v5_a_refused_message_is_done_with() {
    let server = Server::start();
    let hello = Hello {
        properties: &[
            Property::SessionExpiryInterval(3600),
            Property::ReceiveMaximum(NonZeroU16::MIN),
        ],
        ..Hello::lasting(V5, "c")
    };
    let mut client = hello.attach(&server, false);
    client.subscribe("t", QOS2);
    let mut publisher = Client::connect(&server, V5, "publisher");
    for (payload, qos) in [("1", QOS1), ("2", QOS2), ("3", QOS1)] {
        publisher.publish_fully(&Post {
            qos,
            ..Post::new("t", payload.as_bytes())
        });
    }
    let message = client.message();
    assert_eq!(message.payload, "1");
    client.ack_with(
        PacketType::PubAck,
        message.packet_id.unwrap(),
        ReasonCode::UNSPECIFIED_ERROR,
    );
    let message = client.message();
    assert_eq!(message.payload, "2");
    client.ack_with(
        PacketType::PubRec,
        message.packet_id.unwrap(),
        ReasonCode::QUOTA_EXCEEDED,
    );
    assert_eq!(client.take().payload, "3", "no PUBREL before");
    client.disconnect();
    hello.attach(&server, true).expect_nothing();
}

/// Covers: v5 [MQTT-3.3.4-9], v5 [MQTT-3.3.4-10], v5 [MQTT-4.9.0-1], v5 [MQTT-4.9.0-2], v5 [MQTT-4.9.0-3].
#[test]
fn v5_the_receive_maximum_of_the_client_is_kept() {
    let server = Server::start();
    let hello = Hello {
        properties: &[Property::ReceiveMaximum(NonZeroU16::new(2).unwrap())],
        ..Hello::new(V5, "c")
    };
    let mut client = hello.connect(&server);
    client.subscribe("t", QOS2);
    client.subscribe("zero", QOS0);
    let mut publisher = Client::connect(&server, V5, "publisher");
    for payload in ["1", "2", "3", "4"] {
        publisher.publish_fully(&Post {
            qos: QOS2,
            ..Post::new("t", payload.as_bytes())
        });
    }
    publisher.publish("zero", "not held up");
    publisher.ping();
    let first = client.message().packet_id.unwrap();
    let second = client.message().packet_id.unwrap();
    assert_eq!(client.message().text(), ("zero", "not held up"));
    client.ping();
    client.ack(PacketType::PubRec, first);
    client.expect_ack(PacketType::PubRel, first);
    client.expect_nothing();
    client.ack(PacketType::PubComp, first);
    assert_eq!(client.message().payload, "3");
    client.expect_nothing();
    client.ack_with(PacketType::PubRec, second, ReasonCode::UNSPECIFIED_ERROR);
    assert_eq!(client.message().payload, "4");
}

#[test]
fn the_inflight_maximum_of_the_configuration_is_kept() {
    let server = Server::with(|config| config.mqtt.max_inflight = 1);
    for version in ProtocolVersion::ALL {
        let mut client = Client::connect(&server, version, "c");
        client.subscribe("t", QOS1);
        let mut publisher = Client::connect(&server, version, "publisher");
        publisher.publish_1("t", "1");
        publisher.publish_1("t", "2");
        let packet_id = client.message().packet_id.unwrap();
        client.expect_nothing();
        client.ack(PacketType::PubAck, packet_id);
        assert_eq!(client.message().payload, "2");
        client.disconnect();
        publisher.disconnect();
    }
}

#[test]
fn v5_a_client_beyond_our_receive_maximum_is_told_so() {
    let server = Server::with(|config| config.mqtt.receive_maximum = 2);
    let mut client = Client::connect(&server, V5, "c");
    for packet_id in 1..=2 {
        client.post(&Post {
            qos: QOS2,
            packet_id,
            ..Post::new("t", b"x")
        });
        client.expect_ack(PacketType::PubRec, packet_id);
    }
    client.publish("t", "QoS 0 is not counted");
    client.ack(PacketType::PubRel, 1);
    client.expect_ack(PacketType::PubComp, 1);
    for packet_id in 3..=4 {
        client.post(&Post {
            qos: QOS2,
            packet_id,
            ..Post::new("t", b"x")
        });
    }
    client.expect_ack(PacketType::PubRec, 3);
    client.expect_disconnect(ReasonCode::RECEIVE_MAXIMUM_EXCEEDED);
    server.wait_until("counted", |broker| {
        broker.totals().ends.get("protocol_error") == Some(&1)
    });
}

#[test]
fn an_old_client_cannot_know_our_receive_maximum() {
    let server = Server::with(|config| config.mqtt.receive_maximum = 1);
    let mut client = Client::connect(&server, V311, "c");
    for packet_id in 1..=5 {
        client.post(&Post {
            qos: QOS2,
            packet_id,
            ..Post::new("t", b"x")
        });
        client.expect_ack(PacketType::PubRec, packet_id);
    }
}

/// Covers: v5 [MQTT-4.6.0-5], v5 [MQTT-4.6.0-6], v3.1.1 [MQTT-4.6.0-6].
#[test]
fn messages_keep_their_order_at_each_qos() {
    const MESSAGES: usize = 300;
    let server = Server::with(|config| config.mqtt.max_inflight = 7);
    for version in [V311, V5] {
        for qos in [QOS0, QOS1, QOS2] {
            let mut client = Client::connect(&server, version, "c");
            client.subscribe("t/#", qos);
            let mut publisher = Client::connect(&server, version, "publisher");
            let mut bytes = Vec::new();
            for at in 0..MESSAGES {
                let payload = at.to_string();
                let post = Post {
                    qos,
                    packet_id: u16::try_from(at + 1).unwrap(),
                    ..Post::new("t/1", payload.as_bytes())
                };
                bytes.extend(post.bytes(version));
            }
            publisher.send_bytes(&bytes);
            let mut releases = Vec::new();
            for at in 0..MESSAGES {
                loop {
                    let received = client.receive();
                    match received.packet().unwrap() {
                        mqtt_codec::Packet::Publish(publish) => {
                            let message = crate::kit::Message::of(&publish);
                            assert_eq!(message.payload, at.to_string());
                            match (message.qos, message.packet_id) {
                                (1, Some(id)) => client.ack(PacketType::PubAck, id),
                                (2, Some(id)) => client.ack(PacketType::PubRec, id),
                                _ => {}
                            }
                            break;
                        }
                        mqtt_codec::Packet::PubRel(ack) => {
                            let id = ack.packet_id.get();
                            client.ack(PacketType::PubComp, id);
                            releases.push(id);
                        }
                        other => panic!("{other:?}"),
                    }
                }
            }
            assert!(releases.is_sorted());
            drop(client);
            drop(publisher);
            server.wait_for_connections(0);
        }
    }
}

/// Covers: v5 [MQTT-4.3.3-4].
#[test]
fn pubrel_answers_pubrec_again_and_again() {
    let server = Server::start();
    for version in ProtocolVersion::ALL {
        let mut client = Client::connect(&server, version, "c");
        client.subscribe("t", QOS2);
        client.publish_to_t(QOS2);
        let packet_id = client.message().packet_id.unwrap();
        for _ in 0..2 {
            client.ack(PacketType::PubRec, packet_id);
            assert_eq!(client.expect_ack(PacketType::PubRel, packet_id), 0);
        }
        client.ack(PacketType::PubComp, packet_id);
        client.expect_nothing();
    }
}

#[test]
fn subscriptions_of_the_publisher_itself_are_served() {
    let server = Server::start();
    let mut client = Client::connect(&server, V5, "c");
    client.subscribe_with(&[("t", options(QOS1))], &[]);
    client.publish_to_t(QOS1);
    assert_eq!(client.take().text(), ("t", "x"));
}
