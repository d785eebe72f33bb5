//! What a program that embeds the broker sees and changes.
// Size: one test for each thing a hook can see or change.

use crate::kit::{Client, Hello, Last, Post, QOS0, QOS1, QOS2, Server, V5, V311, options};
use mqtt_broker::{
    Acked, Changes, ClientInfo, DeliverVerdict, DropCause, Dropped, EndCause, Event, Handover,
    Hooks, Interest, Publication, PublishAnswer, PublishVerdict, RequestRefused, SessionEnd,
};
use mqtt_codec::{PacketType, ProtocolVersion, ReasonCode, SubscriptionOptions};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// Writes down every call as a line.
struct Witness(Mutex<Sender<String>>);

impl Witness {
    fn tell(&self, line: String) {
        // The test may be over.
        let _ = self.0.lock().unwrap().send(line);
    }
}

impl Hooks for Witness {
    fn interest(&self) -> Interest {
        Interest::ALL
    }

    fn publish(&self, publication: &Publication<'_>) -> PublishAnswer {
        let by = publication.client.map_or("-", |client| &*client.client_id);
        let payload = String::from_utf8_lossy(publication.payload);
        self.tell(format!(
            "publish {} {payload} by {by}",
            publication.topic_name
        ));
        PublishAnswer::Ready(PublishVerdict::Pass)
    }

    fn deliver(&self, handover: &Handover<'_>) -> DeliverVerdict {
        self.tell(format!(
            "deliver {} to {}",
            handover.topic_name, handover.client_id
        ));
        DeliverVerdict::Pass
    }

    fn acked(&self, acked: &Acked<'_>) {
        self.tell(format!("acked {} by {}", acked.topic_name, acked.client_id));
    }

    fn dropped(&self, dropped: &Dropped<'_>) {
        let Dropped {
            cause,
            client_id,
            topic_name,
            messages,
            ..
        } = dropped;
        let whom = client_id.unwrap_or("-");
        self.tell(format!(
            "dropped {messages} of {topic_name} for {whom}: {}",
            cause.label()
        ));
    }

    fn connected(&self, client: &ClientInfo, session_present: bool) {
        self.tell(format!("connected {} {session_present}", client.client_id));
    }

    fn disconnected(&self, client: &ClientInfo, cause: EndCause) {
        self.tell(format!(
            "disconnected {}: {}",
            client.client_id,
            cause.label()
        ));
    }

    fn refused(&self, _peer: SocketAddr, client_id: &str, cause: EndCause) {
        self.tell(format!("refused {client_id}: {}", cause.label()));
    }

    fn subscribed(&self, client_id: &str, topic_filter: &str, options: SubscriptionOptions) {
        self.tell(format!(
            "subscribed {client_id} {topic_filter} {}",
            options.qos.get()
        ));
    }

    fn unsubscribed(&self, client_id: &str, topic_filter: &str) {
        self.tell(format!("unsubscribed {client_id} {topic_filter}"));
    }

    fn request_refused(&self, client: &ClientInfo, topic: &str, cause: RequestRefused) {
        self.tell(format!("{} for {topic} of {}", cause, client.client_id));
    }

    fn session_started(&self, client_id: &str) {
        self.tell(format!("session {client_id}"));
    }

    fn session_ended(&self, client_id: &str, cause: SessionEnd) {
        self.tell(format!("session ended {client_id}: {}", cause.label()));
    }
}

fn witnessed(change: impl FnOnce(&mut mqtt_broker::Config)) -> (Server, Receiver<String>) {
    let (sender, lines) = channel();
    let witness = Witness(Mutex::new(sender));
    (
        Server::built(change, |builder| builder.hooks(witness)),
        lines,
    )
}

#[track_caller]
fn expect(lines: &Receiver<String>, expected: &[&str]) {
    for expected in expected {
        let line = lines.recv_timeout(Duration::from_secs(10)).unwrap();
        assert_eq!(line, *expected);
    }
}

