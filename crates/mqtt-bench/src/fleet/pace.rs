//! When messages are due: a queue of publishers by the time of their next message. Knows no clock.

use std::collections::VecDeque;

/// Parts of a nanosecond that are counted, as powers of two: so a rate is kept over days.
const FRACTION_BITS: u32 = 8;

/// A time in 256ths of a nanosecond: from 1970 for two centuries less than u64 would hold, so it counts from the start.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Due(u64);

impl Due {
    /// So many nanoseconds after the start.
    pub(crate) fn at_ns(ns: u64) -> Self {
        Self(ns.saturating_mul(1 << FRACTION_BITS))
    }

    /// Nanoseconds after the start.
    pub(crate) fn ns(self) -> u64 {
        self.0 >> FRACTION_BITS
    }

    /// One interval later.
    pub(crate) fn after(self, interval: Interval) -> Self {
        Self(self.0.saturating_add(interval.0))
    }
}

/// The time between two messages of one publisher.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Interval(u64);

impl Interval {
    /// So many nanoseconds.
    pub(crate) fn of_ns(ns: u64) -> Self {
        Self(ns.saturating_mul(1 << FRACTION_BITS))
    }

    /// What makes `publishers` together send `per_1000_s` messages in 1,000 seconds.
    pub(crate) fn of_rate(publishers: u64, per_1000_s: u64) -> Self {
        let fractions = u128::from(publishers) * (1_000_000_000_000 << FRACTION_BITS);
        let interval = fractions / u128::from(per_1000_s.max(1));
        Self(u64::try_from(interval).unwrap_or(u64::MAX))
    }

    /// The part `index` of `count` of it, so that publishers are spread evenly.
    pub(crate) fn part(self, index: u64, count: u64) -> Due {
        let part = u128::from(self.0) * u128::from(index) / u128::from(count.max(1));
        Due(u64::try_from(part).unwrap_or(u64::MAX))
    }
}

/// Publishers by the time of their next message. All have the same interval, so what is put back goes to the end.
#[derive(Debug, Default)]
pub(crate) struct DueQueue {
    /// INVARIANT: sorted by time.
    waiting: VecDeque<(Due, u32)>,
}

impl DueQueue {
    /// The time of the first one.
    pub(crate) fn next_due(&self) -> Option<Due> {
        self.waiting.front().map(|(due, _)| *due)
    }

    /// Takes the first one if its time has come.
    pub(crate) fn pop(&mut self, now: Due) -> Option<(Due, u32)> {
        self.waiting.pop_front_if(|(due, _)| *due <= now)
    }

    /// Puts a publisher where its time belongs, behind others of the same time.
    pub(crate) fn push(&mut self, due: Due, publisher: u32) {
        if self.waiting.back().is_none_or(|(last, _)| *last <= due) {
            self.waiting.push_back((due, publisher));
            return;
        }
        let at = self.waiting.partition_point(|(other, _)| *other <= due);
        self.waiting.insert(at, (due, publisher));
    }

    /// Takes all out.
    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs `publishers` at a rate for a second of virtual time, looking every `look_ns`; the publisher stalls in
    /// between. Each message with the time it was due and the time it was taken.
    fn taken(
        publishers: u32,
        rate: u64,
        look_ns: u64,
        stall: std::ops::Range<u64>,
    ) -> Vec<[u64; 2]> {
        let interval = Interval::of_rate(publishers.into(), rate * 1000);
        let mut queue = DueQueue::default();
        for index in 0..publishers {
            queue.push(interval.part(index.into(), publishers.into()), index);
        }
        let mut taken = Vec::new();
        let mut now = 0;
        while now < 1_000_000_000 {
            if !stall.contains(&now) {
                while let Some((due, publisher)) = queue.pop(Due::at_ns(now)) {
                    taken.push([due.ns(), now]);
                    queue.push(due.after(interval), publisher);
                }
            }
            now += look_ns;
        }
        taken
    }

    #[test]
    fn a_rate_is_kept_whatever_it_is() {
        for (publishers, rate) in [(1, 1000), (7, 33_333), (1000, 999), (3, 1_000_000)] {
            let count = taken(publishers, rate, 10_000, 0..0).len();
            let expected = usize::try_from(rate).unwrap();
            assert!(
                count.abs_diff(expected) <= 20 + expected / 1000,
                "{publishers} {rate}: {count}"
            );
        }
    }

    #[test]
    fn a_stall_shows_in_every_message_it_delays() {
        // 1,000 messages per second, and half a second in which nothing goes out: what a generator that waits for
        // answers would leave out are 500 messages, due one after the other while it waited.
        let taken = taken(10, 1000, 100_000, 200_000_000..700_000_000);
        let late = taken.iter().filter(|[due, at]| at - due > 1_000_000);
        assert!((495..=505).contains(&late.count()));
        let delay: u64 = taken.iter().map(|[due, at]| at - due).sum();
        let mean_ms = delay / 1000 / 1_000_000;
        // Half the messages wait for a quarter of a second on average.
        assert!((120..=130).contains(&mean_ms), "{mean_ms}");
        assert_eq!(taken.len(), 1000);
    }

    #[test]
    fn who_comes_back_late_stands_where_its_time_is() {
        let mut queue = DueQueue::default();
        for (ns, publisher) in [(30, 3), (10, 1), (20, 2), (10, 4)] {
            queue.push(Due::at_ns(ns), publisher);
        }
        let order: Vec<u32> = std::iter::from_fn(|| queue.pop(Due::at_ns(100)))
            .map(|(_, publisher)| publisher)
            .collect();
        assert_eq!(order, [1, 4, 2, 3]);
        queue.push(Due::at_ns(5), 1);
        assert_eq!(queue.pop(Due::at_ns(4)), None);
        assert_eq!(queue.next_due(), Some(Due::at_ns(5)));
    }

    #[test]
    fn an_interval_that_is_no_whole_number_does_not_drift() {
        // Three messages per second: a third of a second each.
        let interval = Interval::of_rate(1, 3000);
        let mut due = Due::default();
        for _ in 0..3 * 3600 {
            due = due.after(interval);
        }
        let drift = due.ns().abs_diff(3600 * 1_000_000_000);
        assert!(drift < 100_000, "{drift} ns in an hour");
    }
}
