//! A broker that ended in the midst of it all, and the one after it.

use crate::kit::{Client, Hello, Kept, Last, Post, QOS0, QOS1, QOS2, Server, V5, V311, options};
use mqtt_codec::{PacketType, Property};

fn publish(server: &Server, topic_name: &str, payload: &str, qos: mqtt_codec::QoS) {
    let mut publisher = Client::connect(server, V5, "publisher");
    publisher.publish_fully(&Post {
        qos,
        ..Post::new(topic_name, payload.as_bytes())
    });
    publisher.disconnect();
}

#[test]
fn what_waits_survives_in_order_with_sessions_and_subscriptions() {
    for version in [V311, V5] {
        let mut kept = Kept::start();
        let mut client = Hello::lasting(version, "c").connect(&kept.server);
        client.subscribe("t/#", QOS2);
        client.disconnect();
        for round in 0..3 {
            for (at, qos) in [QOS1, QOS2, QOS1].into_iter().enumerate() {
                publish(&kept.server, "t/x", &format!("{round}.{at}"), qos);
            }
            kept = match round {
                1 => kept.restart(),
                _ => kept.kill(),
            };
        }
        let mut client = Hello::lasting(version, "c").attach(&kept.server, true);
        let mut all = Vec::new();
        for round in 0..3 {
            for (at, qos) in [QOS1, QOS2, QOS1].into_iter().enumerate() {
                let message = client.message();
                assert_eq!(message.text(), ("t/x", format!("{round}.{at}").as_str()));
                assert_eq!((message.qos, message.dup), (qos.get(), false));
                all.extend(message.packet_id.map(|packet_id| (qos, packet_id)));
            }
        }
        for (qos, packet_id) in all {
            if qos == QOS1 {
                client.ack(PacketType::PubAck, packet_id);
                continue;
            }
            client.ack(PacketType::PubRec, packet_id);
            client.expect_ack(PacketType::PubRel, packet_id);
            client.ack(PacketType::PubComp, packet_id);
        }
        publish(&kept.server, "t/y", "new", QOS1);
        assert_eq!(client.take().text(), ("t/y", "new"));
        client.expect_nothing();
        client.disconnect();
        // What was taken does not come again.
        kept.server.wait_for_connections(0);
        let kept = kept.restart();
        let mut client = Hello::lasting(version, "c").attach(&kept.server, true);
        client.expect_nothing();
    }
}

/// Covers: v5 [MQTT-4.4.0-1], v3.1.1 [MQTT-4.4.0-1].
#[test]
fn what_was_under_way_is_sent_again_under_its_identifier() {
    for version in [V311, V5] {
        let kept = Kept::start();
        let mut client = Hello::lasting(version, "c").connect(&kept.server);
        client.subscribe("t", QOS2);
        for qos in [QOS1, QOS2, QOS2] {
            publish(&kept.server, "t", "x", qos);
        }
        let sent: Vec<_> = (0..3).map(|_| client.message()).collect();
        let ids: Vec<u16> = sent
            .iter()
            .map(|message| message.packet_id.unwrap())
            .collect();
        // The second one has arrived.
        client.ack(PacketType::PubRec, ids[1]);
        client.expect_ack(PacketType::PubRel, ids[1]);
        let kept = kept.kill();
        let mut client = Hello::lasting(version, "c").attach(&kept.server, true);
        client.expect_ack(PacketType::PubRel, ids[1]);
        for (at, qos) in [(0, 1), (2, 2)] {
            let again = client.message();
            assert_eq!((again.packet_id, again.qos), (Some(ids[at]), qos));
            assert!(again.dup);
        }
        client.ack(PacketType::PubComp, ids[1]);
        client.ack(PacketType::PubAck, ids[0]);
        client.ack(PacketType::PubRec, ids[2]);
        client.expect_ack(PacketType::PubRel, ids[2]);
        client.ack(PacketType::PubComp, ids[2]);
        client.ping();
        client.disconnect();
        kept.server.wait_for_connections(0);
        let kept = kept.restart();
        let mut client = Hello::lasting(version, "c").attach(&kept.server, true);
        client.expect_nothing();
    }
}

/// Covers: v5 [MQTT-4.3.3-10].
#[test]
fn a_received_qos_2_message_is_still_known() {
    for version in [V311, V5] {
        let kept = Kept::start();
        let mut reader = Hello::lasting(version, "reader").connect(&kept.server);
        reader.subscribe("t", QOS1);
        reader.disconnect();
        let mut client = Hello::lasting(version, "c").connect(&kept.server);
        let post = Post {
            qos: QOS2,
            packet_id: 9,
            ..Post::new("t", b"once")
        };
        client.post(&post);
        client.expect_ack(PacketType::PubRec, 9);
        let kept = kept.kill();
        let mut client = Hello::lasting(version, "c").attach(&kept.server, true);
        client.post(&Post { dup: true, ..post });
        client.expect_ack(PacketType::PubRec, 9);
        client.ack(PacketType::PubRel, 9);
        client.expect_ack(PacketType::PubComp, 9);
        let mut reader = Hello::lasting(version, "reader").attach(&kept.server, true);
        assert_eq!(reader.take().text(), ("t", "once"));
        reader.expect_nothing();
        // Released, the identifier is new again.
        let kept = kept.kill();
        let mut client = Hello::lasting(version, "c").attach(&kept.server, true);
        client.post(&post);
        client.expect_ack(PacketType::PubRec, 9);
        let mut reader = Hello::lasting(version, "reader").attach(&kept.server, true);
        assert_eq!(reader.take().text(), ("t", "once"));
    }
}

