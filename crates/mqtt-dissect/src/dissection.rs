//! One packet taken apart.

use std::borrow::Cow;
use std::ops::Range;

use mqtt_codec::{
    Connect, DecodeError, Frame, Malformed, PACKET_LEN_MAX, Packet, PacketType, ProtocolVersion,
    frame,
};

use crate::citation::Sections;
use crate::packet::{self, Header, header};
use crate::walk::Walk;
use crate::{Citation, Field, Value};

/// The longest fixed header. Unit: bytes.
const HEADER_LEN_MAX: usize = 5;

/// What the bytes of a packet are called that no field could be made of.
pub(crate) const UNREAD: &str = "not read";

/// What is malformed, in general.
const MALFORMED_PACKET: Sections = Sections::new("4.13.1", "4.8");

/// A packet, its fields, and what is wrong with it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Dissection {
    /// Which packet it is; `None` for the reserved type 0.
    pub packet_type: Option<PacketType>,
    /// The version it was read as; that of a CONNECT is its own.
    pub version: ProtocolVersion,
    /// Where it starts in the stream it came from. Unit: bytes.
    pub offset: u64,
    /// Its length on the wire, from 1; of an unreadable one how much is left. Unit: bytes.
    pub len: usize,
    /// Its bytes, or the first of them.
    pub bytes: Vec<u8>,
    /// All fields that could be read, in the order of the wire.
    pub fields: Vec<Field>,
    /// What is wrong, and where: exactly what `mqtt-codec` says of these bytes.
    pub fault: Option<DecodeError>,
    /// Whether it was there as a whole; if it was not, whether it is right cannot be said.
    pub complete: bool,
}

impl Dissection {
    /// Takes the first packet of `bytes` apart; `None` when there are none.
    ///
    /// Bytes behind the packet are left alone. A packet that ends before its length says is
    /// dissected as far as it goes and is not [`complete`](Self::complete).
    #[must_use]
    pub fn of(bytes: &[u8], version: ProtocolVersion) -> Option<Self> {
        if bytes.is_empty() {
            return None;
        }
        let version = own_version(bytes).unwrap_or(version);
        let mut fields = Vec::new();
        let header = header(bytes, version, &mut fields);
        // Of a fixed header that cannot be read, all there can be of one.
        let len = header.map_or(bytes.len().min(HEADER_LEN_MAX), |header| header.packet_len);
        let kept = bytes.get(..len).unwrap_or(bytes);
        let complete = kept.len() == len && header.is_some();
        if let Some(header) = header {
            body(kept, header, version, &mut fields);
        } else {
            rest(
                kept,
                fields.last().map_or(0, |field| field.at + field.len),
                version,
                &mut fields,
            );
        }
        Some(Self {
            packet_type: PacketType::from_u8(bytes.first()? >> 4),
            version,
            offset: 0,
            len,
            bytes: kept.to_vec(),
            fields,
            fault: fault(kept, version),
            complete,
        })
    }

