//! The loop that sends, receives and measures.

use std::time::{Duration, Instant};

use mio::{Events, Poll};

use crate::error::BenchError;
use crate::handshake::{Plan, open_all, wait_for};
use crate::histogram::Histogram;
use crate::incoming::Incoming;
use crate::measurement::{Measurement, Unit, push_cpu, push_growth, ratio, real};
use crate::process::ProcessUsage;
use crate::publisher::{Due, Publisher};
use crate::run::{Phases, Target};
use crate::scenario::{QoS, Scenario};
use crate::subscriber::Subscriber;

/// Bytes one read may take.
const READ_LEN: usize = 256 * 1024;
/// The longest wait for events: also how often the end of a phase is looked at when all is quiet.
const TURN_MAX: Duration = Duration::from_millis(20);
/// How often each publisher is asked for progress.
const CHECK_EVERY: Duration = Duration::from_millis(250);

/// What happened so far.
pub(crate) struct Counters {
    pub(crate) deliveries: u64,
    pub(crate) acks: u64,
    pub(crate) out_of_order: u64,
    origin: Instant,
    now_ns: u64,
    latency: Option<Histogram>,
    /// From when a message was sent or due until it was acknowledged.
    ack_latency: Option<Histogram>,
}

impl Counters {
    /// Looks at the clock, if messages are timed.
    pub(crate) fn note_time(&mut self) {
        if self.latency.is_some() {
            self.now_ns = since(self.origin);
        }
    }

    /// One message, sent or due at `since_ns`, was acknowledged to its end.
    pub(crate) fn count_ack(&mut self, since_ns: u64) {
        self.acks += 1;
        if let Some(latency) = &mut self.ack_latency {
            latency.record(self.now_ns.saturating_sub(since_ns));
        }
    }

    /// How long the middle and the slowest hundredth of acknowledgements took.
    pub(crate) fn push_ack_latency(&self, measurement: &mut Measurement) {
        for (name, per_mille) in [("ack_p50_us", 500), ("ack_p99_us", 990)] {
            let latency = self.ack_latency.as_ref();
            if let Some(time) = latency.and_then(|latency| latency.percentile(per_mille)) {
                measurement.push(name, Unit::Microseconds, time.as_secs_f64() * 1e6);
            }
        }
    }

    /// One message came, sent or due at `since_ns`.
    pub(crate) fn count_delivery(&mut self, since_ns: u64) {
        self.deliveries += 1;
        if let Some(latency) = &mut self.latency {
            latency.record(self.now_ns.saturating_sub(since_ns));
        }
    }
}

/// Runs a scenario with messages.
pub(crate) fn messages(
    scenario: &Scenario,
    target: &Target,
    phases: &Phases,
) -> Result<Measurement, BenchError> {
    let empty = target.usage();
    let mut load = Load::set_up(scenario, target, phases.patience)?;
    let set_up = target.usage();
    load.send_for(phases.warm_up)?;
    let Counters {
        latency,
        ack_latency,
        ..
    } = &mut load.counters;
    for histogram in [latency, ack_latency].into_iter().flatten() {
        histogram.clear();
    }
    let before = Snapshot::take(&load, target);
    load.send_for(phases.measured)?;
    let after = Snapshot::take(&load, target);
    let latency = load.counters.latency.clone();
    load.drain()?;
    let mut measurement = figures(
        scenario,
        &before,
        &after,
        latency.as_ref(),
        load.counters.out_of_order,
    );
    load.counters.push_ack_latency(&mut measurement);
    if scenario.subscriptions() > 0 {
        let subscriptions = f64::from(scenario.subscriptions());
        push_growth(
            &mut measurement,
            "bytes_per_subscription",
            (empty, set_up),
            subscriptions,
        );
        push_cpu(
            &mut measurement,
            "cpu_us_per_subscribe",
            (empty, set_up),
            subscriptions,
        );
    }
    Ok(measurement)
}

/// All state of a run with messages. Subscribers have the first tokens, then publishers.
pub(crate) struct Load {
    poll: Poll,
    events: Events,
    buffer: Vec<u8>,
    subscribers: Vec<Subscriber>,
    publishers: Vec<Publisher>,
    counters: Counters,
    last_check: Instant,
    patience: Duration,
}

