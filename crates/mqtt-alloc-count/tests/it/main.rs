//! What the broker allocates per message and keeps after clients that misbehave, and what a client keeps.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod abuse;
mod acknowledged;
mod client;
mod per_message;
mod session;

use mqtt_alloc_count::CountingAllocator;
use mqtt_broker::{Access, Broker, Config};
use mqtt_codec::{Connect, Packet, ProtocolVersion};
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// The counters are those of the whole process, so tests take turns.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A broker on a free port.
struct Server {
    broker: Broker,
    addr: SocketAddr,
    /// Dropped after the broker, with all that still runs.
    _runtime: Runtime,
}

impl Server {
    fn start(workers: usize, access: impl Access, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        config.listen_only_on(["127.0.0.1:0".parse().unwrap()]);
        change(&mut config);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(workers)
            .enable_all()
            .build()
            .unwrap();
        let builder = Broker::builder().config(config).access(access);
        let broker = runtime.block_on(builder.start()).unwrap();
        let addr = broker.local_addrs()[0];
        Self {
            broker,
            addr,
            _runtime: runtime,
        }
    }

    fn wait_until(&self, what: &str, condition: impl Fn(&Broker) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !condition(&self.broker) {
            assert!(Instant::now() < deadline, "not in time: {what}");
            std::thread::yield_now();
        }
    }
}

/// The bytes of a packet.
fn encoded(version: ProtocolVersion, packet: &Packet<'_>) -> Vec<u8> {
    let mut bytes = vec![0; packet.encoded_len(version).unwrap()];
    packet.encode(version, &mut bytes).unwrap();
    bytes
}

/// CONNECT for a fresh session.
fn connect(version: ProtocolVersion, client_id: &str) -> Vec<u8> {
    encoded(version, &Packet::Connect(Connect::new(version, client_id)))
}
