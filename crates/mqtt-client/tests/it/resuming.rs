//! What goes on after a lost connection, with a server that has kept the session and with one that has not.

use crate::net::{connected_over, enqueue, kept, net};
use crate::server::{ack, ack_with};
use mqtt_client::{Event, ProtocolVersion, PublishError, QoS, ReasonCode};
use mqtt_codec::{Packet, Property, SubscriptionIdentifier};
use std::future::IntoFuture;
use std::num::NonZeroU16;
use std::time::Duration;

/// Unacknowledged messages come again with DUP, their identifiers and in the order they were first sent, and their
/// receipts end as if nothing had happened.
///
/// Covers: v5 [MQTT-4.4.0-1], v5 [MQTT-3.3.1-1], v5 [MQTT-4.6.0-1].
#[tokio::test(start_paused = true)]
async fn receipts_outlive_the_connection() {
    let (client, mut server, mut net) = connected_over(kept).await;
    let mut receipts = Vec::new();
    let mut packet_ids = Vec::new();
    for topic_name in ["1", "2", "3"] {
        receipts.push(enqueue(&client, topic_name, QoS::AtLeastOnce).await);
        packet_ids.push(server.recv().await.packet_id());
    }
    server.send(Packet::PubAck(ack(packet_ids[1]))).await;
    receipts.remove(1).await.unwrap();
    drop(server);
    let mut server = net.accept(true).await;
    for (topic_name, packet_id) in [("1", packet_ids[0]), ("3", packet_ids[2])] {
        let received = server.recv().await;
        let publish = received.publish();
        assert_eq!(publish.topic_name.unwrap().as_str(), topic_name);
        assert!(publish.dup, "{topic_name}");
        assert_eq!(received.packet_id(), packet_id);
        server.send(Packet::PubAck(ack(packet_id))).await;
    }
    for receipt in receipts {
        receipt.await.unwrap();
    }
}

/// Covers: v5 [MQTT-4.3.3-6].
#[tokio::test(start_paused = true)]
async fn a_message_of_qos_2_goes_on_where_it_was() {
    let (client, mut server, mut net) = connected_over(kept).await;
    let receipt = enqueue(&client, "t", QoS::ExactlyOnce).await;
    let packet_id = server.recv().await.packet_id();
    server.send(Packet::PubRec(ack(packet_id))).await;
    assert_eq!(server.recv().await.packet(), Packet::PubRel(ack(packet_id)));
    drop(server);
    let mut server = net.accept(true).await;
    assert_eq!(server.recv().await.packet(), Packet::PubRel(ack(packet_id)));
    server.send(Packet::PubComp(ack(packet_id))).await;
    receipt.await.unwrap();
}

/// A server that has released the message already says that it does not know it: it was published all the same.
#[tokio::test(start_paused = true)]
async fn regress_a_pubcomp_lost_with_its_connection_is_no_failure() {
    let (client, mut server, mut net) = connected_over(kept).await;
    let receipt = enqueue(&client, "t", QoS::ExactlyOnce).await;
    let packet_id = server.recv().await.packet_id();
    server.send(Packet::PubRec(ack(packet_id))).await;
    server.recv().await;
    drop(server);
    let mut server = net.accept(true).await;
    assert_eq!(server.recv().await.packet(), Packet::PubRel(ack(packet_id)));
    let unknown = ReasonCode::PACKET_IDENTIFIER_NOT_FOUND;
    server
        .send(Packet::PubComp(ack_with(packet_id, unknown)))
        .await;
    assert_eq!(receipt.await.unwrap().reason(), ReasonCode::SUCCESS);
}

