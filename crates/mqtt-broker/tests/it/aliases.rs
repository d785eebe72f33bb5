//! Topic Aliases that the broker sets.

use crate::kit::{Client, Hello, Message, Post, QOS0, QOS1, QOS2, Server, V5, V311, options};
use mqtt_broker::config::ByteSize;
use mqtt_codec::{Property, SubscriptionIdentifier};
use std::collections::HashMap;
use std::num::NonZeroU16;

/// A client's side of aliases: what stands for what.
#[derive(Default)]
struct Known(HashMap<String, String>);

impl Known {
    /// The topic of a message, and whether its name was written and its alias.
    fn resolve(&mut self, message: &Message) -> (String, Option<String>) {
        let alias = message
            .properties
            .iter()
            .find(|one| one.starts_with("TopicAlias("))
            .cloned();
        let topic_name = match &alias {
            None => message.topic_name.clone(),
            Some(alias) if message.topic_name.is_empty() => self.0[alias].clone(),
            Some(alias) => {
                self.0.insert(alias.clone(), message.topic_name.clone());
                message.topic_name.clone()
            }
        };
        assert!(!topic_name.is_empty(), "named somehow: {message:?}");
        (topic_name, alias)
    }
}

fn hello<'a>(maximum: &'a [Property<'a>]) -> Hello<'a> {
    Hello {
        properties: maximum,
        ..Hello::new(V5, "c")
    }
}

#[test]
fn v5_a_topic_sent_again_gets_an_alias_and_then_no_name() {
    let server = Server::start();
    for qos in [QOS0, QOS1, QOS2] {
        let mut client = hello(&[Property::TopicAliasMaximum(5)]).connect(&server);
        client.subscribe("sensors/#", qos);
        let mut publisher = Client::connect(&server, V311, "p");
        let mut seen = Vec::new();
        for _ in 0..4 {
            publisher.publish_fully(&Post {
                qos,
                ..Post::new("sensors/kitchen", b"x")
            });
            let message = client.take();
            seen.push((message.topic_name, message.properties));
        }
        let alias = vec!["TopicAlias(1)".to_owned()];
        assert_eq!(seen[0], ("sensors/kitchen".to_owned(), vec![]));
        assert_eq!(seen[1], ("sensors/kitchen".to_owned(), alias.clone()));
        assert_eq!(seen[2], (String::new(), alias.clone()));
        assert_eq!(seen[3], (String::new(), alias));
        client.disconnect();
        publisher.disconnect();
    }
}

/// Covers: v5 [MQTT-3.1.2-26].
#[test]
fn v5_3_1_2_26_no_alias_is_above_what_the_client_takes() {
    let server = Server::with(|config| config.mqtt.max_topic_alias_broker = 4);
    for maximum in [1, 3, 4, 100] {
        let mut client = hello(&[Property::TopicAliasMaximum(maximum)]).connect(&server);
        client.subscribe("sensors/#", QOS0);
        let mut publisher = Client::connect(&server, V5, "p");
        let mut known = Known::default();
        let mut sent = Vec::new();
        for nth in 0..400 {
            // Some topics often, others rarely.
            let topic_name = format!("sensors/number/{}", (nth * nth) % 13);
            publisher.publish(&topic_name, "x");
            sent.push(topic_name);
        }
        let allowed: Vec<_> = (1..=maximum.min(4))
            .map(|one| format!("TopicAlias({one})"))
            .collect();
        for expected in sent {
            let (topic_name, alias) = known.resolve(&client.message());
            assert_eq!(topic_name, expected);
            assert!(alias.is_none_or(|alias| allowed.contains(&alias)));
        }
        assert_eq!(known.0.len(), allowed.len(), "all are used");
        publisher.disconnect();
        client.disconnect();
    }
}

/// Covers: v5 [MQTT-3.1.2-27].
#[test]
fn v5_3_1_2_27_a_client_that_takes_no_aliases_gets_none() {
    let server = Server::start();
    for properties in [&[][..], &[Property::TopicAliasMaximum(0)]] {
        let mut client = hello(properties).connect(&server);
        client.subscribe("sensors/#", QOS0);
        let mut publisher = Client::connect(&server, V5, "p");
        for _ in 0..5 {
            publisher.publish("sensors/kitchen", "x");
            let message = client.message();
            assert_eq!(message.topic_name, "sensors/kitchen");
            assert_eq!(message.properties.len(), 0);
        }
        publisher.disconnect();
        client.disconnect();
    }
}

#[test]
fn v5_aliases_of_publisher_and_subscribers_have_nothing_to_do_with_each_other() {
    let server = Server::start();
    let mut publisher = Client::connect(&server, V5, "p");
    let mut others: Vec<_> = (1..=3_u16)
        .map(|maximum| {
            let properties = [Property::TopicAliasMaximum(maximum)];
            let client_id = format!("s{maximum}");
            let mut client = Hello {
                properties: &properties,
                ..Hello::new(V5, &client_id)
            }
            .connect(&server);
            let id = SubscriptionIdentifier::new(u32::from(maximum)).unwrap();
            let id = [Property::SubscriptionIdentifier(id)];
            // One with an identifier of its own, whose packets nobody shares.
            let properties = if maximum == 2 { &id[..] } else { &[] };
            client.subscribe_with(&[("sensors/+", options(QOS0))], properties);
            (client, Known::default())
        })
        .collect();
    let mut plain = Client::connect(&server, V5, "plain");
    plain.subscribe("sensors/+", QOS0);
    let mut set = [false; 5];
    for nth in 0..60_u16 {
        let place = usize::from(nth % 5);
        let number = NonZeroU16::new(16 - nth % 5).unwrap();
        let topic_name = format!("sensors/room{place}");
        publisher.post(&Post {
            topic_name: (!set[place]).then_some(&topic_name),
            properties: &[Property::TopicAlias(number)],
            ..Post::new("", b"x")
        });
        set[place] = true;
        for (client, known) in &mut others {
            assert_eq!(known.resolve(&client.message()).0, topic_name);
        }
        let message = plain.message();
        assert_eq!(
            (message.topic_name, message.properties.len()),
            (topic_name, 0)
        );
    }
}

/// Covers: v5 [MQTT-3.3.2-7].
#[test]
fn v5_3_3_2_7_aliases_end_with_their_connection() {
    let server = Server::start();
    let properties = [
        Property::TopicAliasMaximum(5),
        Property::SessionExpiryInterval(60),
    ];
    let hello = Hello {
        properties: &properties,
        clean_start: false,
        ..Hello::new(V5, "c")
    };
    let mut publisher = Client::connect(&server, V5, "p");
    let mut client = hello.attach(&server, false);
    client.subscribe("sensors/#", QOS1);
    for _ in 0..3 {
        publisher.publish_1("sensors/kitchen", "x");
    }
    let last = client.drain().pop().unwrap();
    assert_eq!(last.topic_name, "", "by alias");
    client.finish();
    let mut client = hello.attach(&server, true);
    let mut known = Known::default();
    for _ in 0..3 {
        let message = client.message();
        assert!(message.dup);
        assert_eq!(
            known.resolve(&message),
            ("sensors/kitchen".to_owned(), None)
        );
    }
    publisher.publish_1("sensors/kitchen", "x");
    assert_eq!(known.resolve(&client.message()).0, "sensors/kitchen");
}

#[test]
fn v5_what_a_slow_reader_loses_takes_no_alias_with_it() {
    let server = Server::with(|config| config.mqtt.max_outbox_bytes = ByteSize::from_kb(64));
    let mut slow = hello(&[Property::TopicAliasMaximum(16)]).connect(&server);
    slow.subscribe("sensors/#", QOS0);
    let mut publisher = Client::connect(&server, V5, "p");
    let payload = "x".repeat(900);
    for round in 0..30_000 {
        let topic_name = format!("sensors/number/{}", round % 40 * (round / 5000));
        publisher.publish(&topic_name, &payload);
    }
    publisher.publish("sensors/end", "end");
    publisher.ping();
    let dropped = server.broker().totals().dropped_outbox_full;
    assert!(dropped > 0, "the reader was slow");
    let (mut known, mut received) = (Known::default(), 0);
    loop {
        let message = slow.message();
        let (topic_name, _) = known.resolve(&message);
        received += 1;
        if topic_name == "sensors/end" {
            break;
        }
    }
    assert!(!known.0.is_empty(), "aliases were used");
    server.wait_until("counted", |broker| {
        broker.totals().dropped_outbox_full + received == 30_001
    });
}
