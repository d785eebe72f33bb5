//! What the whole broker has too much of: while it has, nothing is taken in that would have to be kept.

use super::Core;
use super::entries::ENTRY_LEN;
use super::reached::LimitCause;
use std::sync::atomic::{AtomicU8, Ordering};

const QUEUES: u8 = 1;
const MEMORY: u8 = 2;

/// Which totals are passed.
#[derive(Debug, Default)]
pub(crate) struct AtomicStrain(AtomicU8);

impl AtomicStrain {
    /// The limit that is passed, if one is.
    pub(crate) fn cause(&self) -> Option<LimitCause> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            bits if bits & MEMORY != 0 => Some(LimitCause::Memory),
            _ => Some(LimitCause::QueuedBytes),
        }
    }

    /// Whether it is the memory of the process.
    pub(crate) fn is_of_memory(&self) -> bool {
        self.0.load(Ordering::Relaxed) & MEMORY != 0
    }

    /// Passed at `max`, over again at nine tenths of it: it shall not flicker.
    fn note(&self, bit: u8, used: usize, max: usize) {
        let is_passed = self.0.load(Ordering::Relaxed) & bit != 0;
        let line = if is_passed { max - max / 10 } else { max };
        match used >= line {
            true if !is_passed => self.0.fetch_or(bit, Ordering::Relaxed),
            false if is_passed => self.0.fetch_and(!bit, Ordering::Relaxed),
            _ => return,
        };
        let limit = match bit {
            MEMORY => LimitCause::Memory,
            _ => LimitCause::QueuedBytes,
        };
        match is_passed {
            false => tracing::warn!(
                limit = limit.label(),
                used,
                max,
                "limit of the broker passed"
            ),
            true => tracing::info!(limit = limit.label(), used, max, "below the limit again"),
        }
    }
}

impl Core {
    /// All queues together have grown by `bytes`.
    pub(crate) fn note_queued(&self, bytes: i64) {
        self.queued_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.strain
            .note(QUEUES, self.queued_bytes(), self.limits.queued_bytes_max);
    }

    /// Bytes that wait for all sessions, each message once.
    pub(crate) fn queued_bytes(&self) -> usize {
        usize::try_from(self.queued_bytes.load(Ordering::Relaxed)).unwrap_or(0)
    }

    /// Messages that wait in the log alone.
    pub(crate) fn stored_count(&self) -> usize {
        usize::try_from(self.stored.load(Ordering::Relaxed)).unwrap_or(0)
    }

    /// Whether queues take more memory than they should for messages that the log has.
    pub(crate) fn spills(&self) -> bool {
        if self.limits.head_bytes_max.is_none() {
            return false;
        }
        let entries = self.stored.load(Ordering::Relaxed) * ENTRY_LEN;
        let in_memory = self.queued_bytes.load(Ordering::Relaxed) - entries;
        usize::try_from(in_memory).is_ok_and(|bytes| bytes >= self.limits.queue_memory_max)
    }

    /// The process takes `used` bytes of memory.
    pub(crate) fn note_memory(&self, used: usize) {
        if let Some(max) = self.limits.memory_max {
            self.strain.note(MEMORY, used, max);
        }
    }

    /// Sessions without a connection.
    pub(crate) fn offline_count(&self) -> usize {
        self.offline.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_passed_at_its_value_and_left_a_tenth_below() {
        let strain = AtomicStrain::default();
        for (used, passed) in [
            (99, false),
            (100, true),
            (91, true),
            (90, true),
            (89, false),
            (99, false),
        ] {
            strain.note(QUEUES, used, 100);
            assert_eq!(strain.cause().is_some(), passed, "{used}");
            assert!(!strain.is_of_memory());
        }
        strain.note(MEMORY, 5, 5);
        assert!(strain.is_of_memory());
    }
}
