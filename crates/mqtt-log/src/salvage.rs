//! Copying what is whole of a damaged log into a new one, with every record at its old position.

use crate::{
    Damage, DamageKind, Disk, OpenError, Position,
    disk::{self, DiskFile, u64_of},
    format::{
        self, COMMIT_MARK_LEN, GROUP_HEAD_LEN, RECORD_HEAD_LEN, SEGMENT_HEAD_LEN, SegmentHead,
        StoredHead,
    },
    inspect::{self, Part},
    recovery::{Found, Recovery, io_error, make_format},
    segment::segment_name,
};
use std::{collections::BTreeMap, io, sync::Arc};

/// What was copied, and what could not be.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct SalvageReport {
    /// Segments of the new log.
    pub segments: usize,
    /// Records copied with their whole group.
    pub records: u64,
    /// Records found whole in damaged groups, and copied.
    pub rescued: u64,
    /// Where the new log ends.
    pub end: Position,
    /// What could not be copied as it was, in order.
    pub damage: Vec<Damage>,
}

/// Copies what is whole of the log in `from` to `to`, which must be empty; `from` is not changed.
///
/// The new log opens, and every record in it has its old position. Of a damaged group that was synced, records that are
/// whole by themselves are copied too, so that of records appended together some may be missing. What never was
/// acknowledged and is torn is left out. `known_synced` is as in [`Recovery::replay`].
///
/// # Errors
/// [`OpenError`]: in use, not a log, of another format, `to` is not empty, or the system answers with an error.
pub fn salvage(
    from: impl Disk,
    to: impl Disk,
    known_synced: Position,
) -> Result<SalvageReport, OpenError> {
    let recovery = Recovery::look_anyway(Arc::new(from))?;
    let names = to.list().map_err(|source| io_error(&to, "", source))?;
    if let Some(name) = names.first() {
        let source = io::ErrorKind::DirectoryNotEmpty.into();
        return Err(io_error(&to, name, source));
    }
    let synced = inspect::synced_in(&recovery, known_synced)?;
    let mut copy = Copy {
        to: &to,
        synced,
        report: SalvageReport::default(),
    };
    make_format(&to, &names)?;
    let missing = inspect::missing(&recovery);
    for (base, len) in &missing {
        copy.report.damage.push(Damage {
            file: recovery.disk.path(&segment_name(*base)),
            offset: 0,
            position: *base,
            len: *len,
            kind: DamageKind::Missing,
        });
    }
    let mut previous = None;
    for (index, found) in recovery.found.iter().enumerate() {
        let is_last = index.saturating_add(1) == recovery.found.len();
        let gone: &[_] = if is_last { &missing } else { &[] };
        copy.segment(&recovery, found, previous, gone)?;
        previous = Some(found.base);
    }
    to.sync().map_err(|source| io_error(&to, "", source))?;
    copy.report.damage.sort_by_key(|damage| damage.position);
    Ok(copy.report)
}

struct Copy<'a> {
    to: &'a dyn Disk,
    synced: Position,
    report: SalvageReport,
}

impl Copy<'_> {
    fn segment(
        &mut self,
        recovery: &Recovery,
        found: &Found,
        previous: Option<Position>,
        gone: &[(Position, u64)],
    ) -> Result<(), OpenError> {
        let to = self.to;
        let fail = |source| io_error(to, &found.name, source);
        let file = to.create(&found.name).map_err(fail)?;
        let head = found.head.unwrap_or(SegmentHead {
            base: found.base,
            previous: previous.unwrap_or(found.base),
            synced: Position::ZERO,
        });
        disk::write_full(&*file, &head.encode(), 0).map_err(fail)?;
        if found.head.is_none() {
            self.damaged(recovery, found, found.base, u64_of(SEGMENT_HEAD_LEN));
        }
        let known_end = recovery.end_of(found);
        let mut end = found.base.plus(u64_of(SEGMENT_HEAD_LEN));
        let mut outcome = Ok(());
        let toured = inspect::tour(found, known_end, self.synced, |part| {
            if outcome.is_ok() {
                outcome = self.part(recovery, found, &*file, part, &mut end);
            }
        });
        toured.map_err(|source| io_error(&*recovery.disk, &found.name, source))?;
        outcome.map_err(fail)?;
        if !gone.is_empty() {
            let group = dropping(end, gone);
            disk::write_full(&*file, &group, end.since(found.base)).map_err(fail)?;
            end = end.plus(u64_of(group.len()));
        }
        file.sync().map_err(fail)?;
        self.report.segments = self.report.segments.saturating_add(1);
        self.report.end = end;
        Ok(())
    }

    /// Copies a whole group, or fills the place of a damaged one.
    fn part(
        &mut self,
        recovery: &Recovery,
        found: &Found,
        file: &dyn DiskFile,
        part: Part<'_>,
        end: &mut Position,
    ) -> io::Result<()> {
        match part {
            Part::Whole(group) => {
                let own = group
                    .records()
                    .filter(|record| record.kind != format::CONTROL);
                self.report.records = self.report.records.saturating_add(u64_of(own.count()));
                let position = group.head.position;
                disk::write_full(file, group.bytes, position.since(found.base))?;
                *end = position.plus(u64::from(group.head.len));
            }
            Part::Damaged(position, len) => {
                self.damaged(recovery, found, position, len);
                if position < self.synced {
                    self.fill(found, file, position, len)?;
                    *end = position.plus(len);
                }
            }
        }
        Ok(())
    }

    fn damaged(&mut self, recovery: &Recovery, found: &Found, position: Position, len: u64) {
        let kind = match position < self.synced {
            true => DamageKind::Rot,
            false => DamageKind::TornTail,
        };
        self.report.damage.push(Damage {
            file: recovery.disk.path(&found.name),
            offset: position.since(found.base),
            position,
            len,
            kind,
        });
    }

    /// Puts groups in place of damaged bytes: records that are whole stay where they are, the rest becomes holes.
    fn fill(
        &mut self,
        found: &Found,
        file: &dyn DiskFile,
        start: Position,
        len: u64,
    ) -> io::Result<()> {
        let mut position = start;
        let end = start.plus(len);
        while position < end {
            let piece = end.since(position).min(PIECE_LEN);
            let mut bytes = vec![0; usize::try_from(piece).unwrap_or(0)];
            disk::read_full(&*found.file, &mut bytes, position.since(found.base))?;
            let rescued = whole_records(&bytes, position);
            let is_own = |at: &&usize| {
                let head = bytes.get(**at..).and_then(StoredHead::decode);
                head.is_some_and(|head| head.kind != format::CONTROL)
            };
            let own = rescued.keys().filter(is_own).count();
            self.report.rescued = self.report.rescued.saturating_add(u64_of(own));
            let group = filled(&bytes, position, &rescued);
            disk::write_full(file, &group, position.since(found.base))?;
            position = position.plus(piece);
        }
        Ok(())
    }
}

