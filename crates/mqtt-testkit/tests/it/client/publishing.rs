//! What becomes of messages an application publishes.

use super::{broker_behind_gate, builder, connect, connected_again, next_text, publish, subscribe};
use crate::broker::TestBroker;
use mqtt_client::{Event, ProtocolVersion, PublishError, QoS, ReasonCode, TryEnqueueError};
use std::time::Duration;

const ALL_QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

/// Complaint 1: an event loop's packet identifier cannot be matched to a caller, so that nobody learns what became of
/// a publish (rumqtt#349, #805, spin#2407).
#[tokio::test]
async fn each_publish_gets_its_own_answer() {
    let broker = TestBroker::start().await;
    for version in [ProtocolVersion::V5, ProtocolVersion::V311] {
        let client = builder(&broker.address(), "publisher").version(version);
        let client = client.connect().await.unwrap();
        let mut heard = subscribe(&client, "heard", QoS::ExactlyOnce).await;
        for qos in ALL_QOS {
            let mut receipts = Vec::new();
            for number in 0..50 {
                let topic_name = if number % 2 == 0 { "heard" } else { "unheard" };
                let publish = client.publish(topic_name, number.to_string()).qos(qos);
                receipts.push((number, publish.enqueue().await.unwrap()));
            }
            // The later ones first: an answer waits for nobody.
            for (number, receipt) in receipts.into_iter().rev() {
                let reason = receipt.await.unwrap().reason();
                let is_known =
                    version == ProtocolVersion::V5 && TestBroker::SAYS_NOBODY.contains(&qos);
                let expected = match is_known && number % 2 == 1 {
                    true => ReasonCode::NO_MATCHING_SUBSCRIBERS,
                    false => ReasonCode::SUCCESS,
                };
                assert_eq!(reason, expected, "{version:?} {qos:?} {number}");
            }
            for number in (0..50).step_by(2) {
                assert_eq!(next_text(&mut heard).await, number.to_string());
            }
        }
        client.disconnect().await.unwrap();
    }
}

/// Complaint 2, rumqttc R14: awaiting a publish in the task that polls waited for itself (rumqtt#263, #525, #1025).
#[tokio::test]
async fn the_task_that_receives_may_publish() {
    let broker = TestBroker::start().await;
    let one_place = builder(&broker.address(), "echo").publish_capacity(1);
    let client = one_place.connect().await.unwrap();
    let mut questions = subscribe(&client, "question", QoS::AtLeastOnce).await;
    let mut answers = subscribe(&client, "answer", QoS::AtLeastOnce).await;
    for number in 0..100 {
        publish(&client, "question", number, QoS::AtLeastOnce).await;
        let question = next_text(&mut questions).await;
        publish(&client, "answer", question, QoS::AtLeastOnce).await;
        assert_eq!(next_text(&mut answers).await, number.to_string());
    }
}

/// Complaint 3: publishing blocked the application once the channel was full and the broker away (rumqtt#910).
#[tokio::test]
async fn an_absent_broker_blocks_nobody() {
    let (broker, gate) = broker_behind_gate().await;
    gate.close();
    let client = builder(&gate.address, "publisher").publish_capacity(20);
    let client = client.start().unwrap();
    let mut receipts = Vec::new();
    let full = loop {
        let number = receipts.len();
        let publish = client.publish("t", number.to_string());
        match publish.qos(QoS::AtLeastOnce).try_enqueue() {
            Ok(receipt) => receipts.push(receipt),
            Err(error) => break error,
        }
    };
    assert!(matches!(full, TryEnqueueError::Full(_)), "{full}");
    assert_eq!(receipts.len(), 20);
    let listener = connect(&broker.address(), "listener").await;
    let mut heard = subscribe(&listener, "t", QoS::AtLeastOnce).await;
    gate.open();
    for (number, receipt) in receipts.into_iter().enumerate() {
        receipt.await.unwrap();
        assert_eq!(next_text(&mut heard).await, number.to_string());
    }
}

/// Complaint 7: a program that publishes once and ends lost its message (rumqtt#447, ngx-mqtt#100).
#[tokio::test]
async fn what_was_queued_is_sent_before_the_program_ends() {
    let broker = TestBroker::start().await;
    let listener = connect(&broker.address(), "listener").await;
    let mut heard = subscribe(&listener, "t", QoS::ExactlyOnce).await;
    for qos in ALL_QOS {
        let client = connect(&broker.address(), "one-shot").await;
        for number in 0..100 {
            let publish = client.publish("t", number.to_string()).qos(qos);
            drop(publish.enqueue().await.unwrap());
        }
        client.disconnect().await.unwrap();
        for number in 0..100 {
            assert_eq!(next_text(&mut heard).await, number.to_string(), "{qos:?}");
        }
    }
}

