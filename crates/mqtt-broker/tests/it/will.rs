//! The Will Message: when it is published, when not, and as what.

use crate::kit::{Client, Hello, Last, QOS0, QOS1, QOS2, Server, V5, V311};
use mqtt_codec::{PayloadFormat, Property, ProtocolVersion, ReasonCode};

fn with_will(version: ProtocolVersion) -> Hello<'static> {
    Hello {
        will: Some(Last::new("will")),
        ..Hello::new(version, "c")
    }
}

fn watcher(server: &Server) -> Client {
    let mut watcher = Client::connect(server, V5, "watcher");
    watcher.subscribe("will", QOS2);
    watcher
}

/// Covers: v5 [MQTT-3.1.2-7], v5 [MQTT-3.1.2-8], v5 [MQTT-3.1.2-10], v3.1.1 [MQTT-3.1.2-8], v3.1.1 [MQTT-3.1.2-10].
#[test]
fn a_lost_connection_publishes_the_will_once() {
    let server = Server::start();
    let mut watcher = watcher(&server);
    for version in ProtocolVersion::ALL {
        for qos in [QOS0, QOS1, QOS2] {
            let hello = Hello {
                will: Some(Last {
                    qos,
                    ..Last::new("will")
                }),
                ..Hello::lasting(version, "c")
            };
            drop(hello.connect(&server));
            let message = watcher.take();
            assert_eq!((message.text(), message.qos), (("will", "gone"), qos.get()));
            server.wait_for_connections(1);
            // The session goes on, its will does not.
            drop(Hello::lasting(version, "c").connect(&server));
            server.wait_for_connections(1);
            watcher.expect_nothing();
            Client::connect(&server, version, "c").disconnect();
            server.wait_for_connections(1);
        }
    }
}

/// Covers: v5 [MQTT-3.14.4-3], v3.1.1 [MQTT-3.14.4-3].
#[test]
fn a_goodbye_discards_the_will() {
    let server = Server::start();
    let mut watcher = watcher(&server);
    for version in ProtocolVersion::ALL {
        with_will(version).connect(&server).disconnect();
        server.wait_for_connections(1);
        watcher.expect_nothing();
    }
}

/// Covers: v3.1.1 [MQTT-3.1.2-12].
#[test]
fn a_client_without_a_will_leaves_nothing_behind() {
    let server = Server::start();
    let mut watcher = Client::connect(&server, V5, "watcher");
    watcher.subscribe("#", QOS0);
    for version in ProtocolVersion::ALL {
        drop(Client::connect(&server, version, "c"));
        server.wait_for_connections(1);
    }
    watcher.expect_nothing();
}

#[test]
fn v5_a_goodbye_with_will_publishes_it() {
    let server = Server::start();
    let mut watcher = watcher(&server);
    for reason in [
        ReasonCode::DISCONNECT_WITH_WILL_MESSAGE,
        ReasonCode::UNSPECIFIED_ERROR,
    ] {
        with_will(V5).connect(&server).disconnect_with(reason, &[]);
        assert_eq!(watcher.message().text(), ("will", "gone"));
    }
}

#[test]
fn an_end_the_broker_decides_on_publishes_the_will() {
    let server = Server::start();
    let mut watcher = watcher(&server);
    for version in ProtocolVersion::ALL {
        let mut client = with_will(version).connect(&server);
        client.send_bytes(&[0xFF, 0]);
        client.expect_disconnect(ReasonCode::MALFORMED_PACKET);
        assert_eq!(watcher.message().text(), ("will", "gone"));
        let mut client = with_will(version).connect(&server);
        server.broker().kick("c");
        client.expect_disconnect(ReasonCode::ADMINISTRATIVE_ACTION);
        assert_eq!(watcher.message().text(), ("will", "gone"));
        let mut client = with_will(version).connect(&server);
        let mut other = Client::connect(&server, version, "c");
        client.expect_disconnect(ReasonCode::SESSION_TAKEN_OVER);
        assert_eq!(watcher.message().text(), ("will", "gone"));
        other.ping();
        other.disconnect();
    }
}

