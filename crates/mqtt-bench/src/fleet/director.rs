//! Directs the threads of a fleet from its first connection to its report.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::clock::nanoseconds;
use super::preflight::{self, Shortage};
use super::reach;
use super::report::{FleetReport, Snapshot};
use super::settings::{Fleet, Pace};
use super::shared::{Faults, Parts, Shared, Stage};
use super::tally::{Counts, Times};
use super::tls;
use super::worker::Worker;
use crate::error::BenchError;
use crate::link::LinkPlan;

/// How often the director looks.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How long it takes at most until all threads have told what they do.
const LAG_NS: u64 = 60_000_000;
/// How often progress is told.
const SECOND_NS: u64 = 1_000_000_000;
/// After so long without a delivery a closed loop gives up what is under way.
const GIVE_UP_NS: u64 = 500_000_000;

/// Why a fleet could not run.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// The fleet cannot be as it is described.
    #[error("{0}")]
    Settings(String),
    /// A host has no address.
    #[error("{host}: {source}")]
    Host {
        /// The host.
        host: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// This machine cannot hold it.
    #[error(transparent)]
    Shortage(#[from] Shortage),
    /// The system refused something that is no client's.
    #[error(transparent)]
    Bench(#[from] BenchError),
    /// A thread has ended that should not.
    #[error("a thread of the generator has ended")]
    Thread,
}

/// Ends a fleet before its time.
#[derive(Debug, Default)]
pub struct Stop(AtomicU8);

impl Stop {
    /// Asks for the end: once for one in order, twice for one at once.
    pub fn ask(&self) {
        let _ = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |asked| {
                Some(asked.saturating_add(1))
            });
    }

    fn asked(&self) -> u8 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How far a fleet is, each second.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct Progress {
    /// Since the beginning.
    pub elapsed: Duration,
    /// Clients there are to be.
    pub clients: u64,
    /// Sums since the beginning.
    pub counts: Counts,
    /// What came in the last second.
    pub last: Counts,
    /// How long that second was.
    pub interval: Duration,
    /// Times of the last second.
    pub times: Times,
}

/// Runs a fleet to its end and tells `watch` each second how far it is.
///
/// # Errors
/// The fleet cannot be as described, this machine cannot hold it, or the system refuses what all clients need. A client
/// that fails is no error: the report counts it.
pub fn run_fleet(
    fleet: Fleet,
    stop: &Stop,
    watch: impl FnMut(&Progress),
) -> Result<FleetReport, FleetError> {
    if let Some(fault) = fleet.fault() {
        return Err(FleetError::Settings(fault));
    }
    let parts = prepare(&fleet)?;
    let shared = Arc::new(Shared::new(fleet, parts));
    let mut threads = Vec::new();
    for place in 0..shared.fleet.threads {
        let worker = Worker::new(Arc::clone(&shared), place)?;
        let thread = thread::Builder::new().name(format!("bench-{place}"));
        let thread = thread.spawn(move || worker.run());
        threads.push(thread.map_err(BenchError::io("starting a thread"))?);
    }
    let mut director = Director::new(&shared, watch);
    let directed = director.direct(stop, &threads);
    shared.enter(Stage::Leaving);
    for thread in threads {
        thread.join().map_err(|_| FleetError::Thread)??;
    }
    directed?;
    director.look();
    Ok(director.report(stop.asked() > 0))
}

fn prepare(fleet: &Fleet) -> Result<Parts, FleetError> {
    let tls = fleet.over.tls.as_ref().map(tls::config).transpose()?;
    let mut servers = Vec::new();
    for host in &fleet.hosts {
        let plan = LinkPlan::to(host, fleet.port, &fleet.over, tls.as_ref())?;
        servers.push((address(host, fleet.port)?, plan));
    }
    let addresses: Vec<SocketAddr> = servers.iter().map(|(address, _)| *address).collect();
    let sources = preflight::check(fleet, &addresses)?;
    let host = host_name();
    let run = run_number();
    let copies = reach::copies(fleet, &host, run);
    Ok(Parts {
        servers,
        sources,
        run,
        host,
        copies,
    })
}

/// The first address of a host, IPv4 before IPv6: brokers listen there.
fn address(host: &str, port: u16) -> Result<SocketAddr, FleetError> {
    let failed = |source| FleetError::Host {
        host: host.to_owned(),
        source,
    };
    let found: Vec<SocketAddr> = (host, port).to_socket_addrs().map_err(failed)?.collect();
    let first = found
        .iter()
        .find(|address| address.is_ipv4())
        .or(found.first());
    first
        .copied()
        .ok_or_else(|| failed(std::io::Error::other("it has no address")))
}

#[cfg(unix)]
fn host_name() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

#[cfg(not(unix))]
fn host_name() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_else(|_| "localhost".to_owned())
}

/// A number that other runs do not have.
fn run_number() -> u32 {
    use std::hash::{BuildHasher, RandomState};
    let [.., a, b, c, d] = RandomState::new()
        .hash_one(std::process::id())
        .to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}

struct Director<'a, W> {
    shared: &'a Shared,
    watch: W,
    now_ns: u64,
    counts: Counts,
    /// Times of the whole run, and of the last second.
    times: Times,
    second: Times,
    faults: Faults,
    told: (u64, Counts),
    /// Deliveries and acknowledgements at the last look, and since when.
    moved: (u64, u64),
    before: Option<Snapshot>,
    after: Option<Snapshot>,
    /// When all clients were ready or had given up.
    settled_ns: Option<u64>,
    /// From when on rates count.
    measured_from_ns: Option<u64>,
}

