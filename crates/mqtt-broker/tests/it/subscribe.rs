//! SUBSCRIBE, UNSUBSCRIBE, and which messages a filter brings.

use crate::kit::{Client, Hello, Post, QOS0, QOS1, QOS2, Server, V5, V311, options};
use mqtt_codec::{
    PacketType, Property, ProtocolVersion, RetainHandling, SubscriptionIdentifier,
    SubscriptionOptions,
};

fn id(value: u32) -> Property<'static> {
    Property::SubscriptionIdentifier(SubscriptionIdentifier::new(value).unwrap())
}

/// Covers: v5 [MQTT-3.8.4-1], v5 [MQTT-3.8.4-2], v5 [MQTT-2.2.1-6], v3.1.1 [MQTT-3.8.4-1], v3.1.1 [MQTT-3.8.4-2], v3.1.1 [MQTT-2.3.1-7].
/// Covers: v5 [MQTT-3.8.4-5], v5 [MQTT-3.8.4-6], v5 [MQTT-3.8.4-7], v5 [MQTT-3.9.3-1], v3.1.1 [MQTT-3.8.4-4], v3.1.1 [MQTT-3.8.4-5], v3.1.1 [MQTT-3.9.3-1].
#[test]
fn suback_has_one_answer_per_filter_in_order() {
    let server = Server::start();
    for version in ProtocolVersion::ALL {
        let mut client = Client::connect(&server, version, "c");
        let granted = client.subscribe_with(
            &[
                ("a", options(QOS2)),
                ("b", options(QOS0)),
                ("c", options(QOS1)),
            ],
            &[],
        );
        assert_eq!(granted, [2, 0, 1]);
        for (topic_name, qos) in [("a", 2), ("b", 0), ("c", 1)] {
            client.post(&Post {
                qos: QOS2,
                packet_id: 5,
                ..Post::new(topic_name, b"x")
            });
            client.expect_ack(PacketType::PubRec, 5);
            assert_eq!(client.message().qos, qos);
            client.ack(PacketType::PubRel, 5);
            client.expect_ack(PacketType::PubComp, 5);
        }
    }
}

/// Covers: v5 [MQTT-3.3.2-3], v3.1.1 [MQTT-3.3.2-3], v5 [MQTT-4.7.3-4], v3.1.1 [MQTT-4.7.3-4].
#[test]
fn filters_match_by_level_and_exactly() {
    let server = Server::start();
    let mut client = Client::connect(&server, V5, "c");
    for (filter, yes, no) in [
        (
            "a/+/c",
            &["a/b/c", "a//c", "a/$x/c"][..],
            &["a/b/d", "a/c", "a/b/c/d"][..],
        ),
        ("a/#", &["a", "a/", "a/b", "a/b/c"], &["ab", "b/a"]),
        ("#", &["a", "/", "a/b"], &["$a", "$a/b"]),
        ("+", &["a"], &["/a", "a/", "$a"]),
        ("+/+", &["/a", "a/", "/", "a/b"], &["a", "$a/b"]),
        ("/+", &["/a", "/"], &["a", "a/b"]),
        ("+/b", &["a/b", "/b"], &["$a/b", "b"]),
        ("$a/#", &["$a", "$a/b"], &["a", "$b"]),
        ("$a/+", &["$a/b"], &["$a", "a/b"]),
        ("A", &["A"], &["a", "A/"]),
        ("\u{e9}", &["\u{e9}"], &["e\u{301}", "E\u{301}"]),
        ("a b", &["a b"], &["a  b", " a b", "ab"]),
    ] {
        client.subscribe(filter, QOS0);
        for topic_name in yes {
            client.publish(topic_name, "yes");
        }
        for topic_name in no {
            client.publish(topic_name, "no");
        }
        let found = client.drain();
        let found: Vec<_> = found.iter().map(crate::kit::Message::text).collect();
        let expected: Vec<_> = yes.iter().map(|topic_name| (*topic_name, "yes")).collect();
        assert_eq!(found, expected, "{filter}");
        assert_eq!(client.unsubscribe(&[filter]), [0], "{filter}");
    }
}

/// Covers: v5 [MQTT-4.7.2-1], v3.1.1 [MQTT-4.7.2-1].
#[test]
fn wildcards_at_the_start_do_not_match_dollar_topics() {
    let server = Server::start();
    for version in ProtocolVersion::ALL {
        let mut client = Client::connect(&server, version, "c");
        for filter in ["#", "+/x", "+/#"] {
            client.subscribe(filter, QOS0);
        }
        client.publish("$own/x", "hidden");
        client.expect_nothing();
        client.subscribe("$own/+", QOS0);
        client.publish("$own/x", "seen");
        assert_eq!(client.message().text(), ("$own/x", "seen"));
    }
}

