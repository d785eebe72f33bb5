//! DISCONNECT and AUTH: a Reason Code and properties, either of which may be left out.

use mqtt_codec::PacketType;

use crate::Field;
use crate::citation::Sections;
use crate::properties::{self, Scope};
use crate::reason;
use crate::walk::Walk;

pub(super) fn disconnect(walk: &mut Walk<'_>, fields: &mut Vec<Field>) -> Option<()> {
    if walk.is_at_end() || !walk.version().disconnect_has_body() {
        return Some(());
    }
    let code = walk.number("reason code", 1, Sections::new("3.14.2.1", ""))?;
    fields.push(reason::of(code, PacketType::Disconnect));
    if walk.is_at_end() {
        return Some(());
    }
    properties::walk(walk, Scope::DISCONNECT, fields)
}

pub(super) fn auth(walk: &mut Walk<'_>, fields: &mut Vec<Field>) -> Option<()> {
    if walk.is_at_end() || !walk.version().has_auth() {
        return Some(());
    }
    let code = walk.number("reason code", 1, Sections::new("3.15.2.1", ""))?;
    fields.push(reason::of(code, PacketType::Auth));
    properties::walk(walk, Scope::AUTH, fields)
}
