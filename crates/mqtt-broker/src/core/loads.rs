//! Messages that wait in the log are read from it when their session's connection is about to need them.

use super::Core;
use super::batch::Batch;
use super::cause::DropCause;
use super::limits::Limits;
use super::log::MessageId;
use super::message::Message;
use super::queue::{Queued, Taken};
use super::session_cell::{SessionKey, SessionState};
use parking_lot::{Condvar, Mutex};
use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Sessions served with one pass over the log.
const SESSIONS_MAX: usize = 64;
/// Messages under way that are read at a time.
const RESENDS_MAX: usize = 1024;
/// Bytes read for a session at a time while queues take too much memory.
const SPILLING_BYTES_MAX: usize = 16 * 1024;
/// Messages read at a time for other sessions.
const MOVED_MAX: usize = 1024;

/// Sessions that need messages from the log, each once; whoever serves them waits here.
#[derive(Debug, Default)]
pub(crate) struct Loads {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    sessions: VecDeque<SessionKey>,
    is_ended: bool,
}

impl Loads {
    pub(crate) fn add(&self, sessions: &mut Vec<SessionKey>) {
        self.waiting.lock().sessions.extend(sessions.drain(..));
        self.changed.notify_one();
    }

    /// The sessions to be served next, in `sessions`; waits for some. `false`: there will be none any more.
    pub(crate) fn wait(&self, sessions: &mut Vec<SessionKey>) -> bool {
        let mut waiting = self.waiting.lock();
        while waiting.sessions.is_empty() && !waiting.is_ended {
            self.changed.wait(&mut waiting);
        }
        waiting.take(sessions);
        !waiting.is_ended
    }

    /// The sessions to be served next, in `sessions`, if there are any.
    #[cfg(test)]
    pub(crate) fn try_take(&self, sessions: &mut Vec<SessionKey>) -> bool {
        self.waiting.lock().take(sessions);
        !sessions.is_empty()
    }

    /// Lets nobody wait any longer.
    pub(crate) fn end(&self) {
        self.waiting.lock().is_ended = true;
        self.changed.notify_all();
    }
}

impl Waiting {
    fn take(&mut self, sessions: &mut Vec<SessionKey>) {
        let count = self.sessions.len().min(SESSIONS_MAX);
        sessions.clear();
        sessions.extend(self.sessions.drain(..count));
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        self.loads.end();
    }
}

impl SessionState {
    /// Has messages read from the log if the connection will need them soon.
    pub(super) fn ask_to_load(&mut self, batch: &mut Batch, limits: &Limits) {
        if let Some(queue) = &mut self.queue
            && self.connected
            && let Some(head_bytes_max) = limits.head_bytes_max
            && queue.begin_loading(head_bytes_max)
        {
            batch.loads.push(self.key);
        }
    }

    /// Without a connection nothing is in memory that the log has.
    pub(super) fn leave_to_log(&mut self, batch: &mut Batch) {
        if self.connected || self.ended {
            return;
        }
        let mut awaits_resends = false;
        for sent in self.send.messages_mut() {
            if sent.id != MessageId::NONE && sent.message.take().is_some() {
                sent.is_stored = true;
            }
            awaits_resends |= sent.is_stored;
        }
        if awaits_resends {
            self.queue.get_or_insert_default().await_resends(true);
        }
        if let Some(queue) = &mut self.queue {
            queue.spill(batch);
        }
    }

    /// What is to be read for it, into `wanted`: first messages under way, of which it returns the number.
    fn want(
        &mut self,
        batch: &mut Batch,
        limits: &Limits,
        now_ms: u64,
        wanted: &mut Vec<(SessionKey, MessageId)>,
    ) -> usize {
        let key = self.key;
        let before = wanted.len();
        let Some(mut queue) = self.queue.take() else {
            return 0;
        };
        if !self.connected || self.ended {
            queue.end_loading();
            self.queue = Some(queue);
            return 0;
        }
        if queue.awaits_resends() {
            let stored = self.send.messages().filter(|sent| sent.is_stored);
            wanted.extend(stored.take(RESENDS_MAX).map(|sent| (key, sent.id)));
        }
        let resends = wanted.len() - before;
        while let Some(id) = queue.backlog().pop_expired(batch, now_ms) {
            self.drop_logged(batch, DropCause::Expired, id);
        }
        let mut bytes_max = limits.head_bytes_max.unwrap_or(0);
        if batch.spills {
            bytes_max = bytes_max.min(SPILLING_BYTES_MAX);
        }
        wanted.extend(queue.backlog().next_ids(bytes_max).map(|id| (key, id)));
        self.queue = Some(queue);
        resends
    }

