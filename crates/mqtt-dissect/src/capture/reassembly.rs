//! One direction of a TCP connection put in order.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::dissector::as_u64;

/// How many segments are held: of captures that leave out what segments carry, each is without a byte.
const HELD_MAX: usize = 16_384;

/// What comes next of a direction.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Piece {
    Bytes(Vec<u8>),
    /// So many bytes are not in the capture.
    Gap(u64),
}

/// A segment that waits for those in front of it.
#[derive(Debug)]
struct Held {
    bytes: Vec<u8>,
    /// What the capture left out behind it.
    missing: u64,
}

/// Puts segments in order; of bytes that come more than once the first are taken.
#[derive(Debug)]
pub(super) struct Reassembly {
    /// The sequence number that comes next; `None` before the first segment.
    next_seq: Option<u32>,
    /// How many bytes there were before it. Unit: bytes.
    offset: u64,
    /// By where they start.
    held: BTreeMap<u64, Held>,
    held_len: usize,
    held_len_max: usize,
    repeated: u64,
}

impl Reassembly {
    pub(super) const fn new(held_len_max: usize) -> Self {
        Self {
            next_seq: None,
            offset: 0,
            held: BTreeMap::new(),
            held_len: 0,
            held_len_max,
            repeated: 0,
        }
    }

    /// Whether any segment was there.
    pub(super) const fn has_begun(&self) -> bool {
        self.next_seq.is_some()
    }

    /// Whether a connection that begins with `seq` is another one than this.
    pub(super) fn is_another(&self, seq: u32) -> bool {
        let first = self
            .next_seq
            .map(|next| next.wrapping_sub(low_bits(self.offset)));
        first.is_some_and(|first| first != seq.wrapping_add(1))
    }

    /// Bytes that came more than once.
    pub(super) const fn repeated(&self) -> u64 {
        self.repeated
    }

    /// Takes a segment and gives what is in order now. `seq` is that of its first byte.
    pub(super) fn take(&mut self, seq: u32, bytes: &[u8], missing: u64, pieces: &mut Vec<Piece>) {
        let next_seq = *self.next_seq.get_or_insert(seq);
        if bytes.is_empty() && missing == 0 {
            return;
        }
        let ahead = seq.wrapping_sub(next_seq);
        let behind = next_seq.wrapping_sub(seq);
        if ahead > 1 << 31 {
            // It begins in front of what comes next: a repetition, perhaps with more behind it.
            let known = usize::try_from(behind).unwrap_or(usize::MAX);
            let len = bytes.len();
            self.repeated += as_u64(known.min(len));
            match bytes.split_at_checked(known) {
                Some((_, new)) if !new.is_empty() || missing > 0 => {
                    self.give(new, missing, pieces);
                }
                _ => {}
            }
        } else if ahead == 0 {
            self.give(bytes, missing, pieces);
        } else {
            self.hold(self.offset + u64::from(ahead), bytes, missing);
        }
        self.release(pieces);
        while self.held_len > self.held_len_max || self.held.len() > HELD_MAX {
            self.give_up(pieces);
        }
    }

    /// Gives all that is held, with the gaps between.
    pub(super) fn finish(&mut self, pieces: &mut Vec<Piece>) {
        while !self.held.is_empty() {
            self.give_up(pieces);
        }
    }

    fn give(&mut self, bytes: &[u8], missing: u64, pieces: &mut Vec<Piece>) {
        if !bytes.is_empty() {
            pieces.push(Piece::Bytes(bytes.to_vec()));
        }
        if missing > 0 {
            pieces.push(Piece::Gap(missing));
        }
        self.advance(as_u64(bytes.len()) + missing);
    }

    fn advance(&mut self, len: u64) {
        self.offset += len;
        self.next_seq = self.next_seq.map(|next| next.wrapping_add(low_bits(len)));
    }

    fn hold(&mut self, offset: u64, bytes: &[u8], missing: u64) {
        let held = Held {
            bytes: bytes.to_vec(),
            missing,
        };
        match self.held.entry(offset) {
            Entry::Vacant(entry) => {
                self.held_len += bytes.len();
                entry.insert(held);
            }
            Entry::Occupied(mut entry) if entry.get().bytes.len() < bytes.len() => {
                self.repeated += as_u64(entry.get().bytes.len());
                self.held_len += bytes.len() - entry.get().bytes.len();
                entry.insert(held);
            }
            Entry::Occupied(_) => self.repeated += as_u64(bytes.len()),
        }
    }

