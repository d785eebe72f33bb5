//! The fixed header: type, flags and Remaining Length.

use mqtt_codec::{PacketType, ProtocolVersion};

use crate::citation::Sections;
use crate::walk::{Bits, Walk, qos, reserved, says_itself};
use crate::{Field, Value};

/// What the fixed header says, as far as it can be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    pub(crate) packet_type: Option<PacketType>,
    /// The lower half of the first byte.
    pub(crate) flags: u8,
    /// The fixed header alone. Unit: bytes.
    pub(crate) len: usize,
    /// The whole packet, from 2. Unit: bytes.
    pub(crate) packet_len: usize,
}

/// Reads a fixed header; `None` while it is not there as a whole, or if its Remaining Length has
/// more than four bytes: the fields tell which.
pub(crate) fn header(
    packet: &[u8],
    version: ProtocolVersion,
    fields: &mut Vec<Field>,
) -> Option<Header> {
    let first = *packet.first()?;
    let packet_type = PacketType::from_u8(first >> 4);
    let mut walk = Walk::new(packet, 0, version);
    fields.push(first_byte(&mut walk, packet_type)?);
    let field = walk.var_int("remaining length", Sections::new("2.1.4", "2.2.3"))?;
    let remaining_len = usize::try_from(field.number()?).ok()?;
    fields.push(field.means("bytes"));
    Some(Header {
        packet_type,
        flags: first & 0x0F,
        len: walk.at(),
        packet_len: walk.at().checked_add(remaining_len)?,
    })
}

fn first_byte(walk: &mut Walk<'_>, packet_type: Option<PacketType>) -> Option<Field> {
    let name = packet_type.map_or("reserved", PacketType::name);
    let version = walk.version();
    let flags = Sections::same(section(packet_type));
    let the_type = Bits {
        name: "packet type",
        mask: 0xF0,
        sections: Sections::new("2.1.2", "2.2.1"),
        meaning: says_itself,
    };
    let dup_of_v31 = version.may_resend_while_connected();
    let parts = match packet_type {
        Some(PacketType::Publish) => vec![
            the_type,
            Bits {
                name: "dup",
                mask: 0x08,
                sections: Sections::same("3.3.1.1"),
                meaning: dup,
            },
            Bits {
                name: "qos",
                mask: 0x06,
                sections: Sections::same("3.3.1.2"),
                meaning: qos,
            },
            Bits {
                name: "retain",
                mask: 0x01,
                sections: Sections::same("3.3.1.3"),
                meaning: says_itself,
            },
        ],
        Some(PacketType::PubRel | PacketType::Subscribe | PacketType::Unsubscribe)
            if dup_of_v31 =>
        {
            vec![
                the_type,
                Bits {
                    name: "dup",
                    mask: 0x08,
                    sections: flags,
                    meaning: dup,
                },
                Bits {
                    name: "flags",
                    mask: 0x07,
                    sections: flags,
                    meaning: has_to_be_2,
                },
            ]
        }
        Some(PacketType::PubRel | PacketType::Subscribe | PacketType::Unsubscribe) => vec![
            the_type,
            Bits {
                name: "flags",
                mask: 0x0F,
                sections: flags,
                meaning: has_to_be_2,
            },
        ],
        _ => vec![
            the_type,
            Bits {
                name: "flags",
                mask: 0x0F,
                sections: flags,
                meaning: reserved,
            },
        ],
    };
    let mut field = walk.flags("fixed header", Sections::new("2.1.1", "2.2"), &parts)?;
    if let Some(part) = field.fields.first_mut() {
        part.meaning = Some(name.into());
    }
    field.value = Value::Group;
    Some(field)
}

const fn dup(set: u8) -> &'static str {
    if set == 0 {
        "first attempt"
    } else {
        "sent again"
    }
}

const fn has_to_be_2(value: u8) -> &'static str {
    if value == 2 {
        ""
    } else {
        "reserved, has to be 2"
    }
}

/// The section on the fixed header of a packet, which is the same in both standards.
const fn section(packet_type: Option<PacketType>) -> &'static str {
    match packet_type {
        Some(PacketType::Connect) => "3.1.1",
        Some(PacketType::ConnAck) => "3.2.1",
        Some(PacketType::Publish) => "3.3.1",
        Some(PacketType::PubAck) => "3.4.1",
        Some(PacketType::PubRec) => "3.5.1",
        Some(PacketType::PubRel) => "3.6.1",
        Some(PacketType::PubComp) => "3.7.1",
        Some(PacketType::Subscribe) => "3.8.1",
        Some(PacketType::SubAck) => "3.9.1",
        Some(PacketType::Unsubscribe) => "3.10.1",
        Some(PacketType::UnsubAck) => "3.11.1",
        Some(PacketType::PingReq) => "3.12.1",
        Some(PacketType::PingResp) => "3.13.1",
        Some(PacketType::Disconnect) => "3.14.1",
        Some(PacketType::Auth) => "3.15.1",
        None => "",
    }
}
