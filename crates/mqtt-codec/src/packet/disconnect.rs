//! DISCONNECT.

use crate::encode_error::{EncodeError, Field};
use crate::property_block::{self, Block};
use crate::read::Reader;
use crate::write::{self, Writer};
use crate::{
    DecodeError, Frame, Malformed, PacketType, Properties, PropertyScope, ProtocolVersion,
    ReasonCode,
};

const SCOPE: PropertyScope = PropertyScope::Packet(PacketType::Disconnect);

/// Disconnect notification.
///
/// Before v5 it has no body and only means a normal end.
///
/// Spec: v5 §3.14, v3.1.1 §3.14.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Disconnect<'a> {
    /// Why. Spec: v5 §3.14.2.1.
    pub reason: ReasonCode,
    /// Its properties. Spec: v5 §3.14.2.2.
    pub properties: Properties<'a>,
}

impl<'a> Disconnect<'a> {
    /// Reads a DISCONNECT.
    ///
    /// # Errors
    /// What is wrong, where, and by which rule.
    pub fn decode(frame: Frame<'a>, version: ProtocolVersion) -> Result<Self, DecodeError> {
        let packet_type = PacketType::Disconnect;
        super::expect(frame, packet_type)?;
        let mut reader = Reader::new(frame);
        if reader.is_empty() {
            return Ok(Self::default());
        }
        if !version.disconnect_has_body() {
            return Err(reader.error(Malformed::TrailingBytes));
        }
        let at = reader.at();
        let reason = ReasonCode::new(reader.byte()?);
        if !reason.allowed_in(packet_type) {
            let kind = Malformed::ReasonNotAllowed {
                packet_type,
                reason: reason.get(),
            };
            return Err(DecodeError::new(kind, at));
        }
        let properties = if reader.is_empty() {
            Properties::EMPTY
        } else {
            property_block::decode(&mut reader, version, SCOPE)?
        };
        reader.finish()?;
        Ok(Self { reason, properties })
    }

    /// The bytes [`Disconnect::encode`] writes.
    ///
    /// # Errors
    /// As [`Disconnect::encode`], but never [`EncodeError::BufferTooSmall`].
    pub fn encoded_len(&self, version: ProtocolVersion) -> Result<usize, EncodeError> {
        write::packet_len(self.measure(version)?.remaining)
    }

    /// Writes the packet to the start of `out` and returns its length in bytes.
    ///
    /// Reason Code and properties are left out where they say nothing.
    ///
    /// # Errors
    /// `out` is too small, or the packet is not one that this version has: before v5 any Reason
    /// Code but a normal disconnection. `out` is untouched.
    pub fn encode(&self, version: ProtocolVersion, out: &mut [u8]) -> Result<usize, EncodeError> {
        let sizes = self.measure(version)?;
        let first = PacketType::Disconnect.first_byte();
        let (mut writer, len) = Writer::start(first, sizes.remaining, out)?;
        if sizes.remaining > 0 {
            writer.byte(self.reason.get());
        }
        if sizes.remaining > 1 {
            sizes.block.write(&mut writer);
        }
        Ok(len)
    }

    fn measure(&self, version: ProtocolVersion) -> Result<Sizes<'_>, EncodeError> {
        let packet_type = PacketType::Disconnect;
        if !self.reason.allowed_in(packet_type) {
            return Err(EncodeError::ReasonNotAllowed {
                packet_type,
                reason: self.reason,
            });
        }
        let normal = self.reason == ReasonCode::NORMAL_DISCONNECTION;
        let block = Block::new(&self.properties, version, SCOPE)?;
        if !version.disconnect_has_body() {
            if !normal {
                return Err(EncodeError::NotInVersion {
                    field: Field::ReasonCode,
                });
            }
            return Ok(Sizes {
                remaining: 0,
                block,
            });
        }
        let remaining = match block.is_empty() {
            true if normal => 0,
            true => 1,
            false => block.encoded_len().saturating_add(1),
        };
        Ok(Sizes { remaining, block })
    }
}

struct Sizes<'a> {
    /// The Remaining Length. Unit: bytes.
    remaining: usize,
    block: Block<'a>,
}
