//! What pictures cost.

use std::collections::VecDeque;
use std::time::Duration;

/// Pictures that are remembered.
const KEPT_MAX: usize = 1_000;

/// The times of the last pictures.
#[derive(Debug, Default)]
pub(crate) struct Redraws {
    times: VecDeque<Duration>,
}

impl Redraws {
    pub(crate) fn note(&mut self, time: Duration) {
        if self.times.len() >= KEPT_MAX {
            self.times.pop_front();
        }
        self.times.push_back(time);
    }

    /// The longest of so many in a hundred; zero before the first.
    pub(crate) fn quantile(&self, percent: usize) -> Duration {
        let mut times: Vec<_> = self.times.iter().copied().collect();
        times.sort_unstable();
        let at = (times.len() * percent).div_ceil(100).saturating_sub(1);
        times.get(at).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_hundred_the_longest_but_one_is_the_99th() {
        let mut redraws = Redraws::default();
        assert_eq!(redraws.quantile(99), Duration::ZERO);
        for ms in 1..=100 {
            redraws.note(Duration::from_millis(ms));
        }
        assert_eq!(redraws.quantile(99), Duration::from_millis(99));
        assert_eq!(redraws.quantile(50), Duration::from_millis(50));
    }
}
