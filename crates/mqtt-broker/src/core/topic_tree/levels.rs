//! What the topic tree and the retained tree are built of: numbered entries, levels kept once,
//! and the edges from a node to its children.
//!
//! The hash tables hold numbers only, 4 bytes and one for bookkeeping in each place; what they
//! compare and hash is in the slabs. The standard map cannot do that, hence `hashbrown`.
//! Peers choose levels and the order in which they are numbered, so hashes are keyed at random.

use std::hash::{BuildHasher, RandomState};
use std::ops::{Index, IndexMut};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

/// The number that no entry has.
pub(crate) const NONE: u32 = u32::MAX;

/// Size up to which nothing is made smaller: it would not be worth the work.
const SPARSE_MIN: usize = 1024;

/// The levels of a Topic Name or Topic Filter; adjacent separators make an empty level.
///
/// Spec: v5 §4.7.1.1.
pub(crate) fn split(topic: &str) -> impl Iterator<Item = &str> {
    topic.split('/')
}

/// What a Topic Filter ends with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum End {
    /// A level by name or a `+`.
    Level,
    /// A `#`: the path before it and whatever is below.
    MultiLevel,
}

/// Takes a final `#` off a Topic Filter: what is left is a path of levels, or none at all.
pub(crate) fn split_end(topic_filter: &str) -> (Option<&str>, End) {
    match topic_filter.strip_suffix('#') {
        Some(path) => (path.strip_suffix('/'), End::MultiLevel),
        None => (Some(topic_filter), End::Level),
    }
}

