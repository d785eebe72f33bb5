//! Two sessions at the ends of a simulated connection that is late, torn and cut at any byte, in processes that die.
//!
//! Both ends send at every QoS, keep answers back as slow applications do, refuse messages, lose the connection at
//! any byte in either direction, learn of it early or late, and come back with another Receive Maximum and another
//! Maximum Packet Size. Each keeps a journal that becomes durable late and in parts, and dies between any two of
//! its records, while the other end goes on. Everything is decided by one seed and a virtual clock, so that a failure
//! can be repeated with `MQTT_SEED`. A referee that shares no code with the sessions looks at each packet; see [`run`]
//! for what it holds them to.

mod application;
mod counts;
mod end;
mod fates;
mod referee;
mod rng;
pub(crate) use rng::Rng;
mod sending;
mod simulation;
mod suite;
mod wire;

pub use counts::{Counts, Fault};
pub use suite::{Range, Report, run_all};

use mqtt_codec::ProtocolVersion;
use simulation::Pair;
use std::fmt;

/// Topic Names messages are published to.
const TOPICS: [&str; 3] = ["t/0", "t/1", "t/a/long/one"];
/// Lines of what happened before that a failure shows.
const TRACE_LEN: usize = 200;
/// Simulations that are tried for each size to find a smaller one that fails.
const TRIES: u64 = 64;

/// How large a simulation is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Plan {
    /// The version whose packets are sent.
    pub version: ProtocolVersion,
    /// Messages each end publishes.
    pub messages: u32,
    /// Steps during which there are faults; afterwards everything has to come to rest.
    pub rough_steps: u32,
    /// Steps after which a simulation that has not come to rest has failed.
    pub steps_max: u32,
}

impl Plan {
    /// The plan of the suite for `seed`: at least 200 steps, each version in turn, v5 twice.
    pub const fn of_seed(seed: u64) -> Self {
        let version = match seed % 4 {
            0 => ProtocolVersion::V31,
            1 => ProtocolVersion::V311,
            _ => ProtocolVersion::V5,
        };
        Self {
            version,
            messages: 24,
            rough_steps: 220,
            steps_max: 20_000,
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            version,
            messages,
            rough_steps,
            ..
        } = self;
        write!(
            f,
            "{version:?}, {messages} messages each way, {rough_steps} rough steps"
        )
    }
}

/// A broken rule and how to see it again.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The seed of the simulation.
    pub seed: u64,
    /// Its size.
    pub plan: Plan,
    /// The step in which it was noticed.
    pub step: u32,
    /// What is wrong.
    pub what: String,
    /// The last things that happened before.
    pub trace: Vec<String>,
    /// The failing seed of the suite and its size, when a smaller simulation was found that fails too.
    pub shrunk_from: Option<(u64, Plan)>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((seed, plan)) = self.shrunk_from {
            writeln!(f, "MQTT_SEED={seed} ({plan}) fails; the smallest like it:")?;
        }
        for line in &self.trace {
            writeln!(f, "    {line}")?;
        }
        let Self {
            seed, plan, step, ..
        } = self;
        write!(
            f,
            "seed {seed} ({plan}) fails in step {step}: {}",
            self.what
        )
    }
}

impl std::error::Error for Failure {}

/// Runs the simulation of `seed` until all messages have arrived.
///
/// After each step: no QoS 2 message is delivered twice, none of QoS 1 without a repeated PUBLISH, also across
/// crashes; what was acknowledged is never forgotten; messages of one topic and QoS are delivered in order;
/// identifiers are free when they are given out; each quota is exactly what the packets on the connection leave of
/// it; no packet is larger than its reader said; repeats have DUP, their old identifier, and the order of their first
/// sending or of PUBREC; answers have the order of arrival; each message given to a session comes back once; nothing
/// is kept for flows that have ended. At the end nothing is open and no message of QoS 1 or 2 is missing.
///
/// A crash takes from an application what it did not commit together with its session: a message it was given then
/// counts as not delivered, one that came back as not come back. What it committed before counts for ever.
///
/// # Errors
/// The first rule that is broken, with what happened before.
pub fn run(seed: u64, plan: &Plan) -> Result<Counts, Failure> {
    let mut pair = Pair::new(seed, plan, false);
    match pair.run() {
        Ok(()) => Ok(pair.into_counts()),
        // Once more for the record: keeping one is too slow for all the runs that succeed.
        Err(_) => Err(record(seed, plan).unwrap_or_else(|| Failure {
            seed,
            plan: *plan,
            step: 0,
            what: "fails only now and then".to_owned(),
            trace: Vec::new(),
            shrunk_from: None,
        })),
    }
}

/// The smallest failure that is found near `failure`: with fewer messages, fewer rough steps and another seed.
pub fn shrink(failure: Failure) -> Failure {
    let mut best = failure;
    for (messages, rough_steps) in [
        (1, 20),
        (1, 60),
        (2, 40),
        (2, 100),
        (3, 100),
        (5, 150),
        (10, 200),
    ] {
        let plan = Plan {
            messages,
            rough_steps,
            ..best.plan
        };
        if messages >= best.plan.messages {
            break;
        }
        let seeds = (0..TRIES).map(|nth| best.seed.wrapping_add(nth << 40));
        let found = seeds.filter_map(|seed| record(seed, &plan));
        if let Some(found) = found.min_by_key(|found| found.trace.len()) {
            let shrunk_from = Some((best.seed, best.plan));
            best = Failure {
                shrunk_from,
                ..found
            };
            break;
        }
    }
    best
}

/// The failure of `seed`, if it has one, with what happened before.
fn record(seed: u64, plan: &Plan) -> Option<Failure> {
    let mut pair = Pair::new(seed, plan, true);
    let (step, what) = pair.run().err()?;
    let mut trace = pair.into_trace();
    trace.drain(..trace.len().saturating_sub(TRACE_LEN));
    Some(Failure {
        seed,
        plan: *plan,
        step,
        what,
        trace,
        shrunk_from: None,
    })
}

/// One of the two ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Side {
    Client,
    Server,
}

impl Side {
    const BOTH: [Self; 2] = [Self::Client, Self::Server];

    const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// Something each side has.
#[derive(Debug, Default)]
struct Both<T> {
    client: T,
    server: T,
}

impl<T> Both<T> {
    const fn of(&mut self, side: Side) -> &mut T {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }
}
