//! Unsubscribing: the request.

use crate::command::{Command, Request, UnsubscribeReply, UnsubscribeRequest};
use crate::{Client, UnsubscribeError};
use mqtt_codec::TopicFilter;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::oneshot;

/// A subscription to end, by [`Client::unsubscribe`]; `.await` on it resolves with the server's UNSUBACK.
///
/// Cancel safety: dropped before its first poll nothing was sent; dropped later, only the answer is lost.
#[derive(Debug)]
#[must_use = "nothing is unsubscribed before it is awaited"]
pub struct Unsubscribe {
    client: Client,
    topic_filter: String,
    user_properties: Vec<(String, String)>,
}

impl Unsubscribe {
    pub(crate) const fn new(client: Client, topic_filter: String) -> Self {
        Self {
            client,
            topic_filter,
            user_properties: Vec::new(),
        }
    }

    /// Adds a User Property to UNSUBSCRIBE; from v5 on.
    pub fn user_property(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.user_properties.push((name.into(), value.into()));
        self
    }

    async fn send(self) -> Result<(), UnsubscribeError> {
        TopicFilter::try_new(&self.topic_filter).map_err(UnsubscribeError::TopicFilter)?;
        let shared = Arc::clone(&self.client.handle.shared);
        let permit = shared.permit(&shared.requests).await?;
        let (sender, answer) = oneshot::channel();
        let request = UnsubscribeRequest {
            topic_filters: vec![self.topic_filter.into()],
            user_properties: self.user_properties,
            reply: Some(UnsubscribeReply {
                sender,
                _permit: permit,
            }),
        };
        self.client
            .send(Command::Request(Request::Unsubscribe(request)))?;
        answer
            .await
            .unwrap_or_else(|_| Err(shared.closed_error().into()))
    }
}

impl IntoFuture for Unsubscribe {
    type Output = Result<(), UnsubscribeError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
