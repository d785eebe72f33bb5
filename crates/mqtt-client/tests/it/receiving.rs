//! PUBLISH from the server: delivery, acknowledgement, order, back-pressure.

use crate::server::{ack, ack_with, connected, connected_with};
use mqtt_client::{Client, CloseReason, ProtocolVersion, QoS, ReasonCode, Subscription};
use mqtt_codec::{
    Delivery, Packet, PacketId, Properties, Property, PropertyList, Publish, SubscriptionIdentifier,
};
use std::future::IntoFuture;
use std::num::NonZeroU16;

use crate::server::Server;

async fn subscribed(client: &Client, server: &mut Server, topic_filter: &str) -> Subscription {
    let subscribe = client
        .subscribe(topic_filter)
        .qos(QoS::ExactlyOnce)
        .into_future();
    let (subscription, _) = tokio::join!(subscribe, server.grant(ReasonCode::GRANTED_QOS_2));
    subscription.unwrap()
}

fn id(number: u16) -> PacketId {
    PacketId::new(number).unwrap()
}

/// Covers: v5 [MQTT-3.3.4-1], v5 [MQTT-4.3.2-4], v5 [MQTT-4.3.3-8], v5 [MQTT-4.3.3-11].
#[tokio::test]
async fn a_message_is_acknowledged_when_it_is_taken() {
    for version in ProtocolVersion::ALL {
        let (client, mut server) = connected(version).await;
        let mut subscription = subscribed(&client, &mut server, "#").await;
        server.publish("0", QoS::AtMostOnce, 0).await;
        server.publish("1", QoS::AtLeastOnce, 1).await;
        server.publish("2", QoS::ExactlyOnce, 2).await;
        server.send(Packet::PingResp).await;
        client.publish("probe", "").await.unwrap();
        let received = server.recv().await;
        assert_eq!(
            received.publish().topic_name.unwrap().as_str(),
            "probe",
            "nothing is acknowledged yet"
        );

        for (name, qos) in [
            ("0", QoS::AtMostOnce),
            ("1", QoS::AtLeastOnce),
            ("2", QoS::ExactlyOnce),
        ] {
            let message = subscription.next().await.unwrap();
            assert_eq!(
                (message.topic_name(), message.qos(), message.dup()),
                (name, qos, false)
            );
            assert_eq!(&message.payload()[..], name.as_bytes());
        }
        assert_eq!(server.recv().await.packet(), Packet::PubAck(ack(id(1))));
        assert_eq!(server.recv().await.packet(), Packet::PubRec(ack(id(2))));
        server.send(Packet::PubRel(ack(id(2)))).await;
        assert_eq!(server.recv().await.packet(), Packet::PubComp(ack(id(2))));
    }
}

/// Covers: v5 [MQTT-4.6.0-2], v5 [MQTT-4.6.0-3], v3.1.1 [MQTT-4.6.0-2], v3.1.1 [MQTT-4.6.0-3].
#[tokio::test]
async fn acknowledgements_keep_the_order_of_arrival() {
    for version in [ProtocolVersion::V311, ProtocolVersion::V5] {
        let (client, mut server) = connected(version).await;
        let mut first = subscribed(&client, &mut server, "first").await;
        let mut second = subscribed(&client, &mut server, "second").await;
        server.publish("first", QoS::AtLeastOnce, 1).await;
        server.publish("second", QoS::ExactlyOnce, 2).await;
        server.publish("first", QoS::ExactlyOnce, 3).await;
        server.publish("second", QoS::AtLeastOnce, 4).await;
        // Taken out of order: 2, 4, 1, 3.
        second.next().await.unwrap();
        second.next().await.unwrap();
        first.next().await.unwrap();
        first.next().await.unwrap();
        assert_eq!(server.recv().await.packet(), Packet::PubAck(ack(id(1))));
        assert_eq!(server.recv().await.packet(), Packet::PubRec(ack(id(2))));
        assert_eq!(server.recv().await.packet(), Packet::PubRec(ack(id(3))));
        assert_eq!(server.recv().await.packet(), Packet::PubAck(ack(id(4))));
    }
}

