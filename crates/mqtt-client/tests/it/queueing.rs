//! Places for messages: waiting for them, keeping them, and what happens when there is none.

use crate::net::{connected_over, enqueue};
use crate::server::{DUPLEX_LEN, ack, ack_with, connected, connected_with};
use mqtt_client::{
    Client, ProtocolVersion, PublishError, QoS, ReasonCode, Receipt, TryEnqueueError,
};
use mqtt_codec::{Packet, Property};
use std::future::{Future, IntoFuture};
use std::num::NonZeroU16;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn a_message_without_a_place_comes_back() {
    let (client, mut server) =
        connected_with(ProtocolVersion::V5, |b| b.publish_capacity(1), &[]).await;
    let publish = |topic_name: &str| client.publish(topic_name, "x").qos(QoS::AtLeastOnce);
    let first = publish("1").try_enqueue().unwrap();
    let Err(TryEnqueueError::Full(second)) = publish("2").try_enqueue() else {
        panic!("there is one place")
    };
    let error = publish("a/+").try_enqueue().unwrap_err();
    let is_topic = matches!(&error, TryEnqueueError::Publish(PublishError::TopicName(_)));
    assert!(is_topic, "{error}");
    let _other = client.publish("other", "").try_enqueue().unwrap();
    let packet_id = server.recv().await.packet_id();
    server.send(Packet::PubAck(ack(packet_id))).await;
    first.await.unwrap();
    let _second = second.try_enqueue().unwrap();
    assert_eq!(
        server.recv().await.publish().topic_name.unwrap().as_str(),
        "other"
    );
    assert_eq!(
        server.recv().await.publish().topic_name.unwrap().as_str(),
        "2"
    );
}

#[tokio::test(start_paused = true)]
async fn bytes_are_bounded_too() {
    let (client, mut server) =
        connected_with(ProtocolVersion::V5, |b| b.publish_bytes(100), &[]).await;
    let publish = |len: usize| client.publish("t", vec![0; len]).qos(QoS::AtLeastOnce);
    let _first = publish(60).try_enqueue().unwrap();
    assert!(matches!(
        publish(60).try_enqueue(),
        Err(TryEnqueueError::Full(_))
    ));
    let mut second = pin!(publish(60).enqueue());
    let mut cx = Context::from_waker(Waker::noop());
    assert!(second.as_mut().poll(&mut cx).is_pending());
    let packet_id = server.recv().await.packet_id();
    server.send(Packet::PubAck(ack(packet_id))).await;
    let second = second.await.unwrap();
    let packet_id = server.recv().await.packet_id();
    server.send(Packet::PubAck(ack(packet_id))).await;
    second.await.unwrap();
    // One that is longer than all goes alone.
    let _longer = publish(1000).enqueue().await.unwrap();
    assert!(matches!(
        publish(0).try_enqueue(),
        Err(TryEnqueueError::Full(_))
    ));
    assert_eq!(server.recv().await.publish().payload.len(), 1000);
}

/// In a `select!`, waiting for a place loses no message and half publishes none.
#[tokio::test(start_paused = true)]
async fn a_place_can_be_kept_and_given_back() {
    let (client, mut server) =
        connected_with(ProtocolVersion::V5, |b| b.publish_capacity(1), &[]).await;
    let permit = client.reserve(QoS::AtLeastOnce, 10).await.unwrap();
    let second = tokio::time::timeout(Duration::from_secs(1), client.reserve(QoS::AtLeastOnce, 10));
    assert!(second.await.is_err(), "the only place is kept");
    drop(permit);
    let permit = client.reserve(QoS::AtLeastOnce, 10).await.unwrap();
    let too_long = permit.send(|client| client.publish("topic", "longer than that"));
    let error = too_long.unwrap_err();
    assert!(
        matches!(
            error,
            PublishError::LongerThanReserved {
                len: 21,
                len_max: 10
            }
        ),
        "{error}"
    );
    let permit = client.reserve(QoS::AtLeastOnce, 10).await.unwrap();
    let receipt = permit
        .send(|client| client.publish("topic", "x").retain())
        .unwrap();
    let received = server.recv().await;
    assert!(received.publish().retain);
    server.send(Packet::PubAck(ack(received.packet_id()))).await;
    receipt.await.unwrap();
}

/// The message of another client took the place with it, which was given back to that one.
#[tokio::test(start_paused = true)]
async fn regress_a_place_stays_with_the_client_that_keeps_it() {
    let (client, mut server) =
        connected_with(ProtocolVersion::V5, |b| b.publish_capacity(1), &[]).await;
    let (other, _other_server) = connected(ProtocolVersion::V5).await;
    let permit = client.reserve(QoS::AtLeastOnce, 10).await.unwrap();
    let receipt = permit.send(|_| other.publish("topic", "x")).unwrap();
    let packet_id = server.recv().await.packet_id();
    server.send(Packet::PubAck(ack(packet_id))).await;
    receipt.await.unwrap();
    let again = client.reserve(QoS::AtLeastOnce, 10);
    let again = tokio::time::timeout(Duration::from_secs(1), again).await;
    assert!(again.is_ok(), "the only place is there again");
}

/// Publishes once more when it is woken.
struct Next(Client, QoS);

