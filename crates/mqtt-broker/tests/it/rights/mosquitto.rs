//! Rules in the form of Mosquitto, which decide at each delivery.

use super::*;

/// As with Mosquitto: a subscription to everything is made, and brings what may be read.
#[test]
fn mosquittos_rules_decide_about_each_message() {
    let dir = tempfile::tempdir().unwrap();
    let acl = "user alice\ntopic read home/#\ntopic readwrite own/#\nuser bob\ntopic write #\n";
    let server = server(mosquitto(dir.path(), acl));
    let mut bob = connect(&server, "b", "bob");
    bob.retain("home/kept", "1", QOS1);
    bob.retain("garden/kept", "2", QOS1);
    let mut alice = Hello {
        username: Some("alice"),
        ..Hello::lasting(V5, "a")
    }
    .attach(&server, false);
    assert_eq!(subscribe(&mut alice, "#"), 0);
    assert_eq!(alice.message().text(), ("home/kept", "1"));
    bob.publish("garden/door", "x");
    bob.publish("home/door", "y");
    assert_eq!(alice.message().text(), ("home/door", "y"));
    // What may be written is not what may be read.
    assert_eq!(publish(&mut alice, "home/door"), DENIED);
    assert_eq!(publish(&mut alice, "own/x"), 0);
    assert_eq!(alice.message().text(), ("own/x", "x"));
    alice.ping();
    assert_eq!(server.broker().totals().dropped_withheld, 2);
}

/// What waits for a client is asked about when it comes: somebody else with its Client Identifier gets nothing.
#[test]
fn what_waits_is_for_who_may_read_it() {
    let dir = tempfile::tempdir().unwrap();
    let acl =
        "user alice\ntopic read home/#\nuser bob\ntopic readwrite #\nuser eve\ntopic read x\n";
    let server = server(mosquitto(dir.path(), acl));
    let lasting = |username| Hello {
        username: Some(username),
        ..Hello::lasting(V5, "a")
    };
    let mut alice = lasting("alice").attach(&server, false);
    let granted = alice.subscribe_with(&[("#", options(QOS1))], &[]);
    assert_eq!(granted, [1]);
    alice.disconnect();
    server.wait_for_connections(0);
    let mut bob = connect(&server, "b", "bob");
    bob.publish_1("home/door", "1");
    bob.publish_1("home/door", "2");
    let mut eve = lasting("eve").attach(&server, true);
    eve.ping();
}