/// Covers: v5 [MQTT-4.3.3-10], v5 [MQTT-4.3.3-12], v3.1.1 [MQTT-4.3.3-2].
#[tokio::test]
async fn qos_2_is_delivered_once_until_it_is_released() {
    for version in [ProtocolVersion::V311, ProtocolVersion::V5] {
        let (client, mut server) = connected(version).await;
        let mut subscription = subscribed(&client, &mut server, "#").await;
        server.publish("a", QoS::ExactlyOnce, 7).await;
        subscription.next().await.unwrap();
        assert_eq!(server.recv().await.packet(), Packet::PubRec(ack(id(7))));
        server.publish("a", QoS::ExactlyOnce, 7).await;
        assert_eq!(server.recv().await.packet(), Packet::PubRec(ack(id(7))));
        server.send(Packet::PubRel(ack(id(7)))).await;
        assert_eq!(server.recv().await.packet(), Packet::PubComp(ack(id(7))));
        server.publish("b", QoS::ExactlyOnce, 7).await;
        assert_eq!(
            subscription.next().await.unwrap().topic_name(),
            "b",
            "the repeat was not delivered"
        );
    }
}

#[tokio::test]
async fn an_unknown_pubrel_is_answered() {
    let (_client, mut server) = connected(ProtocolVersion::V5).await;
    server.send(Packet::PubRel(ack(id(9)))).await;
    let unknown = ack_with(id(9), ReasonCode::PACKET_IDENTIFIER_NOT_FOUND);
    assert_eq!(server.recv().await.packet(), Packet::PubComp(unknown));
}

/// Covers: v5 [MQTT-3.3.2-10].
#[tokio::test]
async fn a_topic_alias_is_resolved() {
    let (client, mut server) = connected(ProtocolVersion::V5).await;
    let mut subscription = subscribed(&client, &mut server, "#").await;
    let alias = [Property::TopicAlias(NonZeroU16::MIN)];
    server
        .publish_with("long/name", QoS::AtMostOnce, 0, &alias)
        .await;
    let list = PropertyList::new(&alias);
    server
        .send(Packet::Publish(Publish {
            dup: false,
            retain: true,
            delivery: Delivery::AtMostOnce,
            topic_name: None,
            properties: Properties::from(&list),
            payload: b"again",
        }))
        .await;
    let first = subscription.next().await.unwrap();
    assert_eq!(
        (first.topic_name(), first.topic_alias()),
        ("long/name", Some(1))
    );
    let again = subscription.next().await.unwrap();
    assert_eq!((again.topic_name(), again.retain()), ("long/name", true));
    assert_eq!(again.topic_alias(), Some(1));
}

#[tokio::test]
async fn an_alias_never_set_ends_the_connection() {
    let (client, mut server) = connected(ProtocolVersion::V5).await;
    // PUBLISH without topic, Topic Alias 3.
    server.send_bytes(&[0x30, 6, 0, 0, 3, 0x23, 0, 3]).await;
    let received = server.recv().await;
    let Packet::Disconnect(disconnect) = received.packet() else {
        panic!("DISCONNECT expected")
    };
    assert_eq!(disconnect.reason, ReasonCode::TOPIC_ALIAS_INVALID);
    drop(server);
    assert!(matches!(client.closed().await, CloseReason::Protocol(_)));
}

/// Covers: v5 [MQTT-4.3.2-5].
#[tokio::test]
async fn a_packet_id_is_new_after_puback_whatever_dup_says() {
    let (client, mut server) = connected(ProtocolVersion::V5).await;
    let mut subscription = subscribed(&client, &mut server, "#").await;
    for _ in 0..2 {
        // PUBLISH to "t" with DUP, QoS 1, Packet Identifier 1.
        server.send_bytes(&[0x3A, 6, 0, 1, b't', 0, 1, 0]).await;
        let message = subscription.next().await.unwrap();
        assert!(message.dup());
        assert_eq!(server.recv().await.packet(), Packet::PubAck(ack(id(1))));
    }
}

