//! Acknowledging by the application, and messages that hold up all others.

use crate::net::connected_over;
use crate::server::{Server, ack, ack_with, connected, connected_with};
use mqtt_client::{
    Client, ClientBuilder, CloseReason, Event, Message, ProtocolVersion, QoS, ReasonCode,
    Subscribe, Subscription, Unanswered, WhenStalled,
};
use mqtt_codec::{Packet, PacketId};
use std::future::IntoFuture;
use std::time::Duration;
use tokio::time::timeout;

const QUOTA: ReasonCode = ReasonCode::QUOTA_EXCEEDED;

async fn subscribed(subscribe: Subscribe, server: &mut Server) -> Subscription {
    let subscribe = subscribe.qos(QoS::ExactlyOnce).into_future();
    let (subscription, _) = tokio::join!(subscribe, server.grant(ReasonCode::GRANTED_QOS_2));
    subscription.unwrap()
}

async fn manual(client: &Client, server: &mut Server) -> Subscription {
    subscribed(client.subscribe("#").manual_ack(), server).await
}

async fn take(subscription: &mut Subscription, count: usize) -> Vec<Message> {
    let mut messages = Vec::new();
    while messages.len() < count {
        messages.push(subscription.next().await.unwrap());
    }
    messages
}

fn id(packet_id: u16) -> PacketId {
    PacketId::new(packet_id).unwrap()
}

async fn is_silent(server: &mut Server) -> bool {
    timeout(Duration::from_secs(1), server.recv())
        .await
        .is_err()
}

/// Covers: v5 [MQTT-4.6.0-2], v5 [MQTT-4.6.0-3].
#[tokio::test(start_paused = true)]
async fn answers_leave_in_the_order_of_arrival() {
    let (client, mut server) = connected(ProtocolVersion::V5).await;
    let mut subscription = manual(&client, &mut server).await;
    server.publish("1", QoS::AtLeastOnce, 1).await;
    server.publish("2", QoS::ExactlyOnce, 2).await;
    server.publish("3", QoS::AtLeastOnce, 3).await;
    let messages = take(&mut subscription, 3).await;
    assert!(is_silent(&mut server).await, "taking is not answering");
    messages[2].ack();
    messages[1].reject(QUOTA);
    assert!(is_silent(&mut server).await, "the first is not answered");
    messages[0].ack();
    let refused = ack_with(id(2), QUOTA);
    for expected in [
        Packet::PubAck(ack(id(1))),
        Packet::PubRec(refused),
        Packet::PubAck(ack(id(3))),
    ] {
        assert_eq!(server.recv().await.packet(), expected);
    }
    for message in &messages {
        message.ack();
        message.reject(QUOTA);
    }
    assert!(is_silent(&mut server).await, "once is enough");
}

/// The right to answer needs no message, and clones share it.
#[tokio::test(start_paused = true)]
async fn an_answer_can_be_kept_apart_from_its_message() {
    let (client, mut server) = connected(ProtocolVersion::V5).await;
    let mut subscription = manual(&client, &mut server).await;
    server.publish("1", QoS::AtLeastOnce, 1).await;
    let message = subscription.next().await.unwrap();
    let acker = message.clone().take_acker().unwrap();
    assert!(message.take_acker().is_none());
    drop((message, subscription));
    assert_eq!(server.unsubscribed().await, ["#"]);
    assert!(is_silent(&mut server).await);
    acker.ack();
    assert_eq!(server.recv().await.packet(), Packet::PubAck(ack(id(1))));
}

#[tokio::test(start_paused = true)]
async fn a_message_dropped_without_an_answer_gets_the_one_that_was_chosen() {
    let expected = [
        (Unanswered::Ack, Some(ack(id(1)))),
        (Unanswered::Reject(QUOTA), Some(ack_with(id(1), QUOTA))),
        (Unanswered::Leave, None),
    ];
    for (unanswered, expected) in expected {
        let (client, mut server) = connected(ProtocolVersion::V5).await;
        let subscribe = client.subscribe("#").on_unanswered(unanswered);
        let mut subscription = subscribed(subscribe, &mut server).await;
        server.publish("1", QoS::AtLeastOnce, 1).await;
        drop(subscription.next().await.unwrap());
        match expected {
            Some(ack) => assert_eq!(server.recv().await.packet(), Packet::PubAck(ack)),
            None => assert!(is_silent(&mut server).await),
        }
    }
}

