//! What waits for one session, and what happens when it is too much.

use super::batch::Batch;
use super::cause::DropCause;
use super::limits::Limits;
use super::log::MessageId;
use super::message::Message;
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
    acknowledged: Lane,
    /// Publishers that wait for room.
    waiters: Vec<Waker>,
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

    fn drain(&mut self, batch: &mut Batch) -> VecDeque<Queued> {
        for queued in &self.entries {
            batch.queued_bytes -= queued.message.leave_queue();
        }
        self.bytes = 0;
        std::mem::take(&mut self.entries)
    }
}

impl Queue {
    /// Messages waiting.
    pub(crate) fn len(&self) -> usize {
        self.acknowledged.entries.len() + self.at_most_once.entries.len() + self.retained_len()
    }

    /// Retained messages waiting.
    pub(crate) fn retained_len(&self) -> usize {
        self.retained.iter().map(|job| job.messages.len()).sum()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.looking_up == 0
            && self.retained.is_empty()
            && self.at_most_once.entries.is_empty()
            && self.acknowledged.entries.is_empty()
    }

    /// Whether it takes no more above QoS 0.
    pub(crate) fn is_full(&self, limits: &Limits) -> bool {
        self.acknowledged.entries.len() >= limits.queue_len_max
            || self.acknowledged.bytes >= limits.queue_bytes_max
    }

    /// Messages and bytes above QoS 0 that it still takes.
    pub(crate) fn room(&self, limits: &Limits) -> (usize, usize) {
        let lane = &self.acknowledged;
        (
            limits.queue_len_max.saturating_sub(lane.entries.len()),
            limits.queue_bytes_max.saturating_sub(lane.bytes),
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
        queued: Queued,
        connected: bool,
        mut drop_one: impl FnMut(&mut Batch, DropCause, MessageId),
    ) -> Enqueued {
        let size = queued.message.size();
        if queued.qos == QoS::AtMostOnce {
            let lane = &mut self.at_most_once;
            while lane.bytes + size > limits.outbox_bytes_max {
                drop_one(batch, DropCause::OutboxFull, MessageId::NONE);
                if lane.pop(batch).is_none() {
                    return Enqueued::Dropped;
                }
            }
            lane.push(batch, queued);
            return Enqueued::Kept;
        }
        let lane = &mut self.acknowledged;
        let has_room = |lane: &Lane| {
            lane.entries.len() < limits.queue_len_max && lane.bytes + size <= limits.queue_bytes_max
        };
        if !has_room(lane) {
            match limits.queue_full {
                QueueFull::DropOldest => {
                    while !has_room(lane) {
                        let Some(oldest) = lane.pop(batch) else {
                            drop_one(batch, DropCause::QueueFull, queued.id);
                            return Enqueued::Dropped;
                        };
                        drop_one(batch, DropCause::QueueFull, oldest.id);
                    }
                }
                QueueFull::DropNewest => {
                    drop_one(batch, DropCause::QueueFull, queued.id);
                    return Enqueued::Dropped;
                }
                // Who came past the check before it was full has been promised delivery.
                QueueFull::Reject => {}
                QueueFull::Backpressure if connected => {}
                QueueFull::Backpressure | QueueFull::EndSession => return Enqueued::Overflow,
            }
        }
        lane.push(batch, queued);
        Enqueued::Kept
    }

    /// Puts back a message above QoS 0 that a store has kept, behind those put back before.
    pub(crate) fn restore(&mut self, batch: &mut Batch, queued: Queued) {
        self.acknowledged.push(batch, queued);
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
        let lane = match self.at_most_once.entries.is_empty() {
            true => &self.acknowledged,
            false => &self.at_most_once,
        };
        let queued = lane.entries.front()?;
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

    /// Takes out the messages above QoS 0 of Shared Subscriptions that are `wanted`, in order.
    pub(crate) fn take_shared(
        &mut self,
        batch: &mut Batch,
        mut wanted: impl FnMut(&Queued) -> bool,
    ) -> Vec<Queued> {
        let is_shared = |queued: &Queued| queued.via.is_shared();
        if !self.acknowledged.entries.iter().any(is_shared) {
            return Vec::new();
        }
        let mut taken = Vec::new();
        for queued in self.acknowledged.drain(batch) {
            match is_shared(&queued) && wanted(&queued) {
                true => taken.push(queued),
                false => self.acknowledged.push(batch, queued),
            }
        }
        taken
    }

    /// Takes out everything above QoS 0, in order; the rest is forgotten.
    pub(crate) fn take_all(mut self, batch: &mut Batch) -> VecDeque<Queued> {
        self.at_most_once.drain(batch);
        self.wake_waiters(batch);
        self.acknowledged.drain(batch)
    }

    /// Wakes `waker` when there is room.
    pub(crate) fn wait(&mut self, waker: &Waker) {
        if !self.waiters.iter().any(|known| known.will_wake(waker)) {
            self.waiters.push(waker.clone());
        }
    }

    pub(crate) fn wake_waiters(&mut self, batch: &mut Batch) {
        batch.wakes.append(&mut self.waiters);
    }
}
