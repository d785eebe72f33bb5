//! What is counted and timed.

use hdrhistogram::Histogram;
use serde::Serialize;

/// The longest time that is told from others: an hour, in nanoseconds.
const TIME_MAX_NS: u64 = 3_600_000_000_000;

/// Sums since the start of a run.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Counts {
    /// Clients that are connected, and subscribed if they are to be.
    pub ready: u64,
    /// Connections that became ready.
    pub connects: u64,
    /// Attempts that failed.
    pub connect_failures: u64,
    /// Clients that gave up connecting.
    pub given_up: u64,
    /// Connections lost that had been ready.
    pub lost_connections: u64,
    /// PUBLISH packets sent.
    pub sent: u64,
    /// Messages above QoS 0 acknowledged to the end.
    pub acknowledged: u64,
    /// Messages the broker refused.
    pub refused: u64,
    /// Messages above QoS 0 whose connection was lost before they were acknowledged.
    pub unacknowledged: u64,
    /// PUBLISH packets received.
    pub received: u64,
    /// Of these, the ones without a header, or with one of another run.
    pub foreign: u64,
    /// Bytes received.
    pub received_bytes: u64,
    /// Bytes of packets sent.
    pub sent_bytes: u64,
    /// Messages missing by their numbers, late ones taken off.
    pub skipped: u64,
    /// Messages that came after later ones.
    pub late: u64,
    /// Messages that came again.
    pub repeated: u64,
    /// Messages so old that nobody knows whether they had come.
    pub old: u64,
    /// Messages whose stream has no place in the table.
    pub untracked: u64,
    /// Deliveries that what was sent is to cause, where that is known.
    pub expected: u64,
    /// Publishers that have sent all they have to.
    pub finished: u64,
    /// Messages above QoS 0 under way.
    pub under_way: u64,
    /// At the end: clients with bytes that wait to be written.
    pub waiting: u64,
}

impl Counts {
    /// Adds those of another part of the fleet.
    pub(crate) fn add(&mut self, other: &Self) {
        for (sum, part) in self.fields_mut().into_iter().zip(other.fields()) {
            *sum += part;
        }
    }

    /// What came since `before`.
    pub(crate) fn since(&self, before: &Self) -> Self {
        let mut difference = *self;
        for (now, then) in difference.fields_mut().into_iter().zip(before.fields()) {
            *now = now.saturating_sub(then);
        }
        difference
    }

    /// Messages received once; of this run alone, where headers tell.
    pub(crate) fn unique(&self, has_header: bool) -> u64 {
        match has_header {
            true => self.received.saturating_sub(self.foreign + self.repeated),
            false => self.received,
        }
    }

    fn fields(&self) -> [u64; 22] {
        let mut copy = *self;
        copy.fields_mut().map(|field| *field)
    }

    fn fields_mut(&mut self) -> [&mut u64; 22] {
        let Self {
            ready,
            connects,
            connect_failures,
            given_up,
            lost_connections,
            sent,
            acknowledged,
            refused,
            unacknowledged,
            received,
            foreign,
            received_bytes,
            sent_bytes,
            skipped,
            late,
            repeated,
            old,
            untracked,
            expected,
            finished,
            under_way,
            waiting,
        } = self;
        [
            ready,
            connects,
            connect_failures,
            given_up,
            lost_connections,
            sent,
            acknowledged,
            refused,
            unacknowledged,
            received,
            foreign,
            received_bytes,
            sent_bytes,
            skipped,
            late,
            repeated,
            old,
            untracked,
            expected,
            finished,
            under_way,
            waiting,
        ]
    }
}

/// Times in nanoseconds, three digits each, up to an hour.
#[derive(Clone, Debug)]
pub struct Times {
    /// From the beginning of a connection to the CONNACK.
    pub connecting: Histogram<u64>,
    /// From when a message was due to its last acknowledgement.
    pub acknowledging: Histogram<u64>,
    /// From when a message was due to its arrival.
    pub delivering: Histogram<u64>,
    /// From when a message was due until it was sent: what the generator or a full window has added.
    pub sending: Histogram<u64>,
}

impl Times {
    pub(crate) fn new() -> Self {
        #[expect(
            clippy::expect_used,
            reason = "the bounds are constants, which a test makes a histogram of"
        )]
        let empty =
            || Histogram::new_with_bounds(1, TIME_MAX_NS, 3).expect("these bounds are right");
        Self {
            connecting: empty(),
            acknowledging: empty(),
            delivering: empty(),
            sending: empty(),
        }
    }

    /// Takes the times of `part` over and leaves it empty.
    pub(crate) fn take(&mut self, part: &mut Self) {
        for (sum, part) in [
            (&mut self.connecting, &mut part.connecting),
            (&mut self.acknowledging, &mut part.acknowledging),
            (&mut self.delivering, &mut part.delivering),
            (&mut self.sending, &mut part.sending),
        ] {
            if !part.is_empty() {
                // Both have the same bounds.
                let _ = sum.add(&*part);
                part.reset();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_count_is_added_and_taken_off() {
        let mut one = Counts::default();
        for (value, field) in (1..).zip(one.fields_mut()) {
            *field = value;
        }
        let mut sum = one;
        sum.add(&one);
        assert_eq!(sum.waiting, 44);
        assert_eq!(sum.since(&one), one);
    }

    #[test]
    fn times_keep_three_digits_up_to_an_hour() {
        let (mut all, mut part) = (Times::new(), Times::new());
        for ns in [1, 1_000, 123_456_789, TIME_MAX_NS, u64::MAX] {
            part.delivering.saturating_record(ns);
        }
        all.take(&mut part);
        assert!(part.delivering.is_empty());
        assert_eq!(all.delivering.len(), 5);
        let found = all.delivering.value_at_quantile(0.6);
        assert!(found.abs_diff(123_456_789) < 123_456_789 / 1000, "{found}");
    }
}
