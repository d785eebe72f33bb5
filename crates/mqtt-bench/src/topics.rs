//! Topic Names by number: all of one layout have the same length, so that a ready packet gets
//! another name by writing digits.

/// Filters in one SUBSCRIBE of a client that has many.
pub(crate) const FILTERS_PER_PACKET: usize = 100;

/// Topics in one group of [`Layout::Spread`].
const GROUP_LEN: u32 = 200;

/// How the names of a scenario look.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Layout {
    /// One topic per publisher: `bench/00042`.
    Flat,
    /// Many topics in groups: `spread/0012/002500/state`.
    Spread,
    /// Retained topics, three levels of numbers: `ret/17/42/3`.
    Retained,
}

/// Decimal digits in a name: where, how many, and of which part of the number.
struct Digits {
    at: usize,
    len: usize,
    divisor: u32,
}

impl Layout {
    /// The name of number `index`.
    pub(crate) fn topic_name(self, index: u32) -> String {
        let mut name = self.template().as_bytes().to_vec();
        self.write(index, &mut name);
        // Only digits were put into text.
        String::from_utf8(name).unwrap_or_default()
    }

    /// A filter that matches the name of number `index` alone: every second has a wildcard, if
    /// the layout has room for one.
    pub(crate) fn topic_filter(self, index: u32) -> String {
        let name = self.topic_name(index);
        match (self, name.strip_suffix("state")) {
            (Self::Spread, Some(front)) if !index.is_multiple_of(2) => format!("{front}+"),
            _ => name,
        }
    }

    /// A filter nobody publishes to, of the same kind as [`topic_filter`](Self::topic_filter).
    pub(crate) fn other_filter(self, index: u32) -> String {
        format!("other/{}", self.topic_filter(index))
    }

    /// Turns a name of this layout into that of number `index`. Allocates nothing.
    pub(crate) fn write(self, index: u32, name: &mut [u8]) {
        for digits in self.digits() {
            let place = name.get_mut(digits.at..digits.at + digits.len);
            let mut left = index / digits.divisor;
            for digit in place.into_iter().flatten().rev() {
                *digit = b'0' + u8::try_from(left % 10).unwrap_or(0);
                left /= 10;
            }
        }
    }

    fn template(self) -> &'static str {
        match self {
            Self::Flat => "bench/00000",
            Self::Spread => "spread/0000/000000/state",
            Self::Retained => "ret/00/00/0",
        }
    }

    fn digits(self) -> &'static [Digits] {
        const fn digits(at: usize, len: usize, divisor: u32) -> Digits {
            Digits { at, len, divisor }
        }
        match self {
            Self::Flat => const { &[digits(6, 5, 1)] },
            Self::Spread => const { &[digits(7, 4, GROUP_LEN), digits(12, 6, 1)] },
            Self::Retained => const { &[digits(4, 2, 1000), digits(7, 2, 10), digits(10, 1, 1)] },
        }
    }
}

/// Which topic a publisher's next message goes to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Choice {
    /// Always the same.
    One(u32),
    /// One after the other: `count` topics from `first` on, and again.
    InTurn { first: u32, count: u32 },
    /// Any of the first `count`. The same ones in each run.
    Random { count: u32, state: u64 },
}

impl Choice {
    /// A random choice that begins the same way in each run.
    pub(crate) fn random(count: u32) -> Self {
        let state = 0x9E37_79B9_7F4A_7C15;
        Self::Random { count, state }
    }

    /// The topic before anything was sent.
    pub(crate) fn first(self) -> u32 {
        match self {
            Self::One(index) => index,
            Self::InTurn { first, .. } => first,
            Self::Random { .. } => 0,
        }
    }

    /// The topic of message `number`, where it is not the same for all.
    pub(crate) fn next(&mut self, number: u64) -> Option<u32> {
        match self {
            Self::One(_) => None,
            Self::InTurn { first, count } => {
                let turn = number % u64::from((*count).max(1));
                Some(*first + u32::try_from(turn).unwrap_or(0))
            }
            Self::Random { count, state } => {
                // A linear congruential generator; its upper bits are the good ones.
                *state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                let upper = *state >> 33;
                Some(u32::try_from(upper % u64::from((*count).max(1))).unwrap_or(0))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_a_layout_are_all_different_and_equally_long() {
        for (layout, count) in [
            (Layout::Flat, 10_000),
            (Layout::Spread, 200_000),
            (Layout::Retained, 100_000),
        ] {
            let names: std::collections::HashSet<String> =
                (0..count).map(|index| layout.topic_name(index)).collect();
            assert_eq!(names.len(), count as usize);
            let len = layout.template().len();
            assert!(names.iter().all(|name| name.len() == len));
        }
    }

    #[test]
    fn every_second_spread_filter_has_a_wildcard() {
        assert_eq!(Layout::Spread.topic_name(2501), "spread/0012/002501/state");
        assert_eq!(
            Layout::Spread.topic_filter(2500),
            "spread/0012/002500/state"
        );
        assert_eq!(Layout::Spread.topic_filter(2501), "spread/0012/002501/+");
        assert_eq!(Layout::Retained.topic_name(17_423), "ret/17/42/3");
    }

    #[test]
    fn random_topics_are_spread_and_the_same_each_time() {
        let draw = || {
            let mut choice = Choice::random(1000);
            (0..20_000).map(move |number| choice.next(number).unwrap())
        };
        let seen: std::collections::HashSet<u32> = draw().collect();
        assert_eq!(seen.len(), 1000);
        assert!(draw().eq(draw()));
    }
}
