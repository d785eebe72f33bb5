//! Who may publish and subscribe to what: the rules of a configuration, and what happens when they change.

use crate::kit::{Client, Hello, Last, Post, QOS0, QOS1, Server, V5, V311, options};
use mqtt_broker::config::{Authorization, AuthorizationSource, DenyAction, LostRight};
use mqtt_broker::{
    AuthAnswer, AuthStep, Authenticate, ClientInfo, Config, ConnectRequest, Grant, Reference,
};
use mqtt_codec::{Packet, PacketType, Property, ReasonCode};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

mod mosquitto;
mod service;

const DENIED: u8 = 0x87;

/// Rules as they stand in a configuration.
fn authorization(text: &str) -> Authorization {
    Config::from_toml(text, "broker.toml")
        .unwrap()
        .authorization
}

fn rules(text: &str) -> Authorization {
    authorization(&format!("[authorization]\nrules = [{text}]"))
}

fn server(authorization: Authorization) -> Server {
    Server::built(
        |config| config.authorization = authorization,
        |builder| builder,
    )
}

fn connect(server: &Server, client_id: &str, username: &str) -> Client {
    hello(client_id, username).connect(server)
}

fn hello<'a>(client_id: &'a str, username: &'a str) -> Hello<'a> {
    Hello {
        username: Some(username),
        ..Hello::new(V5, client_id)
    }
}

fn reload(server: &Server, authorization: Authorization) {
    let config = Config {
        authorization,
        ..Config::default()
    };
    let authorizer = server.broker().authorizer().unwrap();
    authorizer.reload(&config).unwrap();
}

fn recheck(server: &Server) -> mqtt_broker::Rechecked {
    server.block_on(server.broker().manager().recheck())
}

/// The Reason Code of PUBACK.
fn publish(client: &mut Client, topic_name: &str) -> u8 {
    client.publish_fully(&Post {
        qos: QOS1,
        ..Post::new(topic_name, b"x")
    })
}

/// The Reason Code of SUBACK.
fn subscribe(client: &mut Client, topic_filter: &str) -> u8 {
    client.subscribe_with(&[(topic_filter, options(QOS0))], &[])[0]
}

const ALICE: &str = r#"
{ permission = "deny", username = "alice", topics = ["home/secret"], action = "publish" },
{ permission = "allow", username = "alice", topics = ["home/#"] },
{ permission = "allow", action = "subscribe", topics = ["public/${username}/#"] }"#;

#[test]
fn without_rules_everybody_who_is_in_may_do_everything() {
    let server = server(Authorization::default());
    let mut bob = connect(&server, "b", "bob");
    assert_eq!(subscribe(&mut bob, "#"), 0);
    assert_eq!(publish(&mut bob, "x"), 0);
}

/// Covers: v5 [MQTT-3.9.3-2].
#[test]
fn with_rules_what_none_is_about_is_denied() {
    let server = server(rules(ALICE));
    let mut alice = connect(&server, "a", "alice");
    let mut bob = connect(&server, "b", "bob");
    assert_eq!(publish(&mut alice, "home/door"), 0x10);
    assert_eq!(publish(&mut alice, "garden"), DENIED);
    assert_eq!(publish(&mut bob, "home/door"), DENIED);
    assert_eq!(subscribe(&mut alice, "home/+"), 0);
    assert_eq!(subscribe(&mut alice, "#"), DENIED);
    assert_eq!(subscribe(&mut bob, "public/bob/x"), 0);
    assert_eq!(subscribe(&mut bob, "public/alice/x"), DENIED);
    assert_eq!(subscribe(&mut bob, "$share/g/public/bob/#"), 0);
    assert_eq!(subscribe(&mut bob, "$share/g/home/#"), DENIED);
    // At QoS 0 nobody is told, and nothing arrives.
    bob.publish("home/door", "x");
    bob.ping();
    alice.ping();
}

#[test]
fn no_match_says_what_holds_without_a_rule() {
    let deny = server(authorization("authorization.no_match = \"deny\""));
    let mut bob = connect(&deny, "b", "bob");
    assert_eq!(publish(&mut bob, "x"), DENIED);
    let allow = server(authorization(
        "[authorization]\nno_match = \"allow\"\nrules = [{ permission = \"deny\", topics = [\"x\"] }]",
    ));
    let mut bob = connect(&allow, "b", "bob");
    assert_eq!(publish(&mut bob, "x"), DENIED);
    assert_eq!(publish(&mut bob, "y"), 0x10);
}

