//! The routing table: from the Topic Filters of subscriptions to their subscribers.
//!
//! Filters without wildcards are keys of one hash table: the usual subscription costs one look-up.
//! Filters with wildcards are paths in a trie of 28-byte nodes that name each other by number;
//! an only child is named by its parent, others are found by level in one table for the whole trie.
//! Matching walks the trie level by level and keeps the nodes reached so far: its cost follows
//! what matches the Topic Name, not what is subscribed, and nothing recurses on a peer's levels.

use std::borrow::Cow;
use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use self::levels::{Child, Edges, Levels, NONE, Slab, shrink_sparse};
use self::subscribers::Subscribers;

pub(crate) mod levels;
mod subscribers;

/// The node every path starts from; it is never removed.
const ROOT: u32 = 0;

/// Subscriptions by Topic Filter.
///
/// `K` names a subscriber, `V` is what it asked for (its Subscription Options).
/// One subscriber has at most one subscription to a Topic Filter.
/// Filters and names are taken as already validated; a filter of a Shared Subscription is given
/// without its `$share/{ShareName}/` in front.
///
/// Spec: v5 §4.7, v3.1.1 §4.7.
#[derive(Clone, Debug)]
pub struct TopicTree<K, V> {
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
    #[must_use]
    pub fn new() -> Self {
        Self { exact: HashTable::new(), key: RandomState::new(), wildcard: Trie::new(), len: 0 }
    }

    /// The number of subscriptions: pairs of Topic Filter and subscriber.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nobody is subscribed to anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The number of entries held: filters without wildcards, and trie nodes for the others.
    ///
    /// 0 when the tree is empty: whatever has no subscriber any more is removed at once.
    #[must_use]
    pub fn node_count(&self) -> usize {
        self.exact.len() + self.wildcard.node_count()
    }

