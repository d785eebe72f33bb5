//! Sessions: resumed, discarded, taken over, expired.

use crate::kit::{Client, Hello, Last, Post, QOS0, QOS1, QOS2, Server, V5, V31, V311};
use mqtt_codec::{PacketType, Property, ProtocolVersion, ReasonCode};

/// Covers: v5 [MQTT-3.1.4-3], v3.1.1 [MQTT-3.1.4-2], v5 [MQTT-3.14.4-2], v5 [MQTT-3.14.2-2].
#[test]
fn the_same_client_id_ends_the_older_connection() {
    let server = Server::start();
    for old in ProtocolVersion::ALL {
        for new in ProtocolVersion::ALL {
            for clean_start in [true, false] {
                let mut first = Client::connect(&server, old, "same");
                let hello = Hello {
                    clean_start,
                    ..Hello::new(new, "same")
                };
                let mut second = hello.connect(&server);
                first.expect_disconnect(ReasonCode::SESSION_TAKEN_OVER);
                second.ping();
                second.disconnect();
                server.wait_for_connections(0);
            }
        }
    }
}

/// Covers: v5 [MQTT-3.1.2-5], v5 [MQTT-3.1.2-6], v5 [MQTT-3.1.3-2], v5 [MQTT-3.2.2-3], v5 [MQTT-3.1.2-23], v5 [MQTT-3.1.4-4].
#[test]
fn v5_clean_start_0_makes_a_session_and_finds_it_again() {
    let server = Server::start();
    let mut client = Hello::lasting(V5, "c").attach(&server, false);
    client.subscribe("t", QOS1);
    client.disconnect();
    Hello::lasting(V5, "other").attach(&server, false);
    let mut client = Hello::lasting(V5, "c").attach(&server, true);
    client.publish("t", "back");
    assert_eq!(client.take().text(), ("t", "back"));
}

/// Covers: v3.1.1 [MQTT-3.1.2-4], v3.1.1 [MQTT-3.1.3-2], v3.1.1 [MQTT-3.2.2-2], v3.1.1 [MQTT-3.2.2-3], v3.1.1 [MQTT-3.1.4-3], v3.1.1 [MQTT-4.1.0-1].
#[test]
fn v311_clean_session_0_makes_a_session_and_finds_it_again() {
    let server = Server::start();
    let mut client = Hello::lasting(V311, "c").attach(&server, false);
    client.subscribe("t", QOS1);
    client.disconnect();
    let mut client = Hello::lasting(V311, "c").attach(&server, true);
    client.publish("t", "back");
    assert_eq!(client.take().text(), ("t", "back"));
}

#[test]
fn v31_has_no_session_present_but_has_the_session() {
    let server = Server::start();
    let mut client = Hello::lasting(V31, "c").attach(&server, false);
    client.subscribe("t", QOS1);
    client.disconnect();
    let (mut client, welcome) = Hello::lasting(V31, "c").ask(&server);
    assert_eq!(welcome.bytes, [0x20, 2, 0, 0]);
    client.publish("t", "back");
    assert_eq!(client.take().text(), ("t", "back"));
}

/// Covers: v5 [MQTT-3.1.2-4], v5 [MQTT-3.2.2-2], v3.1.1 [MQTT-3.1.2-6].
#[test]
fn clean_start_throws_the_old_session_away() {
    let server = Server::start();
    for version in [V311, V5] {
        let mut client = Hello::lasting(version, "c").attach(&server, false);
        client.subscribe("t", QOS1);
        client.disconnect();
        let fresh = Hello {
            clean_start: true,
            ..Hello::lasting(version, "c")
        };
        let mut client = fresh.attach(&server, false);
        client.publish("t", "nobody");
        client.expect_nothing();
        client.disconnect();
        let again = Hello {
            clean_start: true,
            ..Hello::new(version, "c")
        };
        again.attach(&server, false).disconnect();
        server.wait_until("no session", |broker| broker.sizes().sessions == 0);
    }
}

