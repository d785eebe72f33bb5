//! Giving back segments that only few records keep.

use crate::{
    AppendError, Entry, Log, Position, ReadError, Record, disk::u64_of, format::SEGMENT_HEAD_LEN,
    scan::Scanner, segment::Segment,
};
use std::{num::NonZeroU8, sync::atomic::Ordering};

/// A segment that takes no more records.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct SegmentInfo {
    /// Where it starts, which names it.
    pub base: Position,
    /// Where it ends.
    pub end: Position,
    /// Records in it that are held.
    pub held_records: u64,
    /// Bytes of payload of those.
    pub held_len: u64,
}

/// What a compaction did.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Compacted {
    /// Records that stand at a new place.
    pub records: u64,
    /// Bytes of their payload.
    pub len: u64,
}

/// Why a compaction ended early; what was moved until then is moved, the rest is where it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompactError {
    /// A record could not be appended again.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The segment could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl Log {
    /// The segment that is kept by the least, if that is less than a quarter of what a segment has room for.
    ///
    /// Only segments that a checkpoint covers: others are needed for replay whatever is held of them.
    pub fn sparse_segment(&self) -> Option<SegmentInfo> {
        let replay_from = Position::new(self.shared.replay_from.load(Ordering::Acquire));
        let sparse_len = self.shared.settings.segment_len / 4;
        let segments = self.shared.table.read();
        segments
            .iter()
            .filter_map(|segment| info(segment))
            .filter(|info| info.end <= replay_from && info.held_records > 0)
            .filter(|info| info.held_len < sparse_len)
            .min_by_key(|info| info.held_len)
    }

    /// Appends the needed records of the segment at `base` again, so that it can be dropped.
    ///
    /// `is_needed` is asked for each record; one that is appended again is held at its new place, and `moved` is told
    /// old and new position and answers whether it is still needed. The old place is released, or else the new one.
    /// Replay may show both, and the new one after records that were younger: order and identity belong into the payload.
    /// Reads the disk, so it is nothing for a thread that must not wait.
    ///
    /// # Errors
    /// [`CompactError`]; called again it goes on where it ended.
    pub fn compact(
        &self,
        base: Position,
        mut is_needed: impl FnMut(&Record<'_>) -> bool,
        mut moved: impl FnMut(Position, Position) -> bool,
    ) -> Result<Compacted, CompactError> {
        let segment = self.shared.table.find(base).ok_or(ReadError::Gone)?;
        let (Some(end), Some(file)) = (segment.end(), segment.file.get()) else {
            return Err(ReadError::Gone.into());
        };
        let fail = |source| ReadError::Io {
            file: self.shared.disk.path(&segment.name()),
            source,
        };
        let mut compacted = Compacted::default();
        let offset = u64_of(SEGMENT_HEAD_LEN);
        let mut scanner = Scanner::new(&**file, segment.base, offset).map_err(fail)?;
        while scanner.position() < end {
            let offset = scanner.offset;
            let Some(group) = scanner.next_group().map_err(fail)? else {
                return Err(self.unreadable(&segment, offset).into());
            };
            for record in group.records() {
                let Some(kind) = NonZeroU8::new(record.kind).filter(|_| is_needed(&record)) else {
                    continue;
                };
                let parts = [record.payload];
                let entry = Entry::new(kind, &parts).version(record.version);
                let new = self.append(entry.held().freeing())?;
                let len = record.payload.len();
                let released = if moved(record.position, new) {
                    record.position
                } else {
                    new
                };
                self.release(released, len);
                compacted.records = compacted.records.saturating_add(1);
                compacted.len = compacted.len.saturating_add(u64_of(len));
            }
        }
        Ok(compacted)
    }

    /// Why there is no whole group where one was.
    fn unreadable(&self, segment: &Segment, offset: u64) -> ReadError {
        match segment.is_dropped.load(Ordering::Acquire) {
            true => ReadError::Gone,
            false => ReadError::Damaged {
                file: self.shared.disk.path(&segment.name()),
                offset,
            },
        }
    }
}

fn info(segment: &Segment) -> Option<SegmentInfo> {
    Some(SegmentInfo {
        base: segment.base,
        end: segment.end()?,
        held_records: segment.held_records(),
        held_len: segment.held_len(),
    })
}
