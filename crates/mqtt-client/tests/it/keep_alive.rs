//! Keep Alive, on paused time.

use crate::server::{Server, ack, connected_with};
use mqtt_client::{Client, ClientBuilder, CloseReason, ProtocolVersion, QoS, ReasonCode};
use mqtt_codec::{Packet, Property};
use std::future::IntoFuture;
use std::time::Duration;
use tokio::time::Instant;

async fn with_keep_alive(keep_alive_s: u64) -> (Client, Server) {
    let options = |builder: ClientBuilder| builder.keep_alive(Duration::from_secs(keep_alive_s));
    connected_with(ProtocolVersion::V5, options, &[]).await
}

/// Covers: v5 [MQTT-3.1.2-20].
#[tokio::test(start_paused = true)]
async fn silence_is_broken_by_pingreq() {
    let (_client, mut server) = with_keep_alive(30).await;
    let mut last = Instant::now();
    for _ in 0..3 {
        assert_eq!(server.recv().await.packet(), Packet::PingReq);
        assert_eq!(last.elapsed(), Duration::from_secs(30));
        last = Instant::now();
        server.send(Packet::PingResp).await;
    }
}

/// Covers: v5 [MQTT-3.1.2-21], v5 [MQTT-3.2.2-21].
#[tokio::test(start_paused = true)]
async fn the_servers_keep_alive_counts() {
    let ordered = [Property::ServerKeepAlive(7)];
    let (_client, mut server) = connected_with(ProtocolVersion::V5, |b| b, &ordered).await;
    let begun = Instant::now();
    assert_eq!(server.recv().await.packet(), Packet::PingReq);
    assert_eq!(begun.elapsed(), Duration::from_secs(7));
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_and_answered_puts_pingreq_off() {
    let (client, mut server) = with_keep_alive(30).await;
    tokio::time::advance(Duration::from_secs(20)).await;
    let publish = client.publish("t", "").qos(QoS::AtLeastOnce).into_future();
    let answer = async {
        let packet_id = server.recv().await.packet_id();
        server.send(Packet::PubAck(ack(packet_id))).await;
    };
    let (published, ()) = tokio::join!(publish, answer);
    published.unwrap();
    let last = Instant::now();
    assert_eq!(server.recv().await.packet(), Packet::PingReq);
    assert_eq!(last.elapsed(), Duration::from_secs(30));
}

/// A client that only ever sent, which asks for no answer at QoS 0, went on when the server was gone.
#[tokio::test(start_paused = true)]
async fn regress_a_client_that_always_sends_notices_a_dead_server() {
    let (client, mut server) = with_keep_alive(30).await;
    let begun = Instant::now();
    let sending = client.clone();
    let sent = tokio::spawn(async move {
        while sending.publish("t", "").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    let mut ping = None;
    loop {
        match server.recv().await.packet() {
            Packet::Publish(_) => {}
            Packet::PingReq => ping = Some(begun.elapsed()),
            Packet::Disconnect(disconnect) => {
                assert_eq!(disconnect.reason, ReasonCode::UNSPECIFIED_ERROR);
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(ping, Some(Duration::from_secs(30)));
    assert_eq!(begun.elapsed(), Duration::from_secs(40));
    drop(server);
    assert!(matches!(
        client.closed().await,
        CloseReason::KeepAliveTimeout
    ));
    sent.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer_is_given_up() {
    let (client, mut server) = with_keep_alive(30).await;
    let begun = Instant::now();
    assert_eq!(server.recv().await.packet(), Packet::PingReq);
    let received = server.recv().await;
    assert_eq!(begun.elapsed(), Duration::from_secs(40));
    let Packet::Disconnect(disconnect) = received.packet() else {
        panic!("DISCONNECT expected")
    };
    assert_eq!(disconnect.reason, ReasonCode::UNSPECIFIED_ERROR);
    drop(server);
    assert!(matches!(
        client.closed().await,
        CloseReason::KeepAliveTimeout
    ));
}

#[tokio::test(start_paused = true)]
async fn keep_alive_zero_is_off() {
    let (client, mut server) = with_keep_alive(0).await;
    let silence = tokio::time::timeout(Duration::from_secs(100_000), server.recv()).await;
    assert!(silence.is_err());
    assert!(client.connack().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_holds_back_reading_is_not_given_up() {
    let (near, far) = tokio::io::duplex(4096);
    let mut server = Server::new(far, ProtocolVersion::V311);
    let builder = Client::builder("server.example")
        .version(ProtocolVersion::V311)
        .keep_alive(Duration::from_secs(30))
        .receive_maximum(1);
    let (client, _) = tokio::join!(builder.connect_over(near), server.accept());
    let client = client.unwrap();
    let subscribe = client.subscribe("a").qos(QoS::AtLeastOnce).into_future();
    let (subscription, _) = tokio::join!(subscribe, server.grant(ReasonCode::GRANTED_QOS_1));
    server.publish("a", QoS::AtLeastOnce, 1).await;
    server.publish("a", QoS::AtLeastOnce, 2).await;
    for _ in 0..5 {
        // The answers stay behind the second message, which the application does not take.
        assert_eq!(server.recv().await.packet(), Packet::PingReq);
        server.send(Packet::PingResp).await;
    }
    let mut subscription = subscription.unwrap();
    for _ in 0..2 {
        assert!(subscription.next().await.is_some());
    }
    assert!(client.connack().is_some());
}
