//! The store's own thread: what is finished, checkpoints, room.

use crate::checkpoint::{NotWritten, Numbers};
use crate::files;
use crate::record::{Record, SessionId};
use crate::store::Shared;
use mqtt_log::Position;
use parking_lot::{Condvar, Mutex};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long what is finished waits for more of the kind.
const FINISHED_DELAY: Duration = Duration::from_millis(20);
/// How often it is noted that the broker runs.
pub(crate) const ALIVE_EVERY_MS: u64 = 10_000;
const ALIVE_EVERY: Duration = Duration::from_millis(ALIVE_EVERY_MS);
/// Segments copied between two checkpoints.
const COMPACT_MAX: usize = 4;
/// How often it is looked whether the log has made a position durable.
const DURABLE_POLL: Duration = Duration::from_millis(1);

/// Wakes the thread.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    rung: Mutex<bool>,
    heard: Condvar,
    stop: AtomicBool,
    /// From here on a checkpoint is due, whatever the time.
    due_at: AtomicU64,
}

impl Bell {
    pub(crate) fn ring(&self) {
        *self.rung.lock() = true;
        self.heard.notify_one();
    }

    /// Whether the log has grown enough for a checkpoint; says so once.
    pub(crate) fn is_due(&self, appended: Position) -> bool {
        let due_at = self.due_at.load(Ordering::Relaxed);
        appended.number() >= due_at && self.due_at.swap(u64::MAX, Ordering::Relaxed) != u64::MAX
    }

    /// Waits until it is rung, `until` at most.
    fn wait(&self, until: Instant) {
        let mut rung = self.rung.lock();
        if !*rung && !self.stop.load(Ordering::Acquire) {
            self.heard.wait_until(&mut rung, until);
        }
        *rung = false;
    }
}

/// The thread.
#[derive(Debug)]
pub(crate) struct Background {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Background {
    pub(crate) fn start(shared: Arc<Shared>) -> Self {
        shared.plan_checkpoint(shared.log.appended());
        let runs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("mqtt-store".to_owned())
            .spawn(move || run(&runs));
        if let Err(error) = &thread {
            shared.fail(format!("cannot start a thread: {error}"));
        }
        Self {
            shared,
            thread: thread.ok(),
        }
    }

    /// Returns when the thread has ended.
    pub(crate) fn stop(mut self) {
        self.shared.bell.stop.store(true, Ordering::Release);
        self.shared.bell.ring();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(shared: &Shared) {
    let every = shared.settings.checkpoint_every;
    let (mut checkpoint_at, mut alive_at) = (Instant::now() + every, Instant::now());
    loop {
        let now = Instant::now();
        if now >= alive_at {
            shared.note_alive();
            alive_at = now + ALIVE_EVERY;
        }
        shared.bell.wait(checkpoint_at.min(alive_at));
        if shared.bell.stop.load(Ordering::Acquire) {
            return;
        }
        if shared.inner.lock().ledger.unwritten() > 0 {
            std::thread::sleep(FINISHED_DELAY);
            shared.inner.lock().flush(&shared.log);
        }
        let is_large = shared.bell.due_at.load(Ordering::Relaxed) == u64::MAX;
        if Instant::now() < checkpoint_at && !is_large {
            continue;
        }
        if let Err(failure) = shared.write_checkpoint() {
            shared.fail(failure);
            return;
        }
        shared.compact();
        checkpoint_at = Instant::now() + every;
    }
}

impl Shared {
    /// Writes what has changed since the last checkpoint, and lets the log drop what nobody needs.
    pub(crate) fn write_checkpoint(&self) -> Result<(), String> {
        let mut inner = self.inner.lock();
        inner.flush(&self.log);
        let appended = self.log.appended();
        let mut rows = std::mem::take(&mut inner.rows);
        inner.ledger.take_rows(&mut rows);
        let numbers = Numbers {
            applied: appended.number(),
            next_message: inner.ledger.next_id,
            last_session: inner.last_session,
        };
        drop(inner);
        self.plan_checkpoint(appended);
        if rows.changed.is_empty() && rows.ended.is_empty() {
            return Ok(());
        }
        // A checkpoint must not know more than the log.
        self.log.sync_soon();
        while self.log.synced() < appended {
            if let Some(failure) = self.log.failure() {
                return Err(failure.to_string());
            }
            std::thread::sleep(DURABLE_POLL);
        }
        let is_purged = self.purged.lock().elapsed() >= self.settings.purge_every;
        let expired_ms = is_purged.then(files::now_ms);
        match self.checkpoint.write(numbers, &rows, expired_ms) {
            Ok(()) => {
                self.log.set_replay_from(appended);
                if is_purged {
                    *self.purged.lock() = Instant::now();
                }
            }
            Err(NotWritten::NoRoom) => {
                tracing::warn!(
                    "no room for a checkpoint: it is tried again, and the log grows meanwhile"
                );
                let mut inner = self.inner.lock();
                let newer = std::mem::replace(&mut inner.rows, rows);
                inner.rows.absorb(newer);
            }
            Err(NotWritten::Failed(error)) => {
                return Err(format!("cannot write the checkpoint: {error}"));
            }
        }
        Ok(())
    }

    fn plan_checkpoint(&self, appended: Position) {
        let due_at = appended
            .number()
            .saturating_add(self.settings.checkpoint_after);
        self.bell.due_at.store(due_at, Ordering::Relaxed);
    }

    /// Copies what is needed of segments that are needed for little.
    pub(crate) fn compact(&self) {
        for _ in 0..COMPACT_MAX {
            let Some(segment) = self.log.sparse_segment() else {
                return;
            };
            // Which sessions a copied record is for.
            let copied = Mutex::new(HashMap::new());
            let needed = |record: &mqtt_log::Record<'_>| {
                let at = record.position;
                let decoded = Record::decode(record.kind, record.version, record.payload);
                let Ok(Record::Message { id, recipients, .. }) = decoded else {
                    return false;
                };
                let sessions: Vec<SessionId> = recipients.iter().map(|one| one.session).collect();
                let is_needed = self.inner.lock().ledger.needs(&sessions, id, at.number());
                if is_needed {
                    copied.lock().insert(at, (id, sessions));
                }
                is_needed
            };
            let moved = |old: Position, new: Position| {
                let Some((id, sessions)) = copied.lock().remove(&old) else {
                    return false;
                };
                let ledger = &mut self.inner.lock().ledger;
                ledger.relocate(&sessions, id, old.number(), new.number())
            };
            if let Err(error) = self.log.compact(segment.base, needed, moved) {
                tracing::warn!(%error, "cannot give a segment of the log free");
                return;
            }
        }
    }

    /// Notes that the broker runs.
    pub(crate) fn note_alive(&self) {
        if let Some(dir) = &self.dir {
            files::note_alive(dir);
        }
    }
}