/// Covers: v5 [MQTT-3.3.4-2], v3.1.1 [MQTT-3.3.5-1], v5 [MQTT-3.3.4-3], v5 [MQTT-3.3.4-4].
#[test]
fn overlapping_filters_bring_one_copy_at_the_highest_qos() {
    let server = Server::start();
    for version in ProtocolVersion::ALL {
        let mut client = Client::connect(&server, version, "c");
        let ids: &[u32] = if version == V5 { &[1, 2, 3] } else { &[] };
        for (at, (filter, qos)) in [("t/#", QOS0), ("t/+", QOS2), ("t/1", QOS1)]
            .into_iter()
            .enumerate()
        {
            let properties: Vec<_> = ids.get(at).map(|value| id(*value)).into_iter().collect();
            client.subscribe_with(&[(filter, options(qos))], &properties);
        }
        client.post(&Post {
            qos: QOS2,
            ..Post::new("t/1", b"x")
        });
        client.expect_ack(PacketType::PubRec, 1);
        let message = client.message();
        assert_eq!(message.qos, 2);
        assert_eq!(message.subscription_ids, ids);
        client.expect_nothing();
    }
}

#[test]
fn v5_a_subscription_identifier_comes_with_its_messages_only() {
    let server = Server::start();
    let mut client = Client::connect(&server, V5, "c");
    client.subscribe_with(&[("a", options(QOS1))], &[id(268_435_455)]);
    client.subscribe("b", QOS1);
    client.publish("a", "");
    assert_eq!(client.message().subscription_ids, [268_435_455]);
    client.publish("b", "");
    assert_eq!(client.message().subscription_ids, [0_u32; 0]);
    client.subscribe("a", QOS1);
    client.publish("a", "");
    assert_eq!(client.message().subscription_ids, [0_u32; 0], "replaced");
}

#[test]
fn v5_a_subscription_identifier_waits_with_the_message() {
    let server = Server::start();
    let hello = Hello::lasting(V5, "c");
    let mut client = hello.attach(&server, false);
    client.subscribe_with(&[("a", options(QOS1))], &[id(9)]);
    client.disconnect();
    let mut publisher = Client::connect(&server, V5, "publisher");
    publisher.publish_1("a", "");
    let mut client = hello.attach(&server, true);
    assert_eq!(client.message().subscription_ids, [9]);
    drop(client);
    server.wait_for_connections(1);
    let mut client = hello.attach(&server, true);
    let message = client.message();
    assert_eq!((message.subscription_ids, message.dup), (vec![9], true));
}

/// Covers: v5 [MQTT-3.8.3-3].
#[test]
fn v5_no_local_keeps_own_messages_away_and_no_others() {
    let server = Server::start();
    let mut client = Client::connect(&server, V5, "c");
    let mut other = Client::connect(&server, V5, "other");
    let no_local = SubscriptionOptions {
        no_local: true,
        ..options(QOS1)
    };
    client.subscribe_with(&[("t", no_local)], &[]);
    client.publish("t", "mine");
    other.publish_1("t", "theirs");
    assert_eq!(client.take().text(), ("t", "theirs"));
    client.expect_nothing();
}

#[test]
fn regress_no_local_hides_its_identifier_too() {
    let server = Server::start();
    let mut client = Client::connect(&server, V5, "c");
    let mut other = Client::connect(&server, V5, "other");
    let no_local = SubscriptionOptions {
        no_local: true,
        retain_as_published: true,
        ..options(QOS2)
    };
    client.subscribe_with(&[("t", no_local)], &[id(1)]);
    client.subscribe_with(&[("t/#", options(QOS0))], &[id(2)]);
    client.post(&Post {
        retain: true,
        ..Post::new("t", b"")
    });
    let message = client.message();
    assert_eq!((message.subscription_ids, message.retain), (vec![2], false));
    other.publish_to_t(QOS2);
    let message = client.message();
    assert_eq!((message.subscription_ids, message.qos), (vec![1, 2], 2));
}

/// Covers: v5 [MQTT-3.8.4-3].
#[test]
fn the_same_filter_again_replaces_the_subscription() {
    let server = Server::start();
    for version in ProtocolVersion::ALL {
        let mut client = Client::connect(&server, version, "c");
        client.subscribe("t", QOS0);
        client.subscribe("t", QOS1);
        assert_eq!(server.broker().sizes().subscriptions, 1);
        client.publish_to_t(QOS1);
        assert_eq!(client.take().qos, 1);
        client.expect_nothing();
        client.disconnect();
        server.wait_for_connections(0);
    }
}