    /// Adds a subscription, or replaces the one `key` has to this very filter.
    ///
    /// Returns the value that was replaced.
    ///
    /// Spec: v5 [MQTT-3.8.4-3], v3.1.1 [MQTT-3.8.4-3].
    pub fn subscribe(&mut self, topic_filter: &str, key: K, value: V) -> Option<V> {
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
    pub fn unsubscribe(&mut self, topic_filter: &str, key: K) -> Option<V> {
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
    pub fn matches(&self, topic_name: &str, mut visit: impl FnMut(K, &V)) {
        if let Some(subscribers) = self.find_exact(topic_name) {
            subscribers.for_each(&mut visit);
        }
        self.wildcard.matches(topic_name, &mut visit);
    }

    /// The subscribers of this very filter with their values, in the order of their keys.
    pub fn subscribers(&self, topic_filter: &str) -> impl Iterator<Item = (K, &V)> {
        let subscribers = if has_wildcard(topic_filter) {
            self.wildcard.find(topic_filter)
        } else {
            self.find_exact(topic_filter)
        };
        subscribers.into_iter().flat_map(Subscribers::iter)
    }

    /// Every Topic Filter somebody is subscribed to, each once, in no particular order.
    pub fn filters(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let exact = self.exact.iter().map(|exact| Cow::Borrowed(&*exact.topic_filter));
        exact.chain(self.wildcard.filters().map(Cow::Owned))
    }

    fn find_exact(&self, topic_filter: &str) -> Option<&Subscribers<K, V>> {
        let hash = self.key.hash_one(topic_filter);
        let found = self.exact.find(hash, |exact| *exact.topic_filter == *topic_filter)?;
        Some(&found.subscribers)
    }

    fn exact_entry(&mut self, topic_filter: &str) -> &mut Subscribers<K, V> {
        let hash = |exact: &Exact<K, V>| self.key.hash_one(&*exact.topic_filter);
        let is_wanted = |exact: &Exact<K, V>| *exact.topic_filter == *topic_filter;
        let entry = match self.exact.entry(self.key.hash_one(topic_filter), is_wanted, hash) {
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
        let mut found =
            self.exact.find_entry(self.key.hash_one(topic_filter), is_wanted).ok()?;
        let removed = found.get_mut().subscribers.remove(key)?;
        if found.get().subscribers.is_empty() {
            found.remove();
            shrink_sparse(&mut self.exact, hash);
        }
        Some(removed)
    }
}

impl<K: Copy + Ord, V> Default for TopicTree<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

/// A valid Topic Filter has these characters only as wildcards; v5 [MQTT-4.7.1-1], [MQTT-4.7.1-2].
fn has_wildcard(topic_filter: &str) -> bool {
    topic_filter.bytes().any(|byte| byte == b'+' || byte == b'#')
}

/// The filters with wildcards.
#[derive(Clone, Debug)]
struct Trie<K, V> {
    nodes: Slab<Node>,
    /// The children of nodes with several, but for those for `+`.
    edges: Edges,
    levels: Levels,
    sets: Slab<Subscribers<K, V>>,
}

/// One level of one or more filters.
#[derive(Clone, Debug)]
struct Node {
    parent: u32,
    /// Which literal level this is; `NONE` for a `+` and for the root.
    level: u32,
    /// The child for `+`.
    plus: u32,
    /// The child besides `plus` as long as there is no more than one.
    only: u32,
    /// How many children there are besides `plus` and `only`.
    ///
    /// INVARIANT: these are in `edges`, and `only` is `NONE` if there are any.
    children: u32,
    /// The subscribers of the filter that ends here.
    here: u32,
    /// The subscribers of the filter that ends here but for a `#` after it.
    below: u32,
}

/// Where a filter keeps its subscribers in the node that its path leads to.
#[derive(Clone, Copy)]
enum Place {
    Here,
    Below,
}

impl<K: Copy + Ord, V> Trie<K, V> {
    fn new() -> Self {
        let mut nodes = Slab::new();
        nodes.insert(Node::default());
        Self { nodes, edges: Edges::default(), levels: Levels::new(), sets: Slab::new() }
    }

    fn node_count(&self) -> usize {
        self.nodes.len() - 1
    }

    fn entry(&mut self, topic_filter: &str) -> &mut Subscribers<K, V> {
        let (path, place) = split_place(topic_filter);
        let mut node = ROOT;
        for level in path.into_iter().flat_map(levels::split) {
            node = self.child_or_insert(node, level);
        }
        let set = self.nodes[node].place_mut(place);
        if *set == NONE {
            *set = self.sets.insert(Subscribers::default());
        }
        &mut self.sets[*set]
    }

    fn child_or_insert(&mut self, parent: u32, text: &str) -> u32 {
        let existing = self.child(parent, text);
        if existing != NONE {
            return existing;
        }
        if text == "+" {
            let child = self.nodes.insert(Node { parent, ..Node::default() });
            self.nodes[parent].plus = child;
            return child;
        }
        let level = self.levels.acquire(text);
        let child = self.nodes.insert(Node { parent, level, ..Node::default() });
        let Node { only, children, .. } = self.nodes[parent];
        if only == NONE && children == 0 {
            self.nodes[parent].only = child;
            return child;
        }
        if only != NONE {
            self.edges.insert(&self.nodes, only);
            self.nodes[parent].only = NONE;
            self.nodes[parent].children = 1;
        }
        self.edges.insert(&self.nodes, child);
        self.nodes[parent].children += 1;
        child
    }

    /// The child for a level of a filter, or `NONE`.
    fn child(&self, parent: u32, text: &str) -> u32 {
        if text == "+" {
            self.nodes[parent].plus
        } else {
            self.levels.find(text).map_or(NONE, |level| self.literal_child(parent, level))
        }
    }

    fn literal_child(&self, parent: u32, level: u32) -> u32 {
        let Node { only, children, .. } = self.nodes[parent];
        if only != NONE {
            if self.nodes[only].level == level { only } else { NONE }
        } else if children != 0 {
            self.edges.find(&self.nodes, parent, level).unwrap_or(NONE)
        } else {
            NONE
        }
    }

    fn locate(&self, topic_filter: &str) -> Option<(u32, Place)> {
        let (path, place) = split_place(topic_filter);
        let mut node = ROOT;
        for level in path.into_iter().flat_map(levels::split) {
            node = self.child(node, level);
            if node == NONE {
                return None;
            }
        }
        Some((node, place))
    }

    fn find(&self, topic_filter: &str) -> Option<&Subscribers<K, V>> {
        let (node, place) = self.locate(topic_filter)?;
        let set = self.nodes[node].place(place);
        (set != NONE).then(|| &self.sets[set])
    }

    fn remove(&mut self, topic_filter: &str, key: K) -> Option<V> {
        let (node, place) = self.locate(topic_filter)?;
        let set = self.nodes[node].place(place);
        if set == NONE {
            return None;
        }
        let removed = self.sets[set].remove(key)?;
        if self.sets[set].is_empty() {
            self.sets.remove(set);
            *self.nodes[node].place_mut(place) = NONE;
            self.prune(node);
            self.compact_sparse();
        }
        Some(removed)
    }

    /// Removes `node` if it has become useless, then its parent if that has, and so on.
    fn prune(&mut self, mut node: u32) {
        while node != ROOT && self.nodes[node].is_bare() {
            let Node { parent, level, .. } = self.nodes[node];
            let above = &mut self.nodes[parent];
            if above.plus == node {
                above.plus = NONE;
            } else if above.only == node {
                above.only = NONE;
            } else {
                above.children -= 1;
                self.edges.remove(&self.nodes, node);
            }
            if level != NONE {
                self.levels.release(level);
            }
            self.nodes.remove(node);
            node = parent;
        }
    }

    /// Gives memory back after many removals; its cost is spread over them.
    fn compact_sparse(&mut self) {
        if self.sets.is_sparse() {
            let moved = self.sets.compact();
            for node in self.nodes.iter_mut() {
                moved.apply(&mut node.here);
                moved.apply(&mut node.below);
            }
        }
        if self.nodes.is_sparse() || self.levels.is_sparse() {
            let moved = self.nodes.compact();
            let moved_levels = self.levels.compact();
            for node in self.nodes.iter_mut() {
                moved.apply(&mut node.parent);
                moved.apply(&mut node.plus);
                moved.apply(&mut node.only);
                moved_levels.apply(&mut node.level);
            }
            self.edges.renumber(&self.nodes, &moved);
        }
    }

    fn matches(&self, topic_name: &str, visit: &mut impl FnMut(K, &V)) {
        // A wildcard in front does not match a name that starts with `$`; v5 [MQTT-4.7.2-1].
        let mut wildcards_apply = !topic_name.starts_with('$');
        let mut reached = Frontier::default();
        let mut next = Frontier::default();
        reached.push(ROOT);
        for level in levels::split(topic_name) {
            let mut level_id = LevelId::Unknown(level);
            for node_id in reached.iter() {
                let node = &self.nodes[node_id];
                if wildcards_apply {
                    self.visit_set(node.below, visit);
                    next.push(node.plus);
                }
                if (node.only != NONE || node.children != 0)
                    && let Some(level) = level_id.resolve(&self.levels)
                {
                    next.push(self.literal_child(node_id, level));
                }
            }
            if next.is_empty() {
                return;
            }
            std::mem::swap(&mut reached, &mut next);
            next.clear();
            wildcards_apply = true;
        }
        for node_id in reached.iter() {
            let node = &self.nodes[node_id];
            self.visit_set(node.here, visit);
            // A `#` stands for its parent level too; v5 §4.7.1.2.
            self.visit_set(node.below, visit);
        }
    }

    fn visit_set(&self, set: u32, visit: &mut impl FnMut(K, &V)) {
        if set != NONE {
            self.sets[set].for_each(visit);
        }
    }

    fn filters(&self) -> impl Iterator<Item = String> {
        self.nodes.iter().flat_map(move |(id, node)| {
            let here = (node.here != NONE).then_some(Place::Here);
            let below = (node.below != NONE).then_some(Place::Below);
            here.into_iter().chain(below).map(move |place| self.filter_at(id, place))
        })
    }

    /// Spells the filter that leads to a node, from its last level to its first and back.
    fn filter_at(&self, mut node: u32, place: Place) -> String {
        let mut parts = Vec::new();
        if let Place::Below = place {
            parts.push("#");
        }
        while node != ROOT {
            let Node { parent, level, .. } = self.nodes[node];
            parts.push(if level == NONE { "+" } else { self.levels.text(level) });
            node = parent;
        }
        parts.reverse();
        parts.join("/")
    }
}

impl Child for Node {
    fn parent(&self) -> u32 {
        self.parent
    }

    fn level(&self) -> u32 {
        self.level
    }
}

impl Node {
    fn place(&self, place: Place) -> u32 {
        match place {
            Place::Here => self.here,
            Place::Below => self.below,
        }
    }

    fn place_mut(&mut self, place: Place) -> &mut u32 {
        match place {
            Place::Here => &mut self.here,
            Place::Below => &mut self.below,
        }
    }

    /// Whether neither a filter ends here nor one passes.
    fn is_bare(&self) -> bool {
        let Self { plus, only, here, below, .. } = *self;
        self.children == 0 && [plus, only, here, below] == [NONE; 4]
    }
}

impl Default for Node {
    fn default() -> Self {
        Self { parent: NONE, level: NONE, plus: NONE, only: NONE, children: 0, here: NONE, below: NONE }
    }
}

fn split_place(topic_filter: &str) -> (Option<&str>, Place) {
    let (path, is_multi_level) = levels::split_multi_level(topic_filter);
    (path, if is_multi_level { Place::Below } else { Place::Here })
}

/// A level of a Topic Name that is looked up when it is first needed, and once.
enum LevelId<'a> {
    Unknown(&'a str),
    Known(Option<u32>),
}

impl LevelId<'_> {
    fn resolve(&mut self, levels: &Levels) -> Option<u32> {
        match *self {
            Self::Unknown(level) => {
                let id = levels.find(level);
                *self = Self::Known(id);
                id
            }
            Self::Known(id) => id,
        }
    }
}

/// Nodes reached at one level of a match; as many as usual need no allocation.
#[derive(Default)]
struct Frontier {
    inline: [u32; Frontier::INLINE],
    /// INVARIANT: at most `INLINE`; `spill` is empty unless it is `INLINE`.
    inline_len: usize,
    spill: Vec<u32>,
}

impl Frontier {
    const INLINE: usize = 16;

    fn push(&mut self, node: u32) {
        if node == NONE {
            return;
        }
        match self.inline.get_mut(self.inline_len) {
            Some(slot) => {
                *slot = node;
                self.inline_len += 1;
            }
            None => self.spill.push(node),
        }
    }

    fn iter(&self) -> impl Iterator<Item = u32> {
        self.inline.iter().take(self.inline_len).chain(&self.spill).copied()
    }

    fn is_empty(&self) -> bool {
        self.inline_len == 0
    }

    fn clear(&mut self) {
        self.inline_len = 0;
        self.spill.clear();
    }
}
