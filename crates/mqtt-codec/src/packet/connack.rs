//! CONNACK.

use crate::encode_error::EncodeError;
use crate::property_block::{self, Block};
use crate::read::Reader;
use crate::write::{self, Writer};
use crate::{
    DecodeError, Frame, Malformed, PacketType, Properties, PropertyScope, ProtocolVersion,
    ReasonCode,
};

const SCOPE: PropertyScope = PropertyScope::Packet(PacketType::ConnAck);

/// Connect acknowledgement.
///
/// Before v5 the return code is read as a Reason Code and written back from one, see
/// [`ProtocolVersion::connack_code`].
///
/// Spec: v5 §3.2, v3.1.1 §3.2.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ConnAck<'a> {
    /// Whether the server goes on with an earlier session; not sent to a 3.1 client.
    /// Spec: v5 §3.2.2.1.1, v3.1.1 §3.2.2.2.
    pub session_present: bool,
    /// Whether the connection is accepted. Spec: v5 §3.2.2.2, v3.1.1 §3.2.2.3.
    pub reason: ReasonCode,
    /// Its properties. Spec: v5 §3.2.2.3.
    pub properties: Properties<'a>,
}

impl<'a> ConnAck<'a> {
    /// Reads a CONNACK.
    ///
    /// # Errors
    /// What is wrong, where, and by which rule.
    pub fn decode(frame: Frame<'a>, version: ProtocolVersion) -> Result<Self, DecodeError> {
        super::expect(frame, PacketType::ConnAck)?;
        let mut reader = Reader::new(frame);
        let flags_at = reader.at();
        let session_present = match reader.byte()? {
            0 => false,
            1 => version.has_session_present(),
            _ => return Err(DecodeError::new(Malformed::ConnAckFlagsReserved, flags_at)),
        };
        let reason_at = reader.at();
        let code = reader.byte()?;
        let reason = version.connack_reason(code).ok_or(DecodeError::new(
            Malformed::ReasonNotAllowed {
                packet_type: PacketType::ConnAck,
                reason: code,
            },
            reason_at,
        ))?;
        if session_present && reason.is_error() {
            return Err(DecodeError::new(
                Malformed::SessionPresentWithError,
                flags_at,
            ));
        }
        let properties = property_block::decode(&mut reader, version, SCOPE)?;
        reader.finish()?;
        Ok(Self {
            session_present,
            reason,
            properties,
        })
    }

    /// The bytes [`ConnAck::encode`] writes.
    ///
    /// # Errors
    /// As [`ConnAck::encode`], but never [`EncodeError::BufferTooSmall`].
    pub fn encoded_len(&self, version: ProtocolVersion) -> Result<usize, EncodeError> {
        let block = self.measure(version)?;
        write::packet_len(block.encoded_len().saturating_add(2))
    }

    /// Writes the packet to the start of `out` and returns its length in bytes.
    ///
    /// # Errors
    /// `out` is too small, or the packet is not one that this version has. `out` is untouched.
    pub fn encode(&self, version: ProtocolVersion, out: &mut [u8]) -> Result<usize, EncodeError> {
        let block = self.measure(version)?;
        let first = PacketType::ConnAck.first_byte();
        let (mut writer, len) = Writer::start(first, block.encoded_len().saturating_add(2), out)?;
        writer.byte(u8::from(
            self.session_present && version.has_session_present(),
        ));
        writer.byte(version.connack_code(self.reason));
        block.write(&mut writer);
        Ok(len)
    }

    fn measure(&self, version: ProtocolVersion) -> Result<Block<'_>, EncodeError> {
        if !self.reason.allowed_in(PacketType::ConnAck) {
            let packet_type = PacketType::ConnAck;
            return Err(EncodeError::ReasonNotAllowed {
                packet_type,
                reason: self.reason,
            });
        }
        if self.session_present && self.reason.is_error() {
            return Err(EncodeError::SessionPresentWithError);
        }
        let block = Block::new(&self.properties, version, SCOPE)?;
        Ok(block)
    }
}