    /// Gives what has come into reach.
    fn release(&mut self, pieces: &mut Vec<Piece>) {
        while let Some(entry) = self.held.first_entry() {
            if *entry.key() > self.offset {
                return;
            }
            let (offset, held) = entry.remove_entry();
            self.held_len -= held.bytes.len();
            let known = usize::try_from(self.offset - offset).unwrap_or(usize::MAX);
            self.repeated += as_u64(known.min(held.bytes.len()));
            match held.bytes.get(known..) {
                Some(new) => {
                    let new = new.to_vec();
                    self.give(&new, held.missing, pieces);
                }
                None => {
                    let end = offset + as_u64(held.bytes.len()) + held.missing;
                    let missing = end.saturating_sub(self.offset);
                    self.give(&[], missing, pieces);
                }
            }
        }
    }

    /// Gives up the bytes in front of the first that is held.
    fn give_up(&mut self, pieces: &mut Vec<Piece>) {
        let Some((offset, _)) = self.held.first_key_value() else {
            return;
        };
        let missing = offset.saturating_sub(self.offset);
        self.give(&[], missing, pieces);
        self.release(pieces);
    }
}

/// What sequence numbers count of a length.
fn low_bits(len: u64) -> u32 {
    u32::try_from(len & u64::from(u32::MAX)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(pieces: &[Piece]) -> (Vec<u8>, u64) {
        let mut bytes = Vec::new();
        let mut missing = 0;
        for piece in pieces {
            match piece {
                Piece::Bytes(more) => bytes.extend(more),
                Piece::Gap(len) => missing += len,
            }
        }
        (bytes, missing)
    }

    fn run(held_len_max: usize, segments: &[(u32, &[u8])]) -> (Vec<u8>, u64, u64) {
        let mut reassembly = Reassembly::new(held_len_max);
        let mut pieces = Vec::new();
        for (seq, bytes) in segments {
            reassembly.take(*seq, bytes, 0, &mut pieces);
        }
        reassembly.finish(&mut pieces);
        let (bytes, missing) = joined(&pieces);
        (bytes, missing, reassembly.repeated())
    }

    #[test]
    fn segments_are_put_in_order() {
        let whole = (b"abcdef".to_vec(), 0, 0);
        assert_eq!(run(100, &[(10, b"ab"), (14, b"ef"), (12, b"cd")]), whole);
        // Sequence numbers go round.
        let near_end = u32::MAX - 1;
        assert_eq!(
            run(100, &[(near_end, b"abc"), (3, b"f"), (1, b"de")]),
            whole
        );
    }

    #[test]
    fn what_comes_again_is_taken_once() {
        let segments: &[(u32, &[u8])] = &[
            (10, b"abc"),
            (10, b"abc"),
            (12, b"cde"),
            (14, b"ef"),
            (13, b"def"),
        ];
        assert_eq!(run(100, segments), (b"abcdef".to_vec(), 0, 3 + 1 + 1 + 3));
        // Overlap among what is held.
        let segments: &[(u32, &[u8])] =
            &[(10, b"a"), (12, b"cd"), (13, b"de"), (12, b"c"), (11, b"b")];
        assert_eq!(run(100, segments).0, b"abcde");
    }

    #[test]
    fn segments_without_bytes_are_not_held_for_ever() {
        let mut reassembly = Reassembly::new(100);
        let mut pieces = Vec::new();
        reassembly.take(0, b"a", 0, &mut pieces);
        // The one behind it is lost, and of all others the capture has only the length.
        for seq in (3..).step_by(2).take(3 * HELD_MAX) {
            reassembly.take(seq, b"", 2, &mut pieces);
            assert!(reassembly.held.len() <= HELD_MAX);
        }
        let sum: u64 = joined(&pieces).1 + 1;
        assert_eq!(sum, reassembly.offset);
        assert!(sum > 2 * 2 * as_u64(HELD_MAX));
    }

    #[test]
    fn what_is_missing_is_said() {
        assert_eq!(
            run(100, &[(10, b"ab"), (15, b"f")]),
            (b"abf".to_vec(), 3, 0)
        );
        // Too much is held: what is in front of it is given up.
        let held = run(3, &[(10, b"a"), (13, b"de"), (16, b"gh"), (11, b"bc")]);
        assert_eq!(held, (b"adegh".to_vec(), 3, 2));
    }
}
