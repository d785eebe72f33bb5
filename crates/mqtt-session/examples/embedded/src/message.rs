//! A message in memory of fixed size.

use mqtt_codec::{Delivery, Properties, Publish, QoS, TopicName};
use mqtt_session::OutgoingMessage;

/// The longest payload. Unit: bytes.
const PAYLOAD_LEN_MAX: usize = 8;

/// What the device has to say, kept until its last acknowledgement.
#[derive(Clone, Copy)]
pub struct Message {
    pub topic: Topic,
    pub qos: QoS,
    len: u8,
    payload: [u8; PAYLOAD_LEN_MAX],
}

/// The topics of the device.
#[derive(Clone, Copy)]
pub enum Topic {
    Reading,
    Echo,
}

impl Message {
    /// With as much of `payload` as there is room for.
    pub fn new(topic: Topic, qos: QoS, payload: &[u8]) -> Self {
        let mut kept = [0; PAYLOAD_LEN_MAX];
        let len = payload.len().min(PAYLOAD_LEN_MAX);
        for (place, byte) in kept.iter_mut().zip(payload) {
            *place = *byte;
        }
        Self {
            topic,
            qos,
            len: u8::try_from(len).unwrap_or(0),
            payload: kept,
        }
    }
}

impl OutgoingMessage for Message {
    fn qos(&self) -> QoS {
        self.qos
    }

    fn with_publish<T>(
        &self,
        dup: bool,
        delivery: Delivery,
        use_publish: impl FnOnce(&Publish<'_>) -> T,
    ) -> Option<T> {
        let topic_name = match self.topic {
            Topic::Reading => "reading",
            Topic::Echo => "echo",
        };
        Some(use_publish(&Publish {
            dup,
            retain: false,
            delivery,
            topic_name: TopicName::try_new(topic_name).ok(),
            properties: Properties::EMPTY,
            payload: self
                .payload
                .get(..usize::from(self.len))
                .unwrap_or_default(),
        }))
    }
}
