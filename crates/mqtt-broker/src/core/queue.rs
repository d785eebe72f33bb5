//! What waits for one session, and what happens when it is too much.

use super::backlog::Backlog;
use super::batch::Batch;
use super::cause::DropCause;
use super::entries::Stored;
use super::limits::Limits;
use super::log::MessageId;
use super::message::Message;
use super::seldom_vec::SeldomVec;
use super::session_cell::{NEVER, Outgoing};
use super::subscription::Via;
use mqtt_codec::QoS;
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;
use std::vec::IntoIter;

/// What a queue does with one message too many. QoS 0 does not wait in queues and is not meant.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum QueueFull {
    /// The session ends: its client finds Session Present 0 and knows that something was lost.
    #[default]
    EndSession,
    /// The message that has waited longest is dropped and counted.
    DropOldest,
    /// The new message is dropped and counted.
    DropNewest,
    /// The publisher is refused: Quota exceeded; before v5 its connection is closed, without an acknowledgement.
    Reject,
    /// The publisher waits while the subscriber is connected, for a limited time; then the session ends.
    Backpressure,
}

/// A message waiting for the connection, or for room in flight.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) message: Arc<Message>,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) via: Via,
    /// What it is called in the log, if it is there.
    pub(crate) id: MessageId,
}

impl Queued {
    pub(crate) fn of(outgoing: Outgoing<'_>) -> Self {
        Self {
            message: Arc::clone(outgoing.message),
            qos: outgoing.qos,
            retain: outgoing.retain,
            via: outgoing.via.clone(),
            id: outgoing.id,
        }
    }

    /// What is known of it where its message is in the log.
    pub(crate) fn stored(&self) -> Stored {
        Stored {
            id: self.id,
            qos: self.qos,
            retain: self.retain,
            via: self.via.clone(),
            size: self.message.size(),
            expires_at_ms: self.message.expires_at_ms().unwrap_or(NEVER),
        }
    }
}

/// A message that is taken out of a queue for another session.
#[derive(Debug)]
pub(crate) enum Taken {
    /// It was in memory.
    Here(Queued),
    /// It is in the log.
    Stored(Stored),
}

impl Taken {
    /// What it is called in the log, if it is there.
    pub(crate) const fn id(&self) -> MessageId {
        match self {
            Self::Here(queued) => queued.id,
            Self::Stored(stored) => stored.id,
        }
    }
}

/// The next message to be sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Next<'a> {
    pub(crate) message: &'a Arc<Message>,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) via: &'a Via,
    pub(crate) id: MessageId,
}

/// What became of a message to be queued.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Enqueued {
    /// It waits.
    Kept,
    /// It was dropped and counted.
    Dropped,
    /// There is no room: the session has to end.
    Overflow,
}

/// Messages waiting, bounded by [`Limits::queue_len_max`] and [`Limits::queue_bytes_max`].
#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// Before everything else: newer messages must not overtake them.
    retained: VecDeque<RetainedJob>,
    /// Subscriptions whose retained messages are being looked up: until they are here, nothing goes.
    looking_up: usize,
    /// Messages of QoS 0 behind `retained`.
    at_most_once: Lane,
    /// Messages above QoS 0.
    acknowledged: Backlog,
    /// Publishers that wait for room.
    waiters: SeldomVec<Waker>,
    /// Whether messages under way have to be read from the log before they can be sent again.
    awaits_resends: bool,
    /// Whether messages are being read from the log.
    is_loading: bool,
}

/// Retained messages for one new subscription. They are the store's: a handle each.
#[derive(Debug)]
struct RetainedJob {
    messages: IntoIter<Arc<Message>>,
    qos: QoS,
    via: Via,
}

#[derive(Debug, Default)]
struct Lane {
    entries: VecDeque<Queued>,
    /// INVARIANT: sum of the sizes in `entries`.
    bytes: usize,
}

impl Lane {
    fn push(&mut self, batch: &mut Batch, queued: Queued) {
        self.bytes += queued.message.size();
        batch.queued_bytes += queued.message.enter_queue();
        self.entries.push_back(queued);
    }

    fn pop(&mut self, batch: &mut Batch) -> Option<Queued> {
        let queued = self.entries.pop_front()?;
        self.bytes -= queued.message.size();
        batch.queued_bytes -= queued.message.leave_queue();
        if self.entries.capacity() > 4 * self.entries.len() + 1024 {
            self.entries.shrink_to(2 * self.entries.len());
        }
        Some(queued)
    }

