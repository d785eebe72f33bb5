//! mqtt-client and mqtt-broker with a network between them that cuts, delays, splits, reorders and swallows.

mod proxy;

use mqtt_broker::{Broker, Config};
use mqtt_client::{
    Client, ClientBuilder, ProtocolVersion, PublishError, QoS, Reconnect, Subscription,
};
use proxy::{Proxy, Random};
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::timeout;

/// Messages each of the tasks publishes.
const MESSAGES: usize = 40;
/// Tasks that publish at once through one client.
const TASKS: usize = 4;
/// Everything has to be through by then.
const TIME_LIMIT: Duration = Duration::from_secs(60);

fn config() -> Config {
    let text = "listeners.tcp.default.bind = '127.0.0.1:0'";
    Config::from_toml(text, "test").unwrap()
}

fn client(address: &str, client_id: &str, version: ProtocolVersion, seed: u64) -> ClientBuilder {
    let policy = Reconnect::new()
        .from_start()
        .first_delay(Duration::from_millis(2))
        .max_delay(Duration::from_millis(30));
    Client::builder(address)
        .client_id(client_id)
        .version(version)
        .clean_start(false)
        .session_expiry(Duration::from_secs(3600))
        .keep_alive(Duration::from_secs(1))
        .ping_timeout(Duration::from_millis(200))
        .connect_timeout(Duration::from_millis(500))
        .reconnect(policy.seed(seed))
}

fn qos(number: usize) -> QoS {
    match number % 2 {
        0 => QoS::AtLeastOnce,
        _ => QoS::ExactlyOnce,
    }
}

/// Publishes its share, one by one or many at once, and waits for every receipt.
async fn publish_all(client: Client, task: usize, seed: u64) -> Vec<PublishError> {
    let mut random = Random::new(seed);
    let mut receipts = Vec::new();
    let mut failed = Vec::new();
    for number in 0..MESSAGES {
        let payload = format!("{task}/{number}");
        let publish = client.publish("faults/t", payload).qos(qos(number));
        match random.below(3) {
            0 => failed.extend(publish.await.err()),
            1 => receipts.push(publish.enqueue().await.unwrap()),
            _ => match publish.try_enqueue() {
                Ok(receipt) => receipts.push(receipt),
                Err(error) => panic!("{error}"),
            },
        }
    }
    for receipt in receipts {
        failed.extend(receipt.await.err());
    }
    failed
}

/// How often each message came, until all have.
async fn receive_all(mut subscription: Subscription) -> HashMap<String, usize> {
    let mut received = HashMap::new();
    while received.len() < TASKS * MESSAGES {
        let message = subscription.next().await.unwrap();
        *received
            .entry(message.text().unwrap().to_owned())
            .or_default() += 1;
    }
    received
}

/// No acknowledged message is lost, none of QoS 2 comes twice, every receipt ends, and nothing hangs.
async fn survives(version: ProtocolVersion, seed: u64) {
    println!("seed {seed}, version {version:?}");
    let broker = Broker::builder().config(config()).start().await.unwrap();
    let to = broker.local_addrs()[0];
    let (up, down) = (Proxy::start(to, seed).await, Proxy::start(to, !seed).await);
    let publisher = client(&up.address, "publisher", version, seed)
        .start()
        .unwrap();
    let subscriber = client(&down.address, "subscriber", version, seed)
        .start()
        .unwrap();
    let subscribe = subscriber.subscribe("faults/#").qos(QoS::ExactlyOnce);
    let subscription = subscribe.await.unwrap();
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            tokio::spawn(publish_all(
                publisher.clone(),
                task,
                seed + u64::try_from(task).unwrap(),
            ))
        })
        .collect();
    let receiving = tokio::spawn(receive_all(subscription));
    for task in tasks {
        let failed = task.await.unwrap();
        assert!(failed.is_empty(), "seed {seed}: {failed:?}");
    }
    publisher.drain().await.unwrap();
    let received = receiving.await.unwrap();
    for task in 0..TASKS {
        for number in (0..MESSAGES).filter(|number| qos(*number) == QoS::ExactlyOnce) {
            assert_eq!(received[&format!("{task}/{number}")], 1, "{task}/{number}");
        }
    }
    println!(
        "connections: {} and {}",
        up.connections(),
        down.connections()
    );
    assert!(
        up.connections() + down.connections() > 2,
        "something was cut"
    );
    up.be_gentle();
    down.be_gentle();
    publisher.disconnect().await.unwrap();
    subscriber.disconnect().await.unwrap();
    broker.shutdown().await;
}

async fn survives_in_time(version: ProtocolVersion, seed: u64) {
    let done = timeout(TIME_LIMIT, survives(version, seed)).await;
    assert!(
        done.is_ok(),
        "seed {seed}: not through after {TIME_LIMIT:?}"
    );
}

/// Seeds to try: one that was asked for, or a few.
fn seeds() -> Vec<u64> {
    match std::env::var("MQTT_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (1..=3).collect(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_message_is_lost_over_a_bad_network() {
    for seed in seeds() {
        survives_in_time(ProtocolVersion::V5, seed).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_message_is_lost_over_a_bad_network_before_v5() {
    for seed in seeds() {
        survives_in_time(ProtocolVersion::V311, seed).await;
    }
}
