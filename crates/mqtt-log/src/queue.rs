//! Records that wait for the disk, in groups, and where the next one will stand.

use crate::{
    AppendError, Entry, Position, Settings,
    disk::u64_of,
    format::{self, GROUP_HEAD_LEN, SECTOR, SEGMENT_HEAD_LEN},
    segment::{Segment, SegmentTable},
};
use std::{collections::VecDeque, sync::Arc, time::Instant};

/// Records that will be written and become durable together.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) segment: Arc<Segment>,
    pub(crate) start: Position,
    /// Room for the head, then the records.
    pub(crate) bytes: Vec<u8>,
    pub(crate) records: u32,
    pub(crate) opened_at: Instant,
}

impl Group {
    fn end(&self) -> Position {
        let records_len = self.bytes.len().saturating_sub(GROUP_HEAD_LEN);
        self.start.plus(u64_of(format::group_len(records_len)))
    }
}

/// Groups that wait, and the place of the next one.
///
/// INVARIANT: groups follow each other without a gap; only the last one may still grow.
#[derive(Debug)]
pub(crate) struct Queue {
    groups: VecDeque<Group>,
    /// The segment of the last group, if it may grow.
    tail: Option<Arc<Segment>>,
    /// Where the next group starts if the last one takes nothing more.
    end: Position,
    /// Bytes of each file set aside for a segment after the tail.
    spares: VecDeque<u64>,
    /// Bytes of records that are not written.
    pub(crate) buffered: usize,
    /// What the writer is writing.
    pub(crate) in_flight: Option<(Position, Arc<Vec<u8>>)>,
    /// Memory of an earlier group.
    pub(crate) memory: Vec<u8>,
    /// Nothing more is taken.
    pub(crate) is_ended: bool,
    /// The writer waits for a first record.
    pub(crate) is_idle: bool,
}

impl Queue {
    pub(crate) fn new(end: Position) -> Self {
        Self {
            groups: VecDeque::new(),
            tail: None,
            end,
            spares: VecDeque::new(),
            buffered: 0,
            in_flight: None,
            memory: Vec::new(),
            is_ended: false,
            is_idle: false,
        }
    }

