//! The fields of each Control Packet, in the order of the wire.

mod ack;
mod connack;
mod connect;
mod disconnect;
mod header;
mod publish;
mod suback;
mod subscribe;

use mqtt_codec::PacketType;

use crate::Field;
use crate::citation::Sections;
use crate::walk::Walk;

pub(crate) use header::{Header, header};

/// A Packet Identifier; PUBLISH has a section of its own for it.
const PACKET_ID: Sections = Sections::new("2.2.1", "2.3.1");

/// Everything behind the fixed header that can be read; `None` where a field does not fit, after
/// those in front of it.
pub(crate) fn body(
    walk: &mut Walk<'_>,
    packet_type: PacketType,
    flags: u8,
    fields: &mut Vec<Field>,
) -> Option<()> {
    match packet_type {
        PacketType::Connect => connect::walk(walk, fields),
        PacketType::ConnAck => connack::walk(walk, fields),
        PacketType::Publish => publish::walk(walk, flags, fields),
        PacketType::PubAck | PacketType::PubRec | PacketType::PubRel | PacketType::PubComp => {
            ack::walk(walk, packet_type, fields)
        }
        PacketType::Subscribe => subscribe::subscribe(walk, fields),
        PacketType::Unsubscribe => subscribe::unsubscribe(walk, fields),
        PacketType::SubAck => suback::suback(walk, fields),
        PacketType::UnsubAck => suback::unsuback(walk, fields),
        PacketType::PingReq | PacketType::PingResp => Some(()),
        PacketType::Disconnect => disconnect::disconnect(walk, fields),
        PacketType::Auth => disconnect::auth(walk, fields),
    }
}