#[test]
fn deny_action_may_end_the_connection() {
    let authorization = Authorization {
        deny_action: DenyAction::Disconnect,
        ..rules(ALICE)
    };
    let server = server(authorization);
    let mut bob = connect(&server, "b", "bob");
    bob.publish("home/door", "x");
    bob.expect_disconnect(ReasonCode::NOT_AUTHORIZED);
    let mut bob = connect(&server, "b", "bob");
    bob.ask_to_subscribe(&[("home/#", options(QOS0))], &[]);
    bob.expect_disconnect(ReasonCode::NOT_AUTHORIZED);
}

/// The Reason String of a packet, as it is written in it.
fn words(client: &mut Client) -> Option<String> {
    let received = client.receive();
    let packet = received.packet().unwrap();
    let properties = match &packet {
        Packet::PubAck(ack) | Packet::PubRec(ack) => ack.properties,
        Packet::SubAck(suback) => suback.properties,
        Packet::Disconnect(disconnect) => disconnect.properties,
        Packet::ConnAck(connack) => connack.properties,
        other => panic!("{other:?}"),
    };
    properties.reason_string().map(str::to_owned)
}

/// The client learns a reference and nothing else; who looks after the broker finds the rule by it.
#[test]
fn a_refusal_has_a_reference_and_no_more() {
    let ask = [Property::RequestProblemInformation(true)];
    let server = server(rules(ALICE));
    let hello = Hello {
        properties: &ask,
        ..hello("a", "alice")
    };
    let mut alice = hello.connect(&server);
    alice.post(&Post {
        qos: QOS1,
        ..Post::new("home/secret", b"x")
    });
    let told = words(&mut alice).unwrap();
    alice.post(&Post {
        qos: crate::kit::QOS2,
        packet_id: 2,
        ..Post::new("garden", b"x")
    });
    let told_2 = words(&mut alice).unwrap();
    alice.ask_to_subscribe(&[("home/+", options(QOS0)), ("#", options(QOS0))], &[]);
    let told_of_filter = words(&mut alice).unwrap();
    let manager = server.broker().manager();
    let refused = |told: &str| {
        let reference = told.strip_prefix("not authorized (ref ").unwrap();
        let reference = Reference::parse(reference.strip_suffix(')').unwrap()).unwrap();
        let found = manager.refusal(reference).unwrap();
        assert_eq!(&*found.client_id, "a");
        (found.topic.into_string(), found.ground.into_string())
    };
    let of = |topic: &str, ground: &str| (topic.to_owned(), ground.to_owned());
    assert_eq!(refused(&told), of("home/secret", "the rule broker.toml:3"));
    let no_match = "no rule is about it (authorization.no_match)";
    assert_eq!(refused(&told_2), of("garden", no_match));
    assert_eq!(refused(&told_of_filter), of("#", no_match));
    assert_eq!(manager.refusals().len(), 3);
    let denied = server.broker().totals().denied;
    assert_eq!(
        (denied.get("rule"), denied.get("no_match")),
        (Some(&1), Some(&2))
    );
    let will = Hello {
        will: Some(Last::new("garden")),
        ..hello
    };
    let mut refused_will = will.send(&server);
    assert!(
        words(&mut refused_will)
            .unwrap()
            .starts_with("not authorized (ref ")
    );
}

/// Covers: v5 [MQTT-3.1.2-29].
#[test]
fn who_wants_no_problem_information_gets_none() {
    let no = [Property::RequestProblemInformation(false)];
    let server = server(rules(ALICE));
    let mut bob = Hello {
        properties: &no,
        ..hello("b", "bob")
    }
    .connect(&server);
    bob.ask_to_subscribe(&[("#", options(QOS0))], &[]);
    assert_eq!(words(&mut bob), None);
    bob.post(&Post {
        qos: QOS1,
        ..Post::new("home/secret", b"x")
    });
    assert_eq!(words(&mut bob), None);
}

