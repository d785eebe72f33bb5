//! Records read back by position.

use crate::{
    Log, Position, ReadError, Record,
    disk::{self, u64_of},
    format::{RECORD_HEAD_LEN, StoredHead},
    segment::Segment,
};
use std::sync::{Arc, atomic::Ordering};

/// Bytes read at once for records that stand near each other.
const BATCH_LEN: usize = 256 << 10;
/// Bytes between two records that are read along rather than asked for again.
const GAP_LEN_MAX: u64 = 16 << 10;

impl Log {
    /// Reads the record at `position` into `memory`, also if it is not written yet.
    ///
    /// With `payload_len` at least as long as the payload the disk is asked once, else twice.
    ///
    /// # Errors
    /// [`ReadError`]: no record stands there any more, it is damaged, or the system answers with an error.
    pub fn read<'a>(
        &self,
        position: Position,
        payload_len: usize,
        memory: &'a mut Vec<u8>,
    ) -> Result<Record<'a>, ReadError> {
        let is_waiting = position >= self.written();
        if !(is_waiting && self.copy_waiting(position, memory)) {
            let segment = self.segment_of(position)?;
            self.read_stored(&segment, position, payload_len, memory)?;
        }
        parse(position, memory).ok_or(ReadError::Gone)
    }

    /// Reads the records at `positions`, which must grow, and gives each to `visitor`; returns how many it took.
    ///
    /// Records near each other are read at once. `visitor` answers whether it takes another one. With `payload_len` at
    /// least as long as most payloads the disk is asked least.
    ///
    /// # Errors
    /// As [`Log::read`], for the first record that cannot be read; `visitor` has had those before it.
    pub fn read_batch(
        &self,
        positions: &[Position],
        payload_len: usize,
        mut visitor: impl FnMut(Record<'_>) -> bool,
    ) -> Result<usize, ReadError> {
        let (mut chunk, mut chunk_at) = (Vec::new(), Position::ZERO);
        let mut taken = 0;
        for (index, position) in positions.iter().enumerate() {
            let record = if let Some(record) = find(&chunk, chunk_at, *position) {
                record
            } else {
                let ahead = positions.get(index..).unwrap_or_default();
                let len = batch_len(ahead, payload_len);
                self.fill(*position, len, payload_len, &mut chunk)?;
                chunk_at = *position;
                find(&chunk, chunk_at, *position).ok_or(ReadError::Gone)?
            };
            taken = index.saturating_add(1);
            if !visitor(record) {
                break;
            }
        }
        Ok(taken)
    }

    /// Fills `chunk` with about `len` bytes from `position` on; the record there is whole and checked.
    fn fill(
        &self,
        position: Position,
        len: usize,
        payload_len: usize,
        chunk: &mut Vec<u8>,
    ) -> Result<(), ReadError> {
        if position >= self.written() && self.copy_waiting(position, chunk) {
            return Ok(());
        }
        let segment = self.segment_of(position)?;
        self.read_stored(&segment, position, len.max(payload_len), chunk)
    }

    /// Copies what waits to be written from `position` on: one record.
    fn copy_waiting(&self, position: Position, memory: &mut Vec<u8>) -> bool {
        let queue = self.shared.queue();
        let Some(bytes) = queue.bytes_at(position) else {
            return false;
        };
        let Some(head) = StoredHead::decode(bytes) else {
            return false;
        };
        let record = bytes.get(..head.len.saturating_add(RECORD_HEAD_LEN));
        memory.clear();
        memory.extend_from_slice(record.unwrap_or_default());
        record.is_some()
    }

    fn segment_of(&self, position: Position) -> Result<Arc<Segment>, ReadError> {
        self.shared.table.find(position).ok_or(ReadError::Gone)
    }

    /// Reads at least the record at `position`, and up to `len` bytes of payload and what follows.
    fn read_stored(
        &self,
        segment: &Segment,
        position: Position,
        len: usize,
        memory: &mut Vec<u8>,
    ) -> Result<(), ReadError> {
        let offset = position.since(segment.base);
        let file = segment.file.get().ok_or(ReadError::Gone)?;
        let read = |memory: &mut Vec<u8>, len: usize| {
            memory.resize(len, 0);
            let filled = disk::read_full(&**file, memory, offset);
            let filled = filled.map_err(|source| ReadError::Io {
                file: self.shared.disk.path(&segment.name()),
                source,
            })?;
            memory.truncate(filled);
            Ok(())
        };
        read(memory, len.saturating_add(RECORD_HEAD_LEN))?;
        let needed =
            StoredHead::decode(memory).map(|head| head.len.saturating_add(RECORD_HEAD_LEN));
        // A length that is longer than the file is damaged.
        let is_possible =
            |needed: &usize| u64_of(*needed) <= segment.file_len.load(Ordering::Acquire);
        if let Some(needed) = needed
            .filter(|needed| *needed > memory.len())
            .filter(is_possible)
        {
            read(memory, needed)?;
        }
        if find(memory, position, position).is_some() {
            return Ok(());
        }
        // The file may be that of another segment by now, which is no damage.
        if segment.is_dropped.load(Ordering::Acquire) {
            return Err(ReadError::Gone);
        }
        Err(ReadError::Damaged {
            file: self.shared.disk.path(&segment.name()),
            offset,
        })
    }
}

/// Bytes of payload to read from the first of `positions` on, so that those near it come along.
fn batch_len(positions: &[Position], payload_len: usize) -> usize {
    let Some(first) = positions.first() else {
        return payload_len;
    };
    let gap_max = GAP_LEN_MAX.saturating_add(u64_of(payload_len));
    let mut last = *first;
    for position in positions {
        let is_near =
            position.since(last) <= gap_max && position.since(*first) <= u64_of(BATCH_LEN);
        if !is_near {
            break;
        }
        last = *position;
    }
    let span = usize::try_from(last.since(*first)).unwrap_or(BATCH_LEN);
    span.saturating_add(payload_len)
}

/// The checked record at `position` in bytes that start at `start`.
fn find(bytes: &[u8], start: Position, position: Position) -> Option<Record<'_>> {
    if position < start {
        return None;
    }
    let at = usize::try_from(position.since(start)).ok()?;
    parse(position, bytes.get(at..)?)
}

/// The checked record at the start of `bytes`.
fn parse(position: Position, bytes: &[u8]) -> Option<Record<'_>> {
    let head = StoredHead::decode(bytes)?;
    let payload = bytes.get(RECORD_HEAD_LEN..)?.get(..head.len)?;
    head.matches(position, payload).then_some(Record {
        position,
        kind: head.kind,
        version: head.version,
        payload,
    })
}
