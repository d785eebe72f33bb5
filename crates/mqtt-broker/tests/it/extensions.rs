//! What goes beyond the standards: `$queue`, `$exclusive`, `$delayed`, rewriting, automatic subscriptions.

use crate::kit::{Client, Hello, Last, Post, QOS0, QOS1, QOS2, Server, V5, V311, options};
use mqtt_broker::Config;
use mqtt_codec::{PacketType, Property, ProtocolVersion};
use std::time::{Duration, Instant};

#[test]
fn those_who_subscribe_to_a_queue_share_it() {
    let server = Server::start();
    let mut members: Vec<_> = ["a", "b"]
        .map(|name| Client::connect(&server, V311, name))
        .into();
    for member in &mut members {
        member.subscribe("$queue/jobs/+", QOS0);
    }
    // The same group by its other name, and one that is not in it.
    let mut third = Client::connect(&server, V5, "c");
    third.subscribe("$share/$queue/jobs/+", QOS0);
    let mut outside = Client::connect(&server, V5, "d");
    outside.subscribe("jobs/#", QOS0);
    let mut publisher = Client::connect(&server, V5, "p");
    for n in 0..6 {
        publisher.publish("jobs/1", &n.to_string());
    }
    publisher.ping();
    let got: Vec<usize> = members
        .iter_mut()
        .chain([&mut third])
        .map(|member| member.drain().len())
        .collect();
    assert_eq!(got, [2, 2, 2], "each message to one of them, in turn");
    assert_eq!(outside.drain().len(), 6);
    assert_eq!(members[0].unsubscribe(&["$queue/jobs/+"]), [] as [u8; 0]);
    publisher.publish_1("jobs/1", "x");
    members[0].expect_nothing();
}

#[test]
fn an_exclusive_subscription_is_one_client_s_at_a_time() {
    let server = Server::with(|config| config.mqtt.exclusive_subscription = true);
    let exclusive = [("$exclusive/t/1", options(QOS1))];
    let mut first = Client::connect(&server, V5, "first");
    assert_eq!(first.subscribe_with(&exclusive, &[]), [1]);
    assert_eq!(
        first.subscribe_with(&exclusive, &[]),
        [1],
        "again by its owner"
    );
    let mut second = Client::connect(&server, V5, "second");
    assert_eq!(second.subscribe_with(&exclusive, &[]), [0x97]);
    let mut old = Client::connect(&server, V311, "old");
    assert_eq!(old.subscribe_with(&exclusive, &[]), [0x80]);
    // It is the topic behind the prefix, which others may have as it is.
    second.subscribe("t/1", QOS0);
    second.publish("t/1", "x");
    assert_eq!(second.message().text(), ("t/1", "x"));
    assert_eq!(first.take().text(), ("t/1", "x"));

    assert_eq!(first.unsubscribe(&["$exclusive/t/1"]), [0]);
    assert_eq!(old.subscribe_with(&exclusive, &[]), [1]);
    // It is free again with the end of the session.
    old.disconnect();
    server.wait_for_connections(2);
    assert_eq!(first.subscribe_with(&exclusive, &[]), [1]);
}

#[test]
fn an_exclusive_subscription_is_refused_where_it_is_not_enabled() {
    let server = Server::start();
    let mut client = Client::connect(&server, V5, "c");
    assert_eq!(
        client.subscribe_with(&[("$exclusive/t", options(QOS0))], &[]),
        [0x8F]
    );
}

#[test]
fn a_delayed_message_is_published_when_its_time_has_come() {
    let server = Server::start();
    for (version, qos) in [(V311, QOS0), (V5, QOS1), (V5, QOS2)] {
        let mut watcher = Client::connect(&server, version, "watcher");
        watcher.subscribe("#", QOS2);
        let mut publisher = Client::connect(&server, version, "publisher");
        let started = Instant::now();
        let post = Post {
            qos,
            ..Post::new("$delayed/1/later/on", b"x")
        };
        assert_eq!(publisher.publish_fully(&post), 0);
        publisher.publish_1("at/once", "y");
        assert_eq!(watcher.take().text(), ("at/once", "y"));
        // The publisher need not wait for it.
        publisher.disconnect();
        let message = watcher.take();
        assert_eq!(message.text(), ("later/on", "x"));
        assert_eq!(message.qos, qos.get());
        assert!(
            started.elapsed() >= Duration::from_millis(900),
            "{:?}",
            started.elapsed()
        );
        watcher.disconnect();
    }
}

