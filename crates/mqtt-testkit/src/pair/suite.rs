//! Many simulations on all cores.

use super::{Counts, Failure, Fault, Plan, run, shrink};
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Seeds a thread takes at once.
const CHUNK: u64 = 64;

/// Consecutive seeds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Range {
    /// The first.
    pub first: u64,
    /// How many, at least 1.
    pub count: u64,
}

impl Range {
    /// `count` seeds from 0, unless the environment says otherwise: `MQTT_SEED` names a single one, `MQTT_SEEDS` how
    /// many from there on.
    pub fn from_env(count: u64) -> Self {
        let number = |name| std::env::var(name).ok()?.parse::<u64>().ok();
        match (number("MQTT_SEED"), number("MQTT_SEEDS")) {
            (None, count_given) => Self {
                first: 0,
                count: count_given.unwrap_or(count),
            },
            (Some(first), count_given) => Self {
                first,
                count: count_given.unwrap_or(1),
            },
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.first.saturating_add(self.count.saturating_sub(1));
        write!(f, "seeds {} to {last}", self.first)
    }
}

/// What came of a range of seeds without a failure.
#[derive(Clone, Debug)]
pub struct Report {
    /// The seeds.
    pub range: Range,
    /// What happened in them.
    pub counts: Counts,
    /// How long they took.
    pub took: Duration,
}

impl Report {
    /// The seeds, how fast they went, and what happened least, on one line.
    pub fn summary(&self) -> String {
        let per_s = u128::from(self.range.count) * 1_000 / self.took.as_millis().max(1);
        let Self {
            range,
            counts,
            took,
        } = self;
        let rarest = Fault::ALL.into_iter().min_by_key(|fault| counts.of(*fault));
        let rarest = rarest.map_or_else(String::new, |fault| {
            format!(", rarest {fault:?} {}", counts.of(fault))
        });
        let steps = counts.steps;
        format!("{range} in {took:.1?}, {per_s} per second, {steps} steps{rarest}")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.summary(), self.counts)
    }
}

/// Runs the simulations of `range` on all cores, each of the size `plan` says.
///
/// # Errors
/// The failure with the lowest seed among those found until all threads stopped, made smaller.
pub fn run_all(range: Range, plan: fn(u64) -> Plan) -> Result<Report, Box<Failure>> {
    let started = Instant::now();
    let next = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    let sum = Mutex::new(Counts::default());
    let failure: Mutex<Option<Failure>> = Mutex::new(None);
    let work = || {
        let mut counts = Counts::default();
        while !stop.load(Ordering::Relaxed) {
            let from = next.fetch_add(CHUNK, Ordering::Relaxed);
            for nth in from..from.saturating_add(CHUNK).min(range.count) {
                let seed = range.first.wrapping_add(nth);
                match run(seed, &plan(seed)) {
                    Ok(more) => counts.add(&more),
                    Err(found) => {
                        stop.store(true, Ordering::Relaxed);
                        let mut first = failure.lock().unwrap_or_else(PoisonError::into_inner);
                        if first.as_ref().is_none_or(|first| found.seed < first.seed) {
                            *first = Some(found);
                        }
                        break;
                    }
                }
            }
            if from >= range.count {
                break;
            }
        }
        sum.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .add(&counts);
    };
    let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(found) => Err(Box::new(shrink(found))),
        None => Ok(Report {
            range,
            counts: sum.into_inner().unwrap_or_else(PoisonError::into_inner),
            took: started.elapsed(),
        }),
    }
}
