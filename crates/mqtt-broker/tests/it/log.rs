//! The seam to a durable store: what waits until a position is durable, and what does not.

use crate::kit::{Client, Hello, Last, Post, QOS0, QOS1, QOS2, Server, Steered, V5, V311, options};
use mqtt_broker::{Access, AccessRequest, Answer, Decision};
use mqtt_codec::{PacketType, ProtocolVersion, ReasonCode};
use std::time::Duration;

/// Long enough that an answer not held back would have come.
const A_WHILE: Duration = Duration::from_millis(150);

fn steered() -> (Server, Steered) {
    let log = Steered::default();
    (Server::with_log(log.clone()), log)
}

/// A session that lasts and holds `t` at QoS 2, its client away; everything durable.
fn sleeper(server: &Server, log: &Steered) {
    let mut sleeper = Hello::lasting(V311, "sleeper").send(server);
    log.wait_for(log.appended().max(1));
    log.commit();
    sleeper.welcome();
    let packet_id = sleeper.ask_to_subscribe(&[("t", options(QOS2))], &[]);
    log.wait_for(2);
    log.commit();
    sleeper.suback(packet_id);
    sleeper.disconnect();
    server.wait_for_connections(0);
    log.commit();
    log.take_records();
}

#[test]
fn what_nobody_durable_wants_waits_for_nothing() {
    let (server, log) = steered();
    for version in ProtocolVersion::ALL {
        let mut client = Client::connect(&server, version, "c");
        client.subscribe("t", QOS2);
        for qos in [QOS0, QOS1, QOS2] {
            client.post(&Post {
                qos,
                ..Post::new("t", b"x")
            });
            match qos {
                QOS0 => 0,
                QOS1 => client.expect_ack(PacketType::PubAck, 1),
                QOS2 => client.expect_ack(PacketType::PubRec, 1),
            };
            client.message();
        }
        client.ack(PacketType::PubRel, 1);
        client.expect_ack(PacketType::PubComp, 1);
        client.disconnect();
    }
    assert_eq!(log.appended(), 0);
}

#[test]
fn answers_wait_for_their_message_and_keep_their_order() {
    let (server, log) = steered();
    sleeper(&server, &log);
    let mut other = Client::connect(&server, V5, "other");
    for version in [V311, V5] {
        let before = log.appended();
        let mut client = Client::connect(&server, version, "c");
        for (packet_id, topic_name, qos) in [
            (1, "t", QOS1),
            (2, "nobody", QOS1),
            (3, "t", QOS2),
            (4, "t", QOS1),
        ] {
            client.post(&Post {
                qos,
                packet_id,
                ..Post::new(topic_name, b"x")
            });
        }
        log.wait_for(before + 3);
        client.expect_silence(A_WHILE);
        // Only this client waits.
        other.publish_1("nobody", "x");
        log.commit_to(before + 1);
        client.expect_ack(PacketType::PubAck, 1);
        client.expect_ack(PacketType::PubAck, 2);
        client.expect_silence(A_WHILE);
        log.commit_to(before + 3);
        client.expect_ack(PacketType::PubRec, 3);
        client.expect_ack(PacketType::PubAck, 4);
        assert_eq!(log.take_records(), ["message"; 3]);
        client.disconnect();
    }
}

/// Lets nobody publish to `no`.
struct NotThere;

impl Access for NotThere {
    fn decide(&self, request: &AccessRequest<'_>) -> Answer {
        Answer::Ready(match request {
            AccessRequest::Publish {
                topic_name: "no", ..
            } => Decision::Deny(ReasonCode::NOT_AUTHORIZED),
            _ => Decision::Allow,
        })
    }
}

/// A client `c` with a session that lasts, and all durable that its CONNECT brought.
fn committed(server: &Server, log: &Steered) -> Client {
    let before = log.appended();
    let client = Hello::lasting(V5, "c").send(server);
    log.wait_for(before + 1);
    log.commit();
    client
}

/// Covers: v5 [MQTT-4.3.3-9].
#[test]
fn regress_a_message_refused_before_its_answer_could_leave_is_not_confirmed_later() {
    let log = Steered::default();
    let server = Server::of(|_| {}, NotThere, log.clone());
    sleeper(&server, &log);
    let mut client = committed(&server, &log);
    assert!(!client.welcome().session_present);
    let refused = Post {
        qos: QOS2,
        packet_id: 7,
        ..Post::new("no", b"x")
    };
    client.post(&Post {
        qos: QOS1,
        ..Post::new("t", b"waits for the log")
    });
    client.post(&refused);
    client.expect_silence(A_WHILE);
    client.finish();
    server.wait_for_connections(0);
    log.commit();
    let mut client = committed(&server, &log);
    assert!(client.welcome().session_present);
    client.post(&Post {
        dup: true,
        ..refused
    });
    assert_eq!(client.expect_ack(PacketType::PubRec, 7), 0x87);
}

