//! Loads that a broker keeps: retained messages, and messages for sessions that are away.

use std::time::{Duration, Instant};

use mio::Poll;

use crate::connection::Connection;
use crate::disk;
use crate::drain::{Taker, take_all};
use crate::error::BenchError;
use crate::frame;
use crate::handshake::{Plan, open_all};
use crate::load::Load;
use crate::measurement::{Measurement, Unit, push_cores, push_cpu, push_growth, ratio, real};
use crate::run::{Phases, Target};
use crate::scenario::{QoS, Scenario};

/// How often all retained messages are read, each time by a new client.
const READS: u32 = 5;
/// How often some are read by a filter with `+`; the median counts.
const NARROW_READS: u32 = 21;
/// A filter that takes one in a hundred of all topics: those with this number in the middle.
const NARROW: &str = "ret/+/42/#";
/// One in so many matches [`NARROW`].
const NARROW_PART: u32 = 100;

/// Retains messages, then reads them back.
pub(crate) fn retained(
    scenario: &Scenario,
    target: &Target,
    phases: &Phases,
) -> Result<Measurement, BenchError> {
    let messages = messages(scenario);
    let mut measurement = Measurement::new(scenario.name);
    send(
        scenario,
        target,
        phases,
        &mut measurement,
        ["sets_per_s", "cpu_us_per_set", "bytes_per_retained"],
    )?;
    let before = target.usage();
    let mut elapsed = Duration::ZERO;
    for _ in 0..READS {
        elapsed += read(scenario, target, phases, "ret/#", messages)?;
    }
    let read_all = f64::from(messages) * f64::from(READS);
    let after_all = target.usage();
    let seconds = elapsed.as_secs_f64();
    measurement.push("read_all_per_s", Unit::PerSecond, ratio(read_all, seconds));
    push_cpu(
        &mut measurement,
        "cpu_us_per_read",
        (before, after_all),
        read_all,
    );
    let mut times = Vec::new();
    for _ in 0..NARROW_READS {
        let wanted = messages / NARROW_PART;
        times.push(read(scenario, target, phases, NARROW, wanted)?);
    }
    times.sort_unstable();
    if let Some(median) = times.get(times.len() / 2) {
        let microseconds = median.as_secs_f64() * 1e6;
        measurement.push("narrow_read_us", Unit::Microseconds, microseconds);
    }
    let usage = (after_all, target.usage());
    let reads = f64::from(NARROW_READS);
    push_cpu(&mut measurement, "narrow_cpu_us", usage, reads);
    Ok(measurement)
}

/// Sends messages to sessions that are away, which then come back for them.
pub(crate) fn offline(
    scenario: &Scenario,
    target: &Target,
    phases: &Phases,
) -> Result<Measurement, BenchError> {
    let mut poll = Poll::new().map_err(BenchError::io("creating a poll"))?;
    let sessions = (0..scenario.subscribers).map(|number| Plan {
        client_id: client_id(number),
        clean: false,
        topic_filters: scenario.topic_filters(number),
        qos: scenario.qos,
        leaves: true,
    });
    open_all(
        &mut poll,
        target,
        scenario.version,
        sessions,
        phases.patience,
    )?;
    let mut measurement = Measurement::new(scenario.name);
    let names = ["acks_per_s", "cpu_us_per_message", "bytes_per_queued"];
    let before = target.usage();
    send(scenario, target, phases, &mut measurement, names)?;
    if let (Some(before), Some(after)) = (before, target.usage()) {
        let written = real(after.written.saturating_sub(before.written));
        let each = ratio(written, f64::from(messages(scenario)));
        measurement.push("written_per_message", Unit::Bytes, each);
    }
    for (name, time) in ["disk_sync_p50_us", "disk_sync_p99_us"]
        .into_iter()
        .zip(disk::sync_times())
    {
        measurement.push(name, Unit::Microseconds, time.as_secs_f64() * 1e6);
    }
    let each = u64::from(messages(scenario) / u32::from(scenario.subscribers.max(1)));
    let before = target.usage();
    let mut takers = Vec::new();
    for number in 0..scenario.subscribers {
        let ordinal = usize::from(number);
        let mut connection = Connection::begin(poll.registry(), target, ordinal)?;
        let client_id = client_id(number);
        connection
            .outbox
            .push(&frame::connect(scenario.version, &client_id, false))?;
        takers.push(Taker::new(connection, client_id, each));
    }
    let elapsed = take_all(&mut poll, scenario.version, &mut takers, phases.patience)?;
    let usage = (before, target.usage());
    let drained = f64::from(messages(scenario));
    let seconds = elapsed.as_secs_f64();
    measurement.push("drained_per_s", Unit::PerSecond, ratio(drained, seconds));
    push_cpu(&mut measurement, "cpu_us_per_drained", usage, drained);
    Ok(measurement)
}

/// Publishes what there is to publish: rate, CPU time, and memory of each message, by these names.
fn send(
    scenario: &Scenario,
    target: &Target,
    phases: &Phases,
    measurement: &mut Measurement,
    [rate, cpu, bytes]: [&'static str; 3],
) -> Result<(), BenchError> {
    let mut load = Load::set_up(scenario, target, phases.patience)?;
    let before = target.usage();
    let started = Instant::now();
    load.send_all()?;
    let seconds = started.elapsed().as_secs_f64();
    let usage = (before, target.usage());
    load.counters().push_ack_latency(measurement);
    let count = f64::from(messages(scenario));
    measurement.push(rate, Unit::PerSecond, ratio(count, seconds));
    push_cpu(measurement, cpu, usage, count);
    push_growth(measurement, bytes, usage, count);
    push_cores(measurement, usage, seconds);
    Ok(())
}

/// A new client reads what is retained for a filter: how long from SUBSCRIBE to the last message.
fn read(
    scenario: &Scenario,
    target: &Target,
    phases: &Phases,
    topic_filter: &str,
    messages: u32,
) -> Result<Duration, BenchError> {
    let mut poll = Poll::new().map_err(BenchError::io("creating a poll"))?;
    let plan = Plan {
        client_id: "bench-reader".to_owned(),
        clean: true,
        topic_filters: Vec::new(),
        qos: scenario.qos,
        leaves: false,
    };
    let plans = std::iter::once(plan);
    let opened = open_all(&mut poll, target, scenario.version, plans, phases.patience)?;
    let mut takers = Vec::new();
    for mut connection in opened {
        let filters = [&topic_filter.to_owned()];
        let subscribe = frame::subscribe(scenario.version, filters, QoS::AtMostOnce);
        connection.outbox.push(&subscribe)?;
        let (name, messages) = ("reader".to_owned(), u64::from(messages));
        takers.push(Taker::new(connection, name, messages));
    }
    take_all(&mut poll, scenario.version, &mut takers, phases.patience)
}

fn client_id(number: u16) -> String {
    format!("bench-away-{number}")
}

/// What all publishers send together.
fn messages(scenario: &Scenario) -> u32 {
    let each = scenario.messages_each().unwrap_or(0);
    u32::try_from(each * u64::from(scenario.publishers)).unwrap_or(u32::MAX)
}
