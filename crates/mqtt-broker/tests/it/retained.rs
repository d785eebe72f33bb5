//! Retained messages: kept, replaced, cleared, and who gets them with which flag.

use crate::kit::{Client, Hello, Post, QOS0, QOS1, QOS2, Server, V5, V311, options};
use mqtt_broker::config::ByteSize;
use mqtt_broker::manage::{Manager, Post as Own};
use mqtt_broker::{Message, RetainedFull, RetainedStore};
use mqtt_codec::{Packet, Property, ProtocolVersion, RetainHandling, SubscriptionOptions};
use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};

/// Covers: v5 [MQTT-3.3.1-5], v3.1.1 [MQTT-3.3.1-5], v3.1.1 [MQTT-3.3.1-6], v3.1.1 [MQTT-3.3.1-8], v3.1.1 [MQTT-3.1.2-7].
#[test]
fn the_last_message_of_a_topic_is_kept_with_its_qos_and_flagged() {
    let server = Server::start();
    for version in ProtocolVersion::ALL {
        let mut publisher = Client::connect(&server, version, "publisher");
        publisher.retain("a/b", "old", QOS0);
        publisher.retain("a/b", "new", QOS1);
        publisher.disconnect();
        let mut client = Client::connect(&server, version, "c");
        client.subscribe("a/+", QOS2);
        let message = client.take();
        assert_eq!(message.text(), ("a/b", "new"));
        assert_eq!((message.qos, message.retain, message.dup), (1, true, false));
        client.expect_nothing();
        client.disconnect();
    }
    assert_eq!(server.broker().sizes().retained, 1);
}

/// Covers: v5 [MQTT-3.3.1-6], v5 [MQTT-3.3.1-7], v3.1.1 [MQTT-3.3.1-10], v3.1.1 [MQTT-3.3.1-11].
#[test]
fn an_empty_payload_clears_the_topic_and_is_delivered_as_any_other() {
    let server = Server::start();
    for version in ProtocolVersion::ALL {
        let mut client = Client::connect(&server, version, "c");
        client.retain("t", "kept", QOS0);
        assert_eq!(server.broker().sizes().retained, 1);
        let mut watcher = Client::connect(&server, version, "watcher");
        watcher.subscribe("t", QOS0);
        assert_eq!(watcher.message().text(), ("t", "kept"));
        client.retain("t", "", QOS0);
        let message = watcher.message();
        assert_eq!((message.text(), message.retain), (("t", ""), false));
        assert_eq!(server.broker().sizes().retained, 0);
        client.subscribe("t", QOS0);
        client.expect_nothing();
        client.disconnect();
        watcher.disconnect();
    }
}

/// Covers: v5 [MQTT-3.3.1-8], v3.1.1 [MQTT-3.3.1-12].
#[test]
fn a_message_without_the_flag_leaves_the_store_alone() {
    let server = Server::start();
    let mut client = Client::connect(&server, V5, "c");
    client.retain("t", "kept", QOS0);
    client.publish("t", "passing");
    client.publish("t", "");
    client.subscribe("t", QOS0);
    assert_eq!(client.message().text(), ("t", "kept"));
    client.expect_nothing();
}

/// Covers: v5 [MQTT-3.3.1-12], v3.1.1 [MQTT-3.3.1-9].
#[test]
fn a_standing_subscription_gets_it_without_the_flag() {
    let server = Server::start();
    for version in ProtocolVersion::ALL {
        let mut client = Client::connect(&server, version, "c");
        client.subscribe("t", QOS0);
        client.post(&Post {
            retain: true,
            ..Post::new("t", b"live")
        });
        assert!(!client.message().retain);
        client.unsubscribe(&["t"]);
        client.retain("t", "", QOS0);
        client.disconnect();
    }
}

/// Covers: v5 [MQTT-3.3.1-13].
#[test]
fn v5_retain_as_published_keeps_the_flag() {
    let server = Server::start();
    let mut client = Client::connect(&server, V5, "c");
    let options = SubscriptionOptions {
        retain_as_published: true,
        ..options(QOS1)
    };
    client.subscribe_with(&[("t", options)], &[]);
    for (qos, retain) in [(QOS0, true), (QOS1, true), (QOS0, false), (QOS1, false)] {
        client.post(&Post {
            qos,
            retain,
            ..Post::new("t", b"x")
        });
        if qos == QOS1 {
            client.expect_ack(mqtt_codec::PacketType::PubAck, 1);
        }
        let message = client.take();
        assert_eq!((message.qos, message.retain), (qos.get(), retain));
    }
}

