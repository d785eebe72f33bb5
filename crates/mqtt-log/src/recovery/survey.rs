//! What is known to have been synced, and what still stands behind a damaged place.

use super::{Found, io_error};
use crate::{
    OpenError, Position, Rot,
    disk::{Disk, u64_of},
    format::{SEGMENT_HEAD_LEN, SegmentHead},
    scan::{Place, Scanner, WholeGroup},
};
use std::io;

/// What is gathered while segments are read.
#[derive(Debug)]
pub(super) struct Survey {
    /// Everything below was synced.
    pub(super) synced: Position,
    /// Whole groups behind the damage.
    pub(super) groups: u64,
    /// Records in them.
    pub(super) records: u64,
    /// Something was written behind the damage.
    pub(super) has_tail: bool,
    /// Where the first whole group behind the damage stands.
    next_whole: Option<Position>,
}

impl Survey {
    pub(super) fn new(known_synced: Position) -> Self {
        Self {
            synced: known_synced,
            groups: 0,
            records: 0,
            has_tail: false,
            next_whole: None,
        }
    }

    pub(super) fn add_head(&mut self, head: Option<&SegmentHead>) {
        self.synced = head.map_or(self.synced, |head| self.synced.max(head.synced));
    }

    pub(super) fn add_group(&mut self, group: &WholeGroup<'_>) {
        self.synced = self.synced.max(group.head.synced);
    }

    /// Looks at everything behind the damage, in this segment and in later ones.
    pub(super) fn look_behind(
        &mut self,
        disk: &dyn Disk,
        found: &[Found],
        index: usize,
        damaged_at: Position,
    ) -> Result<(), OpenError> {
        (self.groups, self.records, self.next_whole) = (0, 0, None);
        let mut later = found.iter().skip(index);
        if let Some(damaged) = later.next() {
            let offset = damaged_at.since(damaged.base);
            self.look_at(damaged, offset)
                .map_err(|source| io_error(disk, &damaged.name, source))?;
        }
        for segment in later {
            self.has_tail = true;
            self.look_at(segment, u64_of(SEGMENT_HEAD_LEN))
                .map_err(|source| io_error(disk, &segment.name, source))?;
        }
        Ok(())
    }

    /// What to say about damage of what was synced.
    pub(super) fn rot(
        &self,
        disk: &dyn Disk,
        name: &str,
        base: Position,
        position: Position,
    ) -> OpenError {
        let until = self.next_whole.unwrap_or(self.synced).max(position);
        Rot {
            file: disk.path(name),
            is_missing: false,
            offset: position.since(base),
            position,
            synced: self.synced,
            lost_len: until.since(position),
            groups_after: self.groups,
            records_after: self.records,
        }
        .into()
    }

    /// What to say about a segment that is gone.
    pub(super) fn missing(
        &self,
        disk: &dyn Disk,
        name: &str,
        base: Position,
        len: u64,
    ) -> OpenError {
        Rot {
            file: disk.path(name),
            is_missing: true,
            offset: 0,
            position: base,
            synced: self.synced,
            lost_len: len,
            groups_after: self.groups,
            records_after: self.records,
        }
        .into()
    }

    fn look_at(&mut self, found: &Found, offset: u64) -> io::Result<()> {
        let mut scanner = Scanner::new(&*found.file, found.base, offset)?;
        loop {
            match scanner.next_place()? {
                Place::Whole(group) => {
                    self.add_group(&group);
                    self.groups = self.groups.saturating_add(1);
                    self.records = self.records.saturating_add(u64::from(group.head.records));
                    self.next_whole = self.next_whole.or(Some(group.head.position));
                    self.has_tail = true;
                }
                Place::Damaged(head) => {
                    self.synced = self.synced.max(head.synced);
                    self.has_tail = true;
                }
                Place::Nothing => {}
                Place::End => return Ok(()),
            }
        }
    }
}

/// Whether anything that was written as a group stands at or behind the place the scanner is at.
pub(super) fn has_group_behind(scanner: &mut Scanner<'_>) -> io::Result<bool> {
    loop {
        match scanner.next_place()? {
            Place::Whole(_) | Place::Damaged(_) => return Ok(true),
            Place::Nothing => {}
            Place::End => return Ok(false),
        }
    }
}