    fn clear(&mut self, batch: &mut Batch) {
        while self.pop(batch).is_some() {}
    }
}

impl Queue {
    /// Messages waiting.
    pub(crate) fn len(&self) -> usize {
        self.acknowledged.len() + self.at_most_once.entries.len() + self.retained_len()
    }

    /// Retained messages waiting.
    pub(crate) fn retained_len(&self) -> usize {
        self.retained.iter().map(|job| job.messages.len()).sum()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.looking_up == 0
            && self.retained.is_empty()
            && self.at_most_once.entries.is_empty()
            && self.acknowledged.len() == 0
            && !self.awaits_resends
    }

    /// Whether it takes no more above QoS 0.
    pub(crate) fn is_full(&self, limits: &Limits) -> bool {
        self.acknowledged.len() >= limits.queue_len_max
            || self.acknowledged.bytes() >= limits.queue_bytes_max
    }

    /// Messages and bytes above QoS 0 that it still takes.
    pub(crate) fn room(&self, limits: &Limits) -> (usize, usize) {
        let lane = &self.acknowledged;
        (
            limits.queue_len_max.saturating_sub(lane.len()),
            limits.queue_bytes_max.saturating_sub(lane.bytes()),
        )
    }

    /// Whether messages of QoS 0 have to wait, too.
    pub(crate) fn holds_at_most_once(&self) -> bool {
        self.looking_up > 0 || !self.retained.is_empty() || !self.at_most_once.entries.is_empty()
    }

    /// Retained messages for a new subscription are about to be looked up: newer ones have to wait behind them.
    pub(crate) const fn await_retained(&mut self) {
        self.looking_up += 1;
    }

    /// Whoever looked up is gone with the connection.
    pub(crate) const fn await_no_retained(&mut self) {
        self.looking_up = 0;
    }

    /// Puts retained messages that were awaited behind what is there of that kind.
    pub(crate) fn push_retained(&mut self, messages: Vec<Arc<Message>>, qos: QoS, via: Via) {
        self.looking_up = self.looking_up.saturating_sub(1);
        if !messages.is_empty() {
            self.retained.push_back(RetainedJob {
                messages: messages.into_iter(),
                qos,
                via,
            });
        }
    }

    /// Puts a message at the end, if there is room or `limits` says how to make some.
    pub(crate) fn push(
        &mut self,
        batch: &mut Batch,
        limits: &Limits,
        outgoing: Outgoing<'_>,
        connected: bool,
        mut drop_one: impl FnMut(&mut Batch, DropCause, MessageId),
    ) -> Enqueued {
        let size = outgoing.message.size();
        if outgoing.qos == QoS::AtMostOnce {
            let lane = &mut self.at_most_once;
            while lane.bytes + size > limits.outbox_bytes_max {
                drop_one(batch, DropCause::OutboxFull, MessageId::NONE);
                if lane.pop(batch).is_none() {
                    return Enqueued::Dropped;
                }
            }
            lane.push(batch, Queued::of(outgoing));
            return Enqueued::Kept;
        }
        let backlog = &mut self.acknowledged;
        let has_room = |backlog: &Backlog| {
            backlog.len() < limits.queue_len_max && backlog.bytes() + size <= limits.queue_bytes_max
        };
        if !has_room(backlog) {
            match limits.queue_full {
                QueueFull::DropOldest => {
                    while !has_room(backlog) {
                        let Some(oldest) = backlog.pop(batch) else {
                            drop_one(batch, DropCause::QueueFull, outgoing.id);
                            return Enqueued::Dropped;
                        };
                        drop_one(batch, DropCause::QueueFull, oldest);
                    }
                }
                QueueFull::DropNewest => {
                    drop_one(batch, DropCause::QueueFull, outgoing.id);
                    return Enqueued::Dropped;
                }
                // Who came past the check before it was full has been promised delivery.
                QueueFull::Reject => {}
                QueueFull::Backpressure if connected => {}
                QueueFull::Backpressure | QueueFull::EndSession => return Enqueued::Overflow,
            }
        }
        let head_bytes_max = limits.head_bytes_max;
        let head_bytes_max =
            head_bytes_max.map_or(usize::MAX, |max| if connected { max } else { 0 });
        backlog.push(batch, outgoing, head_bytes_max);
        Enqueued::Kept
    }