impl Next {
    /// Has it woken by the answer to `receipt`.
    fn after(receipt: &mut Receipt, client: &Client, qos: QoS) {
        let waker = Waker::from(Arc::new(Self(client.clone(), qos)));
        let polled = Pin::new(receipt).poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
    }
}

impl Wake for Next {
    fn wake(self: Arc<Self>) {
        let next = self.0.publish("next", "x").qos(self.1).try_enqueue();
        drop(next.unwrap());
    }
}

/// Who was answered published the next message at once, and found the place of the first still taken.
#[tokio::test(start_paused = true)]
async fn regress_a_place_is_free_before_its_message_is_answered() {
    for reason in [ReasonCode::SUCCESS, ReasonCode::NOT_AUTHORIZED] {
        let (client, mut server) =
            connected_with(ProtocolVersion::V5, |b| b.publish_capacity(1), &[]).await;
        let publish = client.publish("first", "x").qos(QoS::AtLeastOnce);
        let mut receipt = publish.try_enqueue().unwrap();
        Next::after(&mut receipt, &client, QoS::AtLeastOnce);
        let packet_id = server.recv().await.packet_id();
        server
            .send(Packet::PubAck(ack_with(packet_id, reason)))
            .await;
        let received = server.recv().await;
        let publish = received.publish();
        assert_eq!(publish.topic_name.unwrap().as_str(), "next", "{reason}");
        assert_eq!(receipt.await.is_ok(), reason == ReasonCode::SUCCESS);
    }
}

/// The same for a message of QoS 0 that is lost with its connection.
#[tokio::test(start_paused = true)]
async fn regress_a_place_is_free_before_its_message_is_lost() {
    let (client, server, mut net) = connected_over(|b| b.publish_capacity(1)).await;
    let publish = client.publish("first", vec![0; 2 * DUPLEX_LEN]);
    let mut receipt = publish.try_enqueue().unwrap();
    Next::after(&mut receipt, &client, QoS::AtMostOnce);
    tokio::task::yield_now().await;
    drop(server);
    let mut server = net.accept(false).await;
    let error = receipt.await.unwrap_err();
    assert!(matches!(error, PublishError::ConnectionLost(_)), "{error}");
    let received = server.recv().await;
    assert_eq!(received.publish().topic_name.unwrap().as_str(), "next");
}

/// It waited for a connection behind messages of QoS 1, and then for their window, which later ones do not wait for.
#[tokio::test(start_paused = true)]
async fn regress_a_message_of_qos_0_that_waited_is_not_overtaken() {
    let (client, server, mut net) = connected_over(|b| b).await;
    drop(server);
    let mut server = net.next(ProtocolVersion::V5).await;
    let _first = enqueue(&client, "1", QoS::AtLeastOnce).await;
    let _second = enqueue(&client, "2", QoS::AtLeastOnce).await;
    let _older = client.publish("t", "older").enqueue().await.unwrap();
    let one = [Property::ReceiveMaximum(NonZeroU16::MIN)];
    server.accept_with(false, &one).await;
    let first = server.recv().await;
    assert_eq!(first.publish().topic_name.unwrap().as_str(), "1");
    client.publish("t", "newer").await.unwrap();
    for payload in ["older", "newer"] {
        let received = server.recv().await;
        assert_eq!(received.publish().payload, payload.as_bytes());
    }
    server.send(Packet::PubAck(ack(first.packet_id()))).await;
    let second = server.recv().await;
    assert_eq!(second.publish().topic_name.unwrap().as_str(), "2");
}

/// The application goes on while the broker is away and everything is full.
#[tokio::test(start_paused = true)]
async fn a_full_queue_without_a_connection_blocks_nobody_who_does_not_want_it() {
    let (client, server, net) = connected_over(|b| b.publish_capacity(2)).await;
    net.set_down(true);
    drop(server);
    let mut receipts = Vec::new();
    let full = loop {
        match client.publish("t", "x").qos(QoS::AtLeastOnce).try_enqueue() {
            Ok(receipt) => receipts.push(receipt),
            Err(full) => break full,
        }
    };
    assert!(matches!(full, TryEnqueueError::Full(_)));
    assert_eq!(receipts.len(), 2);
    client
        .disconnect()
        .timeout(Duration::from_secs(1))
        .await
        .unwrap_err();
    for receipt in receipts {
        assert!(matches!(receipt.await, Err(PublishError::Closed(_))));
    }
}

/// Whatever becomes of a future that is dropped, the message is sent once or not at all.
#[tokio::test]
async fn a_publish_that_is_dropped_is_sent_whole_or_not_at_all() {
    let (client, mut server) = connected(ProtocolVersion::V5).await;
    let unpolled = client.publish("never", "x");
    drop(unpolled);
    let mut cx = Context::from_waker(Waker::noop());
    {
        let polled = client.publish("sent", "x").into_future();
        let mut polled = pin!(polled);
        assert!(polled.as_mut().poll(&mut cx).is_pending());
    }
    client.publish("last", "x").await.unwrap();
    assert_eq!(
        server.recv().await.publish().topic_name.unwrap().as_str(),
        "sent"
    );
    assert_eq!(
        server.recv().await.publish().topic_name.unwrap().as_str(),
        "last"
    );
}