impl Load {
    /// Opens the offline sessions and closes them again, then opens the live connections.
    pub(crate) fn set_up(
        scenario: &Scenario,
        target: &Target,
        patience: Duration,
    ) -> Result<Self, BenchError> {
        let mut poll = Poll::new().map_err(BenchError::io("creating a poll"))?;
        let version = scenario.version;
        open_all(
            &mut poll,
            target,
            version,
            offline_plans(scenario),
            patience,
        )?;
        let mut connections =
            open_all(&mut poll, target, version, live_plans(scenario), patience)?.into_iter();
        let subscribers = (0..scenario.live_subscribers())
            .zip(connections.by_ref())
            .map(|(number, connection)| Subscriber::new(scenario, number, connection))
            .collect();
        let publishers = (0..scenario.publishers)
            .zip(connections)
            .map(|(number, connection)| {
                Publisher::new(scenario, number, connection, due(scenario, number))
            })
            .collect();
        let counters = Counters {
            deliveries: 0,
            acks: 0,
            out_of_order: 0,
            origin: Instant::now(),
            now_ns: 0,
            latency: scenario.measures_latency().then(Histogram::new),
            ack_latency: (scenario.measures_latency() && scenario.qos != QoS::AtMostOnce)
                .then(Histogram::new),
        };
        Ok(Self {
            poll,
            events: Events::with_capacity(1024),
            buffer: vec![0; READ_LEN],
            subscribers,
            publishers,
            counters,
            last_check: Instant::now(),
            patience,
        })
    }

    /// Sends and receives for so long.
    fn send_for(&mut self, time: Duration) -> Result<(), BenchError> {
        let end = Instant::now() + time;
        loop {
            let now = Instant::now();
            if now >= end {
                return Ok(());
            }
            self.send()?;
            let timeout = self.timeout().min(end - now);
            self.receive(timeout)?;
        }
    }

    /// Sends all that the publishers have to send, and waits until it is finished.
    pub(crate) fn send_all(&mut self) -> Result<(), BenchError> {
        while !self.publishers.iter().all(Publisher::is_done) {
            self.send()?;
            let timeout = self.timeout();
            self.receive(timeout)?;
        }
        Ok(())
    }

    /// What was counted.
    pub(crate) const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Sends nothing new and waits until all messages are finished.
    fn drain(&mut self) -> Result<(), BenchError> {
        while self
            .publishers
            .iter()
            .any(|publisher| publisher.window.unfinished() > 0)
        {
            self.receive(TURN_MAX)?;
            for publisher in &mut self.publishers {
                publisher.flush()?;
            }
        }
        Ok(())
    }

    fn send(&mut self) -> Result<(), BenchError> {
        let now_ns = since(self.counters.origin);
        for publisher in &mut self.publishers {
            if publisher.is_dirty || publisher.next_due_ns().is_some_and(|due| due <= now_ns) {
                publisher.send(now_ns)?;
            }
        }
        Ok(())
    }

    /// How long to wait: until the next message is due. Whole milliseconds, for that is what
    /// waiting for events can do everywhere.
    fn timeout(&self) -> Duration {
        let next = self
            .publishers
            .iter()
            .filter_map(Publisher::next_due_ns)
            .min();
        let Some(next_ns) = next else { return TURN_MAX };
        let left = next_ns.saturating_sub(since(self.counters.origin));
        Duration::from_nanos(left).min(TURN_MAX)
    }

    fn receive(&mut self, timeout: Duration) -> Result<(), BenchError> {
        wait_for(&mut self.poll, &mut self.events, timeout)?;
        for event in &self.events {
            let token = event.token().0;
            if let Some(subscriber) = self.subscribers.get_mut(token) {
                if event.is_readable() {
                    let counters = &mut self.counters;
                    subscriber.receive(&mut self.buffer, &mut self.publishers, counters)?;
                } else {
                    subscriber.flush()?;
                }
            } else if let Some(publisher) = self.publishers.get_mut(token - self.subscribers.len())
            {
                if event.is_readable() {
                    publisher.receive(&mut self.buffer, &mut self.counters)?;
                }
                publisher.flush()?;
            }
        }
        if self.last_check.elapsed() > CHECK_EVERY {
            self.last_check = Instant::now();
            for publisher in &mut self.publishers {
                publisher.check_progress(self.patience)?;
            }
        }
        Ok(())
    }
}

/// The counters at one moment.
struct Snapshot {
    at: Instant,
    deliveries: u64,
    acks: u64,
    broker: Option<ProcessUsage>,
    generator: Option<ProcessUsage>,
}

