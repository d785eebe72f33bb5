//! Messages above QoS 0 that wait for one session: the next ones in memory, those behind them in the log.

use super::batch::Batch;
use super::entries::{ENTRY_LEN, Entries, Front, Stored};
use super::log::MessageId;
use super::message::Message;
use super::queue::{Queued, Taken};
use super::session_cell::{NEVER, Outgoing};
use super::subscription::Via;
use std::collections::VecDeque;
use std::sync::Arc;

/// Messages read from the log for one session at a time.
const LOAD_LEN_MAX: usize = 4096;

/// Messages in order: `head`, then what `entries` stand for.
///
/// INVARIANT: the first of `entries` is not a pinned one.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    head: VecDeque<Queued>,
    /// INVARIANT: sum of the sizes in `head`.
    head_bytes: usize,
    entries: Entries,
    /// The messages of pinned entries, in order; the log has not got them, or there is no telling how they came.
    #[expect(clippy::box_collection, reason = "nearly always there is none")]
    pinned: Option<Box<VecDeque<Queued>>>,
    /// INVARIANT: sum of the sizes of all.
    bytes: usize,
}

impl Backlog {
    /// Messages.
    pub(crate) fn len(&self) -> usize {
        self.head.len() + self.entries.len()
    }

    /// Bytes of all messages.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether more should be read, lest the connection has to wait.
    pub(crate) fn is_short(&self, head_bytes_max: usize) -> bool {
        !self.entries.is_empty() && self.head_bytes <= head_bytes_max / 2
    }

    /// The next message, if it is in memory.
    pub(crate) fn front(&self) -> Option<&Queued> {
        self.head.front()
    }

    /// Puts a message at the end: into memory if it can be nowhere else, or up to `head_bytes_max`.
    pub(crate) fn push(
        &mut self,
        batch: &mut Batch,
        outgoing: Outgoing<'_>,
        head_bytes_max: usize,
    ) {
        let size = outgoing.message.size();
        self.bytes += size;
        let may_stay = !batch.spills && self.head_bytes.saturating_add(size) <= head_bytes_max;
        if self.entries.is_empty() && (may_stay || outgoing.id == MessageId::NONE) {
            self.push_head(batch, Queued::of(outgoing));
            return;
        }
        let stored = Stored {
            id: outgoing.id,
            qos: outgoing.qos,
            retain: outgoing.retain,
            via: outgoing.via.clone(),
            size,
            expires_at_ms: outgoing.message.expires_at_ms().unwrap_or(NEVER),
        };
        if !self.push_entry(batch, &stored) {
            self.push_whole(batch, Queued::of(outgoing));
        }
    }

    /// Puts back a message of the log at the end; `false`: it has to be put back whole.
    pub(crate) fn restore(&mut self, batch: &mut Batch, stored: &Stored) -> bool {
        let is_noted = self.push_entry(batch, stored);
        if is_noted {
            self.bytes += stored.size;
        }
        is_noted
    }

    /// Puts back a message at the end that has to stay in memory.
    pub(crate) fn restore_whole(&mut self, batch: &mut Batch, queued: Queued) {
        self.bytes += queued.message.size();
        self.push_whole(batch, queued);
    }

    /// Drops the next message: what it is called in the log, if it is there.
    pub(crate) fn pop(&mut self, batch: &mut Batch) -> Option<MessageId> {
        if let Some(queued) = self.pop_head(batch) {
            return Some(queued.id);
        }
        Some(self.pop_entry(batch)?.id)
    }

    /// Takes what is next and has expired at `now_ms`, as far as that is known without reading it.
    pub(crate) fn pop_expired(&mut self, batch: &mut Batch, now_ms: u64) -> Option<MessageId> {
        let is_next = self.head.is_empty() && self.entries.is_front_expired(now_ms);
        is_next.then(|| Some(self.pop_entry(batch)?.id)).flatten()
    }

    /// What to read next.
    pub(crate) fn next_ids(&self, head_bytes_max: usize) -> impl Iterator<Item = MessageId> {
        let bytes_max = head_bytes_max.saturating_sub(self.head_bytes);
        self.entries.next_ids(bytes_max, LOAD_LEN_MAX)
    }

    /// A message was read, or cannot be; `false` when it is not the next one any more.
    pub(crate) fn load(
        &mut self,
        batch: &mut Batch,
        id: MessageId,
        message: Option<Arc<Message>>,
    ) -> bool {
        if self.entries.front() != Some(Front::Stored(id)) {
            return false;
        }
        let Some(Some(stored)) = self.entries.pop_front() else {
            return false;
        };
        batch.note_stored(-1);
        self.bytes -= stored.size;
        if let Some(message) = message {
            self.bytes += message.size();
            self.push_head(batch, stored.with(message));
        }
        self.pull(batch);
        true
    }