impl<'a, W: FnMut(&Progress)> Director<'a, W> {
    fn new(shared: &'a Shared, watch: W) -> Self {
        let now_ns = shared.clock.now_ns();
        Self {
            shared,
            watch,
            now_ns,
            counts: Counts::default(),
            times: Times::new(),
            second: Times::new(),
            faults: Faults::default(),
            told: (now_ns, Counts::default()),
            moved: (0, now_ns),
            before: None,
            after: None,
            settled_ns: None,
            measured_from_ns: None,
        }
    }

    /// From gathering to the end of draining.
    fn direct(
        &mut self,
        stop: &Stop,
        threads: &[JoinHandle<Result<(), BenchError>>],
    ) -> Result<(), FleetError> {
        let fleet = &self.shared.fleet;
        if !fleet.starts_together() {
            self.start_publishing();
            if fleet.warm_up.is_zero() {
                let origin_ns = self.shared.clock.origin_ns();
                self.shared.measure_ns.store(origin_ns, Ordering::Relaxed);
            }
        }
        let mut drains_since = None;
        loop {
            thread::sleep(LOOK_EVERY);
            self.look();
            if threads.iter().any(JoinHandle::is_finished) {
                // Its error is found when it is joined.
                return Ok(());
            }
            if let Some(since_ns) = drains_since {
                if self.is_drained(since_ns) || stop.asked() > 1 {
                    return Ok(());
                }
                continue;
            }
            self.settle();
            self.measure();
            if stop.asked() > 0 || self.is_over() {
                self.after = Some(Snapshot::take(self.now_ns, self.counts));
                self.shared.enter(Stage::Draining);
                drains_since = Some(self.now_ns);
                self.moved.1 = self.now_ns;
            }
        }
    }

    /// Takes what the threads have told, and tells on.
    fn look(&mut self) {
        self.now_ns = self.shared.clock.now_ns();
        self.counts = Counts::default();
        for board in &self.shared.boards {
            let mut board = board.lock().unwrap_or_else(PoisonError::into_inner);
            self.counts.add(&board.counts);
            self.second.take(&mut board.times);
            self.faults.take(&mut board.faults);
        }
        let moved = self.counts.received + self.counts.acknowledged + self.counts.refused;
        if moved != self.moved.0 {
            self.moved = (moved, self.now_ns);
        }
        self.give_up();
        let (told_ns, told) = self.told;
        let interval_ns = self.now_ns.saturating_sub(told_ns);
        if interval_ns >= SECOND_NS || self.shared.stage() == Stage::Leaving {
            let progress = Progress {
                elapsed: Duration::from_nanos(self.now_ns - self.shared.clock.origin_ns()),
                clients: self.shared.fleet.clients(),
                counts: self.counts,
                last: self.counts.since(&told),
                interval: Duration::from_nanos(interval_ns),
                times: self.second.clone(),
            };
            self.times.take(&mut self.second);
            self.told = (self.now_ns, self.counts);
            (self.watch)(&progress);
        }
    }

