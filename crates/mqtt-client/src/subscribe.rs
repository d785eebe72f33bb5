//! Subscribing: the request.

use crate::command::{Command, Request, SubscribeRequest};
use crate::queue::MessageQueue;
use crate::{Client, SubscribeError, Subscription, limits};
use mqtt_codec::{QoS, RetainHandling, SubscriptionOptions, TopicError, TopicFilter};
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::oneshot;

/// A subscription to make, by [`Client::subscribe`] or [`Client::subscribe_many`].
///
/// `.await` on it resolves with the server's SUBACK: with a [`Subscription`], or with an error when the server
/// refuses a filter.
///
/// Cancel safety: dropped before its first poll nothing was sent; dropped later, what was subscribed is
/// unsubscribed again.
#[derive(Debug)]
#[must_use = "nothing is subscribed before it is awaited"]
pub struct Subscribe {
    client: Client,
    topic_filters: Vec<String>,
    options: SubscriptionOptions,
    user_properties: Vec<(String, String)>,
    capacity: usize,
}

impl Subscribe {
    pub(crate) fn new(client: Client, topic_filters: Vec<String>) -> Self {
        Self {
            client,
            topic_filters,
            options: SubscriptionOptions::new(QoS::AtMostOnce),
            user_properties: Vec::new(),
            capacity: limits::SUBSCRIPTION_CAPACITY,
        }
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

    /// Sets how many messages of QoS 0 are held until they are taken, at least 1; 1,024 when not set.
    ///
    /// Above that the oldest makes room and is counted by [`Subscription::dropped`]. Messages of QoS 1 and 2 are
    /// never dropped: see [`ClientBuilder::receive_maximum`](crate::ClientBuilder::receive_maximum).
    pub const fn capacity(mut self, messages: usize) -> Self {
        self.capacity = messages;
        self
    }

    async fn send(self) -> Result<Subscription, SubscribeError> {
        if self.topic_filters.is_empty() {
            return Err(SubscribeError::TopicFilter(TopicError::Empty));
        }
        for topic_filter in &self.topic_filters {
            TopicFilter::try_new(topic_filter).map_err(SubscribeError::TopicFilter)?;
        }
        let shared = Arc::clone(&self.client.handle.shared);
        let permit = shared.permit(&shared.requests).await?;
        let topic_filters: Arc<[Box<str>]> = self
            .topic_filters
            .into_iter()
            .map(String::into_boxed_str)
            .collect();
        let (reply, answer) = oneshot::channel();
        let request = SubscribeRequest {
            topic_filters,
            options: self.options,
            user_properties: self.user_properties,
            client: Arc::downgrade(&self.client.handle),
            queue: Arc::new(MessageQueue::new(self.capacity)),
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
