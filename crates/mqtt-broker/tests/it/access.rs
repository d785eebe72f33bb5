//! Decisions: at once, late, never, and by code that panics.

use crate::kit::{Client, Hello, Last, Post, QOS0, QOS1, QOS2, Server, V5, V31, V311, options};
use mqtt_broker::config::Duration;
use mqtt_broker::{Access, AccessRequest, Answer, Decision, MemoryLog, OwnedAccessRequest};
use mqtt_codec::{PacketType, Property, ProtocolVersion, ReasonCode};
use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use tokio::sync::oneshot;

/// A question the broker asked, to be answered by the test.
struct Question {
    request: OwnedAccessRequest,
    answer: oneshot::Sender<Decision>,
}

impl Question {
    fn allow(self) {
        self.answer.send(Decision::Allow).unwrap();
    }

    fn deny(self, reason: ReasonCode) {
        self.answer.send(Decision::Deny(reason)).unwrap();
    }

    fn topic(&self) -> &str {
        match &self.request {
            OwnedAccessRequest::Publish { topic_name, .. } => topic_name,
            OwnedAccessRequest::Subscribe { topic_filter, .. } => topic_filter,
            OwnedAccessRequest::Connect { client_id, .. } => client_id,
            other => panic!("{other:?}"),
        }
    }
}

/// Asks the test about everything named `ask..`; the rest is allowed at once.
struct Asking(Mutex<Sender<Question>>);

impl Access for Asking {
    fn decide(&self, request: &AccessRequest<'_>) -> Answer {
        let name = match *request {
            AccessRequest::Connect { client_id, .. } => client_id,
            AccessRequest::Publish { topic_name, .. } => topic_name,
            AccessRequest::Subscribe { topic_filter, .. } => topic_filter,
            _ => "",
        };
        if !name.starts_with("ask") {
            return Answer::Ready(Decision::Allow);
        }
        let (answer, answered) = oneshot::channel();
        let request = OwnedAccessRequest::from(request);
        self.0
            .lock()
            .unwrap()
            .send(Question { request, answer })
            .unwrap();
        Answer::Pending(Box::pin(async move {
            answered
                .await
                .unwrap_or(Decision::Deny(ReasonCode::UNSPECIFIED_ERROR))
        }))
    }
}

/// A broker whose questions come out of the receiver.
fn asking(access_timeout: Duration) -> (Server, Receiver<Question>) {
    let (sender, questions) = channel();
    let change = move |config: &mut mqtt_broker::Config| {
        config.mqtt.access_timeout = access_timeout;
    };
    let server = Server::of(change, Asking(Mutex::new(sender)), MemoryLog);
    (server, questions)
}

fn next(questions: &Receiver<Question>) -> Question {
    questions
        .recv_timeout(std::time::Duration::from_secs(10))
        .unwrap()
}