#[test]
fn live_subscribers_do_not_wait_for_the_log() {
    let (server, log) = steered();
    sleeper(&server, &log);
    let mut watcher = Client::connect(&server, V5, "watcher");
    watcher.subscribe("t", QOS0);
    let mut client = Client::connect(&server, V5, "c");
    client.post(&Post {
        qos: QOS1,
        ..Post::new("t", b"x")
    });
    assert_eq!(watcher.message().text(), ("t", "x"));
    log.commit();
    client.expect_ack(PacketType::PubAck, 1);
}

#[test]
fn a_retained_message_and_its_removal_are_recorded() {
    let (server, log) = steered();
    let mut client = Client::connect(&server, V5, "c");
    for (payload, expected) in [(&b"x"[..], "message"), (b"", "retained removed")] {
        client.post(&Post {
            qos: QOS1,
            retain: true,
            ..Post::new("t", payload)
        });
        log.wait_for(1);
        client.expect_silence(A_WHILE);
        log.commit();
        client.expect_ack(PacketType::PubAck, 1);
        assert_eq!(log.take_records(), [expected]);
    }
}

#[test]
fn a_lasting_session_waits_at_connack_suback_and_unsuback() {
    let (server, log) = steered();
    for version in [V311, V5] {
        let before = log.appended();
        let mut client = Hello::lasting(version, "c").send(&server);
        // Nothing may be answered before CONNACK, and nothing is lost.
        client.send_bytes(&[0xC0, 0]);
        log.wait_for(before + 1);
        client.expect_silence(A_WHILE);
        log.commit();
        assert!(!client.welcome().session_present);
        assert_eq!(client.receive().bytes(), [0xD0, 0]);

        let packet_id = client.ask_to_subscribe(&[("t", options(QOS1))], &[]);
        log.wait_for(before + 2);
        client.expect_silence(A_WHILE);
        log.commit();
        assert_eq!(client.suback(packet_id), [1]);

        // UNSUBSCRIBE from t, packet id 7.
        let bytes: &[u8] = match version {
            V5 => &[0xA2, 6, 0, 7, 0, 0, 1, b't'],
            _ => &[0xA2, 5, 0, 7, 0, 1, b't'],
        };
        client.send_bytes(bytes);
        log.wait_for(before + 3);
        client.expect_silence(A_WHILE);
        log.commit();
        assert_eq!(client.receive().bytes()[0], 0xB0);
        assert_eq!(
            log.take_records(),
            ["session started", "subscribed", "unsubscribed"]
        );
        client.disconnect();
        server.wait_for_connections(0);
        // Or the session replaced would be there again after a crash.
        let mut fresh = Hello::new(version, "c").send(&server);
        log.wait_for(before + 5);
        assert_eq!(log.take_records(), ["detached", "session ended"]);
        fresh.expect_silence(A_WHILE);
        log.commit();
        assert!(!fresh.welcome().session_present);
        fresh.disconnect();
        server.wait_for_connections(0);
    }
}

#[test]
fn regress_retained_messages_come_behind_a_suback_that_waits() {
    let (server, log) = steered();
    let mut publisher = Client::connect(&server, V5, "p");
    publisher.post(&Post {
        qos: QOS1,
        retain: true,
        ..Post::new("t", b"kept")
    });
    log.wait_for(1);
    log.commit();
    publisher.expect_ack(PacketType::PubAck, 1);
    let mut client = Hello::lasting(V311, "c").send(&server);
    log.wait_for(2);
    log.commit();
    client.welcome();

    let packet_id = client.ask_to_subscribe(&[("t", options(QOS1))], &[]);
    log.wait_for(3);
    // The client is still read from; what is published now comes behind what was retained.
    client.ping();
    publisher.publish("t", "newer");
    publisher.ping();
    client.expect_silence(A_WHILE);
    log.commit();
    assert_eq!(client.suback(packet_id), [1]);
    assert_eq!(client.message().text(), ("t", "kept"));
    assert_eq!(client.message().text(), ("t", "newer"));
}

