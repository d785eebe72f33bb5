//! Every way a connection ends, and that nothing hangs then.

use crate::server::{ack, connected, connected_with, listen, next};
use mqtt_client::{
    Client, ClientBuilder, ClientError, CloseReason, DisconnectError, ProtocolVersion,
    PublishError, QoS, ReasonCode, Receipt, SubscribeError,
};
use mqtt_codec::{Disconnect, Packet, Properties, Property, PropertyList};
use std::future::{Future, IntoFuture};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::time::Instant;

#[tokio::test]
async fn everything_pending_ends_with_the_connection() {
    let (client, mut server) = connected_with(
        ProtocolVersion::V5,
        |builder| builder.publish_capacity(2),
        &[],
    )
    .await;
    let publish = |qos| client.publish("t", "").qos(qos);
    let first = publish(QoS::AtLeastOnce).enqueue().await.unwrap();
    let second = publish(QoS::ExactlyOnce).enqueue().await.unwrap();
    let waiting = tokio::spawn(publish(QoS::AtLeastOnce).into_future());
    let subscribe = tokio::spawn(client.subscribe("a").into_future());
    let unsubscribe = tokio::spawn(client.unsubscribe("b").into_future());
    for _ in 0..4 {
        server.recv().await;
    }
    drop(server);
    for receipt in [first.await, second.await, waiting.await.unwrap()] {
        let error = receipt.unwrap_err();
        assert!(matches!(error, PublishError::Closed(_)), "{error}");
    }
    let error = subscribe.await.unwrap().unwrap_err();
    assert!(matches!(error, SubscribeError::Closed(_)), "{error}");
    unsubscribe.await.unwrap().unwrap_err();
    assert!(matches!(client.closed().await, CloseReason::EndOfStream));
    let error = client.publish("t", "").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "connection closed: the server closed the connection"
    );
    client.subscribe("a").await.unwrap_err();
    assert!(client.unclaimed().next().await.is_none());
    assert!(client.connack().is_none());
}

#[tokio::test]
async fn the_servers_reason_for_leaving_is_kept() {
    let (client, mut server) = connected(ProtocolVersion::V5).await;
    let receipt = client
        .publish("t", "")
        .qos(QoS::AtLeastOnce)
        .enqueue()
        .await
        .unwrap();
    server.recv().await;
    let properties = [
        Property::ReasonString("elsewhere"),
        Property::ServerReference("other"),
    ];
    let list = PropertyList::new(&properties);
    let (reason, properties) = (ReasonCode::SESSION_TAKEN_OVER, Properties::from(&list));
    server
        .send(Packet::Disconnect(Disconnect { reason, properties }))
        .await;
    drop(server);
    let CloseReason::ServerDisconnected(disconnect) = client.closed().await else {
        panic!("{}", client.closed().await)
    };
    assert_eq!(disconnect.reason, ReasonCode::SESSION_TAKEN_OVER);
    assert_eq!(disconnect.reason_string.as_deref(), Some("elsewhere"));
    assert_eq!(disconnect.server_reference.as_deref(), Some("other"));
    let words = receipt.await.unwrap_err().to_string();
    assert!(words.contains("session taken over"), "{words}");
}

#[tokio::test]
async fn a_stream_gives_what_it_holds_before_it_ends() {
    let (client, mut server) = connected(ProtocolVersion::V5).await;
    let (subscription, _) = tokio::join!(
        client.subscribe("a").into_future(),
        server.grant(ReasonCode::SUCCESS)
    );
    let mut subscription = subscription.unwrap();
    server.publish("a", QoS::AtMostOnce, 0).await;
    drop(server);
    client.closed().await;
    assert!(subscription.next().await.is_some());
    assert!(subscription.next().await.is_none());
}

