//! The subscriptions of one session: none or a few as a rule, at times ten thousand.

use super::subscription::Subscription;
use hashbrown::HashTable;
use std::hash::{BuildHasher, RandomState};

/// Subscriptions that are searched one by one; more have an index.
const SEARCH_MAX: usize = 16;

/// Subscriptions by Topic Filter. Without any it takes no memory but its own 8 bytes.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions(Option<Box<List>>);

#[derive(Debug, Default)]
struct List {
    all: Vec<Subscription>,
    /// INVARIANT: if there is one, it has the places of all.
    index: Option<Index>,
}

#[derive(Debug, Default)]
struct Index {
    /// Keys the hashes, as the client chooses the filters.
    key: RandomState,
    places: HashTable<u32>,
}

impl Subscriptions {
    pub(crate) fn len(&self) -> usize {
        self.as_slice().len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Subscription> {
        self.as_slice().iter()
    }

    /// The one with this very filter.
    pub(crate) fn get(&self, topic_filter: &str) -> Option<&Subscription> {
        let list = self.0.as_ref()?;
        list.all.get(list.find(topic_filter)?)
    }

    /// Adds a subscription, or puts it in place of the one with the same filter.
    pub(crate) fn insert(&mut self, subscription: Subscription) {
        let list = self.0.get_or_insert_default();
        match list.find(&subscription.topic_filter) {
            Some(place) => {
                if let Some(held) = list.all.get_mut(place) {
                    *held = subscription;
                }
            }
            None => list.push(subscription),
        }
    }

    /// Removes the subscription with this very filter.
    pub(crate) fn remove(&mut self, topic_filter: &str) -> Option<Subscription> {
        let list = self.0.as_mut()?;
        let place = list.find(topic_filter)?;
        let removed = list.remove(place);
        if list.all.is_empty() {
            self.0 = None;
        }
        Some(removed)
    }

    /// All of them, taken away.
    pub(crate) fn take(&mut self) -> Vec<Subscription> {
        self.0.take().map(|list| list.all).unwrap_or_default()
    }

    fn as_slice(&self) -> &[Subscription] {
        self.0.as_ref().map_or(&[], |list| &list.all)
    }
}

impl List {
    fn find(&self, topic_filter: &str) -> Option<usize> {
        let Some(Index { key, places }) = &self.index else {
            let mut all = self.all.iter();
            return all.position(|held| *held.topic_filter == *topic_filter);
        };
        let is_it = |place: &u32| filter_at(&self.all, *place) == topic_filter;
        let place = places.find(key.hash_one(topic_filter), is_it)?;
        usize::try_from(*place).ok()
    }

    fn push(&mut self, subscription: Subscription) {
        // Doubling would leave much unused in a long list.
        let (len, capacity) = (self.all.len(), self.all.capacity());
        if len == capacity {
            self.all.reserve_exact((len / 4).max(1));
        }
        self.all.push(subscription);
        let Self { all, index } = self;
        let is_new = index.is_none();
        if is_new && all.len() <= SEARCH_MAX {
            return;
        }
        let Index { key, places } = index.get_or_insert_default();
        let from = if is_new { 0 } else { len };
        for place in (0_u32..).take(all.len()).skip(from) {
            let hash = |place: &u32| key.hash_one(filter_at(all, *place));
            places.insert_unique(hash(&place), place, hash);
        }
    }

    fn remove(&mut self, place: usize) -> Subscription {
        let Self { all, index } = self;
        if let Some(Index { key, places }) = index {
            let number = |place: usize| u32::try_from(place).unwrap_or(u32::MAX);
            let (own, last) = (number(place), number(all.len() - 1));
            let hash = |place: u32| key.hash_one(filter_at(all, place));
            if let Ok(found) = places.find_entry(hash(own), |held| *held == own) {
                found.remove();
            }
            // The last one takes its place.
            if let Some(moved) = places.find_mut(hash(last), |held| *held == last) {
                *moved = own;
            }
        }
        let removed = all.swap_remove(place);
        if all.len() <= SEARCH_MAX / 2 {
            *index = None;
        }
        if all.len() < all.capacity() / 4 {
            all.shrink_to(2 * all.len());
        }
        removed
    }
}

fn filter_at(all: &[Subscription], place: u32) -> &str {
    let held = usize::try_from(place).ok().and_then(|place| all.get(place));
    held.map_or("", |held| &held.topic_filter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mqtt_codec::{QoS, SubscriptionOptions};
    use std::collections::BTreeMap;

    fn subscription(topic_filter: &str, qos: QoS) -> Subscription {
        let options = SubscriptionOptions {
            qos,
            ..SubscriptionOptions::default()
        };
        Subscription {
            topic_filter: topic_filter.into(),
            options,
            subscription_id: None,
        }
    }

    #[test]
    fn as_a_map_does_it_with_few_and_with_many() {
        let mut random = 1_u64;
        let mut model = BTreeMap::new();
        let mut held = Subscriptions::default();
        for round in 0..20_000 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let filter = format!("a/{}", (random >> 40) % 60);
            // Grows in one half of the time and shrinks in the other.
            let adds = (random >> 20) % 4 < if (round / 2000) % 2 == 0 { 3 } else { 1 };
            if adds {
                let qos = match random >> 63 {
                    0 => QoS::AtMostOnce,
                    _ => QoS::AtLeastOnce,
                };
                held.insert(subscription(&filter, qos));
                model.insert(filter, qos);
            } else {
                let removed = held.remove(&filter).map(|held| held.options.qos);
                assert_eq!(removed, model.remove(&filter));
            }
            assert_eq!(
                (held.len(), held.is_empty()),
                (model.len(), model.is_empty())
            );
            for (filter, qos) in &model {
                assert!(held.get(filter).is_some());
                let found = held.iter().find(|held| *held.topic_filter == **filter);
                assert_eq!(found.map(|held| held.options.qos), Some(*qos));
            }
        }
        assert_eq!(held.take().len(), model.len());
        assert!(held.is_empty());
    }

    #[test]
    fn ten_thousand_are_found_without_going_through_them() {
        let mut held = Subscriptions::default();
        for nth in 0..10_000 {
            held.insert(subscription(&format!("a/{nth}"), QoS::AtMostOnce));
        }
        let index = held.0.as_ref().and_then(|list| list.index.as_ref());
        assert_eq!(index.map(|index| index.places.len()), Some(10_000));
        assert!(held.get("a/9999").is_some() && held.get("a/10000").is_none());
        for nth in 0..10_000 {
            assert!(held.remove(&format!("a/{nth}")).is_some());
        }
        assert!(held.is_empty());
    }
}
