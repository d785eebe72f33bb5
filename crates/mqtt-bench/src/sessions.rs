//! Loads without messages: connections that stay, and connections that come and go.

use std::time::Instant;

use mio::Poll;

use crate::error::BenchError;
use crate::handshake::{Plan, open_all};
use crate::measurement::{Measurement, Unit, ratio, real};
use crate::process::ProcessUsage;
use crate::run::{Phases, Target};
use crate::scenario::Scenario;

/// Connects all clients and keeps them: what does each cost?
pub(crate) fn idle(
    scenario: &Scenario,
    target: &Target,
    phases: &Phases,
) -> Result<Measurement, BenchError> {
    let mut poll = Poll::new().map_err(BenchError::io("creating a poll"))?;
    let before = target.usage();
    let started = Instant::now();
    let plans = (0..scenario.subscribers).map(|ordinal| Plan {
        client_id: format!("bench-idle-{ordinal}"),
        clean: true,
        topic_filter: None,
        qos: scenario.qos,
        leaves: false,
    });
    let connections = open_all(
        &mut poll,
        target.address,
        scenario.version,
        plans,
        phases.patience,
    )?;
    let elapsed = started.elapsed().as_secs_f64();
    let after = target.usage();
    let mut measurement = Measurement::new(scenario.name);
    let clients = f64::from(scenario.subscribers);
    if let (Some(before), Some(after)) = (before, after) {
        let grown = real(after.rss.saturating_sub(before.rss));
        measurement.push("bytes_per_connection", Unit::Bytes, ratio(grown, clients));
    }
    push_cpu(
        &mut measurement,
        "cpu_us_per_connect",
        before,
        after,
        clients,
    );
    measurement.push("connects_per_s", Unit::PerSecond, ratio(clients, elapsed));
    drop(connections);
    Ok(measurement)
}

/// Clients connect, subscribe and leave: what does each cost?
pub(crate) fn churn(
    scenario: &Scenario,
    target: &Target,
    phases: &Phases,
) -> Result<Measurement, BenchError> {
    let mut poll = Poll::new().map_err(BenchError::io("creating a poll"))?;
    let before = target.usage();
    let started = Instant::now();
    let plans = (0..scenario.subscribers).map(|ordinal| Plan {
        client_id: format!("bench-churn-{ordinal}"),
        clean: true,
        topic_filter: Some(format!("bench/churn/{ordinal}")),
        qos: scenario.qos,
        leaves: true,
    });
    open_all(
        &mut poll,
        target.address,
        scenario.version,
        plans,
        phases.patience,
    )?;
    let elapsed = started.elapsed().as_secs_f64();
    let after = target.usage();
    let clients = f64::from(scenario.subscribers);
    let mut measurement = Measurement::new(scenario.name);
    push_cpu(&mut measurement, "cpu_us_per_cycle", before, after, clients);
    measurement.push("cycles_per_s", Unit::PerSecond, ratio(clients, elapsed));
    if let Some(after) = after {
        measurement.push("rss_bytes", Unit::Bytes, real(after.rss));
    }
    Ok(measurement)
}

fn push_cpu(
    measurement: &mut Measurement,
    name: &'static str,
    before: Option<ProcessUsage>,
    after: Option<ProcessUsage>,
    events: f64,
) {
    if let (Some(before), Some(after)) = (before, after) {
        let used = after.cpu.saturating_sub(before.cpu).as_secs_f64() * 1e6;
        measurement.push(name, Unit::Microseconds, ratio(used, events));
    }
}
