//! A program that publishes with a store and is killed again and again: what it was promised arrives at a broker.

use mqtt_broker::{Broker, Config};
use mqtt_client::{Client, QoS, StoreSync};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::time::timeout;

/// How often it is killed.
const KILLS: u64 = 24;
/// Says to the test of that name that it is to be killed: the address of a broker.
const ADDRESS: &str = "MQTT_KILLED_ADDRESS";
/// The directory of its store.
const STORE: &str = "MQTT_KILLED_STORE";
/// The number of its first message.
const FIRST: &str = "MQTT_KILLED_FIRST";
/// What it says of each message it was promised, with the number behind.
const ACCEPTED: &str = "accepted ";
/// Everything has to be through by then.
const TIME_LIMIT: Duration = Duration::from_secs(60);

const fn qos(number: u64) -> QoS {
    match number % 2 {
        0 => QoS::AtLeastOnce,
        _ => QoS::ExactlyOnce,
    }
}

/// The store of the process number `run`; the sync is one of the two in turn.
fn builder(address: &str, path: &Path, run: u64) -> mqtt_client::ClientBuilder {
    let store = mqtt_client::Store::new(path).max_message(4096);
    let store = match run % 2 {
        0 => store,
        _ => store.sync(StoreSync::Os),
    };
    Client::builder(address).client_id("killed").store(store)
}

/// Does nothing unless the other test starts it; then it publishes until it is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishes_until_it_is_killed() {
    let Ok(address) = std::env::var(ADDRESS) else {
        return;
    };
    let path = std::env::var(STORE).unwrap();
    let first: u64 = std::env::var(FIRST).unwrap().parse().unwrap();
    let client = builder(&address, Path::new(&path), first).start().unwrap();
    for number in first.. {
        let publish = client.publish("killed/t", number.to_string());
        drop(publish.qos(qos(number)).enqueue().await.unwrap());
        // All at once, or half of a line could be read.
        let line = format!("{ACCEPTED}{number}\n");
        std::io::stdout().write_all(line.as_bytes()).unwrap();
    }
}

/// One process from its beginning to its end; the last message it was promised.
fn run_and_kill(address: &str, store: &Path, first: u64, accepted: &mut Vec<u64>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "killed::publishes_until_it_is_killed",
            "--nocapture",
        ])
        .env(ADDRESS, address)
        .env(STORE, store)
        .env(FIRST, first.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // So many promises, and more that nobody has read, then the end in the midst of whatever it does.
    let mut left = 1 + first % 37;
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut read = |line: &str| {
        if let Some((_, number)) = line.split_once(ACCEPTED) {
            accepted.push(number.parse().unwrap());
        }
    };
    while left > 0 {
        let line = lines.next().unwrap().unwrap();
        left -= u64::from(line.contains(ACCEPTED));
        read(&line);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    for line in lines {
        read(&line.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_program_was_promised_arrives() {
    let text = "listeners.tcp.default.bind = '127.0.0.1:0'";
    let config = Config::from_toml(text, "test").unwrap();
    let broker = Broker::builder().config(config).start().await.unwrap();
    let address = format!("mqtt://{}", broker.local_addrs()[0]);
    let directory = tempfile::tempdir().unwrap();
    let reader = Client::builder(&address).connect().await.unwrap();
    let subscribe = reader.subscribe("killed/#").qos(QoS::ExactlyOnce);
    let mut messages = subscribe.await.unwrap();
    let reading = tokio::spawn(async move {
        let mut numbers = Vec::new();
        while let Some(message) = messages.next().await {
            if message.text().unwrap() == "end" {
                break;
            }
            numbers.push(message.text().unwrap().parse::<u64>().unwrap());
        }
        numbers
    });

    let mut accepted = Vec::new();
    for run in 0..KILLS {
        // Numbers of one process are above those of all before it.
        let first = run * 1_000_000 + run;
        let (to, store) = (address.clone(), directory.path().to_owned());
        let running = tokio::task::spawn_blocking(move || {
            let mut accepted = Vec::new();
            run_and_kill(&to, &store, first, &mut accepted);
            accepted
        });
        accepted.extend(running.await.unwrap());
    }
    let client = builder(&address, directory.path(), 0).start().unwrap();
    let restored = client.restored().len();
    timeout(TIME_LIMIT, client.drain()).await.unwrap().unwrap();
    client.disconnect().await.unwrap();
    let end = reader.publish("killed/t", "end").qos(QoS::ExactlyOnce);
    end.await.unwrap();
    let numbers = timeout(TIME_LIMIT, reading).await.unwrap().unwrap();
    broker.shutdown().await;

    let mut times: HashMap<u64, u64> = HashMap::new();
    let mut firsts = Vec::new();
    for number in numbers {
        let count = times.entry(number).or_default();
        *count += 1;
        match *count {
            1 => firsts.push(number),
            _ => assert_eq!(qos(number), QoS::AtLeastOnce, "{number} came twice"),
        }
    }
    println!(
        "{} accepted, {} came, {restored} of them after the last kill",
        accepted.len(),
        firsts.len()
    );
    let lost = accepted.iter().filter(|number| !times.contains_key(number));
    assert_eq!(lost.collect::<Vec<_>>(), Vec::<&u64>::new());
    assert!(firsts.is_sorted(), "in the order they were accepted");
    assert!(accepted.len() > 100);
}
