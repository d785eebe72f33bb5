//! A message as it is stored: what was published, in one block.

use crate::wire::{BadRecord, Fields, put_number, put_optional};
use std::borrow::Cow;

const QOS: u8 = 0b11;
const RETAIN: u8 = 1 << 2;
const OF_WILL: u8 = 1 << 3;
const HAS_TAG: u8 = 1 << 4;

/// A message: a header and the block of Topic Name, v5 properties and payload.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredMessage<'a> {
    /// The QoS it was published with: 0, 1 or 2.
    pub qos: u8,
    /// The RETAIN flag it was published with.
    pub retain: bool,
    /// Whether its properties were those of a Will Message.
    pub is_of_will: bool,
    /// When it expires, in milliseconds of Unix time.
    pub expires_at_ms: Option<u64>,
    /// The session that published it; 0 for the broker, `u64::MAX` for another one.
    pub publisher: u64,
    /// Stands for the publisher's Client Identifier; 0 where that does not matter.
    pub publisher_tag: u64,
    /// Bytes of the Topic Name at the front of `block`.
    pub topic_len: u32,
    /// Bytes of the properties behind it.
    pub properties_len: u32,
    /// Topic Name, property block, payload, in this order.
    pub block: Cow<'a, [u8]>,
}

impl<'a> StoredMessage<'a> {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        self.encode_head(out);
        out.extend_from_slice(&self.block);
    }

    /// Without the block.
    pub(crate) fn encode_head(&self, out: &mut Vec<u8>) {
        let mut flags = self.qos & QOS;
        if self.retain {
            flags |= RETAIN;
        }
        if self.is_of_will {
            flags |= OF_WILL;
        }
        if self.publisher_tag != 0 {
            flags |= HAS_TAG;
        }
        out.push(flags);
        if self.publisher_tag != 0 {
            out.extend_from_slice(&self.publisher_tag.to_le_bytes());
        }
        put_optional(out, self.expires_at_ms);
        // The one number without a meaning as such becomes a small one.
        put_number(out, self.publisher.wrapping_add(1));
        put_number(out, u64::from(self.topic_len));
        put_number(out, u64::from(self.properties_len));
    }

    pub(crate) fn decode(mut fields: Fields<'a>) -> Result<Self, BadRecord> {
        let flags = fields.byte()?;
        let publisher_tag = match flags & HAS_TAG {
            0 => 0,
            _ => u64::from_le_bytes(fields.take(8)?.try_into().map_err(|_| BadRecord)?),
        };
        let expires_at_ms = fields.optional()?;
        let publisher = fields.number()?.wrapping_sub(1);
        let (topic_len, properties_len) = (fields.number_u32()?, fields.number_u32()?);
        let block = fields.rest();
        let head = u64::from(topic_len) + u64::from(properties_len);
        let topic = fields.take(u64::from(topic_len))?;
        if std::str::from_utf8(topic).is_err() || fields.take(u64::from(properties_len)).is_err() {
            return Err(BadRecord);
        }
        debug_assert!(u64::try_from(block.len()).is_ok_and(|len| len >= head));
        Ok(Self {
            qos: flags & QOS,
            retain: flags & RETAIN != 0,
            is_of_will: flags & OF_WILL != 0,
            expires_at_ms,
            publisher,
            publisher_tag,
            topic_len,
            properties_len,
            block: block.into(),
        })
    }

    /// Where it was published.
    pub fn topic_name(&self) -> &str {
        let len = usize::try_from(self.topic_len).unwrap_or(usize::MAX);
        let topic = self.block.get(..len).unwrap_or_default();
        std::str::from_utf8(topic).unwrap_or_default()
    }

    /// The v5 properties, as a block.
    pub fn properties(&self) -> &[u8] {
        let start = usize::try_from(self.topic_len).unwrap_or(usize::MAX);
        let len = usize::try_from(self.properties_len).unwrap_or(usize::MAX);
        let rest = self.block.get(start..).unwrap_or_default();
        rest.get(..len).unwrap_or_default()
    }

    /// The content.
    pub fn payload(&self) -> &[u8] {
        let head = usize::try_from(u64::from(self.topic_len) + u64::from(self.properties_len));
        let head = head.unwrap_or(usize::MAX);
        self.block.get(head..).unwrap_or_default()
    }

    /// The same with a block of its own.
    #[must_use]
    pub fn into_owned(self) -> StoredMessage<'static> {
        StoredMessage {
            block: self.block.into_owned().into(),
            ..self
        }
    }
}
