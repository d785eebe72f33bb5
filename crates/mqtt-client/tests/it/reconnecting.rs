//! Connections that are lost and made again: what outlives them, and when the client gives up.

use crate::net::{connected_over, net};
use crate::server::{Server, ack, ack_with};
use mqtt_client::{
    Client, ClientBuilder, CloseReason, ConnectError, Credentials, Event, ProtocolVersion,
    PublishError, QoS, ReasonCode, Receipt, Reconnect, State,
};
use mqtt_codec::{
    ConnAck, Disconnect, Packet, Properties, Property, PropertyList, SubscriptionIdentifier,
};
use std::future::IntoFuture;
use std::num::NonZeroU16;
use std::time::Duration;
use tokio::time::Instant;

async fn enqueue(client: &Client, topic_name: &str, qos: QoS) -> Receipt {
    let publish = client.publish(topic_name, "x").qos(qos);
    publish.enqueue().await.unwrap()
}

async fn refuse(server: &mut Server, reason: ReasonCode, properties: &[Property<'_>]) {
    let list = PropertyList::new(properties);
    server.recv().await;
    let properties = Properties::from(&list);
    server
        .send(Packet::ConnAck(ConnAck {
            session_present: false,
            reason,
            properties,
        }))
        .await;
}

async fn disconnect(server: &mut Server, reason: ReasonCode, properties: &[Property<'_>]) {
    let list = PropertyList::new(properties);
    let properties = Properties::from(&list);
    server
        .send(Packet::Disconnect(Disconnect { reason, properties }))
        .await;
}

fn kept(builder: ClientBuilder) -> ClientBuilder {
    builder.session_expiry(Duration::from_secs(60))
}

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

/// A publish while the broker is away neither fails nor blocks, and is sent when it is back.
#[tokio::test(start_paused = true)]
async fn what_is_published_without_a_connection_waits_in_order() {
    let (client, server, mut net) = connected_over(|b| b.publish_capacity(3)).await;
    net.set_down(true);
    drop(server);
    net.attempt().await;
    let mut receipts = Vec::new();
    for (topic_name, qos) in [
        ("1", QoS::AtLeastOnce),
        ("2", QoS::AtMostOnce),
        ("3", QoS::AtLeastOnce),
    ] {
        receipts.push(enqueue(&client, topic_name, qos).await);
    }
    net.set_down(false);
    let mut server = loop {
        let mut server = net.next(ProtocolVersion::V5).await;
        if server.try_recv().await.is_some() {
            let connack = ConnAck {
                session_present: false,
                reason: ReasonCode::SUCCESS,
                properties: Properties::EMPTY,
            };
            server.send(Packet::ConnAck(connack)).await;
            break server;
        }
    };
    for topic_name in ["1", "2", "3"] {
        let received = server.recv().await;
        let publish = received.publish();
        assert_eq!(publish.topic_name.unwrap().as_str(), topic_name);
        assert!(!publish.dup, "never sent before");
        if publish.delivery.packet_id().is_some() {
            server.send(Packet::PubAck(ack(received.packet_id()))).await;
        }
    }
    for receipt in receipts {
        receipt.await.unwrap();
    }
}

/// Stale messages are not sent after an outage, and fresh ones say how much of their time is left.
///
/// Covers: v5 [MQTT-3.3.2-5], v5 [MQTT-3.3.2-6].
#[tokio::test(start_paused = true)]
async fn expiry_counts_while_a_message_waits() {
    let (client, server, mut net) = connected_over(|b| b).await;
    net.set_down(true);
    drop(server);
    net.attempt().await;
    let publish = |expiry_s| {
        let publish = client.publish("t", "").qos(QoS::AtLeastOnce);
        publish
            .message_expiry(Duration::from_secs(expiry_s))
            .enqueue()
    };
    let (stale, fresh) = (publish(10).await.unwrap(), publish(1000).await.unwrap());
    let begun = Instant::now();
    assert!(matches!(stale.await, Err(PublishError::Expired)));
    assert_eq!(
        begun.elapsed(),
        Duration::from_secs(10),
        "it ends without a connection"
    );
    net.set_down(false);
    let mut server = loop {
        let mut server = net.next(ProtocolVersion::V5).await;
        if server.try_recv().await.is_some() {
            break server;
        }
    };
    let connack = ConnAck {
        session_present: false,
        reason: ReasonCode::SUCCESS,
        properties: Properties::EMPTY,
    };
    server.send(Packet::ConnAck(connack)).await;
    let waited_s = u32::try_from(begun.elapsed().as_secs()).unwrap();
    let received = server.recv().await;
    let left_s = received
        .publish()
        .properties
        .message_expiry_interval_s()
        .unwrap();
    assert!(
        left_s <= 1000 - waited_s && left_s + 1 >= 1000 - waited_s,
        "{left_s} after {waited_s}"
    );
    server.send(Packet::PubAck(ack(received.packet_id()))).await;
    fresh.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_message_of_qos_0_that_may_be_gone_says_so() {
    let (client, server, _net) = connected_over(|b| b.keep_alive(Duration::ZERO)).await;
    let more_than_fits = vec![0; 2 * crate::server::DUPLEX_LEN];
    let receipt = client.publish("t", more_than_fits).enqueue().await.unwrap();
    tokio::task::yield_now().await;
    drop(server);
    let error = receipt.await.unwrap_err();
    assert!(matches!(error, PublishError::ConnectionLost(_)), "{error}");
    assert!(error.is_retryable());
}

/// The delays are those of the policy, drawn anew in each round over all servers.
#[tokio::test(start_paused = true)]
async fn every_server_is_tried_before_each_delay() {
    let (mut net, builder) = net("first.example");
    net.set_down(true);
    let policy = Reconnect::new().from_start().seed(5).max_rounds(4);
    let client = builder
        .fallback_server("second.example:1884")
        .reconnect(policy)
        .start()
        .unwrap();
    let mut events = client.events();
    let mut last = Instant::now();
    let mut bounds = Vec::new();
    for round in 0..5u32 {
        let first = net.attempt().await;
        assert_eq!(&*first.server, "mqtt://first.example:1883");
        assert_eq!(first.number, 2 * round + 1);
        assert_eq!(first.last_error.is_some(), round > 0);
        bounds.push(last.elapsed());
        let second = net.attempt().await;
        assert_eq!(&*second.server, "mqtt://second.example:1884");
        assert!(last.elapsed() < bounds[bounds.len() - 1] + Duration::from_millis(2));
        last = Instant::now();
    }
    for (round, waited) in bounds.iter().enumerate().skip(1) {
        let bound = Duration::from_millis(100) * 2u32.pow(u32::try_from(round).unwrap() - 1);
        assert!(
            *waited <= bound + Duration::from_millis(2),
            "round {round}: {waited:?}"
        );
    }
    let reason = client.closed().await;
    assert!(matches!(reason, CloseReason::ConnectFailed(_)), "{reason}");
    let mut failures = 0;
    while let Some(event) = events.next().await {
        failures += u32::from(matches!(event, Event::ConnectFailed { .. }));
    }
    assert_eq!(failures, 10);
}

#[tokio::test(start_paused = true)]
async fn a_fallback_server_takes_over() {
    let (mut net, builder) = net("first.example");
    net.refuse(1);
    let script = async {
        assert_eq!(&*net.attempt().await.server, "mqtt://first.example:1883");
        net.accept(false).await
    };
    let connect = builder.fallback_server("second.example").connect();
    let (client, _server) = tokio::join!(connect, script);
    client.unwrap();
}

/// Wrong credentials were tried for ever.
#[tokio::test(start_paused = true)]
async fn who_is_not_let_in_does_not_try_again() {
    for reason in [
        ReasonCode::BAD_USER_NAME_OR_PASSWORD,
        ReasonCode::NOT_AUTHORIZED,
        ReasonCode::BANNED,
        ReasonCode::CLIENT_IDENTIFIER_NOT_VALID,
    ] {
        let (client, server, mut net) = connected_over(|b| b).await;
        drop(server);
        let mut server = net.next(ProtocolVersion::V5).await;
        refuse(&mut server, reason, &[]).await;
        let closed = client.closed().await;
        let CloseReason::ConnectFailed(error) = &closed else {
            panic!("{closed}")
        };
        assert_eq!(error.reason(), Some(reason));
        assert!(!error.is_retryable());
        assert_eq!(
            error.is_auth(),
            reason != ReasonCode::CLIENT_IDENTIFIER_NOT_VALID
        );
        let error = client.publish("t", "").await.unwrap_err();
        assert!(!error.is_retryable(), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_busy_is_asked_again() {
    for reason in [ReasonCode::SERVER_BUSY, ReasonCode::SERVER_UNAVAILABLE] {
        let (client, server, mut net) = connected_over(|b| b).await;
        drop(server);
        let mut server = net.next(ProtocolVersion::V5).await;
        refuse(&mut server, reason, &[]).await;
        let _server = net.accept(false).await;
        client.connected().await.unwrap();
    }
}

/// Two clients of one name would throw each other out for ever.
#[tokio::test(start_paused = true)]
async fn who_is_taken_over_does_not_take_over_in_turn() {
    for reason in [ReasonCode::SESSION_TAKEN_OVER, ReasonCode::PACKET_TOO_LARGE] {
        let (client, mut server, _net) = connected_over(|b| b).await;
        disconnect(&mut server, reason, &[]).await;
        let closed = client.closed().await;
        assert!(
            matches!(&closed, CloseReason::ServerDisconnected(d) if d.reason == reason),
            "{closed}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_shuts_down_is_waited_for() {
    let (client, mut server, mut net) = connected_over(|b| b).await;
    let mut states = client.state();
    disconnect(&mut server, ReasonCode::SERVER_SHUTTING_DOWN, &[]).await;
    drop(server);
    let connecting = states.wait_for(|state| matches!(state, State::Connecting));
    connecting.await.unwrap();
    let _server = net.accept(false).await;
    let connected = states.wait_for(|state| matches!(state, State::Connected(_)));
    connected.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_server_reference_is_followed() {
    for (reason, permanent) in [
        (ReasonCode::USE_ANOTHER_SERVER, false),
        (ReasonCode::SERVER_MOVED, true),
    ] {
        let (client, mut server, mut net) = connected_over(|b| b).await;
        let mut events = client.events();
        let reference = [Property::ServerReference("other.example:2000")];
        disconnect(&mut server, reason, &reference).await;
        drop(server);
        let to = net.attempt().await;
        assert_eq!(&*to.server, "mqtt://other.example:2000");
        // Where to go after that connection depends on what was said.
        let then = net.attempt().await;
        let expected = match permanent {
            true => "mqtt://other.example:2000",
            false => "mqtt://first.example:1883",
        };
        assert_eq!(&*then.server, expected);
        let redirected = loop {
            if let Event::Redirected { to, permanent } = events.next().await.unwrap() {
                break (to, permanent);
            }
        };
        assert_eq!(redirected, ("mqtt://other.example:2000".into(), permanent));
    }
}

/// Two servers that name each other are not followed for ever.
#[tokio::test(start_paused = true)]
async fn server_references_are_bounded() {
    let (mut net, builder) = net("a.example");
    let script = async {
        let mut followed = 0;
        loop {
            let mut server = net.next(ProtocolVersion::V5).await;
            let reference = [Property::ServerReference("a.example b.example")];
            refuse(&mut server, ReasonCode::USE_ANOTHER_SERVER, &reference).await;
            followed += 1;
            assert!(followed < 20, "followed for ever");
        }
    };
    let connect = builder.reconnect(Reconnect::never()).connect();
    tokio::select! {
        () = script => {}
        client = connect => {
            let error = client.unwrap_err();
            assert_eq!(error.reason(), Some(ReasonCode::USE_ANOTHER_SERVER));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn credentials_are_asked_for_on_every_attempt() {
    let (mut net, builder) = net("first.example");
    let builder = builder.credentials_with(|attempt| async move {
        match attempt.number {
            2 => Err("no token yet".to_owned()),
            number => Ok(Credentials::new("me", format!("token {number}"))),
        }
    });
    let (client, server) = tokio::join!(builder.connect(), net.accept(false));
    let client = client.unwrap();
    let mut events = client.events();
    drop(server);
    // The first attempt fails, the second gets no credentials, the third succeeds.
    let mut server = net.next(ProtocolVersion::V5).await;
    let connect = server.recv().await;
    assert!(matches!(connect.packet(), Packet::Connect(c) if c.password == Some(b"token 1")));
    drop(server);
    let mut server = net.next(ProtocolVersion::V5).await;
    let connect = server.accept().await;
    assert!(matches!(connect.packet(), Packet::Connect(c) if c.password == Some(b"token 3")));
    let error = loop {
        if let Event::ConnectFailed { error, .. } = events.next().await.unwrap()
            && matches!(error, ConnectError::Credentials(_))
        {
            break error;
        }
    };
    assert_eq!(error.to_string(), "credentials: no token yet");
    assert!(error.is_retryable());
}

#[tokio::test(start_paused = true)]
async fn disconnecting_without_a_connection_does_not_wait_for_one() {
    let (client, server, net) = connected_over(|b| b).await;
    net.set_down(true);
    drop(server);
    let mut states = client.state();
    let connecting = states.wait_for(|state| matches!(state, State::Connecting));
    connecting.await.unwrap();
    let begun = Instant::now();
    client.disconnect().await.unwrap();
    assert!(begun.elapsed() < Duration::from_millis(200));
    assert!(matches!(client.closed().await, CloseReason::Disconnected));
}

#[tokio::test(start_paused = true)]
async fn disconnecting_waits_for_a_connection_while_something_is_owed() {
    let (client, server, mut net) = connected_over(|b| b).await;
    drop(server);
    let mut states = client.state();
    let connecting = states.wait_for(|state| matches!(state, State::Connecting));
    connecting.await.unwrap();
    let receipt = enqueue(&client, "t", QoS::AtLeastOnce).await;
    let script = async {
        let mut server = net.accept(false).await;
        let packet_id = server.recv().await.packet_id();
        server.send(Packet::PubAck(ack(packet_id))).await;
        server.disconnected().await;
    };
    let (disconnected, ()) = tokio::join!(client.disconnect().into_future(), script);
    disconnected.unwrap();
    receipt.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn drain_waits_and_ends_nothing() {
    let (client, mut server, mut net) = connected_over(kept).await;
    client.drain().await.unwrap();
    let receipt = enqueue(&client, "t", QoS::AtLeastOnce).await;
    let script = async {
        server.recv().await;
        drop(server);
        let mut server = net.accept(true).await;
        let packet_id = server.recv().await.packet_id();
        server.send(Packet::PubAck(ack(packet_id))).await;
        server
    };
    let (drained, mut server) = tokio::join!(client.drain(), script);
    drained.unwrap();
    receipt.await.unwrap();
    client.publish("on", "").await.unwrap();
    assert_eq!(
        server.recv().await.publish().topic_name.unwrap().as_str(),
        "on"
    );
}

/// A server that accepts and leaves at once gets no flood of connections.
#[tokio::test(start_paused = true)]
async fn a_connection_that_does_not_last_does_not_shorten_the_delay() {
    let (client, server, mut net) = connected_over(|b| b).await;
    drop(server);
    let begun = Instant::now();
    for _ in 0..30 {
        drop(net.accept(false).await);
    }
    assert!(
        begun.elapsed() > Duration::from_secs(60),
        "{:?}",
        begun.elapsed()
    );
    drop(client);
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
