//! Loads without messages: connections that stay, and connections that come and go.

use std::time::Instant;

use mio::Poll;

use crate::error::BenchError;
use crate::handshake::{Plan, open_all};
use crate::measurement::{Measurement, Unit, push_cores, push_cpu, push_growth, ratio, real};
use crate::run::{Phases, Target};
use crate::scenario::Scenario;

/// How often all clients come and go.
const CHURN_ROUNDS: u16 = 3;

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
        topic_filters: Vec::new(),
        qos: scenario.qos,
        leaves: false,
    });
    let connections = open_all(&mut poll, target, scenario.version, plans, phases.patience)?;
    let elapsed = started.elapsed().as_secs_f64();
    let usage = (before, target.usage());
    let mut measurement = Measurement::new(scenario.name);
    let clients = f64::from(scenario.subscribers);
    push_growth(&mut measurement, "bytes_per_connection", usage, clients);
    push_cpu(&mut measurement, "cpu_us_per_connect", usage, clients);
    measurement.push("connects_per_s", Unit::PerSecond, ratio(clients, elapsed));
    push_cores(&mut measurement, usage, elapsed);
    drop(connections);
    Ok(measurement)
}

/// Clients connect, subscribe and leave, several times: what does each cost, and what stays?
pub(crate) fn churn(
    scenario: &Scenario,
    target: &Target,
    phases: &Phases,
) -> Result<Measurement, BenchError> {
    let mut poll = Poll::new().map_err(BenchError::io("creating a poll"))?;
    let before = target.usage();
    let started = Instant::now();
    let mut first_round = None;
    for _ in 0..CHURN_ROUNDS {
        let plans = (0..scenario.subscribers).map(|ordinal| Plan {
            client_id: format!("bench-churn-{ordinal}"),
            clean: true,
            topic_filters: vec![format!("bench/churn/{ordinal}")],
            qos: scenario.qos,
            leaves: true,
        });
        open_all(&mut poll, target, scenario.version, plans, phases.patience)?;
        first_round = first_round.or_else(|| target.usage());
    }
    let elapsed = started.elapsed().as_secs_f64();
    let usage = (before, target.usage());
    let cycles = f64::from(scenario.subscribers) * f64::from(CHURN_ROUNDS);
    let mut measurement = Measurement::new(scenario.name);
    push_cpu(&mut measurement, "cpu_us_per_cycle", usage, cycles);
    measurement.push("cycles_per_s", Unit::PerSecond, ratio(cycles, elapsed));
    push_growth(&mut measurement, "growth_bytes", usage, 1.0);
    push_growth(
        &mut measurement,
        "growth_bytes_round_2_and_3",
        (first_round, usage.1),
        1.0,
    );
    if let Some(after) = usage.1 {
        measurement.push("rss_bytes", Unit::Bytes, real(after.rss));
    }
    push_cores(&mut measurement, usage, elapsed);
    Ok(measurement)
}
