//! The management interface.

use crate::kit::{Client, Hello, Last, Post, QOS0, QOS1, Server, V5, V311, options};
use mqtt_broker::manage::{NotPublished, PAGE_MAX};
use mqtt_broker::{Claim, ClaimAnswer, OwnerEpoch, Ownership};
use mqtt_codec::{Property, ReasonCode, TopicFilter};
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

fn filter(text: &str) -> TopicFilter<'_> {
    TopicFilter::try_new(text).unwrap()
}

#[test]
fn clients_are_listed_page_by_page() {
    let server = Server::start();
    let mut clients: Vec<_> = (0..7)
        .map(|n| Client::connect(&server, V5, &format!("c{n}")))
        .collect();
    clients[3].subscribe("t", QOS1);
    let manager = server.broker().manager();
    let (mut after, mut names, mut pages) = (None, Vec::new(), 0);
    loop {
        let page = manager.clients(after.as_ref(), 3);
        pages += 1;
        names.extend(page.items.iter().map(|client| client.client_id.to_string()));
        match page.next {
            None => break,
            next => after = next,
        }
    }
    assert_eq!(names, ["c0", "c1", "c2", "c3", "c4", "c5", "c6"]);
    assert_eq!(pages, 3);
    assert_eq!(manager.clients(None, PAGE_MAX + 1).items.len(), 7);
    let page = manager.subscriptions(None, 10);
    assert_eq!(page.items.len(), 1);
    assert_eq!(
        (&*page.items[0].client_id, &*page.items[0].topic_filter),
        ("c3", "t")
    );
    assert_eq!(page.items[0].options, options(QOS1));
}

#[test]
fn a_client_is_shown_as_it_is() {
    let server = Server::start();
    let hello = Hello {
        keep_alive_s: 30,
        username: Some("ann"),
        will: Some(Last::new("w")),
        ..Hello::lasting(V5, "c")
    };
    let mut client = hello.connect(&server);
    client.subscribe_with(
        &[("a", options(QOS1)), ("$share/g/b", options(QOS0))],
        &[Property::SubscriptionIdentifier(
            mqtt_codec::SubscriptionIdentifier::new(7).unwrap(),
        )],
    );
    let manager = server.broker().manager();
    let view = manager.client("c").unwrap();
    assert!(view.is_connected && view.has_will);
    assert_eq!(
        (
            view.keep_alive_s,
            view.session_expiry_interval_s,
            view.subscriptions
        ),
        (30, 3600, 2)
    );
    let who = view.client.unwrap();
    assert_eq!(
        (who.username.as_deref(), &*who.listener, who.version),
        (Some("ann"), "tcp:listen-1", V5)
    );
    let subscriptions = manager.subscriptions_of("c").unwrap();
    let filters: Vec<_> = subscriptions
        .iter()
        .map(|held| &*held.topic_filter)
        .collect();
    assert_eq!(filters, ["a", "$share/g/b"]);
    assert_eq!(subscriptions[0].subscription_id.unwrap().get(), 7);

    client.disconnect();
    let mut publisher = Client::connect(&server, V5, "p");
    publisher.publish_1("a", "x");
    let view = manager.client("c").unwrap();
    assert!(!view.is_connected && view.disconnected_at.is_some() && !view.has_will);
    assert_eq!(view.queued, 1);
    assert!(manager.client("nobody").is_none() && manager.subscriptions_of("nobody").is_none());
}

#[test]
fn clients_are_kicked_and_sessions_ended() {
    let server = Server::start();
    let manager = server.broker().manager().clone();
    let mut client = Hello::lasting(V5, "c").connect(&server);
    assert!(manager.kick("c") && !manager.kick("nobody"));
    client.expect_disconnect(ReasonCode::ADMINISTRATIVE_ACTION);
    server.wait_for_connections(0);
    assert!(!manager.kick("c"), "no connection to kick");
    let mut client = Hello::lasting(V5, "c").attach(&server, true);
    assert!(manager.end_session("c") && !manager.end_session("c"));
    client.expect_disconnect(ReasonCode::ADMINISTRATIVE_ACTION);
    Hello::lasting(V5, "c").attach(&server, false);
    let ended = server.broker().totals().sessions_ended;
    assert_eq!(ended.get("administrative"), Some(&1), "{ended:?}");
}

#[test]
fn subscriptions_are_made_and_ended_for_a_client() {
    let server = Server::start();
    let manager = server.broker().manager();
    let mut client = Client::connect(&server, V311, "c");
    let mut publisher = Client::connect(&server, V5, "p");
    publisher.retain("t/kept", "1", QOS0);
    assert_eq!(manager.subscribe("c", "t/#", options(QOS1)), Ok(()));
    assert_eq!(client.message().text(), ("t/kept", "1"));
    publisher.publish("t/live", "2");
    assert_eq!(client.message().text(), ("t/live", "2"));
    assert_eq!(manager.subscribe("nobody", "t", options(QOS1)), Err(None));
    assert_eq!(
        manager.subscribe("c", "a/#/b", options(QOS1)),
        Err(Some(ReasonCode::TOPIC_FILTER_INVALID))
    );
    assert!(manager.unsubscribe("c", "t/#") && !manager.unsubscribe("c", "t/#"));
    publisher.publish("t/live", "3");
    publisher.ping();
    client.expect_nothing();
}

