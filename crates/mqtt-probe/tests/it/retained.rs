//! Retained messages: all of them, and their end.

use std::collections::BTreeSet;

use mqtt_client::{Client, QoS};
use mqtt_probe::{End, Retained, RetainedSettings, clear, stored_qos};

use crate::broker::TestBroker;

/// More than any queue holds.
const MANY: usize = 10_000;

async fn retain(client: &Client, topic_name: &str, qos: QoS) {
    let message = client.publish(topic_name, topic_name.to_owned());
    message.qos(qos).retain().await.unwrap();
}

async fn listed(
    client: &Client,
    filter: &str,
    settings: RetainedSettings,
) -> (BTreeSet<String>, Option<End>) {
    let mut retained = Retained::subscribe(client, [filter], settings)
        .await
        .unwrap();
    let mut names = BTreeSet::new();
    while let Some(message) = retained.next().await.unwrap() {
        assert!(names.insert(message.topic_name().to_owned()), "twice");
    }
    (names, retained.end())
}

#[tokio::test]
async fn ten_thousand_are_listed_and_cleared() {
    let broker = TestBroker::start("").await;
    let client = broker.client("a").await;
    let mut receipts = Vec::new();
    for number in 0..MANY {
        let message = client.publish(format!("r/{number}"), "x");
        receipts.push(
            message
                .qos(QoS::AtLeastOnce)
                .retain()
                .enqueue()
                .await
                .unwrap(),
        );
    }
    for receipt in receipts {
        receipt.await.unwrap();
    }
    let settings = RetainedSettings::default();
    for filter in ["#", "r/+"] {
        let (names, end) = listed(&client, filter, settings).await;
        assert_eq!((names.len(), end), (MANY, Some(End::Marker)), "{filter}");
    }
    let (names, _) = listed(&client, "r/1/#", settings).await;
    assert_eq!(names.len(), 1);
    let (names, _) = listed(&client, "r/#", settings).await;
    let mut told = 0;
    let cleared = clear(&client, names, |done| told = done).await.unwrap();
    let many = u64::try_from(MANY).unwrap();
    assert_eq!((cleared.cleared, cleared.refused, told), (many, 0, many));
    assert!(listed(&client, "#", settings).await.0.is_empty());
}

#[tokio::test]
async fn what_is_published_meanwhile_is_not_listed() {
    let broker = TestBroker::start("").await;
    let client = broker.client("a").await;
    retain(&client, "a", QoS::AtMostOnce).await;
    let settings = RetainedSettings::default();
    let mut retained = Retained::subscribe(&client, ["#"], settings).await.unwrap();
    client.publish("b", "live").await.unwrap();
    let mut names = Vec::new();
    while let Some(message) = retained.next().await.unwrap() {
        names.push(message.topic_name().to_owned());
    }
    assert_eq!(names, ["a"]);
}

#[tokio::test]
async fn the_stored_qos_is_asked_for() {
    let broker = TestBroker::start("").await;
    let client = broker.client("a").await;
    for (topic_name, qos) in [
        ("0", QoS::AtMostOnce),
        ("1", QoS::AtLeastOnce),
        ("2", QoS::ExactlyOnce),
    ] {
        retain(&client, topic_name, qos).await;
    }
    let names: Vec<String> = ["0", "1", "2", "none"].map(str::to_owned).into();
    let found = stored_qos(&client, &names, RetainedSettings::default())
        .await
        .unwrap();
    assert_eq!(found.len(), 3);
    assert_eq!(found["0"], QoS::AtMostOnce);
    assert_eq!(found["1"], QoS::AtLeastOnce);
    assert_eq!(found["2"], QoS::ExactlyOnce);
}

/// Where no marker may be published, silence is the end.
#[tokio::test]
async fn without_a_marker_silence_tells() {
    let broker = TestBroker::start(
        r#"
[authorization]
no_match = "deny"
rules = [{ permission = "allow", topics = ["a/#"] }]
"#,
    )
    .await;
    let client = broker.client("a").await;
    retain(&client, "a/1", QoS::AtLeastOnce).await;
    let settings = RetainedSettings {
        patience: std::time::Duration::from_millis(300),
        ..RetainedSettings::default()
    };
    let (names, end) = listed(&client, "a/#", settings).await;
    assert_eq!((names.len(), end), (1, Some(End::Silence)));
}