#[test]
fn session_present_waits_for_what_it_promises() {
    let (server, log) = steered();
    sleeper(&server, &log);
    let mut client = Client::connect(&server, V5, "c");
    client.post(&Post {
        qos: QOS1,
        ..Post::new("t", b"x")
    });
    log.wait_for(4);
    let mut sleeper = Hello::lasting(V311, "sleeper").send(&server);
    sleeper.expect_silence(A_WHILE);
    log.commit();
    assert!(sleeper.welcome().session_present);
    assert_eq!(sleeper.message().text(), ("t", "x"));
}

#[test]
fn a_lasting_publisher_is_answered_when_its_qos_2_identifier_is_durable() {
    let (server, log) = steered();
    let mut client = Hello::lasting(V5, "c").send(&server);
    log.wait_for(1);
    log.commit();
    client.welcome();
    client.post(&Post {
        qos: QOS2,
        ..Post::new("nobody", b"x")
    });
    log.wait_for(2);
    client.expect_silence(A_WHILE);
    log.commit();
    client.expect_ack(PacketType::PubRec, 1);
    client.ack(PacketType::PubRel, 1);
    log.wait_for(3);
    client.expect_silence(A_WHILE);
    log.commit();
    client.expect_ack(PacketType::PubComp, 1);
    assert_eq!(
        log.take_records(),
        ["session started", "received", "released"]
    );
}

#[test]
fn a_subscribers_acknowledgement_is_recorded_and_nothing_waits_for_it() {
    let (server, log) = steered();
    sleeper(&server, &log);
    let mut publisher = Client::connect(&server, V5, "publisher");
    publisher.post(&Post {
        qos: QOS1,
        ..Post::new("t", b"x")
    });
    log.wait_for(4);
    log.commit();
    publisher.expect_ack(PacketType::PubAck, 1);
    log.commit_to(u64::MAX);
    let mut client = Hello::lasting(V311, "sleeper").attach(&server, true);
    client.take();
    client.ping();
    assert_eq!(
        log.take_records(),
        ["message", "attached", "begun", "finished"]
    );
}

#[test]
fn a_full_log_refuses_what_it_would_have_to_keep() {
    let (server, log) = steered();
    sleeper(&server, &log);
    let mut other = Client::connect(&server, V5, "other");
    log.set_full(true);
    let post = Post {
        qos: QOS1,
        ..Post::new("t", b"x")
    };
    let mut client = Client::connect(&server, V5, "c");
    assert_eq!(client.publish_fully(&post), 0x97);
    assert_eq!(client.publish_fully(&Post { qos: QOS2, ..post }), 0x97);
    let mut old = Client::connect(&server, V311, "old");
    old.post(&post);
    old.expect_close();
    let (mut refused, welcome) = Hello::lasting(V5, "new").ask(&server);
    assert_eq!(welcome.reason, 0x97);
    refused.expect_close();
    // What needs no record goes on.
    other.subscribe("u", QOS1);
    other.publish_to_t(QOS0);
    other.publish_1("u", "x");
    log.set_full(false);
    client.post(&post);
    log.wait_for(4);
    log.commit();
    client.expect_ack(PacketType::PubAck, 1);
}

#[test]
fn a_delayed_message_that_finds_no_room_when_it_is_due_waits_until_there_is() {
    let (server, log) = steered();
    sleeper(&server, &log);
    let before = log.appended();
    let mut client = Client::connect(&server, V5, "c");
    client.post(&Post {
        qos: QOS1,
        ..Post::new("$delayed/1/t", b"x")
    });
    log.wait_for(before + 1);
    log.commit();
    client.expect_ack(PacketType::PubAck, 1);
    log.set_full(true);
    log.wait_for_refusal();
    assert_eq!(log.take_records(), ["delayed"]);
    log.set_full(false);
    log.wait_for(before + 3);
    assert_eq!(log.take_records(), ["message", "delayed done"]);
}

/// The identifier of the refused message stayed known, so its resend was taken for a duplicate.
#[test]
fn regress_a_qos_2_message_refused_by_closing_is_new_when_it_is_sent_again() {
    let (server, log) = steered();
    sleeper(&server, &log);
    let mut client = Hello::lasting(V311, "c").send(&server);
    log.wait_for(4);
    log.commit();
    client.welcome();
    log.set_full(true);
    let post = Post {
        qos: QOS2,
        packet_id: 5,
        ..Post::new("t", b"x")
    };
    client.post(&post);
    client.expect_close();
    server.wait_for_connections(0);
    log.set_full(false);
    let before = log.appended();
    log.take_records();
    log.commit_to(before + 1);
    let mut client = Hello::lasting(V311, "c").attach(&server, true);
    client.post(&Post { dup: true, ..post });
    log.wait_for(before + 2);
    log.commit();
    client.expect_ack(PacketType::PubRec, 5);
    assert_eq!(log.take_records(), ["attached", "message received"]);
}

