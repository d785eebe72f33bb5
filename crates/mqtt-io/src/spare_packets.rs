//! Memory of large packets, for others: one thread's, so that no lock is needed.
//!
//! A large block goes back to the system when it is freed, and comes from there page by page when it is asked for
//! again, which costs more than reading a packet into it.

use bytes::{Bytes, BytesMut};
use std::cell::Cell;

/// Packets whose memory is kept, at most.
const PACKETS_MAX: usize = 64;
/// Bytes of memory kept, at most.
const BYTES_MAX: usize = 4 * 1024 * 1024;
/// Less is left to the allocator.
const LEN_MIN: usize = 32 * 1024;
/// More too.
const LEN_MAX: usize = 1024 * 1024 + 64 * 1024;

thread_local! {
    static SPARE: Cell<SparePackets> = const { Cell::new(SparePackets::new()) };
}

/// Packets that may still be in use elsewhere, the youngest last.
struct SparePackets {
    packets: Vec<SparePacket>,
    /// INVARIANT: the capacity of all `packets` together.
    len: usize,
}

struct SparePacket {
    packet: Bytes,
    /// Bytes that there is room for in its memory.
    capacity: usize,
}

impl SparePackets {
    const fn new() -> Self {
        Self {
            packets: Vec::new(),
            len: 0,
        }
    }

    fn give(&mut self, packet: Bytes, capacity: usize) {
        self.len += capacity;
        self.packets.push(SparePacket { packet, capacity });
        while self.packets.len() > PACKETS_MAX || self.len > BYTES_MAX {
            self.len -= self.packets.remove(0).capacity;
        }
    }

    /// The youngest that nobody uses any more: its memory is the likeliest to be in the processor's cache.
    fn take(&mut self, len: usize) -> Option<BytesMut> {
        let at = self.packets.iter().rposition(|spare| {
            let fits = (len..=len + len / 8).contains(&spare.capacity);
            fits && spare.packet.is_unique()
        })?;
        let SparePacket { packet, capacity } = self.packets.remove(at);
        self.len -= capacity;
        let mut memory = packet.try_into_mut().ok()?;
        memory.clear();
        Some(memory)
    }
}

impl Default for SparePackets {
    fn default() -> Self {
        Self::new()
    }
}

/// Memory for a packet of `len` bytes that another one has left, not much larger.
pub(crate) fn take(len: usize) -> Option<BytesMut> {
    if !(LEN_MIN..=LEN_MAX).contains(&len) {
        return None;
    }
    let mut spare = SPARE.take();
    let taken = spare.take(len);
    SPARE.set(spare);
    taken
}

/// Keeps the memory of `packet`, which has room for `capacity` bytes, for when all who have it are done with it.
pub(crate) fn give(packet: Bytes, capacity: usize) {
    if (LEN_MIN..=LEN_MAX).contains(&capacity) {
        let mut spare = SPARE.take();
        spare.give(packet, capacity);
        SPARE.set(spare);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(len: usize) -> Bytes {
        Bytes::from(vec![1; len])
    }

    #[test]
    fn memory_is_taken_again_when_nobody_has_the_packet() {
        let mut spare = SparePackets::new();
        let first = packet(LEN_MIN);
        spare.give(first.clone(), LEN_MIN);
        assert!(spare.take(LEN_MIN).is_none(), "it is still in use");
        drop(first);
        assert!(spare.take(LEN_MIN / 2).is_none(), "it is much too large");
        assert!(spare.take(LEN_MIN + 1).is_none(), "it is too small");
        let memory = spare.take(LEN_MIN - 100).unwrap();
        assert!(memory.is_empty() && memory.capacity() >= LEN_MIN);
        assert_eq!((spare.packets.len(), spare.len), (0, 0));
    }

    #[test]
    fn neither_many_nor_long_packets_keep_more_than_the_bound() {
        let mut spare = SparePackets::new();
        for len in [LEN_MIN, LEN_MAX, 3 * LEN_MIN].repeat(100) {
            spare.give(packet(len), len);
            assert!(spare.packets.len() <= PACKETS_MAX && spare.len <= BYTES_MAX);
            let sum: usize = spare.packets.iter().map(|spare| spare.capacity).sum();
            assert_eq!(sum, spare.len);
        }
        assert!(spare.len > BYTES_MAX / 2);
    }
}
