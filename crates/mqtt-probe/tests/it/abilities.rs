//! What a broker of ours can do, and one that may do little.

use std::time::Duration;

use mqtt_probe::{Ability, AbilitySettings, Retained, RetainedSettings, Verdict, abilities};

use crate::broker::TestBroker;

async fn of(broker: &TestBroker) -> Vec<Ability> {
    let settings = AbilitySettings {
        payload_len_max: 100_000,
        patience: Duration::from_secs(2),
    };
    let mut told = Vec::new();
    let tested = abilities(
        || broker.builder(),
        settings,
        |ability| {
            told.push(ability.clone());
        },
    );
    let found = tested.await.unwrap();
    assert_eq!(told, found);
    found
}

fn one<'a>(found: &'a [Ability], name: &str) -> &'a Ability {
    let ability = found.iter().find(|ability| ability.name == name);
    assert!(ability.is_some(), "{name} in {found:?}");
    ability.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_of_ours_can_do_all_of_it_and_keeps_nothing() {
    let broker = TestBroker::start("").await;
    let found = of(&broker).await;
    for ability in &found {
        assert_eq!(ability.verdict, Verdict::Yes, "{ability:?}");
    }
    assert_eq!(
        one(&found, "longest payload").detail,
        "100000 bytes, no more were tried"
    );
    let client = broker.client("after").await;
    let mut kept = Retained::subscribe(&client, ["mqtt/probe/#"], RetainedSettings::default())
        .await
        .unwrap();
    assert!(kept.next().await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_broker_refuses_is_found() {
    let little = "mqtt.max_qos_allowed = 1\nmqtt.retain_available = false\n\
        mqtt.wildcard_subscription = false\nmqtt.shared_subscription = false\n\
        mqtt.max_packet_size = '4KB'\n";
    let broker = TestBroker::start(little).await;
    let found = of(&broker).await;
    let refused = [
        "QoS 2",
        "retained messages",
        "wildcard +",
        "wildcard #",
        "shared subscriptions",
    ];
    for name in refused {
        assert_eq!(
            one(&found, name).verdict,
            Verdict::No,
            "{name} in {found:?}"
        );
    }
    for name in [
        "MQTT 3.1",
        "MQTT 3.1.1",
        "MQTT 5.0",
        "QoS 1",
        "order of 100 messages",
    ] {
        assert_eq!(
            one(&found, name).verdict,
            Verdict::Yes,
            "{name} in {found:?}"
        );
    }
    assert_eq!(one(&found, "Maximum Packet Size").detail, "4096");
    let longest = &one(&found, "longest payload").detail;
    let len = longest.split(' ').nth(1).unwrap().parse::<usize>().unwrap();
    assert!((3_700..4_096).contains(&len), "{longest}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_nobody_is_told_as_an_error() {
    let builder = || mqtt_client::Client::builder("mqtt://127.0.0.1:1");
    let tested = abilities(builder, AbilitySettings::default(), |_| {}).await;
    assert!(tested.is_err());
}