/// A session that ends with its connection is not carried on by the connection that takes over.
///
/// Covers: v3.1.1 [MQTT-3.1.2-6].
#[test]
fn regress_taking_over_a_clean_session_does_not_resume_it() {
    let server = Server::start();
    for version in [V311, V5] {
        let mut first = Client::connect(&server, version, "c");
        first.subscribe("t", QOS1);
        let mut second = Hello::lasting(version, "c").attach(&server, false);
        first.expect_disconnect(ReasonCode::SESSION_TAKEN_OVER);
        second.publish("t", "nobody");
        second.expect_nothing();
        Client::connect(&server, version, "c").disconnect();
    }
}

#[test]
fn regress_a_will_goes_out_when_its_clean_session_is_taken_over() {
    let server = Server::start();
    let mut watcher = Client::connect(&server, V5, "watcher");
    watcher.subscribe("will", QOS0);
    let hello = Hello {
        will: Some(Last {
            properties: &[Property::WillDelayInterval(1000)],
            ..Last::new("will")
        }),
        ..Hello::new(V5, "c")
    };
    let _first = hello.connect(&server);
    let _second = Hello::lasting(V5, "c").attach(&server, false);
    assert_eq!(watcher.message().text(), ("will", "gone"));
}

/// Covers: v5 [MQTT-4.1.0-2].
#[test]
fn a_session_ends_with_its_connection_or_when_its_interval_has_passed() {
    let server = Server::start();
    let hello = Hello {
        clean_start: false,
        ..Hello::new(V5, "zero")
    };
    hello.attach(&server, false).disconnect();
    server.wait_until("session over", |broker| broker.sizes().sessions == 0);
    hello.attach(&server, false).disconnect();

    let hello = Hello {
        properties: &[Property::SessionExpiryInterval(1)],
        ..Hello::lasting(V5, "one")
    };
    let mut client = hello.attach(&server, false);
    client.subscribe("t/#", QOS1);
    drop(client);
    server.wait_for_connections(0);
    assert_eq!(server.broker().sizes().subscriptions, 1);
    server.wait_until("session expired", |broker| broker.sizes().sessions == 0);
    server.wait_until("subscriptions gone", |broker| {
        broker.sizes().subscriptions == 0
    });
    hello.attach(&server, false);
}

/// After an end the broker decided on, the timers of the session went unarmed.
#[test]
fn regress_a_kicked_session_still_expires() {
    let server = Server::start();
    let hello = Hello {
        keep_alive_s: 1,
        properties: &[Property::SessionExpiryInterval(2)],
        ..Hello::lasting(V5, "c")
    };
    let mut client = hello.attach(&server, false);
    assert!(server.broker().kick("c"));
    client.expect_disconnect(ReasonCode::ADMINISTRATIVE_ACTION);
    server.wait_for_connections(0);
    server.wait_until("session expired", |broker| broker.sizes().sessions == 0);
}

#[test]
fn disconnect_may_change_the_session_expiry() {
    let server = Server::start();
    let client = Hello::lasting(V5, "c").attach(&server, false);
    client.disconnect_with(
        ReasonCode::NORMAL_DISCONNECTION,
        &[Property::SessionExpiryInterval(0)],
    );
    server.wait_until("session over", |broker| broker.sizes().sessions == 0);

    let hello = Hello {
        properties: &[Property::SessionExpiryInterval(1)],
        ..Hello::lasting(V5, "c")
    };
    let client = hello.attach(&server, false);
    client.disconnect_with(
        ReasonCode::NORMAL_DISCONNECTION,
        &[Property::SessionExpiryInterval(3600)],
    );
    server.wait_for_connections(0);
    Hello::lasting(V5, "c").attach(&server, true);
}

#[test]
fn disconnect_may_not_make_a_session_last_that_connect_made_end() {
    let server = Server::start();
    let mut client = Client::connect(&server, V5, "c");
    // DISCONNECT 0x00 with Session Expiry Interval 60.
    client.send_bytes(&[0xE0, 7, 0, 5, 17, 0, 0, 0, 60]);
    client.expect_disconnect(ReasonCode::PROTOCOL_ERROR);
    server.wait_until("session over", |broker| broker.sizes().sessions == 0);
}

