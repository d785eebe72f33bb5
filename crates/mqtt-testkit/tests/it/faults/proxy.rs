//! A proxy that treats connections badly, as a seed says.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// SplitMix64.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// From 0 up to but not including `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// What is done to one direction of a connection.
#[derive(Clone, Debug)]
struct Treatment {
    /// Bytes after which it ends; none for never.
    cut_after: Option<u64>,
    /// Whether at the end bytes just vanish, instead of the connection being closed.
    half_open: bool,
    /// The longest piece passed on at once, in bytes.
    piece_max: u64,
    /// The longest pause between pieces, in milliseconds.
    pause_max_ms: u64,
}

impl Treatment {
    /// Cut after `cut_max` bytes at most, if it is cut.
    fn draw(random: &mut Random, cut_max: u64) -> Self {
        let is_slow = random.one_in(4);
        Self {
            cut_after: (!random.one_in(5)).then(|| 20 + random.below(cut_max - 20)),
            half_open: random.one_in(5),
            piece_max: if is_slow {
                1 + random.below(3)
            } else {
                1 + random.below(700)
            },
            pause_max_ms: if random.one_in(3) { random.below(4) } else { 0 },
        }
    }

    const NONE: Self = Self {
        cut_after: None,
        half_open: false,
        piece_max: u64::MAX,
        pause_max_ms: 0,
    };
}

/// A listening proxy; ends with its value.
pub(crate) struct Proxy {
    pub(crate) addr: SocketAddr,
    is_gentle: Arc<AtomicBool>,
    connections: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Proxy {
    pub(crate) async fn start(to: SocketAddr, seed: u64, cut_max: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let is_gentle = Arc::new(AtomicBool::new(false));
        let connections = Arc::new(AtomicU64::new(0));
        let task = tokio::spawn(run(
            listener,
            to,
            (seed, cut_max),
            Arc::clone(&is_gentle),
            Arc::clone(&connections),
        ));
        Self {
            addr,
            is_gentle,
            connections,
            task,
        }
    }

    /// New connections are left alone from now on.
    pub(crate) fn be_gentle(&self) {
        self.is_gentle.store(true, Ordering::Relaxed);
    }

    /// Connections there were.
    pub(crate) fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(
    listener: TcpListener,
    to: SocketAddr,
    (seed, cut_max): (u64, u64),
    is_gentle: Arc<AtomicBool>,
    connections: Arc<AtomicU64>,
) {
    let mut random = Random::new(seed);
    while let Ok((near, _)) = listener.accept().await {
        connections.fetch_add(1, Ordering::Relaxed);
        let gentle = is_gentle.load(Ordering::Relaxed);
        let (mut up, mut down) = (
            Treatment::draw(&mut random, cut_max),
            Treatment::draw(&mut random, cut_max),
        );
        // A connection that reaches the server after the one that follows it.
        let late_ms = if random.one_in(6) {
            random.below(150)
        } else {
            0
        };
        // The server learns late that the client is gone.
        let linger_ms = if random.one_in(3) {
            random.below(300)
        } else {
            0
        };
        let seeds = (random.next(), random.next());
        if gentle {
            (up, down) = (Treatment::NONE, Treatment::NONE);
        }
        tokio::spawn(async move {
            if !gentle {
                sleep(Duration::from_millis(late_ms)).await;
            }
            let Ok(far) = TcpStream::connect(to).await else {
                return;
            };
            let (near_read, near_write) = near.into_split();
            let (far_read, far_write) = far.into_split();
            let pump_up = pump(near_read, far_write, up, Random::new(seeds.0));
            let pump_down = pump(far_read, near_write, down, Random::new(seeds.1));
            // Both halves of both sockets close when the first direction has ended.
            let (mut pump_up, mut pump_down) = (Box::pin(pump_up), Box::pin(pump_down));
            tokio::select! {
                kept = &mut pump_up => {
                    drop(pump_down);
                    linger(kept, linger_ms).await;
                }
                kept = &mut pump_down => {
                    drop(kept);
                    linger(pump_up, linger_ms).await;
                }
            }
        });
    }
}

/// Keeps `kept`, and with it a socket, for a while.
async fn linger<T>(kept: T, linger_ms: u64) {
    sleep(Duration::from_millis(linger_ms)).await;
    drop(kept);
}

/// Passes bytes on until the treatment or the connection ends.
async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    treatment: Treatment,
    mut random: Random,
) -> (OwnedReadHalf, OwnedWriteHalf) {
    let mut left = treatment.cut_after.unwrap_or(u64::MAX);
    let mut buffer = vec![0; 4096];
    loop {
        let Ok(len) = from.read(&mut buffer).await else {
            return (from, to);
        };
        if len == 0 {
            return (from, to);
        }
        let mut rest = &buffer[..len];
        while !rest.is_empty() {
            let piece = 1 + random.below(treatment.piece_max);
            let piece = usize::try_from(piece.min(left)).unwrap_or(usize::MAX);
            let (now, later) = rest.split_at(piece.min(rest.len()));
            if to.write_all(now).await.is_err() {
                return (from, to);
            }
            rest = later;
            left -= u64::try_from(now.len()).unwrap();
            if left == 0 {
                if treatment.half_open {
                    // Whatever is sent vanishes, and nobody is told.
                    while matches!(from.read(&mut buffer).await, Ok(1..)) {}
                }
                return (from, to);
            }
            if treatment.pause_max_ms != 0 {
                let pause_ms = random.below(treatment.pause_max_ms + 1);
                sleep(Duration::from_millis(pause_ms)).await;
            }
        }
    }
}
