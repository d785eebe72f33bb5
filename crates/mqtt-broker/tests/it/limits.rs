//! What happens at each limit: the answer, the counter, and that others do not notice.

use crate::kit::{Client, Hello, Last, Post, QOS0, QOS1, QOS2, Server, V5, V311, options};
use mqtt_broker::config::{ByteSize, Duration, MemoryMark};
use mqtt_broker::{Config, QueueFull, Rate};
use mqtt_codec::{PacketType, Property, ReasonCode};
use std::num::NonZeroU32;
use std::time::Instant;

const BRIEFLY: std::time::Duration = std::time::Duration::from_millis(150);

fn reached(server: &Server, limit: &str) -> u64 {
    let limits = server.broker().totals().limits;
    limits.get(limit).copied().unwrap_or_default()
}

/// A broker with room for three messages in a queue.
fn with_queue_of_3(policy: QueueFull) -> Server {
    Server::with(|config| {
        config.mqtt.max_mqueue_len = 3;
        config.mqtt.mqueue_full = policy;
    })
}

/// A client that has left its session behind with a subscription.
fn away(server: &Server, client_id: &str, filter: &str) {
    let before = server.broker().sizes().connections;
    let mut client = Hello::lasting(V5, client_id).connect(server);
    client.subscribe(filter, QOS1);
    client.disconnect();
    server.wait_for_connections(before);
}

fn post(payload: &str) -> Post<'_> {
    Post {
        qos: QOS1,
        ..Post::new("t", payload.as_bytes())
    }
}

/// What a client that comes back finds, in order.
fn found(server: &Server, client_id: &str) -> Vec<String> {
    let mut client = Hello::lasting(V5, client_id).attach(server, true);
    client.drain().into_iter().map(|one| one.payload).collect()
}

#[test]
fn a_full_queue_ends_its_session_and_its_client_finds_session_present_0() {
    let server = with_queue_of_3(QueueFull::EndSession);
    away(&server, "away", "t");
    let mut publisher = Client::connect(&server, V5, "p");
    for payload in ["1", "2", "3", "4"] {
        publisher.publish_1("t", payload);
    }
    server.wait_until("ended", |broker| broker.sizes().sessions == 1);
    let totals = server.broker().totals();
    assert_eq!(totals.dropped_queue_full, 4);
    assert_eq!(totals.limits.get("queue"), Some(&1));
    Hello::lasting(V5, "away").attach(&server, false);
}

#[test]
fn a_full_queue_drops_the_oldest_or_the_newest() {
    for (policy, left) in [
        (QueueFull::DropOldest, ["3", "4", "5"]),
        (QueueFull::DropNewest, ["1", "2", "3"]),
    ] {
        let server = with_queue_of_3(policy);
        away(&server, "away", "t");
        let mut publisher = Client::connect(&server, V5, "p");
        for payload in ["1", "2", "3", "4", "5"] {
            assert_eq!(publisher.publish_fully(&post(payload)), 0);
        }
        assert_eq!(found(&server, "away"), left);
        assert_eq!(server.broker().totals().dropped_queue_full, 2);
    }
}

#[test]
fn a_full_queue_refuses_the_publisher() {
    let server = with_queue_of_3(QueueFull::Reject);
    away(&server, "away", "t");
    let mut online = Client::connect(&server, V5, "online");
    online.subscribe("t", QOS1);
    let mut publisher = Client::connect(&server, V5, "p");
    for payload in ["1", "2", "3"] {
        assert_eq!(publisher.publish_fully(&post(payload)), 0);
        assert_eq!(online.take().payload, payload);
    }
    for qos in [QOS1, QOS2] {
        let refused = Post { qos, ..post("4") };
        assert_eq!(publisher.publish_fully(&refused), 0x97);
    }
    let mut old = Client::connect(&server, V311, "old");
    old.post(&post("4"));
    old.expect_close();
    online.expect_nothing();
    assert_eq!(reached(&server, "queue"), 3);
    publisher.publish("t", "not for queues");
    assert_eq!(online.take().payload, "not for queues");
    assert_eq!(found(&server, "away"), ["1", "2", "3"]);
}

