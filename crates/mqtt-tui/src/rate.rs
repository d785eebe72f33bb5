//! How often something happens, without a list of when it did.

use std::time::Duration;

/// After this long without an event a rate has fallen to a third.
const MEMORY_S: f64 = 5.0;

/// Events per second, the latest ones counting most.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rate {
    /// Events per second at `at`.
    value: f64,
    at: Duration,
}

impl Rate {
    /// One event at `now`.
    pub(crate) fn note(&mut self, now: Duration) {
        self.value = self.per_second(now) + 1.0 / MEMORY_S;
        self.at = now;
    }

    /// Events per second as of `now`.
    pub(crate) fn per_second(&self, now: Duration) -> f64 {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        self.value * (-passed / MEMORY_S).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn a_steady_flow_has_its_rate() {
        let mut rate = Rate::default();
        for event in 0..600 {
            rate.note(s(f64::from(event) / 10.0));
        }
        let found = rate.per_second(s(60.0));
        assert!((9.5..10.5).contains(&found), "{found}");
    }

    #[test]
    fn it_fades_when_nothing_comes() {
        let mut rate = Rate::default();
        rate.note(s(0.0));
        assert!((rate.per_second(s(0.0)) - 0.2).abs() < 1e-9);
        assert!(rate.per_second(s(60.0)) < 1e-5);
    }

    #[test]
    fn a_clock_that_goes_back_changes_nothing() {
        let mut rate = Rate::default();
        rate.note(s(10.0));
        assert!((rate.per_second(s(5.0)) - 0.2).abs() < 1e-9);
    }
}
