//! `mqtt bench` by WebSocket, of which others have servers of their own.

use super::{done, mqtt};
use crate::{brokers::RunningBroker, doors::Door};
use serde_json::Value;

/// Everything that is sent arrives and is acknowledged.
fn is_clean(broker: &RunningBroker, flags: &[&str]) {
    for qos in ["0", "1", "2"] {
        let words = [
            "bench", "all", "--ws", "-c", "3", "-t", "b/%i", "-q", qos, "--rate", "1000", "-L",
            "300", "-s", "2000", "--json",
        ];
        let port = broker.way.addr.port();
        let report = done(mqtt(&words, port).args(flags));
        let report: Value = serde_json::from_str(&report).unwrap();
        let counts = ["sent", "received", "lost", "repeated", "connect_failures"];
        let counts = counts.map(|name| count(&report, name));
        assert_eq!(counts, [300, 300, 0, 0, 0], "QoS {qos}: {report}");
    }
}

/// What was lost stands beside what was counted.
fn count(report: &Value, name: &str) -> u64 {
    let found = report["counts"].get(name).or(report.get(name));
    found.and_then(Value::as_u64).unwrap()
}

#[test]
fn messages_pass_mosquitto_by_websocket() {
    is_clean(&RunningBroker::mosquitto_by_websocket(), &[]);
}

#[test]
fn messages_pass_our_broker_by_websocket() {
    is_clean(&RunningBroker::ours_by(Door::Ws, ""), &[]);
}

#[test]
fn messages_pass_our_broker_by_websocket_over_tls() {
    is_clean(&RunningBroker::ours_by(Door::Wss, ""), &["--ssl"]);
}
