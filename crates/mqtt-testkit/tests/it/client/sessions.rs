//! What is left of a session when its connection is lost, and how it ends.

use super::{broker_behind_gate, builder, connect, connected_again, next_text, publish, subscribe};
use crate::broker::TestBroker;
use mqtt_client::{QoS, Will};
use std::time::Duration;

/// Complaint 4: after a reconnect nothing arrived, because nobody had subscribed again (rumqtt#107, #250, paho.rust#78,
/// MQTT.js#895).
#[tokio::test]
async fn messages_arrive_after_a_reconnect_without_session() {
    let (broker, gate) = broker_behind_gate().await;
    let forgetful = builder(&gate.address, "listener").session_expiry(Duration::ZERO);
    let listener = forgetful.connect().await.unwrap();
    let mut heard = subscribe(&listener, "t/+", QoS::AtLeastOnce).await;
    let client = connect(&broker.address(), "publisher").await;
    for number in 0..3 {
        let mut events = listener.events();
        gate.cut();
        assert!(!connected_again(&mut events).await, "the session is gone");
        // Whoever subscribes later is answered later.
        drop(subscribe(&listener, "later", QoS::AtLeastOnce).await);
        publish(&client, "t/1", number, QoS::AtLeastOnce).await;
        assert_eq!(next_text(&mut heard).await, number.to_string());
    }
}

/// Complaint 6, rumqttc R4 and R5: identifiers of QoS 2 were forgotten with the connection, so that messages came twice
/// and the broker's PUBREL ended the connection over and over (rumqtt#664).
#[tokio::test]
async fn qos_2_is_received_once_over_cut_connections() {
    let (broker, gate) = broker_behind_gate().await;
    let listener = connect(&gate.address, "listener").await;
    let mut heard = subscribe(&listener, "t", QoS::ExactlyOnce).await;
    let client = connect(&broker.address(), "publisher").await;
    let publishing = tokio::spawn(async move {
        for number in 0..300 {
            let publish = client.publish("t", number.to_string());
            drop(publish.qos(QoS::ExactlyOnce).enqueue().await.unwrap());
        }
        client.drain().await.unwrap();
    });
    for number in 0..300 {
        assert_eq!(next_text(&mut heard).await, number.to_string());
        if number % 20 == 19 {
            gate.cut();
        }
    }
    publishing.await.unwrap();
}

/// Complaint 11: a message was acknowledged when it came, not when the work was done (AtherEnergy/rumqtt#94,
/// MQTT.js#691).
#[tokio::test]
async fn a_message_comes_again_until_its_work_is_done() {
    let (broker, gate) = broker_behind_gate().await;
    let worker = connect(&gate.address, "worker").await;
    let mut events = worker.events();
    let jobs = worker.subscribe("jobs").qos(QoS::AtLeastOnce).manual_ack();
    let mut jobs = jobs.await.unwrap();
    let client = connect(&broker.address(), "client").await;
    publish(&client, "jobs", "first", QoS::AtLeastOnce).await;
    let unfinished = jobs.next().await.unwrap();
    assert!(!unfinished.dup());
    gate.cut();
    assert!(connected_again(&mut events).await);
    let again = jobs.next().await.unwrap();
    assert_eq!((again.text().unwrap(), again.dup()), ("first", true));
    again.ack();
    // Acknowledgements and publishes go one way, so the broker has both when it answers.
    publish(&worker, "done", "first", QoS::AtLeastOnce).await;
    gate.cut();
    assert!(connected_again(&mut events).await);
    publish(&client, "jobs", "second", QoS::AtLeastOnce).await;
    assert_eq!(next_text(&mut jobs).await, "second");
}

/// Complaint 12: to acknowledge later, the whole message had to be kept (rumqtt#609).
#[tokio::test]
async fn the_right_to_acknowledge_needs_no_message() {
    let (broker, gate) = broker_behind_gate().await;
    let worker = connect(&gate.address, "worker").await;
    let mut events = worker.events();
    let jobs = worker.subscribe("jobs").qos(QoS::ExactlyOnce).manual_ack();
    let mut jobs = jobs.await.unwrap();
    let client = connect(&broker.address(), "client").await;
    for text in ["first", "second"] {
        publish(&client, "jobs", text, QoS::ExactlyOnce).await;
    }
    let mut rights = Vec::new();
    for _ in 0..2 {
        rights.push(jobs.next().await.unwrap().take_acker().unwrap());
    }
    for right in rights.into_iter().rev() {
        right.ack();
    }
    publish(&worker, "done", "", QoS::ExactlyOnce).await;
    gate.cut();
    assert!(connected_again(&mut events).await);
    publish(&client, "jobs", "third", QoS::ExactlyOnce).await;
    assert_eq!(next_text(&mut jobs).await, "third");
}

