//! What becomes of messages an application is sent.

use super::{builder, connect, next_text, publish, subscribe};
use crate::broker::TestBroker;
use mqtt_client::QoS;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

/// Complaint 5, rumqttc R18: a limit of 10 KiB ended the connection, and the same message ended every later one
/// (rumqtt#924, #884, thin-edge.io#3124).
#[tokio::test]
async fn a_message_of_300_kib_arrives() {
    let broker = TestBroker::start().await;
    let client = connect(&broker.address(), "publisher").await;
    let payload = vec![b'x'; 300 * 1024];
    let large = client.publish("large", payload.clone()).retain();
    large.qos(QoS::AtLeastOnce).await.unwrap();
    let listener = connect(&broker.address(), "listener").await;
    let mut heard = subscribe(&listener, "large", QoS::AtLeastOnce).await;
    assert!(*heard.next().await.unwrap().payload() == payload);
    client.publish("large", "").retain().await.unwrap();
}

/// Complaint 5: what is longer than a client takes is left out by the broker instead of ending connections for ever.
#[tokio::test]
async fn a_message_above_the_limit_ends_no_connection() {
    let broker = TestBroker::start().await;
    let client = connect(&broker.address(), "publisher").await;
    let small = builder(&broker.address(), "small").max_packet_size(5_000);
    let small = small.connect().await.unwrap();
    let mut events = small.events();
    let mut heard = subscribe(&small, "t", QoS::AtMostOnce).await;
    client.publish("t", vec![0; 10_000]).await.unwrap();
    publish(&client, "t", "short", QoS::AtMostOnce).await;
    assert_eq!(next_text(&mut heard).await, "short");
    let nothing = poll_fn(|cx| Poll::Ready(pin!(events.next()).poll(cx).is_pending()));
    assert!(nothing.await, "the connection has lasted");
}

/// Complaint 13: one slow topic blocked all others (MQTT.js#1131, aiomqtt#250).
#[tokio::test]
async fn a_subscription_nobody_reads_does_not_stop_the_others() {
    let broker = TestBroker::start().await;
    let client = connect(&broker.address(), "client").await;
    let slow = subscribe(&client, "slow", QoS::AtLeastOnce).await;
    let mut quick = subscribe(&client, "quick", QoS::AtLeastOnce).await;
    for number in 0..200 {
        publish(&client, "slow", number, QoS::AtLeastOnce).await;
        publish(&client, "quick", number, QoS::AtLeastOnce).await;
        assert_eq!(next_text(&mut quick).await, number.to_string());
    }
    drop(slow);
}

/// Complaint 13, mqtt5 M3: acknowledging on arrival, a client took more and more into memory while its application was
/// slow. Here the broker waits with what is not taken.
#[tokio::test]
async fn a_slow_application_holds_back_the_broker() {
    let broker = TestBroker::start().await;
    let client = connect(&broker.address(), "publisher").await;
    let slow = builder(&broker.address(), "slow").receive_maximum(10);
    let slow = slow.stall_timeout(Duration::MAX).connect().await.unwrap();
    let mut heard = subscribe(&slow, "t", QoS::AtLeastOnce).await;
    for number in 0..200 {
        publish(&client, "t", number, QoS::AtLeastOnce).await;
        assert!(heard.len() <= 10);
    }
    for number in 0..200 {
        assert_eq!(next_text(&mut heard).await, number.to_string());
        assert!(heard.len() <= 10);
    }
}

/// Complaint 14: one stream or callback for everything made every application sort its messages itself (MQTT.js#1131,
/// aiomqtt#250, paho.rust#5).
#[tokio::test]
async fn each_subscription_has_its_own_stream() {
    let broker = TestBroker::start().await;
    let client = connect(&broker.address(), "client").await;
    let mut all = subscribe(&client, "room/#", QoS::AtLeastOnce).await;
    let mut kitchens = subscribe(&client, "room/+/kitchen", QoS::AtLeastOnce).await;
    let mut other = subscribe(&client, "other", QoS::AtLeastOnce).await;
    for topic_name in ["room/1/kitchen", "room/1/bath", "other"] {
        publish(&client, topic_name, topic_name, QoS::AtLeastOnce).await;
    }
    assert_eq!(next_text(&mut all).await, "room/1/kitchen");
    assert_eq!(next_text(&mut all).await, "room/1/bath");
    assert_eq!(next_text(&mut kitchens).await, "room/1/kitchen");
    assert_eq!(next_text(&mut other).await, "other");
    for subscription in [all, kitchens, other] {
        assert!(subscription.is_empty());
    }
}

/// Complaint 24: a receive that loses to another branch of `select!` lost its message (rust-mqtt#38).
#[tokio::test]
async fn a_receive_that_loses_in_select_loses_no_message() {
    let broker = TestBroker::start().await;
    let client = connect(&broker.address(), "client").await;
    let mut heard = subscribe(&client, "t", QoS::AtLeastOnce).await;
    let publishing = tokio::spawn(async move {
        for number in 0..300 {
            publish(&client, "t", number, QoS::AtLeastOnce).await;
        }
    });
    let (mut number, mut lost) = (0, 0);
    while number < 300 {
        tokio::select! {
            biased;
            () = tokio::task::yield_now() => lost += 1,
            text = next_text(&mut heard) => {
                assert_eq!(text, number.to_string());
                number += 1;
            }
        }
    }
    assert!(lost != 0);
    publishing.await.unwrap();
}
