//! `mqtt test` at Mosquitto's broker, of which it is known what it can do.

use super::{done, mqtt};
use crate::brokers::RunningBroker;
use serde_json::Value;

/// The values are those of 2.0.11 as Debian configures it, which is not at all.
#[test]
fn what_mosquitto_can_do_is_found() {
    let broker = RunningBroker::mosquitto();
    let port = broker.way.addr.port();
    let found = done(&mut mqtt(
        &["test", "--json", "--payload-max", "100000"],
        port,
    ));
    let found: Value = serde_json::from_str(&found).unwrap();
    for (name, detail) in [
        ("MQTT 3.1", ""),
        ("MQTT 3.1.1", ""),
        ("MQTT 5.0", ""),
        ("Receive Maximum", "20"),
        ("Topic Alias Maximum", "10"),
        ("Maximum QoS", "2"),
        ("Retain Available", "says the CONNACK"),
        ("Wildcard Subscription Available", "says the CONNACK"),
        ("Subscription Identifiers Available", "says the CONNACK"),
        ("Shared Subscription Available", "says the CONNACK"),
        ("QoS 0", ""),
        ("QoS 1", ""),
        ("QoS 2", ""),
        ("order of 100 messages", ""),
        ("retained messages", ""),
        ("wildcard +", ""),
        ("wildcard #", ""),
        ("shared subscriptions", ""),
        ("longest Topic Name", "65535 bytes, no more were tried"),
        ("longest payload", "100000 bytes, no more were tried"),
    ] {
        let ability = &found[name];
        assert_eq!(ability["is_so"], true, "{name}: {found}");
        assert_eq!(ability["detail"], detail, "{name}");
    }
    // It leaves nothing behind.
    let left = done(&mut mqtt(&["retained", "ls", "#"], port));
    assert_eq!(left, "");
}
