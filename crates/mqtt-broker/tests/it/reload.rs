//! Another configuration for a broker with clients.

use crate::kit::{Client, QOS0, QOS1, Server, V5, options};
use mqtt_broker::config::Effect;
use mqtt_broker::{Config, ReloadReport};
use std::io::Read;
use std::net::TcpStream;

/// The configuration of a test's broker, with a change.
fn changed(change: impl FnOnce(&mut Config)) -> Config {
    let mut config = Config::default();
    config.listen_only_on(["127.0.0.1:0".parse().unwrap()]);
    change(&mut config);
    config
}

fn keys(report: &ReloadReport) -> Vec<&str> {
    let all = report.live.iter().chain(&report.needs_restart);
    all.map(|change| &*change.key).collect()
}

#[test]
fn a_live_client_is_held_to_the_new_limit_and_keeps_what_it_has() {
    let server = Server::start();
    let mut client = Client::connect(&server, V5, "c");
    client.subscribe("a", QOS1);
    client.subscribe("b", QOS1);
    let report = server
        .reload(changed(|config| config.mqtt.max_subscriptions = 2))
        .unwrap();
    assert_eq!(keys(&report), ["mqtt.max_subscriptions"]);
    assert_eq!(report.live[0].effect, Effect::Live);
    let granted = client.subscribe_with(&[("c", options(QOS1))], &[]);
    assert_eq!(granted, [0x97], "over the new limit");
    let granted = client.subscribe_with(&[("a", options(QOS0))], &[]);
    assert_eq!(granted, [0], "what it has may be changed");
    server.reload(changed(|_| {})).unwrap();
    client.subscribe("c", QOS1);
    // The connection was there all the time.
    assert_eq!(server.broker().totals().connections_opened, 1);
}

#[test]
fn connections_are_counted_against_the_new_bound() {
    let server = Server::start();
    let mut first = Client::connect(&server, V5, "first");
    server
        .reload(changed(|config| config.mqtt.max_connections = 1))
        .unwrap();
    let mut refused = TcpStream::connect(server.addr()).unwrap();
    assert_eq!(refused.read(&mut [0]).unwrap(), 0, "closed at once");
    first.subscribe("still/here", QOS1);
    server.reload(changed(|_| {})).unwrap();
    Client::connect(&server, V5, "second");
}

#[test]
fn a_new_connection_is_told_the_new_limits() {
    let server = Server::start();
    server
        .reload(changed(|config| config.mqtt.receive_maximum = 7))
        .unwrap();
    let mut client = Client::open(&server, V5);
    client.send_bytes(b"\x10\x0e\0\x04MQTT\x05\x02\0\x3c\0\0\x01c");
    let welcome = client.welcome();
    let told = &welcome.properties;
    assert!(
        told.iter().any(|told| told == "ReceiveMaximum(7)"),
        "{told:?}"
    );
}

#[test]
fn rewriting_begins_and_ends_with_a_reload() {
    let server = Server::start();
    let mut client = Client::connect(&server, V5, "c");
    client.subscribe("#", QOS0);
    let with_rule = Config::from_toml(
        "[listeners.tcp.listen-1]\nbind = \"127.0.0.1:0\"\n[[rewrite]]\nsource_topic = \"x/#\"\nre = \"^x/(.+)$\"\ndest_topic = \"y/$1\"\n",
        "t",
    );
    let mut topic_of = |topic: &'static str| {
        client.publish(topic, "m");
        client.message().topic_name
    };
    assert_eq!(topic_of("x/1"), "x/1");
    server.reload(with_rule.unwrap()).unwrap();
    assert_eq!(topic_of("x/1"), "y/1");
    server.reload(changed(|_| {})).unwrap();
    assert_eq!(topic_of("x/1"), "x/1");
}

#[test]
fn what_takes_a_restart_stays_and_is_named_each_time() {
    let server = Server::start();
    let config = changed(|config| {
        "other".clone_into(&mut config.node.name);
        config.mqtt.max_qos_allowed = 0;
    });
    for _ in 0..2 {
        let report = server.reload(config.clone()).unwrap();
        assert_eq!(report.live, []);
        assert_eq!(keys(&report), ["mqtt.max_qos_allowed", "node.name"]);
    }
    assert_eq!(&*server.broker().manager().info().node, "mqtt");
    let mut client = Client::connect(&server, V5, "c");
    client.subscribe("a", QOS1);
    client.publish_to("a", QOS1);
    assert!(server.reload(changed(|_| {})).unwrap().is_empty());
}

#[test]
fn a_refused_configuration_changes_nothing() {
    let server = Server::built(|_| {}, |builder| builder);
    // One listener for all the world, and nobody who tells clients apart.
    let open = changed(|config| {
        config.listen_only_on(["0.0.0.0:1".parse().unwrap()]);
        config.mqtt.max_connections = 1;
    });
    let _first = Client::connect(&server, V5, "first");
    server.reload(open.clone()).unwrap_err();
    server.broker().manager().plan(&open).unwrap_err();
    Client::connect(&server, V5, "second");
    assert!(server.reload(changed(|_| {})).unwrap().is_empty());
}
