//! A message as it is shown.

use std::time::Duration;

use bytes::Bytes;

/// A message that came, or was sent, on a topic.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Received {
    /// The Topic Name; its levels are the levels of the tree.
    pub topic_name: String,
    /// The payload, whole.
    pub payload: Bytes,
    /// QoS it came with, 0 to 2.
    pub qos: u8,
    /// Whether the broker had kept it.
    pub retain: bool,
    /// Its properties by name, as they are to be shown.
    pub properties: Vec<(String, String)>,
    /// When it came, since the start of the program.
    pub at: Duration,
}

/// What is kept of one.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    /// The payload, or its first bytes.
    pub(crate) payload: Bytes,
    /// Bytes of the whole payload.
    pub(crate) len: usize,
    pub(crate) qos: u8,
    pub(crate) retain: bool,
    pub(crate) properties: Vec<(String, String)>,
    pub(crate) at: Duration,
}

impl Kept {
    /// `message`, with at most `payload_max` bytes of its payload.
    pub(crate) fn of(message: &Received, payload_max: usize) -> Self {
        let len = message.payload.len();
        let payload = match len > payload_max {
            // A part of the buffer would keep all of it.
            true => Bytes::copy_from_slice(message.payload.get(..payload_max).unwrap_or_default()),
            false => message.payload.clone(),
        };
        Self {
            payload,
            len,
            qos: message.qos,
            retain: message.retain,
            properties: message.properties.clone(),
            at: message.at,
        }
    }

    /// Bytes it takes, about.
    pub(crate) fn size(&self) -> usize {
        let properties = self.properties.iter();
        let properties: usize = properties
            .map(|(name, value)| name.len() + value.len())
            .sum();
        size_of::<Self>() + self.payload.len() + properties
    }

    /// Gives up the properties, and all but the first bytes of the payload.
    pub(crate) fn shorten(&mut self, payload_max: usize) {
        self.properties = Vec::new();
        if let Some(first) = self.payload.get(..payload_max) {
            self.payload = Bytes::copy_from_slice(first);
        }
    }

    /// Whether the payload is here as it came.
    pub(crate) fn is_whole(&self) -> bool {
        self.payload.len() == self.len
    }
}