/// A publisher that stays with one topic is not asked about each time, and all the same only as long as it holds.
#[test]
fn a_right_to_publish_ends_with_the_rules_that_gave_it() {
    let server = server(rules(ALICE));
    let mut alice = connect(&server, "a", "alice");
    for _ in 0..3 {
        assert_eq!(publish(&mut alice, "home/door"), 0x10);
    }
    let once = r#"{ permission = "deny", topics = ["home/door"] }, { permission = "allow" }"#;
    reload(&server, rules(once));
    assert_eq!(publish(&mut alice, "home/door"), DENIED);
    assert_eq!(publish(&mut alice, "home/window"), 0x10);
    assert_eq!(publish(&mut alice, "home/window"), 0x10);
    assert_eq!(publish(&mut alice, "home/door"), DENIED);
}

/// The right to publish at one QoS is none to do so at another, or to retain.
#[test]
fn a_right_to_publish_is_one_to_publish_just_so() {
    let server = server(rules(
        r#"{ permission = "deny", retain = true }, { permission = "deny", qos = 2 }, { permission = "allow" }"#,
    ));
    let mut alice = connect(&server, "a", "alice");
    let mut send = |qos, retain| {
        alice.publish_fully(&Post {
            qos,
            retain,
            ..Post::new("t", b"x")
        })
    };
    assert_eq!(send(QOS1, false), 0x10);
    assert_eq!(send(QOS1, true), DENIED);
    assert_eq!(send(QOS1, false), 0x10);
    assert_eq!(send(crate::kit::QOS2, false), DENIED);
    assert_eq!(send(QOS1, false), 0x10);
}

fn mosquitto(dir: &Path, text: &str) -> Authorization {
    let path = dir.join("acl");
    fs::write(&path, text).unwrap();
    Authorization {
        sources: vec![AuthorizationSource::File {
            path,
            format: mqtt_access_format("mosquitto"),
        }],
        ..Authorization::default()
    }
}

/// A format by the name it has in a configuration.
fn mqtt_access_format(name: &str) -> mqtt_access::RuleFormat {
    match name {
        "mosquitto" => mqtt_access::RuleFormat::Mosquitto,
        "emqx" => mqtt_access::RuleFormat::Emqx,
        _ => mqtt_access::RuleFormat::Toml,
    }
}

