//! Packets whose answers are to be shown, too.

use std::collections::{HashSet, VecDeque};

/// The most that are remembered of a connection: as many as can be under way in one direction.
const SHOWN_MAX: usize = 65_535;

/// Numbers of packets; of too many the oldest are forgotten.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shown {
    /// INVARIANT: the numbers of `order`, which are at most `SHOWN_MAX`.
    numbers: HashSet<u64>,
    order: VecDeque<u64>,
}

impl Shown {
    pub(crate) fn add(&mut self, number: u64) {
        if self.order.len() == SHOWN_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.numbers.remove(&oldest);
        }
        if self.numbers.insert(number) {
            self.order.push_back(number);
        }
    }

    pub(crate) fn has(&self, number: u64) -> bool {
        self.numbers.contains(&number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_forgotten() {
        let mut shown = Shown::default();
        let last = u64::try_from(SHOWN_MAX).unwrap();
        (0..=last).for_each(|number| shown.add(number));
        assert!(!shown.has(0));
        assert!(shown.has(1) && shown.has(last));
        assert_eq!(shown.order.len(), SHOWN_MAX);
    }
}
