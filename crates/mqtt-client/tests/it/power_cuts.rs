//! A client with a store on a disk that loses power, and a server that loses connections: what was accepted arrives.

use crate::server::{DUPLEX_LEN, Server, ack};
use mqtt_client::{
    Client, ClientBuilder, Driver, ProtocolVersion, QoS, Reconnect, Store, StoreSync, Stream,
};
use mqtt_codec::{Ack, ConnAck, Delivery, Packet, PacketId, Properties, ReasonCode};
use mqtt_log::fault::{Faults, SimDisk};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Seeds of each of the tests.
const SEEDS: u64 = 120;
/// Processes in one run, before the one that ends well.
const LIVES: u64 = 4;
/// Messages a process publishes at most.
const MESSAGES: u64 = 60;
/// Everything has to be through by then.
const TIME_LIMIT: Duration = Duration::from_secs(60);

struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % end
    }
}

/// What a server remembers.
struct Memory {
    random: Random,
    has_session: bool,
    /// Whether nothing has come since the session began.
    ///
    /// A client that dies then cannot know of the new session; so a server that forgets does it again.
    is_untouched: bool,
    unreleased: HashSet<PacketId>,
    /// The numbers of messages in the order they were taken.
    taken: Vec<u64>,
    /// Whether everything goes well from now on.
    is_kind: bool,
    is_forgetful: bool,
    connections: u64,
}

#[derive(Clone)]
struct Fleeting {
    memory: Arc<Mutex<Memory>>,
    version: ProtocolVersion,
}

impl Fleeting {
    fn new(seed: u64, version: ProtocolVersion) -> Self {
        let memory = Memory {
            random: Random(seed),
            has_session: false,
            is_untouched: false,
            unreleased: HashSet::new(),
            taken: Vec::new(),
            is_kind: false,
            is_forgetful: false,
            connections: 0,
        };
        Self {
            memory: Arc::new(Mutex::new(memory)),
            version,
        }
    }

    fn builder(&self, seed: u64) -> ClientBuilder {
        let server = self.clone();
        let policy = Reconnect::new()
            .from_start()
            .first_delay(Duration::from_millis(1))
            .max_delay(Duration::from_millis(1));
        Client::builder("server.example")
            .client_id("client")
            .version(self.version)
            .reconnect(policy.seed(seed))
            .connector(move |_| {
                let (near, far) = tokio::io::duplex(DUPLEX_LEN);
                tokio::spawn(server.clone().serve(far));
                async move { Ok(Stream::other(near)) }
            })
    }

    /// One connection, until somebody ends it.
    async fn serve(self, stream: DuplexStream) {
        let mut server = Server::new(stream, self.version);
        while let Some(received) = server.try_recv().await {
            let Some(answer) = self.answer(&received.packet()) else {
                return;
            };
            let mut bytes = vec![0; answer.encoded_len(self.version).unwrap()];
            answer.encode(self.version, &mut bytes).unwrap();
            if server.stream.write_all(&bytes).await.is_err() {
                return;
            }
        }
    }

    /// What the packet is answered by; none ends the connection, before or after it is taken.
    fn answer(&self, packet: &Packet<'_>) -> Option<Packet<'static>> {
        let mut memory = self.memory.lock().unwrap();
        let fate = if memory.is_kind {
            9
        } else {
            memory.random.below(40)
        };
        if fate == 0 {
            return None;
        }
        if !matches!(packet, Packet::Connect(_)) {
            memory.is_untouched = false;
        }
        let answer = match packet {
            Packet::Connect(connect) => {
                memory.connections += 1;
                if connect.clean_start || (memory.is_untouched && memory.is_forgetful) {
                    memory.has_session = false;
                }
                let session_present = std::mem::replace(&mut memory.has_session, true);
                memory.is_untouched = !session_present;
                if !session_present {
                    memory.unreleased.clear();
                }
                Packet::ConnAck(ConnAck {
                    session_present,
                    reason: ReasonCode::SUCCESS,
                    properties: Properties::EMPTY,
                })
            }
            Packet::Publish(publish) => {
                let number = publish.payload.first_chunk().unwrap();
                let number = u64::from_le_bytes(*number);
                match publish.delivery {
                    Delivery::AtMostOnce => panic!("nothing is published at QoS 0"),
                    Delivery::AtLeastOnce(packet_id) => {
                        memory.taken.push(number);
                        Packet::PubAck(ack(packet_id))
                    }
                    Delivery::ExactlyOnce(packet_id) => {
                        if memory.unreleased.insert(packet_id) {
                            memory.taken.push(number);
                        }
                        Packet::PubRec(ack(packet_id))
                    }
                }
            }
            Packet::PubRel(Ack { packet_id, .. }) => {
                memory.unreleased.remove(packet_id);
                Packet::PubComp(ack(*packet_id))
            }
            Packet::Disconnect(_) => return None,
            Packet::PingReq => Packet::PingResp,
            other => panic!("{other:?} came"),
        };
        (fate != 1).then_some(answer)
    }

    fn set<T>(&self, change: impl FnOnce(&mut Memory) -> T) -> T {
        change(&mut self.memory.lock().unwrap())
    }
}

/// A client that dies when its driver is aborted.
struct Process {
    client: Client,
    driver: JoinHandle<()>,
}

impl Process {
    fn start(builder: ClientBuilder) -> Option<Self> {
        let (client, driver): (Client, Driver) = builder.build().ok()?;
        let driver = tokio::spawn(async {
            driver.await;
        });
        Some(Self { client, driver })
    }

