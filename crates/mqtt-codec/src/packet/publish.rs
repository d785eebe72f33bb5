//! PUBLISH: read and written by hand, because nearly all traffic is this.

mod aliased;
mod known;

use crate::encode_error::{EncodeError, Field};
use crate::property_block::{self, Block};
use crate::read::Reader;
use crate::write::{self, Writer};
use crate::{
    DecodeError, Delivery, Frame, Lenience, Malformed, PacketId, PacketType, Properties,
    PropertyId, PropertyScope, PropertySet, ProtocolVersion, QoS, TopicName,
};

pub use aliased::AliasedHead;
pub use known::Head;
#[cfg(feature = "bytes")]
pub use known::KnownHead;

const SCOPE: PropertyScope = PropertyScope::Packet(PacketType::Publish);
const DUP: u8 = 0x08;
const QOS: u8 = 0x06;
const RETAIN: u8 = 0x01;

/// Publish message.
///
/// Spec: v5 §3.3, v3.1.1 §3.3.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Publish<'a> {
    /// Whether this may be a repetition of an earlier attempt; never at QoS 0.
    /// Spec: v5 §3.3.1.1, v3.1.1 §3.3.1.1.
    pub dup: bool,
    /// Whether the message is, or is to be, retained. Spec: v5 §3.3.1.3, v3.1.1 §3.3.1.3.
    pub retain: bool,
    /// Quality of Service and, where it needs one, the Packet Identifier.
    /// Spec: v5 §3.3.1.2, v5 §3.3.2.2, v3.1.1 §3.3.1.2, v3.1.1 §3.3.2.2.
    pub delivery: Delivery,
    /// Where it is published; `None` when a Topic Alias stands in for it, in v5 only.
    /// Spec: v5 §3.3.2.1, v3.1.1 §3.3.2.1.
    pub topic_name: Option<TopicName<'a>>,
    /// Its properties. Spec: v5 §3.3.2.3.
    pub properties: Properties<'a>,
    /// The Application Message. Spec: v5 §3.3.3, v3.1.1 §3.3.3.
    pub payload: &'a [u8],
}

/// What [`Publish::encode_head`] wrote.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct PublishHead {
    /// How much it wrote: everything before the payload. Unit: bytes.
    pub len: usize,
    /// The offset of the Packet Identifier, for [`patch_packet_id`]; `None` at QoS 0.
    pub packet_id_at: Option<usize>,
}

impl<'a> Publish<'a> {
    /// Reads a PUBLISH.
    ///
    /// # Errors
    /// What is wrong, where, and by which rule.
    #[inline]
    pub fn decode(frame: Frame<'a>, version: ProtocolVersion) -> Result<Self, DecodeError> {
        Self::decode_lenient(frame, version, Lenience::STRICT)
    }

    /// Reads a PUBLISH and forgives what `lenience` names.
    ///
    /// # Errors
    /// As [`Publish::decode`].
    #[inline(always)]
    pub fn decode_lenient(
        frame: Frame<'a>,
        version: ProtocolVersion,
        lenience: Lenience,
    ) -> Result<Self, DecodeError> {
        Self::decode_with(frame, version, lenience, None)
    }

    /// Reads a PUBLISH whose Topic Name is likely to be `known`.
    ///
    /// If it is, it needs no check of its own, and `topic_name` of the result is `known` itself, not
    /// the bytes in the packet: [`str::as_ptr`] tells. If it is not, this is [`Publish::decode`].
    ///
    /// # Errors
    /// As [`Publish::decode`].
    #[inline(always)]
    pub fn decode_known(
        frame: Frame<'a>,
        version: ProtocolVersion,
        known: Option<TopicName<'a>>,
    ) -> Result<Self, DecodeError> {
        Self::decode_with(frame, version, Lenience::STRICT, known)
    }