/// A subscriber that has one message in flight and three waiting, and the identifier of the first.
fn slow(server: &Server, publisher: &mut Client) -> (Client, u16) {
    let mut slow = Hello {
        properties: &[Property::ReceiveMaximum(1.try_into().unwrap())],
        ..Hello::new(V5, "slow")
    }
    .connect(server);
    slow.subscribe("t", QOS1);
    for payload in ["1", "2", "3", "4"] {
        publisher.publish_1("t", payload);
    }
    let first = slow.message();
    (slow, first.packet_id.unwrap())
}

#[test]
fn a_full_queue_holds_its_publishers_until_there_is_room() {
    let server = with_queue_of_3(QueueFull::Backpressure);
    let mut publisher = Client::connect(&server, V5, "p");
    let (mut slow, packet_id) = slow(&server, &mut publisher);
    publisher.post(&post("5"));
    publisher.expect_silence(BRIEFLY);
    let mut other = Client::connect(&server, V5, "other");
    other.subscribe("elsewhere", QOS1);
    other.publish_1("elsewhere", "x");
    other.take();
    slow.ack(PacketType::PubAck, packet_id);
    publisher.expect_ack(PacketType::PubAck, 1);
    for payload in ["2", "3", "4", "5"] {
        assert_eq!(slow.take().payload, payload);
    }
    assert_eq!(server.broker().totals().dropped(), 0);
}

#[test]
fn publishers_are_not_held_for_ever() {
    let server = Server::with(|config| {
        config.mqtt.max_mqueue_len = 3;
        config.mqtt.mqueue_full = QueueFull::Backpressure;
        config.mqtt.mqueue_full_timeout = Duration::from_millis(300);
    });
    let mut publisher = Client::connect(&server, V5, "p");
    let (mut slow, _) = slow(&server, &mut publisher);
    publisher.post(&post("5"));
    publisher.expect_silence(BRIEFLY);
    publisher.expect_ack(PacketType::PubAck, 1);
    slow.expect_disconnect(ReasonCode::QUOTA_EXCEEDED);
    Hello::lasting(V5, "slow").attach(&server, false);
}

#[test]
fn nobody_waits_for_a_session_without_a_connection() {
    let server = with_queue_of_3(QueueFull::Backpressure);
    away(&server, "away", "t");
    let mut publisher = Client::connect(&server, V5, "p");
    for payload in ["1", "2", "3", "4"] {
        publisher.publish_1("t", payload);
    }
    Hello::lasting(V5, "away").attach(&server, false);
}

#[test]
fn a_publisher_is_let_go_when_the_slow_reader_goes() {
    let server = with_queue_of_3(QueueFull::Backpressure);
    let mut publisher = Client::connect(&server, V5, "p");
    let (slow, _) = slow(&server, &mut publisher);
    publisher.post(&post("5"));
    publisher.expect_silence(BRIEFLY);
    slow.finish();
    publisher.expect_ack(PacketType::PubAck, 1);
}