/// Covers: v5 [MQTT-3.3.1-9], v5 [MQTT-3.3.1-10], v5 [MQTT-3.3.1-11].
#[test]
fn v5_retain_handling_says_when_retained_messages_come() {
    let server = Server::start();
    let mut client = Client::connect(&server, V5, "c");
    client.retain("t", "kept", QOS1);
    for (handling, at_first, again) in [
        (RetainHandling::SendAtSubscribe, 1, 1),
        (RetainHandling::SendIfNew, 1, 0),
        (RetainHandling::DoNotSend, 0, 0),
    ] {
        let options = SubscriptionOptions {
            retain_handling: handling,
            ..options(QOS0)
        };
        for expected in [at_first, again] {
            client.subscribe_with(&[("t", options)], &[]);
            let messages = client.drain();
            assert_eq!(messages.len(), expected, "{handling:?}");
            assert!(messages.iter().all(|message| message.retain));
        }
        assert_eq!(client.unsubscribe(&["t"]), [0]);
    }
}

#[test]
fn v311_subscribing_again_brings_retained_messages_again() {
    let server = Server::start();
    let mut client = Client::connect(&server, V311, "c");
    client.retain("t", "kept", QOS1);
    client.subscribe("t", QOS0);
    assert_eq!(client.take().qos, 0);
    client.subscribe("t", QOS1);
    let message = client.take();
    assert_eq!((message.text(), message.qos), (("t", "kept"), 1));
    client.publish("t", "live");
    assert_eq!(client.drain().len(), 1, "one subscription");
}

#[test]
fn a_resumed_subscription_brings_no_retained_message() {
    let server = Server::start();
    let hello = Hello::lasting(V311, "c");
    let mut client = hello.attach(&server, false);
    client.subscribe("t", QOS1);
    client.disconnect();
    let mut publisher = Client::connect(&server, V311, "publisher");
    publisher.retain("t", "kept", QOS1);
    let mut client = hello.attach(&server, true);
    let message = client.take();
    assert!(!message.retain, "it waited as any other message");
    client.expect_nothing();
}

#[test]
fn every_filter_of_a_subscribe_brings_its_retained_messages() {
    let server = Server::start();
    let mut client = Client::connect(&server, V5, "c");
    for topic_name in ["a", "b/1", "b/2", "$own/x"] {
        client.retain(topic_name, "kept", QOS0);
    }
    client.subscribe_with(&[("a", options(QOS0)), ("b/#", options(QOS0))], &[]);
    let mut found: Vec<_> = client
        .drain()
        .into_iter()
        .map(|message| message.topic_name)
        .collect();
    found.sort();
    assert_eq!(found, ["a", "b/1", "b/2"]);
}

#[test]
fn v5_retained_messages_bring_their_properties_and_the_identifier() {
    let server = Server::start();
    let mut client = Client::connect(&server, V5, "c");
    client.post(&Post {
        retain: true,
        properties: &[
            Property::ContentType("text"),
            Property::UserProperty("a", "1"),
        ],
        ..Post::new("t", b"kept")
    });
    let id = mqtt_codec::SubscriptionIdentifier::new(5).unwrap();
    client.subscribe_with(
        &[("t", options(QOS0))],
        &[Property::SubscriptionIdentifier(id)],
    );
    let message = client.message();
    assert_eq!(message.subscription_ids, [5]);
    assert_eq!(message.properties.len(), 3, "{:?}", message.properties);
}

/// Covers: v5 [MQTT-3.8.3-3].
#[test]
fn v5_no_local_holds_for_retained_messages() {
    let server = Server::start();
    let mut other = Client::connect(&server, V5, "other");
    other.retain("theirs", "1", QOS0);
    let mut client = Client::connect(&server, V5, "c");
    client.retain("mine", "2", QOS0);
    let options = SubscriptionOptions {
        no_local: true,
        ..options(QOS0)
    };
    // It is the Client Identifier that counts, whatever its session.
    for round in 0..2 {
        client.subscribe_with(&[("+", options)], &[]);
        let found = client.drain();
        let found: Vec<_> = found.iter().map(|one| one.topic_name.as_str()).collect();
        assert_eq!(found, ["theirs"], "round {round}");
        client.disconnect();
        client = Client::connect(&server, V5, "c");
    }
}

#[test]
fn an_expired_retained_message_is_not_sent() {
    let server = Server::start();
    let mut client = Client::connect(&server, V5, "c");
    for (topic_name, expiry_s) in [("t/0", 0), ("t/60", 60)] {
        client.post(&Post {
            retain: true,
            properties: &[Property::MessageExpiryInterval(expiry_s)],
            ..Post::new(topic_name, b"kept")
        });
    }
    client.subscribe("t/#", QOS0);
    let message = client.message();
    assert_eq!(message.topic_name, "t/60");
    assert!(message.expiry_s.is_some_and(|left_s| left_s <= 60));
    client.expect_nothing();
}

#[test]
fn a_full_store_is_told_to_whom_it_can_be_told() {
    let server = Server::with(|config| config.retainer.max_retained_messages = 1);
    let mut client = Client::connect(&server, V5, "c");
    client.retain("one", "1", QOS1);
    let post = Post {
        retain: true,
        qos: QOS1,
        ..Post::new("two", b"2")
    };
    assert_eq!(client.publish_fully(&post), 0x97);
    client.retain("one", "again", QOS1);
    client.retain("two", "2", QOS0);
    assert_eq!(server.broker().totals().dropped_retained_full, 2);
    assert_eq!(server.broker().sizes().retained, 1);
    let mut old = Client::connect(&server, V311, "old");
    old.post(&post);
    old.expect_close();
}

