//! Runs one scenario against one broker.

use std::net::SocketAddr;
use std::time::Duration;

use crate::error::BenchError;
use crate::link::Transport;
use crate::load;
use crate::measurement::Measurement;
use crate::process::ProcessUsage;
use crate::scenario::{LoopKind, Scenario};
use crate::sessions;
use crate::stored;

/// The broker to load.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Target {
    /// Where it listens: a loopback address.
    pub address: SocketAddr,
    /// Its process, to ask for CPU time and memory. Without it those figures are absent.
    pub pid: Option<u32>,
    /// What it speaks MQTT over.
    pub transport: Transport,
}

impl Target {
    pub(crate) fn usage(&self) -> Option<ProcessUsage> {
        self.pid.and_then(ProcessUsage::of)
    }
}

/// How long the parts of a run take.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Phases {
    /// Load that is not measured, before the measured part. Default 1 s.
    pub warm_up: Duration,
    /// The measured part. Default 3 s.
    pub measured: Duration,
    /// A run fails when nothing moves for so long. Default 10 s.
    pub patience: Duration,
}

impl Default for Phases {
    fn default() -> Self {
        Self {
            warm_up: Duration::from_secs(1),
            measured: Duration::from_secs(3),
            patience: Duration::from_secs(10),
        }
    }
}

/// Runs one scenario and gives its figures. The broker should be fresh.
///
/// Every message sent has to arrive: after the measured part the run waits for what is under way.
///
/// # Errors
/// The scenario or address is not usable, the broker refuses, closes, loses or repeats something,
/// or nothing moves for longer than [`Phases::patience`].
pub fn run(
    scenario: &Scenario,
    target: &Target,
    phases: &Phases,
) -> Result<Measurement, BenchError> {
    if let Some(fault) = scenario.fault() {
        return Err(BenchError::Scenario {
            name: scenario.name,
            fault,
        });
    }
    if !target.address.ip().is_loopback() {
        return Err(BenchError::NotLoopback);
    }
    match scenario.loop_kind {
        LoopKind::Idle => sessions::idle(scenario, target, phases),
        LoopKind::Churn => sessions::churn(scenario, target, phases),
        LoopKind::Retain { .. } => stored::retained(scenario, target, phases),
        LoopKind::Offline { .. } => stored::offline(scenario, target, phases),
        LoopKind::Closed | LoopKind::Open { .. } => load::messages(scenario, target, phases),
    }
}