    #[inline(always)]
    fn decode_with(
        frame: Frame<'a>,
        version: ProtocolVersion,
        lenience: Lenience,
        known: Option<TopicName<'a>>,
    ) -> Result<Self, DecodeError> {
        if frame.first >> 4 != PacketType::Publish.get() {
            let kind = super::first_is_wrong(frame, PacketType::Publish);
            return Err(DecodeError::new(kind, 0));
        }
        let error = |kind, rest: &[u8]| DecodeError::new(kind, frame.at(rest));

        let Some((topic_len, rest)) = frame.body.split_first_chunk::<2>() else {
            return Err(error(Malformed::Truncated, frame.body));
        };
        let Some((topic, rest)) =
            rest.split_at_checked(usize::from(u16::from_be_bytes(*topic_len)))
        else {
            return Err(error(Malformed::Truncated, rest));
        };
        let topic_name = if topic.is_empty() {
            None
        } else if known.is_some_and(|known| known.as_str().as_bytes() == topic) {
            known
        } else {
            match core::str::from_utf8(topic).ok().and_then(TopicName::new) {
                None => return Err(topic_name_is_wrong(frame, topic)),
                topic_name => topic_name,
            }
        };

        let (delivery, rest) = match frame.first & QOS {
            0x00 => (Delivery::AtMostOnce, rest),
            qos => {
                let Some((packet_id, after)) = rest.split_first_chunk::<2>() else {
                    return Err(error(Malformed::Truncated, rest));
                };
                let Some(packet_id) = PacketId::new(u16::from_be_bytes(*packet_id)) else {
                    return Err(error(Malformed::PacketIdZero, rest));
                };
                match qos {
                    0x02 => (Delivery::AtLeastOnce(packet_id), after),
                    0x04 => (Delivery::ExactlyOnce(packet_id), after),
                    _ => return Err(DecodeError::new(Malformed::QosInvalid, 0)),
                }
            }
        };
        let dup = frame.first & DUP != 0;
        if dup && delivery == Delivery::AtMostOnce && !lenience.dup_at_qos_0 {
            return Err(DecodeError::new(Malformed::DupAtQos0, 0));
        }

        let (properties, payload) = properties(frame, rest, version)?;
        if topic_name.is_none() && !properties.has(PropertyId::TopicAlias) {
            return Err(DecodeError::new(
                Malformed::TopicNameEmpty,
                frame.at(frame.body),
            ));
        }
        Ok(Self {
            dup: dup && delivery != Delivery::AtMostOnce,
            retain: frame.first & RETAIN != 0,
            delivery,
            topic_name,
            properties,
            payload,
        })
    }

    /// The bytes [`Publish::encode`] writes.
    ///
    /// # Errors
    /// As [`Publish::encode`], but never [`EncodeError::BufferTooSmall`].
    #[inline]
    pub fn encoded_len(&self, version: ProtocolVersion) -> Result<usize, EncodeError> {
        let sizes = self.measure(version, self.payload.len())?;
        write::packet_len(sizes.remaining)
    }

    /// Writes the packet to the start of `out` and returns its length in bytes.
    ///
    /// # Errors
    /// `out` is too small, or the packet is not one that this version has. `out` is untouched.
    #[inline(always)]
    pub fn encode(&self, version: ProtocolVersion, out: &mut [u8]) -> Result<usize, EncodeError> {
        match self.encode_plain(version, out) {
            Some(len) => Ok(len),
            None => self.encode_any(version, out),
        }
    }

    #[inline(never)]
    fn encode_any(&self, version: ProtocolVersion, out: &mut [u8]) -> Result<usize, EncodeError> {
        let sizes = self.measure(version, self.payload.len())?;
        let (mut writer, len) = Writer::start(self.first_byte(), sizes.remaining, out)?;
        self.write_head(sizes.block, &mut writer);
        writer.bytes(self.payload);
        Ok(len)
    }

    /// Writes what nearly every PUBLISH is: one with a Topic Name, less than 16 KiB, and with
    /// properties of which none replaces another. `None`, and `out` untouched, for any other, and
    /// where something is wrong.
    #[inline(always)]
    fn encode_plain(&self, version: ProtocolVersion, out: &mut [u8]) -> Option<usize> {
        let topic = self.topic_name?.as_str().as_bytes();
        let block = Block::plain(&self.properties, version, SCOPE)?;
        let packet_id = self.delivery.packet_id();
        if self.dup && packet_id.is_none() {
            return None;
        }
        let remaining = (2 + topic.len() + if packet_id.is_some() { 2 } else { 0 })
            .checked_add(block.encoded_len())?
            .checked_add(self.payload.len())?;
        let mut writer = Writer::start_short(self.first_byte(), remaining, out)?;
        writer.field(topic);
        if let Some(packet_id) = packet_id {
            writer.two_byte(packet_id.get());
        }
        block.write(&mut writer);
        writer.bytes(self.payload);
        Some(remaining + if remaining < 0x80 { 2 } else { 3 })
    }