/// An application that throws messages of QoS 2 away without an answer gets them again on the next connection, and
/// they do not hold up the acknowledgements there.
#[tokio::test(start_paused = true)]
async fn what_was_left_without_an_answer_comes_again() {
    let kept = |builder: ClientBuilder| builder.session_expiry(Duration::from_secs(60));
    let (client, mut server, mut net) = connected_over(kept).await;
    let mut subscription = manual(&client, &mut server).await;
    server.publish("once", QoS::ExactlyOnce, 1).await;
    server.publish("again", QoS::AtLeastOnce, 2).await;
    drop(take(&mut subscription, 2).await);
    assert!(is_silent(&mut server).await);
    drop(server);
    let mut server = net.accept(true).await;
    server.publish("once", QoS::ExactlyOnce, 1).await;
    server.publish("again", QoS::AtLeastOnce, 2).await;
    for message in take(&mut subscription, 2).await {
        message.ack();
    }
    assert_eq!(server.recv().await.packet(), Packet::PubRec(ack(id(1))));
    assert_eq!(server.recv().await.packet(), Packet::PubAck(ack(id(2))));
}

/// A message of QoS 2 taken on one connection may be answered on the next: it is not given again.
#[tokio::test(start_paused = true)]
async fn a_message_of_qos_2_can_be_answered_on_the_next_connection() {
    let kept = |builder: ClientBuilder| builder.session_expiry(Duration::from_secs(60));
    let (client, mut server, mut net) = connected_over(kept).await;
    let mut subscription = manual(&client, &mut server).await;
    server.publish("once", QoS::ExactlyOnce, 1).await;
    let message = subscription.next().await.unwrap();
    drop(server);
    let mut server = net.accept(true).await;
    server.publish("once", QoS::ExactlyOnce, 1).await;
    assert!(is_silent(&mut server).await, "it is not answered yet");
    assert!(subscription.is_empty());
    message.ack();
    assert_eq!(server.recv().await.packet(), Packet::PubRec(ack(id(1))));
}

/// Two subscriptions that got the same message: it is answered when both are done.
#[tokio::test(start_paused = true)]
async fn a_message_for_two_is_answered_when_both_are_done() {
    let (client, mut server) = connected(ProtocolVersion::V311).await;
    let mut first = manual(&client, &mut server).await;
    let mut second = subscribed(client.subscribe("a"), &mut server).await;
    server.publish("a", QoS::AtLeastOnce, 1).await;
    first.next().await.unwrap().ack();
    assert!(is_silent(&mut server).await);
    second.next().await.unwrap();
    assert_eq!(server.recv().await.packet(), Packet::PubAck(ack(id(1))));
}

/// A client of a window of 4, with a subscription nobody reads that says `when_stalled`, and one that is read.
async fn stalled(when_stalled: WhenStalled) -> (Client, Server, Subscription, Subscription) {
    let window = |builder: ClientBuilder| builder.receive_maximum(4);
    let (client, mut server) = connected_with(ProtocolVersion::V5, window, &[]).await;
    let slow = client.subscribe("slow").capacity(2);
    let slow = subscribed(slow.when_stalled(when_stalled), &mut server).await;
    let quick = subscribed(client.subscribe("quick"), &mut server).await;
    server.publish("slow", QoS::AtLeastOnce, 1).await;
    (client, server, slow, quick)
}

async fn stall_event(client: &Client) -> (String, WhenStalled) {
    let mut events = client.events();
    loop {
        if let Event::Stalled { topic_name, action } = events.next().await.unwrap() {
            return (topic_name, action);
        }
    }
}

