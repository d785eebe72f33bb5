//! SUBSCRIBE and UNSUBSCRIBE, and messages nobody subscribed to.

use crate::server::{Server, ack, connected, connected_with};
use mqtt_client::{
    Client, ProtocolVersion, QoS, ReasonCode, RetainHandling, SendRefusal, SubscribeError,
};
use mqtt_codec::{Packet, PacketId, Property};
use std::future::{Future, IntoFuture};
use std::pin::pin;
use std::task::{Context, Waker};

fn id(number: u16) -> PacketId {
    PacketId::new(number).unwrap()
}

#[tokio::test]
async fn a_subscription_tells_what_was_granted() {
    for version in ProtocolVersion::ALL {
        let (client, mut server) = connected(version).await;
        let subscribe = client.subscribe("a").qos(QoS::ExactlyOnce).into_future();
        let (subscription, received) =
            tokio::join!(subscribe, server.grant(ReasonCode::GRANTED_QOS_1));
        let Packet::Subscribe(packet) = received.packet() else {
            panic!("SUBSCRIBE expected")
        };
        let filters: Vec<_> = packet
            .filters
            .iter()
            .map(|(f, o)| (f.as_str(), o.qos))
            .collect();
        assert_eq!(filters, [("a", QoS::ExactlyOnce)]);
        assert_eq!(subscription.unwrap().granted_qos(), QoS::AtLeastOnce);
    }
}

#[tokio::test]
async fn subscription_options_travel() {
    let (client, mut server) = connected(ProtocolVersion::V5).await;
    let subscribe = client
        .subscribe_many(["a", "$share/g/b/#"])
        .retain_as_published()
        .retain_handling(RetainHandling::DoNotSend)
        .user_property("k", "v")
        .into_future();
    let (subscription, received) = tokio::join!(subscribe, server.grant(ReasonCode::SUCCESS));
    let Packet::Subscribe(packet) = received.packet() else {
        panic!("SUBSCRIBE expected")
    };
    assert!(packet.properties.user_properties().eq([("k", "v")]));
    for (_, options) in packet.filters.iter() {
        assert!(options.retain_as_published && !options.no_local);
        assert_eq!(options.retain_handling, RetainHandling::DoNotSend);
    }
    assert!(
        subscription
            .unwrap()
            .topic_filters()
            .eq(["a", "$share/g/b/#"])
    );
}

#[tokio::test]
async fn a_refused_filter_is_an_error() {
    for (version, reason) in [
        (ProtocolVersion::V311, ReasonCode::UNSPECIFIED_ERROR),
        (ProtocolVersion::V5, ReasonCode::NOT_AUTHORIZED),
    ] {
        let (client, mut server) = connected(version).await;
        let (subscription, _) =
            tokio::join!(client.subscribe("a").into_future(), server.grant(reason));
        assert_eq!(subscription.unwrap_err().reason(), Some(reason));
    }
}

