//! Tables of a fixed size inside the session: no allocator.

use super::{PacketIds, Queue, Storage, TopicNameAt, TopicNames};
use core::str;
use mqtt_codec::PacketId;

/// Tables inside the session, in memory that its owner gives by placing it.
///
/// `FLOWS` is the number of PUBLISH packets above QoS 0, SUBSCRIBE and UNSUBSCRIBE packets that may wait for their
/// last acknowledgement at once; `RECEIVE` the largest Receive Maximum; `ALIASES` the largest Topic Alias Maximum
/// in each direction, and `NAME_LEN` the longest Topic Name, in bytes, that an alias is remembered for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Fixed<
    const FLOWS: usize,
    const RECEIVE: usize,
    const ALIASES: usize = 0,
    const NAME_LEN: usize = 0,
>;

/// A peer may have that many times the Receive Maximum open: see `docs/design/session.md` on quotas.
const RECEIVE_FACTOR: usize = 2;

impl<const FLOWS: usize, const RECEIVE: usize, const ALIASES: usize, const NAME_LEN: usize> Storage
    for Fixed<FLOWS, RECEIVE, ALIASES, NAME_LEN>
{
    const RECEIVE_MAXIMUM: usize = RECEIVE;
    const TOPIC_ALIAS_MAXIMUM: usize = ALIASES;

    type Flows<T> = FixedQueue<T, FLOWS, 1>;
    type Due<T> = FixedQueue<T, FLOWS, 1>;
    type InUse = FixedPacketIds<FLOWS, 1>;
    type Acks<T> = FixedQueue<T, RECEIVE, RECEIVE_FACTOR>;
    type Unreleased = FixedPacketIds<RECEIVE, RECEIVE_FACTOR>;
    type TopicNames = FixedTopicNames<ALIASES, NAME_LEN>;
    type Aliases<T> = FixedQueue<T, ALIASES, 1>;
    type Sightings<T> = FixedQueue<T, ALIASES, 2>;
}

/// A ring of `N * K` places.
#[derive(Clone, Debug)]
pub struct FixedQueue<T, const N: usize, const K: usize> {
    /// INVARIANT: `len` of them are taken, from `head` on and after the last from the first on.
    slots: [[Option<T>; N]; K],
    /// INVARIANT: below the number of slots, or 0.
    head: usize,
    len: usize,
}

impl<T, const N: usize, const K: usize> FixedQueue<T, N, K> {
    /// Which slot has the entry `at`.
    fn slot(&self, at: usize) -> Option<usize> {
        (at < self.len).then(|| wrapped(self.head + at, N * K))
    }
}

/// `at` in a ring of `len` places that it passes once at most.
const fn wrapped(at: usize, len: usize) -> usize {
    if at >= len { at - len } else { at }
}

impl<T, const N: usize, const K: usize> Queue<T> for FixedQueue<T, N, K> {
    const EMPTY: Self = Self {
        slots: [const { [const { None }; N] }; K],
        head: 0,
        len: 0,
    };

    fn len(&self) -> usize {
        self.len
    }

    fn is_full(&self) -> bool {
        self.len == N * K
    }

    fn get(&self, at: usize) -> Option<&T> {
        self.slots.as_flattened().get(self.slot(at)?)?.as_ref()
    }

    fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        let slot = self.slot(at)?;
        self.slots.as_flattened_mut().get_mut(slot)?.as_mut()
    }

    fn push_back(&mut self, entry: T) -> Result<(), T> {
        if self.is_full() {
            return Err(entry);
        }
        let at = wrapped(self.head + self.len, N * K);
        if let Some(slot) = self.slots.as_flattened_mut().get_mut(at) {
            *slot = Some(entry);
            self.len += 1;
        }
        Ok(())
    }

    fn pop_front(&mut self) -> Option<T> {
        let slot = self.slot(0)?;
        let entry = self.slots.as_flattened_mut().get_mut(slot)?.take();
        self.head = wrapped(slot + 1, N * K);
        self.len -= 1;
        entry
    }

    fn pop_front_if(&mut self, wanted: impl FnOnce(&T) -> bool) -> Option<T> {
        match wanted(self.front()?) {
            true => self.pop_front(),
            false => None,
        }
    }

    fn iter<'a>(&'a self) -> impl Iterator<Item = &'a T>
    where
        T: 'a,
    {
        let (later, first) = self.slots.as_flattened().split_at(self.head);
        first.iter().chain(later).flatten()
    }

    fn iter_mut<'a>(&'a mut self) -> impl Iterator<Item = &'a mut T>
    where
        T: 'a,
    {
        let (later, first) = self.slots.as_flattened_mut().split_at_mut(self.head);
        first.iter_mut().chain(later).flatten()
    }

    fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        for _ in 0..self.len {
            let kept = self.pop_front().filter(&mut keep);
            // There is room: one was taken.
            kept.map(|entry| self.push_back(entry));
        }
    }

    fn sort_by_key<K2: Ord>(&mut self, mut key: impl FnMut(&T) -> K2) {
        let slots = self.slots.as_flattened_mut();
        slots.rotate_left(self.head);
        self.head = 0;
        let taken = slots.get_mut(..self.len).unwrap_or_default();
        taken.sort_unstable_by_key(|slot| slot.as_ref().map(&mut key));
    }

    fn binary_search_by_key<K2: Ord>(
        &self,
        wanted: &K2,
        mut key: impl FnMut(&T) -> K2,
    ) -> Option<usize> {
        let (mut low, mut high) = (0, self.len);
        while low < high {
            let at = low + (high - low) / 2;
            if key(self.get(at)?) < *wanted {
                low = at + 1;
            } else {
                high = at;
            }
        }
        (key(self.get(low)?) == *wanted).then_some(low)
    }

    fn is_roomy(&self, _len: usize) -> bool {
        false
    }

    fn duplicate(&self) -> Self
    where
        T: Clone,
    {
        self.clone()
    }
}

