//! `WriteGates`: which of the encoded bytes may leave.

use alloc::collections::VecDeque;

/// Lengths of encoded bytes in their order, each behind the barrier it waits for.
///
/// Bytes cannot overtake each other on a stream, so a closed barrier holds all behind it. There is one entry for
/// each barrier that is not durable yet; the bytes themselves are the driver's, and so is their bound.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WriteGates<B> {
    /// INVARIANT: barriers ascend, no length is 0.
    ranges: VecDeque<(usize, B)>,
}

impl<B> Default for WriteGates<B> {
    fn default() -> Self {
        Self::new()
    }
}

impl<B> WriteGates<B> {
    /// No bytes; allocates nothing.
    pub const fn new() -> Self {
        Self {
            ranges: VecDeque::new(),
        }
    }

    /// Forgets all: the Network Connection is gone.
    pub fn clear(&mut self) {
        self.ranges.clear();
    }

    /// Whether all bytes have been written.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }
}

impl<B: Copy + Ord> WriteGates<B> {
    /// `len` more bytes were encoded and wait for `barrier`.
    pub fn push(&mut self, len: usize, barrier: B) {
        match self.ranges.back_mut() {
            _ if len == 0 => {}
            // A barrier that went back, as after a restore, waits for what is before it all the same.
            Some((last, before)) if *before >= barrier => *last += len,
            _ => self.ranges.push_back((len, barrier)),
        }
    }

    /// How many of the first bytes may leave now that everything up to `durable` is.
    pub fn open_len(&self, durable: B) -> usize {
        let open = self.ranges.iter().take_while(|(_, b)| *b <= durable);
        open.map(|(len, _)| len).sum()
    }

    /// The barrier the first bytes wait for.
    pub fn next_barrier(&self) -> Option<B> {
        self.ranges.front().map(|(_, barrier)| *barrier)
    }

    /// The first `len` bytes were written.
    pub fn written(&mut self, len: usize) {
        let mut left = len;
        while let Some((first, _)) = self.ranges.front_mut() {
            let gone = left.min(*first);
            *first -= gone;
            left -= gone;
            if *first > 0 {
                return;
            }
            self.ranges.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_wait_for_their_barrier_and_for_those_before_them() {
        let mut gates = WriteGates::new();
        for (len, barrier) in [(3, 1), (2, 1), (0, 9), (4, 5), (1, 4)] {
            gates.push(len, barrier);
        }
        assert_eq!(
            [0, 1, 4, 5].map(|durable| gates.open_len(durable)),
            [0, 5, 5, 10]
        );
        gates.written(4);
        assert_eq!((gates.open_len(1), gates.next_barrier()), (1, Some(1)));
        gates.written(3);
        assert_eq!((gates.open_len(4), gates.open_len(5)), (0, 3));
        assert_eq!(gates.next_barrier(), Some(5));
        gates.written(3);
        assert!(gates.is_empty());
        assert_eq!(gates.next_barrier(), None);
    }

    #[test]
    fn a_lost_connection_leaves_nothing_to_wait_for() {
        let mut gates = WriteGates::new();
        gates.push(1, 7);
        gates.clear();
        assert_eq!((gates.is_empty(), gates.open_len(7)), (true, 0));
    }
}
