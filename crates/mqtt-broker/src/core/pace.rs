//! How fast one client may send: token buckets. Over its rate a client is not read from for a while.

use std::time::Duration;

/// So many things in a time, as the configuration writes `1000/s`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Rate {
    /// Messages or bytes, at least 1.
    pub count: u64,
    /// The time they may take, at least 1 millisecond.
    pub per: Duration,
}

/// What one connection may send; none is without a bound.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Rates {
    pub(crate) messages: Option<Rate>,
    pub(crate) bytes: Option<Rate>,
}

/// Which rate was passed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Passed {
    Messages,
    Bytes,
}

/// The buckets of one connection.
#[derive(Debug)]
pub(crate) struct Pace {
    messages: Option<Bucket>,
    bytes: Option<Bucket>,
    /// Nothing is to be taken from the client before; in milliseconds.
    resume_at_ms: u64,
}

/// One bucket: full it holds what its rate allows in its time.
#[derive(Debug)]
struct Bucket {
    /// Tokens are counted in parts, so many to one: what comes in a millisecond is then a whole number.
    parts: i64,
    per_ms: i64,
    capacity: i64,
    level: i64,
    filled_at_ms: u64,
}

impl Pace {
    /// Full buckets; none when there is no rate.
    pub(crate) fn new(rates: Rates, now_ms: u64) -> Option<Box<Self>> {
        if rates == Rates::default() {
            return None;
        }
        Some(Box::new(Self {
            messages: rates.messages.map(|rate| Bucket::new(rate, now_ms)),
            bytes: rates.bytes.map(|rate| Bucket::new(rate, now_ms)),
            resume_at_ms: 0,
        }))
    }

    /// Takes what came from the buckets: which is empty now, when the client has to wait.
    pub(crate) fn take(&mut self, messages: u64, bytes: usize, now_ms: u64) -> Option<Passed> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let by_messages = wait_ms(&mut self.messages, messages, now_ms);
        let by_bytes = wait_ms(&mut self.bytes, bytes, now_ms);
        let longest = by_messages.max(by_bytes);
        if longest == 0 {
            return None;
        }
        self.resume_at_ms = now_ms.saturating_add(longest);
        Some(match by_bytes > by_messages {
            true => Passed::Bytes,
            false => Passed::Messages,
        })
    }

    /// When more may be taken, if not now; in milliseconds.
    pub(crate) fn resume_at_ms(&self, now_ms: u64) -> Option<u64> {
        Some(self.resume_at_ms).filter(|resume_at_ms| *resume_at_ms > now_ms)
    }
}

impl Bucket {
    fn new(rate: Rate, now_ms: u64) -> Self {
        let parts = i64::try_from(rate.per.as_millis())
            .unwrap_or(i64::MAX)
            .max(1);
        let per_ms = i64::try_from(rate.count).unwrap_or(i64::MAX).max(1);
        let capacity = per_ms.saturating_mul(parts);
        Self {
            parts,
            per_ms,
            capacity,
            level: capacity,
            filled_at_ms: now_ms,
        }
    }

    /// Takes `count` tokens, and goes into debt if it has to: how long until it is out of it, in milliseconds.
    fn take(&mut self, count: u64, now_ms: u64) -> u64 {
        let elapsed = now_ms.saturating_sub(self.filled_at_ms);
        let elapsed = i64::try_from(elapsed).unwrap_or(i64::MAX);
        self.filled_at_ms = now_ms;
        let filled = self
            .level
            .saturating_add(elapsed.saturating_mul(self.per_ms));
        let cost = i64::try_from(count)
            .unwrap_or(i64::MAX)
            .saturating_mul(self.parts);
        self.level = filled.min(self.capacity).saturating_sub(cost);
        match u64::try_from(self.level.saturating_neg()) {
            Ok(debt) => debt.div_ceil(self.per_ms.unsigned_abs()),
            Err(_) => 0,
        }
    }
}

fn wait_ms(bucket: &mut Option<Bucket>, count: u64, now_ms: u64) -> u64 {
    bucket
        .as_mut()
        .map_or(0, |bucket| bucket.take(count, now_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(messages: u64, bytes: u64) -> Box<Pace> {
        let rate = |count| Rate {
            count,
            per: Duration::from_secs(1),
        };
        let rates = Rates {
            messages: Some(rate(messages)),
            bytes: Some(rate(bytes)),
        };
        Pace::new(rates, 0).unwrap()
    }

    #[test]
    fn a_second_of_the_rate_may_come_at_once_and_no_more() {
        let mut pace = pace(10, 1_000_000);
        for _ in 0..10 {
            assert_eq!(pace.take(1, 100, 0), None);
        }
        assert_eq!(pace.take(1, 100, 0), Some(Passed::Messages));
        assert_eq!(pace.resume_at_ms(0), Some(100));
        assert_eq!(pace.resume_at_ms(100), None);
    }

    #[test]
    fn over_a_long_time_the_rate_is_kept() {
        let mut pace = pace(1_000_000, 1000);
        let (mut now_ms, mut bytes) = (0, 0);
        while now_ms < 60_000 {
            bytes += 70;
            now_ms = match pace.take(1, 70, now_ms) {
                None => now_ms,
                Some(passed) => {
                    assert_eq!(passed, Passed::Bytes);
                    pace.resume_at_ms(now_ms).unwrap()
                }
            };
        }
        assert!((60_000..=61_100).contains(&bytes), "{bytes}");
    }

    #[test]
    fn idle_time_fills_a_bucket_once() {
        let mut pace = pace(5, 1_000_000);
        assert_eq!(pace.take(5, 0, 1_000_000), None);
        assert_eq!(pace.take(1, 0, 1_000_000), Some(Passed::Messages));
    }

    #[test]
    fn without_rates_there_are_no_buckets() {
        assert!(Pace::new(Rates::default(), 0).is_none());
    }
}
