//! The routing table: from the Topic Filters of subscriptions to their subscribers.
//!
//! Filters without wildcards are keys of one hash table: the usual subscription costs one look-up.
//! Filters with wildcards are paths in a trie. Either way the cost of a match follows what
//! matches the Topic Name, not what is subscribed.

use std::borrow::Cow;
use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use self::levels::shrink_sparse;
use self::subscribers::Subscribers;
use self::trie::Trie;

pub(crate) mod levels;
mod subscribers;
mod trie;

#[cfg(test)]
pub(crate) mod tests;

/// Subscriptions by Topic Filter.
///
/// `K` names a subscriber, `V` is what it asked for (its Subscription Options).
/// One subscriber has at most one subscription to a Topic Filter.
/// Filters and names are taken as already validated; a filter of a Shared Subscription is given
/// without its `$share/{ShareName}/` in front.
///
/// Spec: v5 §4.7, v3.1.1 §4.7.
#[derive(Clone, Debug)]
pub(crate) struct TopicTree<K, V> {
    /// Subscriptions whose filter has no wildcard and thus equals the one name it matches.
    exact: HashTable<Exact<K, V>>,
    /// Keys the hashes of `exact`, as peers choose the filters.
    key: RandomState,
    wildcard: Trie<K, V>,
    /// INVARIANT: the number of subscribers in `exact` and `wildcard` together.
    len: usize,
}

#[derive(Clone, Debug)]
struct Exact<K, V> {
    topic_filter: Box<str>,
    subscribers: Subscribers<K, V>,
}

impl<K: Copy + Ord, V> TopicTree<K, V> {
    /// A tree without subscriptions.
    pub(crate) fn new() -> Self {
        Self {
            exact: HashTable::new(),
            key: RandomState::new(),
            wildcard: Trie::new(),
            len: 0,
        }
    }

    /// The number of subscriptions: pairs of Topic Filter and subscriber.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Everything held: filters, nodes, edges, levels, sets. 0 when the tree is empty.
    #[cfg(test)]
    pub(crate) fn entry_count(&self) -> usize {
        self.exact.len() + self.wildcard.entry_count()
    }

    /// Adds a subscription, or replaces the one `key` has to this very filter.
    ///
    /// Returns the value that was replaced.
    ///
    /// Spec: v5 [MQTT-3.8.4-3], v3.1.1 [MQTT-3.8.4-3].
    pub(crate) fn subscribe(&mut self, topic_filter: &str, key: K, value: V) -> Option<V> {
        let subscribers = if has_wildcard(topic_filter) {
            self.wildcard.entry(topic_filter)
        } else {
            self.exact_entry(topic_filter)
        };
        let replaced = subscribers.insert(key, value);
        self.len += usize::from(replaced.is_none());
        replaced
    }

    /// Removes the subscription `key` has to this very filter, compared character by character.
    ///
    /// Returns its value, or `None` if there was none.
    ///
    /// Spec: v5 [MQTT-3.10.4-1], v3.1.1 §3.10.4.
    pub(crate) fn unsubscribe(&mut self, topic_filter: &str, key: K) -> Option<V> {
        let removed = if has_wildcard(topic_filter) {
            self.wildcard.remove(topic_filter, key)?
        } else {
            self.remove_exact(topic_filter, key)?
        };
        self.len -= 1;
        Some(removed)
    }

    /// Visits every subscription whose filter matches `topic_name`.
    ///
    /// A subscriber with overlapping filters is visited once for each of them.
    /// Within one filter subscribers come in the order of their keys; the filters in no
    /// particular order.
    ///
    /// Spec: v5 §4.7.1, v5 [MQTT-4.7.2-1], v3.1.1 §4.7.1, v3.1.1 [MQTT-4.7.2-1].
    pub(crate) fn matches(&self, topic_name: &str, visit: impl FnMut(K, &V)) {
        self.matches_hashed(topic_name, self.key.hash_one(topic_name), visit);
    }

    /// As [`matches`](Self::matches), for a name whose hash by [`key`](Self::key) is known.
    pub(crate) fn matches_hashed(&self, topic_name: &str, hash: u64, mut visit: impl FnMut(K, &V)) {
        if let Some(subscribers) = self.find_hashed(topic_name, hash) {
            subscribers.for_each(&mut visit);
        }
        self.wildcard.matches(topic_name, &mut visit);
    }

    /// The subscribers of this very filter with their values, in the order of their keys.
    #[cfg_attr(not(test), expect(dead_code, reason = "for lists of subscriptions"))]
    pub(crate) fn subscribers(&self, topic_filter: &str) -> impl Iterator<Item = (K, &V)> {
        let subscribers = if has_wildcard(topic_filter) {
            self.wildcard.find(topic_filter)
        } else {
            self.find_exact(topic_filter)
        };
        subscribers.into_iter().flat_map(Subscribers::iter)
    }

    /// Every Topic Filter somebody is subscribed to, each once, in no particular order.
    #[cfg_attr(not(test), expect(dead_code, reason = "for lists of subscriptions"))]
    pub(crate) fn filters(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let exact = self
            .exact
            .iter()
            .map(|exact| Cow::Borrowed(&*exact.topic_filter));
        exact.chain(self.wildcard.filters().map(Cow::Owned))
    }

    /// What it hashes names with.
    pub(crate) fn key(&self) -> &RandomState {
        &self.key
    }

    fn find_exact(&self, topic_filter: &str) -> Option<&Subscribers<K, V>> {
        self.find_hashed(topic_filter, self.key.hash_one(topic_filter))
    }

    fn find_hashed(&self, topic_filter: &str, hash: u64) -> Option<&Subscribers<K, V>> {
        let found = self
            .exact
            .find(hash, |exact| *exact.topic_filter == *topic_filter)?;
        Some(&found.subscribers)
    }

    fn exact_entry(&mut self, topic_filter: &str) -> &mut Subscribers<K, V> {
        let hash = |exact: &Exact<K, V>| self.key.hash_one(&*exact.topic_filter);
        let is_wanted = |exact: &Exact<K, V>| *exact.topic_filter == *topic_filter;
        let entry = match self
            .exact
            .entry(self.key.hash_one(topic_filter), is_wanted, hash)
        {
            Entry::Occupied(found) => found,
            Entry::Vacant(vacant) => vacant.insert(Exact {
                topic_filter: Box::from(topic_filter),
                subscribers: Subscribers::default(),
            }),
        };
        &mut entry.into_mut().subscribers
    }

    fn remove_exact(&mut self, topic_filter: &str, key: K) -> Option<V> {
        let hash = |exact: &Exact<K, V>| self.key.hash_one(&*exact.topic_filter);
        let is_wanted = |exact: &Exact<K, V>| *exact.topic_filter == *topic_filter;
        let mut found = self
            .exact
            .find_entry(self.key.hash_one(topic_filter), is_wanted)
            .ok()?;
        let removed = found.get_mut().subscribers.remove(key)?;
        if found.get().subscribers.is_empty() {
            found.remove();
            shrink_sparse(&mut self.exact, hash);
        }
        Some(removed)
    }
}

/// A valid Topic Filter has these characters only as wildcards; v5 [MQTT-4.7.1-1], [MQTT-4.7.1-2].
fn has_wildcard(topic_filter: &str) -> bool {
    topic_filter
        .bytes()
        .any(|byte| byte == b'+' || byte == b'#')
}