/// Covers: v3.1.1 [MQTT-3.14.4-1], v3.1.1 [MQTT-3.14.4-2].
#[tokio::test]
async fn disconnect_waits_for_acknowledgements_and_is_the_last_word() {
    for version in ProtocolVersion::ALL {
        let (client, mut server) = connected(version).await;
        let receipt = client
            .publish("t", "")
            .qos(QoS::AtLeastOnce)
            .enqueue()
            .await
            .unwrap();
        let quick = client.publish("quick", "").enqueue().await.unwrap();
        let script = async {
            let packet_id = server.recv().await.packet_id();
            assert_eq!(
                server.recv().await.publish().topic_name.unwrap().as_str(),
                "quick"
            );
            server.send(Packet::PubAck(ack(packet_id))).await;
            let received = server.recv().await;
            let Packet::Disconnect(disconnect) = received.packet() else {
                panic!("DISCONNECT")
            };
            assert_eq!(disconnect.reason, ReasonCode::NORMAL_DISCONNECTION);
            assert!(server.try_recv().await.is_none());
            drop(server);
        };
        let (disconnected, ()) = tokio::join!(client.disconnect().into_future(), script);
        disconnected.unwrap();
        receipt.await.unwrap();
        quick.await.unwrap();
        assert!(matches!(client.closed().await, CloseReason::Disconnected));
    }
}

#[tokio::test(start_paused = true)]
async fn disconnect_does_not_wait_for_ever() {
    let (client, mut server) = connected(ProtocolVersion::V5).await;
    let receipt = client
        .publish("t", "")
        .qos(QoS::AtLeastOnce)
        .enqueue()
        .await
        .unwrap();
    server.recv().await;
    let begun = Instant::now();
    let disconnect = client
        .disconnect()
        .timeout(Duration::from_secs(2))
        .into_future();
    let (disconnected, ()) = tokio::join!(disconnect, async {
        server.disconnected().await;
        drop(server);
    });
    let error = disconnected.unwrap_err();
    assert!(
        matches!(error, DisconnectError::TimedOut { unfinished: 1 }),
        "{error}"
    );
    assert_eq!(begun.elapsed(), Duration::from_secs(2));
    assert!(matches!(receipt.await, Err(PublishError::Closed(_))));
}

#[tokio::test]
async fn a_disconnect_may_ask_for_the_will() {
    let (client, mut server) = connected(ProtocolVersion::V5).await;
    let (disconnected, received) =
        tokio::join!(client.disconnect().with_will().into_future(), async {
            let received = server.recv().await;
            drop(server);
            received
        });
    disconnected.unwrap();
    let Packet::Disconnect(disconnect) = received.packet() else {
        panic!("DISCONNECT expected")
    };
    assert_eq!(disconnect.reason, ReasonCode::DISCONNECT_WITH_WILL_MESSAGE);
}

#[tokio::test]
async fn a_second_disconnect_finds_the_connection_closed() {
    let (client, mut server) = connected(ProtocolVersion::V5).await;
    let (disconnected, ()) = tokio::join!(client.disconnect().into_future(), async {
        server.disconnected().await;
        drop(server);
    });
    disconnected.unwrap();
    assert!(matches!(
        client.disconnect().await,
        Err(DisconnectError::Closed(_))
    ));
}

#[tokio::test]
async fn the_last_handle_disconnects() {
    let (client, mut server) = connected(ProtocolVersion::V5).await;
    let (subscription, _) = tokio::join!(
        client.subscribe("a").into_future(),
        server.grant(ReasonCode::SUCCESS)
    );
    let receipt = client.publish("t", "").enqueue().await.unwrap();
    drop(client);
    assert!(matches!(server.recv().await.packet(), Packet::Publish(_)));
    receipt.await.unwrap();
    server.publish("a", QoS::AtMostOnce, 0).await;
    let mut subscription = subscription.unwrap();
    assert!(
        subscription.next().await.is_some(),
        "a subscription is a handle too"
    );
    drop(subscription);
    assert_eq!(server.unsubscribed().await, ["a"]);
    server.disconnected().await;
}