#[test]
fn the_bytes_of_retained_messages_are_bounded() {
    let server = Server::with(|config| {
        config.retainer.max_retained_bytes = ByteSize::from_kb(8);
    });
    let mut client = Client::connect(&server, V5, "c");
    let payload = "x".repeat(5000);
    client.retain("one", &payload, QOS1);
    let post = Post {
        retain: true,
        qos: QOS1,
        ..Post::new("two", payload.as_bytes())
    };
    assert_eq!(client.publish_fully(&post), 0x97);
    client.retain("one", "", QOS1);
    assert_eq!(client.publish_fully(&post), 0x10);
}

/// Covers: v5 [MQTT-3.8.4-4], v3.1.1 [MQTT-3.8.4-3].
#[test]
fn subscribing_again_brings_retained_messages_and_interrupts_nothing() {
    const MESSAGES: u16 = 500;
    const SUBSCRIBES: usize = 20;
    let server = Server::start();
    for version in [V311, V5] {
        let mut client = Client::connect(&server, version, "c");
        let mut publisher = Client::connect(&server, version, "publisher");
        client.subscribe("t/#", QOS1);
        publisher.retain("t/kept", "kept", QOS1);
        assert!(!client.take().retain);
        let mut bytes = Vec::new();
        for nth in 1..=MESSAGES {
            let post = Post {
                qos: QOS1,
                packet_id: nth,
                ..Post::new("t/live", nth.to_string().as_bytes())
            }
            .bytes(version);
            bytes.extend(post);
        }
        publisher.send_bytes(&bytes);
        for _ in 0..SUBSCRIBES {
            client.ask_to_subscribe(&[("t/#", options(QOS1))], &[]);
        }
        let (mut live, mut kept, mut granted) = (0, 0, 0);
        while live < MESSAGES || kept < SUBSCRIBES || granted < SUBSCRIBES {
            let received = client.receive();
            match received.packet().unwrap() {
                Packet::SubAck(_) => granted += 1,
                Packet::Publish(publish) if publish.retain => kept += 1,
                Packet::Publish(publish) => {
                    live += 1;
                    assert_eq!(publish.payload, live.to_string().as_bytes());
                }
                other => panic!("{other:?}"),
            }
        }
        client.disconnect();
        Client::connect(&server, version, "clear").retain("t/kept", "", QOS0);
    }
}

/// A store in which something newer is published right behind each look-up.
#[derive(Clone, Default)]
struct Overtaken {
    kept: Arc<Mutex<HashMap<String, Arc<Message>>>>,
    manager: Arc<Mutex<Option<Manager>>>,
}

impl RetainedStore for Overtaken {
    fn insert(&self, message: &Arc<Message>) -> Result<(), RetainedFull> {
        let topic_name = message.topic_name().to_owned();
        let mut kept = self.kept.lock().unwrap();
        kept.insert(topic_name, Arc::clone(message));
        Ok(())
    }

    fn remove(&self, topic_name: &str) -> bool {
        self.kept.lock().unwrap().remove(topic_name).is_some()
    }

    fn find(&self, topic_name: &str) -> Option<Arc<Message>> {
        self.kept.lock().unwrap().get(topic_name).cloned()
    }

    fn matches(&self, topic_filter: &str, visit: &mut dyn FnMut(&Arc<Message>)) {
        if let Some(message) = self.find(topic_filter) {
            visit(&message);
        }
        let manager = self.manager.lock().unwrap().clone().unwrap();
        let newer = Own {
            retain: true,
            qos: QOS1,
            ..Own::new(topic_filter, b"new")
        };
        let published = pin!(manager.publish(&newer));
        let ready = published.poll(&mut Context::from_waker(Waker::noop()));
        assert!(ready.is_ready());
    }

    fn scan(&self, _: u32, _: usize, _: &mut dyn FnMut(&Arc<Message>)) -> Option<u32> {
        None
    }

    fn sweep(&self, _: u64) {}

    fn len(&self) -> usize {
        self.kept.lock().unwrap().len()
    }

    fn bytes(&self) -> usize {
        0
    }
}

#[test]
fn regress_a_message_published_during_a_look_up_comes_after_the_one_it_replaces() {
    let store = Overtaken::default();
    let server = Server::built(|_| {}, |builder| builder.retained_store(store.clone()));
    *store.manager.lock().unwrap() = Some(server.broker().manager().clone());
    let mut publisher = Client::connect(&server, V5, "p");
    for (qos, client_id) in [(QOS0, "zero"), (QOS1, "one")] {
        publisher.retain("t", "old", QOS1);
        let mut subscriber = Client::connect(&server, V5, client_id);
        subscriber.subscribe("t", qos);
        let found = [subscriber.take(), subscriber.take()].map(|one| (one.payload, one.retain));
        assert_eq!(found, [("old".into(), true), ("new".into(), false)]);
        subscriber.disconnect();
    }
}
