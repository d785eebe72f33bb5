//! The only one who writes: one group at a time, and the files around it.

use crate::{
    Durability, Event, LogFailure, Operation, Position,
    disk::{self, DiskFile, DiskLock, u64_of},
    format::{self, GROUP_HEAD_LEN, SECTOR, SegmentHead},
    queue::Group,
    segment::{Segment, spare_name},
    shared::Shared,
};
use std::{
    collections::VecDeque,
    io,
    sync::{Arc, atomic::Ordering},
    task::Waker,
};

/// Drives a log by hand, one step at a time: what the thread of a log does, without clock and thread.
#[derive(Debug)]
pub struct Writer {
    pub(crate) shared: Arc<Shared>,
    /// Files set aside, the next one first.
    spares: VecDeque<Spare>,
    /// Spare files that have no reserved space yet.
    unready: Vec<u64>,
    /// The number of the next spare file.
    next_spare: u64,
    /// The segment written last.
    last: Option<Arc<Segment>>,
    /// A group the disk had no room for.
    blocked: Option<Ready>,
    /// Segments that end when the record at this position is durable.
    dropping: VecDeque<(Position, Arc<Segment>)>,
    /// The end of the log when it was marked as synced.
    marked: Position,
    woken: Vec<Waker>,
    /// Held until the log has ended.
    _lock: Box<dyn DiskLock>,
}

/// What a step did.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Step {
    /// A group is written, and synced if that is asked for.
    Committed,
    /// Nothing waits.
    Idle,
    /// There is no room for the group that waits: it is tried again with the next step.
    Blocked,
    /// The log has failed, now or before.
    Failed,
}

#[derive(Debug)]
struct Spare {
    number: u64,
    file: Arc<dyn DiskFile>,
    len: u64,
}

/// A group as it goes to the disk.
#[derive(Debug)]
struct Ready {
    segment: Arc<Segment>,
    start: Position,
    bytes: Arc<Vec<u8>>,
    /// Bytes of records in it.
    buffered: usize,
    is_mark: bool,
}

/// Why a step ended early.
enum Trouble {
    Full,
    Failed(LogFailure),
}

impl Writer {
    pub(crate) fn new(
        shared: Arc<Shared>,
        lock: Box<dyn DiskLock>,
        spares: Vec<u64>,
        last: Option<Arc<Segment>>,
    ) -> Self {
        let next_spare = spares
            .iter()
            .max()
            .map_or(0, |number| number.saturating_add(1));
        let marked = shared.synced.position();
        Self {
            shared,
            spares: VecDeque::new(),
            unready: spares,
            next_spare,
            last,
            blocked: None,
            dropping: VecDeque::new(),
            marked,
            woken: Vec::new(),
            _lock: lock,
        }
    }

    /// Writes the oldest group that waits, and looks after the files.
    pub fn step(&mut self) -> Step {
        if self.shared.failure.get().is_some() {
            return Step::Failed;
        }
        self.set_spare_aside();
        self.drop_dead();
        let Some(ready) = self.blocked.take().or_else(|| self.take()) else {
            return self.sync_if_wanted();
        };
        match self.commit(&ready) {
            Ok(()) => {
                self.keep_memory(ready);
                self.finish_dropping();
                if self.shared.counters.is_full.load(Ordering::Acquire) {
                    self.set_spare_aside();
                }
                Step::Committed
            }
            Err(Trouble::Full) => {
                self.blocked = Some(ready);
                self.tell_full(true);
                Step::Blocked
            }
            Err(Trouble::Failed(failure)) => {
                self.fail(failure);
                Step::Failed
            }
        }
    }

    /// Marks the end of the log as synced, if that is not known on disk yet; for a time when nothing else is to do.
    ///
    /// Damage of the last group can then be told from a group that was never finished.
    pub fn mark(&mut self) -> Step {
        let shared = self.shared.clone();
        let synced = shared.synced.position();
        let is_known = self.marked >= synced || synced < shared.written.position();
        if is_known || self.blocked.is_some() || !shared.queue().append_mark() {
            return Step::Idle;
        }
        self.step()
    }

    /// Writes what waits and marks the end; nothing may be appended any more.
    ///
    /// # Errors
    /// Why the log has failed, now or before.
    pub fn finish(mut self) -> Result<(), LogFailure> {
        self.finish_in_place()
    }