#[tokio::test]
async fn malformed_bytes_end_the_connection_with_their_reason() {
    let (client, mut server) = connected(ProtocolVersion::V5).await;
    // PUBACK that names the Packet Identifier 0.
    server.send_bytes(&[0x40, 2, 0, 0]).await;
    let received = server.recv().await;
    let Packet::Disconnect(disconnect) = received.packet() else {
        panic!("DISCONNECT expected")
    };
    assert!(disconnect.reason.is_error());
    drop(server);
    let reason = client.closed().await;
    assert!(
        matches!(reason, CloseReason::Protocol(ClientError::Decode(_))),
        "{reason}"
    );
}

#[tokio::test]
async fn a_packet_only_servers_get_is_a_protocol_error() {
    for (version, bytes) in [
        (ProtocolVersion::V5, &[0xC0, 0][..]),
        (ProtocolVersion::V311, &[0xE0, 0]),
    ] {
        let (client, mut server) = connected(version).await;
        server.send_bytes(bytes).await;
        if version.disconnect_has_body() {
            let received = server.recv().await;
            let Packet::Disconnect(disconnect) = received.packet() else {
                panic!("DISCONNECT")
            };
            assert_eq!(disconnect.reason, ReasonCode::PROTOCOL_ERROR);
        }
        assert!(
            server.try_recv().await.is_none(),
            "before v5 the client just closes"
        );
        drop(server);
        let reason = client.closed().await;
        assert!(
            matches!(reason, CloseReason::Protocol(ClientError::Protocol(_))),
            "{reason}"
        );
    }
}

#[tokio::test]
async fn a_packet_over_the_limit_ends_the_connection() {
    let (client, mut server) = connected_with(
        ProtocolVersion::V5,
        |builder| builder.max_packet_size(100),
        &[],
    )
    .await;
    server.send_bytes(&[0x30, 0x80, 0x01]).await;
    let received = server.recv().await;
    let Packet::Disconnect(disconnect) = received.packet() else {
        panic!("DISCONNECT expected")
    };
    assert_eq!(disconnect.reason, ReasonCode::PACKET_TOO_LARGE);
    drop(server);
    client.closed().await;
}

#[tokio::test]
async fn a_driver_that_is_dropped_ends_everything() {
    let (client, driver) = Client::builder("127.0.0.1:1").build().unwrap();
    let receipt = client
        .publish("t", "")
        .qos(QoS::AtLeastOnce)
        .enqueue()
        .await
        .unwrap();
    drop(driver);
    let error = receipt.await.unwrap_err();
    let PublishError::Closed(closed) = error else {
        panic!("{error}")
    };
    assert!(matches!(closed.reason, CloseReason::DriverDropped));
    assert!(matches!(client.closed().await, CloseReason::DriverDropped));
}

#[tokio::test]
async fn the_servers_reason_is_heard_even_when_writing_fails_first() {
    let (client, mut server) = connected(ProtocolVersion::V5).await;
    let (reason, properties) = (ReasonCode::SERVER_SHUTTING_DOWN, Properties::EMPTY);
    server
        .send(Packet::Disconnect(Disconnect { reason, properties }))
        .await;
    drop(server);
    let error = client
        .publish("t", "")
        .qos(QoS::AtLeastOnce)
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("server shutting down"),
        "{error}"
    );
}

/// A full write queue held the request back, and its timeout with it.
#[tokio::test(start_paused = true)]
async fn regress_a_server_that_reads_nothing_does_not_hold_up_disconnect() {
    let options = |builder: ClientBuilder| builder.keep_alive(Duration::ZERO);
    let (client, mut server) = connected_with(ProtocolVersion::V5, options, &[]).await;
    let more_than_waits = vec![0; 2 * mqtt_client::limits::WRITE_QUEUE_LEN];
    let receipt = client
        .publish("t", more_than_waits)
        .enqueue()
        .await
        .unwrap();
    server.stream.read_u8().await.unwrap();
    let begun = Instant::now();
    let disconnect = client.disconnect().timeout(Duration::from_secs(3));
    let error = tokio::time::timeout(Duration::from_secs(60), disconnect)
        .await
        .unwrap()
        .unwrap_err();
    assert!(
        matches!(error, DisconnectError::TimedOut { unfinished: 1 }),
        "{error}"
    );
    let allowed = Duration::from_secs(3) + mqtt_client::limits::CLOSE_TIMEOUT;
    assert_eq!(begun.elapsed(), allowed);
    receipt.await.unwrap_err();
}