#[test]
fn a_delayed_message_may_be_retained_and_expires_as_any_other() {
    let server = Server::start();
    let mut client = Client::connect(&server, V5, "c");
    client.retain("$delayed/0/t", "kept", QOS1);
    server.wait_until("retained", |broker| broker.sizes().retained == 1);
    let post = Post {
        qos: QOS1,
        properties: &[Property::MessageExpiryInterval(1)],
        ..Post::new("$delayed/2/t", b"too late")
    };
    client.publish_fully(&post);
    client.subscribe("t", QOS1);
    assert_eq!(client.take().text(), ("t", "kept"));
    server.wait_until("expired", |broker| broker.totals().dropped_expired == 1);
    client.expect_nothing();
}

#[test]
fn a_malformed_delay_is_refused() {
    let server = Server::start();
    for topic in ["$delayed/x/t", "$delayed/1", "$delayed/4294968/t"] {
        let mut client = Client::connect(&server, V5, "c");
        let post = Post {
            qos: QOS1,
            ..Post::new(topic, b"x")
        };
        assert_eq!(client.publish_fully(&post), 0x90, "{topic}");
        let mut client = Client::connect(&server, V311, "old");
        client.post(&post);
        client.expect_close();
    }
}

#[test]
fn too_many_delayed_messages_are_refused() {
    let server = Server::with(|config| config.delayed.max_delayed_messages = 2);
    let mut client = Client::connect(&server, V5, "c");
    let post = |qos| Post {
        qos,
        ..Post::new("$delayed/3600/t", b"x")
    };
    for _ in 0..2 {
        assert_eq!(client.publish_fully(&post(QOS1)), 0);
    }
    assert_eq!(client.publish_fully(&post(QOS1)), 0x97);
    assert_eq!(client.publish_fully(&post(QOS2)), 0x97);
    assert_eq!(client.publish_fully(&post(QOS0)), 0);
    assert_eq!(server.broker().manager().delayed_count(), 2);
    server.wait_until("counted", |broker| {
        broker.totals().dropped_delayed_full == 3
    });
    let mut old = Client::connect(&server, V311, "old");
    old.post(&post(QOS1));
    old.expect_close();
}

#[test]
fn delayed_bytes_are_bounded() {
    let server = Server::with(|config| {
        config.delayed.max_delayed_bytes = mqtt_broker::config::ByteSize::from_kb(4);
    });
    let mut client = Client::connect(&server, V5, "c");
    let payload = [0; 3000];
    let post = Post {
        qos: QOS1,
        ..Post::new("$delayed/3600/t", &payload)
    };
    assert_eq!(client.publish_fully(&post), 0);
    assert_eq!(client.publish_fully(&post), 0x97);
}

#[test]
fn where_delaying_is_off_the_topic_is_one_like_any_other() {
    let server = Server::with(|config| config.delayed.enable = false);
    let mut client = Client::connect(&server, V5, "c");
    client.subscribe("$delayed/#", QOS0);
    client.publish("$delayed/3600/t", "x");
    assert_eq!(client.message().text(), ("$delayed/3600/t", "x"));
}

/// A broker with more configuration.
fn configured(text: &str) -> Server {
    let more = Config::from_toml(text, "test").unwrap();
    Server::with(|config| {
        config.rewrite = more.rewrite;
        config.auto_subscribe = more.auto_subscribe;
        config.mqtt = more.mqtt;
    })
}

const REWRITE: &str = r#"
    [[rewrite]]
    source_topic = "x/#"
    re = "^x/y/(.+)$"
    dest_topic = "z/${clientid}/$1"
    [[rewrite]]
    action = "subscribe"
    source_topic = "only/sub"
    re = "^only/sub$"
    dest_topic = "subscribed"
    [[rewrite]]
    action = "publish"
    source_topic = "slow"
    re = "^slow$"
    dest_topic = "$delayed/1/fast"
    [[rewrite]]
    source_topic = "bad/#"
    re = "^bad/(.*)$"
    dest_topic = "$1"
    [[rewrite]]
    action = "publish"
    source_topic = "sys"
    re = "^sys$"
    dest_topic = "$SYS/broker/version"
"#;

#[test]
fn topics_are_rewritten_on_their_way_in() {
    let server = configured(REWRITE);
    for version in ProtocolVersion::ALL {
        let mut watcher = Client::connect(&server, version, "watcher");
        watcher.subscribe("#", QOS0);
        let mut client = Client::connect(&server, version, "c");
        client.publish("x/y/1/2", "a");
        assert_eq!(watcher.message().text(), ("z/c/1/2", "a"));
        client.publish("x/other", "b");
        assert_eq!(watcher.message().text(), ("x/other", "b"));
        client.publish("only/sub", "c");
        assert_eq!(watcher.message().text(), ("only/sub", "c"));
        client.publish("slow", "d");
        assert_eq!(watcher.message().text(), ("fast", "d"));
    }
}

