//! Opening a log: what is whole is given to its owner, a torn tail is cut off, rot is refused.

mod survey;

use crate::{
    Log, OpenError, Position, Record, ReplayError, Rot, Settings, Writer,
    disk::{self, Disk, DiskFile, DiskLock, u64_of},
    format::{self, FORMAT, SEGMENT_HEAD_LEN, SegmentHead, SegmentHeadError},
    scan::{Scanner, WholeGroup},
    segment::{Segment, segment_base, segment_name, spare_name, spare_number},
    shared::Shared,
    thread,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{Arc, atomic::Ordering},
};
use survey::Survey;

/// The file whose lock says that the directory is in use.
const LOCK_FILE: &str = "lock";
/// The file that says which format the files have.
const FORMAT_FILE: &str = "format";
/// The same while it is made.
const FORMAT_FILE_NEW: &str = "format.new";
/// What the format file says before the number.
const FORMAT_NAME: &str = "mqtt-log ";

/// A log that is locked and not read yet.
#[derive(Debug)]
pub struct Recovery {
    pub(crate) disk: Arc<dyn Disk>,
    settings: Settings,
    lock: Box<dyn DiskLock>,
    pub(crate) found: Vec<Found>,
    spares: Vec<u64>,
    /// Where segments end, as far as later ones say.
    pub(crate) ends: BTreeMap<Position, Position>,
    /// Segments that later ones have said to be gone.
    dropped: BTreeSet<Position>,
}

/// What a replay found.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct RecoveryReport {
    /// Records given to the visitor.
    pub records: u64,
    /// Groups they were in.
    pub groups: u64,
    /// Segments there are.
    pub segments: usize,
    /// Where the log ends, and goes on.
    pub end: Position,
    /// What was cut off at the end.
    pub cut: Option<Cut>,
}

/// A tail that was not acknowledged and is not whole.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Cut {
    /// The file.
    pub file: String,
    /// Where it was cut off; unit: bytes.
    pub offset: u64,
    /// Where the log was cut off.
    pub position: Position,
    /// Whole groups behind it, which were never acknowledged either.
    pub groups: u64,
    /// Records in them.
    pub records: u64,
}

#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) base: Position,
    pub(crate) name: String,
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) head: Option<SegmentHead>,
    /// Segments there were when this one was made, with their ends.
    list: Option<Vec<(Position, Position)>>,
}

/// Where reading a segment ended.
struct Walk {
    end: Position,
    is_whole: bool,
}

impl Recovery {
    /// Locks the log in `disk` and looks at its files; an empty directory becomes a log.
    ///
    /// # Errors
    /// [`OpenError`]: in use, of an unknown format, or the system answers with an error.
    pub fn open(disk: impl Disk, settings: Settings) -> Result<Self, OpenError> {
        settings.check()?;
        Self::open_shared(Arc::new(disk), settings)
    }

    pub(crate) fn open_shared(disk: Arc<dyn Disk>, settings: Settings) -> Result<Self, OpenError> {
        let (mut recovery, names) = Self::begin(disk, settings)?;
        let is_new = !names
            .iter()
            .any(|name| name == FORMAT_FILE || segment_base(name).is_some());
        match is_new {
            true => make_format(&*recovery.disk, &names)?,
            false => check_format(&*recovery.disk)?,
        }
        recovery.find_segments(&names, 2)?;
        Ok(recovery)
    }

    /// Locks the log in `disk` and looks at its files without changing any.
    pub(crate) fn look(disk: Arc<dyn Disk>) -> Result<Self, OpenError> {
        let (mut recovery, names) = Self::begin(disk, Settings::default())?;
        check_format(&*recovery.disk)?;
        recovery.find_segments(&names, 0)?;
        Ok(recovery)
    }

    /// As [`Recovery::look`], also if nothing says in which format the files are.
    pub(crate) fn look_anyway(disk: Arc<dyn Disk>) -> Result<Self, OpenError> {
        let (mut recovery, names) = Self::begin(disk, Settings::default())?;
        match check_format(&*recovery.disk) {
            Ok(()) | Err(OpenError::UnknownFormat { .. }) => {}
            Err(error) => return Err(error),
        }
        recovery.find_segments(&names, 0)?;
        Ok(recovery)
    }

