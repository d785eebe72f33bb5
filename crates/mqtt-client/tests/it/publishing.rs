//! PUBLISH from the client: QoS flows, receipts, quotas.

use crate::server::{ack, ack_with, connected, connected_with};
use mqtt_client::{PayloadFormat, ProtocolVersion, PublishError, QoS, ReasonCode, SendRefusal};
use mqtt_codec::{Delivery, Packet, PacketId, Property, PropertyId};
use std::future::{Future, IntoFuture};
use std::num::{NonZeroU16, NonZeroU32};
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

/// Covers: v5 [MQTT-4.3.1-1], v3.1.1 [MQTT-4.3.1-1].
#[tokio::test]
async fn qos_0_resolves_when_it_is_handed_over() {
    for version in ProtocolVersion::ALL {
        let (client, mut server) = connected(version).await;
        let published = client.publish("a/b", "x").retain().await.unwrap();
        assert_eq!(published.reason(), ReasonCode::SUCCESS);
        let received = server.recv().await;
        let publish = received.publish();
        assert_eq!(publish.topic_name.unwrap().as_str(), "a/b");
        assert_eq!(
            (publish.payload, publish.retain, publish.dup),
            (&b"x"[..], true, false)
        );
        assert_eq!(publish.delivery, Delivery::AtMostOnce);
    }
}

/// Covers: v5 [MQTT-4.3.2-2], v5 [MQTT-4.3.2-3], v3.1.1 [MQTT-4.3.2-1].
#[tokio::test]
async fn qos_1_resolves_with_puback() {
    for version in ProtocolVersion::ALL {
        let (client, mut server) = connected(version).await;
        let receipt = client
            .publish("t", "x")
            .qos(QoS::AtLeastOnce)
            .enqueue()
            .await
            .unwrap();
        let mut receipt = pin!(receipt);
        let received = server.recv().await;
        assert_eq!(
            (received.publish().delivery.qos(), received.publish().dup),
            (QoS::AtLeastOnce, false)
        );
        let mut cx = Context::from_waker(Waker::noop());
        assert!(
            receipt.as_mut().poll(&mut cx).is_pending(),
            "not before PUBACK"
        );
        server.send(Packet::PubAck(ack(received.packet_id()))).await;
        assert_eq!(receipt.await.unwrap().reason(), ReasonCode::SUCCESS);
    }
}

/// Covers: v5 [MQTT-4.3.3-2], v5 [MQTT-4.3.3-4], v3.1.1 [MQTT-4.3.3-1].
#[tokio::test]
async fn qos_2_resolves_with_pubcomp() {
    for version in ProtocolVersion::ALL {
        let (client, mut server) = connected(version).await;
        let receipt = client
            .publish("t", "x")
            .qos(QoS::ExactlyOnce)
            .enqueue()
            .await
            .unwrap();
        let received = server.recv().await;
        let packet_id = received.packet_id();
        assert_eq!(
            received.publish().delivery,
            Delivery::ExactlyOnce(packet_id)
        );
        server.send(Packet::PubRec(ack(packet_id))).await;
        assert_eq!(server.recv().await.packet(), Packet::PubRel(ack(packet_id)));
        server.send(Packet::PubComp(ack(packet_id))).await;
        receipt.await.unwrap();
    }
}

#[tokio::test]
async fn the_servers_reason_reaches_the_caller() {
    let (client, mut server) = connected(ProtocolVersion::V5).await;
    let publish = |qos| client.publish("t", "x").qos(qos).enqueue();

    let receipt = publish(QoS::AtLeastOnce).await.unwrap();
    let packet_id = server.recv().await.packet_id();
    let nobody = ReasonCode::NO_MATCHING_SUBSCRIBERS;
    server
        .send(Packet::PubAck(ack_with(packet_id, nobody)))
        .await;
    assert_eq!(receipt.await.unwrap().reason(), nobody);

    let receipt = publish(QoS::AtLeastOnce).await.unwrap();
    let packet_id = server.recv().await.packet_id();
    server
        .send(Packet::PubAck(ack_with(
            packet_id,
            ReasonCode::NOT_AUTHORIZED,
        )))
        .await;
    assert_eq!(
        receipt.await.unwrap_err().reason(),
        Some(ReasonCode::NOT_AUTHORIZED)
    );
}