/// Complaints 8 and 19: what was sent between the loss of a connection and its detection vanished (paho.rust#218,
/// paho.cpp#384), and a dead network was noticed after minutes (rumqtt#295).
#[tokio::test]
async fn what_is_sent_into_a_dead_connection_arrives() {
    let (broker, gate) = broker_behind_gate().await;
    let listener = connect(&broker.address(), "listener").await;
    let mut heard = subscribe(&listener, "t", QoS::AtLeastOnce).await;
    let watchful = builder(&gate.address, "publisher")
        .keep_alive(Duration::from_secs(1))
        .ping_timeout(Duration::from_millis(100));
    let client = watchful.connect().await.unwrap();
    gate.stop();
    let mut receipts = Vec::new();
    for number in 0..20 {
        let publish = client.publish("t", number.to_string());
        receipts.push(publish.qos(QoS::AtLeastOnce).enqueue().await.unwrap());
    }
    for (number, receipt) in receipts.into_iter().enumerate() {
        receipt.await.unwrap();
        assert_eq!(next_text(&mut heard).await, number.to_string());
    }
}

/// Complaint 9: callbacks of publishes were lost with the connection (MQTT.js#360, #816, #1457). Also mqtt5 M1, whose
/// resumed session sends nothing again, and M2, which sends what waited offline with DUP and out of the window.
#[tokio::test]
async fn receipts_resolve_over_cut_connections() {
    let (broker, gate) = broker_behind_gate().await;
    let listener = connect(&broker.address(), "listener").await;
    let mut heard = subscribe(&listener, "t", QoS::ExactlyOnce).await;
    let client = connect(&gate.address, "publisher").await;
    let mut receipts = Vec::new();
    for number in 0..300 {
        let publish = client.publish("t", number.to_string());
        receipts.push(publish.qos(QoS::ExactlyOnce).enqueue().await.unwrap());
        if number % 50 == 49 {
            gate.cut();
            tokio::task::yield_now().await;
        }
    }
    for receipt in receipts {
        receipt.await.unwrap();
    }
    for number in 0..300 {
        assert_eq!(next_text(&mut heard).await, number.to_string());
    }
    publish(&client, "t", "the end", QoS::ExactlyOnce).await;
    assert_eq!(
        next_text(&mut heard).await,
        "the end",
        "nothing comes twice"
    );
}

/// Complaint 10: after an outage messages were sent that were of no use any more (rumqtt#211).
#[tokio::test]
async fn what_went_stale_in_an_outage_is_not_sent() {
    let (broker, gate) = broker_behind_gate().await;
    let listener = connect(&broker.address(), "listener").await;
    let mut heard = subscribe(&listener, "t", QoS::AtLeastOnce).await;
    let client = connect(&gate.address, "publisher").await;
    let mut events = client.events();
    gate.close();
    while !matches!(events.next().await, Some(Event::Disconnected { .. })) {}
    let stale = client.publish("t", "stale").qos(QoS::AtLeastOnce);
    let stale = stale.message_expiry(Duration::from_secs(1));
    let stale = stale.enqueue().await.unwrap();
    let fresh = client.publish("t", "fresh").qos(QoS::AtLeastOnce);
    let fresh = fresh.enqueue().await.unwrap();
    assert!(matches!(stale.await, Err(PublishError::Expired)));
    gate.open();
    connected_again(&mut events).await;
    fresh.await.unwrap();
    assert_eq!(next_text(&mut heard).await, "fresh");
}

/// Complaint 23: topic aliases are left to users, who ask how (paho.rust#85, rumqtt#990).
#[tokio::test]
async fn topic_aliases_need_no_help() {
    let broker = TestBroker::start().await;
    let client = connect(&broker.address(), "publisher").await;
    let mut heard = subscribe(&client, "plant/#", QoS::AtLeastOnce).await;
    for number in 0..200 {
        // More topics than there are aliases.
        let topic_name = format!("plant/hall/line/machine/sensor/{}", number % 23);
        publish(&client, &topic_name, number, QoS::AtLeastOnce).await;
        let message = heard.next().await.unwrap();
        assert_eq!(message.topic_name(), topic_name);
        assert_eq!(message.text().unwrap(), number.to_string());
    }
}

/// Complaint 32: MQTT 3.1 is still needed by some (rumqtt#394).
#[tokio::test]
async fn mqtt_3_1_is_spoken_on_request() {
    let broker = TestBroker::start().await;
    let client = builder(&broker.address(), "old").version(ProtocolVersion::V31);
    let client = client.connect().await.unwrap();
    let mut heard = subscribe(&client, "t", QoS::ExactlyOnce).await;
    for qos in ALL_QOS {
        publish(&client, "t", "text", qos).await;
        assert_eq!(heard.next().await.unwrap().qos(), qos);
    }
    client.disconnect().await.unwrap();
}
