//! In which order the servers of a domain are tried; RFC 2782.

/// A server of a domain.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Offer {
    /// The lowest comes first.
    pub(super) priority: u16,
    /// How likely it is taken among those of its priority.
    pub(super) weight: u16,
    pub(super) port: u16,
    pub(super) host: Box<str>,
}

/// The offers by priority, and drawn by weight within one; `draw` gives random numbers.
pub(super) fn ordered(mut offers: Vec<Offer>, mut draw: impl FnMut() -> u64) -> Vec<Offer> {
    // Those without weight come first in the sum, so that they are not left out altogether.
    offers.sort_by_key(|offer| (offer.priority, offer.weight));
    let mut ordered = Vec::with_capacity(offers.len());
    while let Some(first) = offers.first() {
        let priority = first.priority;
        let candidates = || {
            let candidates = offers.iter().enumerate();
            candidates.take_while(move |(_, offer)| offer.priority == priority)
        };
        let total: u64 = candidates().map(|(_, offer)| u64::from(offer.weight)).sum();
        let drawn = draw() % (total + 1);
        let mut sum = 0;
        let taken = candidates().find_map(|(at, offer)| {
            sum += u64::from(offer.weight);
            (sum >= drawn).then_some(at)
        });
        ordered.push(offers.remove(taken.unwrap_or_default()));
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(priority: u16, weight: u16, host: &str) -> Offer {
        Offer {
            priority,
            weight,
            port: 1883,
            host: host.into(),
        }
    }

    fn hosts(offers: &[Offer]) -> String {
        offers.iter().map(|offer| &*offer.host).collect()
    }

    #[test]
    fn the_lowest_priority_comes_first_whatever_is_drawn() {
        let offers = vec![offer(20, 9, "c"), offer(10, 1, "a"), offer(15, 0, "b")];
        for drawn in [0, 1, 7, u64::MAX] {
            assert_eq!(hosts(&ordered(offers.clone(), || drawn)), "abc");
        }
    }

    #[test]
    fn weights_are_shares() {
        let offers = vec![offer(0, 30, "a"), offer(0, 10, "b")];
        let mut first = [0; 2];
        for drawn in 0..4100 {
            match hosts(&ordered(offers.clone(), || drawn)).as_str() {
                "ab" => first[0] += 1,
                _ => first[1] += 1,
            }
        }
        // Of 41 numbers 0 to 10 draw b, which comes first in the sum.
        assert_eq!(first, [3000, 1100]);
    }

    #[test]
    fn one_without_weight_is_seldom_first_and_never_lost() {
        let offers = vec![offer(0, 0, "a"), offer(0, 99, "b")];
        assert_eq!(hosts(&ordered(offers.clone(), || 0)), "ab");
        assert_eq!(hosts(&ordered(offers, || 1)), "ba");
    }
}