    /// Appends records that become durable together, or none; tells `placed` each position.
    pub(crate) fn append(
        &mut self,
        settings: &Settings,
        table: &SegmentTable,
        entries: &[(Entry<'_>, u32)],
        mut placed: impl FnMut(Position),
    ) -> Result<(), AppendError> {
        let len = stored_len(entries);
        self.make_place(settings, table, entries, len)?;
        let Some(group) = self.open_group() else {
            return Err(AppendError::DiskFull);
        };
        for (entry, payload_crc) in entries {
            let position = group.start.plus(u64_of(group.bytes.len()));
            let payload_len = entry.payload_len();
            let stored_len = u32::try_from(payload_len).unwrap_or(u32::MAX);
            let form = (entry.kind, entry.version);
            format::put_record(
                &mut group.bytes,
                position,
                form,
                entry.parts,
                stored_len,
                *payload_crc,
            );
            group.records = group.records.saturating_add(1);
            if entry.is_held {
                group.segment.hold(payload_len);
            }
            placed(position);
        }
        self.buffered = self.buffered.saturating_add(len);
        Ok(())
    }

    /// Appends a record of the log itself, which is never refused while there is a segment to put it in.
    pub(crate) fn append_control(&mut self, version: u8, payload: &[u8]) -> Option<Position> {
        let group = self.open_group()?;
        let position = put_control(group, version, payload);
        self.buffered = self
            .buffered
            .saturating_add(payload.len() + format::RECORD_HEAD_LEN);
        Some(position)
    }

    /// A group without records at the end of the tail, which says that everything before it is synced.
    pub(crate) fn append_mark(&mut self) -> bool {
        let fits = self.groups.is_empty() && self.left_in_tail() >= u64_of(SECTOR);
        fits && self.open_group().is_some()
    }

    /// Takes the oldest group that waits.
    pub(crate) fn take(&mut self) -> Option<Group> {
        if self.groups.len() == 1 {
            self.close_group();
        }
        self.groups.pop_front()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Records of the oldest group, and since when it waits.
    pub(crate) fn oldest(&self) -> Option<(u32, Instant)> {
        let group = self.groups.front()?;
        Some((group.records, group.opened_at))
    }

    /// The position after all groups.
    pub(crate) fn end(&self) -> Position {
        self.groups.back().map_or(self.end, Group::end)
    }

    /// Bytes set aside on the disk that nothing was given yet.
    pub(crate) fn room(&self) -> u64 {
        self.spares.iter().fold(self.left_in_tail(), |room, spare| {
            room.saturating_add(*spare)
        })
    }

    /// Another file is set aside.
    pub(crate) fn add_spare(&mut self, capacity: u64) {
        self.spares.push_back(capacity);
    }

    /// Makes sure that there is a segment to write to, if there is room for one.
    pub(crate) fn begin_tail(&mut self, table: &SegmentTable) {
        if self.tail.is_none() {
            // Without room it is tried again when there is.
            let _ = self.next_segment(table, 0);
        }
    }

    /// The bytes from `position` on, if they wait to be written.
    pub(crate) fn bytes_at(&self, position: Position) -> Option<&[u8]> {
        let in_flight = self
            .in_flight
            .iter()
            .map(|(start, bytes)| (*start, bytes.as_slice()));
        let waiting = self
            .groups
            .iter()
            .map(|group| (group.start, group.bytes.as_slice()));
        let mut found = in_flight
            .chain(waiting)
            .filter(|(start, _)| *start <= position)
            .filter_map(|(start, bytes)| bytes.get(usize::try_from(position.since(start)).ok()?..));
        found.find(|bytes| !bytes.is_empty())
    }

    /// Whether `entries` may be appended; moves on to the next segment if this one has no room for them.
    fn make_place(
        &mut self,
        settings: &Settings,
        table: &SegmentTable,
        entries: &[(Entry<'_>, u32)],
        len: usize,
    ) -> Result<(), AppendError> {
        if self.is_ended {
            return Err(AppendError::Ended);
        }
        let len_max = settings.buffer_len_max;
        if len > len_max {
            return Err(AppendError::TooLong { len, len_max });
        }
        let may_use_all = entries.iter().any(|(entry, _)| entry.is_freeing);
        let factor = if may_use_all { 2 } else { 1 };
        if self.buffered.saturating_add(len) > len_max.saturating_mul(factor) {
            return Err(AppendError::BufferFull);
        }
        let needed = u64_of(format::group_len(len));
        let left = self.left_in_tail();
        let kept_back = if may_use_all { 0 } else { settings.headroom() };
        if self.room() < needed.saturating_add(kept_back) {
            return Err(AppendError::DiskFull);
        }
        match left < needed {
            true => self.next_segment(table, needed),
            false => Ok(()),
        }
    }

    /// Bytes of the tail that nothing was given yet.
    fn left_in_tail(&self) -> u64 {
        let tail = self.tail.as_ref();
        tail.map_or(0, |tail| {
            tail.capacity.saturating_sub(self.end().since(tail.base))
        })
    }

    /// Ends the tail and begins a segment whose first record lists all others.
    fn next_segment(&mut self, table: &SegmentTable, needed: u64) -> Result<(), AppendError> {
        let mut segments = table.write();
        let list_len = segments
            .len()
            .saturating_mul(16)
            .saturating_add(SEGMENT_HEAD_LEN + SECTOR);
        let fits = |spare: &&u64| **spare >= needed.saturating_add(u64_of(list_len));
        let spare = self.spares.front().filter(fits);
        let capacity = *spare.ok_or(AppendError::DiskFull)?;
        self.spares.pop_front();
        self.close_group();
        if let Some(tail) = &self.tail {
            tail.seal(self.end);
        }
        let mut list = Vec::new();
        for segment in segments.iter() {
            let end = segment.end().unwrap_or(self.end);
            list.extend_from_slice(&segment.base.number().to_le_bytes());
            list.extend_from_slice(&end.number().to_le_bytes());
        }
        let segment = Arc::new(Segment::new(self.end, capacity));
        segments.push(segment.clone());
        drop(segments);
        self.end = self.end.plus(u64_of(SEGMENT_HEAD_LEN));
        self.tail = Some(segment);
        self.append_control(format::CONTROL_SEGMENTS, &list);
        Ok(())
    }

    /// The group that takes records, begun if there is none; `None` without a segment to put it in.
    fn open_group(&mut self) -> Option<&mut Group> {
        let tail = self.tail.as_ref()?;
        let is_open = self
            .groups
            .back()
            .is_some_and(|group| Arc::ptr_eq(&group.segment, tail));
        if !is_open {
            let mut bytes = std::mem::take(&mut self.memory);
            bytes.clear();
            bytes.resize(GROUP_HEAD_LEN, 0);
            self.groups.push_back(Group {
                segment: tail.clone(),
                start: self.end,
                bytes,
                records: 0,
                opened_at: Instant::now(),
            });
        }
        self.groups.back_mut()
    }

    /// Fixes where the last group ends.
    fn close_group(&mut self) {
        self.end = self.end();
    }
}

fn put_control(group: &mut Group, version: u8, payload: &[u8]) -> Position {
    let position = group.start.plus(u64_of(group.bytes.len()));
    let crc = format::crc_of(&[payload]);
    let len = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let form = (format::CONTROL, version);
    format::put_record(&mut group.bytes, position, form, &[payload], len, crc);
    group.records = group.records.saturating_add(1);
    position
}

fn stored_len(entries: &[(Entry<'_>, u32)]) -> usize {
    entries.iter().fold(0, |len: usize, (entry, _)| {
        len.saturating_add(entry.stored_len())
    })
}
