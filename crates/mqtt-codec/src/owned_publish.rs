//! A PUBLISH that outlives the packet it was read from, without a copy of its bytes.

use core::fmt;

use bytes::Bytes;

use crate::properties::Source;
use crate::{Delivery, Properties, PropertySet, Publish, TopicName};

/// A PUBLISH whose Topic Name, properties and payload are references into the bytes it was read
/// from; only with the feature `bytes`.
///
/// It keeps all bytes of the [`Bytes`] it refers to alive, not only its own packet. A clone costs a
/// reference count for each of the three parts that is not empty.
///
/// ```
/// # use bytes::Bytes;
/// # use mqtt_codec::{OwnedPublish, PACKET_LEN_MAX, ProtocolVersion, Publish, frame};
/// let packet = Bytes::from_static(b"\x30\x06\x00\x01t\x00hi");
/// let found = frame(&packet, PACKET_LEN_MAX)?.ok_or("incomplete")?;
/// let publish = Publish::decode(found, ProtocolVersion::V5)?;
/// let owned = OwnedPublish::try_new(&packet, &publish).ok_or("from elsewhere")?;
/// drop(packet);
/// assert_eq!(owned.topic_name().map(|name| name.as_str()), Some("t"));
/// assert_eq!(owned.payload(), "hi");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Spec: v5 §3.3, v3.1.1 §3.3.
#[derive(Clone)]
pub struct OwnedPublish {
    /// Whether this may be a repetition of an earlier attempt; never at QoS 0.
    pub dup: bool,
    /// Whether the message is, or is to be, retained.
    pub retain: bool,
    /// Quality of Service and, where it needs one, the Packet Identifier.
    pub delivery: Delivery,
    /// INVARIANT: a valid Topic Name, or empty when a Topic Alias stands in for it.
    topic_name: Bytes,
    /// INVARIANT: checked as the property block of a PUBLISH, and `seen` are the properties in it.
    property_block: Bytes,
    seen: PropertySet,
    payload: Bytes,
}

impl OwnedPublish {
    /// Refers to the parts of `publish` in `source`, from which it was read; nothing is copied or
    /// checked again.
    ///
    /// `None` when a part of `publish` does not lie in `source`, or its properties are a
    /// [`PropertyList`](crate::PropertyList).
    #[must_use]
    pub fn try_new(source: &Bytes, publish: &Publish<'_>) -> Option<Self> {
        let Source::Received { block, seen } = publish.properties.source() else {
            return None;
        };
        let topic_name = publish.topic_name.map_or("", TopicName::as_str);
        Some(Self {
            dup: publish.dup,
            retain: publish.retain,
            delivery: publish.delivery,
            topic_name: slice_of(source, topic_name.as_bytes())?,
            property_block: slice_of(source, block)?,
            seen,
            payload: slice_of(source, publish.payload)?,
        })
    }

    /// It as a PUBLISH that borrows from it: equal to the one it was made of.
    ///
    /// Costs one look at the Topic Name for well-formed UTF-8; nothing else is checked again.
    #[must_use]
    pub fn as_publish(&self) -> Publish<'_> {
        Publish {
            dup: self.dup,
            retain: self.retain,
            delivery: self.delivery,
            topic_name: self.topic_name(),
            properties: self.properties(),
            payload: &self.payload,
        }
    }

    /// Where it is published; `None` when a Topic Alias stands in for it, in v5 only.
    ///
    /// Costs one look at the Topic Name for well-formed UTF-8, because only that makes a `str` of
    /// bytes without unsafe code.
    #[must_use]
    pub fn topic_name(&self) -> Option<TopicName<'_>> {
        if self.topic_name.is_empty() {
            return None;
        }
        let text = core::str::from_utf8(&self.topic_name).ok()?;
        Some(TopicName::of_checked(text))
    }

    /// Its properties; not checked again.
    #[must_use]
    pub fn properties(&self) -> Properties<'_> {
        Properties::received(&self.property_block, self.seen)
    }

    /// The Topic Name as bytes, which are well-formed UTF-8; empty when a Topic Alias stands in for
    /// it.
    #[must_use]
    pub const fn topic_name_bytes(&self) -> &Bytes {
        &self.topic_name
    }

    /// The property block without its length in front, as [`Properties::raw`] has it.
    #[must_use]
    pub const fn property_block(&self) -> &Bytes {
        &self.property_block
    }

    /// The Application Message.
    #[must_use]
    pub const fn payload(&self) -> &Bytes {
        &self.payload
    }
}

impl PartialEq for OwnedPublish {
    fn eq(&self, other: &Self) -> bool {
        self.as_publish() == other.as_publish()
    }
}

impl Eq for OwnedPublish {}

impl fmt::Debug for OwnedPublish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_publish().fmt(f)
    }
}

/// The bytes of `part` as a reference into `source`; `None` when they are not there.
fn slice_of(source: &Bytes, part: &[u8]) -> Option<Bytes> {
    if part.is_empty() {
        return Some(Bytes::new());
    }
    let start = part.as_ptr().addr().checked_sub(source.as_ptr().addr())?;
    let end = start.checked_add(part.len())?;
    // `slice` panics where `get` finds nothing.
    source.get(start..end)?;
    Some(source.slice(start..end))
}
