//! Looking at a log without opening it: every group, every record, every damaged place.

use crate::{
    Disk, OpenError, Position, Record,
    disk::u64_of,
    format::{GroupHead, SEGMENT_HEAD_LEN},
    recovery::{Found, Recovery, io_error},
    scan::{Place, Scanner, WholeGroup},
    segment::segment_name,
};
use std::io;

/// A place in a log, in the order in which they stand.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum DumpItem<'a> {
    /// A segment begins.
    Segment {
        /// Its file.
        file: &'a str,
        /// The position of its first byte.
        base: Position,
        /// Whether its head is whole.
        is_whole: bool,
    },
    /// A whole group begins.
    Group {
        /// Where it starts in the file; unit: bytes.
        offset: u64,
        /// Where it starts.
        position: Position,
        /// What was known to be synced when it was written.
        synced: Position,
        /// With everything around the records; unit: bytes.
        len: u64,
        /// Records in it.
        records: u32,
    },
    /// A record of the group; those of kind 0 are the log's own.
    Record {
        /// Where it starts in the file; unit: bytes.
        offset: u64,
        /// What it says.
        record: Record<'a>,
    },
    /// Bytes that are no whole group.
    Damage(&'a Damage),
}

/// Bytes that were written once and cannot be read.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Damage {
    /// The file.
    pub file: String,
    /// Where it starts in the file; unit: bytes.
    pub offset: u64,
    /// Where it starts in the log.
    pub position: Position,
    /// How long it is; unit: bytes.
    pub len: u64,
    /// What it means.
    pub kind: DamageKind,
}

/// What damage means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum DamageKind {
    /// It was synced: records that were acknowledged may be lost. The log does not open.
    Rot,
    /// The whole file of a segment is gone. The log does not open.
    Missing,
    /// It was never acknowledged: a write that a power cut ended. It is cut off when the log is opened.
    TornTail,
}

/// What a log is made of.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct CheckReport {
    /// Segments that can be looked into.
    pub segments: usize,
    /// Whole groups.
    pub groups: u64,
    /// Records in them, without those of the log itself.
    pub records: u64,
    /// Bytes of payload in those.
    pub payload_len: u64,
    /// The end of the last whole group.
    pub end: Position,
    /// Everything below was known to be synced.
    pub synced: Position,
    /// What is damaged, in order.
    pub damage: Vec<Damage>,
}

impl CheckReport {
    /// Whether the log opens without losing anything that was acknowledged.
    pub fn is_sound(&self) -> bool {
        let harmless = |damage: &Damage| damage.kind == DamageKind::TornTail;
        self.damage.iter().all(harmless)
    }
}

/// Reads all of the log in `disk` and says what is damaged; changes nothing.
///
/// `known_synced` is as in [`Recovery::replay`].
///
/// # Errors
/// [`OpenError`]: in use, not a log, of another format, or the system answers with an error.
pub fn check(disk: impl Disk, known_synced: Position) -> Result<CheckReport, OpenError> {
    dump(disk, known_synced, |_| {})
}