    pub(crate) fn finish_in_place(&mut self) -> Result<(), LogFailure> {
        self.shared.queue().is_ended = true;
        while self.step() == Step::Committed {}
        if let Some(blocked) = &self.blocked {
            let full = io::ErrorKind::StorageFull.into();
            let failure = self.failure(&blocked.segment.name(), Operation::Write, full);
            self.fail(failure);
        }
        if self.shared.failure.get().is_none() {
            if let Err(Trouble::Failed(failure)) = self.sync_last() {
                self.fail(failure);
            }
            self.mark();
        }
        self.shared.failure.get().cloned().map_or(Ok(()), Err)
    }

    /// Whether something is to do besides groups.
    pub(crate) fn has_chores(&self) -> bool {
        let shared = &self.shared;
        shared.has_dead.load(Ordering::Acquire) || shared.wants_sync.load(Ordering::Acquire)
    }

    /// Whether a group waits for room.
    pub(crate) fn is_blocked(&self) -> bool {
        self.blocked.is_some()
    }

    /// Whether room is looked for.
    pub(crate) fn wants_room(&self) -> bool {
        self.shared.counters.is_full.load(Ordering::Acquire)
    }

    /// Syncs what is written, if somebody asked for it and it is not; nothing may wait to be written.
    fn sync_if_wanted(&mut self) -> Step {
        let shared = &self.shared;
        let is_wanted = shared.wants_sync.swap(false, Ordering::AcqRel);
        if !is_wanted || shared.synced.position() >= shared.written.position() {
            return Step::Idle;
        }
        if let Err(Trouble::Failed(failure)) = self.sync_last() {
            self.fail(failure);
            return Step::Failed;
        }
        Shared::wake(&mut self.woken);
        Step::Idle
    }

    fn take(&mut self) -> Option<Ready> {
        let mut queue = self.shared.queue();
        let group = queue.take()?;
        let buffered = group.bytes.len().saturating_sub(GROUP_HEAD_LEN);
        let Group {
            segment,
            start,
            mut bytes,
            records,
            ..
        } = group;
        // The group must be readable while it is written; its checksum is made before others have to wait for it.
        format::finish_group(&mut bytes, start, self.shared.synced.position(), records);
        let bytes = Arc::new(bytes);
        queue.in_flight = Some((start, bytes.clone()));
        Some(Ready {
            segment,
            start,
            bytes,
            buffered,
            is_mark: records == 0,
        })
    }

    fn commit(&mut self, ready: &Ready) -> Result<(), Trouble> {
        let file = self.file_of(&ready.segment)?;
        let offset = ready.start.since(ready.segment.base);
        let written = disk::write_full(&*file, &ready.bytes, offset);
        written.map_err(|source| self.trouble(&ready.segment.name(), Operation::Write, source))?;
        let len = u64_of(ready.bytes.len());
        let end = ready.start.plus(len);
        let counters = &self.shared.counters;
        counters.groups.fetch_add(1, Ordering::Relaxed);
        counters.written_len.fetch_add(len, Ordering::Relaxed);
        ready
            .segment
            .file_len
            .fetch_max(offset.saturating_add(len), Ordering::AcqRel);
        self.last = Some(ready.segment.clone());
        self.shared.written.reach(end, &mut self.woken);
        if ready.is_mark {
            self.marked = end;
        } else if self.shared.settings.durability == Durability::Fsync
            || !self.dropping.is_empty()
            || self.shared.wants_sync.swap(false, Ordering::AcqRel)
        {
            self.sync_last()?;
        }
        Shared::wake(&mut self.woken);
        Ok(())
    }

    /// Syncs the file written last; everything written is synced then.
    fn sync_last(&mut self) -> Result<(), Trouble> {
        let Some(segment) = &self.last else {
            return Ok(());
        };
        if let Some(file) = segment.file.get() {
            self.shared.counters.syncs.fetch_add(1, Ordering::Relaxed);
            file.sync()
                .map_err(|source| self.failed(&segment.name(), Operation::Sync, source))?;
        }
        let written = self.shared.written.position();
        self.shared.synced.reach(written, &mut self.woken);
        Ok(())
    }

