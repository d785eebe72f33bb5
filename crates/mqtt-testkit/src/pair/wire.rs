//! One direction of a simulated connection: bytes that arrive in order, late, and in pieces of any size.

use std::collections::VecDeque;

/// Bytes under way.
#[derive(Debug, Default)]
pub(super) struct Wire {
    /// When each part arrives, in milliseconds, in order.
    parts: VecDeque<(u64, Vec<u8>)>,
    /// Whether what is written still gets through.
    is_open: bool,
}

impl Wire {
    /// A new connection; what was under way on the old one is gone.
    pub(super) fn open(&mut self) {
        self.parts.clear();
        self.is_open = true;
    }

    pub(super) const fn is_open(&self) -> bool {
        self.is_open
    }

    /// Cuts the connection behind the next `keep` bytes; how many bytes that takes away.
    pub(super) fn cut(&mut self, keep: usize) -> usize {
        self.is_open = false;
        let mut left = keep;
        let mut lost = 0;
        for (_, bytes) in &mut self.parts {
            let stays = bytes.len().min(left);
            lost += bytes.len() - stays;
            bytes.truncate(stays);
            left -= stays;
        }
        self.parts.retain(|(_, bytes)| !bytes.is_empty());
        lost
    }

    /// Sends `bytes` to arrive at `due_ms`, but not before what was sent earlier.
    pub(super) fn push(&mut self, due_ms: u64, bytes: Vec<u8>) {
        if self.is_open && !bytes.is_empty() {
            let earlier = self.parts.back().map_or(0, |(due_ms, _)| *due_ms);
            self.parts.push_back((due_ms.max(earlier), bytes));
        }
    }

    /// Bytes under way.
    pub(super) fn len(&self) -> usize {
        self.parts.iter().map(|(_, bytes)| bytes.len()).sum()
    }

    /// When the next byte arrives, in milliseconds.
    pub(super) fn next_due_ms(&self) -> Option<u64> {
        self.parts.front().map(|(due_ms, _)| *due_ms)
    }

    /// Takes up to `len_max` of the bytes that have arrived at `now_ms`.
    pub(super) fn take(&mut self, now_ms: u64, len_max: usize) -> Vec<u8> {
        let mut taken = Vec::new();
        while let Some((due_ms, bytes)) = self.parts.front_mut() {
            if *due_ms > now_ms || taken.len() == len_max {
                break;
            }
            let count = bytes.len().min(len_max - taken.len());
            taken.extend(bytes.drain(..count));
            if bytes.is_empty() {
                self.parts.pop_front();
            }
        }
        taken
    }
}