/// One subscription that nobody reads does not stop the others, until the window is full; then it is told.
#[tokio::test(start_paused = true)]
async fn others_go_on_until_the_window_is_full() {
    let (client, mut server, mut slow, mut quick) = stalled(WhenStalled::Wait).await;
    for packet_id in 2..=4 {
        server.publish("quick", QoS::AtLeastOnce, packet_id).await;
        assert!(quick.next().await.is_some());
    }
    client.publish("t", "").await.unwrap();
    assert!(matches!(server.recv().await.packet(), Packet::Publish(_)));
    assert_eq!(
        stall_event(&client).await,
        ("slow".into(), WhenStalled::Wait)
    );
    assert!(is_silent(&mut server).await, "nothing is done");
    assert!(slow.next().await.is_some());
    for packet_id in 1..=4 {
        assert_eq!(
            server.recv().await.packet(),
            Packet::PubAck(ack(id(packet_id)))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_stalled_subscription_may_be_acknowledged_and_keep_what_fits() {
    let (client, mut server, mut slow, mut quick) = stalled(WhenStalled::Keep).await;
    for packet_id in 2..=3 {
        server.publish("slow", QoS::AtLeastOnce, packet_id).await;
    }
    server.publish("quick", QoS::AtLeastOnce, 4).await;
    assert!(quick.next().await.is_some());
    assert_eq!(stall_event(&client).await.1, WhenStalled::Keep);
    for packet_id in 1..=4 {
        assert_eq!(
            server.recv().await.packet(),
            Packet::PubAck(ack(id(packet_id)))
        );
    }
    // From now on they are acknowledged as they come.
    server.publish("slow", QoS::AtLeastOnce, 5).await;
    assert_eq!(server.recv().await.packet(), Packet::PubAck(ack(id(5))));
    assert_eq!((slow.len(), slow.dropped()), (2, 2));
    take(&mut slow, 2).await;
    // All taken: the next waits for being taken again.
    server.publish("slow", QoS::AtLeastOnce, 6).await;
    assert!(is_silent(&mut server).await);
    take(&mut slow, 1).await;
    assert_eq!(server.recv().await.packet(), Packet::PubAck(ack(id(6))));
}

#[tokio::test(start_paused = true)]
async fn a_stalled_subscription_may_refuse() {
    let (_client, mut server, slow, mut quick) = stalled(WhenStalled::Reject(QUOTA)).await;
    for packet_id in 2..=4 {
        server.publish("quick", QoS::AtLeastOnce, packet_id).await;
        assert!(quick.next().await.is_some());
    }
    let refused = Packet::PubAck(ack_with(id(1), QUOTA));
    assert_eq!(server.recv().await.packet(), refused);
    for packet_id in 2..=4 {
        assert_eq!(
            server.recv().await.packet(),
            Packet::PubAck(ack(id(packet_id)))
        );
    }
    assert!(slow.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_stalled_subscription_may_end_the_connection() {
    let (client, mut server, _slow, mut quick) = stalled(WhenStalled::Disconnect).await;
    for packet_id in 2..=4 {
        server.publish("quick", QoS::AtLeastOnce, packet_id).await;
        assert!(quick.next().await.is_some());
    }
    let received = server.recv().await;
    let Packet::Disconnect(disconnect) = received.packet() else {
        panic!("DISCONNECT")
    };
    assert_eq!(disconnect.reason, QUOTA);
    drop(server);
    let reason = client.closed().await;
    assert!(matches!(reason, CloseReason::Stalled), "{reason}");
}

/// Messages the application has and never answers are no different from those it never takes.
#[tokio::test(start_paused = true)]
async fn a_message_that_is_taken_and_never_answered_stalls_too() {
    let window = |builder: ClientBuilder| builder.receive_maximum(2);
    for is_dropped in [false, true] {
        let (client, mut server) = connected_with(ProtocolVersion::V5, window, &[]).await;
        let subscribe = client.subscribe("#").manual_ack();
        let subscribe = subscribe.when_stalled(WhenStalled::Keep);
        let mut subscription = subscribed(subscribe, &mut server).await;
        server.publish("1", QoS::AtLeastOnce, 1).await;
        server.publish("2", QoS::AtLeastOnce, 2).await;
        let mut messages = take(&mut subscription, 2).await;
        messages.pop().unwrap().ack();
        if is_dropped {
            messages.clear();
        }
        for packet_id in 1..=2 {
            assert_eq!(
                server.recv().await.packet(),
                Packet::PubAck(ack(id(packet_id)))
            );
        }
    }
}

/// A consumer that is only a little late is left alone.
#[tokio::test(start_paused = true)]
async fn a_full_window_for_a_moment_is_no_stall() {
    let (client, mut server, mut slow, mut quick) = stalled(WhenStalled::Reject(QUOTA)).await;
    for round in 0..3 {
        for packet_id in 2..=4 {
            server.publish("quick", QoS::AtLeastOnce, packet_id).await;
            assert!(quick.next().await.is_some());
        }
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert!(slow.next().await.is_some(), "round {round}");
        for packet_id in 1..=4 {
            assert_eq!(
                server.recv().await.packet(),
                Packet::PubAck(ack(id(packet_id)))
            );
        }
        server.publish("slow", QoS::AtLeastOnce, 1).await;
    }
    drop(client);
}
