//! When work moves between lanes: what is decided from how busy they are.

use super::spare::SpareCores;
use crate::core::lane::Lane;
use std::time::Instant;

/// A lane this busy has no time left, as a share of time.
const FULL: f32 = 0.85;
/// Looks in a row at which a lane is full before anything moves.
const FULL_LOOKS: u32 = 3;
/// How much less busy another lane must be to take work.
const GAP: f32 = 0.3;
/// Looks after a move before the next is considered: it takes a while to show.
const REST_LOOKS: u32 = 10;
/// All lanes together are this little busy when one would do.
const CALM: f32 = 0.35;
/// Looks in a row at which it is so before work comes back to the first lane.
const CALM_LOOKS: u32 = 50;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Advice {
    /// A share, 0 to 1, of the work of one lane goes to another.
    Share { from: Lane, to: Lane, share: f32 },
    /// All comes back to the first lane.
    Gather,
}

/// What has been seen so far.
#[derive(Debug, Default)]
pub(super) struct Balance {
    full: u32,
    calm: u32,
    rest: u32,
    /// Whether lanes other than the first have work.
    is_spread: bool,
    spare: Option<SpareCores>,
}

impl Balance {
    /// Where a new connection is to be served, when lanes are as busy as `loads` says.
    pub(super) fn for_new(&self, loads: &[f32]) -> Lane {
        match self.is_spread {
            true => lightest(loads),
            false => Lane::FIRST,
        }
    }

    /// One look at how busy the lanes were since the last.
    pub(super) fn advise(&mut self, loads: &[f32], now: Instant) -> Option<Advice> {
        let heaviest = heaviest(loads);
        let load = |lane: Lane| loads.get(usize::from(lane.0)).copied().unwrap_or(0.0);
        let is_full = load(heaviest) >= FULL;
        if is_full && self.full == 0 {
            self.spare = SpareCores::watch(now);
        }
        self.full = if is_full { self.full + 1 } else { 0 };
        let is_calm = self.is_spread && loads.iter().sum::<f32>() < CALM;
        self.calm = if is_calm { self.calm + 1 } else { 0 };
        if self.rest > 0 {
            self.rest -= 1;
            return None;
        }
        if self.calm >= CALM_LOOKS {
            *self = Self::default();
            return Some(Advice::Gather);
        }
        let to = lightest(loads);
        let gap = load(heaviest) - load(to);
        if self.full < FULL_LOOKS || gap < GAP {
            return None;
        }
        self.full = 0;
        // On cores that others keep busy it would be the same work in more pieces.
        let is_free = self.spare.take().is_none_or(|spare| spare.is_enough(now));
        if !is_free {
            return None;
        }
        self.rest = REST_LOOKS;
        self.is_spread = true;
        Some(Advice::Share {
            from: heaviest,
            to,
            share: gap / 2.0 / load(heaviest),
        })
    }
}

fn heaviest(loads: &[f32]) -> Lane {
    let most = loads.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
    Lane::nth(most.map_or(0, |(nth, _)| nth))
}

fn lightest(loads: &[f32]) -> Lane {
    let least = loads.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1));
    Lane::nth(least.map_or(0, |(nth, _)| nth))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What it advises after `looks` looks at the same loads, with cores to spare.
    fn after(balance: &mut Balance, looks: u32, loads: &[f32]) -> Vec<Advice> {
        let now = Instant::now();
        let look = |_| {
            let advice = balance.advise(loads, now);
            balance.spare = None;
            advice
        };
        (0..looks).filter_map(look).collect()
    }

    #[test]
    fn half_of_what_is_too_much_moves_once_it_lasts() {
        let mut balance = Balance::default();
        assert_eq!(after(&mut balance, FULL_LOOKS - 1, &[1.0, 0.0]), []);
        assert_eq!(balance.for_new(&[1.0, 0.0]), Lane::FIRST);
        let share = Advice::Share {
            from: Lane::FIRST,
            to: Lane(1),
            share: 0.5,
        };
        assert_eq!(after(&mut balance, 1, &[1.0, 0.0]), [share]);
        assert_eq!(balance.for_new(&[1.0, 0.5]), Lane(1));
        assert_eq!(after(&mut balance, REST_LOOKS, &[1.0, 0.0]), []);
    }

    #[test]
    fn lanes_that_are_all_busy_are_left_alone() {
        let mut balance = Balance::default();
        assert_eq!(after(&mut balance, 100, &[1.0, 0.9, 0.8]), []);
        assert_eq!(after(&mut balance, 100, &[0.8, 0.0, 0.0]), []);
    }

    #[test]
    fn little_work_comes_back_to_the_first_lane() {
        let mut balance = Balance::default();
        assert_eq!(after(&mut balance, 100, &[0.1, 0.0]), []);
        assert_eq!(after(&mut balance, FULL_LOOKS, &[1.0, 0.0]).len(), 1);
        assert_eq!(
            after(&mut balance, CALM_LOOKS, &[0.1, 0.1]),
            [Advice::Gather]
        );
        assert_eq!(after(&mut balance, 2 * CALM_LOOKS, &[0.1, 0.1]), []);
    }
}
