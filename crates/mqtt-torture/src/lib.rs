//! Kills a broker over and over and verifies that it keeps what it has acknowledged.
#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

mod broker;
mod link;
mod publisher;
mod random;
mod report;
mod retained;
mod subscriber;

pub use report::{Report, Violation};

use broker::Child;
use random::Random;
use report::Shared;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// Clients that publish.
const PUBLISHERS: u8 = 4;
/// Clients that subscribe; every other one comes and goes.
const SUBSCRIBERS: u8 = 4;

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Torture {
    /// The program that runs the broker.
    pub program: PathBuf,
    /// Its arguments. The broker must listen at `addr`, keep its state over a restart, and say `ready` in a line of
    /// its own on stdout.
    pub args: Vec<OsString>,
    /// Where the broker listens.
    pub addr: SocketAddr,
    /// How long it goes on, at most.
    pub duration: Duration,
    /// Kills, at most.
    pub kills_max: u32,
    /// How long the broker lives after it is ready, at most.
    pub life_max: Duration,
    /// What is random about it.
    pub seed: u64,
}

/// Why it could not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TortureError {
    /// The broker could not be started.
    #[error("the broker does not start: {0}")]
    Start(std::io::Error),
    /// It ended before it was ready, or was not ready in time; what it said last.
    #[error("the broker does not get ready: {0}")]
    NotReady(String),
    /// A thread could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}

impl Torture {
    /// Does it, and says what was found.
    ///
    /// # Errors
    /// [`TortureError`]: the broker did not start, or not again.
    pub fn run(&self) -> Result<Report, TortureError> {
        let mut random = Random::new(self.seed);
        let shared = Arc::new(Shared::new(self.addr));
        let mut child = Child::start(self)?;
        let mut threads = Vec::new();
        let mut start = |name: String, work: Box<dyn FnOnce() + Send>| {
            let thread = thread::Builder::new().name(name).spawn(work);
            thread
                .map(|thread| threads.push(thread))
                .map_err(TortureError::Thread)
        };
        for number in 0..SUBSCRIBERS {
            let (shared, seed) = (Arc::clone(&shared), random.next());
            let work = move || subscriber::run(&shared, number, seed);
            start(format!("subscriber {number}"), Box::new(work))?;
        }
        shared.wait_for_subscribers(usize::from(SUBSCRIBERS));
        for number in 0..PUBLISHERS {
            let shared = Arc::clone(&shared);
            let work = move || publisher::run(&shared, number);
            start(format!("publisher {number}"), Box::new(work))?;
        }
        let of_retained = Arc::clone(&shared);
        start(
            "retained".to_owned(),
            Box::new(move || retained::run(&of_retained)),
        )?;

        let until = Instant::now() + self.duration;
        let mut kills = 0;
        while kills < self.kills_max && Instant::now() < until {
            thread::sleep(random.duration(self.life_max));
            child.kill();
            kills += 1;
            child = Child::start(self)?;
        }
        shared.stop();
        for thread in threads {
            if thread.join().is_err() {
                shared.note(Violation::Panicked);
            }
        }
        child.kill();
        Ok(shared.report(kills))
    }
}