/// Covers: v5 [MQTT-4.4.0-2].
#[tokio::test]
async fn a_refusing_pubrec_ends_the_flow_and_gives_the_quota_back() {
    let one = [Property::ReceiveMaximum(NonZeroU16::MIN)];
    let (client, mut server) = connected_with(ProtocolVersion::V5, |b| b, &one).await;
    for _ in 0..3 {
        let receipt = client
            .publish("t", "x")
            .qos(QoS::ExactlyOnce)
            .enqueue()
            .await
            .unwrap();
        let packet_id = server.recv().await.packet_id();
        server
            .send(Packet::PubRec(ack_with(
                packet_id,
                ReasonCode::QUOTA_EXCEEDED,
            )))
            .await;
        assert_eq!(
            receipt.await.unwrap_err().reason(),
            Some(ReasonCode::QUOTA_EXCEEDED)
        );
    }
}

/// Covers: v5 [MQTT-3.3.4-7], v5 [MQTT-3.3.4-8], v5 [MQTT-4.9.0-2], v5 [MQTT-4.9.0-3].
#[tokio::test]
async fn a_full_send_window_holds_up_qos_1_and_nothing_else() {
    let two = [Property::ReceiveMaximum(NonZeroU16::new(2).unwrap())];
    let (client, mut server) = connected_with(ProtocolVersion::V5, |b| b, &two).await;
    let mut receipts = Vec::new();
    for topic_name in ["1", "2", "3", "4"] {
        let publish = client.publish(topic_name, "").qos(QoS::AtLeastOnce);
        receipts.push(publish.enqueue().await.unwrap());
    }
    client.publish("quick", "").await.unwrap();
    let subscribe = tokio::spawn(client.subscribe("f").into_future());

    let first = server.recv().await;
    let second = server.recv().await;
    assert_eq!(
        server.recv().await.publish().topic_name.unwrap().as_str(),
        "quick"
    );
    server.grant(ReasonCode::SUCCESS).await;
    let _subscription = subscribe.await.unwrap().unwrap();

    for (received, name) in [(first, "3"), (second, "4")] {
        server.send(Packet::PubAck(ack(received.packet_id()))).await;
        let received = server.recv().await;
        assert_eq!(received.publish().topic_name.unwrap().as_str(), name);
        server.send(Packet::PubAck(ack(received.packet_id()))).await;
    }
    for receipt in receipts {
        receipt.await.unwrap();
    }
}

/// Covers: v5 [MQTT-2.2.1-3], v5 [MQTT-4.3.2-1].
#[tokio::test]
async fn packet_ids_in_use_are_not_given_again() {
    let (client, mut server) = connected(ProtocolVersion::V5).await;
    let mut open = std::collections::HashSet::new();
    for _ in 0..100 {
        let publish = client.publish("t", "").qos(QoS::AtLeastOnce);
        drop(publish.enqueue().await.unwrap());
        assert!(
            open.insert(server.recv().await.packet_id()),
            "an identifier in use came again"
        );
    }
}

#[tokio::test]
async fn properties_travel() {
    let (client, mut server) = connected(ProtocolVersion::V5).await;
    let publish = client
        .publish("t", "x")
        .content_type("text/plain")
        .response_topic("answers")
        .correlation_data("7")
        .user_property("a", "1")
        .user_property("a", "2")
        .message_expiry(Duration::from_secs(60))
        .payload_format(PayloadFormat::Utf8);
    publish.await.unwrap();
    let received = server.recv().await;
    let properties = received.publish().properties;
    assert_eq!(properties.content_type(), Some("text/plain"));
    assert_eq!(properties.response_topic().unwrap().as_str(), "answers");
    assert_eq!(properties.correlation_data(), Some(&b"7"[..]));
    assert!(properties.user_properties().eq([("a", "1"), ("a", "2")]));
    assert_eq!(properties.message_expiry_interval_s(), Some(60));
    assert_eq!(
        properties.payload_format_indicator(),
        Some(PayloadFormat::Utf8)
    );
}

/// Covers: v5 [MQTT-3.3.4-6].
#[tokio::test]
async fn a_message_passed_on_loses_its_subscription_identifiers() {
    let (client, mut server) = connected(ProtocolVersion::V5).await;
    let mut properties = mqtt_client::MessageProperties::new();
    properties.subscription_identifiers = vec![1, 2];
    client
        .publish("t", "x")
        .properties(properties)
        .await
        .unwrap();
    let received = server.recv().await;
    assert!(
        !received
            .publish()
            .properties
            .has(PropertyId::SubscriptionIdentifier)
    );
}

