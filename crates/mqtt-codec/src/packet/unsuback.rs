//! UNSUBACK.

use crate::encode_error::{EncodeError, Field};
use crate::property_block::{self, Block};
use crate::read::Reader;
use crate::write::{self, Writer};
use crate::{
    DecodeError, Frame, Malformed, PacketId, PacketType, Properties, PropertyScope,
    ProtocolVersion, ReasonCode, ReasonCodes,
};

const SCOPE: PropertyScope = PropertyScope::Packet(PacketType::UnsubAck);

/// Unsubscribe acknowledgement.
///
/// Before v5 there is only the Packet Identifier.
///
/// Spec: v5 §3.11, v3.1.1 §3.11.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct UnsubAck<'a> {
    /// That of the UNSUBSCRIBE. Spec: v5 §3.11.2, v3.1.1 §3.11.2.
    pub packet_id: PacketId,
    /// Its properties. Spec: v5 §3.11.2.1.
    pub properties: Properties<'a>,
    /// What became of each subscription: at least one, none before v5. Spec: v5 §3.11.3.
    pub reasons: ReasonCodes<'a>,
}

impl<'a> UnsubAck<'a> {
    /// Reads an UNSUBACK.
    ///
    /// # Errors
    /// What is wrong, where, and by which rule.
    pub fn decode(frame: Frame<'a>, version: ProtocolVersion) -> Result<Self, DecodeError> {
        let packet_type = PacketType::UnsubAck;
        super::expect(frame, packet_type)?;
        let mut reader = Reader::new(frame);
        let packet_id = reader.packet_id()?;
        let properties = property_block::decode(&mut reader, version, SCOPE)?;
        if !version.has_unsuback_reasons() {
            reader.finish()?;
            return Ok(Self {
                packet_id,
                properties,
                reasons: ReasonCodes::EMPTY,
            });
        }
        let codes = reader.rest();
        if codes.is_empty() {
            return Err(reader.error(Malformed::ReasonCodesEmpty { packet_type }));
        }
        for (offset, code) in codes.iter().enumerate() {
            if !ReasonCode::new(*code).allowed_in(packet_type) {
                let kind = Malformed::ReasonNotAllowed {
                    packet_type,
                    reason: *code,
                };
                return Err(DecodeError::new(kind, reader.at() + offset));
            }
        }
        Ok(Self {
            packet_id,
            properties,
            reasons: ReasonCodes::received(codes),
        })
    }

    /// The bytes [`UnsubAck::encode`] writes.
    ///
    /// # Errors
    /// As [`UnsubAck::encode`], but never [`EncodeError::BufferTooSmall`].
    pub fn encoded_len(&self, version: ProtocolVersion) -> Result<usize, EncodeError> {
        let block = self.measure(version)?;
        write::packet_len(self.remaining_len(version, block))
    }

    /// Writes the packet to the start of `out` and returns its length in bytes.
    ///
    /// Before v5 the Reason Codes are left out: whether a subscription was there is not told, and
    /// there is no way to tell a failure.
    ///
    /// # Errors
    /// `out` is too small, the packet is not one that this version has, or before v5 a Reason Code
    /// is an error. `out` is untouched.
    pub fn encode(&self, version: ProtocolVersion, out: &mut [u8]) -> Result<usize, EncodeError> {
        let block = self.measure(version)?;
        let first = PacketType::UnsubAck.first_byte();
        let (mut writer, len) = Writer::start(first, self.remaining_len(version, block), out)?;
        writer.two_byte(self.packet_id.get());
        block.write(&mut writer);
        if version.has_unsuback_reasons() {
            for reason in self.reasons.iter() {
                writer.byte(reason.get());
            }
        }
        Ok(len)
    }

    fn remaining_len(&self, version: ProtocolVersion, block: Block<'_>) -> usize {
        let reasons_len = if version.has_unsuback_reasons() {
            self.reasons.len()
        } else {
            0
        };
        block
            .encoded_len()
            .saturating_add(reasons_len)
            .saturating_add(2)
    }

    fn measure(&self, version: ProtocolVersion) -> Result<Block<'_>, EncodeError> {
        let packet_type = PacketType::UnsubAck;
        if self.reasons.is_empty() && version.has_unsuback_reasons() {
            return Err(EncodeError::Missing {
                field: Field::ReasonCodes,
            });
        }
        for reason in self.reasons.iter() {
            if !reason.allowed_in(packet_type) {
                return Err(EncodeError::ReasonNotAllowed {
                    packet_type,
                    reason,
                });
            }
            if reason.is_error() && !version.has_unsuback_reasons() {
                return Err(EncodeError::NotInVersion {
                    field: Field::ReasonCode,
                });
            }
        }
        Block::new(&self.properties, version, SCOPE)
    }
}
