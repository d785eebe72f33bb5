//! SUBACK and UNSUBACK.

use mqtt_codec::PacketType;

use super::PACKET_ID;
use crate::Field;
use crate::citation::Sections;
use crate::properties::{self, Scope};
use crate::reason;
use crate::walk::Walk;

pub(super) fn suback(walk: &mut Walk<'_>, fields: &mut Vec<Field>) -> Option<()> {
    fields.push(walk.number("packet identifier", 2, PACKET_ID)?);
    properties::walk(walk, Scope::SUB_ACK, fields)?;
    while !walk.is_at_end() {
        let code = walk.number("reason code", 1, Sections::same("3.9.3"))?;
        fields.push(reason::of_suback(code, walk.version()));
    }
    Some(())
}

pub(super) fn unsuback(walk: &mut Walk<'_>, fields: &mut Vec<Field>) -> Option<()> {
    fields.push(walk.number("packet identifier", 2, PACKET_ID)?);
    properties::walk(walk, Scope::UNSUB_ACK, fields)?;
    if !walk.version().has_unsuback_reasons() {
        return Some(());
    }
    while !walk.is_at_end() {
        let code = walk.number("reason code", 1, Sections::new("3.11.3", ""))?;
        fields.push(reason::of(code, PacketType::UnsubAck));
    }
    Some(())
}
