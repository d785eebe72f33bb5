//! A received Application Message.

use crate::MessageProperties;
use bytes::Bytes;
use mqtt_codec::{Delivery, Publish, QoS, TopicName};
use std::sync::Arc;

/// A received Application Message; cheap to clone.
///
/// Spec: v5 §3.3.
#[derive(Clone, Debug)]
pub struct Message {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    topic_name: Box<str>,
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
        }
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