    async fn die(self) {
        self.driver.abort();
        let _ = self.driver.await;
    }
}

const fn qos(number: u64) -> QoS {
    match number % 3 {
        0 => QoS::AtLeastOnce,
        _ => QoS::ExactlyOnce,
    }
}

fn numbers(client: &Client) -> HashSet<u64> {
    let restored = client.restored();
    let numbers = restored
        .iter()
        .map(|one| u64::from_le_bytes(*one.payload.first_chunk().unwrap()));
    numbers.collect()
}

/// One disk, one server, some processes one after the other.
async fn run(seed: u64, loses_session: bool) -> (u64, u64) {
    let version = match seed % 3 {
        0 => ProtocolVersion::V311,
        _ => ProtocolVersion::V5,
    };
    let mut random = Random(!seed);
    let server = Fleeting::new(seed, version);
    server.set(|memory| memory.is_forgetful = loses_session);
    let mut disk = SimDisk::new(seed);
    let (mut next, mut accepted) = (0u64, Vec::new());
    // What the process before had accepted into the memory of the system is on the disk once the next one has opened it.
    let mut was_killed = false;
    for life in 0..LIVES {
        disk.set_faults(Faults {
            short_write: 20,
            ..Faults::default()
        });
        // Only the process ends, with what the system has, or the power is cut.
        let is_killed = random.below(4) == 0;
        let store = Store::on_disk(disk.clone()).max_message(4096);
        let store = match is_killed {
            true => store.sync(StoreSync::Os),
            false => store,
        };
        let calls = (!is_killed && random.below(4) != 0).then(|| random.below(150));
        if let Some(calls) = calls.filter(|_| !was_killed) {
            disk.turn_off_after(calls);
        }
        let builder = server.builder(seed ^ life).store(store);
        if let Some(process) = Process::start(builder) {
            let restored = numbers(&process.client);
            if let Some(calls) = calls.filter(|_| was_killed) {
                disk.turn_off_after(calls);
            }
            was_killed = is_killed;
            if !loses_session {
                let taken: HashSet<u64> =
                    server.set(|memory| memory.taken.iter().copied().collect());
                let is_there = |number: &u64| restored.contains(number) || taken.contains(number);
                let lost: Vec<_> = accepted.iter().filter(|one| !is_there(one)).collect();
                assert!(lost.is_empty(), "seed {seed}, life {life}: {lost:?}");
            }
            for _ in 0..random.below(MESSAGES) {
                let mut payload = next.to_le_bytes().to_vec();
                payload.resize(8 + usize::try_from(random.below(4000)).unwrap(), 7);
                let publish = process.client.publish("t", payload).qos(qos(next));
                let enqueued = publish.enqueue().await;
                let is_accepted = enqueued.is_ok();
                if is_accepted {
                    accepted.push(next);
                }
                next += 1;
                if !is_accepted {
                    break;
                }
            }
            if random.below(3) == 0 {
                let _ = timeout(Duration::from_millis(5), process.client.drain()).await;
            }
            disk = match is_killed {
                true => disk.kill(),
                false => disk.cut(),
            };
            process.die().await;
        } else {
            disk = disk.cut();
        }
        if loses_session && random.below(2) == 0 {
            server.set(|memory| memory.has_session = false);
        }
    }
    server.set(|memory| memory.is_kind = true);
    disk.set_faults(Faults::default());
    let store = Store::on_disk(disk.clone()).max_message(4096);
    let process = Process::start(server.builder(seed).store(store)).unwrap();
    process.client.drain().await.unwrap();
    process.client.disconnect().await.unwrap();
    check(seed, &server, &accepted, loses_session);
    drop(process);
    // Nothing is left.
    let store = Store::on_disk(disk).max_message(4096);
    let process = Process::start(server.builder(seed).store(store)).unwrap();
    assert!(numbers(&process.client).is_empty(), "seed {seed}");
    process.die().await;
    (next, server.set(|memory| memory.connections))
}

fn check(seed: u64, server: &Fleeting, accepted: &[u64], loses_session: bool) {
    let taken = server.set(|memory| memory.taken.clone());
    let mut times: HashMap<u64, u64> = HashMap::new();
    let mut firsts = Vec::new();
    for number in &taken {
        let count = times.entry(*number).or_default();
        *count += 1;
        if *count == 1 {
            firsts.push(*number);
        } else {
            assert_eq!(
                qos(*number),
                QoS::AtLeastOnce,
                "seed {seed}: {number} twice"
            );
        }
    }
    assert!(firsts.is_sorted(), "seed {seed}: {firsts:?}");
    for number in accepted {
        let may_be_lost = loses_session && qos(*number) == QoS::ExactlyOnce;
        assert!(
            may_be_lost || times.contains_key(number),
            "seed {seed}: {number} never came"
        );
    }
}

async fn run_all(loses_session: bool) {
    let seeds = match std::env::var("MQTT_SEED") {
        Ok(seed) => {
            let seed = seed.parse().unwrap();
            seed..seed + 1
        }
        Err(_) => 0..SEEDS,
    };
    let (mut messages, mut connections) = (0, 0);
    for seed in seeds {
        let done = timeout(TIME_LIMIT, run(seed, loses_session)).await;
        let (more, other) = done.unwrap_or_else(|_| panic!("seed {seed}: not in time"));
        messages += more;
        connections += other;
    }
    assert!(messages > 0 && connections > 0);
}

/// What `enqueue` has promised arrives through any power cut: at QoS 2 once, at QoS 1 at least once, in order.
#[tokio::test]
async fn what_was_accepted_arrives_after_power_cuts() {
    run_all(false).await;
}

/// Where the server forgets the session, a message of QoS 2 may be lost with it, and none comes twice.
#[tokio::test]
async fn a_server_that_forgets_brings_nothing_twice() {
    run_all(true).await;
}