/// The unanswered SUBSCRIBE held a handle of its own, so the client stayed connected for ever.
#[tokio::test(start_paused = true)]
async fn regress_a_subscribe_nobody_waits_for_does_not_keep_the_client() {
    let (client, mut server) = connected(ProtocolVersion::V5).await;
    tokio::select! {
        answer = client.subscribe("a").into_future() => panic!("{answer:?}"),
        subscribe = server.recv() => assert!(matches!(subscribe.packet(), Packet::Subscribe(_))),
    }
    drop(client);
    server.disconnected().await;
}

/// Receipts ended before the reason was set, and so with another one.
#[tokio::test]
async fn regress_what_a_dropped_driver_leaves_knows_why() {
    struct LookWhenWoken(Client, Mutex<Vec<String>>);
    impl Wake for LookWhenWoken {
        fn wake(self: Arc<Self>) {
            let mut cx = Context::from_waker(Waker::noop());
            let mut connected = pin!(self.0.connected());
            let Poll::Ready(Err(closed)) = connected.as_mut().poll(&mut cx) else {
                panic!("woken while connected")
            };
            self.1.lock().unwrap().push(closed.to_string());
        }
    }

    let (listener, address) = listen().await;
    let (client, mut driver) = Client::builder(address).build().unwrap();
    let publish = client.publish("t", "").qos(QoS::AtLeastOnce);
    let mut receipt = publish.enqueue().await.unwrap();
    let script = async {
        let mut server = next(&listener, ProtocolVersion::V5).await;
        server.accept().await;
        server.recv().await;
        server
    };
    let _server = tokio::select! {
        reason = &mut driver => panic!("{reason}"),
        server = script => server,
    };
    let look = Arc::new(LookWhenWoken(client, Mutex::new(Vec::new())));
    let waker = Waker::from(Arc::clone(&look));
    let polled = Pin::new(&mut receipt).poll(&mut Context::from_waker(&waker));
    assert!(polled.is_pending());
    drop(driver);
    assert_eq!(
        *look.1.lock().unwrap(),
        ["connection closed: the driver was dropped"]
    );
}

/// Who waited for all answers heard of the end a moment before the answers were there.
#[tokio::test]
async fn regress_every_receipt_has_its_answer_when_drain_ends() {
    struct LookWhenWoken(Mutex<Receipt>, Mutex<Option<bool>>);
    impl Wake for LookWhenWoken {
        fn wake(self: Arc<Self>) {
            let mut cx = Context::from_waker(Waker::noop());
            let mut receipt = self.0.lock().unwrap();
            let polled = Pin::new(&mut *receipt).poll(&mut cx);
            *self.1.lock().unwrap() = Some(polled.is_ready());
        }
    }

    let (client, mut server) = connected(ProtocolVersion::V5).await;
    let publish = client.publish("t", "").qos(QoS::AtLeastOnce);
    let receipt = publish.enqueue().await.unwrap();
    let look = Arc::new(LookWhenWoken(Mutex::new(receipt), Mutex::new(None)));
    let mut drain = pin!(client.drain());
    let waker = Waker::from(Arc::clone(&look));
    let polled = drain.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(polled.is_pending());
    server.recv().await;
    drop(server);
    client.closed().await;
    assert_eq!(*look.1.lock().unwrap(), Some(true));
    drain.await.unwrap_err();
}