/// Gives everything in the log in `disk` to `visitor`, and says at the end what [`check`] says; changes nothing.
///
/// # Errors
/// As [`check`].
pub fn dump(
    disk: impl Disk,
    known_synced: Position,
    mut visitor: impl FnMut(DumpItem<'_>),
) -> Result<CheckReport, OpenError> {
    let recovery = Recovery::look(std::sync::Arc::new(disk))?;
    let mut report = CheckReport {
        synced: synced_in(&recovery, known_synced)?,
        ..CheckReport::default()
    };
    let synced = report.synced;
    for found in &recovery.found {
        let file = recovery.disk.path(&found.name);
        report.segments = report.segments.saturating_add(1);
        let (base, is_whole) = (found.base, found.head.is_some());
        visitor(DumpItem::Segment {
            file: &file,
            base,
            is_whole,
        });
        if !is_whole {
            let damage = damage(
                &recovery,
                found,
                (found.base, u64_of(SEGMENT_HEAD_LEN)),
                synced,
            );
            visitor(DumpItem::Damage(&damage));
            report.damage.push(damage);
        }
        let toured = tour(found, recovery.end_of(found), synced, |part| {
            show(&recovery, found, part, &mut report, &mut visitor);
        });
        toured.map_err(|source| io_error(&*recovery.disk, &found.name, source))?;
    }
    for (base, len) in missing(&recovery) {
        let damage = Damage {
            file: recovery.disk.path(&segment_name(base)),
            offset: 0,
            position: base,
            len,
            kind: DamageKind::Missing,
        };
        visitor(DumpItem::Damage(&damage));
        report.damage.push(damage);
    }
    Ok(report)
}

/// A part of a segment behind its head.
pub(crate) enum Part<'a> {
    Whole(WholeGroup<'a>),
    /// No group where one was: start and length.
    Damaged(Position, u64),
}

/// Goes through a segment up to its end, or to the last thing that was written if its end is not known.
pub(crate) fn tour(
    found: &Found,
    known_end: Option<Position>,
    synced: Position,
    mut visit: impl FnMut(Part<'_>),
) -> io::Result<Position> {
    let mut scanner = Scanner::new(&*found.file, found.base, u64_of(SEGMENT_HEAD_LEN))?;
    // What lies between is damaged once something is found behind it.
    let mut whole_until = scanner.position();
    let mut damaged_until = whole_until;
    loop {
        let at = scanner.position();
        if known_end.is_some_and(|end| at >= end) {
            break;
        }
        match scanner.next_place()? {
            Place::Whole(group) => {
                if whole_until < at {
                    visit(Part::Damaged(whole_until, at.since(whole_until)));
                }
                whole_until = at.plus(u64::from(group.head.len));
                visit(Part::Whole(group));
            }
            Place::Damaged(head) => damaged_until = damaged_until.max(end_of(&head)),
            Place::Nothing => {}
            Place::End => break,
        }
    }
    let until = known_end.unwrap_or_else(|| damaged_until.max(synced));
    if until > whole_until {
        visit(Part::Damaged(whole_until, until.since(whole_until)));
    }
    Ok(whole_until)
}

/// Segments that should be there and are not, with their lengths as far as they are known.
pub(crate) fn missing(recovery: &Recovery) -> Vec<(Position, u64)> {
    let all: Vec<_> = recovery.found.iter().collect();
    let bases = recovery.missing_of(&all);
    let with_len = |base: Position| {
        let end = recovery.ends.get(&base).copied().unwrap_or(base);
        (base, end.since(base))
    };
    bases.into_iter().map(with_len).collect()
}

/// Everything below was synced, as far as anything in the log says so.
pub(crate) fn synced_in(
    recovery: &Recovery,
    known_synced: Position,
) -> Result<Position, OpenError> {
    let mut synced = known_synced;
    for found in &recovery.found {
        synced = found.head.map_or(synced, |head| synced.max(head.synced));
        let fail = |source| io_error(&*recovery.disk, &found.name, source);
        let offset = u64_of(SEGMENT_HEAD_LEN);
        let mut scanner = Scanner::new(&*found.file, found.base, offset).map_err(fail)?;
        loop {
            match scanner.next_place().map_err(fail)? {
                Place::Whole(group) => synced = synced.max(group.head.synced),
                Place::Damaged(head) => synced = synced.max(head.synced),
                Place::Nothing => {}
                Place::End => break,
            }
        }
    }
    Ok(synced)
}

fn show(
    recovery: &Recovery,
    found: &Found,
    part: Part<'_>,
    report: &mut CheckReport,
    visitor: &mut impl FnMut(DumpItem<'_>),
) {
    let group = match part {
        Part::Whole(group) => group,
        Part::Damaged(position, len) => {
            let damage = damage(recovery, found, (position, len), report.synced);
            visitor(DumpItem::Damage(&damage));
            report.damage.push(damage);
            return;
        }
    };
    let position = group.head.position;
    report.groups = report.groups.saturating_add(1);
    report.end = end_of(&group.head);
    visitor(DumpItem::Group {
        offset: position.since(found.base),
        position,
        synced: group.head.synced,
        len: u64::from(group.head.len),
        records: group.head.records,
    });
    for record in group.records() {
        let offset = record.position.since(found.base);
        if record.kind != crate::format::CONTROL {
            report.records = report.records.saturating_add(1);
            let len = u64_of(record.payload.len());
            report.payload_len = report.payload_len.saturating_add(len);
        }
        visitor(DumpItem::Record { offset, record });
    }
}

fn damage(
    recovery: &Recovery,
    found: &Found,
    (position, len): (Position, u64),
    synced: Position,
) -> Damage {
    let kind = match position < synced {
        true => DamageKind::Rot,
        false => DamageKind::TornTail,
    };
    Damage {
        file: recovery.disk.path(&found.name),
        offset: position.since(found.base),
        position,
        len,
        kind,
    }
}

fn end_of(head: &GroupHead) -> Position {
    head.position.plus(u64::from(head.len))
}
