//! A received Application Message.

use crate::MessageProperties;
use crate::answer::Acker;
use bytes::Bytes;
use mqtt_codec::{Delivery, Publish, QoS, ReasonCode, TopicName};
use std::str::Utf8Error;
use std::sync::{Arc, Mutex, PoisonError};

/// A received Application Message; cheap to clone.
///
/// One of a subscription with [manual acknowledgement](crate::Subscribe::manual_ack) is answered by [`Message::ack`] or
/// [`Message::reject`], once for all clones. Spec: v5 §3.3.
#[derive(Clone, Debug)]
pub struct Message {
    inner: Arc<Inner>,
    /// None where nobody has to answer, and once somebody has.
    acker: Option<Arc<Mutex<Option<Acker>>>>,
}

#[derive(Debug)]
struct Inner {
    topic_name: Arc<str>,
    payload: Bytes,
    qos: QoS,
    retain: bool,
    dup: bool,
    properties: Option<MessageProperties>,
}

/// What a message without properties answers.
static NO_PROPERTIES: MessageProperties = MessageProperties {
    payload_format: None,
    message_expiry_s: None,
    content_type: None,
    response_topic: None,
    correlation_data: None,
    user_properties: Vec::new(),
    subscription_identifiers: Vec::new(),
};

impl Message {
    pub(crate) fn of(publish: &Publish<'_>) -> Self {
        let properties = &publish.properties;
        let inner = Inner {
            topic_name: publish
                .topic_name
                .map(TopicName::as_str)
                .unwrap_or_default()
                .into(),
            payload: Bytes::copy_from_slice(publish.payload),
            qos: Delivery::qos(publish.delivery),
            retain: publish.retain,
            dup: publish.dup,
            properties: (!properties.is_empty()).then(|| MessageProperties::of(properties)),
        };
        Self {
            inner: Arc::new(inner),
            acker: None,
        }
    }

    pub(crate) fn with_acker(mut self, acker: Acker) -> Self {
        self.acker = Some(Arc::new(Mutex::new(Some(acker))));
        self
    }

    /// Acknowledges it; does nothing at QoS 0, without manual acknowledgement, and the second time.
    ///
    /// May be called in any order and from any task: the acknowledgements leave in the order the messages came.
    pub fn ack(&self) {
        if let Some(acker) = self.take_acker() {
            acker.ack();
        }
    }

    /// Refuses it with `reason`, 0x80 or above; does nothing where [`Message::ack`] does nothing.
    ///
    /// Before v5, which has no refusal, it is acknowledged. Spec: v5 §3.4.2.1, §3.5.2.1.
    pub fn reject(&self, reason: ReasonCode) {
        if let Some(acker) = self.take_acker() {
            acker.reject(reason);
        }
    }

    /// Takes the right to answer out of the message, so that the one need not be kept for the other.
    pub fn take_acker(&self) -> Option<Acker> {
        let acker = self.acker.as_ref()?;
        // Nothing panics while it is held.
        acker.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The payload as text.
    ///
    /// # Errors
    /// It is not UTF-8.
    pub fn text(&self) -> Result<&str, Utf8Error> {
        std::str::from_utf8(&self.inner.payload)
    }

    pub(crate) fn shared_topic_name(&self) -> Arc<str> {
        Arc::clone(&self.inner.topic_name)
    }

    /// The Topic Name it was published under; a Topic Alias is resolved already.
    pub fn topic_name(&self) -> &str {
        &self.inner.topic_name
    }

    /// What was published.
    pub fn payload(&self) -> &Bytes {
        &self.inner.payload
    }

    /// The QoS it was delivered with: the lower of publisher's and subscription's.
    pub fn qos(&self) -> QoS {
        self.inner.qos
    }

    /// Whether the server had it retained (or, with Retain As Published, the publisher asked for that).
    pub fn retain(&self) -> bool {
        self.inner.retain
    }

    /// Whether the server may have sent it before.
    pub fn dup(&self) -> bool {
        self.inner.dup
    }

    /// Its properties; none before v5.
    pub fn properties(&self) -> &MessageProperties {
        self.inner.properties.as_ref().unwrap_or(&NO_PROPERTIES)
    }
}
