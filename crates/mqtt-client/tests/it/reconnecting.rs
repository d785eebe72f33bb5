//! Connections that are lost and made again: when, where, and when the client gives up.

use crate::net::{connected_over, enqueue, kept, net};
use crate::server::{Server, ack};
use mqtt_client::{
    CloseReason, ConnectError, Credentials, Event, ProtocolVersion, PublishError, QoS, ReasonCode,
    Reconnect, State,
};
use mqtt_codec::{ConnAck, Disconnect, Packet, Properties, Property, PropertyList};
use std::future::IntoFuture;
use std::time::Duration;
use tokio::time::Instant;

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

/// A CONNECT given up as unanswered reached the server behind the one that followed, which took it for another client:
/// the client gave up for its own ghost.
#[tokio::test(start_paused = true)]
async fn regress_a_connect_that_comes_late_is_no_other_client() {
    let (client, server, mut net) = connected_over(|b| b).await;
    drop(server);
    let mut unanswered = net.next(ProtocolVersion::V5).await;
    unanswered.recv().await;
    drop(unanswered);
    let mut server = net.accept(false).await;
    disconnect(&mut server, ReasonCode::SESSION_TAKEN_OVER, &[]).await;
    drop(server);
    let mut server = net.accept(false).await;
    // There was only one.
    disconnect(&mut server, ReasonCode::SESSION_TAKEN_OVER, &[]).await;
    let closed = client.closed().await;
    assert!(
        matches!(&closed, CloseReason::ServerDisconnected(_)),
        "{closed}"
    );
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
