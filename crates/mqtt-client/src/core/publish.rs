//! Published messages: on their way to the server, while they wait, and their answers.

use super::{Core, Link, Unsent, count};
use crate::command::Outgoing;
use crate::place::Room;
use crate::receipts::Reply;
use crate::shared::Shared;
use crate::{PublishError, Published};
use mqtt_codec::{Ack, QoS, ReasonCode};
use mqtt_session::{NotSent, NotSentReason, SendRefusal};
use std::mem;

/// Places for answers to published messages that are kept from one time to the next.
const PUBLISHED_KEPT_MAX: usize = 64;

impl Core {
    /// Sends `outgoing`, of which nothing is left then, if it is one of QoS 0 that goes where the one before went;
    /// whether it did.
    pub(super) fn publish_again(&mut self, outgoing: &mut Outgoing) -> bool {
        let Link::Here(connection) = &mut self.link else {
            return false;
        };
        if !outgoing.is_plain() {
            return false;
        }
        if self.is_vectored {
            self.out.expect_promised(&outgoing.payload);
        }
        let (topic_name, retain) = (outgoing.topic_name.as_bytes(), outgoing.retain);
        let (payload, now_ms) = (&outgoing.payload, self.now_ms);
        let is_written =
            connection.publish_again(topic_name, retain, payload, now_ms, &mut self.out);
        if is_written {
            self.wrote_unanswered(outgoing);
        } else {
            self.out.expect_nothing();
        }
        is_written
    }

    /// Sends `outgoing`; gives it back when it has to wait.
    pub(super) fn publish(&mut self, outgoing: Outgoing) -> Option<Outgoing> {
        let connection = match &mut self.link {
            Link::Here(connection) if connection.is_connected() => connection,
            _ if outgoing.qos == QoS::AtMostOnce && !self.options.queue_qos0 => {
                not_published(&self.shared, outgoing, PublishError::Offline);
                return None;
            }
            _ => return Some(outgoing),
        };
        match outgoing.qos {
            _ if !self.is_vectored => {}
            QoS::AtMostOnce => self.out.expect_promised(&outgoing.payload),
            QoS::AtLeastOnce | QoS::ExactlyOnce => self.out.expect(&outgoing.payload),
        }
        let published = connection.publish(outgoing, self.now_ms, &mut self.out);
        let not_sent = match published {
            Ok(Some(mut outgoing)) => {
                self.wrote_unanswered(&mut outgoing);
                return None;
            }
            Ok(None) => None,
            Err(not_sent) => Some(not_sent),
        };
        self.out.expect_nothing();
        let NotSent { item, reason } = not_sent?;
        match reason {
            NotSentReason::Later => Some(item),
            NotSentReason::Never(refusal) => {
                not_published(&self.shared, item, refusal_error(refusal));
                None
            }
        }
    }

    /// A message of QoS 0 is in `out`: it is published when it is handed to the transport.
    fn wrote_unanswered(&mut self, outgoing: &mut Outgoing) {
        self.out.give(mem::take(&mut outgoing.payload));
        self.out.expect_nothing();
        self.unsent.push_back(Unsent {
            until: self.pushed + count(self.out.len()),
            reply: mem::take(&mut outgoing.reply),
            spot: mem::take(&mut outgoing.spot),
        });
    }

    /// Keeps a message until it can be sent.
    pub(super) fn wait(&mut self, outgoing: Outgoing) {
        if let Some(expiry) = outgoing.expiry {
            let earlier = self.expiry_ms.unwrap_or(u64::MAX);
            self.expiry_ms = Some(earlier.min(expiry.at_ms()));
        }
        self.qos0_waits |= outgoing.qos == QoS::AtMostOnce;
        self.waiting.push_back(outgoing);
    }

    /// Ends messages that waited for too long.
    pub(super) fn drop_expired(&mut self) {
        if self
            .expiry_ms
            .is_none_or(|expiry_ms| expiry_ms > self.now_ms)
        {
            return;
        }
        let now_ms = self.now_ms;
        self.expiry_ms = None;
        for outgoing in mem::take(&mut self.waiting) {
            match outgoing.expiry {
                Some(expiry) if expiry.is_over(now_ms) => {
                    not_published(&self.shared, outgoing, PublishError::Expired);
                }
                _ => self.wait(outgoing),
            }
        }
    }

