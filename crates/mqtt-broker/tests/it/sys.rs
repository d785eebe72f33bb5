//! What the broker publishes about itself below `$SYS`.

use crate::kit::{Client, Hello, Message, QOS0, QOS1, Server, V5, V311};
use mqtt_broker::config::Duration;
use std::collections::BTreeMap;

/// Topics and texts of messages.
fn texts(messages: Vec<Message>) -> BTreeMap<String, String> {
    let pairs = messages
        .into_iter()
        .map(|message| (message.topic_name, message.payload));
    pairs.collect()
}

#[test]
fn a_subscriber_gets_the_statistics_at_once_as_if_retained() {
    let server = Server::start();
    Hello::lasting(V311, "away").connect(&server).disconnect();
    server.wait_for_connections(0);
    let mut publisher = Client::connect(&server, V5, "p");
    publisher.retain("kept", "x", QOS1);
    publisher.publish("nobody", "x");
    publisher.ping();
    let mut client = Client::connect(&server, V311, "c");
    client.subscribe("other", QOS0);
    client.subscribe("$SYS/broker/#", QOS1);
    let messages = client.drain();
    assert!(
        messages
            .iter()
            .all(|message| message.retain && message.qos == 0)
    );
    let found = texts(messages);
    for (name, expected) in [
        ("clients/total", "3"),
        ("clients/connected", "2"),
        ("clients/disconnected", "1"),
        ("clients/maximum", "2"),
        ("clients/expired", "0"),
        ("subscriptions/count", "2"),
        ("retained messages/count", "1"),
        ("messages/stored", "1"),
        ("publish/messages/received", "2"),
        ("publish/messages/sent", "0"),
        ("publish/messages/dropped", "0"),
        ("load/messages/received/1min", "0.00"),
        ("load/publish/sent/15min", "0.00"),
    ] {
        assert_eq!(found[&format!("$SYS/broker/{name}")], expected, "{name}");
    }
    let number = |name: &str| -> u64 { found[&format!("$SYS/broker/{name}")].parse().unwrap() };
    // Three CONNECT, DISCONNECT, two PUBLISH, PINGREQ and the first SUBSCRIBE; the second is being handled.
    assert_eq!(number("messages/received"), 8);
    // Three CONNACK, PUBACK, PINGRESP, SUBACK; the second SUBACK is still to come.
    assert_eq!(number("messages/sent"), 6);
    assert!(number("bytes/received") > 50 && number("bytes/sent") > 20);
    assert!(found["$SYS/broker/uptime"].ends_with(" seconds"));
    assert!(found["$SYS/broker/version"].starts_with("mqtt-broker "));
    if cfg!(target_os = "linux") {
        assert!(number("heap/current") > 0 && number("heap/maximum") >= number("heap/current"));
    }
}

#[test]
fn one_topic_or_none_may_be_asked_for() {
    let server = Server::start();
    let mut client = Client::connect(&server, V5, "c");
    client.subscribe("$SYS/broker/clients/connected", QOS0);
    assert_eq!(
        client.message().text(),
        ("$SYS/broker/clients/connected", "1")
    );
    client.expect_nothing();
    // A wildcard at the beginning does not mean them.
    client.subscribe("#", QOS0);
    client.subscribe("+/broker/uptime", QOS0);
    client.expect_nothing();
}

#[test]
fn the_node_tells_its_name_version_and_date() {
    let server = Server::with(|config| config.node.name = "kitchen".to_owned());
    let mut client = Client::connect(&server, V5, "c");
    client.subscribe("$SYS/brokers/#", QOS0);
    let found = texts(client.drain());
    assert_eq!(found["$SYS/brokers"], "kitchen");
    assert_eq!(
        found["$SYS/brokers/kitchen/version"],
        env!("CARGO_PKG_VERSION")
    );
    assert!(found["$SYS/brokers/kitchen/sysdescr"].contains("MQTT"));
    let date = &found["$SYS/brokers/kitchen/datetime"];
    assert!(
        date.starts_with("20") && date.ends_with('Z') && date.len() == 20,
        "{date}"
    );
    assert!(found["$SYS/brokers/kitchen/uptime"].parse::<u64>().is_ok());
}