/// Complaint 15: a lost connection was an item of the stream, `None`, which people took for its end or unwrapped
/// (paho.rust#2, #146, #168, #232).
#[tokio::test]
async fn a_lost_connection_is_nothing_in_the_stream() {
    let (broker, gate) = broker_behind_gate().await;
    let listener = connect(&gate.address, "listener").await;
    let mut heard = subscribe(&listener, "t", QoS::ExactlyOnce).await;
    let client = connect(&broker.address(), "publisher").await;
    for number in 0..5 {
        gate.close();
        publish(&client, "t", number, QoS::ExactlyOnce).await;
        gate.open();
        assert_eq!(next_text(&mut heard).await, number.to_string());
    }
}

/// Complaint 16: who wanted to start clean started clean on every reconnect, and lost messages (paho.rust#219).
#[tokio::test]
async fn only_the_first_connection_starts_clean() {
    let (broker, gate) = broker_behind_gate().await;
    let listener = connect(&broker.address(), "listener").await;
    drop(subscribe(&listener, "t", QoS::AtLeastOnce).await);
    listener.disconnect().await.unwrap();

    let listener = builder(&gate.address, "listener").clean_start(true);
    let listener = listener.connect().await.unwrap();
    assert!(!listener.connack().unwrap().session_present);
    let mut events = listener.events();
    let mut heard = subscribe(&listener, "t", QoS::AtLeastOnce).await;
    gate.close();
    let client = connect(&broker.address(), "publisher").await;
    publish(&client, "t", "meanwhile", QoS::AtLeastOnce).await;
    gate.open();
    assert!(connected_again(&mut events).await);
    assert_eq!(next_text(&mut heard).await, "meanwhile");
}

/// Complaint 17: DISCONNECT could say neither why nor how long the session is kept (rumqtt#887).
#[tokio::test]
async fn disconnect_says_why_and_how_long_the_session_is_kept() {
    let broker = TestBroker::start().await;
    let listener = connect(&broker.address(), "listener").await;
    let mut wills = subscribe(&listener, "will", QoS::AtLeastOnce).await;
    let again = || builder(&broker.address(), "client").clean_start(false);

    let client = builder(&broker.address(), "client").will(Will::new("will", "gone"));
    let client = client.connect().await.unwrap();
    client.disconnect().with_will().await.unwrap();
    assert_eq!(next_text(&mut wills).await, "gone");

    let client = again().connect().await.unwrap();
    assert!(client.connack().unwrap().session_present);
    client
        .disconnect()
        .session_expiry(Duration::ZERO)
        .await
        .unwrap();
    let client = again().connect().await.unwrap();
    assert!(!client.connack().unwrap().session_present);
    assert!(wills.is_empty());
}

/// mqtt5 M5: messages of a session for which the program has no callback yet were acknowledged and lost.
#[tokio::test]
async fn messages_of_an_earlier_run_are_not_lost() {
    let broker = TestBroker::start().await;
    let first = connect(&broker.address(), "service").await;
    subscribe(&first, "jobs/#", QoS::AtLeastOnce).await.detach();
    first.disconnect().await.unwrap();
    let client = connect(&broker.address(), "client").await;
    for topic_name in ["jobs/a", "jobs/b"] {
        publish(&client, topic_name, topic_name, QoS::AtLeastOnce).await;
    }
    let second = builder(&broker.address(), "service").clean_start(false);
    let second = second.connect().await.unwrap();
    while second.unclaimed().len() != 2 {
        tokio::task::yield_now().await;
    }
    let mut jobs = subscribe(&second, "jobs/#", QoS::AtLeastOnce).await;
    assert_eq!(next_text(&mut jobs).await, "jobs/a");
    assert_eq!(next_text(&mut jobs).await, "jobs/b");
}