/// Bytes that are filled by one group; a multiple of a sector, as all groups are.
const PIECE_LEN: u64 = 64 << 20;

/// Where whole records stand in these bytes, with their lengths in them.
fn whole_records(bytes: &[u8], start: Position) -> BTreeMap<usize, usize> {
    let mut found = BTreeMap::new();
    let mut at = GROUP_HEAD_LEN;
    let last = bytes.len().saturating_sub(COMMIT_MARK_LEN);
    while at.saturating_add(RECORD_HEAD_LEN) <= last {
        let rest = bytes.get(at..last).unwrap_or_default();
        match whole_record(rest, start.plus(u64_of(at))) {
            // What stands between two records must have room to be a hole.
            Some(len) if is_apart(&found, at) => {
                found.insert(at, len);
                at = at.saturating_add(len);
            }
            _ => at = at.saturating_add(1),
        }
    }
    found
}

/// The length of the record at the start of these bytes, if it is one.
fn whole_record(bytes: &[u8], position: Position) -> Option<usize> {
    let head = StoredHead::decode(bytes).filter(|head| head.is_possible())?;
    let payload = bytes.get(RECORD_HEAD_LEN..)?.get(..head.len)?;
    let len = payload.len().saturating_add(RECORD_HEAD_LEN);
    head.matches(position, payload).then_some(len)
}

fn is_apart(found: &BTreeMap<usize, usize>, at: usize) -> bool {
    let before = found.last_key_value();
    let end = before.map_or(GROUP_HEAD_LEN, |(start, len)| start.saturating_add(*len));
    let gap = at.saturating_sub(end);
    gap == 0 || gap >= RECORD_HEAD_LEN
}

/// A group with these records at their places and holes between them.
fn filled(bytes: &[u8], start: Position, records: &BTreeMap<usize, usize>) -> Vec<u8> {
    let mut group = vec![0; GROUP_HEAD_LEN];
    let mut count: u32 = 0;
    for (at, len) in records {
        if group.len() < *at {
            put_hole(&mut group, start, *at);
            count = count.saturating_add(1);
        }
        let record = bytes.get(*at..).and_then(|rest| rest.get(..*len));
        group.extend_from_slice(record.unwrap_or_default());
        count = count.saturating_add(1);
    }
    let last = bytes.len().saturating_sub(COMMIT_MARK_LEN);
    if group.len().saturating_add(RECORD_HEAD_LEN) <= last {
        put_hole(&mut group, start, last);
        count = count.saturating_add(1);
    }
    format::finish_group(&mut group, start, Position::ZERO, count);
    group
}

/// A record of the log itself that reaches to `until`.
fn put_hole(group: &mut Vec<u8>, start: Position, until: usize) {
    let position = start.plus(u64_of(group.len()));
    let len = until
        .saturating_sub(group.len())
        .saturating_sub(RECORD_HEAD_LEN);
    let zeros = vec![0; len];
    let crc = format::crc_of(&[&zeros]);
    let form = (format::CONTROL, format::CONTROL_HOLE);
    let stored_len = u32::try_from(len).unwrap_or(u32::MAX);
    format::put_record(group, position, form, &[&zeros], stored_len, crc);
}

/// A group that says that these segments are gone.
fn dropping(start: Position, gone: &[(Position, u64)]) -> Vec<u8> {
    let mut group = vec![0; GROUP_HEAD_LEN];
    let mut count: u32 = 0;
    for (base, _) in gone {
        let position = start.plus(u64_of(group.len()));
        let payload = base.number().to_le_bytes();
        let crc = format::crc_of(&[&payload]);
        let form = (format::CONTROL, format::CONTROL_DROPPED);
        let len = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        format::put_record(&mut group, position, form, &[&payload], len, crc);
        count = count.saturating_add(1);
    }
    format::finish_group(&mut group, start, Position::ZERO, count);
    group
}
