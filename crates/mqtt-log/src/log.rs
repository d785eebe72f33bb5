//! The log in use.

use crate::{
    AppendError, Entry, LogFailure, Position, Space, Stats, format, shared::Shared, space,
};
use std::{
    sync::{Arc, atomic::Ordering},
    task::Waker,
    thread::JoinHandle,
};

/// A log that takes records, makes them durable in groups and gives them back by position.
///
/// All methods can be called from any thread; those that append never wait for the disk.
/// Dropping it writes what waits and ends the writer; [`Log::close`] also says whether that succeeded.
#[derive(Debug)]
pub struct Log {
    pub(crate) shared: Arc<Shared>,
    /// `None` when somebody else drives the writer.
    pub(crate) thread: Option<JoinHandle<()>>,
}

impl Log {
    /// Appends one record and says where it stands; it is durable once [`Log::durable`] has reached that position.
    ///
    /// # Errors
    /// [`AppendError`]; nothing has changed then.
    pub fn append(&self, entry: Entry<'_>) -> Result<Position, AppendError> {
        let payload_crc = format::crc_of(entry.parts);
        let mut position = Position::ZERO;
        self.append_with(&[(entry, payload_crc)], |placed| position = placed)?;
        Ok(position)
    }

    /// Appends records of which all or none survive a crash, and adds the position of each to `positions`.
    ///
    /// Together they may not be longer than [`crate::Settings::buffer_len_max`].
    ///
    /// # Errors
    /// [`AppendError`]; nothing has changed then.
    pub fn append_all(
        &self,
        entries: &[Entry<'_>],
        positions: &mut Vec<Position>,
    ) -> Result<(), AppendError> {
        let checked: Vec<_> = entries
            .iter()
            .map(|entry| (*entry, format::crc_of(entry.parts)))
            .collect();
        self.append_with(&checked, |placed| positions.push(placed))
    }

    /// Where the last record appended starts.
    pub fn appended(&self) -> Position {
        Position::new(self.shared.appended.load(Ordering::Acquire))
    }

    /// Everything up to here is with the operating system: it survives the end of the process.
    pub fn written(&self) -> Position {
        self.shared.written.position()
    }

    /// Everything up to here is synced: it survives a power cut.
    pub fn synced(&self) -> Position {
        self.shared.synced.position()
    }

    /// Everything up to here is as durable as [`crate::Settings::durability`] asks for.
    pub fn durable(&self) -> Position {
        self.shared.durable().position()
    }

    /// Calls `waker` once `position` is durable or the log has failed; at once if that is so already.
    ///
    /// A waker that waits for two positions is called for the first of them.
    pub fn wake_when_durable(&self, position: Position, waker: &Waker) {
        self.shared.durable().wake_at(position, waker);
        self.wake_if_failed(waker);
    }

    /// Calls `waker` once `position` is written or the log has failed; at once if that is so already.
    pub fn wake_when_written(&self, position: Position, waker: &Waker) {
        self.shared.written.wake_at(position, waker);
        self.wake_if_failed(waker);
    }

    /// Whether the disk is behind by half of what may wait for it: who can wait should, until there is room.
    ///
    /// Records are taken all the same, up to [`crate::Settings::buffer_len_max`].
    pub fn is_behind(&self) -> bool {
        self.shared.is_behind.load(Ordering::Acquire)
    }

    /// Calls `waker` once the disk is no longer behind or the log has failed; at once if that is so already.
    pub fn wake_when_room(&self, waker: &Waker) {
        self.shared.room.join(waker);
        if !self.is_behind() {
            // What came between may have missed it.
            let mut woken = Vec::new();
            self.shared.room.leave(&mut woken);
            Shared::wake(&mut woken);
        }
    }

    /// Has everything appended so far synced soon, whatever [`crate::Settings::durability`] asks for.
    ///
    /// [`Log::synced`] says when that is done.
    pub fn sync_soon(&self) {
        self.shared.wants_sync.store(true, Ordering::Release);
        self.shared.call_writer();
    }

    /// Why nothing becomes durable any more.
    pub fn failure(&self) -> Option<&LogFailure> {
        self.shared.failure.get()
    }

    /// Says that a durable checkpoint of the owner covers everything below `position`.
    ///
    /// Segments below it are dropped as soon as no record in them is held.
    pub fn set_replay_from(&self, position: Position) {
        let number = position.number();
        let before = self.shared.replay_from.fetch_max(number, Ordering::AcqRel);
        if before < number {
            self.shared.has_dead_segment();
        }
    }

    /// Keeps the record at `position`, with `len` bytes of payload, until it is released.
    ///
    /// For records found at replay; [`Entry::held`] does it for new ones. Does nothing where nothing stands.
    pub fn hold(&self, position: Position, len: usize) {
        if let Some(segment) = self.shared.table.find(position) {
            segment.hold(len);
        }
    }

    /// Gives back what [`Entry::held`] or [`Log::hold`] kept; `len` is that of the payload, as it was there.
    pub fn release(&self, position: Position, len: usize) {
        let segment = self.shared.table.find(position);
        if segment.is_some_and(|segment| segment.release(len) && segment.end().is_some()) {
            self.shared.has_dead_segment();
        }
    }

    /// What the files take, and what is needed of them.
    pub fn space(&self) -> Space {
        space::of(&self.shared)
    }

    /// What happened since the log was opened.
    pub fn stats(&self) -> Stats {
        space::stats(&self.shared)
    }

    /// Writes what waits, marks the end as synced and ends the writer.
    ///
    /// # Errors
    /// Why the log has failed, now or before.
    pub fn close(mut self) -> Result<(), LogFailure> {
        self.end();
        self.failure().cloned().map_or(Ok(()), Err)
    }

    fn append_with(
        &self,
        entries: &[(Entry<'_>, u32)],
        mut placed: impl FnMut(Position),
    ) -> Result<(), AppendError> {
        let shared = &self.shared;
        let mut last = None;
        let mut queue = shared.queue();
        let appended = queue.append(&shared.settings, &shared.table, entries, |position| {
            last = Some(position);
            placed(position);
        });
        if let Some(position) = last {
            shared.appended.store(position.number(), Ordering::Release);
        }
        if queue.buffered > shared.settings.buffer_len_max / 2 {
            shared.is_behind.store(true, Ordering::Release);
        }
        let is_taken = appended.is_ok();
        // Told once: the writer looks at everything when it wakes.
        let has_work =
            is_taken && (std::mem::take(&mut queue.is_idle) || is_enough(&queue, shared));
        drop(queue);
        if has_work {
            shared.work.notify_one();
        }
        let counters = &shared.counters;
        match appended {
            Ok(()) => {
                let len = entries.iter().map(|(entry, _)| entry.payload_len()).sum();
                let count = crate::disk::u64_of(entries.len());
                counters.records.fetch_add(count, Ordering::Relaxed);
                counters
                    .payload_len
                    .fetch_add(crate::disk::u64_of(len), Ordering::Relaxed);
            }
            Err(_) => {
                counters.refused.fetch_add(1, Ordering::Relaxed);
            }
        }
        appended
    }

    fn wake_if_failed(&self, waker: &Waker) {
        if self.failure().is_some() {
            waker.wake_by_ref();
        }
    }

    fn end(&mut self) {
        self.shared.queue().is_ended = true;
        self.shared.work.notify_all();
        if let Some(thread) = self.thread.take() {
            // It has not panicked, and if it has, there is nothing to save.
            let _ = thread.join();
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.end();
    }
}

/// Whether the writer need not wait for more.
fn is_enough(queue: &crate::queue::Queue, shared: &Shared) -> bool {
    let enough = shared.settings.group_records_max;
    queue.oldest().is_some_and(|(records, _)| records == enough)
}
