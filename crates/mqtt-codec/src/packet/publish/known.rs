//! What stands between the fixed header and the payload, as it was read before.

use super::{DUP, Publish, QOS, RETAIN};
#[cfg(feature = "bytes")]
use crate::properties::Source;
use crate::{
    Delivery, Frame, PacketId, PacketType, Properties, PropertySet, ProtocolVersion, TopicName,
};
#[cfg(feature = "bytes")]
use alloc::{string::String, vec::Vec};

/// Topic and properties of a PUBLISH that was read before, to compare the next one with.
///
/// Made by `KnownHead`, with the feature `bytes`; see [`Publish::decode_as`].
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    version: ProtocolVersion,
    /// The Topic Name with its length, as it was on the wire.
    wire_name: &'a [u8],
    /// The Topic Name, also where an alias stood for it.
    topic_name: TopicName<'a>,
    /// The properties with their length, as they were on the wire.
    wire_block: &'a [u8],
    /// What is in `wire_block`.
    seen: PropertySet,
}

impl<'a> Head<'a> {
    /// The Topic Name, also where a Topic Alias stood for it.
    #[must_use]
    pub const fn topic_name(&self) -> TopicName<'a> {
        self.topic_name
    }
}

impl<'a> Publish<'a> {
    /// Reads a PUBLISH with the Topic Name and properties of `head`, byte by byte the same; none where it has others, or
    /// where something is wrong with it.
    ///
    /// Nothing is checked twice. Where a Topic Alias stands for the name, `topic_name` of the result is the one that
    /// `head` was made with, which is right as long as no PUBLISH came between the two.
    #[must_use]
    #[inline]
    pub fn decode_as(frame: Frame<'a>, version: ProtocolVersion, head: Head<'a>) -> Option<Self> {
        if frame.first >> 4 != PacketType::Publish.get() || version != head.version {
            return None;
        }
        let rest = frame.body.strip_prefix(head.wire_name)?;
        let (delivery, rest) = match frame.first & QOS {
            0x00 => (Delivery::AtMostOnce, rest),
            qos => {
                let (packet_id, rest) = rest.split_first_chunk::<2>()?;
                let packet_id = PacketId::new(u16::from_be_bytes(*packet_id))?;
                match qos {
                    0x02 => (Delivery::AtLeastOnce(packet_id), rest),
                    0x04 => (Delivery::ExactlyOnce(packet_id), rest),
                    _ => return None,
                }
            }
        };
        let dup = frame.first & DUP != 0;
        if dup && delivery == Delivery::AtMostOnce {
            return None;
        }
        let payload = rest.strip_prefix(head.wire_block)?;
        // Shorter than 128 bytes, so that its length is the first one.
        let block = head.wire_block.get(1..).unwrap_or_default();
        Some(Self {
            dup,
            retain: frame.first & RETAIN != 0,
            delivery,
            topic_name: Some(head.topic_name),
            properties: Properties::received(block, head.seen),
            payload,
        })
    }
}

/// Keeps the [`Head`] of one PUBLISH after the other; only with the feature `bytes`.
///
/// ```
/// # use mqtt_codec::{KnownHead, PACKET_LEN_MAX, ProtocolVersion, Publish, frame};
/// let version = ProtocolVersion::V5;
/// let first = frame(b"\x30\x06\x00\x01t\x00hi", PACKET_LEN_MAX)?.ok_or("incomplete")?;
/// let mut known = KnownHead::default();
/// known.set(first, version, &Publish::decode(first, version)?);
/// let next = frame(b"\x32\x07\x00\x01t\x00\x09\x00x", PACKET_LEN_MAX)?.ok_or("incomplete")?;
/// let head = known.head().ok_or("nothing kept")?;
/// assert_eq!(Publish::decode_as(next, version, head), Some(Publish::decode(next, version)?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[cfg(feature = "bytes")]
#[derive(Clone, Debug, Default)]
pub struct KnownHead {
    /// INVARIANT: once it is set, this is what was read with a version.
    version: Option<ProtocolVersion>,
    wire_name: Vec<u8>,
    /// INVARIANT: was a [`TopicName`].
    topic_name: String,
    /// INVARIANT: checked as the properties of a PUBLISH, and `seen` are those in it; at most 127 bytes and the length.
    wire_block: Vec<u8>,
    seen: PropertySet,
}

#[cfg(feature = "bytes")]
impl KnownHead {
    /// The longest Topic Name that is kept. Unit: bytes.
    const NAME_LEN_MAX: usize = 256;
    /// The longest properties that are kept: their length is one byte. Unit: bytes.
    const BLOCK_LEN_MAX: usize = 127;

    /// Keeps the head of `publish`, which was read from `frame`, and what its Topic Alias stands for put in; nothing
    /// where it is long.
    pub fn set(&mut self, frame: Frame<'_>, version: ProtocolVersion, publish: &Publish<'_>) {
        self.version = self.try_set(frame, version, publish);
    }

    fn try_set(
        &mut self,
        frame: Frame<'_>,
        version: ProtocolVersion,
        publish: &Publish<'_>,
    ) -> Option<ProtocolVersion> {
        let Source::Received { block, seen } = publish.properties.source() else {
            return None;
        };
        let topic_name = publish.topic_name?.as_str();
        if topic_name.len() > Self::NAME_LEN_MAX || block.len() > Self::BLOCK_LEN_MAX {
            return None;
        }
        let name_len = u16::from_be_bytes(*frame.body.first_chunk()?);
        let wire_name = frame.body.get(..2 + usize::from(name_len))?;
        self.wire_name.clear();
        self.wire_name.extend_from_slice(wire_name);
        self.topic_name.clear();
        self.topic_name.push_str(topic_name);
        self.wire_block.clear();
        if version.has_properties() {
            self.wire_block.push(u8::try_from(block.len()).ok()?);
        }
        self.wire_block.extend_from_slice(block);
        self.seen = seen;
        Some(version)
    }

    /// Forgets what is kept.
    pub const fn clear(&mut self) {
        self.version = None;
    }

    /// What is kept, if anything is.
    #[must_use]
    #[inline]
    pub fn head(&self) -> Option<Head<'_>> {
        Some(Head {
            version: self.version?,
            wire_name: &self.wire_name,
            topic_name: TopicName::of_checked(&self.topic_name),
            wire_block: &self.wire_block,
            seen: self.seen,
        })
    }
}