/// Covers: v5 [MQTT-3.10.4-1], v5 [MQTT-3.10.4-2], v5 [MQTT-3.10.4-4], v5 [MQTT-3.10.4-5], v5 [MQTT-3.10.4-6], v5 [MQTT-3.11.3-1].
/// Covers: v3.1.1 [MQTT-3.10.4-1], v3.1.1 [MQTT-3.10.4-2], v3.1.1 [MQTT-3.10.4-4], v3.1.1 [MQTT-3.10.4-5], v3.1.1 [MQTT-3.10.4-6].
#[test]
fn unsubscribe_removes_what_is_equal_and_answers_for_each() {
    let server = Server::start();
    for version in ProtocolVersion::ALL {
        let mut client = Client::connect(&server, version, "c");
        for filter in ["t/+", "t/1", "u"] {
            client.subscribe(filter, QOS0);
        }
        let reasons = client.unsubscribe(&["u", "t/2", "t/1"]);
        let expected: &[u8] = if version == V5 { &[0, 0x11, 0] } else { &[] };
        assert_eq!(reasons, expected);
        client.publish("u", "nobody");
        client.publish("t/1", "by t/+");
        assert_eq!(client.message().text(), ("t/1", "by t/+"));
        client.unsubscribe(&["t/+"]);
        client.publish("t/1", "nobody");
        client.unsubscribe(&["t/+"]);
        client.expect_nothing();
        client.disconnect();
    }
}

/// Covers: v5 [MQTT-3.10.4-3], v3.1.1 [MQTT-3.10.4-3].
#[test]
fn messages_under_way_are_finished_after_unsubscribe() {
    let server = Server::start();
    for version in [V311, V5] {
        let hello = Hello::lasting(version, "c");
        let mut client = hello.attach(&server, false);
        client.subscribe("t", QOS1);
        client.publish_to_t(QOS1);
        let first = client.message();
        client.unsubscribe(&["t"]);
        drop(client);
        server.wait_for_connections(0);
        let mut client = hello.attach(&server, true);
        let message = client.message();
        assert_eq!((message.packet_id, message.dup), (first.packet_id, true));
        client.disconnect();
        Client::connect(&server, version, "c").disconnect();
        server.wait_for_connections(0);
    }
}

#[test]
fn v31_a_refused_subscription_closes_because_suback_cannot_say_it() {
    let server = Server::with(|config| config.mqtt.max_topic_levels = 1);
    let mut client = Client::connect(&server, crate::kit::V31, "c");
    client.ask_to_subscribe(&[("a/b", options(QOS1))], &[]);
    client.expect_close();
}

#[test]
fn the_number_of_subscriptions_is_bounded() {
    let server = Server::with(|config| config.mqtt.max_subscriptions = 2);
    let mut client = Client::connect(&server, V5, "c");
    let all = [
        ("a", options(QOS0)),
        ("b", options(QOS0)),
        ("c", options(QOS0)),
        ("a", options(QOS1)),
    ];
    assert_eq!(client.subscribe_with(&all, &[]), [0, 0, 0x97, 1]);
    client.unsubscribe(&["a"]);
    client.subscribe("c", QOS0);
}

#[test]
fn the_levels_of_topics_are_bounded() {
    let server = Server::with(|config| config.mqtt.max_topic_levels = 3);
    let mut client = Client::connect(&server, V5, "c");
    let all = [("a/b/c", options(QOS0)), ("a/b/c/d", options(QOS0))];
    assert_eq!(client.subscribe_with(&all, &[]), [0, 0x8F]);
    let post = Post {
        qos: QOS1,
        ..Post::new("a/b/c/d", b"")
    };
    assert_eq!(client.publish_fully(&post), 0x90);
}

#[test]
fn v5_options_of_each_filter_are_its_own() {
    let server = Server::start();
    let mut client = Client::connect(&server, V5, "c");
    client.retain("a", "1", QOS0);
    client.retain("b", "1", QOS0);
    let never = SubscriptionOptions {
        retain_handling: RetainHandling::DoNotSend,
        ..options(QOS0)
    };
    client.subscribe_with(&[("a", never), ("b", options(QOS0))], &[]);
    assert_eq!(client.message().topic_name, "b");
    client.expect_nothing();
}