#[tokio::test]
async fn the_oldest_message_of_qos_0_makes_room() {
    let (client, mut server) = connected(ProtocolVersion::V5).await;
    let subscribe = client.subscribe("#").capacity(2).into_future();
    let (subscription, _) = tokio::join!(subscribe, server.grant(ReasonCode::SUCCESS));
    let mut subscription = subscription.unwrap();
    for topic_name in ["1", "2", "3", "4"] {
        server.publish(topic_name, QoS::AtMostOnce, 0).await;
    }
    server.send(Packet::PubRel(ack(id(1)))).await;
    server.recv().await;
    assert_eq!((subscription.len(), subscription.dropped()), (2, 2));
    assert_eq!(subscription.next().await.unwrap().topic_name(), "3");
    assert_eq!(subscription.try_next().unwrap().topic_name(), "4");
    assert!(subscription.try_next().is_none());
}

#[tokio::test]
async fn a_server_above_the_receive_maximum_is_left() {
    let (client, mut server) = connected_with(
        ProtocolVersion::V5,
        |builder| builder.receive_maximum(2).strict_receive_maximum(),
        &[],
    )
    .await;
    let _subscription = subscribed(&client, &mut server, "#").await;
    for number in 1..=3 {
        server.publish("t", QoS::AtLeastOnce, number).await;
    }
    let received = server.recv().await;
    let Packet::Disconnect(disconnect) = received.packet() else {
        panic!("DISCONNECT expected")
    };
    assert_eq!(disconnect.reason, ReasonCode::RECEIVE_MAXIMUM_EXCEEDED);
}

/// Before v5 servers do not know how many messages a client takes, and Mosquitto 2.0 does not stop there.
#[tokio::test]
async fn reading_pauses_until_messages_are_taken() {
    for version in ProtocolVersion::ALL {
        pauses_reading(version).await;
    }
}

async fn pauses_reading(version: ProtocolVersion) {
    let (client, mut server) =
        connected_with(version, |builder| builder.receive_maximum(2), &[]).await;
    let mut subscription = subscribed(&client, &mut server, "#").await;
    for number in 1..=9 {
        server.publish("t", QoS::AtLeastOnce, number).await;
    }
    client.publish("probe", "").await.unwrap();
    assert_eq!(
        server.recv().await.publish().topic_name.unwrap().as_str(),
        "probe"
    );
    assert_eq!(subscription.len(), 2, "publishing goes on, receiving waits");
    for number in 1..=9 {
        subscription.next().await.unwrap();
        assert_eq!(
            server.recv().await.packet(),
            Packet::PubAck(ack(id(number)))
        );
    }
}

#[tokio::test]
async fn subscription_identifiers_tell_overlapping_subscriptions_apart() {
    let (client, mut server) = connected(ProtocolVersion::V5).await;
    let mut ids = Vec::new();
    let mut subscriptions = Vec::new();
    for topic_filter in ["a/#", "a/b"] {
        let subscribe = client.subscribe(topic_filter).into_future();
        let (subscription, received) = tokio::join!(subscribe, server.grant(ReasonCode::SUCCESS));
        let Packet::Subscribe(subscribe) = received.packet() else {
            panic!("SUBSCRIBE expected")
        };
        ids.extend(
            subscribe
                .properties
                .subscription_identifiers()
                .map(SubscriptionIdentifier::get),
        );
        subscriptions.push(subscription.unwrap());
    }
    assert_eq!(ids.len(), 2);
    let carry = |id| {
        [Property::SubscriptionIdentifier(
            SubscriptionIdentifier::new(id).unwrap(),
        )]
    };
    server
        .publish_with("a/b", QoS::AtMostOnce, 0, &carry(ids[1]))
        .await;
    server
        .publish_with("a/b", QoS::AtMostOnce, 0, &carry(ids[0]))
        .await;
    for (subscription, id) in subscriptions.iter_mut().zip(ids) {
        let message = subscription.next().await.unwrap();
        assert_eq!(message.properties().subscription_identifiers, [id]);
        assert!(subscription.is_empty());
    }
}