/// A server without the session: what is safe to send twice is sent as new, the rest ends with an error.
#[tokio::test(start_paused = true)]
async fn a_lost_session_republishes_qos_1_and_ends_qos_2() {
    let (client, mut server, mut net) = connected_over(kept).await;
    let mut events = client.events();
    let once = enqueue(&client, "once", QoS::ExactlyOnce).await;
    let again = enqueue(&client, "again", QoS::AtLeastOnce).await;
    for _ in 0..2 {
        server.recv().await;
    }
    drop(server);
    let mut server = net.accept(false).await;
    let received = server.recv().await;
    let publish = received.publish();
    assert_eq!(publish.topic_name.unwrap().as_str(), "again");
    assert!(!publish.dup, "it is new to this server");
    server.send(Packet::PubAck(ack(received.packet_id()))).await;
    again.await.unwrap();
    let error = once.await.unwrap_err();
    assert!(matches!(error, PublishError::SessionLost), "{error}");
    assert!(error.is_retryable());
    let mut lost = None;
    while lost.is_none() {
        match events.next().await.unwrap() {
            Event::SessionLost {
                resubscribed,
                republished,
                failed,
            } => lost = Some((resubscribed, republished, failed)),
            Event::Disconnected { .. } | Event::Connected { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(lost, Some((0, 1, 1)));
}

#[tokio::test(start_paused = true)]
async fn a_lost_session_may_end_qos_1_too() {
    let (client, mut server, mut net) = connected_over(|b| kept(b).fail_lost()).await;
    let receipt = enqueue(&client, "t", QoS::AtLeastOnce).await;
    server.recv().await;
    drop(server);
    let _server = net.accept(false).await;
    assert!(matches!(receipt.await, Err(PublishError::SessionLost)));
}

/// After a reconnect nothing arrived, because nobody had subscribed again.
#[tokio::test(start_paused = true)]
async fn subscriptions_are_made_again_when_the_session_is_gone() {
    let (client, mut server, mut net) = connected_over(|b| b).await;
    let subscribe = client
        .subscribe("a/+")
        .qos(QoS::AtLeastOnce)
        .and("b", QoS::ExactlyOnce)
        .no_local()
        .into_future();
    let (subscription, first) = tokio::join!(subscribe, server.grant(ReasonCode::GRANTED_QOS_1));
    let mut subscription = subscription.unwrap();
    drop(server);
    let mut server = net.accept(false).await;
    let again = server.grant(ReasonCode::GRANTED_QOS_1).await;
    let (Packet::Subscribe(first), Packet::Subscribe(again)) = (first.packet(), again.packet())
    else {
        panic!("SUBSCRIBE")
    };
    let filters = |packet: mqtt_codec::Subscribe<'_>| -> Vec<_> {
        let filters = packet.filters.iter();
        filters
            .map(|(topic_filter, options)| (topic_filter.as_str().to_owned(), options))
            .collect()
    };
    assert_eq!(filters(first), filters(again));
    let ids =
        |packet: mqtt_codec::Subscribe<'_>| packet.properties.subscription_identifiers().next();
    assert_eq!(ids(first), ids(again));
    let id = [Property::SubscriptionIdentifier(ids(again).unwrap())];
    server.publish_with("a/1", QoS::AtMostOnce, 0, &id).await;
    assert_eq!(subscription.next().await.unwrap().topic_name(), "a/1");
}

#[tokio::test(start_paused = true)]
async fn subscriptions_are_left_alone_when_the_session_goes_on() {
    let (client, mut server, mut net) = connected_over(kept).await;
    let subscribe = client.subscribe("a").into_future();
    let (subscription, _) = tokio::join!(subscribe, server.grant(ReasonCode::SUCCESS));
    let mut subscription = subscription.unwrap();
    drop(server);
    let mut server = net.accept(true).await;
    let one = SubscriptionIdentifier::new(1).unwrap();
    let id = [Property::SubscriptionIdentifier(one)];
    server.publish_with("a", QoS::AtMostOnce, 0, &id).await;
    assert_eq!(subscription.next().await.unwrap().topic_name(), "a");
    client.publish("t", "").await.unwrap();
    let next = server.recv().await;
    assert!(
        matches!(next.packet(), Packet::Publish(_)),
        "nothing before it"
    );
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_is_not_granted_again_ends() {
    let (client, mut server, mut net) = connected_over(|b| b).await;
    let mut events = client.events();
    let subscribe = client.subscribe("a").into_future();
    let (subscription, _) = tokio::join!(subscribe, server.grant(ReasonCode::SUCCESS));
    drop(server);
    let mut server = net.accept(false).await;
    server.grant(ReasonCode::NOT_AUTHORIZED).await;
    assert!(subscription.unwrap().next().await.is_none());
    loop {
        if let Event::ResubscribeRefused {
            topic_filter,
            reason,
        } = events.next().await.unwrap()
        {
            assert_eq!((&*topic_filter, reason), ("a", ReasonCode::NOT_AUTHORIZED));
            break;
        }
    }
}

/// A request whose answer was lost with the connection is made again, and its caller has to do nothing.
#[tokio::test(start_paused = true)]
async fn requests_outlive_the_connection() {
    let (client, mut server, mut net) = connected_over(kept).await;
    let subscribe = tokio::spawn(client.subscribe("a").into_future());
    let unsubscribe = tokio::spawn(client.unsubscribe("b").into_future());
    for _ in 0..2 {
        server.recv().await;
    }
    drop(server);
    for _ in 0..2 {
        // Also with a connection that ends before they can be answered.
        let mut server = net.accept(true).await;
        server.recv().await;
    }
    let mut server = net.accept(true).await;
    server.grant(ReasonCode::SUCCESS).await;
    assert_eq!(server.unsubscribed().await, ["b"]);
    let mut subscription = subscribe.await.unwrap().unwrap();
    unsubscribe.await.unwrap().unwrap();
    server.publish("a", QoS::AtMostOnce, 0).await;
    assert!(subscription.next().await.is_some());
}

/// Duplicates and an identifier the server releases for nothing were the end of other clients.
///
/// Covers: v5 [MQTT-4.3.3-10].
#[tokio::test(start_paused = true)]
async fn a_received_message_of_qos_2_is_known_on_the_next_connection() {
    let (client, mut server, mut net) = connected_over(kept).await;
    let subscribe = client.subscribe("#").qos(QoS::ExactlyOnce).into_future();
    let (subscription, _) = tokio::join!(subscribe, server.grant(ReasonCode::GRANTED_QOS_2));
    let mut subscription = subscription.unwrap();
    server.publish("once", QoS::ExactlyOnce, 7).await;
    assert_eq!(subscription.next().await.unwrap().topic_name(), "once");
    assert!(matches!(server.recv().await.packet(), Packet::PubRec(_)));
    drop(server);
    let mut server = net.accept(true).await;
    server.publish("once", QoS::ExactlyOnce, 7).await;
    let pubrec = server.recv().await;
    assert!(matches!(pubrec.packet(), Packet::PubRec(_)));
    server.send(Packet::PubRel(ack(pubrec.packet_id()))).await;
    assert!(matches!(server.recv().await.packet(), Packet::PubComp(_)));
    server.publish("next", QoS::AtMostOnce, 0).await;
    assert_eq!(subscription.next().await.unwrap().topic_name(), "next");
}

/// What the server sends again is in the stream once.
#[tokio::test(start_paused = true)]
async fn what_was_not_taken_is_not_doubled_by_the_repeat() {
    let (client, mut server, mut net) = connected_over(kept).await;
    let subscribe = client.subscribe("#").qos(QoS::AtLeastOnce).into_future();
    let (subscription, _) = tokio::join!(subscribe, server.grant(ReasonCode::GRANTED_QOS_1));
    let mut subscription = subscription.unwrap();
    server.publish("a", QoS::AtLeastOnce, 1).await;
    server.publish("b", QoS::ExactlyOnce, 2).await;
    while subscription.len() != 2 {
        tokio::task::yield_now().await;
    }
    let mut events = client.events();
    drop(server);
    let mut server = net.accept(true).await;
    // Taken before the client knows that it comes again, it would be there twice.
    while !matches!(events.next().await, Some(Event::Connected { .. })) {}
    server.publish("a", QoS::AtLeastOnce, 1).await;
    server.publish("b", QoS::ExactlyOnce, 2).await;
    server.publish("end", QoS::AtMostOnce, 0).await;
    let mut taken = Vec::new();
    while taken.last().is_none_or(|last| last != "end") {
        let message = subscription.next().await.unwrap();
        taken.push(message.topic_name().to_owned());
    }
    taken.sort();
    assert_eq!(taken, ["a", "b", "end"]);
    let acks = [server.recv().await, server.recv().await];
    assert!(matches!(acks[0].packet(), Packet::PubAck(_)));
    assert!(matches!(acks[1].packet(), Packet::PubRec(_)));
}

/// What came before the server lost the session is still there to be taken.
#[tokio::test(start_paused = true)]
async fn what_was_not_taken_stays_when_the_session_is_lost() {
    let (client, mut server, mut net) = connected_over(|b| b).await;
    let subscribe = client.subscribe("#").qos(QoS::AtLeastOnce).into_future();
    let (subscription, _) = tokio::join!(subscribe, server.grant(ReasonCode::GRANTED_QOS_1));
    let mut subscription = subscription.unwrap();
    server.publish("a", QoS::AtLeastOnce, 1).await;
    while subscription.is_empty() {
        tokio::task::yield_now().await;
    }
    drop(server);
    let mut server = net.accept(false).await;
    server.grant(ReasonCode::GRANTED_QOS_1).await;
    assert_eq!(subscription.next().await.unwrap().topic_name(), "a");
    client.publish("t", "").await.unwrap();
    let next = server.recv().await;
    assert!(
        matches!(next.packet(), Packet::Publish(_)),
        "it is not acknowledged here"
    );
}

/// Covers: v5 [MQTT-3.3.2-7].
#[tokio::test(start_paused = true)]
async fn a_topic_alias_does_not_outlive_its_connection() {
    let aliases = [Property::TopicAliasMaximum(5)];
    let (mut net, builder) = net("first.example");
    let connect = kept(builder).connect();
    let (client, mut server) = tokio::join!(connect, net.accept_with(false, &aliases));
    let client = client.unwrap();
    let mut aliased = false;
    for _ in 0..5 {
        client.publish("a/long/topic/name", "").await.unwrap();
        aliased |= server.recv().await.publish().topic_name.is_none();
    }
    assert!(aliased, "a topic that comes often has an alias");
    drop(server);
    let mut server = net.accept_with(true, &aliases).await;
    client.publish("a/long/topic/name", "").await.unwrap();
    assert!(server.recv().await.publish().topic_name.is_some());
    // An alias of the connection before.
    server.send_bytes(&[0x30, 6, 0, 0, 3, 0x23, 0, 1]).await;
    let received = server.recv().await;
    assert!(matches!(received.packet(), Packet::Disconnect(_)));
}

#[tokio::test(start_paused = true)]
async fn only_the_first_connection_starts_clean_and_the_assigned_name_stays() {
    let (mut net, builder) = net("first.example");
    let assigned = [Property::AssignedClientIdentifier("given")];
    let connect = kept(builder).client_id("").connect();
    let script = async {
        let mut server = net.next(ProtocolVersion::V5).await;
        let connect = server.accept_with(false, &assigned).await;
        assert!(
            matches!(connect.packet(), Packet::Connect(c) if c.clean_start && c.client_id.is_empty())
        );
    };
    let (client, ()) = tokio::join!(connect, script);
    let client = client.unwrap();
    let mut server = net.next(ProtocolVersion::V5).await;
    let connect = server.accept_with(true, &[]).await;
    assert!(
        matches!(connect.packet(), Packet::Connect(c) if !c.clean_start && c.client_id == "given")
    );
    client.publish("t", "").await.unwrap();
    assert_eq!(client.connack().unwrap().client_id, "given");
}

/// Before v5 Clean Session says how a session ends too, so it cannot change on the way.
#[tokio::test(start_paused = true)]
async fn before_v5_every_connection_starts_as_the_first() {
    for clean_start in [true, false] {
        let (mut net, builder) = net("first.example");
        let builder = builder
            .version(ProtocolVersion::V311)
            .clean_start(clean_start);
        let script = async {
            for session_present in [false, !clean_start] {
                let mut server = net.next(ProtocolVersion::V311).await;
                let connect = server.accept_with(session_present, &[]).await;
                let Packet::Connect(connect) = connect.packet() else {
                    panic!("CONNECT")
                };
                assert_eq!(connect.clean_start, clean_start);
            }
        };
        let (client, ()) = tokio::join!(builder.connect(), script);
        client.unwrap();
    }
}

/// Whoever waits for everything to be said again gives the server's window back one by one.
///
/// Covers: v5 [MQTT-3.3.4-7].
#[tokio::test(start_paused = true)]
async fn a_resume_keeps_to_the_window_of_the_new_connection() {
    let (client, mut server, mut net) = connected_over(kept).await;
    let mut receipts = Vec::new();
    for topic_name in ["1", "2", "3"] {
        receipts.push(enqueue(&client, topic_name, QoS::AtLeastOnce).await);
        server.recv().await;
    }
    drop(server);
    let one = [Property::ReceiveMaximum(NonZeroU16::MIN)];
    let mut server = net.accept_with(true, &one).await;
    for topic_name in ["1", "2", "3"] {
        let received = server.recv().await;
        assert_eq!(received.publish().topic_name.unwrap().as_str(), topic_name);
        let early = tokio::time::timeout(Duration::from_secs(1), server.recv()).await;
        assert!(early.is_err(), "one at a time");
        server.send(Packet::PubAck(ack(received.packet_id()))).await;
    }
    for receipt in receipts {
        receipt.await.unwrap();
    }
}
