//! A small histogram of times: buckets that grow with the value, at most 1.6 % wide.

use std::time::Duration;

/// Buckets per doubling of the value.
const PER_DOUBLING: u64 = 64;
/// Rows of buckets: values of 2^45 ns (9 hours) and more share the last bucket.
const DOUBLINGS: u64 = 40;
/// Number of buckets, fixed.
const BUCKETS: usize = 64 * 40;

/// Counts times in nanoseconds; a percentile is exact to 1.6 %.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Vec<u64>,
    /// INVARIANT: the sum of `counts`.
    total: u64,
    max_ns: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

impl Histogram {
    /// An empty histogram. Takes 20 KiB, and no more later.
    #[must_use]
    pub fn new() -> Self {
        Self {
            counts: vec![0; BUCKETS],
            total: 0,
            max_ns: 0,
        }
    }

    /// Adds one time, in nanoseconds.
    pub fn record(&mut self, time_ns: u64) {
        let bucket = bucket_of(time_ns);
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
            self.total += 1;
        }
        self.max_ns = self.max_ns.max(time_ns);
    }

    /// How many times were added.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.total
    }

    /// Whether nothing was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// The longest time added.
    #[must_use]
    pub fn max(&self) -> Duration {
        Duration::from_nanos(self.max_ns)
    }

    /// The time that `per_mille` thousandths of all times do not exceed: 500 is the median.
    /// `None` when nothing was added.
    #[must_use]
    pub fn percentile(&self, per_mille: u32) -> Option<Duration> {
        let wanted = (self.total * u64::from(per_mille.min(1000)))
            .div_ceil(1000)
            .max(1);
        let mut seen = 0;
        for (bucket, count) in (0_u64..).zip(&self.counts) {
            seen += count;
            if seen >= wanted {
                return Some(Duration::from_nanos(bucket_end(bucket).min(self.max_ns)));
            }
        }
        None
    }

    /// Forgets all times.
    pub fn clear(&mut self) {
        self.counts.fill(0);
        self.total = 0;
        self.max_ns = 0;
    }
}

/// The bucket of a value. Values below 128 have a bucket of their own each.
fn bucket_of(value: u64) -> usize {
    let shift = u64::from(value.max(1).ilog2()).saturating_sub(6);
    let bucket = shift * PER_DOUBLING + (value >> shift);
    usize::try_from(bucket).map_or(BUCKETS - 1, |bucket| bucket.min(BUCKETS - 1))
}

/// The largest value of a bucket.
fn bucket_end(bucket: u64) -> u64 {
    let bucket = bucket.min(PER_DOUBLING * DOUBLINGS);
    let shift = (bucket / PER_DOUBLING).saturating_sub(1);
    let within = bucket - shift * PER_DOUBLING;
    ((within + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_join_without_gap_and_stay_narrow() {
        let mut last = 0;
        for value in (1..200_000_u64).chain((20..39).map(|power| (1 << power) + 12_345)) {
            let bucket = bucket_of(value);
            assert!(bucket >= last, "value {value}");
            last = bucket;
            let end = bucket_end(u64::try_from(bucket).unwrap());
            assert!(end >= value, "value {value} ends at {end}");
            assert!(end - value <= value / 64, "value {value} ends at {end}");
        }
    }

    #[test]
    fn percentiles_of_a_known_set() {
        let mut times = Histogram::new();
        assert_eq!(times.percentile(500), None);
        for time_ns in 1..=100_000 {
            times.record(time_ns);
        }
        for (per_mille, exact) in [(500, 50_000_u64), (990, 99_000), (999, 99_900)] {
            let found = times.percentile(per_mille).unwrap().as_nanos();
            let exact = u128::from(exact);
            assert!(
                found >= exact && found - exact <= exact / 64,
                "{per_mille}: {found}"
            );
        }
        assert_eq!(times.percentile(1000), Some(Duration::from_nanos(100_000)));
        assert_eq!(times.len(), 100_000);
        times.clear();
        assert!(times.is_empty());
    }

    #[test]
    fn a_huge_value_lands_in_the_last_bucket() {
        let mut times = Histogram::new();
        times.record(u64::MAX);
        assert_eq!(times.len(), 1);
        assert_eq!(times.max(), Duration::from_nanos(u64::MAX));
    }
}