/// Covers: v3.1.1 [MQTT-3.1.2-5], v3.1.1 [MQTT-4.5.0-1], v5 [MQTT-4.5.0-1].
#[test]
fn messages_above_qos_0_wait_for_a_client_that_is_away() {
    let server = Server::start();
    for version in [V311, V5] {
        let hello = Hello::lasting(version, "sleeper");
        let mut sleeper = hello.attach(&server, false);
        sleeper.subscribe("t", QOS2);
        sleeper.disconnect();
        let mut publisher = Client::connect(&server, version, "publisher");
        for (at, qos) in [QOS1, QOS0, QOS2, QOS1].into_iter().enumerate() {
            publisher.publish_fully(&Post {
                qos,
                ..Post::new("t", at.to_string().as_bytes())
            });
        }
        let mut sleeper = hello.attach(&server, true);
        let messages: Vec<_> = (0..3).map(|_| sleeper.message()).collect();
        let got: Vec<_> = messages
            .into_iter()
            .map(|message| (message.payload, message.qos, message.dup))
            .collect();
        let expected = [("0", 1), ("2", 2), ("3", 1)];
        assert_eq!(
            got,
            expected.map(|(payload, qos)| (payload.to_owned(), qos, false))
        );
        sleeper.expect_nothing();
        sleeper.disconnect();
        publisher.disconnect();
        Client::connect(&server, version, "sleeper").disconnect();
    }
    assert_eq!(server.broker().totals().dropped_offline, 2);
}

/// Covers: v5 [MQTT-4.4.0-1], v5 [MQTT-3.3.1-1], v5 [MQTT-4.3.2-3], v5 [MQTT-4.3.3-3], v5 [MQTT-4.3.3-5], v5 [MQTT-4.3.3-6].
/// Covers: v3.1.1 [MQTT-4.4.0-1], v3.1.1 [MQTT-3.3.1-1].
#[test]
fn what_is_open_is_sent_again_on_resume_in_order_with_dup() {
    let server = Server::start();
    for version in [V311, V5] {
        let hello = Hello::lasting(version, "c");
        let mut client = hello.attach(&server, false);
        client.subscribe("t", QOS2);
        let mut publisher = Client::connect(&server, version, "publisher");
        for (payload, qos) in [("a", QOS1), ("b", QOS2), ("c", QOS2), ("d", QOS1)] {
            publisher.publish_fully(&Post {
                qos,
                ..Post::new("t", payload.as_bytes())
            });
        }
        let first: Vec<_> = (0..4).map(|_| client.message()).collect();
        assert!(first.iter().all(|message| !message.dup));
        let released = first[1].packet_id.unwrap();
        client.ack(PacketType::PubRec, released);
        client.expect_ack(PacketType::PubRel, released);
        drop(client);
        server.wait_for_connections(1);
        publisher.publish_1("t", "new");

        let mut client = hello.attach(&server, true);
        client.expect_ack(PacketType::PubRel, released);
        for at in [0, 2, 3] {
            let mut expected = first[at].clone();
            expected.dup = true;
            assert_eq!(client.message(), expected);
        }
        let new = client.message();
        assert_eq!((new.text(), new.dup), (("t", "new"), false));
        assert!(
            first
                .iter()
                .all(|message| message.packet_id != new.packet_id)
        );
        client.ack(PacketType::PubComp, released);
        client.disconnect();
        publisher.disconnect();
        Client::connect(&server, version, "c").disconnect();
    }
}