#[test]
fn regress_a_client_that_is_away_gets_what_is_retained_when_it_is_back() {
    let server = Server::start();
    let manager = server.broker().manager();
    let mut publisher = Client::connect(&server, V5, "p");
    publisher.retain("t/0", "zero", QOS0);
    publisher.retain("t/1", "one", QOS1);
    for version in [V311, V5] {
        Hello::lasting(version, "c").connect(&server).disconnect();
        assert_eq!(manager.subscribe("c", "t/#", options(QOS1)), Ok(()));
        let mut back = Hello::lasting(version, "c").attach(&server, true);
        let mut found: Vec<_> = [back.take(), back.take()]
            .map(|message| (message.payload, message.dup, message.retain))
            .into();
        found.sort();
        assert_eq!(
            found,
            [
                ("one".to_owned(), false, true),
                ("zero".to_owned(), false, true)
            ]
        );
        back.disconnect();
        Client::connect(&server, version, "c").disconnect();
    }
}

#[test]
fn retained_messages_are_listed_page_by_page_and_deleted() {
    let server = Server::start();
    let manager = server.broker().manager();
    let mut client = Client::connect(&server, V5, "c");
    for n in 0..20 {
        client.retain(&format!("a/{n}"), &n.to_string(), QOS1);
        client.retain(&format!("b/{n}"), "x", QOS0);
    }
    let (mut after, mut topics) = (None, BTreeSet::new());
    loop {
        let page = manager.retained(filter("a/+"), after.as_ref(), 5);
        topics.extend(page.items.iter().map(|kept| kept.topic_name.to_string()));
        match page.next {
            None => break,
            next => after = next,
        }
    }
    assert_eq!(topics, (0..20).map(|n| format!("a/{n}")).collect());
    let kept = manager.retained_of("a/7").unwrap();
    assert_eq!(
        (&kept.payload[..], kept.qos, kept.expires_in),
        (&b"7"[..], QOS1, None)
    );
    assert!(manager.delete_retained("a/7") && !manager.delete_retained("a/7"));
    assert!(manager.retained_of("a/7").is_none());
    let post = Post {
        retain: true,
        properties: &[Property::MessageExpiryInterval(100)],
        ..Post::new("a/7", b"again")
    };
    client.publish_fully(&post);
    let left = manager.retained_of("a/7").unwrap().expires_in.unwrap();
    assert!(
        left <= Duration::from_secs(100) && left > Duration::from_secs(90),
        "{left:?}"
    );
}

#[test]
fn the_program_publishes() {
    use mqtt_broker::manage::Post;
    let server = Server::start();
    let manager = server.broker().manager();
    let mut client = Client::connect(&server, V5, "c");
    client.subscribe("t/#", QOS1);
    let properties = [
        Property::ContentType("text"),
        Property::UserProperty("a", "b"),
    ];
    let post = Post {
        qos: QOS1,
        retain: true,
        properties: &properties,
        ..Post::new("t/1", b"x")
    };
    let published = server.block_on(manager.publish(&post)).unwrap();
    assert_eq!(published.subscribers, 1);
    let message = client.take();
    assert_eq!((message.text(), message.qos), (("t/1", "x"), 1));
    assert_eq!(
        message.properties,
        ["ContentType(\"text\")", "UserProperty(\"a\", \"b\")"]
    );
    assert!(manager.retained_of("t/1").is_some());
    for (post, reason) in [
        (Post::new("t/#", b""), ReasonCode::TOPIC_NAME_INVALID),
        (
            Post {
                properties: &[Property::ServerKeepAlive(1)],
                ..Post::new("t", b"")
            },
            ReasonCode::PAYLOAD_FORMAT_INVALID,
        ),
    ] {
        assert_eq!(
            server.block_on(manager.publish(&post)),
            Err(NotPublished(reason))
        );
    }
}

#[test]
fn the_broker_says_what_it_is() {
    let server = Server::with(|config| config.node.name = "kitchen".to_owned());
    let info = server.broker().manager().info();
    assert_eq!(
        (&*info.node, info.version),
        ("kitchen", env!("CARGO_PKG_VERSION"))
    );
    assert!(info.uptime() < Duration::from_secs(60));
}

/// Lends sessions as the test wants it, and writes down what is asked.
struct Registry(Mutex<Sender<String>>);

impl Ownership for Registry {
    fn claim(&self, client_id: &str, clean_start: bool) -> ClaimAnswer {
        let _ = self
            .0
            .lock()
            .unwrap()
            .send(format!("claim {client_id} {clean_start}"));
        match client_id {
            "elsewhere" => ClaimAnswer::Ready(Claim::Refused(ReasonCode::SERVER_UNAVAILABLE)),
            "late" => ClaimAnswer::Pending(Box::pin(async {
                tokio::task::yield_now().await;
                Claim::Owned(OwnerEpoch(9))
            })),
            _ => ClaimAnswer::Ready(Claim::Owned(OwnerEpoch(5))),
        }
    }

