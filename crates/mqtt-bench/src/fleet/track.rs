//! Which messages of a stream have come: gaps, repetitions, and what came late.

/// Messages behind the newest of which it is known whether they have come.
const REMEMBERED: u64 = 256;

/// What a message turned out to be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Arrival {
    /// The next one, or one after a gap of so many that have not come yet.
    New { skipped: u64 },
    /// One that had been skipped.
    Late,
    /// One that had come already.
    Repeated,
    /// So old that nobody knows.
    Old,
}

/// One stream at one receiver.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Track {
    /// One more than the highest number that has come.
    next: u64,
    /// Whether message `n` has come, at bit `n` modulo 256; good for the last 256 before `next`.
    seen: [u64; 4],
}

impl Track {
    /// A stream whose first message has `first` as its number.
    pub(crate) fn from(first: u64) -> Self {
        Self {
            next: first,
            seen: [0; 4],
        }
    }

    /// Takes note of a message.
    pub(crate) fn note(&mut self, number: u64) -> Arrival {
        if number == self.next {
            // The number is what somebody has sent.
            self.next = number.saturating_add(1);
            self.mark(number, true);
            return Arrival::New { skipped: 0 };
        }
        if number > self.next {
            let skipped = number - self.next;
            for absent in self.next.max(number.saturating_sub(REMEMBERED))..number {
                self.mark(absent, false);
            }
            self.mark(number, true);
            self.next = number.saturating_add(1);
            return Arrival::New { skipped };
        }
        if self.next - number > REMEMBERED {
            return Arrival::Old;
        }
        if self.has(number) {
            return Arrival::Repeated;
        }
        self.mark(number, true);
        Arrival::Late
    }

    fn mark(&mut self, number: u64, is_there: bool) {
        let bit = 1 << (number % 64);
        if let Some(word) = self.seen.get_mut(word_of(number)) {
            match is_there {
                true => *word |= bit,
                false => *word &= !bit,
            }
        }
    }

    fn has(&self, number: u64) -> bool {
        let word = self.seen.get(word_of(number)).copied().unwrap_or(0);
        word & (1 << (number % 64)) != 0
    }
}

fn word_of(number: u64) -> usize {
    usize::try_from(number / 64 % 4).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(numbers: &[u64]) -> Vec<Arrival> {
        let mut track = Track::from(0);
        numbers.iter().map(|number| track.note(*number)).collect()
    }

    #[test]
    fn gaps_lateness_and_repetition_are_told_apart() {
        use Arrival::{Late, New, Repeated};
        let next = New { skipped: 0 };
        assert_eq!(run(&[0, 1, 2]), [next, next, next]);
        assert_eq!(
            run(&[0, 2, 1, 1]),
            [next, New { skipped: 1 }, Late, Repeated]
        );
        assert_eq!(run(&[3, 3]), [New { skipped: 3 }, Repeated]);
        assert_eq!(run(&[0, 0, 1]), [next, Repeated, next]);
    }

    #[test]
    fn a_gap_longer_than_what_is_remembered_is_counted_whole() {
        let found = run(&[0, 1000, 999, 999, 743, 1001]);
        assert_eq!(found[1], Arrival::New { skipped: 999 });
        assert_eq!(found[2], Arrival::Late);
        assert_eq!(found[3], Arrival::Repeated);
        assert_eq!(found[4], Arrival::Old);
        assert_eq!(found[5], Arrival::New { skipped: 0 });
    }

    #[test]
    fn the_last_number_there_is_ends_no_count() {
        let last = u64::MAX;
        let found = run(&[0, last, last, last - 1]);
        assert_eq!(found[1], Arrival::New { skipped: last - 1 });
        assert_eq!(found[3], Arrival::Late);
    }

    #[test]
    fn the_sums_agree_with_what_was_done_to_a_stream() {
        // Every tenth is lost, every seventh of the rest repeated, every eleventh held back by five.
        let (mut sent, mut held) = (Vec::new(), Vec::new());
        let (mut lost, mut repeated, mut late) = (0, 0, 0);
        for number in 0..10_000_u64 {
            match number {
                n if n % 10 == 9 => lost += 1,
                n if n % 11 == 0 && n > 0 => {
                    held.push((n + 5, n));
                    late += 1;
                }
                n => {
                    sent.push(n);
                    if n % 7 == 0 {
                        sent.push(n);
                        repeated += 1;
                    }
                }
            }
            while let Some((_, n)) = held.first().filter(|(at, _)| *at <= number).copied() {
                held.remove(0);
                sent.push(n);
            }
        }
        sent.extend(held.iter().map(|(_, n)| *n));
        let (mut missing, mut found_late, mut found_repeated) = (0, 0, 0);
        for arrival in run(&sent) {
            match arrival {
                Arrival::New { skipped } => missing += skipped,
                Arrival::Late => {
                    missing -= 1;
                    found_late += 1;
                }
                Arrival::Repeated => found_repeated += 1,
                Arrival::Old => panic!("nothing was held back that long"),
            }
        }
        // The last one of all is lost without a later one to show it.
        assert_eq!(missing, lost - 1);
        assert_eq!((found_late, found_repeated), (late, repeated));
    }
}
