//! Where the tables of a session are: on the heap, or in memory of a fixed size inside the session.

mod fixed;
#[cfg(feature = "alloc")]
mod heap;

#[cfg(test)]
mod tests;

pub use fixed::Fixed;
#[cfg(feature = "alloc")]
pub use heap::Heap;

use core::fmt::Debug;
use mqtt_codec::PacketId;

/// Where a session keeps its tables: `Heap`, which grows them (feature `alloc`), or [`Fixed`], which has them inside.
///
/// A table without room gives an answer and keeps what it has. The traits of the tables are not exported, so these
/// two are all there are.
pub trait Storage: Copy + Debug + Default + Eq {
    /// The largest Receive Maximum for which there is room, in packets.
    const RECEIVE_MAXIMUM: usize;
    /// The largest Topic Alias Maximum for which there is room.
    const TOPIC_ALIAS_MAXIMUM: usize;

    /// Open flows of the sending side: used with every message.
    type Flows<T>: Queue<T>;
    /// What a resume owes: as many as there are flows, and mostly none.
    type Due<T>: Queue<T>;
    /// The identifiers of open flows.
    type InUse: PacketIds;
    /// Acknowledgements that wait: up to twice the Receive Maximum, mostly none.
    type Acks<T>: Queue<T>;
    /// Identifiers received at QoS 2: up to twice the Receive Maximum, mostly none.
    type Unreleased: PacketIds;
    /// Topic Names by alias, in each direction.
    type TopicNames: TopicNames;
    /// What is known of each alias this side sets.
    type Aliases<T>: Queue<T>;
    /// Topics without an alias that were sent not long ago: twice as many.
    type Sightings<T>: Queue<T>;
}

/// A queue with a look at every place in it.
pub trait Queue<T>: Sized {
    /// Without entries; allocates nothing.
    const EMPTY: Self;

    /// Entries in it.
    fn len(&self) -> usize;

    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether [`Queue::push_back`] would refuse.
    fn is_full(&self) -> bool;

    /// The entry `at` of which are before it.
    fn get(&self, at: usize) -> Option<&T>;

    /// The same, to change it.
    fn get_mut(&mut self, at: usize) -> Option<&mut T>;

    /// The first.
    fn front(&self) -> Option<&T> {
        self.get(0)
    }

    /// The last.
    fn back(&self) -> Option<&T> {
        self.get(self.len().checked_sub(1)?)
    }

    /// Puts `entry` at the end.
    ///
    /// # Errors
    /// `entry`, when there is no place.
    fn push_back(&mut self, entry: T) -> Result<(), T>;

    /// Takes the first.
    fn pop_front(&mut self) -> Option<T>;

    /// Takes the first if `wanted` says so.
    fn pop_front_if(&mut self, wanted: impl FnOnce(&T) -> bool) -> Option<T>;

    /// All, from the first.
    fn iter<'a>(&'a self) -> impl Iterator<Item = &'a T>
    where
        T: 'a;

    /// The same, to change them.
    fn iter_mut<'a>(&'a mut self) -> impl Iterator<Item = &'a mut T>
    where
        T: 'a;

    /// Drops those that `keep` does not want; the others stay in order.
    fn retain(&mut self, keep: impl FnMut(&T) -> bool);

    /// Sorts by `key`; entries with the same one may change places.
    fn sort_by_key<K: Ord>(&mut self, key: impl FnMut(&T) -> K);

    /// Where the entry with `wanted` is, in a queue that ascends by `key`.
    fn binary_search_by_key<K: Ord>(&self, wanted: &K, key: impl FnMut(&T) -> K) -> Option<usize>;

    /// Whether it holds memory for more than `len` entries that it could give back.
    fn is_roomy(&self, len: usize) -> bool;

    /// A copy of it.
    fn duplicate(&self) -> Self
    where
        T: Clone;
}

/// A set of Packet Identifiers.
pub trait PacketIds: Clone + Debug + Eq {
    /// Without members; allocates nothing.
    const EMPTY: Self;

    /// Adds `packet_id`; `false` when it was a member already, none when there is no place.
    fn insert(&mut self, packet_id: PacketId) -> Option<bool>;

    /// Takes `packet_id` out; `false` when it was no member.
    fn remove(&mut self, packet_id: PacketId) -> bool;

    /// Whether `packet_id` is a member.
    fn contains(&self, packet_id: PacketId) -> bool;

    /// Number of members, 0 to 65,535.
    fn len(&self) -> usize;

    /// Whether there is no member.
    fn is_empty(&self) -> bool;

    /// Members there is room for.
    fn capacity(&self) -> usize;

    /// The members in ascending order.
    fn iter(&self) -> impl Iterator<Item = PacketId>;

    /// The first identifier from `from` on that is no member, after 65,535 again from 1; none when all are members.
    fn free_from(&self, from: PacketId) -> Option<PacketId>;
}

/// Topic Names by number.
pub trait TopicNames: Clone + Debug {
    /// Without names; allocates nothing.
    const EMPTY: Self;
    /// The longest name there is room for, in bytes.
    const NAME_LEN_MAX: usize;

    /// The name `at` that number.
    fn get(&self, at: usize) -> TopicNameAt<'_>;

    /// Puts `topic_name` there in place of what was there.
    fn set(&mut self, at: usize, topic_name: &str);
}

/// What stands at one number.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TopicNameAt<'a> {
    /// Nothing was put there.
    Nothing,
    /// This one.
    Name(&'a str),
    /// One for which there was no room.
    TooLong,
}