#[test]
fn a_refused_request_has_one_cause_for_its_answer_the_counter_and_the_hook() {
    let (server, lines) = witnessed(|_| {});
    let mut events = server.broker().events();
    let mut client = Client::connect(&server, V5, "c");
    expect(&lines, &["session c", "connected c false"]);
    let post = |qos| Post {
        qos,
        ..Post::new("$SYS/no", b"x")
    };
    for qos in [QOS1, QOS2] {
        assert_eq!(client.publish_fully(&post(qos)), 0x87);
        expect(
            &lines,
            &["PUBLISH refused: 0x87 not authorized for $SYS/no of c"],
        );
    }
    client.publish_fully(&post(QOS0));
    expect(
        &lines,
        &[
            "PUBLISH refused: 0x87 not authorized for $SYS/no of c",
            "dropped 1 of $SYS/no for -: denied",
        ],
    );
    let filters = [("$exclusive/a", options(QOS0)), ("b", options(QOS0))];
    assert_eq!(client.subscribe_with(&filters, &[]), [0x8F, 0]);
    expect(
        &lines,
        &[
            "SUBSCRIBE refused: 0x8F topic filter invalid for $exclusive/a of c",
            "subscribed c b 0",
        ],
    );
    let refused = server.broker().totals().refused;
    let expected = [
        (RequestRefused::Publish(ReasonCode::NOT_AUTHORIZED), 3),
        (
            RequestRefused::Subscribe(ReasonCode::TOPIC_FILTER_INVALID),
            1,
        ),
    ];
    assert_eq!(refused, expected.into());
    let mut seen = Vec::new();
    while seen.len() < 4 {
        if let Event::RequestRefused { cause, .. } = server.block_on(events.next()).unwrap() {
            seen.push(cause);
        }
    }
    assert_eq!(seen[3], expected[1].0);
}

#[test]
fn the_life_of_a_client_is_told_in_order() {
    let (server, lines) = witnessed(|_| {});
    let mut client = Client::connect(&server, V311, "c");
    expect(&lines, &["session c", "connected c false"]);
    client.subscribe("t", QOS2);
    client.subscribe("$queue/u", QOS0);
    expect(
        &lines,
        &["subscribed c t 2", "subscribed c $share/$queue/u 0"],
    );
    client.publish("t", "0");
    client.message();
    expect(&lines, &["publish t 0 by c", "deliver t to c"]);
    for qos in [QOS1, QOS2] {
        client.publish_to_t(qos);
        client.take();
        expect(
            &lines,
            &["publish t x by c", "deliver t to c", "acked t by c"],
        );
        if qos == QOS2 {
            client.ack(PacketType::PubRel, 999);
            client.expect_ack(PacketType::PubComp, 999);
        }
    }
    client.unsubscribe(&["t", "never"]);
    expect(&lines, &["unsubscribed c t"]);
    client.disconnect();
    expect(
        &lines,
        &[
            "disconnected c: client_disconnect",
            "session ended c: disconnected",
        ],
    );
}

#[test]
fn each_end_has_its_cause_in_hook_and_counter() {
    let (server, lines) = witnessed(|config| config.mqtt.max_clientid_len = 23);
    let hello = Hello::lasting(V5, "c");
    let first = hello.connect(&server);
    expect(&lines, &["session c", "connected c false"]);
    let second = hello.attach(&server, true);
    let mut told: Vec<_> = (0..2)
        .map(|_| lines.recv_timeout(Duration::from_secs(10)).unwrap())
        .collect();
    told.sort();
    assert_eq!(
        told,
        ["connected c true", "disconnected c: session_taken_over"]
    );
    drop(first);
    server.broker().kick("c");
    expect(&lines, &["disconnected c: administrative"]);
    drop(second);
    Client::connect(&server, V5, "c");
    expect(
        &lines,
        &[
            "session ended c: clean_start",
            "session c",
            "connected c false",
        ],
    );
    expect(
        &lines,
        &[
            "disconnected c: connection_lost",
            "session ended c: disconnected",
        ],
    );
    let (_, welcome) = Hello::new(V5, &"x".repeat(24)).ask(&server);
    assert_eq!(welcome.reason, 0x85);
    expect(
        &lines,
        &["refused xxxxxxxxxxxxxxxxxxxxxxxx: connect_refused"],
    );
    let mut silent = Client::open(&server, V5);
    silent.send_bytes(&[0xC0, 0]);
    expect(&lines, &["refused : connect_expected"]);
    let totals = server.broker().totals();
    for (cause, times) in [
        ("session_taken_over", 1),
        ("administrative", 1),
        ("connection_lost", 1),
        ("connect_refused", 1),
        ("connect_expected", 1),
    ] {
        assert_eq!(totals.ends.get(cause), Some(&times), "{cause}: {totals:?}");
    }
    assert_eq!(totals.sessions_ended.get("clean_start"), Some(&1));
    assert_eq!(totals.sessions_ended.get("disconnected"), Some(&1));
}

