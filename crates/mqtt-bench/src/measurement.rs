//! The figures of one run.

use std::fmt;

use crate::process::ProcessUsage;

/// What a figure counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unit {
    /// Events per second.
    PerSecond,
    /// Microseconds.
    Microseconds,
    /// Bytes.
    Bytes,
    /// CPU seconds per second.
    Cores,
    /// A plain number.
    Count,
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PerSecond => "/s",
            Self::Microseconds => "us",
            Self::Bytes => "B",
            Self::Cores => "cores",
            Self::Count => "",
        })
    }
}

/// One figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure {
    /// What it is, in snake case: `deliveries_per_s`, `cpu_us_per_delivery`, `latency_p99_us`.
    pub name: &'static str,
    /// What it counts.
    pub unit: Unit,
    /// The value.
    pub value: f64,
}

/// The figures of one run. Figures that do not apply, or that this system cannot tell, are absent.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    /// Name of the scenario.
    pub scenario: &'static str,
    /// The figures, in the order to show them.
    pub figures: Vec<Figure>,
}

impl Measurement {
    pub(crate) fn new(scenario: &'static str) -> Self {
        Self {
            scenario,
            figures: Vec::with_capacity(12),
        }
    }

    /// The value of the figure of this name.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<f64> {
        self.figures
            .iter()
            .find(|figure| figure.name == name)
            .map(|figure| figure.value)
    }

    pub(crate) fn push(&mut self, name: &'static str, unit: Unit, value: f64) {
        self.figures.push(Figure { name, unit, value });
    }
}

/// CPU time between two looks at a process, per event.
pub(crate) fn push_cpu(
    measurement: &mut Measurement,
    name: &'static str,
    (before, after): (Option<ProcessUsage>, Option<ProcessUsage>),
    events: f64,
) {
    if let (Some(before), Some(after)) = (before, after) {
        let used = after.cpu.saturating_sub(before.cpu).as_secs_f64() * 1e6;
        measurement.push(name, Unit::Microseconds, ratio(used, events));
    }
}

/// Cores a process used between two looks at it that are so many seconds apart.
pub(crate) fn push_cores(
    measurement: &mut Measurement,
    (before, after): (Option<ProcessUsage>, Option<ProcessUsage>),
    seconds: f64,
) {
    if let (Some(before), Some(after)) = (before, after) {
        let used = after.cpu.saturating_sub(before.cpu).as_secs_f64();
        measurement.push("cores", Unit::Cores, ratio(used, seconds));
    }
}

/// Resident memory by which a process has grown between two looks at it, per thing.
pub(crate) fn push_growth(
    measurement: &mut Measurement,
    name: &'static str,
    (before, after): (Option<ProcessUsage>, Option<ProcessUsage>),
    things: f64,
) {
    if let (Some(before), Some(after)) = (before, after) {
        let grown = real(after.rss.saturating_sub(before.rss));
        measurement.push(name, Unit::Bytes, ratio(grown, things));
    }
}

/// A count as a floating-point number; exact below 2^53, which no count here reaches.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub(crate) fn real(count: u64) -> f64 {
    count as f64
}

/// `part` per `whole`, 0 if there is no whole.
pub(crate) fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}
