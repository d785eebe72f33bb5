//! The Will Message a client leaves with the server.

use crate::MessageProperties;
use bytes::Bytes;
use mqtt_codec::QoS;
use std::time::Duration;

/// What the server publishes when the connection ends without DISCONNECT.
///
/// Spec: v5 §3.1.2.5.
#[derive(Clone, Debug)]
pub struct Will {
    pub(crate) topic_name: String,
    pub(crate) payload: Bytes,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) delay: Duration,
    pub(crate) properties: MessageProperties,
}

impl Will {
    /// A Will Message at QoS 0, not retained.
    pub fn new(topic_name: impl Into<String>, payload: impl Into<Bytes>) -> Self {
        Self {
            topic_name: topic_name.into(),
            payload: payload.into(),
            qos: QoS::AtMostOnce,
            retain: false,
            delay: Duration::ZERO,
            properties: MessageProperties::new(),
        }
    }

    /// Sets the QoS to publish it with.
    #[must_use]
    pub const fn qos(mut self, qos: QoS) -> Self {
        self.qos = qos;
        self
    }

    /// Has it retained.
    #[must_use]
    pub const fn retain(mut self) -> Self {
        self.retain = true;
        self
    }

    /// Sets how long the server waits for the client to come back, in whole seconds; from v5 on.
    #[must_use]
    pub const fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Sets its properties; from v5 on.
    #[must_use]
    pub fn properties(mut self, properties: MessageProperties) -> Self {
        self.properties = properties;
        self
    }
}