#[test]
fn drops_are_told_with_their_cause_whom_and_where() {
    let (server, lines) = witnessed(|_| {});
    let mut away = Hello::lasting(V5, "away").connect(&server);
    away.subscribe("t", QOS0);
    away.disconnect();
    server.wait_for_connections(0);
    let mut publisher = Client::connect(&server, V5, "p");
    while !lines
        .recv_timeout(Duration::from_secs(10))
        .unwrap()
        .starts_with("connected p")
    {}
    publisher.publish("t", "x");
    expect(
        &lines,
        &[
            "publish t x by p",
            "deliver t to away",
            "dropped 1 of t for away: offline",
        ],
    );
    assert_eq!(server.broker().totals().dropped_offline, 1);
    let small = [mqtt_codec::Property::MaximumPacketSize(
        std::num::NonZeroU32::new(30).unwrap(),
    )];
    let mut small = Hello {
        properties: &small,
        ..Hello::new(V5, "small")
    }
    .connect(&server);
    small.subscribe("t/+", QOS1);
    while !lines
        .recv_timeout(Duration::from_secs(10))
        .unwrap()
        .starts_with("subscribed small")
    {}
    publisher.publish_1("t/1", &"x".repeat(100));
    let long = format!("publish t/1 {} by p", "x".repeat(100));
    expect(
        &lines,
        &[
            &long,
            "deliver t/1 to small",
            "dropped 1 of t/1 for small: too_large",
        ],
    );
}

#[test]
fn the_broker_s_own_messages_are_published_by_nobody() {
    let (server, lines) = witnessed(|_| {});
    let will = Some(Last::new("will"));
    let client = Hello {
        will,
        ..Hello::new(V5, "c")
    }
    .connect(&server);
    expect(&lines, &["session c", "connected c false"]);
    drop(client);
    expect(
        &lines,
        &[
            "disconnected c: connection_lost",
            "session ended c: disconnected",
            "publish will gone by -",
        ],
    );
    let post = mqtt_broker::manage::Post::new("own", b"x");
    server
        .block_on(server.broker().manager().publish(&post))
        .unwrap();
    expect(&lines, &["publish own x by -"]);
}

/// Decides by the first level of a topic.
struct Editor;

impl Hooks for Editor {
    fn interest(&self) -> Interest {
        Interest::PUBLISH.and(Interest::DELIVER)
    }

    fn publish(&self, publication: &Publication<'_>) -> PublishAnswer {
        let change = |changes| PublishVerdict::Change(Box::new(changes));
        PublishAnswer::Ready(match publication.topic_name {
            "discard" => PublishVerdict::Discard,
            "refuse" => PublishVerdict::Refuse(ReasonCode::PAYLOAD_FORMAT_INVALID),
            "refuse/oddly" => PublishVerdict::Refuse(ReasonCode::SUCCESS),
            "move" => change(Changes {
                topic_name: Some("moved".to_owned()),
                ..Changes::default()
            }),
            "move/badly" => change(Changes {
                topic_name: Some("#".to_owned()),
                ..Changes::default()
            }),
            "edit" => change(Changes {
                payload: Some("edited".into()),
                qos: Some(QOS0),
                retain: Some(true),
                ..Changes::default()
            }),
            "late" => {
                return PublishAnswer::Pending(Box::pin(async {
                    tokio::task::yield_now().await;
                    PublishVerdict::Change(Box::new(Changes {
                        payload: Some("late".into()),
                        ..Changes::default()
                    }))
                }));
            }
            _ => PublishVerdict::Pass,
        })
    }

    fn deliver(&self, handover: &Handover<'_>) -> DeliverVerdict {
        match handover.client_id == "other" && handover.topic_name == "private" {
            true => DeliverVerdict::Withhold,
            false => DeliverVerdict::Pass,
        }
    }
}