#[test]
fn regress_a_subscription_that_was_not_logged_is_new_the_next_time() {
    let (server, log) = steered();
    let mut client = Hello::lasting(V5, "c").send(&server);
    log.wait_for(1);
    log.commit();
    client.welcome();
    log.set_full(true);
    assert_eq!(client.subscribe_with(&[("t", options(QOS1))], &[]), [0x97]);
    assert_eq!(server.broker().sizes().subscriptions, 0);
    log.set_full(false);
    let mut publisher = Client::connect(&server, V5, "publisher");
    publisher.post(&Post {
        retain: true,
        ..Post::new("t", b"kept")
    });
    log.wait_for(2);
    log.commit();
    let if_new = mqtt_codec::SubscriptionOptions {
        retain_handling: mqtt_codec::RetainHandling::SendIfNew,
        ..options(QOS0)
    };
    let packet_id = client.ask_to_subscribe(&[("t", if_new)], &[]);
    log.wait_for(3);
    log.commit();
    assert_eq!(client.suback(packet_id), [0]);
    assert_eq!(client.message().text(), ("t", "kept"));
}

/// The session in the way was forgotten, but not ended: its subscriptions stayed for ever.
#[test]
fn regress_a_replaced_session_ends_even_if_the_new_one_is_refused() {
    let (server, log) = steered();
    sleeper(&server, &log);
    assert_eq!(server.broker().sizes().subscriptions, 1);
    log.set_full(true);
    let fresh = Hello {
        clean_start: true,
        ..Hello::lasting(V5, "sleeper")
    };
    let (_, welcome) = fresh.ask(&server);
    assert_eq!(welcome.reason, 0x97);
    assert_eq!(server.broker().sizes().subscriptions, 0);
    assert_eq!(server.broker().sizes().sessions, 0);
}

#[test]
fn time_goes_on_after_a_log_that_panicked() {
    let (server, log) = steered();
    log.panic_at_ends();
    let mut clients = Vec::new();
    // Two come due in the same moment: the panic of one must not take the other with it.
    for (client_id, expiry_s) in [("first", 1), ("with it", 1), ("second", 2)] {
        let hello = Hello {
            properties: &[mqtt_codec::Property::SessionExpiryInterval(expiry_s)],
            ..Hello::lasting(V5, client_id)
        };
        let before = log.appended();
        let mut client = hello.send(&server);
        log.wait_for(before + 1);
        log.commit();
        client.welcome();
        clients.push(client);
    }
    drop(clients);
    server.wait_for_connections(0);
    server.wait_until("all expired", |broker| broker.sizes().sessions == 0);
}

#[test]
fn the_log_knows_which_wills_are_due_after_a_crash() {
    let (server, log) = steered();
    log.commit_to(u64::MAX);
    let will = Some(Last::new("w"));
    let hello = Hello {
        will,
        ..Hello::lasting(V5, "c")
    };
    let client = hello.connect(&server);
    assert_eq!(log.take_records(), ["session started", "will"]);
    client.disconnect();
    server.wait_for_connections(0);
    assert_eq!(log.take_records(), ["detached", "will gone"]);
    drop(hello.attach(&server, true));
    server.wait_for_connections(0);
    assert_eq!(
        log.take_records(),
        ["attached", "will", "detached", "will gone"],
        "published"
    );
    hello.attach(&server, true);
    let without = Hello {
        will: None,
        ..hello
    };
    without.attach(&server, true).disconnect();
    server.wait_for_connections(0);
    let mut records = log.take_records();
    records.retain(|record| record.starts_with("will"));
    assert_eq!(records, ["will", "will gone"]);
    // Nothing survives of a session that ends with its connection, so nothing is due either.
    Hello {
        will,
        ..Hello::new(V5, "brief")
    }
    .connect(&server)
    .disconnect();
    server.wait_for_connections(0);
    assert_eq!(log.take_records(), [] as [&str; 0]);
}

#[test]
fn a_delayed_message_is_acknowledged_when_it_is_durable() {
    let (server, log) = steered();
    let mut client = Client::connect(&server, V5, "c");
    client.post(&Post {
        qos: QOS1,
        ..Post::new("$delayed/1/t", b"x")
    });
    log.wait_for(1);
    client.expect_silence(A_WHILE);
    log.commit();
    client.expect_ack(PacketType::PubAck, 1);
    log.wait_for(2);
    assert_eq!(log.take_records(), ["delayed", "delayed done"]);
}
