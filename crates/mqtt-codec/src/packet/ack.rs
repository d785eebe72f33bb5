//! PUBACK, PUBREC, PUBREL and PUBCOMP: one layout, read and written by hand.

use crate::encode_error::{EncodeError, Field};
use crate::property_block::{self, Block};
use crate::read::Reader;
use crate::write::{self, Writer};
use crate::{
    DecodeError, Frame, Malformed, PacketId, PacketType, Properties, PropertyScope, PropertySet,
    ProtocolVersion, ReasonCode,
};

/// An acknowledgement of a PUBLISH, or of another acknowledgement at QoS 2.
///
/// Before v5 there is only the Packet Identifier, which means success.
///
/// Spec: v5 §3.4, §3.5, §3.6, §3.7, v3.1.1 §3.4, §3.5, §3.6, §3.7.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ack<'a> {
    /// The PUBLISH it is about. Spec: v5 §2.2.1, v3.1.1 §2.3.1.
    pub packet_id: PacketId,
    /// How it went. Spec: v5 §3.4.2.1, §3.5.2.1, §3.6.2.1, §3.7.2.1.
    pub reason: ReasonCode,
    /// Its properties. Spec: v5 §3.4.2.2, §3.5.2.2, §3.6.2.2, §3.7.2.2.
    pub properties: Properties<'a>,
}

impl<'a> Ack<'a> {
    /// An acknowledgement that says success.
    #[must_use]
    #[inline]
    pub const fn new(packet_id: PacketId) -> Self {
        Self {
            packet_id,
            reason: ReasonCode::SUCCESS,
            properties: Properties::received(&[], PropertySet::EMPTY),
        }
    }

    /// The whole packet of [`Ack::new`], which is the same in every version.
    ///
    /// `packet_type` is one of the four.
    #[must_use]
    #[inline(always)]
    pub const fn success(packet_type: PacketType, packet_id: PacketId) -> [u8; 4] {
        let [high, low] = packet_id.get().to_be_bytes();
        [packet_type.first_byte(), 2, high, low]
    }

    /// Reads an acknowledgement; `frame` says which of the four.
    ///
    /// # Errors
    /// What is wrong, where, and by which rule; also for a packet of any other type.
    #[inline]
    pub fn decode(frame: Frame<'a>, version: ProtocolVersion) -> Result<Self, DecodeError> {
        let packet_type = check_header(frame, version)?;
        let body_at = frame.at(frame.body);
        let Some((packet_id, rest)) = frame.body.split_first_chunk::<2>() else {
            return Err(DecodeError::new(Malformed::Truncated, body_at));
        };
        let Some(packet_id) = PacketId::new(u16::from_be_bytes(*packet_id)) else {
            return Err(DecodeError::new(Malformed::PacketIdZero, body_at));
        };
        if rest.is_empty() {
            return Ok(Self::new(packet_id));
        }
        Self::decode_rest(frame, packet_type, version, packet_id, rest)
    }

