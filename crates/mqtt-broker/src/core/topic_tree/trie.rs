//! The Topic Filters with wildcards.
//!
//! Nodes of 28 bytes name each other by number: an only child is named by its parent, others are
//! found by level in one table for the whole trie.
//! A match goes down level by level with all nodes reached so far, so nothing recurses on levels
//! whose number a peer decides.

use super::levels::{self, Child, Edges, End, Levels, NONE, Slab, Wanted};
use super::subscribers::Subscribers;

/// The node every path starts from; it is never removed.
const ROOT: u32 = 0;

/// Subscribers by Topic Filters that have a wildcard.
#[derive(Clone, Debug)]
pub(super) struct Trie<K, V> {
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

impl<K: Copy + Ord, V> Trie<K, V> {
    pub(super) fn new() -> Self {
        let mut nodes = Slab::new();
        nodes.insert(Node::default());
        Self {
            nodes,
            edges: Edges::new(),
            levels: Levels::new(),
            sets: Slab::new(),
        }
    }

    #[cfg(test)]
    pub(super) fn entry_count(&self) -> usize {
        self.nodes.len() - 1 + self.edges.len() + self.levels.len() + self.sets.len()
    }

    pub(super) fn entry(&mut self, topic_filter: &str) -> &mut Subscribers<K, V> {
        let (path, end) = levels::split_end(topic_filter);
        let mut node = ROOT;
        for level in path.into_iter().flat_map(levels::split) {
            node = self.child_or_insert(node, level);
        }
        let set = self.nodes[node].set_mut(end);
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
            let child = self.nodes.insert(Node {
                parent,
                ..Node::default()
            });
            self.nodes[parent].plus = child;
            return child;
        }
        let level = self.levels.acquire(text);
        let child = self.nodes.insert(Node {
            parent,
            level,
            ..Node::default()
        });
        let Node { only, children, .. } = self.nodes[parent];
        if only == NONE && children == 0 {
            self.nodes[parent].only = child;
            return child;
        }
        if only != NONE {
            self.edges.insert(&self.nodes, &self.levels, only);
            self.nodes[parent].only = NONE;
            self.nodes[parent].children = 1;
        }
        self.edges.insert(&self.nodes, &self.levels, child);
        self.nodes[parent].children += 1;
        child
    }

    /// The child for a level of a filter, or `NONE`.
    fn child(&self, parent: u32, text: &str) -> u32 {
        if text == "+" {
            self.nodes[parent].plus
        } else {
            self.literal_child(parent, &self.levels.wanted(text))
        }
    }

    fn literal_child(&self, parent: u32, level: &Wanted<'_>) -> u32 {
        let Node { only, children, .. } = self.nodes[parent];
        if only != NONE {
            if self.levels.is(self.nodes[only].level, level) {
                only
            } else {
                NONE
            }
        } else if children != 0 {
            let found = self
                .edges
                .find_text(&self.nodes, &self.levels, parent, level);
            found.unwrap_or(NONE)
        } else {
            NONE
        }
    }

    fn locate(&self, topic_filter: &str) -> Option<(u32, End)> {
        let (path, end) = levels::split_end(topic_filter);
        let mut node = ROOT;
        for level in path.into_iter().flat_map(levels::split) {
            node = self.child(node, level);
            if node == NONE {
                return None;
            }
        }
        Some((node, end))
    }

    pub(super) fn find(&self, topic_filter: &str) -> Option<&Subscribers<K, V>> {
        let (node, end) = self.locate(topic_filter)?;
        let set = self.nodes[node].set(end);
        (set != NONE).then(|| &self.sets[set])
    }

    pub(super) fn remove(&mut self, topic_filter: &str, key: K) -> Option<V> {
        let (node, end) = self.locate(topic_filter)?;
        let set = self.nodes[node].set(end);
        if set == NONE {
            return None;
        }
        let removed = self.sets[set].remove(key)?;
        if self.sets[set].is_empty() {
            self.sets.remove(set);
            *self.nodes[node].set_mut(end) = NONE;
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
                self.edges.remove(&self.nodes, &self.levels, node);
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
        let visits = self.nodes.places();
        if self.sets.is_sparse(visits) {
            let moved = self.sets.compact();
            for node in self.nodes.iter_mut() {
                moved.apply(&mut node.here);
                moved.apply(&mut node.below);
            }
        }
        if self.nodes.is_sparse(visits) || self.levels.is_sparse(visits) {
            let moved = self.nodes.compact();
            let moved_levels = self.levels.compact();
            for node in self.nodes.iter_mut() {
                moved.apply(&mut node.parent);
                moved.apply(&mut node.plus);
                moved.apply(&mut node.only);
                moved_levels.apply(&mut node.level);
            }
            self.edges.renumber(&self.nodes, &self.levels, &moved);
        }
    }

    pub(super) fn matches(&self, topic_name: &str, visit: &mut impl FnMut(K, &V)) {
        // A wildcard in front does not match a name that starts with `$`; v5 [MQTT-4.7.2-1].
        let mut wildcards_apply = !topic_name.starts_with('$');
        let mut reached = Frontier::default();
        let mut next = Frontier::default();
        reached.push(ROOT);
        for level in levels::split(topic_name) {
            let mut wanted = None;
            for node_id in reached.iter() {
                let node = &self.nodes[node_id];
                if wildcards_apply {
                    self.visit_set(node.below, visit);
                    next.push(node.plus);
                }
                if node.only != NONE || node.children != 0 {
                    // Hashed when it is first needed, and once.
                    let wanted = wanted.get_or_insert_with(|| self.levels.wanted(level));
                    next.push(self.literal_child(node_id, wanted));
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

    pub(super) fn filters(&self) -> impl Iterator<Item = String> {
        self.nodes.iter().flat_map(move |(id, node)| {
            let here = (node.here != NONE).then_some(End::Level);
            let below = (node.below != NONE).then_some(End::MultiLevel);
            here.into_iter()
                .chain(below)
                .map(move |end| self.filter_at(id, end))
        })
    }

    /// Spells the filter that leads to a node, from its last level to its first and back.
    fn filter_at(&self, mut node: u32, end: End) -> String {
        let mut parts = Vec::new();
        if let End::MultiLevel = end {
            parts.push("#");
        }
        while node != ROOT {
            let Node { parent, level, .. } = self.nodes[node];
            parts.push(if level == NONE {
                "+"
            } else {
                self.levels.text(level)
            });
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
    /// The subscribers of the filter whose path leads here and that ends with `end`.
    fn set(&self, end: End) -> u32 {
        match end {
            End::Level => self.here,
            End::MultiLevel => self.below,
        }
    }

    fn set_mut(&mut self, end: End) -> &mut u32 {
        match end {
            End::Level => &mut self.here,
            End::MultiLevel => &mut self.below,
        }
    }

    /// Whether neither a filter ends here nor one passes.
    fn is_bare(&self) -> bool {
        let Self {
            plus,
            only,
            here,
            below,
            ..
        } = *self;
        self.children == 0 && [plus, only, here, below] == [NONE; 4]
    }
}

impl Default for Node {
    fn default() -> Self {
        Self {
            parent: NONE,
            level: NONE,
            plus: NONE,
            only: NONE,
            children: 0,
            here: NONE,
            below: NONE,
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
        self.inline
            .iter()
            .take(self.inline_len)
            .chain(&self.spill)
            .copied()
    }

    fn is_empty(&self) -> bool {
        self.inline_len == 0
    }

    fn clear(&mut self) {
        self.inline_len = 0;
        self.spill.clear();
    }
}
