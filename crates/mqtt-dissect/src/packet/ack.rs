//! PUBACK, PUBREC, PUBREL and PUBCOMP.

use mqtt_codec::PacketType;

use super::PACKET_ID;
use crate::Field;
use crate::citation::Sections;
use crate::properties::{self, Scope};
use crate::reason;
use crate::walk::Walk;

pub(super) fn walk(
    walk: &mut Walk<'_>,
    packet_type: PacketType,
    fields: &mut Vec<Field>,
) -> Option<()> {
    fields.push(walk.number("packet identifier", 2, PACKET_ID)?);
    if walk.is_at_end() || !walk.version().has_ack_reason() {
        return Some(());
    }
    let (section, scope) = match packet_type {
        PacketType::PubAck => ("3.4.2.1", Scope::PUB_ACK),
        PacketType::PubRec => ("3.5.2.1", Scope::PUB_REC),
        PacketType::PubRel => ("3.6.2.1", Scope::PUB_REL),
        _ => ("3.7.2.1", Scope::PUB_COMP),
    };
    let code = walk.number("reason code", 1, Sections::new(section, ""))?;
    fields.push(reason::of(code, packet_type));
    if walk.is_at_end() {
        return Some(());
    }
    properties::walk(walk, scope, fields)
}