    fn begin(disk: Arc<dyn Disk>, settings: Settings) -> Result<(Self, Vec<String>), OpenError> {
        let lock = disk.lock(LOCK_FILE).map_err(|source| match source.kind() {
            io::ErrorKind::WouldBlock => OpenError::InUse {
                file: disk.path(LOCK_FILE),
            },
            _ => io_error(&*disk, LOCK_FILE, source),
        })?;
        let names = disk.list().map_err(|source| io_error(&*disk, "", source))?;
        let recovery = Self {
            settings,
            lock,
            found: Vec::new(),
            spares: names.iter().filter_map(|name| spare_number(name)).collect(),
            ends: BTreeMap::new(),
            dropped: BTreeSet::new(),
            disk,
        };
        Ok((recovery, names))
    }

    /// Opens all segments; the last `newest` are read from the disk and not from a cache.
    fn find_segments(&mut self, names: &[String], newest: usize) -> Result<(), OpenError> {
        let mut bases: Vec<_> = names.iter().filter_map(|name| segment_base(name)).collect();
        bases.sort_unstable();
        let first_newest = bases.len().saturating_sub(newest);
        for (index, base) in bases.into_iter().enumerate() {
            let found = self.look_at(base, index >= first_newest)?;
            self.found.push(found);
        }
        self.join()
    }

    /// Where a segment ends, if later ones say so.
    pub(crate) fn end_of(&self, found: &Found) -> Option<Position> {
        self.ends.get(&found.base).copied()
    }