/// Makes a table that has become nearly empty smaller; the removals before pay for it.
pub(crate) fn shrink_sparse<T>(table: &mut HashTable<T>, hash: impl Fn(&T) -> u64) {
    if table.num_buckets() > SPARSE_MIN && table.len() < table.num_buckets() / 8 {
        table.shrink_to(table.len() * 2, hash);
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
        Self {
            entries: Vec::new(),
            free: Vec::new(),
        }
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

    /// Entries with those removed, as many as a pass over the slab visits.
    pub(crate) fn places(&self) -> usize {
        self.entries.len()
    }

    /// Whether three quarters of the entries are removed ones, and these are not few beside the
    /// `visits` that renumbering takes: then the removals since the last time pay for it.
    pub(crate) fn is_sparse(&self, visits: usize) -> bool {
        self.places() > SPARSE_MIN
            && self.len() < self.places() / 4
            && self.free.len() >= visits / 4
    }

    /// Moves the entries together, keeping their order, and says which number became which.
    pub(crate) fn compact(&mut self) -> Moved {
        let mut ids = vec![0; self.entries.len()];
        for free in std::mem::take(&mut self.free) {
            if let Some(id) = ids.get_mut(free as usize) {
                *id = NONE;
            }
        }
        for (new, id) in (0..).zip(ids.iter_mut().filter(|id| **id != NONE)) {
            *id = new;
        }
        let mut new_ids = ids.iter();
        self.entries.retain(|_| new_ids.next() != Some(&NONE));
        self.entries.shrink_to_fit();
        Moved { ids }
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
}

/// A node of a tree, as far as an edge leads to it.
pub(crate) trait Child {
    fn parent(&self) -> u32;
    fn level(&self) -> u32;
}

/// The children of all nodes that have several, by parent and level.
#[derive(Clone, Debug)]
pub(crate) struct Edges {
    /// Keys the hashes, besides the hashes of levels they are made of.
    key: u64,
    children: HashTable<u32>,
}

impl Edges {
    pub(crate) fn new() -> Self {
        Self {
            key: RandomState::new().hash_one(0),
            children: HashTable::new(),
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.children.len()
    }

    /// The child of `parent` for a level that is known.
    pub(crate) fn find<N: Child>(
        &self,
        nodes: &Slab<N>,
        levels: &Levels,
        parent: u32,
        level: u32,
    ) -> Option<u32> {
        let is_wanted = |child: &u32| {
            let child = &nodes[*child];
            child.parent() == parent && child.level() == level
        };
        let hash = hash_edge(self.key, parent, levels.levels[level].hash);
        self.children.find(hash, is_wanted).copied()
    }

    /// The child of `parent` for a level by its text, which need not be known.
    pub(crate) fn find_text<N: Child>(
        &self,
        nodes: &Slab<N>,
        levels: &Levels,
        parent: u32,
        wanted: &Wanted<'_>,
    ) -> Option<u32> {
        let is_wanted = |child: &u32| {
            let child = &nodes[*child];
            child.parent() == parent && levels.is(child.level(), wanted)
        };
        let hash = hash_edge(self.key, parent, wanted.hash);
        self.children.find(hash, is_wanted).copied()
    }

    pub(crate) fn insert<N: Child>(&mut self, nodes: &Slab<N>, levels: &Levels, child: u32) {
        let hash = |child: &u32| hash_child(self.key, levels, &nodes[*child]);
        self.children.insert_unique(hash(&child), child, hash);
    }

    pub(crate) fn remove<N: Child>(&mut self, nodes: &Slab<N>, levels: &Levels, child: u32) {
        let hash = |child: &u32| hash_child(self.key, levels, &nodes[*child]);
        if let Ok(found) = self
            .children
            .find_entry(hash(&child), |other| *other == child)
        {
            found.remove();
            shrink_sparse(&mut self.children, hash);
        }
    }

    /// Puts the edges in order again after nodes or levels have got new numbers.
    pub(crate) fn renumber<N: Child>(&mut self, nodes: &Slab<N>, levels: &Levels, moved: &Moved) {
        let hash = |child: &u32| hash_child(self.key, levels, &nodes[*child]);
        let mut children = HashTable::with_capacity(self.children.len());
        for mut child in self.children.drain() {
            moved.apply(&mut child);
            children.insert_unique(hash(&child), child, hash);
        }
        self.children = children;
    }
}

fn hash_child(key: u64, levels: &Levels, child: &impl Child) -> u64 {
    hash_edge(key, child.parent(), levels.levels[child.level()].hash)
}

/// Cheap, as what peers choose comes in through the hash of the level, whose key they do not know.
fn hash_edge(key: u64, parent: u32, level_hash: u32) -> u64 {
    const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;
    let mixed = (key ^ (u64::from(parent) << 32 | u64::from(level_hash))).wrapping_mul(SPREAD);
    (mixed ^ mixed >> 32).wrapping_mul(SPREAD)
}

/// Levels of topics, each text kept once and counted.
#[derive(Clone, Debug)]
pub(crate) struct Levels {
    key: RandomState,
    ids: HashTable<u32>,
    levels: Slab<Level>,
}

#[derive(Clone, Debug, Default)]
struct Level {
    text: Text,
    /// That of `text`.
    hash: u32,
    /// How many nodes are for this level.
    uses: u32,
}

/// A level of a Topic Name that is looked for.
pub(crate) struct Wanted<'a> {
    text: &'a str,
    hash: u32,
}

impl Levels {
    pub(crate) fn new() -> Self {
        Self {
            key: RandomState::new(),
            ids: HashTable::new(),
            levels: Slab::new(),
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.levels.len()
    }

    /// A text to look for in several places.
    pub(crate) fn wanted<'a>(&self, text: &'a str) -> Wanted<'a> {
        let hash = self.hash(text);
        Wanted { text, hash }
    }

    /// Whether a level has this text.
    pub(crate) fn is(&self, id: u32, wanted: &Wanted<'_>) -> bool {
        let level = &self.levels[id];
        level.hash == wanted.hash && level.text.as_bytes() == wanted.text.as_bytes()
    }

    pub(crate) fn find(&self, text: &str) -> Option<u32> {
        let wanted = self.wanted(text);
        let is_it = |id: &u32| self.is(*id, &wanted);
        self.ids.find(spread(wanted.hash), is_it).copied()
    }

    pub(crate) fn text(&self, id: u32) -> &str {
        std::str::from_utf8(self.levels[id].text.as_bytes()).unwrap_or_default()
    }

    /// Numbers a level for one more node.
    pub(crate) fn acquire(&mut self, text: &str) -> u32 {
        let hash = self.hash(text);
        let Self { ids, levels, .. } = self;
        let hash_of = |id: &u32| spread(levels[*id].hash);
        let is_it = |id: &u32| levels[*id].text.as_bytes() == text.as_bytes();
        match ids.entry(spread(hash), is_it, hash_of) {
            Entry::Occupied(found) => {
                let id = *found.get();
                levels[id].uses += 1;
                id
            }
            Entry::Vacant(vacant) => {
                let id = levels.insert(Level {
                    text: Text::new(text),
                    hash,
                    uses: 1,
                });
                vacant.insert(id);
                id
            }
        }
    }

    /// Forgets a level when its last node goes.
    pub(crate) fn release(&mut self, id: u32) {
        let Self { ids, levels, .. } = self;
        levels[id].uses -= 1;
        if levels[id].uses == 0 {
            let hash_of = |id: &u32| spread(levels[*id].hash);
            if let Ok(found) = ids.find_entry(hash_of(&id), |other| *other == id) {
                found.remove();
                shrink_sparse(ids, hash_of);
            }
            levels.remove(id);
        }
    }

    pub(crate) fn is_sparse(&self, visits: usize) -> bool {
        self.levels.is_sparse(visits)
    }

    pub(crate) fn compact(&mut self) -> Moved {
        let moved = self.levels.compact();
        for id in self.ids.iter_mut() {
            moved.apply(id);
        }
        moved
    }

    fn hash(&self, text: &str) -> u32 {
        let [.., a, b, c, d] = self.key.hash_one(text).to_be_bytes();
        u32::from_be_bytes([a, b, c, d])
    }
}

/// A table looks at the upper bits of a hash, too.
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

/// The text of a level; most are short, and then it is where the level is.
#[derive(Clone, Debug)]
enum Text {
    Short {
        len: u8,
        bytes: [u8; Text::SHORT_MAX],
    },
    #[expect(
        clippy::box_collection,
        reason = "a pointer of 8 bytes leaves more room for short ones"
    )]
    Long(Box<String>),
}

impl Text {
    const SHORT_MAX: usize = 14;

    fn new(text: &str) -> Self {
        let mut bytes = [0; Self::SHORT_MAX];
        match (bytes.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(front), Ok(len)) => {
                front.copy_from_slice(text.as_bytes());
                Self::Short { len, bytes }
            }
            _ => Self::Long(Box::new(text.into())),
        }
    }

    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Short { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or_default(),
            Self::Long(text) => text.as_bytes(),
        }
    }
}

impl Default for Text {
    fn default() -> Self {
        Self::new("")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_takes_24_bytes_and_keeps_its_text() {
        assert_eq!(size_of::<Level>(), 24);
        let mut levels = Levels::new();
        let texts: Vec<String> = (0..40).map(|len| "ä".repeat(len)).collect();
        let ids: Vec<u32> = texts.iter().map(|text| levels.acquire(text)).collect();
        for (text, id) in texts.iter().zip(&ids) {
            assert_eq!((levels.text(*id), levels.find(text)), (&**text, Some(*id)));
            assert!(levels.is(*id, &levels.wanted(text)));
            assert!(!levels.is(*id, &levels.wanted("other")));
        }
        ids.into_iter().for_each(|id| levels.release(id));
        assert_eq!((levels.len(), levels.find("")), (0, None));
    }
}