#[test]
fn a_lost_subscription_ends_the_connection() {
    let server = server(rules(ALICE));
    let mut alice = connect(&server, "a", "alice");
    let mut bob = connect(&server, "b", "bob");
    let mut old = Hello {
        username: Some("alice"),
        ..Hello::new(V311, "old")
    }
    .connect(&server);
    assert_eq!(subscribe(&mut alice, "home/#"), 0);
    assert_eq!(old.subscribe_with(&[("home/#", options(QOS0))], &[]), [0]);
    assert_eq!(subscribe(&mut bob, "public/bob/#"), 0);
    assert_eq!(recheck(&server).clients_disconnected, 0);
    reload(
        &server,
        rules(r#"{ permission = "allow", topics = ["public/${username}/#"] }"#),
    );
    let rechecked = recheck(&server);
    assert_eq!((rechecked.sessions, rechecked.clients_disconnected), (3, 2));
    assert_eq!(rechecked.subscriptions_removed, 2);
    alice.expect_disconnect(ReasonCode::NOT_AUTHORIZED);
    old.expect_close();
    assert_eq!(publish(&mut bob, "public/bob/x"), 0);
    assert_eq!(bob.message().text(), ("public/bob/x", "x"));
}

#[test]
fn a_lost_subscription_may_go_in_silence() {
    let with = |text| Authorization {
        on_lost_right: LostRight::Unsubscribe,
        ..rules(text)
    };
    let server = server(with(r#"{ permission = "allow" }"#));
    let mut alice = connect(&server, "a", "alice");
    assert_eq!(subscribe(&mut alice, "home/#"), 0);
    assert_eq!(subscribe(&mut alice, "garden/#"), 0);
    reload(
        &server,
        with(
            r#"{ permission = "allow", topics = ["garden/#"] }, { permission = "allow", action = "publish" }"#,
        ),
    );
    let rechecked = recheck(&server);
    assert_eq!(rechecked.clients_disconnected, 0);
    assert_eq!(rechecked.subscriptions_removed, 1);
    alice.publish("home/door", "x");
    alice.publish("garden/door", "y");
    assert_eq!(alice.message().text(), ("garden/door", "y"));
}

#[test]
fn a_session_that_waits_loses_what_its_client_may_not_have() {
    let server = server(rules(r#"{ permission = "allow" }"#));
    let lasting = Hello {
        username: Some("alice"),
        ..Hello::lasting(V5, "a")
    };
    let mut alice = lasting.attach(&server, false);
    assert_eq!(subscribe(&mut alice, "home/#"), 0);
    assert_eq!(subscribe(&mut alice, "garden/#"), 0);
    alice.disconnect();
    server.wait_for_connections(0);
    reload(
        &server,
        rules(r#"{ permission = "allow", topics = ["garden/#"] }"#),
    );
    // Nobody rechecks: it is asked about when it comes back.
    let mut alice = lasting.attach(&server, true);
    assert_eq!(server.broker().sizes().subscriptions, 1);
    assert_eq!(publish(&mut alice, "garden/door"), 0);
    assert_eq!(alice.message().text(), ("garden/door", "x"));
    alice.disconnect();
    server.wait_for_connections(0);
    reload(&server, rules(r#"{ permission = "deny" }"#));
    assert_eq!(recheck(&server).subscriptions_removed, 1);
    assert_eq!(server.broker().sizes().subscriptions, 0);
}

/// Who takes a Client Identifier over does not take the rights of who had it before.
#[test]
fn somebody_else_does_not_get_anothers_subscriptions() {
    let server = server(rules(
        r#"{ permission = "allow", topics = ["${username}/#"] }"#,
    ));
    let lasting = |username| Hello {
        username: Some(username),
        ..Hello::lasting(V5, "c")
    };
    let mut alice = lasting("alice").attach(&server, false);
    assert_eq!(subscribe(&mut alice, "alice/#"), 0);
    let mut eve = lasting("eve").attach(&server, true);
    alice.expect_disconnect(ReasonCode::SESSION_TAKEN_OVER);
    let mut other = connect(&server, "o", "alice");
    assert_eq!(publish(&mut other, "alice/x"), 0x10);
    eve.ping();
}

#[test]
fn a_will_that_may_not_be_published_any_more_is_not() {
    let server = server(rules(r#"{ permission = "allow" }"#));
    let mut watcher = connect(&server, "w", "watcher");
    assert_eq!(subscribe(&mut watcher, "wills/#"), 0);
    let mut kept = Hello {
        will: Some(Last::new("wills/kept")),
        ..hello("k", "alice")
    }
    .connect(&server);
    let mut lost = Hello {
        will: Some(Last::new("wills/lost")),
        ..hello("l", "alice")
    }
    .connect(&server);
    reload(
        &server,
        rules(
            r#"{ permission = "deny", topics = ["wills/lost"], action = "publish" }, { permission = "allow" }"#,
        ),
    );
    assert_eq!(recheck(&server).wills_removed, 1);
    lost.finish();
    lost.expect_close();
    kept.finish();
    kept.expect_close();
    assert_eq!(watcher.message().text(), ("wills/kept", "gone"));
    watcher.ping();
}

#[test]
fn a_file_that_is_wrong_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let good = mosquitto(dir.path(), "user alice\ntopic readwrite home/#\n");
    let server = server(good.clone());
    let mut alice = connect(&server, "a", "alice");
    mosquitto(dir.path(), "user alice\ntopics readwrite home/#\n");
    let config = Config {
        authorization: good,
        ..Config::default()
    };
    let refused = server.broker().authorizer().unwrap().reload(&config);
    let path = dir.path().join("acl");
    assert_eq!(
        refused.unwrap_err().to_string(),
        format!(
            "{}:2: \"topics\" is none of user, topic and pattern",
            path.display()
        )
    );
    assert_eq!(publish(&mut alice, "home/door"), 0x10);
    fs::remove_file(&path).unwrap();
    let refused = config.check().unwrap_err().to_string();
    assert!(
        refused.starts_with("cannot read the rules of access "),
        "{refused}"
    );
}

/// Lets everybody in who is not gone.
struct Users(Arc<Mutex<BTreeSet<String>>>);

impl Users {
    fn is_gone(&self, username: Option<&str>) -> bool {
        let gone = self.0.lock().unwrap();
        username.is_some_and(|username| gone.contains(username))
    }
}

impl Authenticate for Users {
    fn connect(&self, request: &ConnectRequest<'_>) -> AuthAnswer {
        AuthAnswer::Ready(match self.is_gone(request.username) {
            true => AuthStep::refuse(ReasonCode::NOT_AUTHORIZED),
            false => AuthStep::Accept(Box::<Grant>::default()),
        })
    }

    fn still_valid(&self, client: &ClientInfo) -> bool {
        !self.is_gone(client.username.as_deref())
    }
}

/// Rules and users change while five hundred clients publish and subscribe: those that may stay lose nothing, and
/// those that may not are told.
#[test]
fn a_change_takes_nothing_from_those_who_still_have_the_right() {
    const CLIENTS: usize = 500;
    let gone = Arc::new(Mutex::new(BTreeSet::new()));
    let users = Users(Arc::clone(&gone));
    let server = Server::built(
        |config| config.authorization = rules(r#"{ permission = "allow" }"#),
        |builder| builder.authenticate(users),
    );
    let names: Vec<_> = (0..CLIENTS)
        .map(|nth| (format!("c{nth}"), format!("u{nth}")))
        .collect();
    let mut clients: Vec<_> = names
        .iter()
        .map(|(client_id, username)| {
            let mut client = Hello {
                will: Some(Last::new("wills/all")),
                ..hello(client_id, username)
            }
            .connect(&server);
            let granted = client.subscribe_with(&[("own/+", options(QOS1))], &[]);
            assert_eq!(granted, [1]);
            client
        })
        .collect();
    let mut publisher = connect(&server, "p", "p");
    publisher.publish_1("own/before", "1");
    for client in &mut clients {
        assert_eq!(client.take().text(), ("own/before", "1"));
    }
    // Every tenth loses its subscription, every tenth its user.
    let lost_right = |nth: usize| nth % 10 == 3;
    let lost_user = |nth: usize| nth % 10 == 7;
    let names_of = |is_meant: &dyn Fn(usize) -> bool| {
        let meant = (0..CLIENTS).filter(|nth| is_meant(*nth));
        meant.map(|nth| format!("u{nth}")).collect::<Vec<_>>()
    };
    let denied = names_of(&lost_right);
    gone.lock().unwrap().extend(names_of(&lost_user));
    reload(
        &server,
        rules(&format!(
            "{{ permission = \"deny\", action = \"subscribe\", username = {denied:?} }}, {{ permission = \"allow\" }}"
        )),
    );
    let rechecked = recheck(&server);
    assert_eq!(rechecked.clients_disconnected, 100);
    assert_eq!(rechecked.subscriptions_removed, 50);
    publisher.publish_1("own/after", "2");
    for (nth, client) in clients.iter_mut().enumerate() {
        if lost_right(nth) || lost_user(nth) {
            client.expect_disconnect(ReasonCode::NOT_AUTHORIZED);
        } else {
            assert_eq!(client.take().text(), ("own/after", "2"), "client {nth}");
            client.ping();
        }
    }
    server.wait_until("the others are gone", |broker| {
        broker.sizes().connections == CLIENTS - 100 + 1
    });
}

/// A stranger from elsewhere that has found its way in can do nothing once there is any rule.
#[test]
fn a_stranger_may_do_nothing() {
    let server = server(rules(
        r#"{ permission = "allow", username = { re = "." } }"#,
    ));
    for version in [V311, V5] {
        let mut stranger = Hello::new(version, "").connect(&server);
        let refused =
            stranger.subscribe_with(&[("#", options(QOS0)), ("$SYS/#", options(QOS0))], &[]);
        let failure = if version == V5 { DENIED } else { 0x80 };
        assert_eq!(refused, [failure, failure]);
        stranger.publish("x", "y");
        stranger.ping();
        stranger.post(&Post {
            qos: QOS1,
            ..Post::new("x", b"y")
        });
        if version == V5 {
            assert_eq!(stranger.expect_ack(PacketType::PubAck, 1), DENIED);
        } else {
            stranger.expect_close();
        }
        let will = Hello {
            will: Some(Last::new("x")),
            ..Hello::new(version, "w")
        };
        let (_, welcome) = will.ask(&server);
        assert_ne!(welcome.reason, 0);
    }
    let totals = server.broker().totals();
    assert_eq!(totals.dropped_denied, 2);
}
