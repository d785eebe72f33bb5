//! mqtt-client and mqtt-broker with a network between them that cuts, delays, splits, reorders and swallows.

mod proxy;

use crate::tls::Terminator;

use mqtt_broker::{Broker, Config};
use mqtt_client::{
    Client, ClientBuilder, ProtocolVersion, PublishError, QoS, Reconnect, Subscription, Unanswered,
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

/// How client and broker work in one run.
#[derive(Clone, Copy, Debug)]
struct Way {
    version: ProtocolVersion,
    /// Whether the bytes that are cut and swallowed are those of TLS.
    tls: bool,
    /// Whether the application acknowledges itself, late and out of order.
    manual_ack: bool,
}

impl Way {
    const PLAIN: Self = Self {
        version: ProtocolVersion::V5,
        tls: false,
        manual_ack: false,
    };

    /// Bytes a connection lasts at most if it is cut; a handshake of TLS alone takes thousands.
    fn cut_max(self) -> u64 {
        if self.tls { 7_000 } else { 1_220 }
    }
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

/// How often each message came, until all have. Each is kept for a while and answered when it is dropped, in any order.
async fn receive_all(mut subscription: Subscription, seed: u64) -> HashMap<String, usize> {
    let mut random = Random::new(seed);
    let mut received = HashMap::new();
    let mut kept = Vec::new();
    while received.len() < TASKS * MESSAGES {
        let message = match subscription.try_next() {
            Some(message) => message,
            None => {
                // Nothing comes while the window is full of what is kept.
                kept.clear();
                subscription.next().await.unwrap()
            }
        };
        let text = message.text().unwrap().to_owned();
        *received.entry(text).or_default() += 1;
        let at = random.below(1 + u64::try_from(kept.len()).unwrap());
        kept.insert(usize::try_from(at).unwrap(), message);
        if kept.len() > 5 {
            kept.pop();
        }
    }
    received
}

/// No acknowledged message is lost, none of QoS 2 comes twice, every receipt ends, and nothing hangs; the connections
/// it took.
async fn survives(way: Way, seed: u64) -> u64 {
    println!("seed {seed}, {way:?}");
    let broker = Broker::builder().config(config()).start().await.unwrap();
    let broker_addr = broker.local_addrs()[0];
    let terminator = Terminator::start(broker_addr);
    let to = if way.tls {
        terminator.addr
    } else {
        broker_addr
    };
    let up = Proxy::start(to, seed, way.cut_max()).await;
    let down = Proxy::start(to, !seed, way.cut_max()).await;
    let start = |proxy: &Proxy, client_id| {
        let scheme = if way.tls { "mqtts" } else { "mqtt" };
        let address = format!("{scheme}://localhost:{}", proxy.addr.port());
        let builder = client(&address, client_id, way.version, seed);
        builder.tls(terminator.client_config()).start().unwrap()
    };
    let (publisher, subscriber) = (start(&up, "publisher"), start(&down, "subscriber"));
    let subscribe = subscriber.subscribe("faults/#").qos(QoS::ExactlyOnce);
    let subscribe = match way.manual_ack {
        true => subscribe.manual_ack().on_unanswered(Unanswered::Ack),
        false => subscribe,
    };
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
    let receiving = tokio::spawn(receive_all(subscription, seed));
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
    let connections = up.connections() + down.connections();
    println!("connections: {connections}");
    up.be_gentle();
    down.be_gentle();
    publisher.disconnect().await.unwrap();
    subscriber.disconnect().await.unwrap();
    broker.shutdown().await;
    connections
}

async fn survive(way: Way) {
    let (mut connections, mut least) = (0, 0);
    for seed in seeds() {
        match timeout(TIME_LIMIT, survives(way, seed)).await {
            Ok(taken) => connections += taken,
            Err(_) => panic!("seed {seed}: not through after {TIME_LIMIT:?}"),
        }
        least += 2;
    }
    assert!(connections > least, "something was cut");
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
    survive(Way::PLAIN).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_message_is_lost_over_a_bad_network_before_v5() {
    let version = ProtocolVersion::V311;
    survive(Way {
        version,
        ..Way::PLAIN
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_message_is_lost_with_late_answers_over_a_bad_network() {
    let manual_ack = true;
    survive(Way {
        manual_ack,
        ..Way::PLAIN
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_message_is_lost_over_tls_on_a_bad_network() {
    let tls = true;
    survive(Way { tls, ..Way::PLAIN }).await;
}