    /// A closed loop must not wait for ever for what is lost.
    fn give_up(&mut self) {
        let shared = self.shared;
        let is_closed = shared.fleet.publishing.pace == Pace::Unlimited && shared.copies.is_some();
        if is_closed && self.now_ns.saturating_sub(self.moved.1) > GIVE_UP_NS {
            let to_come = shared.to_come.load(Ordering::Relaxed);
            shared.come.fetch_max(to_come, Ordering::Relaxed);
            self.moved.1 = self.now_ns;
        }
    }

    /// Once all are ready or have given up, publishing begins and time counts.
    fn settle(&mut self) {
        let is_settled = self.counts.ready + self.counts.given_up >= self.shared.fleet.clients();
        if self.settled_ns.is_some() || !is_settled {
            return;
        }
        self.settled_ns = Some(self.now_ns);
        if self.shared.fleet.starts_together() {
            self.start_publishing();
        }
        let start_ns = self
            .shared
            .start_ns
            .load(Ordering::Relaxed)
            .max(self.now_ns);
        let measure_ns = start_ns.saturating_add(nanoseconds(self.shared.fleet.warm_up));
        self.measured_from_ns = Some(measure_ns);
        // Where nothing warms up, messages of who was ready earlier are timed already.
        self.shared
            .measure_ns
            .fetch_min(measure_ns, Ordering::Relaxed);
    }

    fn start_publishing(&self) {
        // All threads have seen it by then.
        let start_ns = self.now_ns + LAG_NS / 2;
        self.shared.start_ns.store(start_ns, Ordering::Release);
        self.shared.enter(Stage::Working);
    }

    fn measure(&mut self) {
        let begins = self
            .measured_from_ns
            .is_some_and(|from_ns| self.now_ns >= from_ns);
        if self.before.is_none() && begins {
            self.before = Some(Snapshot::take(self.now_ns, self.counts));
        }
    }

    fn is_over(&self) -> bool {
        let fleet = &self.shared.fleet;
        let counts = &self.counts;
        if self.settled_ns.is_some() && counts.given_up >= fleet.clients() {
            return true;
        }
        if fleet.publishers > 0 && counts.finished >= u64::from(fleet.publishers) {
            return self.settled_ns.is_some();
        }
        let measured_ns = self
            .before
            .as_ref()
            .map(|before| self.now_ns.saturating_sub(before.at_ns));
        match (fleet.duration, measured_ns) {
            (Some(duration), Some(measured_ns)) => measured_ns >= nanoseconds(duration),
            _ => false,
        }
    }

    fn is_drained(&self, since_ns: u64) -> bool {
        let fleet = &self.shared.fleet;
        if self.now_ns < since_ns + LAG_NS {
            return false;
        }
        let arrived = self.counts.unique(!fleet.header.is_empty());
        let is_all = self.shared.copies.is_none() || arrived >= self.counts.expected;
        let is_stuck = self.now_ns.saturating_sub(self.moved.1) > nanoseconds(fleet.patience);
        let is_quiet = self.counts.under_way + self.counts.waiting == 0;
        (is_all && is_quiet) || is_stuck || self.counts.ready == 0
    }

    fn report(mut self, is_stopped: bool) -> FleetReport {
        self.times.take(&mut self.second);
        let end = Snapshot::take(self.now_ns, self.counts);
        let after = self.after.take().unwrap_or(end);
        FleetReport::new(
            self.shared,
            (self.before.take(), after),
            (self.counts, &self.times),
            (self.faults.0, self.settled_ns, is_stopped),
        )
    }
}