    /// Takes up what was read for it: messages under way, and those next in its queue. Returns how many they are.
    fn take_up(
        &mut self,
        batch: &mut Batch,
        mut resends: HashMap<MessageId, Option<Arc<Message>>>,
        next: impl Iterator<Item = (MessageId, Option<Arc<Message>>)>,
    ) -> u64 {
        let Some(mut queue) = self.queue.take() else {
            return 0;
        };
        queue.end_loading();
        let mut count = 0;
        if self.connected && !self.ended {
            if queue.awaits_resends() {
                let mut awaits = false;
                for sent in self.send.messages_mut().filter(|sent| sent.is_stored) {
                    let Some(message) = resends.remove(&sent.id) else {
                        awaits = true;
                        continue;
                    };
                    count += u64::from(message.is_some());
                    // Without its message it is dropped when it would be sent.
                    sent.message = message;
                    sent.is_stored = false;
                }
                queue.await_resends(awaits);
            }
            for (id, message) in next {
                let is_lost = message.is_none();
                if !queue.backlog().load(batch, id, message) {
                    continue;
                }
                match is_lost {
                    true => self.drop_logged(batch, DropCause::Unreadable, id),
                    false => count += 1,
                }
            }
            self.wake(batch);
        }
        self.queue = Some(queue).filter(|queue| !queue.is_empty());
        count
    }
}

impl Core {
    /// Reads for `sessions` what they will need next; blocks on the disk.
    pub(crate) fn load(&self, sessions: &[SessionKey], batch: &mut Batch, now_ms: u64) {
        self.begin(batch);
        let mut wanted = Vec::new();
        let mut loads = Vec::new();
        for key in sessions {
            let Some(cell) = self.sessions.lock().find_key(*key).cloned() else {
                continue;
            };
            let start = wanted.len();
            let resends = cell
                .state
                .lock()
                .want(batch, &self.limits, now_ms, &mut wanted);
            batch.counts.name_drops(Some(&cell), "");
            let next = start + resends;
            loads.push((cell, start..next, next..wanted.len()));
        }
        let mut read = self.read(&wanted);
        let mut take = |range: Range<usize>| {
            let places = range.filter_map(|at| Some((wanted.get(at)?.1, read.get_mut(at)?.take())));
            places.collect::<Vec<_>>()
        };
        for (cell, resends, next) in loads {
            let (resends, next) = (take(resends), take(next));
            let mut state = cell.state.lock();
            let count = state.take_up(batch, resends.into_iter().collect(), next.into_iter());
            self.tell(&cell, &state);
            drop(state);
            batch.counts.name_drops(Some(&cell), "");
            self.counters.queue_loads.fetch_add(1, Ordering::Relaxed);
            self.counters
                .queue_loaded
                .fetch_add(count, Ordering::Relaxed);
        }
        self.finish(batch, now_ms);
    }

    /// Calls `each` for messages taken out of the queue of a session, read from the log where they are only there;
    /// blocks on the disk then.
    pub(super) fn for_each_taken(
        &self,
        from: SessionKey,
        taken: Vec<Taken>,
        batch: &mut Batch,
        mut each: impl FnMut(&mut Batch, Queued),
    ) {
        let mut taken = taken.into_iter().peekable();
        while taken.peek().is_some() {
            let some: Vec<Taken> = taken.by_ref().take(MOVED_MAX).collect();
            let stored = some.iter().filter_map(|taken| match taken {
                Taken::Here(_) => None,
                Taken::Stored(stored) => Some((from, stored.id)),
            });
            let wanted: Vec<_> = stored.collect();
            let mut read = self.read(&wanted).into_iter();
            for taken in some {
                match taken {
                    Taken::Here(queued) => each(batch, queued),
                    Taken::Stored(stored) => match read.next().flatten() {
                        Some(message) => each(batch, stored.with(message)),
                        None => batch.counts.dropped_by(DropCause::Unreadable, 1, from),
                    },
                }
            }
        }
    }

    /// Messages of the log, each in the place of its name; none where it is lost.
    fn read(&self, wanted: &[(SessionKey, MessageId)]) -> Vec<Option<Arc<Message>>> {
        let mut read = vec![None; wanted.len()];
        if !wanted.is_empty() {
            self.log.read_messages(wanted, &mut |found| {
                for at in found.places {
                    if let Some(place) = read.get_mut(*at) {
                        place.clone_from(&found.message);
                    }
                }
            });
        }
        read
    }
}