#[test]
fn a_slow_reader_loses_the_oldest_and_delays_nobody() {
    let server = Server::with(|config| config.mqtt.max_outbox_bytes = ByteSize::from_kb(64));
    let mut stuck = Client::connect(&server, V5, "stuck");
    stuck.subscribe("t", QOS0);
    let mut reader = Client::connect(&server, V311, "reader");
    reader.subscribe("t", QOS0);
    let mut publisher = Client::connect(&server, V5, "p");
    // Both small payloads and some that are shared instead of copied.
    let lens = [100, 2_000, 900, 20_000];
    let count = 12_000;
    for nth in 0..count {
        let payload = format!("{nth:0>len$}", len = lens[nth % lens.len()]);
        publisher.publish("t", &payload);
        if nth % 4 == 3 {
            for earlier in (nth - 3)..=nth {
                assert_eq!(reader.message().payload.parse(), Ok(earlier));
            }
        }
    }
    let dropped = server.broker().totals().dropped_outbox_full;
    assert!(dropped > 0);
    let of = |client_id| server.broker().manager().client(client_id).unwrap().dropped;
    assert_eq!(
        (of("stuck"), of("reader")),
        (dropped, 0),
        "counted for each client"
    );
    let mut received = vec![];
    while received.last() != Some(&(count - 1)) {
        received.push(stuck.message().payload.parse::<usize>().unwrap());
    }
    assert!(received.is_sorted(), "in order");
    assert_eq!(received[..10], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    // The system may take some more in between, but what is newest stays.
    assert_eq!(
        received[received.len() - 4..],
        [count - 4, count - 3, count - 2, count - 1]
    );
    assert_eq!(received.len() + usize::try_from(dropped).unwrap(), count);
}

#[test]
fn bytes_in_all_queues_are_bounded_and_free_again_when_they_are_taken() {
    let server = Server::with(|config| config.mqtt.max_total_mqueue_bytes = ByteSize::from_kb(8));
    for client_id in ["a", "b", "c"] {
        away(&server, client_id, "t");
    }
    let mut publisher = Client::connect(&server, V5, "p");
    let payload = "x".repeat(1000);
    let accepted = (0..)
        .take_while(|_| publisher.publish_fully(&post(&payload)) == 0)
        .count();
    assert!(
        (6..=8).contains(&accepted),
        "counted once for all three: {accepted}"
    );
    assert_eq!(reached(&server, "queued_bytes"), 1);
    publisher.subscribe("elsewhere", QOS1);
    publisher.publish_1("elsewhere", "nobody has to keep it");
    publisher.take();
    for client_id in ["a", "b", "c"] {
        let mut client = Hello::lasting(V5, client_id).attach(&server, true);
        for _ in 0..accepted {
            client.take();
        }
        client.ping();
        client.disconnect();
    }
    server.wait_for_connections(1);
    assert_eq!(publisher.publish_fully(&post("again")), 0);
}

#[test]
fn sessions_without_a_connection_are_bounded() {
    let server = Server::with(|config| config.mqtt.max_offline_sessions = 2);
    away(&server, "a", "t");
    away(&server, "b", "t");
    for (version, code) in [(V5, 0x97), (V311, 0x88)] {
        let (mut client, welcome) = Hello::lasting(version, "c").ask(&server);
        assert_eq!(welcome.reason, code);
        client.expect_close();
    }
    assert_eq!(reached(&server, "offline_sessions"), 2);
    Client::connect(&server, V5, "of this connection only").disconnect();
    let back = Hello::lasting(V5, "a").attach(&server, true);
    Hello::lasting(V5, "c").attach(&server, false);
    back.disconnect();
}

#[test]
fn connections_from_one_address_are_bounded() {
    let server = Server::with(|config| config.mqtt.max_connections_per_address = Some(2));
    let one = Client::connect(&server, V5, "1");
    let _two = Client::connect(&server, V5, "2");
    let mut third = Client::open(&server, V5);
    third.expect_close();
    assert_eq!(reached(&server, "address_connections"), 1);
    one.disconnect();
    server.wait_for_connections(1);
    Client::connect(&server, V5, "3");
}

fn with_rates(messages: Option<u64>, bytes: Option<u64>) -> Server {
    let rate = |count| Rate {
        count,
        per: std::time::Duration::from_secs(1),
    };
    Server::with(|config: &mut Config| {
        for listener in config.listeners.values_mut() {
            listener.messages_rate = messages.map(rate);
            listener.bytes_rate = bytes.map(rate);
        }
    })
}

#[test]
fn a_client_that_sends_too_fast_is_slowed_down_and_loses_nothing() {
    for (server, limit) in [
        (with_rates(Some(20), None), "message_rate"),
        (with_rates(None, Some(20 * 1024)), "byte_rate"),
    ] {
        let mut subscriber = Client::connect(&server, V5, "s");
        subscriber.subscribe("t", QOS0);
        let mut publisher = Client::connect(&server, V5, "p");
        let payload = "x".repeat(1024);
        let start = Instant::now();
        for _ in 0..35 {
            publisher.publish("t", &payload);
        }
        for _ in 0..35 {
            subscriber.message();
        }
        let took = start.elapsed();
        assert!(
            took >= std::time::Duration::from_millis(600),
            "{limit}: {took:?}"
        );
        assert!(reached(&server, limit) > 0);
        subscriber.ping();
        publisher.ping();
    }
}

#[test]
fn a_slowed_down_client_may_be_silent_for_longer_than_its_keep_alive() {
    let server = with_rates(Some(1), None);
    let mut publisher = Hello {
        keep_alive_s: 1,
        ..Hello::new(V5, "p")
    }
    .connect(&server);
    for _ in 0..4 {
        publisher.publish("t", "x");
    }
    publisher.ping();
}

#[test]
fn wills_and_topics_and_names_are_bounded_and_told_apart() {
    let server = Server::with(|config| {
        config.mqtt.max_will_size = ByteSize::from_kb(1);
        config.mqtt.max_topic_len = 10;
        config.mqtt.max_topic_levels = 2;
        config.mqtt.max_clientid_len = 23;
        config.mqtt.max_subscriptions = 1;
    });
    let payload = [b'x'; 1025];
    let will = Some(Last {
        payload: &payload,
        ..Last::new("t")
    });
    for (hello, v5, v311) in [
        (
            Hello {
                will,
                ..Hello::new(V5, "c")
            },
            0x97,
            0x88,
        ),
        (
            Hello {
                will: Some(Last::new("a/b/c")),
                ..Hello::new(V5, "c")
            },
            0x90,
            0x88,
        ),
        (Hello::new(V5, &"c".repeat(24)), 0x85, 0x85),
    ] {
        for (version, code) in [(V5, v5), (V311, v311)] {
            let (mut client, welcome) = Hello { version, ..hello }.ask(&server);
            assert_eq!(welcome.reason, code);
            client.expect_close();
        }
    }
    let mut client = Client::connect(&server, V5, "c");
    for topic_name in ["12345678901", "a/b/c"] {
        let post = Post {
            qos: QOS1,
            ..Post::new(topic_name, b"")
        };
        assert_eq!(client.publish_fully(&post), 0x90, "{topic_name}");
        assert_eq!(
            client.subscribe_with(&[(topic_name, options(QOS0))], &[]),
            [0x8F]
        );
    }
    client.subscribe("1234567890", QOS0);
    assert_eq!(
        client.subscribe_with(&[("more", options(QOS0))], &[]),
        [0x97]
    );
    for (limit, times) in [
        ("will_len", 2),
        ("topic_levels", 4),
        ("topic_len", 2),
        ("client_id_len", 2),
        ("subscriptions", 1),
    ] {
        assert_eq!(reached(&server, limit), times, "{limit}");
    }
}

/// Covers: v5 [MQTT-3.1.2-24].
#[test]
fn v5_3_1_2_24_a_suback_larger_than_the_client_takes_is_not_sent() {
    let server = Server::start();
    let hello = Hello {
        properties: &[Property::MaximumPacketSize(NonZeroU32::new(40).unwrap())],
        ..Hello::new(V5, "c")
    };
    let names: Vec<_> = (0..36).map(|nth| nth.to_string()).collect();
    let filters = |count: usize| -> Vec<_> {
        let names = names.iter().take(count);
        names.map(|name| (name.as_str(), options(QOS0))).collect()
    };
    let mut client = hello.connect(&server);
    assert_eq!(
        client.subscribe_with(&filters(35), &[]).len(),
        35,
        "40 bytes"
    );
    client.disconnect();
    server.wait_for_connections(0);
    let mut client = hello.connect(&server);
    client.ask_to_subscribe(&filters(36), &[]);
    client.expect_disconnect(ReasonCode::PACKET_TOO_LARGE);
    server.wait_until("nothing was subscribed", |broker| {
        broker.sizes().subscriptions == 0
    });
    assert_eq!(reached(&server, "answer_len"), 1);
}

#[test]
fn a_retained_message_has_a_size_of_its_own() {
    let server = Server::with(|config| config.retainer.max_payload_size = ByteSize::from_kb(1));
    let mut client = Client::connect(&server, V5, "c");
    client.subscribe("t", QOS1);
    let large = [b'x'; 1025];
    let post = |qos| Post {
        qos,
        retain: true,
        ..Post::new("t", &large)
    };
    assert_eq!(client.publish_fully(&post(QOS1)), 0x97);
    client.post(&post(QOS0));
    assert_eq!(client.take().payload.len(), 1025, "delivered all the same");
    assert_eq!(server.broker().sizes().retained, 0);
    assert_eq!(reached(&server, "retained_len"), 2);
}

#[test]
fn a_process_that_takes_too_much_memory_takes_in_no_more() {
    let server = Server::with(|config| {
        config.mqtt.memory_high_watermark = MemoryMark::Size(ByteSize::from_kb(1));
    });
    // The first look comes with the first tick.
    let (mut client, mut accepted) = (None, true);
    let deadline = Instant::now() + std::time::Duration::from_secs(10);
    for nth in 0.. {
        if !accepted || Instant::now() > deadline {
            break;
        }
        let (next, welcome) = Hello::new(V5, &nth.to_string()).ask(&server);
        accepted = welcome.reason == 0;
        if accepted {
            client = Some(next);
        }
    }
    assert!(!accepted, "sessions are refused");
    let (_, welcome) = Hello::new(V311, "old").ask(&server);
    assert_eq!(welcome.reason, 0x88, "server unavailable");
    assert!(reached(&server, "memory") >= 2);
    let Some(mut client) = client else { return };
    client.subscribe("t", QOS1);
    assert_eq!(client.publish_fully(&post("x")), 0, "nobody has to keep it");
    client.take();
    let retained = Post {
        retain: true,
        ..post("x")
    };
    assert_eq!(client.publish_fully(&retained), 0x97);
}

#[test]
fn more_retained_messages_than_a_queue_holds_reach_a_new_subscriber() {
    let server = Server::with(|config| config.mqtt.max_mqueue_len = 10);
    let mut publisher = Client::connect(&server, V5, "p");
    for nth in 0..100 {
        publisher.retain(&format!("t/{nth}"), "x", QOS1);
    }
    let mut client = Hello {
        properties: &[Property::ReceiveMaximum(5.try_into().unwrap())],
        ..Hello::new(V5, "c")
    }
    .connect(&server);
    client.subscribe("t/#", QOS1);
    let packet_id = client.ask_to_subscribe(&[("t/+", options(QOS1))], &[]);
    let mut first = Vec::new();
    let suback = loop {
        let received = client.receive();
        match received.packet().unwrap() {
            mqtt_codec::Packet::Publish(publish) => {
                first.push(publish.delivery.packet_id().unwrap());
            }
            mqtt_codec::Packet::SubAck(suback) => {
                assert_eq!(suback.packet_id.get(), packet_id);
                break suback
                    .reasons
                    .iter()
                    .map(ReasonCode::get)
                    .collect::<Vec<_>>();
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(suback, [0x97], "one after the other");
    assert_eq!(reached(&server, "retained_backlog"), 1);
    // What is published now comes behind what is retained.
    publisher.publish_1("t/0", "new");
    publisher.publish("t/0", "new at QoS 0");
    for packet_id in &first {
        client.ack(PacketType::PubAck, packet_id.get());
    }
    let mut rest = Vec::new();
    while rest.len() < 102 - first.len() {
        rest.push(client.take());
    }
    let retained = rest.iter().take_while(|one| one.retain).count();
    assert_eq!(retained + first.len(), 100);
    let mut last: Vec<_> = rest[retained..].iter().map(|one| &*one.payload).collect();
    last.sort_unstable();
    assert_eq!(last, ["new", "new at QoS 0"]);
    client.expect_nothing();
    assert_eq!(server.broker().totals().dropped(), 0);
}
