//! A subscription: the stream of its messages.

use crate::command::Command;
use crate::queue::{Listener, MessageQueue};
use crate::{Client, Message};
use futures_core::Stream;
use mqtt_codec::{QoS, ReasonCode};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// The messages of one subscription, as a [`Stream`] or by [`Subscription::next`].
///
/// Taking a message acknowledges it; one that is not taken is not acknowledged, and the server sends no more than
/// the Receive Maximum of those. The stream ends when the connection has ended or the filter was unsubscribed, after
/// what was received before.
///
/// Dropping it unsubscribes, unless another subscription has the same filter; what it holds is acknowledged.
#[derive(Debug)]
pub struct Subscription {
    client: Client,
    queue: Arc<MessageQueue>,
    listener: Listener,
    topic_filters: Arc<[Box<str>]>,
    reasons: Vec<ReasonCode>,
    on_drop: OnDrop,
}

/// What dropping a subscription does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum OnDrop {
    Unsubscribe,
    Detach,
    /// Its queue is used on without it.
    Nothing,
}

impl Subscription {
    /// A subscription the server has granted with `reasons`.
    pub(crate) fn granted(
        client: Client,
        queue: Arc<MessageQueue>,
        topic_filters: Arc<[Box<str>]>,
        reasons: Vec<ReasonCode>,
    ) -> Self {
        Self {
            client,
            listener: queue.add_listener(),
            queue,
            topic_filters,
            reasons,
            on_drop: OnDrop::Unsubscribe,
        }
    }

    /// The next message; none when the stream has ended.
    ///
    /// Cancel safety: a dropped call takes no message.
    pub async fn next(&mut self) -> Option<Message> {
        poll_fn(|cx| self.queue.poll_take(self.listener, cx)).await
    }

    /// The next message if it is here already.
    pub fn try_next(&mut self) -> Option<Message> {
        self.queue.try_take()
    }

    /// The QoS the server granted, the lowest of all filters.
    pub fn granted_qos(&self) -> QoS {
        let granted = self
            .reasons
            .iter()
            .filter_map(|reason| QoS::from_u8(reason.get()));
        granted.min().unwrap_or(QoS::AtMostOnce)
    }

    /// The server's answer for each filter, in order.
    pub fn reasons(&self) -> &[ReasonCode] {
        &self.reasons
    }

    /// The filters, in order.
    pub fn topic_filters(&self) -> impl ExactSizeIterator<Item = &str> {
        self.topic_filters
            .iter()
            .map(|topic_filter| &**topic_filter)
    }

    /// Messages received and not taken.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether every message received was taken.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Messages of QoS 0 that had to make room for later ones.
    pub fn dropped(&self) -> u64 {
        self.queue.dropped()
    }

    /// The subscription stays as long as its client, for a queue that needs nobody to take from it.
    pub(crate) fn keep(mut self) {
        self.on_drop = OnDrop::Nothing;
    }

    /// Stops listening but leaves the subscription with the server, for a session that is continued later.
    ///
    /// What was not taken, and what the server still sends, is [unclaimed](Client::unclaimed).
    pub fn detach(mut self) {
        self.on_drop = OnDrop::Detach;
    }
}

impl Stream for Subscription {
    type Item = Message;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        self.queue.poll_take(self.listener, cx)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len(), None)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let queue = Arc::clone(&self.queue);
        let command = match self.on_drop {
            OnDrop::Unsubscribe => {
                self.queue.close();
                drop(self.queue.take_if(|_| true));
                Command::Drop(queue)
            }
            OnDrop::Detach => Command::Detach(queue),
            OnDrop::Nothing => return,
        };
        // Without a driver the server has dropped the connection, and with it what was not acknowledged.
        let _ = self.client.send(command);
    }
}
