//! What the broker offers less of than it could, by configuration.

use crate::kit::{Client, Hello, Last, Post, QOS0, QOS1, QOS2, Server, V5, V31, V311, options};
use mqtt_codec::{Property, ProtocolVersion, ReasonCode};

/// Covers: v5 [MQTT-3.2.2-9].
#[test]
fn v5_a_lower_maximum_qos_is_told_and_2_never_is() {
    for (qos_max, told) in [
        (0, Some("MaximumQoS(AtMostOnce)")),
        (1, Some("MaximumQoS(AtLeastOnce)")),
        (2, None),
    ] {
        let server = Server::with(|config| config.mqtt.max_qos_allowed = qos_max);
        let (_, welcome) = Hello::new(V5, "c").ask(&server);
        let found = welcome
            .properties
            .iter()
            .find(|property| property.starts_with("MaximumQoS"));
        assert_eq!(found.map(String::as_str), told);
    }
}

#[test]
fn v5_what_is_not_offered_is_told() {
    let server = Server::with(|config| {
        config.mqtt.retain_available = false;
        config.mqtt.wildcard_subscription = false;
        config.mqtt.shared_subscription = false;
    });
    let (_, welcome) = Hello::new(V5, "c").ask(&server);
    for told in [
        "RetainAvailable(false)",
        "WildcardSubscriptionAvailable(false)",
        "SharedSubscriptionAvailable(false)",
    ] {
        assert!(
            welcome.properties.iter().any(|found| found == told),
            "{told} in {welcome:?}"
        );
    }
    let server = Server::start();
    let (_, welcome) = Hello::new(V5, "c").ask(&server);
    assert!(
        !welcome
            .properties
            .iter()
            .any(|found| found.contains("Available")),
        "{welcome:?}"
    );
}

/// Covers: v5 [MQTT-3.2.2-10].
#[test]
fn v5_subscriptions_at_any_qos_are_taken_under_a_lower_maximum() {
    let server = Server::with(|config| config.mqtt.max_qos_allowed = 0);
    let mut client = Client::connect(&server, V5, "c");
    for qos in [QOS0, QOS1, QOS2] {
        client.subscribe(&format!("t/{}", qos.get()), qos);
    }
    client.publish("t/2", "x");
    assert_eq!(client.message().text(), ("t/2", "x"));
}

#[test]
fn a_publish_above_the_maximum_qos_ends_the_connection() {
    let server = Server::with(|config| config.mqtt.max_qos_allowed = 1);
    let mut watcher = Client::connect(&server, V5, "w");
    watcher.subscribe("#", QOS0);
    for version in ProtocolVersion::ALL {
        let mut client = Client::connect(&server, version, "c");
        client.publish_1("t", "fine");
        assert_eq!(watcher.message().text(), ("t", "fine"));
        client.post(&Post {
            qos: QOS2,
            ..Post::new("t", b"x")
        });
        client.expect_disconnect(ReasonCode::QOS_NOT_SUPPORTED);
        watcher.expect_nothing();
    }
}

#[test]
fn a_retained_publish_where_there_are_none_ends_the_connection() {
    let server = Server::with(|config| config.mqtt.retain_available = false);
    for version in ProtocolVersion::ALL {
        let mut client = Client::connect(&server, version, "c");
        client.post(&Post {
            retain: true,
            ..Post::new("t", b"x")
        });
        client.expect_disconnect(ReasonCode::RETAIN_NOT_SUPPORTED);
    }
    assert_eq!(server.broker().sizes().retained, 0);
}

/// Covers: v5 [MQTT-3.2.2-12], v3.1.1 [MQTT-3.2.2-6].
#[test]
fn a_will_above_the_maximum_qos_is_refused() {
    let server = Server::with(|config| config.mqtt.max_qos_allowed = 1);
    refused_will(
        &server,
        Last {
            qos: QOS2,
            ..Last::new("will")
        },
        ReasonCode::QOS_NOT_SUPPORTED,
    );
}

/// Covers: v5 [MQTT-3.2.2-13], v3.1.1 [MQTT-3.2.2-6].
#[test]
fn a_retained_will_where_there_are_none_is_refused() {
    let server = Server::with(|config| config.mqtt.retain_available = false);
    refused_will(
        &server,
        Last {
            retain: true,
            ..Last::new("will")
        },
        ReasonCode::RETAIN_NOT_SUPPORTED,
    );
}

fn refused_will(server: &Server, will: Last<'_>, reason: ReasonCode) {
    let hello = |version| Hello {
        will: Some(will),
        ..Hello::new(version, "c")
    };
    let (mut client, welcome) = hello(V5).ask(server);
    assert_eq!(
        (welcome.reason, welcome.session_present),
        (reason.get(), false)
    );
    client.expect_close();
    for version in [V31, V311] {
        hello(version).send(server).expect_close();
    }
    assert_eq!(server.broker().sizes().sessions, 0);
}

/// Covers: v3.1.1 [MQTT-3.8.3-2].
#[test]
fn wildcards_are_refused_where_there_are_none() {
    let server = Server::with(|config| config.mqtt.wildcard_subscription = false);
    for version in [V311, V5] {
        let mut client = Client::connect(&server, version, "c");
        let filters = [
            ("a/+", options(QOS1)),
            ("a/b", options(QOS1)),
            ("#", options(QOS0)),
            ("$share/g/a/#", options(QOS0)),
        ];
        let refused = if version == V5 { 0xA2 } else { 0x80 };
        // Before v5 `$share` is a level like any other.
        assert_eq!(
            client.subscribe_with(&filters, &[]),
            [refused, 1, refused, refused]
        );
        client.publish("a/b", "x");
        assert_eq!(client.message().text(), ("a/b", "x"));
        client.expect_nothing();
    }
}

#[test]
fn v5_shared_subscriptions_are_refused_where_there_are_none() {
    let server = Server::with(|config| config.mqtt.shared_subscription = false);
    let mut client = Client::connect(&server, V5, "c");
    let filters = [
        ("$share/g/t", options(QOS0)),
        ("$queue/t", options(QOS0)),
        ("t", options(QOS0)),
    ];
    assert_eq!(client.subscribe_with(&filters, &[]), [0x9E, 0x9E, 0]);
}

/// Covers: v5 [MQTT-3.1.2-28].
#[test]
fn v5_response_information_is_only_for_those_who_ask() {
    let server =
        Server::with(|config| config.mqtt.response_information = "answers/here".to_owned());
    for (asked, told) in [(None, false), (Some(false), false), (Some(true), true)] {
        let properties: Vec<_> = asked
            .map(Property::RequestResponseInformation)
            .into_iter()
            .collect();
        let hello = Hello {
            properties: &properties,
            ..Hello::new(V5, "c")
        };
        let (_, welcome) = hello.ask(&server);
        let found = welcome
            .properties
            .iter()
            .any(|found| found == "ResponseInformation(\"answers/here\")");
        assert_eq!(found, told, "{asked:?}: {welcome:?}");
    }
}
