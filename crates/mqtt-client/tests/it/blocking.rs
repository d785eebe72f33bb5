//! The client without async, against the server in memory.

use mqtt_client::blocking::{Client, ClientBuilder};
use mqtt_client::mock::Server;
use mqtt_client::{CloseReason, ConnectError, Event, QoS, ReasonCode, State};
use std::time::Duration;

/// The server in memory needs a runtime, which the client has.
fn builder(server: &Server) -> ClientBuilder {
    let server = server.clone();
    Client::builder("mock").connector(move |_| {
        let server = server.clone();
        async move { server.connect() }
    })
}

#[test]
fn everything_can_be_done_without_async() {
    let server = Server::new();
    let client = builder(&server).client_id("me").connect().unwrap();
    assert!(matches!(client.state(), State::Connected(_)));
    assert_eq!(client.connected().unwrap().client_id, "me");
    let mut messages = client
        .subscribe("a/#")
        .qos(QoS::ExactlyOnce)
        .send()
        .unwrap();
    assert_eq!(messages.granted_qos(), QoS::ExactlyOnce);
    assert_eq!(server.subscribed(), ["a/#"]);
    server.publish("a/1", "one", QoS::ExactlyOnce);
    server.publish("a/2", "two", QoS::AtMostOnce);
    assert_eq!(messages.next().unwrap().text().unwrap(), "one");
    let second = messages.next_timeout(Duration::from_secs(10)).unwrap();
    assert_eq!(second.topic_name(), "a/2");
    assert!(messages.next_timeout(Duration::from_millis(1)).is_none());
    assert!(messages.try_next().is_none());

    let receipt = client
        .publish("t", "x")
        .qos(QoS::AtLeastOnce)
        .enqueue()
        .unwrap();
    assert_eq!(receipt.wait().unwrap().reason(), ReasonCode::SUCCESS);
    client.publish("t", "y").retain().send().unwrap();
    client.drain().unwrap();
    client.unsubscribe("a/#").send().unwrap();
    assert!(
        messages.next().is_none(),
        "the stream ends with its subscription"
    );
    client.disconnect().send().unwrap();
    assert!(matches!(client.closed(), CloseReason::Disconnected));
}

#[test]
fn errors_are_the_same() {
    let server = Server::new();
    server.refuse_with(ReasonCode::NOT_AUTHORIZED);
    let error = builder(&server).connect().unwrap_err();
    assert!(error.is_auth(), "{error}");
    let error = Client::builder("http://h").connect().unwrap_err();
    assert!(matches!(error, ConnectError::Endpoint(_)), "{error}");
    server.accept_all();
    server.answer_publishes(ReasonCode::QUOTA_EXCEEDED);
    let client = builder(&server).connect().unwrap();
    let error = client
        .publish("t", "")
        .qos(QoS::AtLeastOnce)
        .send()
        .unwrap_err();
    assert_eq!(error.reason(), Some(ReasonCode::QUOTA_EXCEEDED));
    assert!(error.is_retryable());
}

/// What was queued is sent before the thread ends, although nobody waits for it.
#[test]
fn dropping_the_last_handle_waits_for_what_is_queued() {
    let server = Server::new();
    let client = builder(&server).connect().unwrap();
    let receipts: Vec<_> = (0..50)
        .map(|number| {
            let publish = client.publish("t", number.to_string());
            publish.qos(QoS::AtLeastOnce).enqueue().unwrap()
        })
        .collect();
    drop(client);
    for receipt in receipts {
        receipt.wait().unwrap();
    }
}

#[test]
fn a_connection_is_made_again_without_help() {
    let server = Server::new();
    let client = builder(&server).start().unwrap();
    let mut events = client.events();
    client.connected().unwrap();
    server.cut();
    client
        .publish("t", "x")
        .qos(QoS::AtLeastOnce)
        .send()
        .unwrap();
    let lost = events.find(|event| matches!(event, Event::Disconnected { .. }));
    assert!(lost.is_some());
    client.disconnect().send().unwrap();
}