/// Answers from a list of what to refuse with which reason.
struct Denying(Vec<(&'static str, ReasonCode)>);

impl Access for Denying {
    fn decide(&self, request: &AccessRequest<'_>) -> Answer {
        let name = match *request {
            AccessRequest::Connect { client_id, .. } => client_id,
            AccessRequest::Publish { topic_name, .. } => topic_name,
            AccessRequest::Subscribe { topic_filter, .. } => topic_filter,
            _ => "",
        };
        let denied = self.0.iter().find(|(denied, _)| *denied == name);
        Answer::Ready(match denied {
            Some((_, reason)) => Decision::Deny(*reason),
            None => Decision::Allow,
        })
    }
}

fn denying(names: &[&'static str]) -> Server {
    let denied = names
        .iter()
        .map(|name| (*name, ReasonCode::NOT_AUTHORIZED))
        .collect();
    Server::with_access(Denying(denied))
}

#[test]
fn a_pending_publish_pauses_only_its_client_and_keeps_the_order() {
    let (server, questions) = asking(Duration::from_secs(60));
    let mut watcher = Client::connect(&server, V5, "watcher");
    watcher.subscribe("#", QOS0);
    for version in ProtocolVersion::ALL {
        for qos in [QOS0, QOS1, QOS2] {
            let mut client = Client::connect(&server, version, "c");
            let mut bytes = Vec::new();
            for (packet_id, topic_name) in [(1, "first"), (2, "ask"), (3, "last"), (4, "ask")] {
                bytes.extend(
                    Post {
                        qos,
                        packet_id,
                        ..Post::new(topic_name, b"x")
                    }
                    .bytes(version),
                );
            }
            bytes.extend([0xC0, 0]);
            client.send_bytes(&bytes);
            let question = next(&questions);
            assert_eq!(watcher.message().topic_name, "first");
            // Others go on, and nothing has overtaken.
            watcher.expect_nothing();
            question.allow();
            assert_eq!(watcher.message().topic_name, "ask");
            assert_eq!(watcher.message().topic_name, "last");
            next(&questions).allow();
            assert_eq!(watcher.message().topic_name, "ask");
            let answers = match qos {
                QOS0 => PacketType::PingReq,
                QOS1 => PacketType::PubAck,
                QOS2 => PacketType::PubRec,
            };
            if qos != QOS0 {
                for packet_id in 1..=4 {
                    client.expect_ack(answers, packet_id);
                }
            }
            assert_eq!(client.receive().bytes(), [0xD0, 0], "PINGRESP comes last");
            watcher.expect_nothing();
            assert!(questions.try_recv().is_err(), "each was asked once");
            client.disconnect();
        }
    }
}

#[test]
fn a_pending_connect_is_asked_once_and_then_answered() {
    let (server, questions) = asking(Duration::from_secs(60));
    let mut watcher = Client::connect(&server, V5, "watcher");
    watcher.subscribe("#", QOS0);
    for version in ProtocolVersion::ALL {
        // The will has to be decided on as well.
        let hello = Hello {
            will: Some(Last::new("ask/will")),
            username: Some("somebody"),
            ..Hello::new(version, "ask")
        };
        let mut client = hello.send(&server);
        client.publish("t", "eager");
        let question = next(&questions);
        assert!(matches!(
            &question.request,
            OwnedAccessRequest::Connect { username: Some(name), .. } if **name == *"somebody"
        ));
        watcher.expect_nothing();
        question.allow();
        let question = next(&questions);
        assert_eq!(question.topic(), "ask/will");
        watcher.expect_nothing();
        question.allow();
        assert_eq!(client.welcome().reason, 0);
        assert_eq!(watcher.message().text(), ("t", "eager"));
        assert!(questions.try_recv().is_err());
        client.disconnect();
    }
}

/// Covers: v5 [MQTT-3.1.4-2].
#[test]
fn a_denied_connect_is_told_why_and_closed() {
    let (server, questions) = asking(Duration::from_secs(60));
    for (version, expected) in [(V31, 4), (V311, 4), (V5, 0x86)] {
        let mut client = Hello::new(version, "ask").send(&server);
        next(&questions).deny(ReasonCode::BAD_USER_NAME_OR_PASSWORD);
        assert_eq!(
            client.receive().bytes()[..4],
            [0x20, client_len(version), 0, expected]
        );
        client.expect_close();
    }
    assert_eq!(server.broker().sizes().sessions, 0);
}

/// Remaining Length of a CONNACK without properties.
fn client_len(version: ProtocolVersion) -> u8 {
    if version == V5 { 3 } else { 2 }
}

#[test]
fn a_denied_will_refuses_the_connect() {
    let server = denying(&["secret"]);
    for version in ProtocolVersion::ALL {
        let hello = Hello {
            will: Some(Last::new("secret")),
            ..Hello::new(version, "c")
        };
        let (mut client, welcome) = hello.ask(&server);
        assert_eq!(welcome.reason, 0x87);
        client.expect_close();
    }
}

#[test]
fn a_pending_subscribe_is_answered_as_one() {
    let (server, questions) = asking(Duration::from_secs(60));
    let mut publisher = Client::connect(&server, V5, "publisher");
    for (version, denied) in [(V311, 0x80), (V5, 0x87)] {
        let mut client = Client::connect(&server, version, "c");
        let packet_id = client.ask_to_subscribe(
            &[
                ("ask/1", options(QOS0)),
                ("known", options(QOS1)),
                ("ask/2", options(QOS2)),
                ("ask/3", options(QOS2)),
            ],
            &[],
        );
        let question = next(&questions);
        assert_eq!(question.topic(), "ask/1");
        assert_eq!(server.broker().sizes().subscriptions, 0, "nothing done yet");
        question.allow();
        let question = next(&questions);
        assert_eq!(question.topic(), "ask/2");
        question.deny(ReasonCode::NOT_AUTHORIZED);
        let question = next(&questions);
        assert_eq!(question.topic(), "ask/3");
        publisher.publish_1("known", "too early");
        question.allow();
        assert_eq!(client.suback(packet_id), [0, 1, denied, 2]);
        assert!(questions.try_recv().is_err(), "each was asked once");
        assert_eq!(server.broker().sizes().subscriptions, 3);
        publisher.publish_1("known", "x");
        assert_eq!(client.take().text(), ("known", "x"));
        client.disconnect();
        server.wait_for_connections(1);
    }
}

#[test]
fn no_decision_in_time_is_a_refusal() {
    let (server, questions) = asking(Duration::from_millis(100));
    let mut client = Client::connect(&server, V5, "c");
    let post = Post {
        qos: QOS1,
        ..Post::new("ask", b"x")
    };
    assert_eq!(client.publish_fully(&post), 0x87);
    assert_eq!(
        client.subscribe_with(&[("ask", options(QOS1))], &[]),
        [0x87]
    );
    let (mut refused, welcome) = Hello::new(V5, "ask").ask(&server);
    assert_eq!(welcome.reason, 0x87);
    refused.expect_close();
    let mut old = Client::connect(&server, V311, "old");
    old.post(&post);
    old.expect_close();
    assert_eq!(questions.try_iter().count(), 4);
}

/// Decides after a while, each time.
struct Slow(std::time::Duration);

impl Access for Slow {
    fn decide(&self, request: &AccessRequest<'_>) -> Answer {
        if !matches!(request, AccessRequest::Publish { .. }) {
            return Answer::Ready(Decision::Allow);
        }
        let time = self.0;
        Answer::Pending(Box::pin(async move {
            tokio::time::sleep(time).await;
            Decision::Allow
        }))
    }
}

#[test]
fn regress_each_decision_has_the_whole_time_for_itself() {
    let server = Server::of(
        |config| config.mqtt.access_timeout = Duration::from_millis(1500),
        Slow(std::time::Duration::from_millis(500)),
        MemoryLog,
    );
    let mut client = Client::connect(&server, V5, "c");
    let mut bytes = Vec::new();
    for packet_id in 1..=5 {
        let post = Post {
            qos: QOS1,
            packet_id,
            ..Post::new("t", b"x")
        };
        bytes.extend(post.bytes(V5));
    }
    client.send_bytes(&bytes);
    for packet_id in 1..=5 {
        assert_eq!(client.expect_ack(PacketType::PubAck, packet_id), 0x10);
    }
}

#[test]
fn a_client_waiting_for_a_decision_is_not_silent() {
    let (server, questions) = asking(Duration::from_secs(60));
    let hello = Hello {
        keep_alive_s: 1,
        ..Hello::new(V5, "c")
    };
    let mut client = hello.connect(&server);
    client.post(&Post {
        qos: QOS1,
        ..Post::new("ask", b"x")
    });
    let question = next(&questions);
    // Another client's silence of the same length tells that the time has passed.
    let same = Hello {
        client_id: "same",
        ..hello
    };
    same.connect(&server)
        .expect_disconnect(ReasonCode::KEEP_ALIVE_TIMEOUT);
    question.allow();
    assert_eq!(client.expect_ack(PacketType::PubAck, 1), 0x10);
}

/// Covers: v3.1.1 [MQTT-3.3.5-2].
#[test]
fn a_denied_publish_is_refused_or_closes() {
    let server = denying(&["secret"]);
    let mut watcher = Client::connect(&server, V5, "watcher");
    watcher.subscribe("#", QOS0);
    for qos in [QOS1, QOS2] {
        let post = Post {
            qos,
            ..Post::new("secret", b"x")
        };
        let mut client = Client::connect(&server, V5, "c");
        assert_eq!(client.publish_fully(&post), 0x87);
        client.ping();
        for version in [V31, V311] {
            let mut client = Client::connect(&server, version, "c");
            client.post(&post);
            client.expect_close();
        }
    }
    for version in ProtocolVersion::ALL {
        let mut client = Client::connect(&server, version, "c");
        client.publish("secret", "x");
        client.ping();
    }
    watcher.expect_nothing();
    assert_eq!(server.broker().totals().dropped_denied, 3);
}

/// Covers: v5 [MQTT-4.3.3-9].
#[test]
fn v5_a_refused_qos_2_identifier_is_free_again() {
    let server = denying(&["secret"]);
    let mut client = Client::connect(&server, V5, "c");
    client.subscribe("t", QOS0);
    let post = Post {
        qos: QOS2,
        packet_id: 5,
        ..Post::new("secret", b"x")
    };
    assert_eq!(client.publish_fully(&post), 0x87);
    client.post(&Post {
        topic_name: Some("t"),
        ..post
    });
    assert_eq!(client.expect_ack(PacketType::PubRec, 5), 0);
    assert_eq!(client.message().text(), ("t", "x"));
}

#[test]
fn a_refusal_in_words_the_answer_lacks_is_not_authorized() {
    let server = Server::with_access(Denying(vec![
        ("a", ReasonCode::SERVER_MOVED),
        ("b", ReasonCode::SUCCESS),
        ("c", ReasonCode::SESSION_TAKEN_OVER),
    ]));
    let mut client = Client::connect(&server, V5, "client");
    for name in ["a", "b", "c"] {
        let post = Post {
            qos: QOS1,
            ..Post::new(name, b"x")
        };
        assert_eq!(client.publish_fully(&post), 0x87, "{name}");
        assert_eq!(client.subscribe_with(&[(name, options(QOS0))], &[]), [0x87]);
    }
    let (_, welcome) = Hello::new(V5, "c").ask(&server);
    assert_eq!(welcome.reason, 0x87);
    let (_, welcome) = Hello::new(V5, "a").ask(&server);
    assert_eq!(welcome.reason, 0x9D);
}

/// Panics when somebody publishes to `panic`.
struct Panicking;

impl Access for Panicking {
    fn decide(&self, request: &AccessRequest<'_>) -> Answer {
        match *request {
            AccessRequest::Publish {
                topic_name: "panic",
                ..
            } => {
                panic!("as the test wants it")
            }
            _ => Answer::Ready(Decision::Allow),
        }
    }
}

#[test]
fn a_panic_ends_the_connection_it_happened_on() {
    let server = Server::with_access(Panicking);
    let mut watcher = Client::connect(&server, V5, "watcher");
    watcher.subscribe("will", QOS0);
    for (nth, version) in ProtocolVersion::ALL.into_iter().enumerate() {
        let hello = Hello {
            will: Some(Last::new("will")),
            ..Hello::lasting(version, "c")
        };
        let mut client = hello.connect(&server);
        client.publish("panic", "");
        client.raw().receive_to_end().unwrap();
        assert_eq!(watcher.message().text(), ("will", "gone"));
        watcher.ping();
        server.wait_for_connections(1);
        let totals = server.broker().totals();
        let panicked = u64::try_from(nth + 1).unwrap();
        assert_eq!(totals.connections_panicked, panicked);
        assert_eq!(totals.ends["panicked"], panicked);
        let mut client = Hello::lasting(version, "c").attach(&server, version != V31);
        client.ping();
        client.disconnect();
        Client::connect(&server, version, "c").disconnect();
        server.wait_for_connections(1);
    }
}

/// Messages before the panic had reached their subscribers, who were never woken.
#[test]
fn regress_a_panic_loses_no_message_of_the_same_chunk() {
    let server = Server::with_access(Panicking);
    let mut watcher = Client::connect(&server, V5, "watcher");
    watcher.subscribe("t", QOS1);
    for nth in 0..20 {
        let mut client = Client::connect(&server, V5, "c");
        let payload = nth.to_string();
        let mut bytes = Post {
            qos: QOS1,
            ..Post::new("t", payload.as_bytes())
        }
        .bytes(V5);
        bytes.extend(Post::new("panic", b"").bytes(V5));
        client.send_bytes(&bytes);
        assert_eq!(watcher.take().payload, payload);
    }
}

/// What an Access was asked.
struct Recording(Arc<Mutex<VecDeque<OwnedAccessRequest>>>);

impl Access for Recording {
    fn decide(&self, request: &AccessRequest<'_>) -> Answer {
        self.0.lock().unwrap().push_back(request.into());
        Answer::Ready(Decision::Allow)
    }
}

#[test]
fn requests_say_who_wants_what() {
    let requests = Arc::new(Mutex::new(VecDeque::new()));
    let server = Server::with_access(Recording(Arc::clone(&requests)));
    let hello = Hello {
        username: Some("user"),
        properties: &[Property::SessionExpiryInterval(1)],
        ..Hello::new(V5, "")
    };
    let (mut client, welcome) = hello.ask(&server);
    let assigned = welcome.assigned_client_id.unwrap();
    client.subscribe("a/+", QOS1);
    client.post(&Post {
        retain: true,
        ..Post::new("a/b", b"x")
    });
    client.message();
    let mut requests = requests.lock().unwrap();
    assert!(matches!(
        requests.pop_front(),
        Some(OwnedAccessRequest::Connect { client_id, username, password: None, peer })
            if client_id.is_empty() && username.as_deref() == Some("user") && peer.ip().is_loopback()
    ));
    assert!(matches!(
        requests.pop_front(),
        Some(OwnedAccessRequest::Subscribe { client, topic_filter, qos: QOS1 })
            if *client.client_id == *assigned && *topic_filter == *"a/+"
    ));
    assert!(matches!(
        requests.pop_front(),
        Some(OwnedAccessRequest::Publish { client, topic_name, qos: QOS0, retain: true })
            if client.username.as_deref() == Some("user") && *topic_name == *"a/b"
    ));
}

/// Ends the connection of whoever asks for `out`.
struct Ejecting;

impl Access for Ejecting {
    fn decide(&self, request: &AccessRequest<'_>) -> Answer {
        let asked = match *request {
            AccessRequest::Publish { topic_name, .. } => topic_name,
            AccessRequest::Subscribe { topic_filter, .. } => topic_filter,
            AccessRequest::Connect { client_id, .. } => client_id,
            _ => "",
        };
        Answer::Ready(match asked {
            "out" => Decision::Disconnect(ReasonCode::BANNED),
            // A Reason Code that DISCONNECT does not have.
            "out/oddly" => Decision::Disconnect(ReasonCode::SUCCESS),
            _ => Decision::Allow,
        })
    }
}

#[test]
fn a_refusal_may_end_the_connection() {
    let server = Server::with_access(Ejecting);
    for version in ProtocolVersion::ALL {
        for qos in [QOS0, QOS1, QOS2] {
            let mut client = Client::connect(&server, version, "c");
            client.post(&Post {
                qos,
                ..Post::new("out/oddly", b"x")
            });
            client.expect_disconnect(ReasonCode::NOT_AUTHORIZED);
        }
        for filter in ["out/oddly", "$queue/out/oddly"] {
            let mut client = Client::connect(&server, version, "c");
            client.ask_to_subscribe(&[("fine", options(QOS0)), (filter, options(QOS0))], &[]);
            client.expect_disconnect(ReasonCode::NOT_AUTHORIZED);
        }
        Hello::new(version, "out").send(&server).receive();
    }
    assert_eq!(server.broker().sizes().subscriptions, 0);
}
