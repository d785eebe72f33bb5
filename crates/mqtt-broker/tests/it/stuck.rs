//! Clients that take nothing from their socket any more, with more waiting for them than fits into it.

use crate::kit::{Client, Hello, Post, QOS0, QOS1, Server, V5};
use mqtt_broker::config::Duration;

/// A broker that waits a second only for clients that are told to go.
fn server() -> Server {
    Server::with(|config| config.mqtt.idle_timeout = Duration::from_secs(1))
}

/// A client called `stuck` that never reads, and its publisher.
fn stuck(server: &Server, keep_alive_s: u16) -> (Client, Client) {
    let mut stuck = Hello {
        keep_alive_s,
        ..Hello::lasting(V5, "stuck")
    }
    .connect(server);
    stuck.subscribe("flood", QOS0);
    stuck.subscribe("queued", QOS1);
    let mut publisher = Client::connect(server, V5, "publisher");
    let payload = vec![b'x'; 64 * 1024];
    while server.broker().totals().dropped() == 0 {
        publisher.publish_fully(&Post::new("flood", &payload));
    }
    (stuck, publisher)
}

/// Covers: v5 [MQTT-3.1.2-22], v3.1.1 [MQTT-3.1.2-24].
#[test]
fn regress_a_stuck_client_is_ended_by_its_keep_alive() {
    let server = server();
    let (stuck, mut publisher) = stuck(&server, 1);
    server.wait_for_connections(1);
    assert_eq!(
        server.broker().totals().ends.get("keep_alive_timeout"),
        Some(&1)
    );
    publisher.ping();
    drop(stuck);
}

#[test]
fn regress_a_stuck_client_can_be_kicked() {
    let server = server();
    let (stuck, mut publisher) = stuck(&server, 0);
    assert!(server.broker().kick("stuck"));
    server.wait_for_connections(1);
    publisher.ping();
    drop(stuck);
}

#[test]
fn regress_a_stuck_client_goes_when_its_session_is_taken_over() {
    let server = server();
    let (stuck, mut publisher) = stuck(&server, 0);
    let mut next = Hello::lasting(V5, "stuck").attach(&server, true);
    server.wait_for_connections(2);
    publisher.publish("flood", "small");
    assert_eq!(next.take().payload, "small");
    drop(stuck);
}

#[test]
fn regress_a_stuck_client_goes_when_its_queue_is_full() {
    let server = Server::with(|config| {
        config.mqtt.idle_timeout = Duration::from_secs(1);
        config.mqtt.max_mqueue_len = 3;
    });
    let (stuck, mut publisher) = stuck(&server, 0);
    while server.broker().sizes().sessions == 2 {
        publisher.publish_1("queued", "x");
    }
    server.wait_for_connections(1);
    drop(stuck);
}
