//! Subscribing: the request.

use crate::command::{Command, Request, SubscribeRequest};
use crate::queue::{MessageQueue, QueueOptions};
use crate::{Client, SubscribeError, Subscription, Unanswered, limits};
use mqtt_codec::{
    QoS, ReasonCode, RetainHandling, SubscriptionIdentifier, SubscriptionOptions, TopicError,
    TopicFilter,
};
use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::oneshot;

/// What is done when a message of a subscription holds up all others.
///
/// Acknowledgements leave in the order the messages came, and a server sends no more than the Receive Maximum without
/// one. So a message of QoS 1 or 2 that nobody takes, or nobody answers, in the end stops all others of QoS 1 and 2;
/// until then other subscriptions go on. When that has lasted for
/// [`ClientBuilder::stall_timeout`](crate::ClientBuilder::stall_timeout) there is an
/// [`Event::Stalled`](crate::Event::Stalled), and this is done.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum WhenStalled {
    /// Nothing: the server is held back until the application goes on.
    #[default]
    Wait,
    /// Messages that wait are acknowledged and kept, as many as the capacity of the subscription; the oldest make room.
    Keep,
    /// Messages that wait are refused with this Reason Code, 0x80 or above; before v5 they are acknowledged.
    Reject(ReasonCode),
    /// The connection ends with 0x97, and with it everything that was not acknowledged comes again on the next.
    Disconnect,
}

/// A subscription to make, by [`Client::subscribe`] or [`Client::subscribe_many`].
///
/// `.await` on it resolves with the server's SUBACK: with a [`Subscription`], or with an error when the server
/// refuses a filter. Without a connection it waits for the next one.
///
/// Cancel safety: dropped before its first poll nothing was sent; dropped later, what was subscribed is
/// unsubscribed again.
#[derive(Debug)]
#[must_use = "nothing is subscribed before it is awaited"]
pub struct Subscribe {
    client: Client,
    /// Each with a QoS of its own, if it has one.
    topic_filters: Vec<(String, Option<QoS>)>,
    options: SubscriptionOptions,
    user_properties: Vec<(String, String)>,
    identifier: Option<SubscriptionIdentifier>,
    queue: QueueOptions,
}

impl Subscribe {
    pub(crate) fn new(client: Client, topic_filters: Vec<(String, Option<QoS>)>) -> Self {
        Self {
            client,
            topic_filters,
            options: SubscriptionOptions::new(QoS::AtMostOnce),
            user_properties: Vec::new(),
            identifier: None,
            queue: QueueOptions::new(limits::SUBSCRIPTION_CAPACITY),
        }
    }

    /// Adds a filter with a QoS of its own to the same subscription.
    pub fn and(mut self, topic_filter: impl Into<String>, qos: QoS) -> Self {
        self.topic_filters.push((topic_filter.into(), Some(qos)));
        self
    }

    /// Has the application answer each message of QoS 1 and 2 itself, by [`Message::ack`](crate::Message::ack) or
    /// [`Message::reject`](crate::Message::reject); when not set, taking it acknowledges it.
    pub const fn manual_ack(mut self) -> Self {
        if self.queue.manual.is_none() {
            self.queue.manual = Some(Unanswered::Leave);
        }
        self
    }

    /// As [`Subscribe::manual_ack`], and sets what is done with a message that is dropped without an answer;
    /// [`Unanswered::Leave`] when not set.
    pub const fn on_unanswered(mut self, unanswered: Unanswered) -> Self {
        self.queue.manual = Some(unanswered);
        self
    }

    /// Sets what is done when a message of this subscription holds up all others; [`WhenStalled::Wait`] when not set.
    pub const fn when_stalled(mut self, when_stalled: WhenStalled) -> Self {
        self.queue.when_stalled = when_stalled;
        self
    }

    /// Discards the newest of QoS 0 instead of the oldest when more come than are held.
    pub const fn drop_newest(mut self) -> Self {
        self.queue.drop_newest = true;
        self
    }

    /// Sets the highest QoS to receive with; 0 when not set.
    pub const fn qos(mut self, qos: QoS) -> Self {
        self.options.qos = qos;
        self
    }

    /// Leaves out what this client publishes itself; from v5 on.
    pub const fn no_local(mut self) -> Self {
        self.options.no_local = true;
        self
    }

    /// Has [`Message::retain`](crate::Message::retain) tell what the publisher said; from v5 on.
    pub const fn retain_as_published(mut self) -> Self {
        self.options.retain_as_published = true;
        self
    }

    /// Sets when retained messages are sent; from v5 on.
    pub const fn retain_handling(mut self, retain_handling: RetainHandling) -> Self {
        self.options.retain_handling = retain_handling;
        self
    }

    /// Adds a User Property to SUBSCRIBE; from v5 on.
    pub fn user_property(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.user_properties.push((name.into(), value.into()));
        self
    }

    /// Has its messages carry this Subscription Identifier, 1 to 268,435,455; from v5 on, and only with
    /// [`ClientBuilder::own_subscription_identifiers`]. Any other number leaves it out. Spec: v5 §3.8.2.1.2.
    ///
    /// [`ClientBuilder::own_subscription_identifiers`]: crate::ClientBuilder::own_subscription_identifiers
    pub const fn subscription_identifier(mut self, identifier: u32) -> Self {
        self.identifier = SubscriptionIdentifier::new(identifier);
        self
    }

    /// Sets how many messages of QoS 0 are held until they are taken, at least 1; 1,024 when not set.
    ///
    /// Above that the oldest makes room and is counted by [`Subscription::dropped`]. Messages of QoS 1 and 2 are
    /// never dropped: see [`ClientBuilder::receive_maximum`](crate::ClientBuilder::receive_maximum).
    pub const fn capacity(mut self, messages: usize) -> Self {
        self.queue.capacity = messages;
        self
    }

    async fn send(self) -> Result<Subscription, SubscribeError> {
        if self.topic_filters.is_empty() {
            return Err(SubscribeError::TopicFilter(TopicError::Empty));
        }
        for (topic_filter, _) in &self.topic_filters {
            TopicFilter::try_new(topic_filter).map_err(SubscribeError::TopicFilter)?;
        }
        let shared = Arc::clone(&self.client.handle.shared);
        let permit = shared.permit(&shared.requests).await?;
        let mut options = Vec::new();
        let mut topic_filters = Vec::new();
        for (topic_filter, qos) in self.topic_filters {
            topic_filters.push(topic_filter.into_boxed_str());
            options.push(SubscriptionOptions {
                qos: qos.unwrap_or(self.options.qos),
                ..self.options
            });
        }
        let topic_filters: Arc<[Box<str>]> = topic_filters.into();
        let (reply, answer) = oneshot::channel();
        let request = SubscribeRequest {
            topic_filters,
            options,
            user_properties: self.user_properties,
            identifier: self.identifier,
            client: Arc::downgrade(&self.client.handle),
            queue: Arc::new(MessageQueue::with_options(self.queue)),
            reply,
            permit,
        };
        self.client
            .send(Command::Request(Request::Subscribe(Box::new(request))))?;
        answer
            .await
            .unwrap_or_else(|_| Err(shared.closed_error().into()))
    }
}

impl IntoFuture for Subscribe {
    type Output = Result<Subscription, SubscribeError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