    /// Takes the written group back from those who read it where it was, and keeps its memory.
    fn keep_memory(&mut self, ready: Ready) {
        let mut queue = self.shared.queue();
        queue.buffered = queue.buffered.saturating_sub(ready.buffered);
        queue.in_flight = None;
        let memory =
            Arc::into_inner(ready.bytes).filter(|bytes| bytes.capacity() <= MEMORY_KEPT_MAX);
        if let Some(bytes) = memory {
            queue.memory = bytes;
        }
        let shared = &self.shared;
        let has_room = queue.buffered <= shared.settings.buffer_len_max / 2;
        // Under the lock, as it is set.
        let was_behind = has_room && shared.is_behind.swap(false, Ordering::AcqRel);
        drop(queue);
        if was_behind {
            shared.room.leave(&mut self.woken);
            Shared::wake(&mut self.woken);
        }
    }

    /// The file of a segment, made from a spare one before its first group.
    fn file_of(&mut self, segment: &Arc<Segment>) -> Result<Arc<dyn DiskFile>, Trouble> {
        if let Some(file) = segment.file.get() {
            return Ok(file.clone());
        }
        if self.shared.synced.position() < self.shared.written.position() {
            // Only the file written last is synced, so nothing of another may be unsynced.
            self.sync_last()?;
        }
        let Some(spare) = self.spares.front() else {
            return Err(Trouble::Full);
        };
        let name = spare_name(spare.number);
        let head = SegmentHead {
            base: segment.base,
            previous: self.last.as_ref().map_or(segment.base, |last| last.base),
            synced: self.shared.synced.position(),
        };
        let disk = &self.shared.disk;
        disk::write_full(&*spare.file, &head.encode(), 0)
            .map_err(|source| self.trouble(&name, Operation::Write, source))?;
        spare
            .file
            .sync()
            .map_err(|source| self.failed(&name, Operation::Sync, source))?;
        disk.rename(&name, &segment.name())
            .map_err(|source| self.trouble(&name, Operation::Create, source))?;
        disk.sync()
            .map_err(|source| self.failed("", Operation::Sync, source))?;
        let file = spare.file.clone();
        segment.file_len.store(spare.len, Ordering::Release);
        self.spares.pop_front();
        // The segment before has ended with it, and may be needed no more.
        self.shared.has_dead.store(true, Ordering::Release);
        Ok(segment.file.get_or_init(|| file).clone())
    }

    /// Keeps room set aside, so that what is appended has its place before it is promised anything.
    pub(crate) fn set_spare_aside(&mut self) {
        let segment_len = self.shared.settings.segment_len;
        let wanted = segment_len / 8 * 7;
        let room = self.shared.queue().room();
        if room >= wanted {
            return;
        }
        let mut made = self.make_spare(segment_len);
        let is_full = made.is_err();
        if is_full && room == 0 {
            // Less is enough to say what is not needed any more.
            made = self.make_spare((segment_len / 16).max(SPARE_LEN_MIN));
        }
        if let Ok((spare, capacity)) = made {
            self.spares.push_back(spare);
            self.shared.queue().add_spare(capacity);
        }
        self.tell_full(is_full);
        self.tell_alarm();
    }

    /// A file with room for a segment of this length, and that length.
    fn make_spare(&mut self, capacity: u64) -> io::Result<(Spare, u64)> {
        let shared = &self.shared;
        let len = capacity.saturating_add(u64_of(CONTROL_SLACK));
        let (number, file) = match self.unready.last() {
            Some(number) => (*number, shared.disk.open(&spare_name(*number))?),
            None => {
                let on_disk = shared.counters.on_disk.load(Ordering::Acquire);
                if on_disk.saturating_add(len) > shared.settings.total_len_max {
                    return Err(io::ErrorKind::StorageFull.into());
                }
                let number = self.next_spare;
                let file = shared.disk.create(&spare_name(number))?;
                self.next_spare = number.saturating_add(1);
                self.unready.push(number);
                (number, file)
            }
        };
        let before = file.len()?;
        if let Err(error) = file.reserve(len) {
            // What it took in part is given back; if that fails it stays for the next attempt.
            let _ = file.set_len(before);
            return Err(error);
        }
        self.unready.pop();
        let added = len.saturating_sub(before);
        shared.counters.on_disk.fetch_add(added, Ordering::AcqRel);
        if before > 0 {
            shared.counters.recycled.fetch_add(1, Ordering::Relaxed);
        }
        Ok((
            Spare {
                number,
                file,
                len: len.max(before),
            },
            capacity,
        ))
    }

