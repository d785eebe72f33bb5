//! Request and response.

use crate::server::{connected, connected_with};
use mqtt_client::mock::Server as Mock;
use mqtt_client::{Client, ProtocolVersion, QoS, ReasonCode, RequestError, SubscribeError};
use mqtt_codec::{Packet, Property, Publish, TopicName};
use std::future::IntoFuture;
use std::time::Duration;
use tokio::time::Instant;

/// Response Topic and Correlation Data of a request.
fn asks_for<'a>(publish: &Publish<'a>) -> (&'a str, &'a [u8]) {
    let properties = publish.properties;
    let response_topic = properties.response_topic().map(TopicName::as_str);
    (
        response_topic.unwrap(),
        properties.correlation_data().unwrap(),
    )
}

#[tokio::test(start_paused = true)]
async fn responses_find_their_requests_in_any_order() {
    let (client, mut server) = connected(ProtocolVersion::V5).await;
    let first = tokio::spawn(client.request("service", "1").into_future());
    let second = tokio::spawn(client.request("service", "2").into_future());
    server.grant(ReasonCode::GRANTED_QOS_2).await;
    let requests = [server.recv().await, server.recv().await];
    for request in requests.iter().rev() {
        let publish = request.publish();
        let (response_topic, correlation_data) = asks_for(&publish);
        let correlation = [Property::CorrelationData(correlation_data)];
        assert_eq!(publish.topic_name.unwrap().as_str(), "service");
        server
            .publish_with(response_topic, QoS::AtMostOnce, 0, &correlation)
            .await;
    }
    let mut answered = Vec::new();
    for asked in [first, second] {
        let response = asked.await.unwrap().unwrap();
        answered.push(response.properties().correlation_data.clone().unwrap());
    }
    answered.sort();
    let mut asked = requests.map(|request| asks_for(&request.publish()).1.to_vec());
    asked.sort();
    assert_eq!(answered, asked);
}

/// The Response Topic is subscribed to once, begins where the server wants it, and keeps no client.
#[tokio::test(start_paused = true)]
async fn one_response_topic_serves_all_requests() {
    let information = [Property::ResponseInformation("answers/client")];
    let (client, mut server) = connected_with(
        ProtocolVersion::V5,
        |builder| builder.response_information(),
        &information,
    )
    .await;
    let mut topics = Vec::new();
    for round in 0..3 {
        let asked = tokio::spawn(client.request("service", "").into_future());
        if round == 0 {
            server.grant(ReasonCode::GRANTED_QOS_0).await;
        }
        let request = server.recv().await;
        let publish = request.publish();
        let (response_topic, correlation_data) = asks_for(&publish);
        topics.push(response_topic.to_owned());
        let correlation = [Property::CorrelationData(correlation_data)];
        server
            .publish_with(response_topic, QoS::AtMostOnce, 0, &correlation)
            .await;
        asked.await.unwrap().unwrap();
    }
    assert!(topics[0].starts_with("answers/client/"), "{}", topics[0]);
    assert!(topics.iter().all(|topic_name| *topic_name == topics[0]));
    drop(client);
    server.disconnected().await;
}

#[tokio::test(start_paused = true)]
async fn a_request_without_a_response_ends_in_time() {
    let mock = Mock::new();
    let client = mock.builder().connect().await.unwrap();
    let begun = Instant::now();
    let request = client.request("nobody", "").timeout(Duration::from_secs(3));
    let error = request.await.unwrap_err();
    assert!(matches!(error, RequestError::Timeout), "{error}");
    assert!(error.is_retryable());
    assert_eq!(begun.elapsed(), Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn a_response_topic_that_is_refused_is_an_error() {
    let (client, mut server) = connected(ProtocolVersion::V5).await;
    let asked = client.request("service", "").into_future();
    let (response, _) = tokio::join!(asked, server.grant(ReasonCode::NOT_AUTHORIZED));
    let error = response.unwrap_err();
    assert!(
        matches!(
            error,
            RequestError::Subscribe(SubscribeError::Refused { .. })
        ),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn there_are_no_requests_before_v5() {
    let (client, _server) = connected(ProtocolVersion::V311).await;
    let error = client.request("service", "").await.unwrap_err();
    assert!(matches!(error, RequestError::NotSupported), "{error}");
}

async fn ask(client: &Client) -> Result<mqtt_client::Message, RequestError> {
    client.request("service", "").await
}

/// The topic is subscribed to again with everything else.
#[tokio::test(start_paused = true)]
async fn requests_go_on_after_a_lost_session() {
    let (client, mut server, mut net) = crate::net::connected_over(|b| b).await;
    let asked = tokio::spawn({
        let client = client.clone();
        async move { ask(&client).await }
    });
    server.grant(ReasonCode::GRANTED_QOS_2).await;
    server.recv().await;
    drop(server);
    let mut server = net.accept(false).await;
    server.grant(ReasonCode::GRANTED_QOS_2).await;
    let again = tokio::spawn(async move { ask(&client).await });
    let request = server.recv().await;
    let publish = request.publish();
    let (response_topic, correlation_data) = asks_for(&publish);
    let correlation = [Property::CorrelationData(correlation_data)];
    server
        .publish_with(response_topic, QoS::AtLeastOnce, 1, &correlation)
        .await;
    again.await.unwrap().unwrap();
    let ack = server.recv().await;
    assert!(
        matches!(ack.packet(), Packet::PubAck(_)),
        "it is acknowledged"
    );
    assert!(asked.await.unwrap().is_err(), "the first was lost");
}

#[tokio::test(start_paused = true)]
async fn whoever_is_asked_knows_where_to_answer() {
    let (client, mut server) = connected(ProtocolVersion::V5).await;
    let subscribe = client.subscribe("service").into_future();
    let (subscription, _) = tokio::join!(subscribe, server.grant(ReasonCode::SUCCESS));
    let mut questions = subscription.unwrap();
    let properties = [
        Property::ResponseTopic(TopicName::try_new("back/to/me").unwrap()),
        Property::CorrelationData(b"7"),
    ];
    server
        .publish_with("service", QoS::AtMostOnce, 0, &properties)
        .await;
    let question = questions.next().await.unwrap();
    client
        .respond(&question, "so it is")
        .unwrap()
        .await
        .unwrap();
    let response = server.recv().await;
    assert_eq!(
        response.publish().topic_name.unwrap().as_str(),
        "back/to/me"
    );
    assert_eq!(
        response.publish().properties.correlation_data(),
        Some(&b"7"[..])
    );
    server.publish("service", QoS::AtMostOnce, 0).await;
    let plain = questions.next().await.unwrap();
    assert!(client.respond(&plain, "").is_none());
}
