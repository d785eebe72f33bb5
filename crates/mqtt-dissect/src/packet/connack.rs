//! CONNACK.

use crate::Field;
use crate::citation::Sections;
use crate::properties::{self, Scope};
use crate::reason;
use crate::walk::{Bits, Walk, reserved};

const FLAGS: [Bits; 2] = [
    Bits {
        name: "reserved",
        mask: 0xFE,
        sections: Sections::same("3.2.2.1"),
        meaning: reserved,
    },
    Bits {
        name: "session present",
        mask: 0x01,
        sections: Sections::new("3.2.2.1.1", "3.2.2.2"),
        meaning: |set| {
            if set == 0 {
                "a new session"
            } else {
                "an earlier session goes on"
            }
        },
    },
];

pub(super) fn walk(walk: &mut Walk<'_>, fields: &mut Vec<Field>) -> Option<()> {
    fields.push(walk.flags(
        "connect acknowledge flags",
        Sections::same("3.2.2.1"),
        &FLAGS,
    )?);
    let code = walk.number("reason code", 1, Sections::new("3.2.2.2", "3.2.2.3"))?;
    fields.push(reason::of_connack(code, walk.version()));
    properties::walk(walk, Scope::CONN_ACK, fields)
}