/// Up to `N * K` Packet Identifiers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FixedPacketIds<const N: usize, const K: usize> {
    /// INVARIANT: the first `len` ascend, the others are none.
    members: [[Option<PacketId>; N]; K],
    len: usize,
}

impl<const N: usize, const K: usize> FixedPacketIds<N, K> {
    fn find(&self, packet_id: PacketId) -> Result<usize, usize> {
        let members = self.members.as_flattened().get(..self.len);
        members.unwrap_or_default().binary_search(&Some(packet_id))
    }
}

impl<const N: usize, const K: usize> PacketIds for FixedPacketIds<N, K> {
    const EMPTY: Self = Self {
        members: [[None; N]; K],
        len: 0,
    };

    fn insert(&mut self, packet_id: PacketId) -> Option<bool> {
        let at = match self.find(packet_id) {
            Ok(_) => return Some(false),
            Err(at) => at,
        };
        // The last of these is free, and none when there is no free one.
        let moved = self.members.as_flattened_mut().get_mut(at..=self.len)?;
        moved.rotate_right(1);
        *moved.first_mut()? = Some(packet_id);
        self.len += 1;
        Some(true)
    }

    fn remove(&mut self, packet_id: PacketId) -> bool {
        let Ok(at) = self.find(packet_id) else {
            return false;
        };
        let members = self.members.as_flattened_mut();
        let moved = members.get_mut(at..self.len).unwrap_or_default();
        moved.rotate_left(1);
        if let Some(last) = moved.last_mut() {
            *last = None;
            self.len -= 1;
        }
        true
    }

    fn contains(&self, packet_id: PacketId) -> bool {
        self.find(packet_id).is_ok()
    }

    fn len(&self) -> usize {
        self.len
    }

    fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn capacity(&self) -> usize {
        N * K
    }

    fn iter(&self) -> impl Iterator<Item = PacketId> {
        self.members.as_flattened().iter().flatten().copied()
    }

    fn free_from(&self, from: PacketId) -> Option<PacketId> {
        let from = from.get();
        let found = (from..=u16::MAX).chain(1..from).filter_map(PacketId::new);
        // Among one more than there are members is one that is none.
        found
            .take(self.len + 1)
            .find(|found| !self.contains(*found))
    }
}

/// `N` Topic Names of up to `LEN` bytes.
#[derive(Clone, Debug)]
pub struct FixedTopicNames<const N: usize, const LEN: usize> {
    names: [Option<FixedTopicName<LEN>>; N],
}

#[derive(Clone, Copy, Debug)]
struct FixedTopicName<const LEN: usize> {
    /// INVARIANT: the first `len` are UTF-8, unless `len` is larger than `LEN`.
    bytes: [u8; LEN],
    len: usize,
}

impl<const N: usize, const LEN: usize> TopicNames for FixedTopicNames<N, LEN> {
    const EMPTY: Self = Self { names: [None; N] };
    const NAME_LEN_MAX: usize = LEN;

    fn get(&self, at: usize) -> TopicNameAt<'_> {
        let Some(Some(name)) = self.names.get(at) else {
            return TopicNameAt::Nothing;
        };
        let bytes = name.bytes.get(..name.len).map(str::from_utf8);
        match bytes {
            Some(Ok(name)) => TopicNameAt::Name(name),
            Some(Err(_)) | None => TopicNameAt::TooLong,
        }
    }

    fn set(&mut self, at: usize, topic_name: &str) {
        let Some(slot) = self.names.get_mut(at) else {
            return;
        };
        let mut bytes = [0; LEN];
        let len = topic_name.len();
        if let Some(place) = bytes.get_mut(..len) {
            place.copy_from_slice(topic_name.as_bytes());
        }
        *slot = Some(FixedTopicName { bytes, len });
    }
}
