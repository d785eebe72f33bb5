//! Tables that grow on the heap.

use super::{PacketIds, Queue, Storage, TopicNameAt, TopicNames};
use crate::packet_id_set::PacketIdSet;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use mqtt_codec::PacketId;

/// Tables on the heap: without a message in flight next to nothing, and as large as the protocol allows.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Heap;

impl Storage for Heap {
    const RECEIVE_MAXIMUM: usize = 65_535;
    const TOPIC_ALIAS_MAXIMUM: usize = 65_535;

    type Flows<T> = VecDeque<T>;
    type Due<T> = Rare<T>;
    type InUse = PacketIdSet;
    type Acks<T> = Rare<T>;
    type Unreleased = PacketIdSet;
    type TopicNames = HeapTopicNames;
    type Aliases<T> = Rare<T>;
    type Sightings<T> = Rare<T>;
}

impl<T> Queue<T> for VecDeque<T> {
    const EMPTY: Self = Self::new();

    fn len(&self) -> usize {
        self.len()
    }

    fn is_full(&self) -> bool {
        false
    }

    fn get(&self, at: usize) -> Option<&T> {
        self.get(at)
    }

    fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        self.get_mut(at)
    }

    fn push_back(&mut self, entry: T) -> Result<(), T> {
        self.push_back(entry);
        Ok(())
    }

    fn pop_front(&mut self) -> Option<T> {
        self.pop_front()
    }

    fn pop_front_if(&mut self, wanted: impl FnOnce(&T) -> bool) -> Option<T> {
        self.pop_front_if(|first| wanted(first))
    }

    fn iter<'a>(&'a self) -> impl Iterator<Item = &'a T>
    where
        T: 'a,
    {
        self.iter()
    }

    fn iter_mut<'a>(&'a mut self) -> impl Iterator<Item = &'a mut T>
    where
        T: 'a,
    {
        self.iter_mut()
    }

    fn retain(&mut self, keep: impl FnMut(&T) -> bool) {
        self.retain(keep);
    }

    fn sort_by_key<K: Ord>(&mut self, key: impl FnMut(&T) -> K) {
        self.make_contiguous().sort_unstable_by_key(key);
    }

    fn binary_search_by_key<K: Ord>(&self, wanted: &K, key: impl FnMut(&T) -> K) -> Option<usize> {
        self.binary_search_by_key(wanted, key).ok()
    }

    fn is_roomy(&self, len: usize) -> bool {
        self.capacity() > len
    }

    fn duplicate(&self) -> Self
    where
        T: Clone,
    {
        self.clone()
    }
}

/// A queue that is empty most of the time: 8 bytes then.
#[derive(Clone, Debug)]
pub struct Rare<T> {
    #[expect(
        clippy::box_collection,
        reason = "8 bytes in each idle session, not 32"
    )]
    entries: Option<Box<VecDeque<T>>>,
}

impl<T> Queue<T> for Rare<T> {
    const EMPTY: Self = Self { entries: None };

    fn len(&self) -> usize {
        self.entries.as_ref().map_or(0, |entries| entries.len())
    }

    fn is_full(&self) -> bool {
        false
    }

    fn get(&self, at: usize) -> Option<&T> {
        self.entries.as_ref()?.get(at)
    }

    fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        self.entries.as_mut()?.get_mut(at)
    }

    fn push_back(&mut self, entry: T) -> Result<(), T> {
        self.entries.get_or_insert_default().push_back(entry);
        Ok(())
    }

    fn pop_front(&mut self) -> Option<T> {
        self.entries.as_mut()?.pop_front()
    }

    fn pop_front_if(&mut self, wanted: impl FnOnce(&T) -> bool) -> Option<T> {
        self.entries.as_mut()?.pop_front_if(|first| wanted(first))
    }

    fn iter<'a>(&'a self) -> impl Iterator<Item = &'a T>
    where
        T: 'a,
    {
        self.entries.iter().flat_map(|entries| entries.iter())
    }

    fn iter_mut<'a>(&'a mut self) -> impl Iterator<Item = &'a mut T>
    where
        T: 'a,
    {
        self.entries
            .iter_mut()
            .flat_map(|entries| entries.iter_mut())
    }

    fn retain(&mut self, keep: impl FnMut(&T) -> bool) {
        if let Some(entries) = &mut self.entries {
            entries.retain(keep);
        }
    }

    fn sort_by_key<K: Ord>(&mut self, key: impl FnMut(&T) -> K) {
        if let Some(entries) = &mut self.entries {
            entries.make_contiguous().sort_unstable_by_key(key);
        }
    }

    fn binary_search_by_key<K: Ord>(&self, wanted: &K, key: impl FnMut(&T) -> K) -> Option<usize> {
        let entries = self.entries.as_ref()?;
        entries.binary_search_by_key(wanted, key).ok()
    }

    fn is_roomy(&self, len: usize) -> bool {
        let capacity = self.entries.as_ref().map(|entries| entries.capacity());
        capacity.is_some_and(|capacity| capacity > len)
    }

    fn duplicate(&self) -> Self
    where
        T: Clone,
    {
        self.clone()
    }
}

impl PacketIds for PacketIdSet {
    const EMPTY: Self = Self::new();

    fn insert(&mut self, packet_id: PacketId) -> Option<bool> {
        Some(self.insert(packet_id))
    }

    fn remove(&mut self, packet_id: PacketId) -> bool {
        self.remove(packet_id)
    }

    fn contains(&self, packet_id: PacketId) -> bool {
        self.contains(packet_id)
    }

    fn len(&self) -> usize {
        self.len()
    }

    fn is_empty(&self) -> bool {
        self.is_empty()
    }

    fn capacity(&self) -> usize {
        Heap::RECEIVE_MAXIMUM
    }

    fn iter(&self) -> impl Iterator<Item = PacketId> {
        self.iter()
    }

    fn free_from(&self, from: PacketId) -> Option<PacketId> {
        self.free_from(from)
    }
}

/// Topic Names on the heap: 8 bytes until the first one.
#[derive(Clone, Debug)]
pub struct HeapTopicNames {
    #[expect(
        clippy::box_collection,
        reason = "8 bytes in each idle session, not 24"
    )]
    names: Option<Box<Vec<Option<Box<str>>>>>,
}

#[cfg(test)]
impl HeapTopicNames {
    /// Whether it holds no memory.
    pub(crate) const fn is_untouched(&self) -> bool {
        self.names.is_none()
    }
}

impl TopicNames for HeapTopicNames {
    const EMPTY: Self = Self { names: None };
    const NAME_LEN_MAX: usize = usize::MAX;

    fn get(&self, at: usize) -> TopicNameAt<'_> {
        match self.names.as_ref().and_then(|names| names.get(at)) {
            Some(Some(name)) => TopicNameAt::Name(name),
            Some(None) | None => TopicNameAt::Nothing,
        }
    }

    fn set(&mut self, at: usize, topic_name: &str) {
        let names = self.names.get_or_insert_default();
        if names.len() <= at {
            names.resize(at + 1, None);
        }
        if let Some(slot) = names.get_mut(at) {
            *slot = Some(topic_name.into());
        }
    }
}
