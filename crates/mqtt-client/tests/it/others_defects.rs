//! Mistakes that can be read in the sources of other clients, each with a server that brings it to light.
//!
//! The numbers are those of `docs/design/client.md`.

use crate::net::{connected_over, enqueue, kept, net};
use crate::server::{DUPLEX_LEN, Server, ack, ack_with, connected, connected_with};
use mqtt_client::{
    Client, ProtocolVersion, PublishError, QoS, ReasonCode, SendRefusal, Stream, Will,
};
use mqtt_codec::{Ack, Packet, PacketId, Properties, Property, PropertyList};
use std::future::IntoFuture;
use std::io;
use std::num::{NonZeroU16, NonZeroU32};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

/// A server that takes one message of QoS 1 and 2 at a time.
const ONE: [Property<'_>; 1] = [Property::ReceiveMaximum(NonZeroU16::MIN)];

/// Takes a PUBLISH and acknowledges it at QoS 1: its identifier.
async fn take(server: &mut Server) -> PacketId {
    let packet_id = server.recv().await.packet_id();
    server.send(Packet::PubAck(ack(packet_id))).await;
    packet_id
}

/// rumqttc R7: a resumed session was sent in the order of identifiers, which is not that of sending once they begin
/// at 1 again. mqtt5 M11: identifiers came from a counter that does not know which are in use.
///
/// Covers: v5 [MQTT-4.6.0-1], v5 [MQTT-2.2.1-3].
#[tokio::test]
async fn the_order_of_sending_outlives_the_wrap_of_identifiers() {
    let (client, mut server, mut net) = connected_over(kept).await;
    let mut open = vec![enqueue(&client, "oldest", QoS::AtLeastOnce).await];
    let oldest = server.recv().await.packet_id();
    // Round once, up to an identifier near the highest.
    let mut last = oldest;
    while last.get() < u16::MAX - 3 {
        let count = (u16::MAX - 3 - last.get()).min(500);
        let mut receipts = Vec::new();
        for _ in 0..count {
            receipts.push(enqueue(&client, "t", QoS::AtLeastOnce).await);
        }
        for receipt in receipts {
            last = take(&mut server).await;
            drop(receipt);
        }
    }
    let mut ids = vec![oldest];
    for _ in 0..10 {
        open.push(enqueue(&client, "t", QoS::AtLeastOnce).await);
        let packet_id = server.recv().await.packet_id();
        assert!(!ids.contains(&packet_id), "{packet_id} is in use");
        ids.push(packet_id);
    }
    assert!(!ids.is_sorted(), "they have begun again: {ids:?}");
    drop(server);
    let mut server = net.accept(true).await;
    for packet_id in ids {
        assert_eq!(take(&mut server).await, packet_id);
    }
    for receipt in open {
        receipt.await.unwrap();
    }
}

/// rumqttc R8: a PUBCOMP that refuses took a place of the window for ever.
#[tokio::test]
async fn a_refusing_pubcomp_gives_its_place_back() {
    let (client, mut server) = connected_with(ProtocolVersion::V5, |b| b, &ONE).await;
    for _ in 0..3 {
        let receipt = enqueue(&client, "t", QoS::ExactlyOnce).await;
        let packet_id = server.recv().await.packet_id();
        server.send(Packet::PubRec(ack(packet_id))).await;
        assert!(matches!(server.recv().await.packet(), Packet::PubRel(_)));
        let unknown = ack_with(packet_id, ReasonCode::PACKET_IDENTIFIER_NOT_FOUND);
        server.send(Packet::PubComp(unknown)).await;
        receipt.await.unwrap();
    }
}

/// rumqttc R9: behind a PUBACK that refuses, the message that waited for its identifier was never sent.
#[tokio::test]
async fn what_waits_behind_a_refused_message_is_sent() {
    let (client, mut server) = connected_with(ProtocolVersion::V5, |b| b, &ONE).await;
    let refused = enqueue(&client, "refused", QoS::AtLeastOnce).await;
    let waiting = enqueue(&client, "waiting", QoS::AtLeastOnce).await;
    let packet_id = server.recv().await.packet_id();
    let no = ack_with(packet_id, ReasonCode::NOT_AUTHORIZED);
    server.send(Packet::PubAck(no)).await;
    assert_eq!(
        refused.await.unwrap_err().reason(),
        Some(ReasonCode::NOT_AUTHORIZED)
    );
    take(&mut server).await;
    waiting.await.unwrap();
}

/// rumqttc R10: the message sent when a PUBCOMP freed its identifier was not remembered, so that its own
/// acknowledgement ended the connection.
#[tokio::test]
async fn what_waits_behind_a_pubcomp_is_remembered() {
    let (client, mut server, mut net) = connected_over(kept).await;
    drop(server);
    server = net.accept_with(true, &ONE).await;
    let first = enqueue(&client, "first", QoS::ExactlyOnce).await;
    let second = enqueue(&client, "second", QoS::AtLeastOnce).await;
    let packet_id = server.recv().await.packet_id();
    server.send(Packet::PubRec(ack(packet_id))).await;
    assert!(matches!(server.recv().await.packet(), Packet::PubRel(_)));
    server.send(Packet::PubComp(ack(packet_id))).await;
    first.await.unwrap();
    assert_eq!(
        server.recv().await.publish().topic_name.unwrap().as_str(),
        "second"
    );
    drop(server);
    let mut server = net.accept_with(true, &ONE).await;
    let again = server.recv().await;
    assert!(again.publish().dup);
    server.send(Packet::PubAck(ack(again.packet_id()))).await;
    second.await.unwrap();
}

/// rumqttc R12: SUBSCRIBE and UNSUBSCRIBE took identifiers of messages in flight.
///
/// Covers: v5 [MQTT-2.2.1-3].
#[tokio::test]
async fn requests_take_no_identifier_of_a_message_in_flight() {
    let (client, mut server) = connected(ProtocolVersion::V5).await;
    let mut ids = Vec::new();
    for number in 0..20 {
        drop(enqueue(&client, "t", QoS::AtLeastOnce).await);
        ids.push(server.recv().await.packet_id());
        let unsubscribe = client.unsubscribe(format!("f/{number}"));
        tokio::spawn(unsubscribe.into_future());
        ids.push(server.recv().await.packet_id());
    }
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count);
}

