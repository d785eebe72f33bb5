//! What the threads of a fleet and the one that directs them know of each other.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use super::clock::Clock;
use super::publisher::Bodies;
use super::settings::Fleet;
use super::tally::{Counts, Times};
use crate::link::LinkPlan;

/// Kinds of faults that are counted apart; further ones are one kind.
const FAULTS_MAX: usize = 32;

/// What a fleet is doing.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Stage {
    /// Clients connect; publishers wait.
    Gathering,
    /// Publishers publish.
    Working,
    /// Nothing new is sent; what is under way may end.
    Draining,
    /// Clients leave.
    Leaving,
}

/// Known to all threads.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) fleet: Fleet,
    pub(crate) bodies: Bodies,
    /// Where the hosts are, and what is put over TCP there.
    pub(crate) servers: Vec<(SocketAddr, LinkPlan)>,
    pub(crate) sources: Sources,
    pub(crate) clock: Clock,
    /// Marks this run's messages.
    pub(crate) run: u32,
    /// The name of this machine.
    pub(crate) host: String,
    /// For each publisher of each topic, how many subscribers a message reaches; `None` when that cannot be told.
    pub(crate) copies: Option<Vec<Vec<u64>>>,
    /// Deliveries per message, on average, at least 1.
    pub(crate) copies_per_message: u64,
    stage: AtomicU8,
    /// When publishing begins, since 1970; 0 before that is known.
    pub(crate) start_ns: AtomicU64,
    /// From when on messages count; `u64::MAX` before that is known.
    pub(crate) measure_ns: AtomicU64,
    /// Deliveries to come of what was sent, for a closed loop.
    pub(crate) to_come: AtomicU64,
    /// Deliveries that came, or are given up.
    pub(crate) come: AtomicU64,
    pub(crate) boards: Vec<Mutex<Board>>,
}

/// Where connections come from.
#[derive(Clone, Debug)]
pub(crate) enum Sources {
    /// What the system chooses.
    System,
    /// Addresses of the loopback network, another one for each few thousand connections.
    Loopback,
    /// These, in turn.
    These(Vec<IpAddr>),
}

/// What a thread tells now and then.
#[derive(Debug)]
pub(crate) struct Board {
    pub(crate) counts: Counts,
    /// Times since they were last taken.
    pub(crate) times: Times,
    pub(crate) faults: Faults,
}

impl Default for Board {
    fn default() -> Self {
        Self {
            counts: Counts::default(),
            times: Times::new(),
            faults: Faults::default(),
        }
    }
}

/// What went wrong, and how often.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults(pub(crate) BTreeMap<String, u64>);

impl Faults {
    pub(crate) fn add(&mut self, fault: String, times: u64) {
        let is_known = self.0.contains_key(&fault);
        let fault = match is_known || self.0.len() < FAULTS_MAX {
            true => fault,
            false => "something else".to_owned(),
        };
        *self.0.entry(fault).or_default() += times;
    }

    /// Takes those of `other` over and leaves it empty.
    pub(crate) fn take(&mut self, other: &mut Self) {
        for (fault, times) in std::mem::take(&mut other.0) {
            self.add(fault, times);
        }
    }
}

impl Shared {
    pub(crate) fn new(fleet: Fleet, parts: Parts) -> Self {
        Self {
            bodies: Bodies::new(&fleet),
            boards: (0..fleet.threads).map(|_| Mutex::default()).collect(),
            fleet,
            servers: parts.servers,
            sources: parts.sources,
            clock: Clock::new(),
            run: parts.run,
            host: parts.host,
            copies_per_message: mean(parts.copies.as_deref()),
            copies: parts.copies,
            stage: AtomicU8::new(0),
            start_ns: AtomicU64::new(0),
            measure_ns: AtomicU64::new(u64::MAX),
            to_come: AtomicU64::new(0),
            come: AtomicU64::new(0),
        }
    }

    pub(crate) fn stage(&self) -> Stage {
        match self.stage.load(Ordering::Acquire) {
            0 => Stage::Gathering,
            1 => Stage::Working,
            2 => Stage::Draining,
            _ => Stage::Leaving,
        }
    }

    pub(crate) fn enter(&self, stage: Stage) {
        let number = match stage {
            Stage::Gathering => 0,
            Stage::Working => 1,
            Stage::Draining => 2,
            Stage::Leaving => 3,
        };
        self.stage.store(number, Ordering::Release);
    }
}

fn mean(copies: Option<&[Vec<u64>]>) -> u64 {
    let all = copies.into_iter().flatten().flatten();
    let (count, sum) = all.fold((0_u64, 0), |(count, sum), copies| (count + 1, sum + copies));
    u64::checked_div(sum, count).unwrap_or(1).max(1)
}

/// What a run finds out before it begins.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) servers: Vec<(SocketAddr, LinkPlan)>,
    pub(crate) sources: Sources,
    pub(crate) run: u32,
    pub(crate) host: String,
    pub(crate) copies: Option<Vec<Vec<u64>>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_faults_are_bounded() {
        let (mut sum, mut faults) = (Faults::default(), Faults::default());
        for number in 0..100 {
            faults.add(format!("fault {number}"), 1);
        }
        faults.add("fault 3".to_owned(), 2);
        sum.take(&mut faults);
        assert_eq!(sum.0.len(), FAULTS_MAX + 1);
        assert_eq!(sum.0.get("fault 3"), Some(&3));
        assert_eq!(sum.0.values().sum::<u64>(), 102);
    }
}
