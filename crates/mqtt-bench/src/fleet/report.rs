//! What a run of a fleet has found out, as a table, as JSON and for Prometheus.

use std::collections::BTreeMap;
use std::fmt::Write;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::shared::Shared;
use super::tally::{Counts, Times};
use crate::process::ProcessUsage;
use crate::scenario::QoS;

/// What a run of a fleet has found out.
#[non_exhaustive]
#[derive(Clone, Debug, Serialize)]
pub struct FleetReport {
    /// Clients there were to be.
    pub clients: u64,
    /// Seconds from the first connection until all clients were ready or had given up; absent when that was never.
    pub connecting_s: Option<f64>,
    /// Connections per second until then.
    pub connects_per_s: Option<f64>,
    /// Seconds of the measured part, from the end of the warm-up on.
    pub measured_s: f64,
    /// Messages sent per second of the measured part.
    pub sent_per_s: f64,
    /// Messages received per second of the measured part.
    pub received_per_s: f64,
    /// Messages acknowledged per second of the measured part.
    pub acknowledged_per_s: f64,
    /// Processor time of this process per message sent or received in the measured part, in microseconds.
    pub cpu_us_per_message: Option<f64>,
    /// Processor time of this process per second of the measured part: cores in use.
    pub cores: Option<f64>,
    /// Resident memory of this process at the end, in bytes.
    pub rss_bytes: Option<u64>,
    /// Messages that did not arrive: where it is known who gets what, all of them; else those that left a gap.
    pub lost: u64,
    /// Whether `lost` is of all messages.
    pub lost_is_of_all: bool,
    /// Sums over the whole run.
    pub counts: Counts,
    /// From when a message was due to its arrival.
    pub delivering: Option<TimesReport>,
    /// From when a message was due to its last acknowledgement.
    pub acknowledging: Option<TimesReport>,
    /// From when a message was due until it was sent.
    pub sending: Option<TimesReport>,
    /// From the beginning of a connection to the CONNACK.
    pub connecting: Option<TimesReport>,
    /// Why connections ended or did not begin, and how often.
    pub faults: BTreeMap<String, u64>,
    /// Whether it was ended before its time.
    pub stopped: bool,
    /// The QoS of what was published.
    #[serde(skip)]
    pub(crate) repeats_are_allowed: bool,
}

/// Times in microseconds.
#[non_exhaustive]
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "each is what its name says, in microseconds")]
pub struct TimesReport {
    /// How many were timed.
    pub count: u64,
    pub min_us: f64,
    pub mean_us: f64,
    pub p50_us: f64,
    pub p75_us: f64,
    pub p90_us: f64,
    pub p95_us: f64,
    pub p99_us: f64,
    pub p999_us: f64,
    pub p9999_us: f64,
    pub max_us: f64,
}

/// Whether all went as it should.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It did.
    Clean,
    /// Clients could not connect, or lost their connection for good.
    ConnectionsFailed,
    /// Messages were lost, refused or not acknowledged, or came again where they must not.
    MessagesLost,
}

/// Counts at one moment, and the processor time this process had used.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) at_ns: u64,
    counts: Counts,
    cpu_ns: Option<u64>,
}

impl Snapshot {
    pub(crate) fn take(at_ns: u64, counts: Counts) -> Self {
        Self {
            at_ns,
            counts,
            cpu_ns: cpu_ns(),
        }
    }
}

/// Processor time of this process so far.
#[cfg(unix)]
fn cpu_ns() -> Option<u64> {
    use rustix::time::{ClockId, clock_gettime};
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).ok()?;
    Some(seconds * 1_000_000_000 + u64::try_from(time.tv_nsec).ok()?)
}

#[cfg(not(unix))]
fn cpu_ns() -> Option<u64> {
    None
}

impl FleetReport {
    pub(crate) fn new(
        shared: &Shared,
        (before, after): (Option<Snapshot>, Snapshot),
        (counts, times): (Counts, &Times),
        (faults, settled_ns, stopped): (BTreeMap<String, u64>, Option<u64>, bool),
    ) -> Self {
        let fleet = &shared.fleet;
        let connecting_s = settled_ns.map(|at_ns| seconds(at_ns - shared.clock.origin_ns()));
        let measured = before.map(|before| {
            let counts = after.counts.since(&before.counts);
            let cpu_ns = after.cpu_ns.zip(before.cpu_ns);
            let cpu_ns = cpu_ns.map(|(after, before)| after.saturating_sub(before));
            (seconds(after.at_ns - before.at_ns), counts, cpu_ns)
        });
        let (measured_s, part, cpu_ns) = measured.unwrap_or_default();
        let per_s = |count: u64| ratio(real(count), measured_s);
        let messages = part.sent + part.received;
        let lost_is_of_all = shared.copies.is_some();
        let arrived = counts.unique(!fleet.header.is_empty());
        let lost = match lost_is_of_all {
            true => counts.expected.saturating_sub(arrived),
            false => counts.skipped,
        };
        Self {
            clients: fleet.clients(),
            connecting_s,
            connects_per_s: connecting_s.map(|seconds| ratio(real(counts.connects), seconds)),
            measured_s,
            sent_per_s: per_s(part.sent),
            received_per_s: per_s(part.received),
            acknowledged_per_s: per_s(part.acknowledged),
            cpu_us_per_message: cpu_ns
                .filter(|_| messages > 0)
                .map(|ns| ratio(real(ns) / 1e3, real(messages))),
            cores: cpu_ns.map(|ns| ratio(seconds(ns), measured_s)),
            rss_bytes: ProcessUsage::of(std::process::id()).map(|usage| usage.rss),
            lost,
            lost_is_of_all,
            counts,
            delivering: TimesReport::of(&times.delivering),
            acknowledging: TimesReport::of(&times.acknowledging),
            sending: TimesReport::of(&times.sending),
            connecting: TimesReport::of(&times.connecting),
            faults,
            stopped,
            repeats_are_allowed: fleet.publishing.qos == QoS::AtLeastOnce || fleet.publishers == 0,
        }
    }

