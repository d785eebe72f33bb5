//! Publishing: the request, its receipt and the server's answer.

use crate::command::{Command, Outgoing};
use crate::options::whole_seconds;
use crate::properties::owned_pairs;
use crate::shared::Shared;
use crate::{Client, MessageProperties, PublishError};
use bytes::Bytes;
use mqtt_codec::{Ack, PayloadFormat, QoS, ReasonCode, TopicName};
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::sync::oneshot;

/// A message to publish, made by [`Client::publish`].
///
/// `.await` on it resolves when the server has answered: at QoS 1 with PUBACK, at QoS 2 with PUBCOMP. At QoS 0,
/// which has no answer, it resolves when the bytes are handed to the transport.
///
/// Cancel safety: dropped before its first poll, or while all places for waiting messages are taken, nothing was
/// sent. Dropped later, the message is sent all the same and only the answer is lost.
#[derive(Debug)]
#[must_use = "nothing is published before it is awaited"]
pub struct Publish {
    client: Client,
    topic_name: String,
    payload: Bytes,
    qos: QoS,
    retain: bool,
    properties: Option<Box<MessageProperties>>,
}

impl Publish {
    pub(crate) fn new(client: Client, topic_name: String, payload: Bytes) -> Self {
        let (qos, retain, properties) = (QoS::AtMostOnce, false, None);
        Self {
            client,
            topic_name,
            payload,
            qos,
            retain,
            properties,
        }
    }

    /// Sets the QoS; 0 when not set.
    pub const fn qos(mut self, qos: QoS) -> Self {
        self.qos = qos;
        self
    }

    /// Has the server retain it; an empty payload removes what is retained.
    pub const fn retain(mut self) -> Self {
        self.retain = true;
        self
    }

    /// Sets all properties at once; from v5 on, as all properties.
    pub fn properties(mut self, properties: MessageProperties) -> Self {
        self.properties = Some(Box::new(properties));
        self
    }

    /// Says what the payload is, usually by a MIME type.
    pub fn content_type(self, content_type: impl Into<String>) -> Self {
        self.with(|properties| properties.content_type = Some(content_type.into()))
    }

    /// Says where an answer is expected.
    pub fn response_topic(self, topic_name: impl Into<String>) -> Self {
        self.with(|properties| properties.response_topic = Some(topic_name.into()))
    }

    /// Says what the answer should carry.
    pub fn correlation_data(self, correlation_data: impl Into<Bytes>) -> Self {
        self.with(|properties| properties.correlation_data = Some(correlation_data.into()))
    }

    /// Adds a name and a value for the application.
    pub fn user_property(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.with(|properties| properties.user_properties.push((name.into(), value.into())))
    }

    /// Sets how long the server keeps it for subscribers, in whole seconds.
    pub fn message_expiry(self, expiry: Duration) -> Self {
        self.with(|properties| properties.message_expiry_s = Some(whole_seconds(expiry)))
    }

    /// Says whether the payload is UTF-8 text.
    pub fn payload_format(self, payload_format: PayloadFormat) -> Self {
        self.with(|properties| properties.payload_format = Some(payload_format))
    }

    /// Hands the message to the client and returns a receipt, so that many can be under way at once.
    ///
    /// Waits for a place when [`ClientBuilder::publish_capacity`](crate::ClientBuilder::publish_capacity) messages
    /// are under way. Cancel safety: dropped while waiting, nothing was sent.
    ///
    /// # Errors
    /// A topic is none, or the connection has ended.
    pub async fn enqueue(self) -> Result<Receipt, PublishError> {
        TopicName::try_new(&self.topic_name).map_err(PublishError::TopicName)?;
        if let Some(properties) = &self.properties {
            properties.check().map_err(PublishError::ResponseTopic)?;
        }
        let shared = Arc::clone(&self.client.handle.shared);
        let places = match self.qos {
            QoS::AtMostOnce => &shared.unsent,
            QoS::AtLeastOnce | QoS::ExactlyOnce => &shared.unacknowledged,
        };
        let permit = shared.permit(places).await?;
        let (reply, answer) = oneshot::channel();
        self.client.send(Command::Publish(Outgoing {
            topic_name: self.topic_name.into(),
            payload: self.payload,
            qos: self.qos,
            retain: self.retain,
            properties: self.properties,
            reply,
            permit,
        }))?;
        Ok(Receipt { answer, shared })
    }

    fn with(mut self, change: impl FnOnce(&mut MessageProperties)) -> Self {
        change(self.properties.get_or_insert_default());
        self
    }
}

impl IntoFuture for Publish {
    type Output = Result<Published, PublishError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.enqueue().await?.await })
    }
}

/// Resolves when the server has answered a message; see [`Publish`].
///
/// It resolves in any case: when the connection ends, with an error. Dropping it takes nothing back.
#[derive(Debug)]
#[must_use = "the server's answer is not looked at"]
pub struct Receipt {
    answer: oneshot::Receiver<Result<Published, PublishError>>,
    shared: Arc<Shared>,
}

impl Future for Receipt {
    type Output = Result<Published, PublishError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = ready!(Pin::new(&mut self.answer).poll(cx));
        Poll::Ready(answer.unwrap_or_else(|_| Err(self.shared.closed_error().into())))
    }
}

/// The server's answer to a message it took; at QoS 0, and before v5, just "success".
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Published {
    reason: ReasonCode,
    reason_string: Option<String>,
    user_properties: Vec<(String, String)>,
}

impl Published {
    /// # Errors
    /// The acknowledgement refuses the message.
    pub(crate) fn of(ack: &Ack<'_>) -> Result<Self, PublishError> {
        let reason = ack.reason;
        let reason_string = ack.properties.reason_string().map(Into::into);
        let user_properties = owned_pairs(&ack.properties);
        if reason.is_error() {
            return Err(PublishError::Refused {
                reason,
                reason_string,
                user_properties,
            });
        }
        Ok(Self {
            reason,
            reason_string,
            user_properties,
        })
    }

    /// Success, or 0x10 when nobody is subscribed; the server may leave that out.
    pub const fn reason(&self) -> ReasonCode {
        self.reason
    }

    /// The server's words for people.
    pub fn reason_string(&self) -> Option<&str> {
        self.reason_string.as_deref()
    }

    /// Names and values of the server's own.
    pub fn user_properties(&self) -> &[(String, String)] {
        &self.user_properties
    }
}