#[tokio::test]
async fn what_was_granted_beside_a_refusal_is_unsubscribed() {
    let (client, mut server) = connected(ProtocolVersion::V5).await;
    let script = async {
        let packet_id = server.recv().await.packet_id();
        server
            .suback(
                packet_id,
                &[ReasonCode::GRANTED_QOS_0, ReasonCode::NOT_AUTHORIZED],
            )
            .await;
        assert_eq!(server.unsubscribed().await, ["a"]);
    };
    let (subscription, ()) = tokio::join!(client.subscribe_many(["a", "b"]).into_future(), script);
    let error = subscription.unwrap_err();
    let SubscribeError::Refused { reasons, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(
        reasons,
        [ReasonCode::GRANTED_QOS_0, ReasonCode::NOT_AUTHORIZED]
    );
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_at_once() {
    let none = [
        Property::WildcardSubscriptionAvailable(false),
        Property::SharedSubscriptionAvailable(false),
    ];
    let (client, _server) = connected_with(ProtocolVersion::V5, |b| b, &none).await;
    for (topic_filter, expected) in [
        ("a/+", SendRefusal::WildcardsNotSupported),
        ("$share/g/a", SendRefusal::SharedSubscriptionsNotSupported),
    ] {
        match client.subscribe(topic_filter).await {
            Err(SubscribeError::NotSent(refusal)) => assert_eq!(refusal, expected),
            other => panic!("{other:?}"),
        }
    }
    for bad in ["", "a/#/b"] {
        let error = client.subscribe(bad).await.unwrap_err();
        assert!(matches!(error, SubscribeError::TopicFilter(_)), "{error}");
    }
    let none: [&str; 0] = [];
    assert!(matches!(
        client.subscribe_many(none).await,
        Err(SubscribeError::TopicFilter(_))
    ));
}

#[tokio::test]
async fn no_local_does_not_exist_before_v5() {
    let (client, _server) = connected(ProtocolVersion::V311).await;
    let error = client.subscribe("a").no_local().await.unwrap_err();
    assert!(
        matches!(error, SubscribeError::NotSent(SendRefusal::Encode(_))),
        "{error}"
    );
}

#[tokio::test]
async fn no_identifier_is_sent_to_a_server_without() {
    let none = [Property::SubscriptionIdentifiersAvailable(false)];
    let (client, mut server) = connected_with(ProtocolVersion::V5, |b| b, &none).await;
    let (subscription, received) = tokio::join!(
        client.subscribe("a").into_future(),
        server.grant(ReasonCode::SUCCESS)
    );
    let Packet::Subscribe(packet) = received.packet() else {
        panic!("SUBSCRIBE expected")
    };
    assert!(packet.properties.is_empty());
    server.publish("a", QoS::AtMostOnce, 0).await;
    assert_eq!(
        subscription.unwrap().next().await.unwrap().topic_name(),
        "a"
    );
}

#[tokio::test]
async fn retained_messages_may_come_before_suback() {
    let (client, mut server) = connected(ProtocolVersion::V311).await;
    let script = async {
        let packet_id = server.recv().await.packet_id();
        server.publish("a", QoS::AtMostOnce, 0).await;
        server.suback(packet_id, &[ReasonCode::SUCCESS]).await;
    };
    let (subscription, ()) = tokio::join!(client.subscribe("a").into_future(), script);
    assert_eq!(
        subscription.unwrap().next().await.unwrap().topic_name(),
        "a"
    );
}

/// Covers: v5 [MQTT-4.5.0-2], v3.1.1 [MQTT-4.5.0-2].
#[tokio::test]
async fn a_dropped_subscription_is_unsubscribed_and_what_it_held_acknowledged() {
    for version in [ProtocolVersion::V311, ProtocolVersion::V5] {
        let (client, mut server) = connected(version).await;
        let subscribe = client.subscribe("a").qos(QoS::AtLeastOnce).into_future();
        let (subscription, _) = tokio::join!(subscribe, server.grant(ReasonCode::GRANTED_QOS_1));
        server.publish("a", QoS::AtLeastOnce, 1).await;
        server.send(Packet::PubRel(ack(id(9)))).await;
        assert!(matches!(server.recv().await.packet(), Packet::PubComp(_)));
        drop(subscription);
        assert_eq!(server.recv().await.packet(), Packet::PubAck(ack(id(1))));
        assert_eq!(server.unsubscribed().await, ["a"]);
        server.publish("a", QoS::AtLeastOnce, 2).await;
        assert_eq!(
            server.recv().await.packet(),
            Packet::PubAck(ack(id(2))),
            "still under way"
        );
        assert!(client.unclaimed().is_empty());
    }
}

#[tokio::test]
async fn two_subscriptions_to_one_filter_share_it() {
    let (client, mut server) = connected(ProtocolVersion::V311).await;
    let mut subscriptions = Vec::new();
    for _ in 0..2 {
        let subscribe = client.subscribe("a").qos(QoS::AtLeastOnce).into_future();
        let (subscription, _) = tokio::join!(subscribe, server.grant(ReasonCode::GRANTED_QOS_1));
        subscriptions.push(subscription.unwrap());
    }
    server.publish("a", QoS::AtLeastOnce, 1).await;
    let mut last = subscriptions.pop().unwrap();
    let mut first = subscriptions.pop().unwrap();
    first.next().await.unwrap();
    drop(first);
    client.publish("probe", "").await.unwrap();
    assert!(
        matches!(server.recv().await.packet(), Packet::Publish(_)),
        "one has not taken it yet"
    );
    last.next().await.unwrap();
    assert_eq!(server.recv().await.packet(), Packet::PubAck(ack(id(1))));
    drop(last);
    assert_eq!(server.unsubscribed().await, ["a"]);
}

#[tokio::test]
async fn unsubscribe_ends_the_stream_after_what_it_holds() {
    let (client, mut server) = connected(ProtocolVersion::V5).await;
    let (subscription, _) = tokio::join!(
        client.subscribe("a").into_future(),
        server.grant(ReasonCode::SUCCESS)
    );
    let mut subscription = subscription.unwrap();
    server.publish("a", QoS::AtMostOnce, 0).await;
    server.send(Packet::PubRel(ack(id(9)))).await;
    server.recv().await;
    let (unsubscribed, topic_filters) =
        tokio::join!(client.unsubscribe("a").into_future(), server.unsubscribed());
    unsubscribed.unwrap();
    assert_eq!(topic_filters, ["a"]);
    assert!(subscription.next().await.is_some());
    assert!(subscription.next().await.is_none());
}

#[tokio::test]
async fn a_subscribe_that_is_given_up_is_undone() {
    let (client, mut server) = connected(ProtocolVersion::V5).await;
    let mut subscribe = Box::pin(client.subscribe("a").into_future());
    assert!(
        subscribe
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    );
    let packet_id = server.recv().await.packet_id();
    drop(subscribe);
    server.suback(packet_id, &[ReasonCode::SUCCESS]).await;
    assert_eq!(server.unsubscribed().await, ["a"]);
}

/// A client that continues a session only the server knows, with one message of QoS 1 for "a" and one for "b".
async fn resumed() -> (Client, Server) {
    let (near, far) = tokio::io::duplex(4096);
    let mut server = Server::new(far, ProtocolVersion::V5);
    let builder = Client::builder("server.example")
        .client_id("me")
        .clean_start(false);
    let (client, _) = tokio::join!(builder.connect_over(near), server.accept_with(true, &[]));
    let client = client.unwrap();
    assert!(client.connack().unwrap().session_present);
    server.publish("a", QoS::AtLeastOnce, 1).await;
    server.publish("b", QoS::AtLeastOnce, 2).await;
    server.send(Packet::PubRel(ack(id(9)))).await;
    assert!(matches!(server.recv().await.packet(), Packet::PubComp(_)));
    assert_eq!(client.unclaimed().len(), 2, "and nothing is acknowledged");
    (client, server)
}

#[tokio::test]
async fn messages_of_an_earlier_run_wait_for_a_subscription() {
    let (client, mut server) = resumed().await;
    let subscribe = client.subscribe("b").qos(QoS::AtLeastOnce).into_future();
    let (subscription, _) = tokio::join!(subscribe, server.grant(ReasonCode::GRANTED_QOS_1));
    let mut subscription = subscription.unwrap();
    assert_eq!(subscription.next().await.unwrap().topic_name(), "b");
    assert_eq!(client.unclaimed().next().await.unwrap().topic_name(), "a");
    assert_eq!(server.recv().await.packet(), Packet::PubAck(ack(id(1))));
    assert_eq!(
        server.recv().await.packet(),
        Packet::PubAck(ack(id(2))),
        "in the order of arrival"
    );
}

#[tokio::test]
async fn messages_of_an_earlier_run_can_be_taken_unclaimed() {
    let (client, mut server) = resumed().await;
    let mut unclaimed = client.unclaimed();
    for (number, topic_name) in [(1, "a"), (2, "b")] {
        assert_eq!(unclaimed.next().await.unwrap().topic_name(), topic_name);
        assert_eq!(
            server.recv().await.packet(),
            Packet::PubAck(ack(id(number)))
        );
    }
}

#[tokio::test]
async fn a_refused_subscription_leaves_unclaimed_messages_alone() {
    let (client, mut server) = resumed().await;
    let (refused, _) = tokio::join!(
        client.subscribe("a").into_future(),
        server.grant(ReasonCode::NOT_AUTHORIZED)
    );
    refused.unwrap_err();
    assert_eq!(client.unclaimed().len(), 2);
}

#[tokio::test]
async fn a_detached_subscription_stays_with_the_server() {
    let (client, mut server) = connected(ProtocolVersion::V5).await;
    let subscribe = client.subscribe("a").qos(QoS::AtLeastOnce).into_future();
    let (subscription, _) = tokio::join!(subscribe, server.grant(ReasonCode::GRANTED_QOS_1));
    server.publish("a", QoS::AtLeastOnce, 1).await;
    server.send(Packet::PubRel(ack(id(9)))).await;
    server.recv().await;
    subscription.unwrap().detach();
    server.publish("a", QoS::AtLeastOnce, 2).await;
    let mut unclaimed = client.unclaimed();
    for number in [1, 2] {
        unclaimed.next().await.unwrap();
        assert_eq!(
            server.recv().await.packet(),
            Packet::PubAck(ack(id(number))),
            "no UNSUBSCRIBE"
        );
    }
}

#[tokio::test]
async fn a_subscription_is_a_stream() {
    use futures_core::Stream;
    let (client, mut server) = connected(ProtocolVersion::V5).await;
    let (subscription, _) = tokio::join!(
        client.subscribe("a").into_future(),
        server.grant(ReasonCode::SUCCESS)
    );
    let mut subscription = pin!(subscription.unwrap());
    server.publish("a", QoS::AtMostOnce, 0).await;
    let next = std::future::poll_fn(|cx| subscription.as_mut().poll_next(cx)).await;
    assert_eq!(next.unwrap().topic_name(), "a");
}
