//! Walking through the groups of a segment file.

use crate::{
    Position, Record,
    disk::{self, DiskFile, u64_of},
    format::{self, GROUP_HEAD_LEN, GroupHead, RECORD_HEAD_LEN, SECTOR, StoredHead},
};
use std::io;

/// Bytes read at a time.
const CHUNK_LEN: usize = 1 << 20;

/// Reads a segment file from front to back.
#[derive(Debug)]
pub(crate) struct Scanner<'a> {
    file: &'a dyn DiskFile,
    base: Position,
    file_len: u64,
    /// Where the next group is looked for in the file.
    pub(crate) offset: u64,
    chunk: Vec<u8>,
    chunk_at: u64,
}

/// A whole group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WholeGroup<'a> {
    pub(crate) head: GroupHead,
    pub(crate) bytes: &'a [u8],
}

/// What stands at a place.
#[derive(Debug)]
pub(crate) enum Place<'a> {
    /// A group with its commit mark.
    Whole(WholeGroup<'a>),
    /// The head of a group whose rest is damaged or missing.
    Damaged(GroupHead),
    /// Nothing that was written as a group for this place.
    Nothing,
    /// The end of the file.
    End,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(file: &'a dyn DiskFile, base: Position, offset: u64) -> io::Result<Self> {
        Ok(Self {
            file,
            base,
            file_len: file.len()?,
            offset,
            chunk: Vec::new(),
            chunk_at: 0,
        })
    }

    /// The position of the place that is looked at next.
    pub(crate) fn position(&self) -> Position {
        self.base.plus(self.offset)
    }

    /// What stands at the current offset; goes behind it only if it is whole.
    pub(crate) fn next_group(&mut self) -> io::Result<Option<WholeGroup<'_>>> {
        match self.place(false)? {
            Place::Whole(group) => Ok(Some(group)),
            Place::Damaged(_) | Place::Nothing | Place::End => Ok(None),
        }
    }

    /// What stands at the current offset, and goes on: behind a whole group, else to the next sector.
    pub(crate) fn next_place(&mut self) -> io::Result<Place<'_>> {
        self.place(true)
    }

    fn place(&mut self, goes_on: bool) -> io::Result<Place<'_>> {
        let (offset, position) = (self.offset, self.position());
        if offset.saturating_add(u64_of(SECTOR)) > self.file_len {
            return Ok(Place::End);
        }
        let next_sector = offset.saturating_add(u64_of(SECTOR));
        let head = GroupHead::decode(self.bytes(offset, GROUP_HEAD_LEN)?, position);
        let Some(head) = head else {
            self.offset = if goes_on { next_sector } else { offset };
            return Ok(Place::Nothing);
        };
        let end = offset.saturating_add(u64::from(head.len));
        let is_inside = end <= self.file_len;
        if !is_inside || !format::is_committed(self.bytes(offset, head.len())?, position) {
            self.offset = if goes_on { next_sector } else { offset };
            return Ok(Place::Damaged(head));
        }
        self.offset = end;
        let bytes = self.bytes(offset, head.len())?;
        Ok(Place::Whole(WholeGroup { head, bytes }))
    }

    /// `len` bytes from `offset` on; fewer at the end of the file. The caller has bounded `len` by the file's length.
    fn bytes(&mut self, offset: u64, len: usize) -> io::Result<&[u8]> {
        let held_end = self.chunk_at.saturating_add(u64_of(self.chunk.len()));
        let is_held = offset >= self.chunk_at && offset.saturating_add(u64_of(len)) <= held_end;
        if !is_held {
            self.chunk.resize(len.max(CHUNK_LEN), 0);
            let filled = disk::read_full(self.file, &mut self.chunk, offset)?;
            self.chunk.truncate(filled);
            self.chunk_at = offset;
        }
        let start = usize::try_from(offset.saturating_sub(self.chunk_at)).unwrap_or(usize::MAX);
        let held = self.chunk.get(start..).unwrap_or_default();
        Ok(held.get(..len).unwrap_or(held))
    }
}

impl<'a> WholeGroup<'a> {
    /// Its records, those of the log itself too.
    pub(crate) fn records(&self) -> Records<'a> {
        Records {
            start: self.head.position,
            bytes: self.bytes,
            at: GROUP_HEAD_LEN,
            left: self.head.records,
        }
    }
}

/// Records of a group, one after the other.
#[derive(Clone, Debug)]
pub(crate) struct Records<'a> {
    start: Position,
    bytes: &'a [u8],
    at: usize,
    left: u32,
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        self.left = self.left.checked_sub(1)?;
        let rest = self.bytes.get(self.at..)?;
        let head = StoredHead::decode(rest)?;
        let payload = rest.get(RECORD_HEAD_LEN..)?.get(..head.len)?;
        let position = self.start.plus(u64_of(self.at));
        self.at = self
            .at
            .saturating_add(RECORD_HEAD_LEN)
            .saturating_add(head.len);
        Some(Record {
            position,
            kind: head.kind,
            version: head.version,
            payload,
        })
    }
}