/// Counts how often something is written.
struct Counting {
    stream: DuplexStream,
    writes: Arc<AtomicUsize>,
}

impl AsyncRead for Counting {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Counting {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// rumqttc R15, complaint 18: each message was written to the socket by itself (rumqtt#810).
#[tokio::test]
async fn messages_queued_together_are_written_together() {
    let (near, far) = tokio::io::duplex(DUPLEX_LEN);
    let writes = Arc::new(AtomicUsize::new(0));
    let counting = Counting {
        stream: near,
        writes: Arc::clone(&writes),
    };
    let mut server = Server::new(far, ProtocolVersion::V5);
    let connect = Client::builder("server.example").connect_over(Stream::other(counting));
    let (client, _) = tokio::join!(connect, server.accept());
    let client = client.unwrap();
    let before = writes.load(Ordering::Relaxed);
    let mut receipts = Vec::new();
    for _ in 0..500 {
        receipts.push(enqueue(&client, "t", QoS::AtMostOnce).await);
    }
    for receipt in receipts {
        receipt.await.unwrap();
    }
    let writes = writes.load(Ordering::Relaxed) - before;
    assert!(writes <= 20, "{writes} writes for 500 messages");
}

/// rumqttc R17: a length cut short inside a packet was taken for a packet that is not whole yet, and passed over.
///
/// Covers: v5 [MQTT-4.13.1-1].
#[tokio::test]
async fn a_length_cut_short_inside_a_packet_is_malformed() {
    let (client, mut server) = connected(ProtocolVersion::V5).await;
    // PUBLISH of topic "t" whose Property Length promises another byte.
    server.send_bytes(&[0x30, 4, 0, 1, b't', 0x80]).await;
    let received = server.recv().await;
    let Packet::Disconnect(disconnect) = received.packet() else {
        panic!("DISCONNECT expected, {:?} came", received.packet())
    };
    assert_eq!(disconnect.reason, ReasonCode::MALFORMED_PACKET);
    drop(server);
    client.closed().await;
}

/// mqtt5 M2: what waited without a connection was sent past the server's window.
///
/// Covers: v5 [MQTT-3.3.4-7].
#[tokio::test(start_paused = true)]
async fn what_waited_without_a_connection_keeps_to_the_window() {
    let (mut net, builder) = net("first.example");
    let client = builder.start().unwrap();
    let mut receipts = Vec::new();
    for topic_name in ["1", "2", "3"] {
        receipts.push(enqueue(&client, topic_name, QoS::AtLeastOnce).await);
    }
    let mut server = net.accept_with(false, &ONE).await;
    for topic_name in ["1", "2", "3"] {
        let received = server.recv().await;
        let publish = received.publish();
        assert_eq!(publish.topic_name.unwrap().as_str(), topic_name);
        assert!(!publish.dup);
        let early = tokio::time::timeout(Duration::from_secs(1), server.recv()).await;
        assert!(early.is_err(), "one at a time");
        server.send(Packet::PubAck(ack(received.packet_id()))).await;
    }
    for receipt in receipts {
        receipt.await.unwrap();
    }
}

/// mqtt5 M6: settings of CONNECT existed and were never sent.
#[tokio::test]
async fn every_setting_of_connect_is_sent() {
    let (near, far) = tokio::io::duplex(4096);
    let mut server = Server::new(far, ProtocolVersion::V5);
    let connect = Client::builder("server.example")
        .user_property("site", "north")
        .user_property("site", "south")
        .response_information()
        .problem_information(false)
        .receive_maximum(7)
        .max_packet_size(9_000)
        .topic_aliases(3)
        .session_expiry(Duration::from_secs(60))
        .will(Will::new("w", "").delay(Duration::from_secs(9)))
        .connect_over(near);
    let (client, received) = tokio::join!(connect, server.accept());
    client.unwrap();
    let Packet::Connect(connect) = received.packet() else {
        panic!("CONNECT comes first")
    };
    let properties = connect.properties;
    let pairs: Vec<_> = properties.user_properties().collect();
    assert_eq!(pairs, [("site", "north"), ("site", "south")]);
    assert_eq!(properties.request_response_information(), Some(true));
    assert_eq!(properties.request_problem_information(), Some(false));
    assert_eq!(properties.receive_maximum(), NonZeroU16::new(7));
    assert_eq!(properties.maximum_packet_size(), NonZeroU32::new(9_000));
    assert_eq!(properties.topic_alias_maximum(), Some(3));
    assert_eq!(properties.session_expiry_interval_s(), Some(60));
    let will = connect.will.unwrap();
    assert_eq!(will.properties.will_delay_interval_s(), Some(9));
}

/// mqtt5 M7: one acknowledgement that was late held up every other caller, disconnecting included.
#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_come_holds_up_nobody() {
    let (client, mut server) = connected(ProtocolVersion::V5).await;
    let unanswered = enqueue(&client, "unanswered", QoS::AtLeastOnce).await;
    server.recv().await;
    let others = async {
        client.publish("t", "").await.unwrap();
        let publish = client.publish("t", "").qos(QoS::AtLeastOnce);
        publish.await.unwrap();
        client.subscribe("f").await.unwrap()
    };
    let answers = async {
        server.recv().await;
        take(&mut server).await;
        server.grant(ReasonCode::SUCCESS).await
    };
    let (_subscription, _) = tokio::join!(others, answers);
    let disconnect = client.disconnect().timeout(Duration::from_millis(1));
    let (_, ()) = tokio::join!(disconnect.into_future(), async {
        while server.try_recv().await.is_some() {}
        drop(server);
    });
    assert!(matches!(unanswered.await, Err(PublishError::Closed(_))));
}

/// mqtt5 M9: Reason Code, words and properties of an acknowledgement were thrown away; Paho for Rust has no place for
/// them.
#[tokio::test]
async fn everything_an_acknowledgement_says_reaches_the_caller() {
    let (client, mut server) = connected(ProtocolVersion::V5).await;
    let said = [
        Property::ReasonString("nobody is here"),
        Property::UserProperty("queue", "7"),
    ];
    for reason in [
        ReasonCode::NO_MATCHING_SUBSCRIBERS,
        ReasonCode::QUOTA_EXCEEDED,
    ] {
        let receipt = enqueue(&client, "t", QoS::AtLeastOnce).await;
        let packet_id = server.recv().await.packet_id();
        let list = PropertyList::new(&said);
        let properties = Properties::from(&list);
        server
            .send(Packet::PubAck(Ack {
                packet_id,
                reason,
                properties,
            }))
            .await;
        let (got, words, pairs) = match receipt.await {
            Ok(published) => (
                published.reason(),
                published.reason_string().map(str::to_owned),
                published.user_properties().to_vec(),
            ),
            Err(PublishError::Refused {
                reason,
                reason_string,
                user_properties,
            }) => (reason, reason_string, user_properties),
            Err(error) => panic!("{error}"),
        };
        assert_eq!(got, reason);
        assert_eq!(words.as_deref(), Some("nobody is here"));
        assert_eq!(pairs, [("queue".to_owned(), "7".to_owned())]);
    }
}

/// Complaint 26: a message longer than the server takes was tried again for ever (aws-iot-device-sdk-js-v2#535).
#[tokio::test(start_paused = true)]
async fn what_the_next_server_does_not_take_is_given_up() {
    let (client, mut server, mut net) = connected_over(kept).await;
    let long = client.publish("long", vec![0; 100]).qos(QoS::AtLeastOnce);
    let long = long.enqueue().await.unwrap();
    let short = enqueue(&client, "short", QoS::AtLeastOnce).await;
    for _ in 0..2 {
        server.recv().await;
    }
    drop(server);
    let smaller = [Property::MaximumPacketSize(NonZeroU32::new(50).unwrap())];
    let mut server = net.accept_with(true, &smaller).await;
    assert!(matches!(
        long.await,
        Err(PublishError::NotSent(SendRefusal::PacketTooLarge { .. }))
    ));
    let received = server.recv().await;
    assert_eq!(received.publish().topic_name.unwrap().as_str(), "short");
    server.send(Packet::PubAck(ack(received.packet_id()))).await;
    short.await.unwrap();
}
