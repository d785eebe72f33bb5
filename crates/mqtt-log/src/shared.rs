//! What the users of a log and its writer share.

use crate::{
    Durability, LogFailure, Position, Settings,
    disk::Disk,
    queue::Queue,
    segment::SegmentTable,
    waiters::{Crowd, Milestone},
};
use std::{
    sync::{
        Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::Waker,
};

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) settings: Settings,
    pub(crate) queue: Mutex<Queue>,
    /// Told when the writer, idle or gathering, has something to do.
    pub(crate) work: Condvar,
    pub(crate) table: SegmentTable,
    pub(crate) written: Milestone,
    pub(crate) synced: Milestone,
    /// The disk is behind by more than records should add to.
    pub(crate) is_behind: AtomicBool,
    /// Who waits until it is not.
    pub(crate) room: Crowd,
    /// Everything written is to be synced, whatever durable means.
    pub(crate) wants_sync: AtomicBool,
    /// Where the last record appended starts.
    pub(crate) appended: AtomicU64,
    /// Everything below is in a checkpoint of the owner.
    pub(crate) replay_from: AtomicU64,
    /// A segment may have lost its last needed record.
    pub(crate) has_dead: AtomicBool,
    pub(crate) failure: OnceLock<LogFailure>,
    pub(crate) counters: Counters,
}

/// What happened since the log was opened.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) records: AtomicU64,
    pub(crate) payload_len: AtomicU64,
    pub(crate) groups: AtomicU64,
    pub(crate) written_len: AtomicU64,
    pub(crate) syncs: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) dropped_segments: AtomicU64,
    pub(crate) recycled: AtomicU64,
    /// Bytes of all files.
    pub(crate) on_disk: AtomicU64,
    pub(crate) is_full: AtomicBool,
    pub(crate) is_alarmed: AtomicBool,
}

impl Shared {
    pub(crate) fn new(disk: Arc<dyn Disk>, settings: Settings, end: Position) -> Self {
        Self {
            disk,
            settings,
            queue: Mutex::new(Queue::new(end)),
            work: Condvar::new(),
            table: SegmentTable::default(),
            written: Milestone::new(end),
            synced: Milestone::new(end),
            is_behind: AtomicBool::new(false),
            room: Crowd::default(),
            wants_sync: AtomicBool::new(false),
            appended: AtomicU64::new(end.number()),
            replay_from: AtomicU64::new(0),
            has_dead: AtomicBool::new(false),
            failure: OnceLock::new(),
            counters: Counters::default(),
        }
    }

    pub(crate) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The milestone that counts as durable.
    pub(crate) fn durable(&self) -> &Milestone {
        match self.settings.durability {
            Durability::Fsync => &self.synced,
            Durability::Os => &self.written,
        }
    }

    /// Wakes who waits for a position, once each.
    pub(crate) fn wake(woken: &mut Vec<Waker>) {
        for waker in woken.drain(..) {
            waker.wake();
        }
    }

    /// Says that the writer has to look at segments.
    pub(crate) fn has_dead_segment(&self) {
        self.has_dead.store(true, Ordering::Release);
        self.call_writer();
    }

    /// Makes an idle writer look what there is to do.
    pub(crate) fn call_writer(&self) {
        // Under the lock, or the writer could go to sleep in between.
        let mut queue = self.queue();
        let is_idle = std::mem::take(&mut queue.is_idle);
        drop(queue);
        if is_idle {
            self.work.notify_one();
        }
    }
}
