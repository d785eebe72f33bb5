//! Received messages that wait for an answer, in order, and what happens when all wait for the first.

use super::{Core, Link};
use crate::answer::{Answer, Answered, Answers};
use crate::command::Command;
use crate::event::Event;
use crate::mailbox;
use crate::time::millis;
use crate::{CloseReason, WhenStalled};
use mqtt_codec::ReasonCode;
use mqtt_session::AckToken;
use std::sync::Arc;

/// Places for answers that are kept from one time to the next.
const ANSWERED_KEPT_MAX: usize = 64;

/// Received messages that wait for an answer, and for how long all have waited for the first.
#[derive(Debug)]
pub(super) struct Held {
    answers: Arc<Answers>,
    /// Taken from `answers`; here to be used again.
    answered: Vec<Answered>,
    /// The serial of the first message of the connection in use.
    first_serial: u64,
    stall: Option<Stall>,
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
    pub(super) fn new(commands: mailbox::Sender<Command>) -> Self {
        Self {
            answers: Answers::new(commands),
            answered: Vec::new(),
            first_serial: 0,
            stall: None,
        }
    }

    /// One more, at the end.
    pub(super) fn begin(&self, token: AckToken) -> Answer {
        self.answers.begin(token)
    }

    /// The serial of the first message of the connection in use: smaller ones are of earlier connections.
    pub(super) const fn first_serial(&self) -> u64 {
        self.first_serial
    }

    pub(super) fn stall_at_ms(&self) -> Option<u64> {
        self.stall.and_then(|stall| stall.at_ms)
    }

    /// The connection is gone: what the application will never answer.
    pub(super) fn end_connection(&mut self) -> Vec<AckToken> {
        self.stall = None;
        let abandoned = self.answers.end_connection();
        self.first_serial = self.answers.first_serial();
        abandoned
    }
}

impl Core {
    /// Acknowledges what the application is done with.
    pub(super) fn handle_answers(&mut self) {
        let mut answered = std::mem::take(&mut self.held.answered);
        self.held.answers.take_answered(&mut answered);
        for Answered { token, reason } in answered.drain(..) {
            if reason.is_none() {
                self.shared.counters.unanswered.add(1);
                tracing::warn!("a message was dropped without an answer");
            }
            if let Some(token) = token {
                // Of an earlier connection and not answered, it is over; refused, the server may tell somebody.
                self.acknowledge(token, reason.unwrap_or(ReasonCode::UNSPECIFIED_ERROR));
            }
        }
        if answered.capacity() <= ANSWERED_KEPT_MAX {
            self.held.answered = answered;
        }
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
        let serial = self.held.answers.first_serial();
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
        let first = self.held.answers.first()?;
        let mut queues = self.router.queues().chain([&self.shared.unclaimed]);
        let waiting = queues.find_map(|queue| {
            let topic_name = queue.topic_name_of(first.serial)?;
            Some((topic_name, queue.when_stalled()))
        });
        let taken = first
            .taken
            .map(|taken| (taken.topic_name, taken.when_stalled));
        waiting.or(taken)
    }

    /// Answers the first message in place of the application.
    fn answer_first(&mut self, reason: ReasonCode) {
        let first = self.held.answers.first();
        let token = self.held.answers.take_first();
        if let Some(first) = first {
            // Without its token it is not answered by what is let go of here.
            let queues = self.router.queues().chain([&self.shared.unclaimed]);
            for queue in queues.filter(|queue| queue.topic_name_of(first.serial).is_some()) {
                queue.begin_overflow();
            }
        }
        if let Some(token) = token {
            self.acknowledge(token, reason);
        }
    }

    fn fail_stalled(&mut self) {
        self.disconnect_for(ReasonCode::QUOTA_EXCEEDED);
        self.end(CloseReason::Stalled);
    }
}