#[test]
fn statistics_are_published_again_when_it_is_time() {
    let server = Server::with(|config| {
        config.sys_topics.sys_msg_interval = Some(Duration::from_millis(300));
        config.sys_topics.sys_heartbeat_interval = None;
    });
    let mut client = Client::connect(&server, V5, "c");
    client.subscribe("$SYS/broker/subscriptions/count", QOS0);
    let first = client.message();
    assert_eq!(
        (first.text(), first.retain),
        (("$SYS/broker/subscriptions/count", "1"), true)
    );
    client.subscribe("more", QOS0);
    // One may have been made before the second subscription was.
    loop {
        let message = client.message();
        assert!(!message.retain);
        if message.payload == "2" {
            break;
        }
    }
    client.subscribe("$SYS/brokers/+/datetime", QOS0);
    let topics: Vec<_> = client
        .drain()
        .into_iter()
        .map(|message| message.topic_name)
        .collect();
    assert!(
        topics.iter().all(|topic| topic.starts_with("$SYS/broker/")),
        "{topics:?}"
    );
}

#[test]
fn nothing_is_told_where_it_is_disabled() {
    let server = Server::with(|config| {
        config.sys_topics.sys_msg_interval = None;
        config.sys_topics.sys_heartbeat_interval = None;
        config.sys_topics.client_connected = false;
        config.sys_topics.client_disconnected = false;
    });
    let mut client = Client::connect(&server, V5, "c");
    client.subscribe("$SYS/#", QOS0);
    Client::connect(&server, V5, "d").disconnect();
    server.wait_for_connections(1);
    client.expect_nothing();
}

#[test]
fn clients_that_come_and_go_are_told() {
    let server = Server::start();
    let mut watcher = Client::connect(&server, V5, "watcher");
    watcher.subscribe("$SYS/brokers/+/clients/#", QOS0);
    let hello = Hello {
        keep_alive_s: 60,
        username: Some("a\"nn"),
        ..Hello::new(V311, "c")
    };
    let client = hello.connect(&server);
    let message = watcher.message();
    assert_eq!(
        (&*message.topic_name, message.retain),
        ("$SYS/brokers/mqtt/clients/c/connected", false)
    );
    let told: serde_json::Value = serde_json::from_str(&message.payload).unwrap();
    assert_eq!(told["clientid"], "c");
    assert_eq!(told["username"], "a\"nn");
    assert_eq!(told["ipaddress"], "127.0.0.1");
    assert_eq!(
        (&told["proto_name"], &told["proto_ver"]),
        (&"MQTT".into(), &4.into())
    );
    assert_eq!(
        (&told["keepalive"], &told["clean_start"]),
        (&60.into(), &true.into())
    );
    assert_eq!(
        (&told["connack"], &told["expiry_interval"]),
        (&0.into(), &0.into())
    );
    assert!(told["connected_at"].as_u64().unwrap() > 1_600_000_000_000);
    client.disconnect();
    let message = watcher.message();
    assert_eq!(
        message.topic_name,
        "$SYS/brokers/mqtt/clients/c/disconnected"
    );
    let told: serde_json::Value = serde_json::from_str(&message.payload).unwrap();
    assert_eq!(
        (&told["clientid"], &told["reason"]),
        (&"c".into(), &"client_disconnect".into())
    );
    // A name that is no topic level is left out.
    Client::connect(&server, V5, "a/#").disconnect();
    server.wait_for_connections(1);
    watcher.expect_nothing();
}

#[test]
fn statistics_wait_for_nobody_who_is_away() {
    let server = Server::with(|config| {
        config.sys_topics.sys_msg_interval = Some(Duration::from_millis(100));
    });
    let mut client = Hello::lasting(V5, "c").connect(&server);
    client.subscribe("$SYS/broker/uptime", QOS1);
    client.message();
    let queued = server.broker().totals().messages_queued;
    client.disconnect();
    let dropped = |broker: &mqtt_broker::Broker| broker.totals().dropped_offline > 2;
    server.wait_until("published meanwhile", dropped);
    assert_eq!(server.broker().totals().messages_queued, queued);
}
