//! What the topic tree and the retained tree are built of: numbered entries, levels kept once,
//! and the edges from a node to its children.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};
use std::ops::{Index, IndexMut};
use std::sync::Arc;

/// The number that no entry has.
pub(crate) const NONE: u32 = u32::MAX;

/// Entries below which nothing is compacted: it would not be worth the work.
const SPARSE_MIN: usize = 1024;

/// The levels of a Topic Name or Topic Filter; adjacent separators make an empty level.
///
/// Spec: v5 §4.7.1.1.
pub(crate) fn split(topic: &str) -> impl Iterator<Item = &str> {
    topic.split('/')
}

/// Shrinks a map that is three quarters empty; the cost is spread over the removals before.
pub(crate) fn shrink_sparse<K: Eq + Hash, V, S: BuildHasher>(map: &mut HashMap<K, V, S>) {
    if map.capacity() > SPARSE_MIN && map.len() < map.capacity() / 4 {
        map.shrink_to(map.len() * 2);
    }
}

/// Entries in one allocation that are named by number; a number is used again after a removal.
#[derive(Clone, Debug)]
pub(crate) struct Slab<T> {
    /// INVARIANT: the entries whose numbers are in `free` hold the default value.
    entries: Vec<T>,
    free: Vec<u32>,
}

impl<T: Default> Slab<T> {
    pub(crate) fn new() -> Self {
        Self { entries: Vec::new(), free: Vec::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    #[expect(
        clippy::expect_used,
        reason = "2^32 entries are more than 100 GB; limits on subscriptions end long before"
    )]
    pub(crate) fn insert(&mut self, entry: T) -> u32 {
        if let Some(id) = self.free.pop() {
            self[id] = entry;
            return id;
        }
        let id = u32::try_from(self.entries.len()).expect("fewer than 2^32 entries");
        self.entries.push(entry);
        id
    }

    pub(crate) fn remove(&mut self, id: u32) -> T {
        let removed = std::mem::take(&mut self[id]);
        self.free.push(id);
        if self.free.len() == self.entries.len() {
            *self = Self::new();
        }
        removed
    }

    /// All entries with their numbers, removed ones among them as default values.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        (0..NONE).zip(&self.entries)
    }

    /// All entries, removed ones among them as default values.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.entries.iter_mut()
    }

    /// Whether three quarters of the entries are removed ones.
    pub(crate) fn is_sparse(&self) -> bool {
        self.entries.len() > SPARSE_MIN && self.len() < self.entries.len() / 4
    }

    /// Moves the entries together, keeping their order, and says which number became which.
    pub(crate) fn compact(&mut self) -> Moved {
        let mut moved = Moved { ids: vec![0; self.entries.len()] };
        for id in std::mem::take(&mut self.free) {
            moved.apply_with(id, |slot| *slot = NONE);
        }
        let mut next = 0;
        for id in moved.ids.iter_mut().filter(|id| **id != NONE) {
            *id = next;
            next += 1;
        }
        let mut ids = moved.ids.iter();
        self.entries.retain(|_| ids.next() != Some(&NONE));
        self.entries.shrink_to_fit();
        moved
    }
}

impl<T> Index<u32> for Slab<T> {
    type Output = T;

    #[expect(
        clippy::indexing_slicing,
        reason = "numbers come from `insert` and are forgotten by their holder on `remove`"
    )]
    fn index(&self, id: u32) -> &T {
        &self.entries[id as usize]
    }
}

impl<T> IndexMut<u32> for Slab<T> {
    #[expect(
        clippy::indexing_slicing,
        reason = "numbers come from `insert` and are forgotten by their holder on `remove`"
    )]
    fn index_mut(&mut self, id: u32) -> &mut T {
        &mut self.entries[id as usize]
    }
}

/// The new numbers of the entries of a compacted slab.
#[derive(Debug)]
pub(crate) struct Moved {
    ids: Vec<u32>,
}

impl Moved {
    /// Replaces an old number by the new one; `NONE` stays.
    pub(crate) fn apply(&self, id: &mut u32) {
        if let Some(new) = self.ids.get(*id as usize) {
            *id = *new;
        }
    }

    fn apply_with(&mut self, id: u32, change: impl FnOnce(&mut u32)) {
        if let Some(slot) = self.ids.get_mut(id as usize) {
            change(slot);
        }
    }
}

/// The children of all nodes of a tree, by parent and level.
#[derive(Clone, Debug, Default)]
pub(crate) struct Edges {
    children: HashMap<(u32, u32), u32>,
}

impl Edges {
    pub(crate) fn find(&self, parent: u32, level: u32) -> Option<u32> {
        self.children.get(&(parent, level)).copied()
    }

    pub(crate) fn insert(&mut self, parent: u32, level: u32, child: u32) {
        self.children.insert((parent, level), child);
    }

    pub(crate) fn remove(&mut self, parent: u32, level: u32) {
        self.children.remove(&(parent, level));
        shrink_sparse(&mut self.children);
    }

    pub(crate) fn renumber_nodes(&mut self, moved: &Moved) {
        self.renumber(|parent, _, child| {
            moved.apply(parent);
            moved.apply(child);
        });
    }

    pub(crate) fn renumber_levels(&mut self, moved: &Moved) {
        self.renumber(|_, level, _| moved.apply(level));
    }

    fn renumber(&mut self, change: impl Fn(&mut u32, &mut u32, &mut u32)) {
        let mut children = HashMap::with_capacity_and_hasher(
            self.children.len(),
            self.children.hasher().clone(),
        );
        for ((mut parent, mut level), mut child) in self.children.drain() {
            change(&mut parent, &mut level, &mut child);
            children.insert((parent, level), child);
        }
        self.children = children;
    }
}

/// Levels of topics, each text kept once and counted.
#[derive(Clone, Debug)]
pub(crate) struct Levels {
    ids: HashMap<Arc<str>, u32>,
    levels: Slab<Level>,
}

#[derive(Clone, Debug, Default)]
struct Level {
    text: Arc<str>,
    /// How many nodes are for this level.
    uses: u32,
}

impl Levels {
    pub(crate) fn new() -> Self {
        Self { ids: HashMap::new(), levels: Slab::new() }
    }

    pub(crate) fn find(&self, text: &str) -> Option<u32> {
        self.ids.get(text).copied()
    }

    pub(crate) fn text(&self, id: u32) -> &str {
        &self.levels[id].text
    }

    /// Numbers a level for one more node.
    pub(crate) fn acquire(&mut self, text: &str) -> u32 {
        if let Some(id) = self.find(text) {
            self.levels[id].uses += 1;
            return id;
        }
        let text: Arc<str> = Arc::from(text);
        let id = self.levels.insert(Level { text: Arc::clone(&text), uses: 1 });
        self.ids.insert(text, id);
        id
    }

    /// Forgets a level when its last node goes.
    pub(crate) fn release(&mut self, id: u32) {
        let level = &mut self.levels[id];
        level.uses -= 1;
        if level.uses == 0 {
            let Level { text, .. } = self.levels.remove(id);
            self.ids.remove(&text);
            shrink_sparse(&mut self.ids);
        }
    }

    pub(crate) fn is_sparse(&self) -> bool {
        self.levels.is_sparse()
    }

    pub(crate) fn compact(&mut self) -> Moved {
        let moved = self.levels.compact();
        for id in self.ids.values_mut() {
            moved.apply(id);
        }
        moved
    }
}