    /// Leaves to the log what it has.
    pub(crate) fn spill(&mut self, batch: &mut Batch) {
        while let Some(queued) = self.head.pop_back() {
            let size = queued.message.size();
            self.head_bytes -= size;
            if self.entries.push_front(&queued.stored()) {
                batch.queued_bytes -= queued.message.leave_queue();
                batch.note_stored(1);
            } else {
                self.entries.pin_front();
                self.pinned.get_or_insert_default().push_front(queued);
            }
        }
        self.head = VecDeque::new();
        self.pull(batch);
    }

    /// Takes out messages of Shared Subscriptions that are `wanted`, in order.
    pub(crate) fn take_shared(
        &mut self,
        batch: &mut Batch,
        mut wanted: impl FnMut(&Via, usize) -> bool,
    ) -> Vec<Taken> {
        let is_shared = |queued: &Queued| queued.via.is_shared();
        let has_shared = self.entries.has_shared()
            || self.head.iter().any(is_shared)
            || self.pinned.iter().flat_map(|all| all.iter()).any(is_shared);
        if !has_shared {
            return Vec::new();
        }
        let mut taken = Vec::new();
        let (head, mut entries) = (
            std::mem::take(&mut self.head),
            std::mem::take(&mut self.entries),
        );
        let pinned = self.pinned.take().unwrap_or_default();
        (self.head_bytes, self.bytes) = (0, 0);
        let mut pick = |via: &Via, size| via.is_shared() && wanted(via, size);
        for queued in head {
            let size = queued.message.size();
            match pick(&queued.via, size) {
                true => {
                    batch.queued_bytes -= queued.message.leave_queue();
                    taken.push(Taken::Here(queued));
                }
                false => {
                    self.bytes += size;
                    self.head_bytes += size;
                    self.head.push_back(queued);
                }
            }
        }
        let mut pinned = pinned.into_iter();
        while let Some(entry) = entries.pop_front() {
            match entry {
                Some(stored) => match pick(&stored.via, stored.size) {
                    true => {
                        batch.note_stored(-1);
                        taken.push(Taken::Stored(stored));
                    }
                    // It was noted before, and there are not more ways than then.
                    false => {
                        self.bytes += stored.size;
                        self.entries.push_back(&stored);
                    }
                },
                None => {
                    let Some(queued) = pinned.next() else {
                        continue;
                    };
                    batch.queued_bytes -= queued.message.leave_queue();
                    let size = queued.message.size();
                    match pick(&queued.via, size) {
                        true => taken.push(Taken::Here(queued)),
                        false => {
                            self.bytes += size;
                            self.push_whole(batch, queued);
                        }
                    }
                }
            }
        }
        taken
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self, batch: &mut Batch) {
        let pinned = self.pinned.take().unwrap_or_default();
        let stored = self.entries.len() - pinned.len();
        for queued in self.head.drain(..).chain(*pinned) {
            batch.queued_bytes -= queued.message.leave_queue();
        }
        batch.note_stored(-i64::try_from(stored).unwrap_or(i64::MAX));
        *self = Self::default();
    }

    fn push_head(&mut self, batch: &mut Batch, queued: Queued) {
        self.head_bytes += queued.message.size();
        batch.queued_bytes += queued.message.enter_queue();
        self.head.push_back(queued);
    }

    fn push_entry(&mut self, batch: &mut Batch, stored: &Stored) -> bool {
        let is_noted = self.entries.push_back(stored);
        batch.note_stored(i64::from(is_noted));
        is_noted
    }

    /// Puts a message that stays in memory behind all others.
    fn push_whole(&mut self, batch: &mut Batch, queued: Queued) {
        if self.entries.is_empty() {
            self.push_head(batch, queued);
            return;
        }
        batch.queued_bytes += queued.message.enter_queue();
        self.entries.pin_back();
        self.pinned.get_or_insert_default().push_back(queued);
    }

    fn pop_head(&mut self, batch: &mut Batch) -> Option<Queued> {
        let queued = self.head.pop_front()?;
        let size = queued.message.size();
        self.head_bytes -= size;
        self.bytes -= size;
        batch.queued_bytes -= queued.message.leave_queue();
        if self.head.capacity() > 4 * self.head.len() + 1024 {
            self.head.shrink_to(2 * self.head.len());
        }
        Some(queued)
    }

    fn pop_entry(&mut self, batch: &mut Batch) -> Option<Stored> {
        let stored = self.entries.pop_front()??;
        self.bytes -= stored.size;
        batch.note_stored(-1);
        self.pull(batch);
        Some(stored)
    }

    /// Keeps the invariant of `entries`.
    fn pull(&mut self, batch: &mut Batch) {
        while self.entries.front() == Some(Front::Pinned) {
            self.entries.pop_front();
            let Some(queued) = self.pinned.as_mut().and_then(|all| all.pop_front()) else {
                continue;
            };
            batch.queued_bytes -= queued.message.leave_queue();
            self.push_head(batch, queued);
        }
    }
}

impl Batch {
    /// So many messages more wait in the log alone.
    fn note_stored(&mut self, count: i64) {
        self.stored += count;
        self.queued_bytes += count * ENTRY_LEN;
    }
}
