//! Received messages that wait for an answer, in order, and what happens when all wait for the first.

use super::{Answered, Core, Link};
use crate::answer::Answer;
use crate::command::Command;
use crate::event::Event;
use crate::time::millis;
use crate::{CloseReason, WhenStalled};
use mqtt_codec::ReasonCode;
use mqtt_session::AckToken;
use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use tokio::sync::mpsc;

/// Messages of one connection that wait for an answer, in the order they came.
///
/// Bounded by the Receive Maximum, as the acknowledgements in the session.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// INVARIANT: the first is not [`Entry::Done`].
    entries: VecDeque<Entry>,
    /// The serial of the first entry.
    first_serial: u64,
    stall: Option<Stall>,
}

#[derive(Debug)]
enum Entry {
    Out(Weak<Answer>),
    /// The application let go of it without an answer.
    Abandoned(Answered),
    Done,
}

/// Everything waits for one message.
#[derive(Clone, Copy, Debug)]
struct Stall {
    /// Of the message.
    serial: u64,
    /// When something is done; none when it has been.
    at_ms: Option<u64>,
}

impl Held {
    /// One more, at the end.
    pub(super) fn begin(
        &mut self,
        token: AckToken,
        topic_name: Arc<str>,
        connection: u32,
        commands: &mpsc::UnboundedSender<Command>,
    ) -> Arc<Answer> {
        let serial = self.first_serial + super::count(self.entries.len());
        let number = (connection, serial);
        let answer = Arc::new(Answer::new(token, topic_name, number, commands.clone()));
        self.entries.push_back(Entry::Out(Arc::downgrade(&answer)));
        answer
    }

    pub(super) fn stall_at_ms(&self) -> Option<u64> {
        self.stall.and_then(|stall| stall.at_ms)
    }

    /// The connection is gone: what the application will never answer.
    pub(super) fn clear(&mut self) -> impl Iterator<Item = AckToken> {
        let gone = std::mem::take(self);
        gone.entries.into_iter().filter_map(|entry| match entry {
            Entry::Abandoned(answered) => Some(answered.token),
            Entry::Out(_) | Entry::Done => None,
        })
    }

    fn set(&mut self, serial: u64, entry: Entry) {
        let at = serial.checked_sub(self.first_serial);
        let place = at.and_then(|at| self.entries.get_mut(usize::try_from(at).ok()?));
        if let Some(place) = place {
            *place = entry;
        }
        self.drop_done();
    }

    fn drop_done(&mut self) {
        while matches!(self.entries.front(), Some(Entry::Done)) {
            self.entries.pop_front();
            self.first_serial += 1;
        }
    }
}

impl Core {
    pub(super) fn handle_answer(&mut self, answered: Answered) {
        let is_of_now = answered.connection == self.number;
        let Some(reason) = answered.reason else {
            self.shared.counters.unanswered.add(1);
            tracing::warn!("a message was dropped without an answer");
            match is_of_now {
                true => self.held.set(answered.serial, Entry::Abandoned(answered)),
                // The message is over; refused, the server may tell somebody.
                false => self.acknowledge(answered.token, ReasonCode::UNSPECIFIED_ERROR),
            }
            return;
        };
        if is_of_now {
            self.held.set(answered.serial, Entry::Done);
        }
        self.acknowledge(answered.token, reason);
        self.watch_for_stall();
    }

    fn acknowledge(&mut self, token: AckToken, reason: ReasonCode) {
        match &mut self.link {
            Link::Here(connection) => {
                connection.acknowledge(token, reason, self.now_ms, &mut self.out);
            }
            Link::Away(_) => self.late_answers.push((token, reason)),
        }
    }

    /// Looks whether the server may send no more until the first message is answered.
    pub(super) fn watch_for_stall(&mut self) {
        let Link::Here(connection) = &self.link else {
            self.held.stall = None;
            return;
        };
        let window = usize::from(connection.negotiated().own_receive_maximum).min(self.hold_max());
        if connection.unacknowledged() < window {
            self.held.stall = None;
            return;
        }
        let serial = self.held.first_serial;
        if self.held.stall.is_none_or(|stall| stall.serial != serial) {
            let at_ms = self
                .now_ms
                .saturating_add(millis(self.options.stall_timeout));
            let at_ms = Some(at_ms);
            self.held.stall = Some(Stall { serial, at_ms });
        }
    }

    /// Does what the subscription of the first message says, when everything has waited for it too long.
    pub(super) fn act_on_stall(&mut self) {
        let Some(stall) = &mut self.held.stall else {
            return;
        };
        if stall.at_ms.is_none_or(|at_ms| at_ms > self.now_ms) {
            return;
        }
        stall.at_ms = None;
        self.shared.counters.stalls.add(1);
        let mut first = None;
        while let Some((topic_name, action)) = self.first_unanswered() {
            if first.is_none() {
                let topic_name = topic_name.to_string();
                tracing::warn!(
                    topic_name,
                    ?action,
                    "all wait for a message without an answer"
                );
                self.event(&Event::Stalled { topic_name, action });
                first = Some(action);
            }
            let reason = match action {
                _ if first != Some(action) => break,
                WhenStalled::Wait => break,
                WhenStalled::Keep => ReasonCode::SUCCESS,
                WhenStalled::Reject(reason) => reason,
                WhenStalled::Disconnect => {
                    self.fail_stalled();
                    break;
                }
            };
            self.answer_first(reason);
        }
        self.watch_for_stall();
    }

    /// Topic Name of the first message, and what its subscription says.
    fn first_unanswered(&self) -> Option<(Arc<str>, WhenStalled)> {
        match self.held.entries.front()? {
            Entry::Out(answer) => {
                let answer = answer.upgrade()?;
                let taken = answer.when_stalled();
                let queues = self.router.queues().chain([&self.shared.unclaimed]);
                let mut holders = queues.filter(|queue| queue.holds(&answer));
                let waiting = holders.next().map(|queue| queue.when_stalled());
                let action = waiting.or(taken).unwrap_or(WhenStalled::Wait);
                Some((answer.topic_name(), action))
            }
            Entry::Abandoned(answered) => {
                let action = answered.when_stalled.unwrap_or(WhenStalled::Wait);
                Some((Arc::clone(&answered.topic_name), action))
            }
            Entry::Done => None,
        }
    }

    /// Answers the first message in place of the application.
    fn answer_first(&mut self, reason: ReasonCode) {
        let token = match self.held.entries.pop_front() {
            None => return,
            Some(Entry::Out(answer)) => answer.upgrade().and_then(|answer| {
                let queues = self.router.queues().chain([&self.shared.unclaimed]);
                for queue in queues.filter(|queue| queue.holds(&answer)) {
                    queue.begin_overflow();
                }
                answer.take_token()
            }),
            Some(Entry::Abandoned(answered)) => Some(answered.token),
            Some(Entry::Done) => None,
        };
        self.held.first_serial += 1;
        if let Some(token) = token {
            self.acknowledge(token, reason);
        }
        self.held.drop_done();
    }

    fn fail_stalled(&mut self) {
        self.disconnect_for(ReasonCode::QUOTA_EXCEEDED);
        self.end(CloseReason::Stalled);
    }
}