    /// Says in the log which segments nobody needs any more.
    fn drop_dead(&mut self) {
        // While there is no room it may be that a segment is dead and the record that says so had no place.
        if !self.shared.has_dead.swap(false, Ordering::AcqRel) && !self.wants_room() {
            return;
        }
        let replay_from = Position::new(self.shared.replay_from.load(Ordering::Acquire));
        let mut queue = self.shared.queue();
        queue.begin_tail(&self.shared.table);
        let mut segments = self.shared.table.write();
        segments.retain(|segment| {
            let is_sealed = segment.end().is_some_and(|end| end <= replay_from);
            if !is_sealed || segment.held_records() > 0 || segment.file.get().is_none() {
                return true;
            }
            let base = segment.base.number().to_le_bytes();
            let Some(position) = queue.append_control(format::CONTROL_DROPPED, &base) else {
                return true;
            };
            segment.is_dropped.store(true, Ordering::Release);
            self.dropping.push_back((position, segment.clone()));
            false
        });
    }

    /// Gives the files of dropped segments to new ones, once it is synced that they are dropped.
    fn finish_dropping(&mut self) {
        let synced = self.shared.synced.position();
        while let Some((position, _)) = self.dropping.front() {
            if *position > synced {
                return;
            }
            let Some((_, segment)) = self.dropping.pop_front() else {
                return;
            };
            let file_len = segment.file_len.load(Ordering::Acquire);
            let is_kept = self.unready.len() < self.shared.settings.spares_max;
            let done = match is_kept {
                true => self.recycle(&segment),
                false => self.shared.disk.remove(&segment.name()),
            };
            // What stays is removed when the log is opened next.
            if done.is_ok() && !is_kept {
                self.shared
                    .counters
                    .on_disk
                    .fetch_sub(file_len, Ordering::AcqRel);
            }
            self.shared
                .counters
                .dropped_segments
                .fetch_add(1, Ordering::Relaxed);
        }
        self.tell_alarm();
    }

    fn recycle(&mut self, segment: &Segment) -> io::Result<()> {
        let number = self.next_spare;
        self.shared
            .disk
            .rename(&segment.name(), &spare_name(number))?;
        self.next_spare = number.saturating_add(1);
        self.unready.push(number);
        Ok(())
    }

    fn tell_full(&self, is_full: bool) {
        let was_full = self.shared.counters.is_full.swap(is_full, Ordering::AcqRel);
        match (was_full, is_full) {
            (false, true) => self.shared.settings.tell(Event::Full),
            (true, false) => self.shared.settings.tell(Event::Room),
            _ => {}
        }
    }

    fn tell_alarm(&self) {
        let counters = &self.shared.counters;
        let len_max = self.shared.settings.total_len_max;
        let on_disk = counters.on_disk.load(Ordering::Acquire);
        let is_alarmed = on_disk >= len_max / 5 * 4;
        let was_alarmed = counters.is_alarmed.swap(is_alarmed, Ordering::AcqRel);
        match (was_alarmed, is_alarmed) {
            (false, true) => self
                .shared
                .settings
                .tell(Event::AlarmOn { on_disk, len_max }),
            (true, false) => self.shared.settings.tell(Event::AlarmOff),
            _ => {}
        }
    }

    fn trouble(&self, name: &str, operation: Operation, source: io::Error) -> Trouble {
        match disk::is_full(&source) {
            true => Trouble::Full,
            false => self.failed(name, operation, source),
        }
    }

    fn failed(&self, name: &str, operation: Operation, source: io::Error) -> Trouble {
        Trouble::Failed(self.failure(name, operation, source))
    }

    fn failure(&self, name: &str, operation: Operation, source: io::Error) -> LogFailure {
        LogFailure {
            file: self.shared.disk.path(name),
            operation,
            source: Arc::new(source),
        }
    }

    /// Ends everything: nobody is told that anything more is durable.
    fn fail(&mut self, failure: LogFailure) {
        self.shared.queue().is_ended = true;
        if self.shared.failure.set(failure.clone()).is_ok() {
            self.shared.settings.tell(Event::Failed(failure));
        }
        self.shared.written.give_up(&mut self.woken);
        self.shared.synced.give_up(&mut self.woken);
        self.shared.is_behind.store(false, Ordering::Release);
        self.shared.room.leave(&mut self.woken);
        Shared::wake(&mut self.woken);
    }
}

/// Bytes past the length of a segment for records of the log itself; a multiple of [`SECTOR`].
const CONTROL_SLACK: usize = 32 * SECTOR;
/// The shortest file set aside while there is no room for more.
const SPARE_LEN_MIN: u64 = 16 << 10;
/// The largest memory of a group that is kept for the next one; unit: bytes.
const MEMORY_KEPT_MAX: usize = 1 << 20;