#[test]
fn retained_messages_survive_and_removed_ones_do_not() {
    let mut kept = Kept::start();
    let mut client = Client::connect(&kept.server, V5, "c");
    for (topic_name, payload) in [("a", "1"), ("b", "1"), ("a", "2"), ("b", ""), ("c", "3")] {
        client.publish_fully(&Post {
            qos: QOS1,
            retain: true,
            ..Post::new(topic_name, payload.as_bytes())
        });
    }
    for _ in 0..2 {
        kept = kept.kill();
        assert_eq!(kept.server.broker().sizes().retained, 2);
    }
    let kept = kept.restart();
    let mut client = Client::connect(&kept.server, V5, "c");
    client.subscribe("#", QOS0);
    let mut found: Vec<_> = (0..2).map(|_| client.take()).collect();
    found.sort_by(|one, other| one.text().cmp(&other.text()));
    assert_eq!([found[0].text(), found[1].text()], [("a", "2"), ("c", "3")]);
    client.expect_nothing();
}

/// Covers: v5 [MQTT-3.1.2-8], v3.1.1 [MQTT-3.1.2-8].
#[test]
fn wills_of_connections_that_died_with_the_broker_are_published() {
    let kept = Kept::start();
    let mut watcher = Hello::lasting(V5, "watcher").connect(&kept.server);
    watcher.subscribe("will/#", QOS1);
    watcher.disconnect();
    let will = |topic_name| {
        Some(Last {
            qos: QOS1,
            ..Last::new(topic_name)
        })
    };
    let lost = Hello {
        will: will("will/lost"),
        ..Hello::lasting(V5, "lost")
    };
    let lost = lost.connect(&kept.server);
    let left = Hello {
        will: will("will/left"),
        ..Hello::lasting(V5, "left")
    };
    left.connect(&kept.server).disconnect();
    kept.server.wait_for_connections(1);
    kept.settle();
    let kept = kept.kill();
    drop(lost);
    let mut watcher = Hello::lasting(V5, "watcher").attach(&kept.server, true);
    assert_eq!(watcher.take().text(), ("will/lost", "gone"));
    watcher.expect_nothing();
    watcher.disconnect();
    kept.server.wait_for_connections(0);
    // Only once.
    let kept = kept.restart();
    let mut watcher = Hello::lasting(V5, "watcher").attach(&kept.server, true);
    watcher.expect_nothing();
}

/// Covers: v5 [MQTT-3.1.2-23].
#[test]
fn sessions_end_with_their_time_and_with_their_connection() {
    let kept = Kept::start();
    let brief = Hello {
        properties: &[Property::SessionExpiryInterval(1)],
        ..Hello::lasting(V5, "brief")
    };
    brief.connect(&kept.server).disconnect();
    Hello::lasting(V5, "long")
        .connect(&kept.server)
        .disconnect();
    // Taken up again by a connection with which it is to end, which then dies with the broker.
    Hello::lasting(V5, "ending")
        .connect(&kept.server)
        .disconnect();
    kept.server.wait_for_connections(0);
    let ending = Hello {
        properties: &[],
        ..Hello::lasting(V5, "ending")
    };
    let ending = ending.attach(&kept.server, true);
    let kept = kept.kill();
    drop(ending);
    kept.server
        .wait_until("two have ended", |broker| broker.sizes().sessions == 1);
    Hello::lasting(V5, "long").attach(&kept.server, true);
    let kept = kept.kill();
    assert_eq!(kept.server.broker().sizes().sessions, 1);
}

#[test]
fn a_replaced_session_does_not_come_back() {
    let kept = Kept::start();
    let mut client = Hello::lasting(V311, "c").connect(&kept.server);
    client.subscribe("t", QOS1);
    client.disconnect();
    publish(&kept.server, "t", "x", QOS1);
    Client::connect(&kept.server, V311, "c").disconnect();
    let kept = kept.kill();
    assert_eq!(kept.server.broker().sizes().subscriptions, 0);
    Hello::lasting(V311, "c").attach(&kept.server, false);
}

#[test]
fn a_member_of_a_group_finds_what_was_kept_for_it() {
    let kept = Kept::start();
    let mut member = Hello::lasting(V5, "member").connect(&kept.server);
    member.subscribe("$share/g/t", QOS1);
    member.disconnect();
    kept.server.wait_for_connections(0);
    publish(&kept.server, "t", "kept", QOS1);
    let kept = kept.kill();
    assert_eq!(kept.server.broker().sizes().subscriptions, 1);
    let mut member = Hello::lasting(V5, "member").attach(&kept.server, true);
    assert_eq!(member.take().text(), ("t", "kept"));
    publish(&kept.server, "t", "new", QOS1);
    assert_eq!(member.take().text(), ("t", "new"));
}

#[test]
fn a_delayed_message_is_published_after_a_restart() {
    let kept = Kept::start();
    let mut watcher = Hello::lasting(V5, "watcher").connect(&kept.server);
    watcher.subscribe_with(&[("t", options(QOS1))], &[]);
    watcher.disconnect();
    publish(&kept.server, "$delayed/1/t", "late", QOS1);
    let kept = kept.kill();
    let mut watcher = Hello::lasting(V5, "watcher").attach(&kept.server, true);
    assert_eq!(watcher.take().text(), ("t", "late"));
}
