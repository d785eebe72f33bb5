//! PUBLISH.

use crate::Field;
use crate::citation::Sections;
use crate::properties::{self, Scope};
use crate::walk::Walk;

const QOS: u8 = 0x06;

pub(super) fn walk(walk: &mut Walk<'_>, flags: u8, fields: &mut Vec<Field>) -> Option<()> {
    fields.push(walk.text("topic name", Sections::same("3.3.2.1"))?);
    if flags & QOS != 0 {
        fields.push(walk.number("packet identifier", 2, Sections::same("3.3.2.2"))?);
    }
    properties::walk(walk, Scope::PUBLISH, fields)?;
    fields.push(walk.rest("payload", Sections::same("3.3.3")));
    Some(())
}
