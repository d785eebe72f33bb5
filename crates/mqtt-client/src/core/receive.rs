//! Received messages on their way to the subscriptions.

use super::{Core, Link};
use crate::Message;
use crate::queue::Waiting;
use crate::router::Routed;
use mqtt_codec::{Head, TopicName};
use mqtt_session::AckToken;

impl Core {
    pub(super) fn deliver(&mut self, message: Message, token: Option<AckToken>) {
        let is_answered = token.is_none();
        let answer = token.map(|token| self.held.begin(token));
        let waiting = Waiting { message, answer };
        if self.router.is_as_before(&waiting.message) {
            self.delivered.push(waiting);
            return self.watch_unless(is_answered);
        }
        self.hand_over();
        self.has_delivered = true;
        self.shared.counters.received.add(1);
        match self.router.route(&waiting) {
            Routed::Delivered => {}
            // What is left of a retired one is acknowledged by dropping it.
            Routed::Retired => self.shared.counters.late.add(1),
            Routed::Unclaimed => {
                let topic_name = waiting.message.topic_name();
                tracing::debug!(topic_name, "message is unclaimed");
                self.shared.counters.unclaimed.add(1);
                self.shared.unclaimed.push(waiting);
            }
        }
        self.watch_unless(is_answered);
    }

    /// Hands over messages that go where the one before them went.
    pub(crate) fn hand_over(&mut self) {
        if !self.delivered.is_empty() {
            self.has_delivered = true;
            let received = super::count(self.delivered.len());
            self.shared.counters.received.add(received);
            self.router.push_all(&mut self.delivered);
        }
    }

    fn watch_unless(&mut self, is_answered: bool) {
        if !is_answered {
            self.watch_for_stall();
        }
    }

    /// Whether a message of QoS 1 or 2 may be received.
    ///
    /// A server of v5 knows the Receive Maximum; one that exceeds it breaks the protocol and is not waited for.
    pub(crate) fn may_hold_more(&self) -> bool {
        let Link::Here(connection) = &self.link else {
            return true;
        };
        let hold_max = self.hold_max();
        let server_stops = self.options.strict_receive_maximum
            && usize::from(connection.negotiated().own_receive_maximum) <= hold_max;
        server_stops || connection.unacknowledged() < hold_max
    }

    pub(super) fn hold_max(&self) -> usize {
        usize::from(self.options.receive_maximum.get())
    }
}

/// Whether `topic_name` is that of `head` itself, not just equal to it.
pub(super) fn is_same_text(topic_name: Option<TopicName<'_>>, head: Option<Head<'_>>) -> bool {
    match (topic_name, head) {
        (Some(topic_name), Some(head)) => {
            let head = head.topic_name().as_str();
            std::ptr::eq(topic_name.as_str().as_ptr(), head.as_ptr())
        }
        _ => false,
    }
}