    /// Checks and measures everything before a payload of `payload_len` bytes, to be written next: what
    /// [`Publish::encode_head`] does, in two steps.
    ///
    /// # Errors
    /// As [`Publish::encode_head`], but never [`EncodeError::BufferTooSmall`].
    #[inline(always)]
    pub fn measure_head(
        &self,
        version: ProtocolVersion,
        payload_len: usize,
    ) -> Result<MeasuredHead<'_>, EncodeError> {
        let sizes = self.measure(version, payload_len)?;
        let packet_len = write::packet_len(sizes.remaining)?;
        Ok(MeasuredHead {
            publish: self,
            sizes,
            packet_len,
            payload_len,
        })
    }

    /// The bytes [`Publish::encode_head`] writes.
    ///
    /// # Errors
    /// As [`Publish::encode_head`], but never [`EncodeError::BufferTooSmall`].
    #[inline]
    pub fn head_len(
        &self,
        version: ProtocolVersion,
        payload_len: usize,
    ) -> Result<usize, EncodeError> {
        let sizes = self.measure(version, payload_len)?;
        Ok(write::packet_len(sizes.remaining)? - payload_len)
    }

    /// Writes everything before a payload of `payload_len` bytes, which the caller sends from
    /// where it is; `self.payload` is not looked at.
    ///
    /// Made for sending one message to many: write the head once, then change it for each
    /// receiver with [`patch_packet_id`] and [`set_publish_flags`].
    ///
    /// # Errors
    /// `out` is too small, or the packet is not one that this version has. `out` is untouched.
    pub fn encode_head(
        &self,
        version: ProtocolVersion,
        payload_len: usize,
        out: &mut [u8],
    ) -> Result<PublishHead, EncodeError> {
        let sizes = self.measure(version, payload_len)?;
        let len = write::packet_len(sizes.remaining)? - payload_len;
        let Some(head) = out.get_mut(..len) else {
            return Err(EncodeError::BufferTooSmall { needed: len });
        };
        let mut writer = Writer::header(self.first_byte(), sizes.remaining, head);
        self.write_head(sizes.block, &mut writer);
        let packet_id_at = self
            .delivery
            .packet_id()
            .map(|_| 1 + write::var_int_len(sizes.remaining) + 2 + self.topic_text().len());
        Ok(PublishHead { len, packet_id_at })
    }

    #[inline]
    fn topic_text(&self) -> &'a str {
        self.topic_name.map_or("", TopicName::as_str)
    }

    #[inline]
    fn first_byte(&self) -> u8 {
        flags(self.dup, self.delivery.qos(), self.retain)
    }

    #[inline(always)]
    fn write_head(&self, block: Block<'_>, writer: &mut Writer<'_>) {
        writer.field(self.topic_text().as_bytes());
        if let Some(packet_id) = self.delivery.packet_id() {
            writer.two_byte(packet_id.get());
        }
        block.write(writer);
    }

    #[inline(always)]
    fn measure(
        &self,
        version: ProtocolVersion,
        payload_len: usize,
    ) -> Result<Sizes<'_>, EncodeError> {
        if self.dup && self.delivery == Delivery::AtMostOnce {
            return Err(EncodeError::DupAtQos0);
        }
        if self.topic_name.is_none() && !version.allows_empty_topic_name() {
            return Err(EncodeError::NotInVersion {
                field: Field::Property(PropertyId::TopicAlias),
            });
        }
        let block = Block::new(&self.properties, version, SCOPE)?;
        if self.topic_name.is_none() && !self.properties.has(PropertyId::TopicAlias) {
            return Err(EncodeError::Missing {
                field: Field::TopicName,
            });
        }
        let packet_id_len = if self.delivery == Delivery::AtMostOnce {
            0
        } else {
            2
        };
        let head = 2 + self.topic_text().len() + packet_id_len;
        let remaining = head
            .saturating_add(block.encoded_len())
            .saturating_add(payload_len);
        Ok(Sizes { remaining, block })
    }
}