    /// Sends again what a resume owes, then what waits for quota or identifiers.
    pub(super) fn send_waiting(&mut self) {
        let connection = match &mut self.link {
            Link::Here(connection) if connection.is_connected() => connection,
            _ => return,
        };
        while let Some((message, refusal)) = connection.poll_resend(self.now_ms, &mut self.out) {
            not_published(&self.shared, message, refusal_error(refusal));
        }
        while let Some(outgoing) = self.waiting.pop_front() {
            if let Some(unsent) = self.publish(outgoing) {
                self.waiting.push_front(unsent);
                self.send_waiting_qos0();
                break;
            }
        }
        while let Some(request) = self.waiting_requests.pop_front() {
            if let Some(unsent) = self.request(request) {
                self.waiting_requests.push_front(unsent);
                break;
            }
        }
    }

    /// Sends what is of QoS 0 behind messages that wait for quota: it needs none, and later ones of its topic, which
    /// are sent at once, would overtake it.
    fn send_waiting_qos0(&mut self) {
        if !mem::take(&mut self.qos0_waits) {
            return;
        }
        for outgoing in mem::take(&mut self.waiting) {
            let unsent = match outgoing.qos {
                QoS::AtMostOnce => self.publish(outgoing),
                QoS::AtLeastOnce | QoS::ExactlyOnce => Some(outgoing),
            };
            if let Some(outgoing) = unsent {
                self.wait(outgoing);
            }
        }
    }

    /// Answers a message of QoS 1 or 2; success without words together with others.
    pub(super) fn answer(&mut self, reply: Reply, answer: PublishAnswer) {
        let answer = match answer {
            PublishAnswer::Plain(reason) => return self.published.push((reply, reason)),
            PublishAnswer::Words(answer) => answer,
        };
        let counters = &self.shared.counters;
        match &answer {
            Ok(_) => counters.published.add(1),
            Err(_) => counters.publish_failures.add(1),
        }
        // First, for whoever publishes next when it is answered.
        self.shared.give_back(&mut self.room);
        self.shared.receipts.answer(reply, answer);
    }

    /// Gives back the places of all messages that have ended, and answers those that were published.
    pub(crate) fn settle(&mut self) {
        // First, for whoever publishes next when it is answered.
        self.shared.give_back(&mut self.room);
        if !self.published.is_empty() {
            self.shared
                .counters
                .published
                .add(count(self.published.len()));
            self.shared.receipts.publish_all(&mut self.published);
        }
        if self.published.capacity() > PUBLISHED_KEPT_MAX {
            self.published = Vec::new();
        }
    }
}

/// What became of a message.
pub(super) enum PublishAnswer {
    /// A success and no words.
    Plain(ReasonCode),
    Words(Result<Published, PublishError>),
}

/// What the last acknowledgement of `message` says.
pub(super) fn publish_answer(message: &mut Outgoing, ack: &Ack<'_>) -> PublishAnswer {
    let words = message.take_received_words();
    // At QoS 2 only PUBREC says what became of the message.
    let received = message.received;
    let said_before = received != ReasonCode::SUCCESS;
    if words.is_none() && !ack.reason.is_error() && ack.properties.is_empty() {
        return PublishAnswer::Plain(if said_before { received } else { ack.reason });
    }
    PublishAnswer::Words(Published::of(ack).map(|published| match words {
        Some(words) => words,
        None if said_before => Published::plain(received),
        None => published,
    }))
}

pub(super) fn not_published(shared: &Shared, message: Outgoing, error: PublishError) {
    if let (Some(keeper), Some(serial)) = (&shared.keeper, message.kept()) {
        keeper.forget(serial);
    }
    shared.counters.publish_failures.add(1);
    let mut room = Room::default();
    message.spot.give_back(&mut room);
    // First, for whoever publishes next when it is answered.
    shared.give_back(&mut room);
    shared.receipts.answer(message.reply, Err(error));
}

fn refusal_error(refusal: SendRefusal) -> PublishError {
    match refusal {
        SendRefusal::Expired => PublishError::Expired,
        refusal => PublishError::NotSent(refusal),
    }
}