impl Snapshot {
    fn take(load: &Load, target: &Target) -> Self {
        Self {
            at: Instant::now(),
            deliveries: load.counters.deliveries,
            acks: load.counters.acks,
            broker: target.usage(),
            generator: ProcessUsage::of(std::process::id()),
        }
    }
}

fn figures(
    scenario: &Scenario,
    before: &Snapshot,
    after: &Snapshot,
    latency: Option<&Histogram>,
    out_of_order: u64,
) -> Measurement {
    let mut measurement = Measurement::new(scenario.name);
    let seconds = (after.at - before.at).as_secs_f64();
    let deliveries = real(after.deliveries - before.deliveries);
    measurement.push(
        "deliveries_per_s",
        Unit::PerSecond,
        ratio(deliveries, seconds),
    );
    let acks = real(after.acks - before.acks);
    if scenario.qos.bits() > 0 {
        measurement.push("acks_per_s", Unit::PerSecond, ratio(acks, seconds));
    }
    if let (Some(first), Some(last)) = (before.broker, after.broker) {
        let cpu = last.cpu.saturating_sub(first.cpu).as_secs_f64();
        measurement.push(
            "cpu_us_per_delivery",
            Unit::Microseconds,
            ratio(cpu * 1e6, deliveries),
        );
        measurement.push("cores", Unit::Cores, ratio(cpu, seconds));
        measurement.push("rss_bytes", Unit::Bytes, real(last.rss));
    }
    if let (Some(first), Some(last)) = (before.generator, after.generator) {
        let cpu = last.cpu.saturating_sub(first.cpu).as_secs_f64();
        measurement.push("generator_cores", Unit::Cores, ratio(cpu, seconds));
    }
    for (name, per_mille) in [
        ("latency_p50_us", 500),
        ("latency_p99_us", 990),
        ("latency_p999_us", 999),
    ] {
        if let Some(time) = latency.and_then(|latency| latency.percentile(per_mille)) {
            measurement.push(name, Unit::Microseconds, time.as_secs_f64() * 1e6);
        }
    }
    measurement.push("out_of_order", Unit::Count, real(out_of_order));
    measurement
}

fn offline_plans(scenario: &Scenario) -> impl Iterator<Item = Plan> {
    let (qos, layout) = (scenario.qos, scenario.layout());
    let copies = scenario.offline_per_topic;
    (0..scenario.publishers).flat_map(move |publisher| {
        (0..copies).map(move |copy| Plan {
            client_id: format!("bench-off-{publisher}-{copy}"),
            clean: false,
            topic_filters: vec![layout.topic_name(u32::from(publisher))],
            qos,
            leaves: true,
        })
    })
}

/// Subscribers that are to be there during the load, then publishers.
fn live_plans(scenario: &Scenario) -> impl Iterator<Item = Plan> {
    let subscribers = (0..scenario.live_subscribers()).map(|number| Plan {
        client_id: format!("bench-sub-{number}"),
        clean: !scenario.persistent,
        topic_filters: scenario.topic_filters(number),
        qos: scenario.qos,
        leaves: false,
    });
    let publishers = (0..scenario.publishers).map(|number| Plan {
        client_id: format!("bench-pub-{number}"),
        clean: true,
        topic_filters: Vec::new(),
        qos: scenario.qos,
        leaves: false,
    });
    subscribers.chain(publishers)
}

/// Messages at a fixed rate are due in turns: one publisher after the other.
fn due(scenario: &Scenario, publisher: u16) -> Due {
    let Some(rate_per_s) = scenario.rate_per_s() else {
        return Due::WhenRoom;
    };
    let step_ns = 1_000_000_000 / u64::from(rate_per_s.max(1));
    Due::At {
        first_ns: u64::from(publisher) * step_ns,
        every_ns: u64::from(scenario.publishers) * step_ns,
    }
}

/// The error for a packet that has no place in the run.
pub(crate) fn unexpected(client: String, incoming: Option<Incoming>) -> BenchError {
    let found = match incoming {
        Some(Incoming::Disconnect { reason }) => {
            return BenchError::Refused {
                client,
                packet: "DISCONNECT",
                reason,
            };
        }
        Some(incoming) => format!("{incoming:?}"),
        None => "malformed packet".to_owned(),
    };
    BenchError::Unexpected { client, found }
}

fn since(origin: Instant) -> u64 {
    u64::try_from(origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
