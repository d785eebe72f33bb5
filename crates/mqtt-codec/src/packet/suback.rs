//! SUBACK.

use crate::encode_error::{EncodeError, Field};
use crate::property_block::{self, Block};
use crate::read::Reader;
use crate::write::{self, Writer};
use crate::{
    DecodeError, Frame, Malformed, PacketId, PacketType, Properties, PropertyScope,
    ProtocolVersion, ReasonCodes,
};

const SCOPE: PropertyScope = PropertyScope::Packet(PacketType::SubAck);

/// Subscribe acknowledgement.
///
/// Before v5 every failure is 0x80, and 3.1 has none at all.
///
/// Spec: v5 §3.9, v3.1.1 §3.9.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SubAck<'a> {
    /// That of the SUBSCRIBE. Spec: v5 §3.9.2, v3.1.1 §3.9.2.
    pub packet_id: PacketId,
    /// Its properties. Spec: v5 §3.9.2.1.
    pub properties: Properties<'a>,
    /// The granted QoS or the failure of each subscription, at least one.
    /// Spec: v5 §3.9.3, v3.1.1 §3.9.3.
    pub reasons: ReasonCodes<'a>,
}

impl<'a> SubAck<'a> {
    /// Reads a SUBACK.
    ///
    /// # Errors
    /// What is wrong, where, and by which rule.
    pub fn decode(frame: Frame<'a>, version: ProtocolVersion) -> Result<Self, DecodeError> {
        let packet_type = PacketType::SubAck;
        super::expect(frame, packet_type)?;
        let mut reader = Reader::new(frame);
        let packet_id = reader.packet_id()?;
        let properties = property_block::decode(&mut reader, version, SCOPE)?;
        let codes = reader.rest();
        if codes.is_empty() {
            return Err(reader.error(Malformed::ReasonCodesEmpty { packet_type }));
        }
        for (offset, code) in codes.iter().enumerate() {
            if !version.has_suback_code(*code) {
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

    /// The bytes [`SubAck::encode`] writes.
    ///
    /// # Errors
    /// As [`SubAck::encode`], but never [`EncodeError::BufferTooSmall`].
    pub fn encoded_len(&self, version: ProtocolVersion) -> Result<usize, EncodeError> {
        let block = self.measure(version)?;
        write::packet_len(self.remaining_len(block))
    }

    /// Writes the packet to the start of `out` and returns its length in bytes.
    ///
    /// # Errors
    /// `out` is too small, or the packet is not one that this version has. `out` is untouched.
    pub fn encode(&self, version: ProtocolVersion, out: &mut [u8]) -> Result<usize, EncodeError> {
        let block = self.measure(version)?;
        let first = PacketType::SubAck.first_byte();
        let (mut writer, len) = Writer::start(first, self.remaining_len(block), out)?;
        writer.two_byte(self.packet_id.get());
        block.write(&mut writer);
        for reason in self.reasons.iter() {
            writer.byte(version.suback_code(reason));
        }
        Ok(len)
    }

    fn remaining_len(&self, block: Block<'_>) -> usize {
        block
            .encoded_len()
            .saturating_add(self.reasons.len())
            .saturating_add(2)
    }

    fn measure(&self, version: ProtocolVersion) -> Result<Block<'_>, EncodeError> {
        let packet_type = PacketType::SubAck;
        if self.reasons.is_empty() {
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
            if reason.is_error() && !version.has_suback_failure() {
                return Err(EncodeError::NotInVersion {
                    field: Field::ReasonCode,
                });
            }
        }
        Block::new(&self.properties, version, SCOPE)
    }
}
