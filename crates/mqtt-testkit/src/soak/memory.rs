//! Memory of the broker over time: resident and of no file, since pages of the program itself come in whenever a part
//! of it runs for the first time.

use std::time::Duration;

/// How much more memory is still no growth, in kibibytes.
const GROWTH_MAX_KB: u64 = 8 * 1024;
/// How much more memory is still no growth when it grows all the time, in hundredths of what there was.
const LEAK_MAX_PERCENT: u64 = 5;
/// How much more memory is still no growth when it does not.
const PEAK_MAX_PERCENT: u64 = 25;
/// A shorter run says nothing about growth: the warm-up takes its time.
const RUN_MIN: Duration = Duration::from_secs(1500);
/// The warm-up of a long run. By then the log's first segment was full, which brings a second one and what is needed
/// to copy from one to another.
const WARM_UP_MAX: Duration = Duration::from_secs(600);

/// Samples after the warm-up.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    samples_kb: Vec<u64>,
}

impl Memory {
    /// How often to look, and after how long for the first time, in a run of this length.
    pub(super) fn times(run: Duration) -> (Duration, Duration) {
        let every = (run / 100).clamp(Duration::from_millis(100), Duration::from_secs(10));
        (every, (run / 3).min(WARM_UP_MAX))
    }

    pub(super) fn add(&mut self, kb: u64) {
        self.samples_kb.push(kb);
    }

    /// Medians of the first and of the last fifth, in kibibytes.
    pub(super) fn first_last(&self) -> Option<(u64, u64)> {
        let fifths = self.fifths();
        Some((*fifths.first()?, *fifths.last()?))
    }

    /// What is wrong with it after a run of this length.
    ///
    /// A leak goes on: each fifth of the run has more than the one before, and in the end it is beyond the smaller
    /// bound. One step is a peak, of which an allocator keeps what it took; it has the larger bound.
    pub(super) fn growth(&self, run: Duration) -> Option<String> {
        let (first, last) = self.first_last()?;
        let grew = last.saturating_sub(first);
        let least = grew / 16;
        let goes_on = self
            .fifths()
            .array_windows()
            .all(|[before, after]| *after > before + least);
        let percent = if goes_on {
            LEAK_MAX_PERCENT
        } else {
            PEAK_MAX_PERCENT
        };
        let bound = GROWTH_MAX_KB.min(first * percent / 100);
        (run >= RUN_MIN && grew > bound)
            .then(|| format!("memory grew by {grew} KiB from {first} KiB, more than {bound} KiB"))
    }

    /// The medians of five parts of equal length.
    fn fifths(&self) -> Vec<u64> {
        let fifth = (self.samples_kb.len() / 5).max(1);
        let fifths = self.samples_kb.rchunks_exact(fifth).take(5);
        let mut medians: Vec<_> = fifths.filter_map(median).collect();
        medians.reverse();
        medians
    }
}

/// Resident memory of a process that is of no file, in kibibytes.
#[cfg(target_os = "linux")]
pub(super) fn anonymous_kb(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

/// Memory of a process is known on Linux only.
#[cfg(not(target_os = "linux"))]
pub(super) const fn anonymous_kb(_pid: u32) -> Option<u64> {
    None
}

fn median(samples: &[u64]) -> Option<u64> {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(samples_kb: impl Iterator<Item = u64>) -> Memory {
        Memory {
            samples_kb: samples_kb.collect(),
        }
    }

    #[test]
    fn a_leak_is_found() {
        let grows = of((0..100).map(|n| 20_000 + n * 20));
        assert!(grows.growth(RUN_MIN).is_some());
        let swings_too = of((0..100).map(|n| 20_000 + n * 20 + n % 7 * 300));
        assert!(swings_too.growth(RUN_MIN).is_some());
        let in_stairs = of((0..100).map(|n| 20_000 + n / 10 * 200));
        assert!(in_stairs.growth(RUN_MIN).is_some());
    }

    #[test]
    fn a_peak_is_no_leak_unless_it_is_large() {
        let once = of((0..100).map(|n| 20_000 + n / 70 * 2000));
        assert!(once.growth(RUN_MIN).is_none());
        let large = of((0..100).map(|n| 20_000 + n / 70 * 6000));
        assert!(large.growth(RUN_MIN).is_some());
    }

    #[test]
    fn noise_is_no_growth() {
        let swings = of((0..100).map(|n| 20_000 + n % 7 * 300));
        assert!(swings.growth(RUN_MIN).is_none());
        let shrinks = of((0..100).map(|n| 20_000 - n * 20));
        assert!(shrinks.growth(RUN_MIN).is_none());
    }

    #[test]
    fn a_short_run_says_nothing() {
        let grows = of((0..10).map(|n| 20_000 + n * 1000));
        assert!(grows.growth(Duration::from_secs(20)).is_none());
    }
}