#[test]
fn filters_are_rewritten_when_subscribing_and_unsubscribing() {
    let server = configured(REWRITE);
    let mut client = Client::connect(&server, V5, "c");
    client.subscribe("x/y/#", QOS0);
    client.subscribe("$share/g/only/sub", QOS0);
    let mut other = Client::connect(&server, V5, "other");
    other.publish("z/c/deep/er", "a");
    assert_eq!(client.message().text(), ("z/c/deep/er", "a"));
    other.publish("subscribed", "b");
    assert_eq!(client.message().text(), ("subscribed", "b"));
    assert_eq!(
        client.unsubscribe(&["x/y/#", "x/y/#", "$share/g/only/sub"]),
        [0, 0x11, 0]
    );
    assert_eq!(server.broker().sizes().subscriptions, 0);
}

#[test]
fn what_is_rewritten_to_no_topic_is_refused() {
    let server = configured(REWRITE);
    let mut client = Client::connect(&server, V5, "c");
    let post = |topic| Post {
        qos: QOS1,
        ..Post::new(topic, b"x")
    };
    assert_eq!(client.publish_fully(&post("bad/")), 0x90);
    assert_eq!(
        client.subscribe_with(&[("bad/", options(QOS0))], &[]),
        [0x8F]
    );
    // A client that calls itself a wildcard does not get one.
    let mut sly = Client::connect(&server, V5, "#");
    assert_eq!(sly.subscribe_with(&[("x/y/1", options(QOS0))], &[]), [0x8F]);
}

#[test]
fn clients_are_subscribed_when_they_connect() {
    let server = configured(
        r#"auto_subscribe.topics = [
            {topic = "to/${clientid}", qos = 1},
            {topic = "of/${username}/${host}/#", rh = 2},
            {topic = "$queue/work"},
        ]"#,
    );
    let mut publisher = Client::connect(&server, V5, "p");
    publisher.retain("to/c", "kept", QOS1);
    publisher.retain("of/ann/127.0.0.1/x", "kept", QOS1);
    for version in ProtocolVersion::ALL {
        let hello = Hello {
            username: Some("ann"),
            ..Hello::new(version, "c")
        };
        let mut client = hello.connect(&server);
        assert_eq!(client.take().text(), ("to/c", "kept"));
        client.expect_nothing();
        publisher.publish("of/ann/127.0.0.1/y", "a");
        assert_eq!(client.message().text(), ("of/ann/127.0.0.1/y", "a"));
        client.disconnect();
        server.wait_for_connections(1);
    }
    // Names that would make a wildcard of it leave the subscription out.
    let mut sly = Hello {
        username: Some("#"),
        ..Hello::new(V5, "+")
    }
    .connect(&server);
    publisher.publish("to/anyone", "b");
    publisher.ping();
    sly.expect_nothing();
}

#[test]
fn nothing_is_sent_before_the_connack_of_an_automatic_subscription() {
    let server = configured("auto_subscribe.topics = [{topic = \"#\"}]");
    Client::connect(&server, V5, "p").retain("t", "kept", QOS1);
    let mut client = Hello::new(V5, "c").send(&server);
    assert_eq!(client.welcome().reason, 0);
    assert_eq!(client.message().text(), ("t", "kept"));
}

#[test]
fn a_will_may_not_be_for_the_broker_s_topics() {
    let server = Server::start();
    for (version, code) in [(V5, 0x87), (V311, 5)] {
        let will = Some(Last::new("$SYS/broker/version"));
        let (mut client, welcome) = Hello {
            will,
            ..Hello::new(version, "c")
        }
        .ask(&server);
        let bytes = welcome.bytes;
        assert!(bytes.len() >= 4 && bytes[3] == code, "{bytes:?}");
        client.expect_close();
    }
}

#[test]
fn nobody_publishes_to_the_broker_s_topics() {
    let server = configured(REWRITE);
    let mut watcher = Client::connect(&server, V5, "watcher");
    watcher.subscribe("$SYS/mine", QOS0);
    for topic in ["$SYS/mine", "$delayed/0/$SYS/mine", "sys"] {
        let mut client = Client::connect(&server, V5, "c");
        let post = |qos| Post {
            qos,
            ..Post::new(topic, b"x")
        };
        assert_eq!(client.publish_fully(&post(QOS1)), 0x87, "{topic}");
        client.post(&post(QOS2));
        assert_eq!(client.expect_ack(PacketType::PubRec, 1), 0x87);
        client.post(&post(QOS0));
        client.ping();
        let mut old = Client::connect(&server, V311, "old");
        old.post(&post(QOS1));
        old.expect_close();
    }
    watcher.expect_nothing();
    assert_eq!(server.broker().totals().dropped_denied, 3);
}
