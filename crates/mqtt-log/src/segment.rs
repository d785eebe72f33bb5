//! Which segments there are, and how much of each is still needed.

use crate::{
    Position,
    disk::{DiskFile, u64_of},
};
use std::sync::{
    Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

/// One segment of the log.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) base: Position,
    /// How far it may grow; unit: bytes.
    pub(crate) capacity: u64,
    /// Where it ends; `u64::MAX` while it may grow.
    end: AtomicU64,
    /// Set once the file is there.
    pub(crate) file: OnceLock<Arc<dyn DiskFile>>,
    /// Length of the file; unit: bytes.
    pub(crate) file_len: AtomicU64,
    held_records: AtomicU64,
    held_len: AtomicU64,
    /// Its bytes may be those of another segment by now.
    pub(crate) is_dropped: AtomicBool,
}

impl Segment {
    pub(crate) fn new(base: Position, capacity: u64) -> Self {
        Self {
            base,
            capacity,
            end: AtomicU64::new(u64::MAX),
            file: OnceLock::new(),
            file_len: AtomicU64::new(0),
            held_records: AtomicU64::new(0),
            held_len: AtomicU64::new(0),
            is_dropped: AtomicBool::new(false),
        }
    }

    /// The name of its file.
    pub(crate) fn name(&self) -> String {
        segment_name(self.base)
    }

    /// Where it ends; `None` while it may grow.
    pub(crate) fn end(&self) -> Option<Position> {
        let end = self.end.load(Ordering::Acquire);
        (end != u64::MAX).then(|| Position::new(end))
    }

    pub(crate) fn seal(&self, end: Position) {
        self.end.store(end.number(), Ordering::Release);
    }

    pub(crate) fn hold(&self, len: usize) {
        self.held_records.fetch_add(1, Ordering::AcqRel);
        self.held_len.fetch_add(u64_of(len), Ordering::AcqRel);
    }

    /// Gives one record back; says whether it was the last.
    pub(crate) fn release(&self, len: usize) -> bool {
        let less = |by: u64| move |held: u64| Some(held.saturating_sub(by));
        let (set, fetch) = (Ordering::AcqRel, Ordering::Acquire);
        let _ = self.held_len.fetch_update(set, fetch, less(u64_of(len)));
        let before = self.held_records.fetch_update(set, fetch, less(1));
        before.is_ok_and(|held| held <= 1)
    }

    pub(crate) fn held_records(&self) -> u64 {
        self.held_records.load(Ordering::Acquire)
    }

    pub(crate) fn held_len(&self) -> u64 {
        self.held_len.load(Ordering::Acquire)
    }
}

/// All segments, in order.
#[derive(Debug, Default)]
pub(crate) struct SegmentTable(RwLock<Vec<Arc<Segment>>>);

impl SegmentTable {
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Vec<Arc<Segment>>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, Vec<Arc<Segment>>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The segment with this position.
    pub(crate) fn find(&self, position: Position) -> Option<Arc<Segment>> {
        let segments = self.read();
        find_in(&segments, position).cloned()
    }
}

/// The segment with this position among segments in order.
pub(crate) fn find_in(segments: &[Arc<Segment>], position: Position) -> Option<&Arc<Segment>> {
    let after = segments.partition_point(|segment| segment.base <= position);
    let segment = segments.get(after.checked_sub(1)?)?;
    let is_inside = segment.end().is_none_or(|end| position < end);
    is_inside.then_some(segment)
}

const SEGMENT_SUFFIX: &str = ".seg";
const SPARE_SUFFIX: &str = ".spare";

/// The file of the segment with this base.
pub(crate) fn segment_name(base: Position) -> String {
    format!("{:016x}{SEGMENT_SUFFIX}", base.number())
}

/// The base of the segment in the file with this name, if it is one.
pub(crate) fn segment_base(name: &str) -> Option<Position> {
    let digits = name.strip_suffix(SEGMENT_SUFFIX)?;
    let number = u64::from_str_radix(digits, 16).ok()?;
    let base = Position::new(number);
    (segment_name(base) == name).then_some(base)
}

/// A file that waits to become a segment.
pub(crate) fn spare_name(number: u64) -> String {
    format!("{number:016x}{SPARE_SUFFIX}")
}

/// The number of the spare file with this name, if it is one.
pub(crate) fn spare_number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(SPARE_SUFFIX)?;
    u64::from_str_radix(digits, 16).ok()
}