/// Covers: v5 [MQTT-3.2.2-11], v5 [MQTT-3.2.2-14], v5 [MQTT-3.2.2-15].
#[tokio::test]
async fn what_the_server_does_not_take_is_not_sent() {
    let limits = [
        Property::MaximumQoS(QoS::AtLeastOnce),
        Property::RetainAvailable(false),
        Property::MaximumPacketSize(NonZeroU32::new(20).unwrap()),
    ];
    let (client, mut server) = connected_with(ProtocolVersion::V5, |b| b, &limits).await;
    let refusal = |result: Result<_, PublishError>| match result {
        Err(PublishError::NotSent(refusal)) => refusal,
        other => panic!("{other:?}"),
    };
    let above = client.publish("t", "").qos(QoS::ExactlyOnce).await;
    assert_eq!(
        refusal(above),
        SendRefusal::QoSNotSupported {
            maximum: QoS::AtLeastOnce
        }
    );
    assert_eq!(
        refusal(client.publish("t", "").retain().await),
        SendRefusal::RetainNotSupported
    );
    let long = client.publish("t", vec![0; 15]).await;
    assert_eq!(
        refusal(long),
        SendRefusal::PacketTooLarge {
            len: 21,
            len_max: 20
        }
    );
    client.publish("t", vec![0; 14]).await.unwrap();
    assert_eq!(
        server.recv().await.publish().payload.len(),
        14,
        "nothing came before it"
    );
}

#[tokio::test]
async fn a_topic_name_with_a_wildcard_is_refused_at_once() {
    let (client, _server) = connected(ProtocolVersion::V5).await;
    let error = client.publish("a/#", "").await.unwrap_err();
    assert!(matches!(error, PublishError::TopicName(_)), "{error}");
    let error = client
        .publish("a", "")
        .response_topic("+")
        .await
        .unwrap_err();
    assert!(matches!(error, PublishError::ResponseTopic(_)), "{error}");
}

#[tokio::test]
async fn an_unknown_acknowledgement_is_no_harm() {
    let (client, mut server) = connected(ProtocolVersion::V5).await;
    server.send(Packet::PubAck(ack(PacketId::MAX))).await;
    server.send(Packet::PubComp(ack(PacketId::MAX))).await;
    server.send(Packet::PubRec(ack(PacketId::MAX))).await;
    let received = server.recv().await;
    let unknown = ack_with(PacketId::MAX, ReasonCode::PACKET_IDENTIFIER_NOT_FOUND);
    assert_eq!(received.packet(), Packet::PubRel(unknown));
    assert!(client.connack().is_some());
}

#[tokio::test]
async fn publishes_wait_when_all_places_are_taken() {
    let (client, mut server) = connected_with(
        ProtocolVersion::V5,
        |builder| builder.publish_capacity(1),
        &[],
    )
    .await;
    let first = client
        .publish("1", "")
        .qos(QoS::AtLeastOnce)
        .enqueue()
        .await
        .unwrap();
    let mut second = pin!(client.publish("2", "").qos(QoS::AtLeastOnce).enqueue());
    let mut cx = Context::from_waker(Waker::noop());
    assert!(second.as_mut().poll(&mut cx).is_pending());
    let packet_id = server.recv().await.packet_id();
    server.send(Packet::PubAck(ack(packet_id))).await;
    first.await.unwrap();
    let _second = second.await.unwrap();
    assert_eq!(
        server.recv().await.publish().topic_name.unwrap().as_str(),
        "2"
    );
}

#[tokio::test]
async fn many_publishes_pass_a_slow_reader() {
    let (client, mut server) = connected(ProtocolVersion::V311).await;
    let count = 3000;
    let publisher = tokio::spawn(async move {
        let mut receipts = Vec::new();
        for _ in 0..count {
            let publish = client.publish("t", vec![b'x'; 500]).qos(QoS::AtLeastOnce);
            receipts.push(publish.enqueue().await.unwrap());
        }
        for receipt in receipts {
            receipt.await.unwrap();
        }
    });
    for _ in 0..count {
        let packet_id = server.recv().await.packet_id();
        server.send(Packet::PubAck(ack(packet_id))).await;
    }
    publisher.await.unwrap();
}