    /// Gives every record from `from` on to `visitor`, in order, and starts the log.
    ///
    /// `known_synced` is what the owner knows to be synced, such as the position its checkpoint covers: damage below it
    /// is rot. Segments that end at or below `from` are not read. On an error nothing has been changed.
    ///
    /// # Errors
    /// [`ReplayError`]: rot, an error of the system, or what `visitor` answered.
    pub fn replay<E>(
        self,
        from: Position,
        known_synced: Position,
        visitor: impl FnMut(Record<'_>) -> Result<(), E>,
    ) -> Result<(Log, RecoveryReport), ReplayError<E>> {
        let disk = self.disk.clone();
        let (mut log, writer, report) = self.replay_manual(from, known_synced, visitor)?;
        let thread = thread::start(writer).map_err(|source| io_error(&*disk, "", source))?;
        log.thread = Some(thread);
        Ok((log, report))
    }

    /// As [`Recovery::replay`], with the writer in the hands of the caller.
    ///
    /// # Errors
    /// As [`Recovery::replay`].
    pub fn replay_manual<E>(
        self,
        from: Position,
        known_synced: Position,
        mut visitor: impl FnMut(Record<'_>) -> Result<(), E>,
    ) -> Result<(Log, Writer, RecoveryReport), ReplayError<E>> {
        let mut report = RecoveryReport::default();
        let mut survey = Survey::new(known_synced);
        for found in &self.found {
            survey.add_head(found.head.as_ref());
        }
        let mut kept: Vec<(usize, Position)> = Vec::new();
        let mut cut = None;
        let last_two = self.found.len().saturating_sub(2);
        for index in 0..self.found.len() {
            let Some(found) = self.found.get(index) else {
                break;
            };
            let known_end = self.ends.get(&found.base).copied();
            if let Some(end) = known_end.filter(|end| *end <= from && index < last_two) {
                kept.push((index, end));
                continue;
            }
            let walk = walk(
                &*self.disk,
                found,
                known_end,
                from,
                &mut survey,
                &mut report,
                &mut visitor,
            )?;
            let next_base = self
                .found
                .get(index.saturating_add(1))
                .map(|next| next.base);
            let is_joined = known_end.is_some() || next_base.is_none_or(|base| base == walk.end);
            let is_end = next_base.is_some() || walk.end >= survey.synced;
            if walk.is_whole && is_joined && is_end {
                kept.push((index, walk.end));
                continue;
            }
            let damaged_at = walk.end;
            survey.look_behind(&*self.disk, &self.found, index, damaged_at)?;
            if damaged_at < survey.synced {
                return Err(survey
                    .rot(&*self.disk, &found.name, found.base, damaged_at)
                    .into());
            }
            cut = Some((index, damaged_at));
            if damaged_at.since(found.base) >= u64_of(SEGMENT_HEAD_LEN) {
                kept.push((index, damaged_at));
            }
            break;
        }
        self.find_missing(&kept, &survey)?;
        report.end = kept.last().map_or(Position::ZERO, |(_, end)| *end);
        if let Some((index, damaged_at)) = cut {
            report.cut = self.cut(index, damaged_at, &survey)?;
            report.end = report.end.max(damaged_at);
        }
        report.segments = kept.len();
        let (log, writer) = self.start(&kept, report.end)?;
        Ok((log, writer, report))
    }

    /// Opens the file of a segment and reads what it says about itself and others.
    fn look_at(&self, base: Position, is_newest: bool) -> Result<Found, OpenError> {
        let disk = &*self.disk;
        let name = segment_name(base);
        let fail = |source| io_error(disk, &segment_name(base), source);
        let file = disk.open(&name).map_err(fail)?;
        if is_newest {
            // What is read next must be what the disk has, not what a failed sync left in memory.
            file.sync().map_err(fail)?;
            file.forget_cached();
        }
        let mut bytes = [0; SEGMENT_HEAD_LEN];
        let filled = disk::read_full(&*file, &mut bytes, 0).map_err(fail)?;
        let head = match SegmentHead::decode(bytes.get(..filled).unwrap_or_default()) {
            Ok(head) => (head.base == base).then_some(head),
            Err(SegmentHeadError::Damaged) => None,
            Err(SegmentHeadError::Format(found)) => {
                return Err(OpenError::NewerFormat {
                    file: disk.path(&name),
                    found,
                    known: FORMAT,
                });
            }
        };
        let mut scanner = Scanner::new(&*file, base, u64_of(SEGMENT_HEAD_LEN)).map_err(fail)?;
        let first = scanner.next_group().map_err(fail)?;
        let list = first.and_then(|group| group.records().find_map(list_of));
        Ok(Found {
            base,
            name,
            file,
            head,
            list,
        })
    }

    /// Puts together what the segments say about each other, and sorts out those that are gone already.
    fn join(&mut self) -> Result<(), OpenError> {
        for found in &self.found {
            self.ends.extend(found.list.iter().flatten().copied());
        }
        for pair in self.found.windows(2) {
            let [first, second] = pair else { continue };
            if second.head.is_some_and(|head| head.previous == first.base) {
                self.ends.insert(first.base, second.base);
            }
        }
        let listing = self.found.iter().rposition(|found| found.list.is_some());
        let Some((newest, list)) = listing.and_then(|index| {
            let found = self.found.get(index)?;
            Some((found.base, found.list.as_ref()?))
        }) else {
            return Ok(());
        };
        let listed: BTreeSet<_> = list.iter().map(|(base, _)| *base).collect();
        let is_unlisted = |base: &Position| *base < newest && !listed.contains(base);
        let bases = self.found.iter().map(|found| found.base);
        self.dropped.extend(bases.filter(is_unlisted));
        // What was dropped since then is said behind the list.
        for found in self.found.iter().filter(|found| found.base >= newest) {
            let dropped = dropped_in(found);
            let dropped = dropped.map_err(|source| io_error(&*self.disk, &found.name, source))?;
            self.dropped.extend(dropped);
        }
        let dropped = &self.dropped;
        self.found.retain(|found| !dropped.contains(&found.base));
        Ok(())
    }

    /// Refuses if a segment that should be there is not.
    fn find_missing(&self, kept: &[(usize, Position)], survey: &Survey) -> Result<(), OpenError> {
        let kept: Vec<_> = kept
            .iter()
            .filter_map(|(index, _)| self.found.get(*index))
            .collect();
        match self.missing_of(&kept).first() {
            Some(base) => {
                let end = self.ends.get(base).copied().unwrap_or(*base);
                let name = segment_name(*base);
                Err(survey.missing(&*self.disk, &name, *base, end.since(*base)))
            }
            None => Ok(()),
        }
    }

    /// Segments that should be there beside these and are not.
    pub(crate) fn missing_of(&self, kept: &[&Found]) -> Vec<Position> {
        let mut expected = BTreeSet::new();
        for found in kept.iter().rev() {
            if let Some(list) = &found.list {
                expected.extend(list.iter().map(|(base, _)| *base));
                break;
            }
            // Its first group, with the list, was never finished.
            expected.extend(found.head.map(|head| head.previous));
        }
        let is_there = |base: &Position| kept.iter().any(|found| found.base == *base);
        expected.retain(|base| !is_there(base) && !self.dropped.contains(base));
        expected.into_iter().collect()
    }

    /// Removes everything from `damaged_at` on, so that it cannot be read as something else later.
    fn cut(
        &self,
        index: usize,
        damaged_at: Position,
        survey: &Survey,
    ) -> Result<Option<Cut>, OpenError> {
        let Some(found) = self.found.get(index) else {
            return Ok(None);
        };
        let disk = &*self.disk;
        let offset = damaged_at.since(found.base);
        let is_empty = offset < u64_of(SEGMENT_HEAD_LEN);
        let first_gone = if is_empty {
            index
        } else {
            index.saturating_add(1)
        };
        for gone in self.found.iter().skip(first_gone).rev() {
            disk.remove(&gone.name)
                .map_err(|source| io_error(disk, &gone.name, source))?;
        }
        disk.sync().map_err(|source| io_error(disk, "", source))?;
        Ok(survey.has_tail.then(|| Cut {
            file: disk.path(&found.name),
            offset,
            position: damaged_at,
            groups: survey.groups,
            records: survey.records,
        }))
    }

    fn start(self, kept: &[(usize, Position)], end: Position) -> Result<(Log, Writer), OpenError> {
        let disk = self.disk.clone();
        let shared = Arc::new(Shared::new(self.disk, self.settings, end));
        let mut on_disk: u64 = 0;
        let mut segments = shared.table.write();
        for (index, end) in kept {
            let Some(found) = self.found.get(*index) else {
                continue;
            };
            let fail = |source| io_error(&*disk, &found.name, source);
            let len = end.since(found.base);
            let file_len = found.file.len().map_err(fail)?;
            let is_last = kept.last().is_some_and(|(last, _)| last == index);
            if is_last && file_len != len {
                found.file.set_len(len).map_err(fail)?;
            }
            // Without a sync of its own groups, as under `Durability::Os`, nothing can be built on it.
            found.file.sync().map_err(fail)?;
            let segment = Segment::new(found.base, len);
            segment.seal(*end);
            let file_len = if is_last { len } else { file_len };
            segment.file_len.store(file_len, Ordering::Release);
            on_disk = on_disk.saturating_add(file_len);
            // It was just made: the file is not there yet.
            let _ = segment.file.set(found.file.clone());
            segments.push(Arc::new(segment));
        }
        let last = segments.last().cloned();
        drop(segments);
        for base in &self.dropped {
            // It is no longer needed; what cannot be removed now is removed next time.
            let _ = disk.remove(&segment_name(*base));
        }
        let mut spares = self.spares;
        while spares.len() > shared.settings.spares_max {
            let Some(number) = spares.pop() else { break };
            let name = spare_name(number);
            disk.remove(&name)
                .map_err(|source| io_error(&*disk, &name, source))?;
        }
        for number in &spares {
            let name = spare_name(*number);
            let len = disk.open(&name).and_then(|file| file.len());
            let len = len.map_err(|source| io_error(&*disk, &name, source))?;
            on_disk = on_disk.saturating_add(len);
        }
        shared.counters.on_disk.store(on_disk, Ordering::Release);
        let log = Log {
            shared: shared.clone(),
            thread: None,
        };
        let mut writer = Writer::new(shared, self.lock, spares, last);
        writer.set_spare_aside();
        Ok((log, writer))
    }
}

/// Reads a segment to its end or to the first thing that is no whole group.
fn walk<E>(
    disk: &dyn Disk,
    found: &Found,
    known_end: Option<Position>,
    from: Position,
    survey: &mut Survey,
    report: &mut RecoveryReport,
    visitor: &mut impl FnMut(Record<'_>) -> Result<(), E>,
) -> Result<Walk, ReplayError<E>> {
    let fail = |source| io_error(disk, &found.name, source);
    if found.head.is_none() {
        return Ok(Walk {
            end: found.base,
            is_whole: false,
        });
    }
    let offset = u64_of(SEGMENT_HEAD_LEN);
    let mut scanner = Scanner::new(&*found.file, found.base, offset).map_err(fail)?;
    while known_end.is_none_or(|end| scanner.position() < end) {
        let Some(group) = scanner.next_group().map_err(fail)? else {
            break;
        };
        survey.add_group(&group);
        report.groups = report.groups.saturating_add(1);
        visit(&group, from, report, visitor).map_err(ReplayError::Visitor)?;
    }
    let end = scanner.position();
    let is_whole = match known_end {
        Some(known_end) => end == known_end,
        None => !survey::has_group_behind(&mut scanner).map_err(fail)?,
    };
    Ok(Walk { end, is_whole })
}

fn visit<E>(
    group: &WholeGroup<'_>,
    from: Position,
    report: &mut RecoveryReport,
    visitor: &mut impl FnMut(Record<'_>) -> Result<(), E>,
) -> Result<(), E> {
    for record in group.records() {
        if record.kind != format::CONTROL && record.position >= from {
            report.records = report.records.saturating_add(1);
            visitor(record)?;
        }
    }
    Ok(())
}

/// The segments that records in this one say are gone.
fn dropped_in(found: &Found) -> io::Result<Vec<Position>> {
    let mut dropped = Vec::new();
    let mut scanner = Scanner::new(&*found.file, found.base, u64_of(SEGMENT_HEAD_LEN))?;
    while let Some(group) = scanner.next_group()? {
        let is_drop = |record: &Record<'_>| {
            record.kind == format::CONTROL && record.version == format::CONTROL_DROPPED
        };
        let records = group.records().filter(is_drop);
        dropped.extend(records.filter_map(|record| format::position_at(record.payload, 0)));
    }
    Ok(dropped)
}

/// The segments a record lists, if it is one that does.
fn list_of(record: Record<'_>) -> Option<Vec<(Position, Position)>> {
    let is_list = record.kind == format::CONTROL && record.version == format::CONTROL_SEGMENTS;
    let pairs = is_list.then(|| record.payload.chunks_exact(16))?;
    let pair = |bytes: &[u8]| {
        Some((
            format::position_at(bytes, 0)?,
            format::position_at(bytes, 8)?,
        ))
    };
    pairs.map(pair).collect()
}

/// Reads the format file.
fn check_format(disk: &dyn Disk) -> Result<(), OpenError> {
    let unknown = || OpenError::UnknownFormat {
        file: disk.path(FORMAT_FILE),
    };
    let file = match disk.open(FORMAT_FILE) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(unknown()),
        Err(error) => return Err(io_error(disk, FORMAT_FILE, error)),
    };
    let mut bytes = [0; 32];
    let filled = disk::read_full(&*file, &mut bytes, 0);
    let filled = filled.map_err(|source| io_error(disk, FORMAT_FILE, source))?;
    let text = bytes
        .get(..filled)
        .and_then(|bytes| str::from_utf8(bytes).ok());
    let number = text.and_then(|text| text.strip_prefix(FORMAT_NAME)?.strip_suffix('\n'));
    match number.and_then(|number| number.parse().ok()) {
        Some(FORMAT) => Ok(()),
        Some(found) if found > FORMAT => Err(OpenError::NewerFormat {
            file: disk.path(FORMAT_FILE),
            found,
            known: FORMAT,
        }),
        _ => Err(unknown()),
    }
}

/// Makes the format file.
pub(crate) fn make_format(disk: &dyn Disk, names: &[String]) -> Result<(), OpenError> {
    let fail = |source| io_error(disk, FORMAT_FILE, source);
    if names.iter().any(|name| name == FORMAT_FILE_NEW) {
        disk.remove(FORMAT_FILE_NEW).map_err(fail)?;
    }
    let file = disk.create(FORMAT_FILE_NEW).map_err(fail)?;
    let text = format!("{FORMAT_NAME}{FORMAT}\n");
    disk::write_full(&*file, text.as_bytes(), 0).map_err(fail)?;
    file.sync().map_err(fail)?;
    disk.rename(FORMAT_FILE_NEW, FORMAT_FILE).map_err(fail)?;
    disk.sync().map_err(fail)
}

pub(crate) fn io_error(disk: &dyn Disk, name: &str, source: io::Error) -> OpenError {
    OpenError::Io {
        file: disk.path(name),
        source,
    }
}

impl From<Rot> for OpenError {
    fn from(rot: Rot) -> Self {
        Self::Rot(Box::new(rot))
    }
}