/// Adds an exclamation mark to every payload.
struct Loud;

impl Hooks for Loud {
    fn interest(&self) -> Interest {
        Interest::PUBLISH
    }

    fn publish(&self, publication: &Publication<'_>) -> PublishAnswer {
        let payload = [publication.payload, b"!"].concat().into();
        PublishAnswer::Ready(PublishVerdict::Change(Box::new(Changes {
            payload: Some(payload),
            ..Changes::default()
        })))
    }
}

#[test]
fn hooks_change_what_is_published_one_after_the_other() {
    let server = Server::built(|_| {}, |builder| builder.hooks(Editor).hooks(Loud));
    for version in ProtocolVersion::ALL {
        let mut watcher = Client::connect(&server, version, "watcher");
        watcher.subscribe("#", QOS2);
        let mut client = Client::connect(&server, version, "c");
        for qos in [QOS0, QOS1, QOS2] {
            for (topic, expected) in [
                ("plain", ("plain", "x!")),
                ("move", ("moved", "x!")),
                ("late", ("late", "late!")),
            ] {
                client.publish_fully(&Post {
                    qos,
                    ..Post::new(topic, b"x")
                });
                let message = watcher.take();
                assert_eq!((message.text(), message.qos), (expected, qos.get()));
            }
        }
        client.publish_1("edit", "x");
        let message = watcher.take();
        assert_eq!((message.text(), message.qos), (("edit", "edited!"), 0));
        let mut later = Client::connect(&server, version, "later");
        later.subscribe("edit", QOS2);
        let message = later.take();
        assert_eq!(
            (message.text(), message.retain),
            (("edit", "edited!"), true)
        );
        assert!(server.broker().manager().delete_retained("edit"));
        watcher.disconnect();
    }
}

#[test]
fn a_late_verdict_keeps_the_order_of_its_client() {
    let server = Server::built(|_| {}, |builder| builder.hooks(Editor));
    let mut watcher = Client::connect(&server, V5, "watcher");
    watcher.subscribe("#", QOS0);
    let mut client = Client::connect(&server, V5, "c");
    for round in 0..20 {
        client.publish("before", &round.to_string());
        client.publish("late", "");
        client.publish("after", &round.to_string());
    }
    for round in 0..20 {
        assert_eq!(watcher.message().text(), ("before", &*round.to_string()));
        assert_eq!(watcher.message().text(), ("late", "late"));
        assert_eq!(watcher.message().text(), ("after", &*round.to_string()));
    }
}

#[test]
fn hooks_refuse_and_discard() {
    let server = Server::built(|_| {}, |builder| builder.hooks(Editor));
    let mut watcher = Client::connect(&server, V5, "watcher");
    watcher.subscribe("#", QOS0);
    let mut client = Client::connect(&server, V5, "c");
    let post = |qos, topic| Post {
        qos,
        ..Post::new(topic, b"x")
    };
    for qos in [QOS1, QOS2] {
        assert_eq!(client.publish_fully(&post(qos, "refuse")), 0x99);
        assert_eq!(client.publish_fully(&post(qos, "refuse/oddly")), 0x87);
        assert_eq!(client.publish_fully(&post(qos, "move/badly")), 0x90);
        assert_eq!(client.publish_fully(&post(qos, "discard")), 0);
    }
    for topic in ["refuse", "discard"] {
        client.publish(topic, "x");
    }
    client.ping();
    watcher.expect_nothing();
    let totals = server.broker().totals();
    assert_eq!((totals.dropped_hook, totals.dropped_denied), (3, 1));
    let mut old = Client::connect(&server, V311, "old");
    old.post(&post(QOS1, "refuse"));
    old.expect_close();
}

#[test]
fn a_hook_withholds_a_message_from_one_subscriber() {
    let server = Server::built(|_| {}, |builder| builder.hooks(Editor));
    for qos in [QOS0, QOS1] {
        let mut one = Client::connect(&server, V5, "one");
        let mut other = Client::connect(&server, V5, "other");
        for client in [&mut one, &mut other] {
            client.subscribe("#", qos);
        }
        let mut publisher = Client::connect(&server, V5, "p");
        publisher.publish_fully(&Post {
            qos,
            ..Post::new("private", b"x")
        });
        publisher.publish_fully(&Post {
            qos,
            ..Post::new("public", b"x")
        });
        assert_eq!(one.take().topic_name, "private");
        assert_eq!(one.take().topic_name, "public");
        assert_eq!(other.take().topic_name, "public");
    }
    assert_eq!(server.broker().totals().dropped_hook, 2);
}