/// What stands before the payload of a PUBLISH that was found correct; by [`Publish::measure_head`].
#[derive(Clone, Copy)]
pub struct MeasuredHead<'a> {
    publish: &'a Publish<'a>,
    sizes: Sizes<'a>,
    packet_len: usize,
    payload_len: usize,
}

impl MeasuredHead<'_> {
    /// The whole packet, payload included. Unit: bytes.
    #[must_use]
    #[inline]
    pub const fn packet_len(&self) -> usize {
        self.packet_len
    }

    /// What [`MeasuredHead::write`] writes. Unit: bytes.
    #[must_use]
    #[inline]
    pub const fn len(&self) -> usize {
        self.packet_len - self.payload_len
    }

    /// Never: there is a fixed header at least.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        false
    }

    /// Writes it to the start of `out`; nothing, and `false`, where that is too short.
    #[inline]
    #[must_use]
    pub fn write(&self, out: &mut [u8]) -> bool {
        let Some(head) = out.get_mut(..self.len()) else {
            return false;
        };
        let mut writer = Writer::header(self.publish.first_byte(), self.sizes.remaining, head);
        self.publish.write_head(self.sizes.block, &mut writer);
        true
    }
}

#[derive(Clone, Copy)]
struct Sizes<'a> {
    /// The Remaining Length. Unit: bytes.
    remaining: usize,
    block: Block<'a>,
}

/// Puts another Packet Identifier into an encoded PUBLISH, at [`PublishHead::packet_id_at`].
///
/// Does nothing when `packet` ends before `packet_id_at + 2`.
#[inline]
pub fn patch_packet_id(packet: &mut [u8], packet_id_at: usize, packet_id: PacketId) {
    if let Some(place) = packet
        .get_mut(packet_id_at..)
        .and_then(<[u8]>::first_chunk_mut::<2>)
    {
        *place = packet_id.get().to_be_bytes();
    }
}

/// Gives an encoded PUBLISH other flags.
///
/// The caller keeps the QoS on its side of 0: a packet with a Packet Identifier needs QoS 1 or 2.
/// Does nothing when `packet` is empty.
#[inline]
pub fn set_publish_flags(packet: &mut [u8], dup: bool, qos: QoS, retain: bool) {
    if let Some(first) = packet.first_mut() {
        *first = flags(dup, qos, retain);
    }
}

/// The first byte of a PUBLISH. Spec: v5 §3.3.1, v3.1.1 §3.3.1.
#[inline]
fn flags(dup: bool, qos: QoS, retain: bool) -> u8 {
    PacketType::Publish.first_byte()
        | if dup { DUP } else { 0 }
        | (qos.get() << 1)
        | if retain { RETAIN } else { 0 }
}

/// What is wrong with a Topic Name that is not empty.
#[cold]
fn topic_name_is_wrong(frame: Frame<'_>, topic: &[u8]) -> DecodeError {
    let at = frame.at(frame.body) + 2;
    match core::str::from_utf8(topic).map(TopicName::try_new) {
        Ok(Err(error)) => DecodeError::new(error.in_topic_name(), at),
        Ok(Ok(_)) => DecodeError::new(Malformed::Utf8Invalid, at),
        Err(error) => DecodeError::new(Malformed::Utf8Invalid, at + error.valid_up_to()),
    }
}

/// The properties and the payload behind them. No properties at all is by far the usual case.
#[inline(always)]
fn properties<'a>(
    frame: Frame<'a>,
    rest: &'a [u8],
    version: ProtocolVersion,
) -> Result<(Properties<'a>, &'a [u8]), DecodeError> {
    if !version.has_properties() {
        return Ok((Properties::received(&[], PropertySet::EMPTY), rest));
    }
    if let [0, payload @ ..] = rest {
        return Ok((Properties::received(&[], PropertySet::EMPTY), payload));
    }
    let mut reader = Reader::new(Frame {
        body: rest,
        ..frame
    });
    let properties = property_block::decode(&mut reader, version, SCOPE)?;
    Ok((properties, reader.rest()))
}
