//! A set of Packet Identifiers that costs 16 bytes per 64 neighbouring members and nothing when empty.

use alloc::boxed::Box;
use alloc::vec::Vec;
use mqtt_codec::PacketId;

/// The chunk of identifier 65,535.
const BASE_MAX: u16 = u16::MAX / 64;

/// The members that share `base`: identifiers `64 * base` to `64 * base + 63`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Chunk {
    base: u16,
    bits: u64,
}

/// Packet Identifiers in use; at most 1,024 chunks (16 KiB) when all 65,535 are.
#[derive(Clone, Debug, Default)]
pub struct PacketIdSet {
    /// INVARIANT: sorted by `base`; `bits` is 0 only where it is the only one, which saves moving it in and out.
    #[expect(
        clippy::box_collection,
        reason = "8 bytes in each idle session, not 24"
    )]
    chunks: Option<Box<Vec<Chunk>>>,
}

impl Eq for PacketIdSet {}

impl PartialEq for PacketIdSet {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl PacketIdSet {
    /// An empty set; allocates nothing.
    pub const fn new() -> Self {
        Self { chunks: None }
    }

    /// Adds `packet_id`; `false` when it was a member already.
    pub fn insert(&mut self, packet_id: PacketId) -> bool {
        let (base, bit) = place(packet_id);
        let chunks = self.chunks.get_or_insert_default();
        if let [lone] = chunks.as_mut_slice()
            && lone.bits == 0
        {
            *lone = Chunk { base, bits: bit };
            return true;
        }
        match find(chunks, base) {
            Ok(at) => match chunks.get_mut(at) {
                Some(chunk) if chunk.bits & bit == 0 => {
                    chunk.bits |= bit;
                    true
                }
                _ => false,
            },
            Err(at) => {
                chunks.insert(at, Chunk { base, bits: bit });
                true
            }
        }
    }

    /// Takes `packet_id` out; `false` when it was no member.
    pub fn remove(&mut self, packet_id: PacketId) -> bool {
        let (base, bit) = place(packet_id);
        let Some(chunks) = &mut self.chunks else {
            return false;
        };
        let Ok(at) = find(chunks, base) else {
            return false;
        };
        let Some(chunk) = chunks.get_mut(at) else {
            return false;
        };
        if chunk.bits & bit == 0 {
            return false;
        }
        chunk.bits &= !bit;
        if chunk.bits == 0 && chunks.len() > 1 {
            chunks.remove(at);
        }
        true
    }

    /// Whether `packet_id` is a member.
    pub fn contains(&self, packet_id: PacketId) -> bool {
        let (base, bit) = place(packet_id);
        let chunk = self.chunk(base);
        chunk.is_some_and(|chunk| chunk.bits & bit != 0)
    }

    /// Number of members, 0 to 65,535.
    pub fn len(&self) -> usize {
        self.chunks()
            .iter()
            .map(|chunk| usize::try_from(chunk.bits.count_ones()).unwrap_or(0))
            .sum()
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.chunks().iter().all(|chunk| chunk.bits == 0)
    }

    /// The members in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = PacketId> + '_ {
        self.chunks().iter().flat_map(|chunk| {
            (0..64u16)
                .filter(|bit| chunk.bits & (1 << bit) != 0)
                .filter_map(|bit| PacketId::new(chunk.base * 64 + bit))
        })
    }

    /// The first identifier from `from` on that is no member, after 65,535 again from 1; none when all are members.
    pub(crate) fn free_from(&self, from: PacketId) -> Option<PacketId> {
        let (first_base, first_bit) = place(from);
        let wanted = !(first_bit - 1);
        self.free_in(first_base, wanted).or_else(|| {
            (first_base + 1..=BASE_MAX)
                .chain(0..=first_base)
                .find_map(|base| self.free_in(base, u64::MAX))
        })
    }

    /// The first identifier of one chunk that is no member, among those whose bits are `wanted`.
    fn free_in(&self, base: u16, wanted: u64) -> Option<PacketId> {
        let zero = u64::from(base == 0);
        let used = self.chunk(base).map_or(0, |chunk| chunk.bits);
        let free = wanted & !(used | zero);
        let bit = u16::try_from(free.trailing_zeros()).ok()?;
        match free {
            0 => None,
            _ => PacketId::new(base * 64 + bit),
        }
    }

    /// Forgets all members and gives the memory back.
    pub fn clear(&mut self) {
        self.chunks = None;
    }

    fn chunks(&self) -> &[Chunk] {
        self.chunks.as_ref().map_or(&[], |chunks| chunks.as_slice())
    }

    fn chunk(&self, base: u16) -> Option<&Chunk> {
        let chunks = self.chunks();
        chunks.get(find(chunks, base).ok()?)
    }
}

/// Where the chunk of `base` is or would be; identifiers in use are mostly near the highest.
fn find(chunks: &[Chunk], base: u16) -> Result<usize, usize> {
    match chunks.split_last() {
        None => Err(0),
        Some((last, before)) if last.base == base => Ok(before.len()),
        Some((last, _)) if last.base < base => Err(chunks.len()),
        Some((_, before)) => before.binary_search_by_key(&base, |chunk| chunk.base),
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

        #[test]
        fn finds_the_next_free_one(
            used in proptest::collection::vec(prop_oneof![1u16..200, 65_400u16..=65_535], 0..400),
            from in prop_oneof![1u16..200, 65_400u16..=65_535],
        ) {
            let mut set = PacketIdSet::new();
            for number in used {
                set.insert(PacketId::new(number).unwrap());
            }
            let expected = (from..=u16::MAX).chain(1..from).filter_map(PacketId::new);
            let expected = expected.into_iter().find(|packet_id| !set.contains(*packet_id));
            prop_assert_eq!(set.free_from(PacketId::new(from).unwrap()), expected);
        }
    }

    #[test]
    fn holds_every_identifier_and_gives_its_memory_back() {
        let mut set = PacketIdSet::new();
        for number in (1..=u16::MAX).rev() {
            assert!(set.insert(PacketId::new(number).unwrap()));
        }
        assert_eq!((set.len(), set.chunks().len()), (65_535, 1_024));
        assert_eq!(set.free_from(PacketId::MIN), None);
        assert!(set.remove(PacketId::MAX));
        assert_eq!(set.free_from(PacketId::MIN), Some(PacketId::MAX));
        set.clear();
        assert!(set.is_empty() && set.chunks.is_none());
    }
}