/// Covers: v5 [MQTT-3.1.2-14], v5 [MQTT-3.1.2-15], v3.1.1 [MQTT-3.1.2-16], v3.1.1 [MQTT-3.1.2-17].
#[test]
fn only_a_retained_will_is_kept() {
    let server = Server::start();
    for version in ProtocolVersion::ALL {
        for retain in [false, true] {
            let hello = Hello {
                will: Some(Last {
                    retain,
                    ..Last::new("will")
                }),
                ..Hello::new(version, "c")
            };
            let mut watcher = watcher(&server);
            drop(hello.connect(&server));
            assert!(!watcher.message().retain, "a standing subscription");
            assert_eq!(server.broker().sizes().retained, usize::from(retain));
            watcher.subscribe("will", QOS0);
            assert_eq!(watcher.drain().len(), usize::from(retain));
            watcher.unsubscribe(&["will"]);
            watcher.retain("will", "", QOS1);
            watcher.disconnect();
            server.wait_for_connections(0);
        }
    }
}

/// Covers: v5 [MQTT-3.1.3-10].
#[test]
fn v5_a_will_has_its_properties_and_no_delay() {
    let server = Server::start();
    let hello = Hello {
        will: Some(Last {
            qos: QOS1,
            retain: true,
            properties: &[
                Property::WillDelayInterval(1000),
                Property::UserProperty("b", "2"),
                Property::PayloadFormatIndicator(PayloadFormat::Utf8),
                Property::UserProperty("a", "1"),
                Property::ContentType("text"),
                Property::MessageExpiryInterval(50),
            ],
            ..Last::new("will")
        }),
        ..Hello::new(V5, "c")
    };
    let expected = [
        "UserProperty(\"b\", \"2\")",
        "PayloadFormatIndicator(Utf8)",
        "UserProperty(\"a\", \"1\")",
        "ContentType(\"text\")",
    ];
    let mut live = watcher(&server);
    let sleeper = Hello::lasting(V5, "sleeper");
    let mut asleep = sleeper.attach(&server, false);
    asleep.subscribe("will", QOS1);
    asleep.disconnect();
    drop(hello.connect(&server));
    let check = |message: crate::kit::Message, from: &str| {
        assert_eq!(message.text(), ("will", "gone"), "{from}");
        assert_eq!(message.expiry_s, Some(50), "{from}");
        let properties: Vec<_> = message
            .properties
            .iter()
            .filter(|one| !one.starts_with("MessageExpiry"))
            .collect();
        assert_eq!(properties, expected, "{from}");
    };
    check(live.message(), "live");
    let mut asleep = sleeper.attach(&server, true);
    check(asleep.message(), "queue");
    let mut later = Client::connect(&server, V5, "later");
    later.subscribe("will", QOS0);
    check(later.message(), "retained");
}

#[test]
fn v5_a_delayed_will_waits() {
    let server = Server::start();
    let mut watcher = watcher(&server);
    let hello = Hello {
        will: Some(Last {
            properties: &[Property::WillDelayInterval(1)],
            ..Last::new("will")
        }),
        ..Hello::lasting(V5, "c")
    };
    drop(hello.connect(&server));
    server.wait_for_connections(1);
    watcher.expect_nothing();
    assert_eq!(watcher.message().text(), ("will", "gone"));
    assert_eq!(server.broker().sizes().sessions, 2, "the session goes on");
}