/// Covers: v5 [MQTT-4.3.3-10], v3.1.1 [MQTT-4.3.3-2].
#[test]
fn a_qos_2_message_sent_again_after_resume_is_not_delivered_twice() {
    let server = Server::start();
    let mut watcher = Client::connect(&server, V5, "watcher");
    watcher.subscribe("t", QOS0);
    for version in [V311, V5] {
        let hello = Hello::lasting(version, "c");
        let mut client = hello.attach(&server, false);
        let post = Post {
            qos: QOS2,
            packet_id: 9,
            ..Post::new("t", b"once")
        };
        client.post(&post);
        client.expect_ack(PacketType::PubRec, 9);
        drop(client);
        server.wait_for_connections(1);
        let mut client = hello.attach(&server, true);
        client.post(&Post { dup: true, ..post });
        client.expect_ack(PacketType::PubRec, 9);
        client.ack(PacketType::PubRel, 9);
        assert_eq!(client.expect_ack(PacketType::PubComp, 9), 0);
        assert_eq!(watcher.message().text(), ("t", "once"));
        watcher.expect_nothing();
        client.disconnect();
        Client::connect(&server, version, "c").disconnect();
        server.wait_for_connections(1);
    }
}

#[test]
fn a_full_queue_ends_the_session_and_the_client_can_see_it() {
    let server = Server::with(|config| config.mqtt.max_mqueue_len = 3);
    for version in [V311, V5] {
        let dropped_before = server.broker().totals().dropped_queue_full;
        let hello = Hello::lasting(version, "c");
        let mut client = hello.attach(&server, false);
        client.subscribe("t", QOS1);
        client.disconnect();
        let mut publisher = Client::connect(&server, version, "publisher");
        for payload in ["1", "2", "3", "4"] {
            publisher.publish_1("t", payload);
        }
        server.wait_until("session over", |broker| broker.sizes().sessions == 1);
        assert_eq!(server.broker().sizes().subscriptions, 0);
        let dropped = server.broker().totals().dropped_queue_full - dropped_before;
        assert_eq!(dropped, 4, "three waited, the fourth was too much");
        let mut client = hello.attach(&server, false);
        client.expect_nothing();
        client.disconnect();
        publisher.disconnect();
        Client::connect(&server, version, "c").disconnect();
        server.wait_until("no session", |broker| broker.sizes().sessions == 0);
    }
}

#[test]
fn a_full_queue_ends_the_connection_too() {
    let server = Server::with(|config| {
        config.mqtt.max_mqueue_len = 2;
        config.mqtt.max_inflight = 1;
    });
    let mut publisher = Client::connect(&server, V5, "publisher");
    for version in [V311, V5] {
        let hello = Hello::lasting(version, "c");
        let mut client = hello.attach(&server, false);
        client.subscribe("t", QOS1);
        for payload in ["1", "2", "3", "4"] {
            publisher.publish_1("t", payload);
        }
        assert_eq!(client.message().payload, "1");
        client.expect_disconnect(ReasonCode::QUOTA_EXCEEDED);
        server.wait_for_connections(1);
        hello.attach(&server, false).disconnect();
        Client::connect(&server, version, "c").disconnect();
        server.wait_for_connections(1);
    }
}

#[test]
fn a_session_goes_on_in_another_version() {
    let server = Server::start();
    let mut client = Hello::lasting(V5, "c").attach(&server, false);
    client.subscribe("t", QOS1);
    client.disconnect();
    let mut publisher = Client::connect(&server, V5, "publisher");
    publisher.publish_fully(&Post {
        qos: QOS1,
        properties: &[Property::ContentType("text")],
        ..Post::new("t", b"1")
    });
    let mut client = Hello::lasting(V311, "c").attach(&server, true);
    let message = client.take();
    assert_eq!(message.text(), ("t", "1"));
    assert_eq!(message.properties.len(), 0);
    client.disconnect();
    publisher.publish_1("t", "2");
    let mut client = Hello::lasting(V5, "c").attach(&server, true);
    assert_eq!(client.take().text(), ("t", "2"));
}

#[test]
fn kick_knows_whom_it_ended() {
    let server = Server::start();
    let mut client = Client::connect(&server, V5, "c");
    let mut old = Client::connect(&server, V311, "old");
    assert!(!server.broker().kick("nobody"));
    assert!(server.broker().kick("c"));
    assert!(server.broker().kick("old"));
    client.expect_disconnect(ReasonCode::ADMINISTRATIVE_ACTION);
    old.expect_close();
}