    /// Reason Code and properties. Spec: v5 §3.4.2.1, v5 §3.4.2.2.1.
    fn decode_rest(
        frame: Frame<'a>,
        packet_type: PacketType,
        version: ProtocolVersion,
        packet_id: PacketId,
        rest: &'a [u8],
    ) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(Frame {
            body: rest,
            ..frame
        });
        if !version.has_ack_reason() {
            return Err(reader.error(Malformed::TrailingBytes));
        }
        let wrong = |reason| Malformed::ReasonNotAllowed {
            packet_type,
            reason,
        };
        let at = reader.at();
        let reason = ReasonCode::new(reader.byte()?);
        if !reason.allowed_in(packet_type) {
            return Err(DecodeError::new(wrong(reason.get()), at));
        }
        let properties = if reader.is_empty() {
            Properties::received(&[], PropertySet::EMPTY)
        } else {
            property_block::decode(&mut reader, version, PropertyScope::Packet(packet_type))?
        };
        reader.finish()?;
        Ok(Self {
            packet_id,
            reason,
            properties,
        })
    }

    /// The bytes [`Ack::encode`] writes.
    ///
    /// # Errors
    /// As [`Ack::encode`], but never [`EncodeError::BufferTooSmall`].
    #[inline]
    pub fn encoded_len(
        &self,
        packet_type: PacketType,
        version: ProtocolVersion,
    ) -> Result<usize, EncodeError> {
        write::packet_len(self.measure(packet_type, version)?.remaining)
    }

    /// Writes the packet as one of type `packet_type` to the start of `out` and returns its length
    /// in bytes.
    ///
    /// Reason Code and properties are left out where they say nothing.
    ///
    /// # Errors
    /// `out` is too small, `packet_type` is not one of the four or does not have this Reason Code,
    /// or the Reason Code is an error and the version has none. `out` is untouched.
    #[inline(always)]
    pub fn encode(
        &self,
        packet_type: PacketType,
        version: ProtocolVersion,
        out: &mut [u8],
    ) -> Result<usize, EncodeError> {
        let plain = self.properties.raw().is_some_and(<[u8]>::is_empty);
        if plain
            && self.reason == ReasonCode::SUCCESS
            && let Some(first) = first_byte(packet_type)
        {
            let Some(place) = out.first_chunk_mut::<4>() else {
                return Err(EncodeError::BufferTooSmall { needed: 4 });
            };
            let [high, low] = self.packet_id.get().to_be_bytes();
            *place = [first, 2, high, low];
            return Ok(4);
        }
        self.encode_any(packet_type, version, out)
    }

    #[inline(never)]
    fn encode_any(
        &self,
        packet_type: PacketType,
        version: ProtocolVersion,
        out: &mut [u8],
    ) -> Result<usize, EncodeError> {
        let sizes = self.measure(packet_type, version)?;
        let (mut writer, len) = Writer::start(packet_type.first_byte(), sizes.remaining, out)?;
        writer.two_byte(self.packet_id.get());
        if sizes.remaining > 2 {
            writer.byte(self.reason.get());
        }
        if sizes.remaining > 3 {
            sizes.block.write(&mut writer);
        }
        Ok(len)
    }

    #[inline]
    fn measure(
        &self,
        packet_type: PacketType,
        version: ProtocolVersion,
    ) -> Result<Sizes<'_>, EncodeError> {
        if !is_ack(packet_type) {
            return Err(EncodeError::NotAnAck { packet_type });
        }
        let success = self.reason == ReasonCode::SUCCESS;
        if !success && !self.reason.allowed_in(packet_type) {
            return Err(EncodeError::ReasonNotAllowed {
                packet_type,
                reason: self.reason,
            });
        }
        let block = Block::new(
            &self.properties,
            version,
            PropertyScope::Packet(packet_type),
        )?;
        if !version.has_ack_reason() {
            if self.reason.is_error() {
                return Err(EncodeError::NotInVersion {
                    field: Field::ReasonCode,
                });
            }
            return Ok(Sizes {
                remaining: 2,
                block,
            });
        }
        let remaining = match block.is_empty() {
            true if success => 2,
            true => 3,
            false => block.encoded_len().saturating_add(3),
        };
        Ok(Sizes { remaining, block })
    }
}

struct Sizes<'a> {
    /// The Remaining Length. Unit: bytes.
    remaining: usize,
    block: Block<'a>,
}

#[inline]
const fn is_ack(packet_type: PacketType) -> bool {
    first_byte(packet_type).is_some()
}

/// The first byte of an acknowledgement; `None` for other types.
#[inline]
const fn first_byte(packet_type: PacketType) -> Option<u8> {
    match packet_type {
        PacketType::PubAck => Some(PacketType::PubAck.first_byte()),
        PacketType::PubRec => Some(PacketType::PubRec.first_byte()),
        PacketType::PubRel => Some(PacketType::PubRel.first_byte()),
        PacketType::PubComp => Some(PacketType::PubComp.first_byte()),
        _ => None,
    }
}

#[inline]
fn check_header(frame: Frame<'_>, version: ProtocolVersion) -> Result<PacketType, DecodeError> {
    match frame.packet_type() {
        Some(PacketType::PubRel) => {
            super::expect_maybe_dup(frame, PacketType::PubRel, version)?;
            Ok(PacketType::PubRel)
        }
        Some(packet_type) if is_ack(packet_type) => {
            super::expect(frame, packet_type)?;
            Ok(packet_type)
        }
        _ => Err(DecodeError::new(
            super::first_is_wrong(frame, PacketType::PubAck),
            0,
        )),
    }
}