/// Panics at a publication.
struct Clumsy;

impl Hooks for Clumsy {
    fn interest(&self) -> Interest {
        Interest::PUBLISH
    }

    fn publish(&self, publication: &Publication<'_>) -> PublishAnswer {
        assert_ne!(publication.topic_name, "panic", "as the test wants it");
        PublishAnswer::Ready(PublishVerdict::Pass)
    }
}

/// Covers: v3.1.1 [MQTT-4.8.0-2].
#[test]
fn a_fault_while_handling_a_packet_closes_its_connection_and_no_other() {
    let server = Server::built(|_| {}, |builder| builder.hooks(Clumsy));
    for version in [V311, V5] {
        let mut other = Client::connect(&server, version, "other");
        other.subscribe("t", QOS0);
        let mut client = Client::connect(&server, version, "c");
        client.post(&Post {
            qos: QOS1,
            ..Post::new("panic", b"x")
        });
        client.expect_close();
        other.publish("t", "fine");
        assert_eq!(other.message().text(), ("t", "fine"));
    }
    assert_eq!(server.broker().totals().connections_panicked, 2);
}

#[test]
fn events_come_as_a_stream() {
    let server = Server::start();
    let mut events = server.broker().events();
    let mut next = || server.block_on(events.next()).unwrap();
    let mut client = Client::connect(&server, V5, "c");
    assert!(matches!(next(), Event::SessionStarted { client_id } if &*client_id == "c"));
    assert!(
        matches!(next(), Event::Connected { client, session_present: false } if client.version == V5)
    );
    assert_eq!(client.subscribe_with(&[("t", options(QOS1))], &[]), [1]);
    assert!(matches!(next(), Event::Subscribed { topic_filter, .. } if &*topic_filter == "t"));
    client.unsubscribe(&["t"]);
    assert!(matches!(next(), Event::Unsubscribed { topic_filter, .. } if &*topic_filter == "t"));
    client.disconnect();
    assert!(matches!(
        next(),
        Event::Disconnected {
            cause: EndCause::ClientDisconnect,
            ..
        }
    ));
    assert!(matches!(
        next(),
        Event::SessionEnded {
            cause: SessionEnd::Disconnected,
            ..
        }
    ));
    Client::open(&server, V5).send_bytes(&[0xC0, 0]);
    assert!(matches!(
        next(),
        Event::Refused {
            cause: EndCause::ConnectExpected,
            ..
        }
    ));
    let mut away = Hello::lasting(V5, "away").connect(&server);
    away.subscribe("t", QOS0);
    away.disconnect();
    Client::connect(&server, V5, "p").publish("t", "x");
    loop {
        if let Event::Dropped {
            client_id,
            topic_name,
            cause,
            messages,
        } = next()
        {
            assert_eq!(client_id.as_deref(), Some("away"));
            assert_eq!(
                (&*topic_name, cause, messages),
                ("t", DropCause::Offline, 1)
            );
            break;
        }
    }
}

#[test]
fn a_slow_reader_of_events_learns_what_it_missed() {
    let server = Server::built(|_| {}, |builder| builder.event_capacity(4));
    let mut events = server.broker().events();
    let mut client = Client::connect(&server, V5, "c");
    for n in 0..20 {
        client.subscribe(&format!("t/{n}"), QOS0);
    }
    assert!(matches!(
        server.block_on(events.next()),
        Some(Event::Subscribed { .. })
    ));
    assert_eq!(events.missed(), 18, "of 22");
    assert_eq!(server.broker().totals().events_missed, 18);
    // Without a reader nothing is gathered.
    drop(events);
    client.subscribe("more", QOS0);
    let mut events = server.broker().events();
    client.subscribe("last", QOS0);
    let Some(Event::Subscribed { topic_filter, .. }) = server.block_on(events.next()) else {
        panic!("not a subscription");
    };
    assert_eq!(&*topic_filter, "last");
}
