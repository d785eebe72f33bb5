//! `mqtt retained` at Mosquitto's broker and at ours, beside Mosquitto's clients.

use super::{VERSIONS, done, mosquitto_pub, mosquitto_sub, mqtt, printed};
use crate::brokers::RunningBroker;

fn listed_printed_and_cleared(broker: &RunningBroker) {
    let port = broker.way.addr.port();
    for (topic_name, payload, qos) in [
        ("r/0", "zero", "0"),
        ("r/1", "one", "1"),
        ("r/sub/2", "two", "2"),
        ("kept", "x", "1"),
    ] {
        let mut publisher = mosquitto_pub(port);
        done(publisher.args(["-r", "-q", qos, "-t", topic_name, "-m", payload]));
    }
    for version in ["3.1.1", "5"] {
        let listed = done(&mut mqtt(
            &["retained", "ls", "r/#", "--long", "-V", version],
            port,
        ));
        let mut lines: Vec<&str> = listed.lines().collect();
        lines.sort_unstable();
        let expected = [
            "         3    1  r/1",
            "         3    2  r/sub/2",
            "         4    0  r/0",
            "     bytes  qos  topic and properties",
        ];
        assert_eq!(lines, expected, "{version}");
        let got = done(&mut mqtt(
            &["retained", "get", "r/sub/2", "-V", version],
            port,
        ));
        assert_eq!(got, "two");
        let (got, told) = printed(&mut mqtt(&["retained", "get", "r", "-V", version], port), 3);
        assert_eq!((&*got, &*told), ("", "mqtt: nothing is retained on r\n"));
    }
    let (named, told) = printed(
        &mut mqtt(&["retained", "clear", "r/#", "--dry-run"], port),
        0,
    );
    let mut names: Vec<&str> = named.lines().collect();
    names.sort_unstable();
    assert_eq!(names, ["r/0", "r/1", "r/sub/2"]);
    assert_eq!(told, "mqtt: 3 would be cleared\n");
    // Nothing has changed, as another client sees.
    let mut subscriber = mosquitto_sub(port);
    let seen = done(subscriber.args(["-t", "r/#", "-C", "3", "-F", "%t %p"]));
    assert_eq!(seen.lines().count(), 3, "{seen}");

    let (named, told) = printed(&mut mqtt(&["retained", "clear", "r/#", "--yes"], port), 0);
    assert_eq!((&*named, &*told), ("", "mqtt: 3 cleared\n"));
    for version in VERSIONS {
        let mut subscriber = mosquitto_sub(port);
        subscriber.args(["-V", version, "-t", "#", "-C", "1", "-F", "%t %p"]);
        assert_eq!(done(&mut subscriber), "kept x\n", "{version}");
    }
    let left = done(&mut mqtt(&["retained", "ls", "--json"], port));
    assert_eq!(left, "{\"len\":1,\"topic\":\"kept\"}\n");
}

#[test]
fn they_are_listed_printed_and_cleared_at_mosquitto() {
    listed_printed_and_cleared(&RunningBroker::mosquitto());
}

#[test]
fn they_are_listed_printed_and_cleared_at_our_broker() {
    listed_printed_and_cleared(&RunningBroker::ours());
}
