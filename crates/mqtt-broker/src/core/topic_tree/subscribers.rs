//! The subscribers of one Topic Filter: usually one, at times a hundred thousand.

use std::collections::BTreeMap;

/// Subscribers past which a set becomes a B-tree: moving the tail of a longer array for each
/// one that comes or goes costs more than the array saves on a visit.
const FEW_MAX: usize = 512;

/// Subscribers with their values, in the order of their keys.
#[derive(Clone, Debug)]
pub(super) enum Subscribers<K, V> {
    One(K, V),
    /// INVARIANT: sorted by key, without equal keys. The empty set is an empty `Few`.
    Few(Vec<(K, V)>),
    #[expect(
        clippy::box_collection,
        reason = "without it the two usual forms would be 8 bytes larger"
    )]
    Many(Box<BTreeMap<K, V>>),
}

impl<K: Copy + Ord, V> Subscribers<K, V> {
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::One(..) => false,
            Self::Few(few) => few.is_empty(),
            Self::Many(many) => many.is_empty(),
        }
    }

    /// Adds a subscriber or replaces its value, which is returned.
    pub(super) fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self {
            Self::One(own, held) if *own == key => Some(std::mem::replace(held, value)),
            Self::One(..) => {
                self.become_few(2);
                self.insert(key, value)
            }
            Self::Few(few) => match few.binary_search_by_key(&key, |(own, _)| *own) {
                Ok(index) => few
                    .get_mut(index)
                    .map(|(_, held)| std::mem::replace(held, value)),
                Err(_) if few.is_empty() => {
                    *self = Self::One(key, value);
                    None
                }
                Err(index) if few.len() < FEW_MAX => {
                    few.insert(index, (key, value));
                    None
                }
                Err(_) => {
                    let mut many: BTreeMap<K, V> = std::mem::take(few).into_iter().collect();
                    many.insert(key, value);
                    *self = Self::Many(Box::new(many));
                    None
                }
            },
            Self::Many(many) => many.insert(key, value),
        }
    }

    /// Removes a subscriber and returns its value.
    pub(super) fn remove(&mut self, key: K) -> Option<V> {
        match self {
            Self::One(own, _) if *own != key => None,
            Self::One(..) => match std::mem::take(self) {
                Self::One(_, held) => Some(held),
                Self::Few(_) | Self::Many(_) => None,
            },
            Self::Few(few) => {
                let index = few.binary_search_by_key(&key, |(own, _)| *own).ok()?;
                let (_, removed) = few.remove(index);
                if few.len() == 1 {
                    if let Some((own, held)) = few.pop() {
                        *self = Self::One(own, held);
                    }
                } else if few.len() < few.capacity() / 4 {
                    few.shrink_to(few.len() * 2);
                }
                Some(removed)
            }
            Self::Many(many) => {
                let removed = many.remove(&key)?;
                // Well below the other threshold, so that a set at the border does not swing.
                if many.len() < FEW_MAX / 2 {
                    *self = Self::Few(std::mem::take(&mut **many).into_iter().collect());
                }
                Some(removed)
            }
        }
    }

    /// Visits all; the loop is inside, as this is the path of each routed message.
    pub(super) fn for_each(&self, visit: &mut impl FnMut(K, &V)) {
        match self {
            Self::One(key, value) => visit(*key, value),
            Self::Few(few) => few.iter().for_each(|(key, value)| visit(*key, value)),
            Self::Many(many) => many.iter().for_each(|(key, value)| visit(*key, value)),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (K, &V)> {
        let (one, few, many) = match self {
            Self::One(key, value) => (Some((*key, value)), None, None),
            Self::Few(few) => (None, Some(few), None),
            Self::Many(many) => (None, None, Some(&**many)),
        };
        let few = few.into_iter().flatten().map(|(key, value)| (*key, value));
        let many = many.into_iter().flatten().map(|(key, value)| (*key, value));
        one.into_iter().chain(few).chain(many)
    }

    fn become_few(&mut self, capacity: usize) {
        if let Self::One(key, value) = std::mem::take(self) {
            let mut few = Vec::with_capacity(capacity);
            few.push((key, value));
            *self = Self::Few(few);
        }
    }
}

impl<K, V> Default for Subscribers<K, V> {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}