/// Covers: v5 [MQTT-3.1.3-9].
#[test]
fn v5_a_delayed_will_is_dropped_when_the_client_is_back() {
    let server = Server::start();
    let mut watcher = watcher(&server);
    let hello = Hello {
        will: Some(Last {
            properties: &[Property::WillDelayInterval(1)],
            ..Last::new("will")
        }),
        ..Hello::lasting(V5, "c")
    };
    drop(hello.connect(&server));
    server.wait_for_connections(1);
    let client = Hello::lasting(V5, "c").attach(&server, true);
    // Taken over while connected, the delay holds as well.
    client.disconnect();
    drop(hello.connect(&server));
    server.wait_for_connections(1);
    let first = hello.attach(&server, true);
    let _second = Hello::lasting(V5, "c").attach(&server, true);
    drop(first);
    // A session that ends after 2 s tells that the delay has passed.
    let clock = Hello {
        properties: &[Property::SessionExpiryInterval(2)],
        ..Hello::lasting(V5, "clock")
    };
    drop(clock.attach(&server, false));
    server.wait_until("2 s", |broker| broker.sizes().sessions == 2);
    watcher.expect_nothing();
}

#[test]
fn v5_a_delayed_will_goes_out_when_the_session_ends() {
    let server = Server::start();
    let mut watcher = watcher(&server);
    let will = Some(Last {
        properties: &[Property::WillDelayInterval(1000)],
        ..Last::new("will")
    });
    let ends_at_once = Hello {
        will,
        ..Hello::new(V5, "c")
    };
    drop(ends_at_once.connect(&server));
    assert_eq!(watcher.message().text(), ("will", "gone"));
    let ends_soon = Hello {
        will,
        properties: &[Property::SessionExpiryInterval(1)],
        ..Hello::lasting(V5, "c")
    };
    drop(ends_soon.connect(&server));
    assert_eq!(watcher.message().text(), ("will", "gone"));
    let lasts = Hello {
        will,
        ..Hello::lasting(V5, "c")
    };
    drop(lasts.connect(&server));
    server.wait_for_connections(1);
    watcher.expect_nothing();
    Client::connect(&server, V5, "c").disconnect();
    assert_eq!(watcher.message().text(), ("will", "gone"), "clean start");
}

/// Covers: v5 [MQTT-3.1.2-22], v5 [MQTT-3.2.2-22], v3.1.1 [MQTT-3.1.2-24].
#[test]
fn silence_of_one_and_a_half_keep_alives_ends_the_connection() {
    let server = Server::start();
    let mut watcher = watcher(&server);
    for version in [V311, V5] {
        let hello = Hello {
            keep_alive_s: 1,
            ..with_will(version)
        };
        let started = std::time::Instant::now();
        let mut client = hello.connect(&server);
        client.expect_disconnect(ReasonCode::KEEP_ALIVE_TIMEOUT);
        assert!(started.elapsed().as_millis() >= 1500);
        assert_eq!(watcher.message().text(), ("will", "gone"));
    }
    assert_eq!(server.broker().totals().ends["keep_alive_timeout"], 2);
}

/// The broker's own packets are no sign of life of the client.
///
/// Covers: v5 [MQTT-3.1.2-22].
#[test]
fn regress_what_a_client_is_sent_does_not_keep_it_alive() {
    let server = Server::start();
    let hello = Hello {
        keep_alive_s: 1,
        ..Hello::new(V5, "c")
    };
    let mut client = hello.connect(&server);
    client.subscribe("t", QOS0);
    let mut publisher = Client::connect(&server, V5, "publisher");
    let mut received = 0;
    let started = std::time::Instant::now();
    let end = loop {
        assert!(started.elapsed().as_secs() < 10, "kept alive");
        publisher.publish_1("t", "x");
        let packet = client.receive();
        if packet.bytes()[0] != 0x30 {
            break packet;
        }
        received += 1;
    };
    assert_eq!(end.bytes()[..3], [0xE0, end.bytes()[1], 0x8D]);
    assert!(received > 1);
}

#[test]
fn a_client_that_pings_stays() {
    let server = Server::start();
    let hello = Hello {
        keep_alive_s: 1,
        ..Hello::new(V311, "c")
    };
    let mut client = hello.connect(&server);
    let silent = Hello {
        keep_alive_s: 2,
        ..Hello::new(V311, "silent")
    };
    let _silent = silent.connect(&server);
    // Until the other one has been silent for too long, after 3 s, this one keeps talking.
    while server.broker().sizes().connections == 2 {
        client.ping();
    }
    client.ping();
}
