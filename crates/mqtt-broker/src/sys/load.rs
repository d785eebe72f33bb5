//! Averages of load over the last one, five and fifteen minutes, per minute, as `uptime` has them.

use crate::core::counters::Totals;

const MINUTE_MS: f64 = 60_000.0;
/// What the averages are over, in minutes.
pub(super) const MINUTES: [u16; 3] = [1, 5, 15];

/// Something that is averaged.
struct Kind {
    /// Its name in `$SYS/broker/load/`.
    name: &'static str,
    /// How it is counted.
    count: fn(&Totals) -> u64,
}

const KINDS: [Kind; 9] = [
    Kind {
        name: "messages/received",
        count: |totals| totals.packets_received,
    },
    Kind {
        name: "messages/sent",
        count: |totals| totals.packets_sent,
    },
    Kind {
        name: "bytes/received",
        count: |totals| totals.bytes_received,
    },
    Kind {
        name: "bytes/sent",
        count: |totals| totals.bytes_sent,
    },
    Kind {
        name: "publish/received",
        count: |totals| totals.messages_received,
    },
    Kind {
        name: "publish/sent",
        count: |totals| totals.messages_sent,
    },
    Kind {
        name: "publish/dropped",
        count: Totals::dropped,
    },
    Kind {
        name: "sockets",
        count: |totals| totals.connections_opened,
    },
    Kind {
        name: "connections",
        count: |totals| totals.clients_accepted,
    },
];

/// The averages so far.
#[derive(Debug, Default)]
pub(super) struct Loads {
    last_ms: u64,
    last: [u64; KINDS.len()],
    averages: [[f64; MINUTES.len()]; KINDS.len()],
}

impl Loads {
    /// Nothing yet at `now_ms`.
    pub(super) fn new(now_ms: u64) -> Self {
        Self {
            last_ms: now_ms,
            ..Self::default()
        }
    }

    /// Carries the averages on to `now_ms`, when `totals` had been counted.
    pub(super) fn sample(&mut self, totals: &Totals, now_ms: u64) {
        let passed_ms = now_ms.saturating_sub(self.last_ms);
        if passed_ms == 0 {
            return;
        }
        let minutes_passed = exact(passed_ms) / MINUTE_MS;
        self.last_ms = now_ms;
        let kinds = KINDS.iter().zip(&mut self.last).zip(&mut self.averages);
        for ((kind, last), averages) in kinds {
            let now = (kind.count)(totals);
            let per_minute = exact(now.saturating_sub(*last)) / minutes_passed;
            *last = now;
            for (average, minutes) in averages.iter_mut().zip(MINUTES) {
                let kept = (-minutes_passed / f64::from(minutes)).exp();
                *average = per_minute + kept * (*average - per_minute);
            }
        }
    }

    /// Each average: what it is of, over how many minutes, per minute.
    pub(super) fn all(&self) -> impl Iterator<Item = (&'static str, u16, f64)> {
        KINDS
            .iter()
            .zip(&self.averages)
            .flat_map(|(kind, averages)| {
                let averages = averages.iter().zip(MINUTES);
                averages.map(|(average, minutes)| (kind.name, minutes, *average))
            })
    }
}

/// A count as a number to reckon with; exact up to 2^53.
#[expect(
    clippy::cast_precision_loss,
    reason = "an average of that many has no use for its last digits"
)]
fn exact(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_load_becomes_the_average() {
        let mut loads = Loads::default();
        for step in 1..=1000_u64 {
            let totals = Totals {
                messages_received: step * 50,
                ..Totals::default()
            };
            loads.sample(&totals, step * 10_000);
        }
        for (name, minutes, average) in loads.all() {
            let expected = if name == "publish/received" {
                300.0
            } else {
                0.0
            };
            assert!(
                (average - expected).abs() < 0.01,
                "{name} {minutes} {average}"
            );
        }
    }

    #[test]
    fn a_burst_fades_faster_from_the_short_average() {
        let mut loads = Loads::default();
        let burst = Totals {
            bytes_sent: 600,
            ..Totals::default()
        };
        loads.sample(&burst, 60_000);
        loads.sample(&burst, 120_000);
        let of = |loads: &Loads| -> Vec<f64> {
            let all = loads.all().filter(|(name, _, _)| *name == "bytes/sent");
            all.map(|(_, _, average)| average).collect()
        };
        let averages = of(&loads);
        // 600 in the first minute and nothing in the second.
        let expected = [600.0 * (1.0 - 1.0 / 1_f64.exp()) / 1_f64.exp()];
        assert!((averages[0] - expected[0]).abs() < 1e-9, "{averages:?}");
        assert!(averages[0] > averages[1] && averages[1] > averages[2]);
    }
}
