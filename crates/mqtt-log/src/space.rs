//! What the files take, and what happened.

use crate::{disk::u64_of, shared::Shared};
use std::sync::atomic::{AtomicU64, Ordering};

/// What the files take, and what is needed of them.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Space {
    /// All files; unit: bytes.
    pub on_disk: u64,
    /// What they may take; unit: bytes.
    pub len_max: u64,
    /// Segments.
    pub segments: usize,
    /// Records that are held.
    pub held_records: u64,
    /// Bytes of payload of records that are held.
    pub held_len: u64,
    /// There is no room for more segments.
    pub is_full: bool,
    /// The files take 80 % of what they may.
    pub is_alarmed: bool,
}

/// What happened since the log was opened.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// Records appended.
    pub records: u64,
    /// Bytes of payload in them.
    pub payload_len: u64,
    /// Appends that were refused.
    pub refused: u64,
    /// Groups written.
    pub groups: u64,
    /// Bytes written, with everything around the records.
    pub written_len: u64,
    /// Syncs of files.
    pub syncs: u64,
    /// Segments dropped because nothing in them was needed.
    pub dropped_segments: u64,
    /// Segments that took the file of a dropped one.
    pub recycled: u64,
    /// Bytes of records that wait for the disk now.
    pub buffered_len: u64,
    /// Wakers that wait now.
    pub waiting: u64,
}

pub(crate) fn of(shared: &Shared) -> Space {
    let segments = shared.table.read();
    let counters = &shared.counters;
    Space {
        on_disk: counters.on_disk.load(Ordering::Acquire),
        len_max: shared.settings.total_len_max,
        segments: segments.len(),
        held_records: segments.iter().map(|segment| segment.held_records()).sum(),
        held_len: segments.iter().map(|segment| segment.held_len()).sum(),
        is_full: counters.is_full.load(Ordering::Acquire),
        is_alarmed: counters.is_alarmed.load(Ordering::Acquire),
    }
}

pub(crate) fn stats(shared: &Shared) -> Stats {
    let counters = &shared.counters;
    let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let waiting = shared
        .written
        .waiting()
        .saturating_add(shared.synced.waiting());
    Stats {
        records: of(&counters.records),
        payload_len: of(&counters.payload_len),
        refused: of(&counters.refused),
        groups: of(&counters.groups),
        written_len: of(&counters.written_len),
        syncs: of(&counters.syncs),
        dropped_segments: of(&counters.dropped_segments),
        recycled: of(&counters.recycled),
        buffered_len: u64_of(shared.queue().buffered),
        waiting: u64_of(waiting),
    }
}
