//! A set of Packet Identifiers that costs 16 bytes per 64 neighbouring members and nothing when empty.

use alloc::vec::Vec;
use mqtt_codec::PacketId;

/// The members that share `base`: identifiers `64 * base` to `64 * base + 63`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Chunk {
    base: u16,
    bits: u64,
}

/// Packet Identifiers in use; at most 1,024 chunks (16 KiB) when all 65,535 are.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PacketIdSet {
    /// INVARIANT: sorted by `base`, no `bits` of 0.
    chunks: Vec<Chunk>,
}

impl PacketIdSet {
    /// An empty set; allocates nothing.
    pub const fn new() -> Self {
        Self { chunks: Vec::new() }
    }

    /// Adds `packet_id`; `false` when it was a member already.
    pub fn insert(&mut self, packet_id: PacketId) -> bool {
        let (base, bit) = place(packet_id);
        match self.find(base) {
            Ok(at) => match self.chunks.get_mut(at) {
                Some(chunk) if chunk.bits & bit == 0 => {
                    chunk.bits |= bit;
                    true
                }
                _ => false,
            },
            Err(at) => {
                self.chunks.insert(at, Chunk { base, bits: bit });
                true
            }
        }
    }

    /// Takes `packet_id` out; `false` when it was no member.
    pub fn remove(&mut self, packet_id: PacketId) -> bool {
        let (base, bit) = place(packet_id);
        let Ok(at) = self.find(base) else {
            return false;
        };
        let Some(chunk) = self.chunks.get_mut(at) else {
            return false;
        };
        if chunk.bits & bit == 0 {
            return false;
        }
        chunk.bits &= !bit;
        if chunk.bits == 0 {
            self.chunks.remove(at);
        }
        true
    }

    /// Whether `packet_id` is a member.
    pub fn contains(&self, packet_id: PacketId) -> bool {
        let (base, bit) = place(packet_id);
        self.find(base).is_ok_and(|at| {
            self.chunks
                .get(at)
                .is_some_and(|chunk| chunk.bits & bit != 0)
        })
    }

    /// Number of members, 0 to 65,535.
    pub fn len(&self) -> usize {
        self.chunks
            .iter()
            .map(|chunk| usize::try_from(chunk.bits.count_ones()).unwrap_or(0))
            .sum()
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// The members in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = PacketId> + '_ {
        self.chunks.iter().flat_map(|chunk| {
            (0..64u16)
                .filter(|bit| chunk.bits & (1 << bit) != 0)
                .filter_map(|bit| PacketId::new(chunk.base * 64 + bit))
        })
    }

    /// Forgets all members and gives the memory back.
    pub fn clear(&mut self) {
        self.chunks = Vec::new();
    }

    fn find(&self, base: u16) -> Result<usize, usize> {
        self.chunks.binary_search_by_key(&base, |chunk| chunk.base)
    }
}

fn place(packet_id: PacketId) -> (u16, u64) {
    (packet_id.get() / 64, 1 << (packet_id.get() % 64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn behaves_like_a_sorted_set(steps in proptest::collection::vec((any::<bool>(), 1u16..300), 0..400)) {
            let mut set = PacketIdSet::new();
            let mut model = BTreeSet::new();
            for (add, number) in steps {
                let packet_id = PacketId::new(number).unwrap();
                if add {
                    prop_assert_eq!(set.insert(packet_id), model.insert(packet_id));
                } else {
                    prop_assert_eq!(set.remove(packet_id), model.remove(&packet_id));
                }
                prop_assert_eq!(set.contains(packet_id), model.contains(&packet_id));
            }
            prop_assert_eq!(set.len(), model.len());
            prop_assert!(set.iter().eq(model.iter().copied()));
        }
    }
}
