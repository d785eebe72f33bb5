//! Queues of which the greater part waits in the log.

use crate::kit::{Client, Hello, Kept, Message, Post, QOS1, QOS2, V5, V311, options};
use mqtt_broker::config::ByteSize;
use mqtt_broker::{Config, QueueFull};
use mqtt_codec::{Packet, PacketType, Property, QoS};
use std::fs::{self, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::num::NonZeroU16;
use std::time::{Duration, Instant};

const BOUNDS: [fn(&mut Config); 3] = [
    |config| config.store.max_queue_memory = ByteSize::new(0),
    |config| config.store.max_queue_memory = ByteSize::new(3_000),
    |_| {},
];

/// Publishes so many messages to `topic_name`, numbered from `first` on, and waits until the broker has them.
fn publish(publisher: &mut Client, topic_name: &str, qos: QoS, first: usize, count: usize) {
    for number in first..first + count {
        let packet_id = u16::try_from(number + 1).unwrap();
        publisher.post(&Post {
            qos,
            packet_id,
            ..Post::new(topic_name, number.to_string().as_bytes())
        });
    }
    for number in first..first + count {
        let packet_id = u16::try_from(number + 1).unwrap();
        match qos {
            QOS2 => publisher.expect_ack(PacketType::PubRec, packet_id),
            _ => publisher.expect_ack(PacketType::PubAck, packet_id),
        };
    }
    if qos == QOS2 {
        for number in first..first + count {
            let packet_id = u16::try_from(number + 1).unwrap();
            publisher.ack(PacketType::PubRel, packet_id);
            publisher.expect_ack(PacketType::PubComp, packet_id);
        }
    }
}

/// A client that is away, for which so many messages of each of two publishers wait, to `a/1` and `a/2`.
fn laden(change: fn(&mut Config), qos: QoS, count: usize) -> Kept {
    let kept = Kept::with(change);
    let mut client = Hello::lasting(V5, "c").connect(&kept.server);
    client.subscribe("a/#", QOS2);
    client.disconnect();
    kept.server.wait_for_connections(0);
    let mut one = Client::connect(&kept.server, V5, "one");
    let mut other = Client::connect(&kept.server, V5, "other");
    for part in 0..2 {
        publish(&mut one, "a/1", qos, part * count / 2, count / 2);
        publish(&mut other, "a/2", qos, part * count / 2, count / 2);
    }
    kept
}

/// Whether these are all messages of both publishers, from `first` on, each in order.
fn check(messages: &[Message], first: [usize; 2], count: usize) {
    let mut next = first;
    for message in messages {
        let (topic_name, payload) = message.text();
        let of = usize::from(topic_name == "a/2");
        assert_eq!(payload, next[of].to_string(), "{topic_name}");
        next[of] += 1;
    }
    assert_eq!(next, [count, count], "all");
}

/// The next message, acknowledged as far as that goes at once; what was to be released before is.
fn next(client: &mut Client) -> Message {
    loop {
        let received = client.receive();
        match received.packet().unwrap() {
            Packet::Publish(publish) => {
                let message = Message::of(&publish);
                let ack = match message.qos {
                    1 => PacketType::PubAck,
                    _ => PacketType::PubRec,
                };
                client.ack(ack, message.packet_id.unwrap());
                return message;
            }
            // A log may hold it back for longer than messages.
            Packet::SubAck(_) => {}
            Packet::PubRel(ack) => client.ack(PacketType::PubComp, ack.packet_id.get()),
            other => panic!("neither PUBLISH nor PUBREL: {other:?}"),
        }
    }
}

fn take(client: &mut Client, count: usize) -> Vec<Message> {
    (0..count).map(|_| next(client)).collect()
}

#[test]
fn order_is_kept_where_memory_ends() {
    for change in BOUNDS {
        for qos in [QOS1, QOS2] {
            for receive_maximum in [1, 20, 65_535] {
                let kept = laden(change, qos, 100);
                kept.server
                    .wait_until("in the log", |broker| broker.sizes().queued_in_log == 200);
                let mut client = Hello {
                    properties: &[
                        Property::SessionExpiryInterval(3600),
                        Property::ReceiveMaximum(NonZeroU16::new(receive_maximum).unwrap()),
                    ],
                    ..Hello::lasting(V5, "c")
                }
                .attach(&kept.server, true);
                let mut messages = take(&mut client, 50);
                // These come behind those that wait.
                for (client_id, topic_name) in [("three", "a/1"), ("four", "a/2")] {
                    let mut publisher = Client::connect(&kept.server, V5, client_id);
                    publish(&mut publisher, topic_name, qos, 100, 20);
                }
                messages.extend(take(&mut client, 190));
                check(&messages, [0, 0], 120);
                if qos == QOS1 {
                    client.expect_nothing();
                }
                assert_eq!(kept.server.broker().sizes().queued_in_log, 0);
                let totals = kept.server.broker().totals();
                assert!(totals.queue_loaded >= 200 && totals.queue_loads > 0);
                assert_eq!(totals.dropped(), 0);
            }
        }
    }
}

#[test]
fn what_was_under_way_is_read_again() {
    for (change, version) in BOUNDS.into_iter().zip([V5, V311, V5]) {
        let kept = laden(change, QOS1, 40);
        let mut client = Hello::lasting(version, "c").attach(&kept.server, true);
        let sent: Vec<_> = (0..30).map(|_| client.message()).collect();
        drop(client);
        kept.server.wait_for_connections(0);
        let mut client = Hello::lasting(version, "c").attach(&kept.server, true);
        let mut all = Vec::new();
        for before in &sent {
            let again = client.take();
            assert_eq!(again.packet_id, before.packet_id);
            assert!(again.dup && again.text() == before.text());
            all.push(again);
        }
        all.extend(take(&mut client, 50));
        check(&all, [0, 0], 40);
        client.expect_nothing();
    }
}

#[test]
fn a_broker_that_is_killed_in_the_midst_goes_on_from_there() {
    for change in BOUNDS {
        for qos in [QOS1, QOS2] {
            let kept = laden(change, qos, 60);
            let mut client = Hello::lasting(V5, "c").attach(&kept.server, true);
            let mut all = take(&mut client, 45);
            let kept = kept.kill();
            let mut client = Hello::lasting(V5, "c").attach(&kept.server, true);
            while all.len() < 120 {
                let message = next(&mut client);
                let is_known = all.iter().any(|known| known.text() == message.text());
                // At QoS 1 an acknowledgement may not have been written yet; at QoS 2 PUBREC may not have come.
                assert!(!is_known || message.dup || qos == QOS1, "{message:?}");
                if !is_known {
                    all.push(message);
                }
            }
            check(&all, [0, 0], 60);
        }
    }
}

#[test]
fn a_session_is_taken_over_while_its_queue_is_read() {
    for change in BOUNDS {
        let kept = laden(change, QOS1, 80);
        let mut all = Vec::new();
        for _ in 0..10 {
            // The one before has no chance to say goodbye.
            let mut client = Hello::lasting(V5, "c").attach(&kept.server, true);
            for message in take(&mut client, 12) {
                if !all
                    .iter()
                    .any(|known: &Message| known.text() == message.text())
                {
                    all.push(message);
                }
            }
            std::mem::forget(client);
        }
        let mut client = Hello::lasting(V5, "c").attach(&kept.server, true);
        while all.len() < 160 {
            let message = client.take();
            if !all.iter().any(|known| known.text() == message.text()) {
                all.push(message);
            }
        }
        check(&all, [0, 0], 80);
    }
}

#[test]
fn what_expires_in_the_log_is_not_sent() {
    for change in BOUNDS {
        let kept = Kept::with(change);
        let mut client = Hello::lasting(V5, "c").connect(&kept.server);
        client.subscribe("t", QOS1);
        client.disconnect();
        kept.server.wait_for_connections(0);
        let mut publisher = Client::connect(&kept.server, V5, "publisher");
        let started = Instant::now();
        for number in 0..20 {
            let payload = number.to_string();
            publisher.publish_fully(&Post {
                qos: QOS1,
                properties: match number % 10 {
                    7 => &[],
                    _ => &[Property::MessageExpiryInterval(1)],
                },
                ..Post::new("t", payload.as_bytes())
            });
        }
        // Whole seconds are known of them in memory, so the rest shows when they are read.
        while started.elapsed() < Duration::from_millis(2_100) {
            std::thread::yield_now();
        }
        let mut client = Hello::lasting(V5, "c").attach(&kept.server, true);
        assert_eq!(client.take().text(), ("t", "7"));
        assert_eq!(client.take().text(), ("t", "17"));
        kept.server.wait_until("expired", |broker| {
            broker.totals().dropped_expired == 18 && broker.sizes().queued_in_log == 0
        });
    }
}

#[test]
fn the_oldest_is_dropped_though_it_is_in_the_log() {
    let kept = laden(
        |config| {
            config.mqtt.max_mqueue_len = 30;
            config.mqtt.mqueue_full = QueueFull::DropOldest;
        },
        QOS1,
        40,
    );
    let mut client = Hello::lasting(V5, "c").attach(&kept.server, true);
    // The last round of each publisher was 20, and those of the second came last.
    check(&take(&mut client, 30), [30, 20], 40);
    client.expect_nothing();
    assert_eq!(kept.server.broker().totals().dropped_queue_full, 50);
}

#[test]
fn another_member_gets_what_waits_in_the_log() {
    for change in BOUNDS {
        let kept = Kept::with(change);
        let mut away = Hello::lasting(V5, "away").connect(&kept.server);
        away.subscribe("$share/g/a/#", QOS1);
        away.subscribe("own", QOS1);
        away.disconnect();
        kept.server.wait_for_connections(0);
        let mut publisher = Client::connect(&kept.server, V5, "publisher");
        publish(&mut publisher, "own", QOS1, 0, 3);
        publish(&mut publisher, "a/1", QOS1, 0, 30);
        publish(&mut publisher, "own", QOS1, 3, 3);
        publish(&mut publisher, "a/2", QOS1, 0, 30);
        let mut joined = Hello::lasting(V5, "joined").connect(&kept.server);
        joined.ask_to_subscribe(&[("$share/g/a/#", options(QOS1))], &[]);
        check(&take(&mut joined, 60), [0, 0], 30);
        // What is not the group's stays.
        drop(joined);
        drop(publisher);
        let kept = kept.restart();
        let mut away = Hello::lasting(V5, "away").attach(&kept.server, true);
        for number in 0..6 {
            assert_eq!(away.take().text(), ("own", number.to_string().as_str()));
        }
        away.expect_nothing();
    }
}

#[test]
fn a_member_whose_session_ends_leaves_its_part_to_others() {
    let kept = laden(BOUNDS[0], QOS1, 0);
    let mut gone = Hello::lasting(V5, "gone").connect(&kept.server);
    gone.subscribe("$share/g/b", QOS1);
    gone.disconnect();
    kept.server.wait_for_connections(0);
    let mut publisher = Client::connect(&kept.server, V5, "publisher");
    publish(&mut publisher, "b", QOS1, 0, 30);
    let mut there = Hello::lasting(V5, "there").connect(&kept.server);
    there.ask_to_subscribe(&[("$share/g/b", options(QOS1))], &[]);
    for number in 0..30 {
        assert_eq!(next(&mut there).text(), ("b", number.to_string().as_str()));
    }
    publish(&mut publisher, "b", QOS1, 30, 10);
    let under_way: Vec<_> = (30..40).map(|_| there.message()).collect();
    assert_eq!(under_way.len(), 10);
    drop(there);
    kept.server.wait_for_connections(1);
    // What it had not acknowledged goes to the one who is left.
    Hello::new(V5, "there").connect(&kept.server).disconnect();
    let mut gone = Hello::lasting(V5, "gone").attach(&kept.server, true);
    for number in 30..40 {
        assert_eq!(gone.take().text(), ("b", number.to_string().as_str()));
    }
}

#[test]
fn a_damaged_message_is_never_sent() {
    let kept = laden(|_| {}, QOS1, 0);
    let mut publisher = Client::connect(&kept.server, V5, "publisher");
    for text in ["before", "to be damaged", "behind"] {
        publisher.publish_1("a/1", text);
    }
    let log = kept.dir.path().join("log");
    let mut damaged = 0;
    for entry in fs::read_dir(log).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = fs::read(&path).unwrap();
        let text = b"to be damaged";
        let found = bytes.windows(text.len()).position(|found| found == text);
        if let Some(at) = found {
            bytes[at] ^= 1;
            let mut file = OpenOptions::new().write(true).open(&path).unwrap();
            file.seek(SeekFrom::Start(at.try_into().unwrap())).unwrap();
            file.write_all(&bytes[at..=at]).unwrap();
            damaged += 1;
        }
    }
    assert_eq!(damaged, 1);
    let mut client = Hello::lasting(V5, "c").attach(&kept.server, true);
    assert_eq!(client.take().text(), ("a/1", "before"));
    assert_eq!(client.take().text(), ("a/1", "behind"));
    client.expect_nothing();
    let totals = kept.server.broker().totals();
    assert_eq!((totals.dropped_unreadable, totals.dropped()), (1, 1));
}