    /// Puts back a message of the log, behind those put back before; `false`: it has to be put back whole.
    pub(crate) fn restore(&mut self, batch: &mut Batch, stored: &Stored) -> bool {
        self.acknowledged.restore(batch, stored)
    }

    /// Puts back a message above QoS 0 that has to stay in memory, behind those put back before.
    pub(crate) fn restore_whole(&mut self, batch: &mut Batch, queued: Queued) {
        self.acknowledged.restore_whole(batch, queued);
    }

    /// Nobody is there to take what is in memory: what the log has is left to it.
    pub(crate) fn spill(&mut self, batch: &mut Batch) {
        self.acknowledged.spill(batch);
    }

    /// Messages under way have to be read from the log before they can be sent again, or need not any more.
    pub(crate) const fn await_resends(&mut self, awaits: bool) {
        self.awaits_resends = awaits;
    }

    pub(crate) const fn awaits_resends(&self) -> bool {
        self.awaits_resends
    }

    /// Whether messages should be read from the log, and are not being read already: it is so from now on.
    pub(crate) fn begin_loading(&mut self, head_bytes_max: usize) -> bool {
        let wants = self.awaits_resends || self.acknowledged.is_short(head_bytes_max);
        wants && !std::mem::replace(&mut self.is_loading, true)
    }

    /// What was to be read has been, or will not be.
    pub(crate) const fn end_loading(&mut self) {
        self.is_loading = false;
    }

    /// Above QoS 0: what waits, partly in the log.
    pub(crate) const fn backlog(&mut self) -> &mut Backlog {
        &mut self.acknowledged
    }

    /// The next message to be sent: retained ones first, then QoS 0, then the others.
    pub(crate) fn next(&mut self) -> Option<Next<'_>> {
        if self.looking_up > 0 {
            return None;
        }
        while self
            .retained
            .front()
            .is_some_and(|job| job.messages.len() == 0)
        {
            self.retained.pop_front();
        }
        if let Some(job) = self.retained.front() {
            let message = job.messages.as_slice().first()?;
            return Some(Next {
                message,
                qos: job.qos.min(message.qos),
                retain: true,
                via: &job.via,
                id: MessageId::NONE,
            });
        }
        let queued = match self.at_most_once.entries.front() {
            None => self.acknowledged.front()?,
            Some(queued) => queued,
        };
        Some(Next {
            message: &queued.message,
            qos: queued.qos,
            retain: queued.retain,
            via: &queued.via,
            id: queued.id,
        })
    }

    /// Takes the message away that `next` gave.
    pub(crate) fn pop_next(&mut self, batch: &mut Batch) {
        if let Some(job) = self.retained.front_mut() {
            job.messages.next();
            if job.messages.len() == 0 {
                self.retained.pop_front();
            }
        } else if self.at_most_once.pop(batch).is_none() {
            self.acknowledged.pop(batch);
        }
    }

    /// Takes out the messages above QoS 0 of Shared Subscriptions that are `wanted`, given how each came and its size
    /// in bytes, in order.
    pub(crate) fn take_shared(
        &mut self,
        batch: &mut Batch,
        wanted: impl FnMut(&Via, usize) -> bool,
    ) -> Vec<Taken> {
        self.acknowledged.take_shared(batch, wanted)
    }

    /// Takes out all messages above QoS 0 of Shared Subscriptions, in order; the rest is forgotten.
    pub(crate) fn into_shared(mut self, batch: &mut Batch) -> Vec<Taken> {
        self.at_most_once.clear(batch);
        self.wake_waiters(batch);
        let taken = self.acknowledged.take_shared(batch, |_, _| true);
        self.acknowledged.clear(batch);
        taken
    }

    /// Wakes `waker` when there is room.
    pub(crate) fn wait(&mut self, waker: &Waker) {
        if !self.waiters.iter().any(|known| known.will_wake(waker)) {
            self.waiters.push(waker.clone());
        }
    }

    pub(crate) fn wake_waiters(&mut self, batch: &mut Batch) {
        batch.wakes.append(&mut self.waiters.take());
    }
}
