//! The server in memory that users' own tests get.

use mqtt_client::mock::Server;
use mqtt_client::{CloseReason, PublishError, QoS, ReasonCode, Reconnect};
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn it_plays_outages() {
    let server = Server::new();
    let client = server.builder().connect().await.unwrap();
    let mut messages = client.subscribe("a").qos(QoS::AtLeastOnce).await.unwrap();
    server.set_unreachable();
    server.cut();
    let receipt = client
        .publish("late", "x")
        .qos(QoS::ExactlyOnce)
        .enqueue()
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(30)).await;
    server.publish("a", "waited", QoS::AtLeastOnce);
    server.accept_all();
    receipt.await.unwrap();
    assert_eq!(server.published().await.topic_name, "late");
    assert_eq!(messages.next().await.unwrap().text().unwrap(), "waited");
}

#[tokio::test(start_paused = true)]
async fn it_forgets_sessions_when_told_to() {
    let server = Server::new();
    server.forget_sessions();
    let client = server.builder().connect().await.unwrap();
    let _messages = client.subscribe("a").await.unwrap();
    let mut state = client.state();
    state.mark_unchanged();
    server.cut();
    for _ in 0..2 {
        state.changed().await.unwrap();
    }
    while server.subscribed() != ["a"] {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    client.connected().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn it_refuses_when_told_to() {
    let server = Server::new();
    let policy = Reconnect::new().from_start().max_rounds(2);
    server.set_unreachable();
    let client = server.builder().reconnect(policy).start().unwrap();
    assert!(matches!(
        client.closed().await,
        CloseReason::ConnectFailed(_)
    ));
    server.accept_all();
    server.answer_publishes(ReasonCode::NOT_AUTHORIZED);
    let client = server.builder().connect().await.unwrap();
    let error = client
        .publish("t", "")
        .qos(QoS::ExactlyOnce)
        .await
        .unwrap_err();
    assert!(matches!(error, PublishError::Refused { .. }), "{error}");
    assert!(!error.is_retryable());
}