#[tokio::test]
async fn identifiers_of_ones_own_are_sent_and_nothing_is_found_by_them() {
    let change = |builder: mqtt_client::ClientBuilder| builder.own_subscription_identifiers();
    let (client, mut server) = connected_with(ProtocolVersion::V5, change, &[]).await;
    for (topic_filter, own) in [("a/#", None), ("b", Some(7))] {
        let mut subscribe = client.subscribe(topic_filter);
        if let Some(own) = own {
            subscribe = subscribe.subscription_identifier(own);
        }
        let (subscription, received) =
            tokio::join!(subscribe.into_future(), server.grant(ReasonCode::SUCCESS));
        let Packet::Subscribe(subscribe) = received.packet() else {
            panic!("SUBSCRIBE expected")
        };
        let sent = subscribe.properties.subscription_identifiers().next();
        assert_eq!(sent.map(SubscriptionIdentifier::get), own);
        // One that nobody has sent leads nowhere else.
        let carried = SubscriptionIdentifier::new(own.unwrap_or(9)).unwrap();
        let carried = [Property::SubscriptionIdentifier(carried)];
        let topic_name = topic_filter.replace('#', "b");
        server
            .publish_with(&topic_name, QoS::AtLeastOnce, 5, &carried)
            .await;
        let message = subscription.unwrap().next().await.unwrap();
        assert_eq!(message.topic_name(), topic_name);
        assert_eq!(
            (message.packet_id(), message.topic_alias()),
            (Some(5), None)
        );
        assert_eq!(server.recv().await.packet(), Packet::PubAck(ack(id(5))));
        server.unsubscribed().await;
    }
}

#[tokio::test]
async fn message_properties_arrive() {
    let (client, mut server) = connected(ProtocolVersion::V5).await;
    let mut subscription = subscribed(&client, &mut server, "#").await;
    let properties = [
        Property::ContentType("text/plain"),
        Property::CorrelationData(b"7"),
        Property::UserProperty("a", "1"),
        Property::MessageExpiryInterval(9),
    ];
    server
        .publish_with("t", QoS::AtMostOnce, 0, &properties)
        .await;
    let message = subscription.next().await.unwrap();
    let properties = message.properties();
    assert_eq!(properties.content_type.as_deref(), Some("text/plain"));
    assert_eq!(properties.correlation_data.as_deref(), Some(&b"7"[..]));
    assert_eq!(properties.user_properties, [("a".into(), "1".into())]);
    assert_eq!(properties.message_expiry_s, Some(9));
}

#[tokio::test]
async fn regress_publishing_from_the_task_that_receives_does_not_deadlock() {
    let (client, mut server) = connected_with(
        ProtocolVersion::V5,
        |builder| builder.publish_capacity(1),
        &[],
    )
    .await;
    let mut subscription = subscribed(&client, &mut server, "in").await;
    let count = 50;
    let echo = tokio::spawn(async move {
        for _ in 0..count {
            subscription.next().await.unwrap();
            client
                .publish("out", "")
                .qos(QoS::AtLeastOnce)
                .await
                .unwrap();
        }
    });
    for number in 1..=count {
        server.publish("in", QoS::AtLeastOnce, number).await;
    }
    let mut answered = 0;
    while answered < count {
        let received = server.recv().await;
        if let Packet::Publish(_) = received.packet() {
            answered += 1;
            server.send(Packet::PubAck(ack(received.packet_id()))).await;
        }
    }
    echo.await.unwrap();
}