    /// The first field of this name, from the start of the packet.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find_map(|field| field.find(name))
    }

    /// The bytes of the packet that a range of [`Value`] means.
    #[must_use]
    pub fn slice(&self, range: &Range<usize>) -> &[u8] {
        self.bytes.get(range.clone()).unwrap_or_default()
    }

    /// What a field says as text; `None` if it is no text and no bytes. Ill-formed parts are
    /// replaced by U+FFFD.
    #[must_use]
    pub fn text(&self, field: &Field) -> Option<Cow<'_, str>> {
        match &field.value {
            Value::Text(range) | Value::Bytes(range) => {
                Some(String::from_utf8_lossy(self.slice(range)))
            }
            _ => None,
        }
    }

    /// The Packet Identifier; `None` if there is none.
    #[must_use]
    pub fn packet_id(&self) -> Option<u16> {
        u16::try_from(self.find("packet identifier")?.number()?).ok()
    }

    /// The statement of the standard of this version that the packet breaks, such as
    /// `v5 [MQTT-2.2.1-3]`; `None` where it breaks none or prose says so.
    #[must_use]
    pub fn statement(&self) -> Option<String> {
        let rule = self.fault?.rule()?;
        let label = if self.version.has_properties() {
            rule.v5
        } else {
            rule.v311
        };
        label.map(|label| format!("{} [{label}]", crate::citation::standard(self.version)))
    }

    /// The section that says so, which is in most cases that on the field; `None` if nothing is
    /// wrong.
    #[must_use]
    pub fn fault_citation(&self) -> Option<Citation> {
        let on_field = || innermost(&self.fields, self.fault_at()?);
        let sections = match self.fault?.kind {
            Malformed::PacketTypeReserved | Malformed::PacketTypeNotInVersion { .. } => {
                Sections::new("2.1.2", "2.2.1")
            }
            Malformed::VarIntTooLong => Sections::new("1.5.5", "2.2.3"),
            // What is left of a block is in it; what is left of a packet is in nothing.
            Malformed::Truncated | Malformed::TrailingBytes => {
                match self.unread_at(self.fault_at()?) {
                    true => return on_field().or(MALFORMED_PACKET.cite(self.version)),
                    false => MALFORMED_PACKET,
                }
            }
            _ => return on_field(),
        };
        sections.cite(self.version)
    }

    /// Whether the byte at `at` could not be read.
    fn unread_at(&self, at: usize) -> bool {
        let mut fields = &self.fields;
        loop {
            let around = fields
                .iter()
                .find(|field| field.at <= at && at < field.at + field.len);
            match around {
                Some(field) if field.name == UNREAD => return true,
                Some(field) => fields = &field.fields,
                None => return false,
            }
        }
    }

    /// The byte that the fault is shown at: of a field that does not fit the last one in front of
    /// where it was seen, which is in what is not read.
    pub(crate) fn fault_at(&self) -> Option<usize> {
        let fault = self.fault?;
        let at = usize::try_from(fault.at).ok()?;
        Some(match fault.kind {
            Malformed::Truncated => at.saturating_sub(1),
            _ => at,
        })
    }

    /// Whether it was there as a whole and nothing is wrong with it.
    #[must_use]
    pub const fn is_right(&self) -> bool {
        self.complete && self.fault.is_none()
    }
}

/// What the codec says of a packet; `None` too when it is not there as a whole.
fn fault(bytes: &[u8], version: ProtocolVersion) -> Option<DecodeError> {
    match frame(bytes, PACKET_LEN_MAX) {
        Ok(None) => None,
        Ok(Some(found)) => Packet::decode(found, version).err(),
        Err(error) => Some(error),
    }
}

/// The version a CONNECT names, whatever else is wrong with it.
fn own_version(bytes: &[u8]) -> Option<ProtocolVersion> {
    let first = *bytes.first()?;
    if PacketType::from_u8(first >> 4)? != PacketType::Connect {
        return None;
    }
    let header_len = 2 + bytes
        .iter()
        .skip(1)
        .take(4)
        .position(|byte| byte & 0x80 == 0)?;
    Connect::version_of(Frame {
        first,
        body: bytes.get(header_len..)?,
        len: bytes.len(),
    })
}

fn body(kept: &[u8], header: Header, version: ProtocolVersion, fields: &mut Vec<Field>) {
    let mut walk = Walk::new(kept, header.len, version);
    if let Some(packet_type) = header.packet_type {
        // Where a field does not fit, what is left of the packet is shown as it is.
        let _ = packet::body(&mut walk, packet_type, header.flags, fields);
    }
    rest(kept, walk.at(), version, fields);
}

fn rest(kept: &[u8], at: usize, version: ProtocolVersion, fields: &mut Vec<Field>) {
    let mut walk = Walk::new(kept, at, version);
    if !walk.is_at_end() {
        fields.push(walk.rest(UNREAD, Sections::same("")));
    }
}

fn innermost(fields: &[Field], at: usize) -> Option<Citation> {
    let around = fields
        .iter()
        .rfind(|field| field.at <= at && at < field.at + field.len)?;
    // Bits of the same byte are told apart by nothing but their names.
    let inside = around.fields.iter().filter(|field| field.mask.is_none());
    let inside: Vec<Field> = inside.cloned().collect();
    innermost(&inside, at).or(around.citation)
}

/// Whether a packet with this fault can be told from the next one: all but an unreadable length.
pub(crate) const fn keeps_the_stream(fault: DecodeError) -> bool {
    !matches!(fault.kind, Malformed::VarIntTooLong)
}