    /// Whether all went as it should.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let counts = &self.counts;
        let is_repeated = counts.repeated > 0 && !self.repeats_are_allowed;
        if self.lost + counts.refused + counts.unacknowledged > 0 || is_repeated {
            return Verdict::MessagesLost;
        }
        match counts.given_up > 0 {
            true => Verdict::ConnectionsFailed,
            false => Verdict::Clean,
        }
    }

    /// The table for people.
    #[must_use]
    pub fn table(&self) -> String {
        let mut out = String::new();
        let counts = &self.counts;
        let mut line = |name: &str, text: String| {
            // A String takes everything.
            let _ = writeln!(out, "{name:<14}{text}");
        };
        let mut connections = format!(
            "{} of {} connected",
            counts.connects.min(self.clients),
            self.clients
        );
        if let (Some(seconds), Some(rate)) = (self.connecting_s, self.connects_per_s) {
            let _ = write!(connections, " in {seconds:.2} s, {rate:.0}/s");
        }
        for (count, what) in [
            (counts.given_up, "given up"),
            (counts.lost_connections, "lost"),
        ] {
            if count > 0 {
                let _ = write!(connections, ", {count} {what}");
            }
        }
        line("connections", connections);
        if counts.sent > 0 {
            line("sent", format!("{}, {:.0}/s", counts.sent, self.sent_per_s));
        }
        if counts.acknowledged + counts.refused + counts.unacknowledged > 0 {
            let mut text = format!("{}, {:.0}/s", counts.acknowledged, self.acknowledged_per_s);
            for (count, what) in [
                (counts.refused, "refused"),
                (counts.unacknowledged, "cut off"),
            ] {
                if count > 0 {
                    let _ = write!(text, ", {count} {what}");
                }
            }
            line("acknowledged", text);
        }
        if counts.received > 0 || counts.expected > 0 {
            line(
                "received",
                format!("{}, {:.0}/s", counts.received, self.received_per_s),
            );
            let of = match self.lost_is_of_all {
                true => format!(" of {}", counts.expected),
                false => " by gaps".to_owned(),
            };
            let mut checks = format!(
                "{}{of}, {} twice, {} late",
                self.lost, counts.repeated, counts.late
            );
            for (count, what) in [
                (counts.foreign, "without header"),
                (counts.old, "too old to tell"),
                (counts.untracked, "not followed"),
            ] {
                if count > 0 {
                    let _ = write!(checks, ", {count} {what}");
                }
            }
            line("lost", checks);
        }
        line("measured", format!("{:.2} s", self.measured_s));
        if let Some(cores) = self.cores {
            let mut text = format!("{cores:.2} cores");
            if let Some(us) = self.cpu_us_per_message {
                let _ = write!(text, ", {us:.3} us per message sent or received");
            }
            if let Some(rss) = self.rss_bytes {
                let _ = write!(text, ", {:.1} MB", real(rss) / 1e6);
            }
            line("generator", text);
        }
        for (fault, count) in &self.faults {
            line("fault", format!("{count} x {fault}"));
        }
        self.times_table(&mut out);
        out
    }

    /// One row for each kind of times, in milliseconds.
    fn times_table(&self, out: &mut String) {
        let kinds = self.kinds();
        if kinds.iter().all(|(_, _, times)| times.is_none()) {
            return;
        }
        let _ = writeln!(
            out,
            "\n{:<14}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}",
            "ms", "mean", "p50", "p90", "p99", "p99.9", "p99.99", "max", "count"
        );
        for (_, name, times) in kinds {
            let Some(times) = times else { continue };
            let _ = write!(out, "{name:<14}");
            for us in [
                times.mean_us,
                times.p50_us,
                times.p90_us,
                times.p99_us,
                times.p999_us,
                times.p9999_us,
                times.max_us,
            ] {
                let _ = write!(out, "{:>10.3}", us / 1e3);
            }
            let _ = writeln!(out, "{:>10}", times.count);
        }
    }

    /// Kinds of times, each with its word for programs and for people.
    pub(crate) fn kinds(&self) -> [(&'static str, &'static str, Option<&TimesReport>); 4] {
        [
            ("delivering", "due to arrival", self.delivering.as_ref()),
            ("acknowledging", "due to ack", self.acknowledging.as_ref()),
            ("sending", "due to sent", self.sending.as_ref()),
            ("connecting", "to CONNACK", self.connecting.as_ref()),
        ]
    }
}

impl TimesReport {
    pub(crate) fn of(times: &Histogram<u64>) -> Option<Self> {
        if times.is_empty() {
            return None;
        }
        let us = |quantile: f64| real(times.value_at_quantile(quantile)) / 1e3;
        Some(Self {
            count: times.len(),
            min_us: real(times.min()) / 1e3,
            mean_us: times.mean() / 1e3,
            p50_us: us(0.5),
            p75_us: us(0.75),
            p90_us: us(0.9),
            p95_us: us(0.95),
            p99_us: us(0.99),
            p999_us: us(0.999),
            p9999_us: us(0.9999),
            max_us: real(times.max()) / 1e3,
        })
    }
}

fn seconds(ns: u64) -> f64 {
    real(ns) / 1e9
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

/// A count for people.
#[expect(
    clippy::as_conversions,
    reason = "counts above 2^53 may lose their last digits"
)]
pub(crate) fn real(count: u64) -> f64 {
    count as f64
}