    fn release(&self, client_id: &str, epoch: OwnerEpoch) {
        let _ = self
            .0
            .lock()
            .unwrap()
            .send(format!("release {client_id} {}", epoch.0));
    }
}

#[test]
fn sessions_are_claimed_before_and_released_after() {
    let (sender, lines): (_, Receiver<String>) = channel();
    let server = Server::built(
        |_| {},
        |builder| builder.ownership(Registry(Mutex::new(sender))),
    );
    let mut claimed = None;
    let next = || lines.recv_timeout(Duration::from_secs(10)).unwrap();
    for version in [V311, V5] {
        let client = Client::connect(&server, version, "late");
        assert_eq!(next(), "claim late true");
        client.disconnect();
        assert_eq!(next(), "release late 9");
    }
    let (mut client, welcome) = Hello::new(V5, "elsewhere").ask(&server);
    assert_eq!(welcome.reason, 0x88);
    client.expect_close();
    assert_eq!(next(), "claim elsewhere true");
    let mut client = Hello::lasting(V5, "c").connect(&server);
    assert_eq!(next(), "claim c false");
    // A claim that comes to nothing is given back.
    let other = Server::built(
        |config| config.mqtt.max_sessions = 1,
        |builder| {
            let (sender, other_lines) = channel();
            let builder = builder.ownership(Registry(Mutex::new(sender)));
            claimed = Some(other_lines);
            builder
        },
    );
    let claimed = claimed.unwrap();
    let next_claimed = || claimed.recv_timeout(Duration::from_secs(10)).unwrap();
    let _first = Client::connect(&other, V5, "first");
    assert_eq!(next_claimed(), "claim first true");
    let (mut second, welcome) = Hello::new(V5, "second").ask(&other);
    assert_eq!(welcome.reason, 0x97);
    second.expect_close();
    assert_eq!(next_claimed(), "claim second true");
    assert_eq!(next_claimed(), "release second 5");
    // Another broker takes it: the client is told so, and nothing is left or released here.
    assert!(server.broker().manager().give_up("c"));
    client.expect_disconnect(ReasonCode::SESSION_TAKEN_OVER);
    server.wait_until("gone", |broker| broker.sizes().sessions == 0);
    Client::connect(&server, V5, "next");
    assert_eq!(next(), "claim next true");
}

/// Writes down what goes to other brokers.
struct Wire(Mutex<Sender<String>>);

impl mqtt_broker::Fabric for Wire {
    fn subscribed(&self, topic_filter: &str) {
        let _ = self
            .0
            .lock()
            .unwrap()
            .send(format!("subscribed {topic_filter}"));
    }

    fn unsubscribed(&self, topic_filter: &str) {
        let _ = self
            .0
            .lock()
            .unwrap()
            .send(format!("unsubscribed {topic_filter}"));
    }

    fn publish(&self, message: &mqtt_broker::Message) {
        let payload = String::from_utf8_lossy(message.payload()).into_owned();
        let _ = self
            .0
            .lock()
            .unwrap()
            .send(format!("publish {} {payload}", message.topic_name()));
    }
}

#[test]
fn messages_go_to_other_brokers_and_come_from_them() {
    let (sender, lines): (_, Receiver<String>) = channel();
    let server = Server::built(|_| {}, |builder| builder.fabric(Wire(Mutex::new(sender))));
    let next = || lines.recv_timeout(Duration::from_secs(10)).unwrap();
    let mut client = Client::connect(&server, V5, "c");
    client.subscribe("a/#", QOS1);
    client.subscribe("a/#", QOS1);
    client.subscribe("b", QOS1);
    assert_eq!([next(), next()], ["subscribed a/#", "subscribed b"]);
    client.publish("nobody/here", "x");
    assert_eq!(next(), "publish nobody/here x");
    let source = mqtt_broker::Source {
        topic_name: mqtt_codec::TopicName::try_new("a/1").unwrap(),
        properties: mqtt_codec::Properties::EMPTY,
        scope: mqtt_codec::PropertyScope::Packet(mqtt_codec::PacketType::Publish),
        expiry_left_s: None,
        payload: b"from afar",
    };
    let message =
        mqtt_broker::Message::new(&source, QOS1, false, None, mqtt_broker::SessionKey::FABRIC);
    assert_eq!(
        server
            .broker()
            .manager()
            .deliver_here(&std::sync::Arc::new(message)),
        1
    );
    assert_eq!(client.take().text(), ("a/1", "from afar"));
    client.unsubscribe(&["b"]);
    assert_eq!(
        next(),
        "unsubscribed b",
        "and nothing of what came from afar"
    );
    client.disconnect();
    assert_eq!(next(), "unsubscribed a/#");
}
