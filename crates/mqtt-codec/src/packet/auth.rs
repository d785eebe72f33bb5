//! AUTH.

use crate::encode_error::{EncodeError, Field};
use crate::property_block::{self, Block};
use crate::read::Reader;
use crate::write::{self, Writer};
use crate::{
    DecodeError, Frame, Malformed, PacketType, Properties, PropertyId, PropertyScope,
    ProtocolVersion, ReasonCode,
};

const SCOPE: PropertyScope = PropertyScope::Packet(PacketType::Auth);

/// Authentication exchange; v5 only.
///
/// Spec: v5 §3.15.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Auth<'a> {
    /// Which step this is. Spec: v5 §3.15.2.1.
    pub reason: ReasonCode,
    /// Its properties: an Authentication Method, except in a success without any property.
    /// Spec: v5 §3.15.2.2.
    pub properties: Properties<'a>,
}

impl<'a> Auth<'a> {
    /// Reads an AUTH.
    ///
    /// # Errors
    /// What is wrong, where, and by which rule; every AUTH in a version before v5.
    pub fn decode(frame: Frame<'a>, version: ProtocolVersion) -> Result<Self, DecodeError> {
        let packet_type = PacketType::Auth;
        super::expect(frame, packet_type)?;
        if !version.has_auth() {
            return Err(DecodeError::new(
                Malformed::PacketTypeNotInVersion { packet_type },
                0,
            ));
        }
        let mut reader = Reader::new(frame);
        if reader.is_empty() {
            return Ok(Self::default());
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
        let properties_at = reader.at();
        let properties = property_block::decode(&mut reader, version, SCOPE)?;
        reader.finish()?;
        if lacks_method(reason, &properties) {
            return Err(DecodeError::new(
                Malformed::AuthenticationMethodMissing,
                properties_at,
            ));
        }
        Ok(Self { reason, properties })
    }

    /// The bytes [`Auth::encode`] writes.
    ///
    /// # Errors
    /// As [`Auth::encode`], but never [`EncodeError::BufferTooSmall`].
    pub fn encoded_len(&self, version: ProtocolVersion) -> Result<usize, EncodeError> {
        write::packet_len(self.measure(version)?.remaining)
    }

    /// Writes the packet to the start of `out` and returns its length in bytes.
    ///
    /// # Errors
    /// `out` is too small, the version has no AUTH, or the Authentication Method is missing. `out`
    /// is untouched.
    pub fn encode(&self, version: ProtocolVersion, out: &mut [u8]) -> Result<usize, EncodeError> {
        let sizes = self.measure(version)?;
        let first = PacketType::Auth.first_byte();
        let (mut writer, len) = Writer::start(first, sizes.remaining, out)?;
        if sizes.remaining > 0 {
            writer.byte(self.reason.get());
            sizes.block.write(&mut writer);
        }
        Ok(len)
    }

    fn measure(&self, version: ProtocolVersion) -> Result<Sizes<'_>, EncodeError> {
        let packet_type = PacketType::Auth;
        if !version.has_auth() {
            return Err(EncodeError::NotInVersion {
                field: Field::PacketType(packet_type),
            });
        }
        if !self.reason.allowed_in(packet_type) {
            return Err(EncodeError::ReasonNotAllowed {
                packet_type,
                reason: self.reason,
            });
        }
        let block = Block::new(&self.properties, version, SCOPE)?;
        if lacks_method(self.reason, &self.properties) {
            let field = Field::Property(PropertyId::AuthenticationMethod);
            return Err(EncodeError::Missing { field });
        }
        let remaining = match block.is_empty() {
            true => 0,
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

/// A method is there in every AUTH but the shortest, which says success and nothing else.
///
/// Spec: v5 §3.15.2.2.2, v5 §3.15.2.1.
fn lacks_method(reason: ReasonCode, properties: &Properties<'_>) -> bool {
    let shortest = reason == ReasonCode::SUCCESS && properties.is_empty();
    !shortest && !properties.has(PropertyId::AuthenticationMethod)
}
