//! CONNECT.

use crate::citation::Sections;
use crate::properties::{self, Scope};
use crate::walk::{Bits, Walk, qos, reserved, says_itself};
use crate::{Field, Value};

const USER_NAME: u32 = 0x80;
const PASSWORD: u32 = 0x40;
const WILL: u32 = 0x04;
const BRIDGE: u32 = 0x80;

const CONNECT_FLAGS: [Bits; 7] = [
    Bits {
        name: "user name flag",
        mask: 0x80,
        sections: Sections::same("3.1.2.8"),
        meaning: says_itself,
    },
    Bits {
        name: "password flag",
        mask: 0x40,
        sections: Sections::same("3.1.2.9"),
        meaning: says_itself,
    },
    Bits {
        name: "will retain",
        mask: 0x20,
        sections: Sections::same("3.1.2.7"),
        meaning: says_itself,
    },
    Bits {
        name: "will qos",
        mask: 0x18,
        sections: Sections::same("3.1.2.6"),
        meaning: qos,
    },
    Bits {
        name: "will flag",
        mask: 0x04,
        sections: Sections::same("3.1.2.5"),
        meaning: says_itself,
    },
    CLEAN_START,
    Bits {
        name: "reserved",
        mask: 0x01,
        sections: Sections::same("3.1.2.3"),
        meaning: reserved,
    },
];

const CLEAN_START: Bits = Bits {
    name: "clean start",
    mask: 0x02,
    sections: Sections::same("3.1.2.4"),
    meaning: |set| {
        if set == 0 {
            "an earlier session goes on"
        } else {
            "an earlier session is forgotten"
        }
    },
};

pub(super) fn walk(walk: &mut Walk<'_>, fields: &mut Vec<Field>) -> Option<()> {
    let section = Sections::same;
    fields.push(walk.text("protocol name", section("3.1.2.1"))?);
    let level = walk.number("protocol version", 1, section("3.1.2.2"))?;
    fields.push(meaning_of_level(level));
    let flags = walk.flags("connect flags", section("3.1.2.3"), &CONNECT_FLAGS)?;
    let set = flags.number().unwrap_or(0);
    fields.push(flags);
    let keep_alive = walk.number("keep alive", 2, section("3.1.2.10"))?;
    fields.push(match keep_alive.number() {
        Some(0) => keep_alive.means("no limit to silence"),
        _ => keep_alive.means("seconds"),
    });
    properties::walk(walk, Scope::CONNECT, fields)?;
    fields.push(walk.text("client identifier", section("3.1.3.1"))?);
    if set & WILL != 0 {
        properties::walk(walk, Scope::WILL, fields)?;
        fields.push(walk.text("will topic", Sections::new("3.1.3.3", "3.1.3.2"))?);
        fields.push(walk.binary("will payload", Sections::new("3.1.3.4", "3.1.3.3"))?);
    }
    // A 3.1 client may leave out what its flags announce.
    let missing = |walk: &Walk<'_>| walk.version().allows_missing_credentials() && walk.is_at_end();
    if set & USER_NAME != 0 && !missing(walk) {
        fields.push(walk.text("user name", Sections::new("3.1.3.5", "3.1.3.4"))?);
    }
    if set & PASSWORD != 0 && !missing(walk) {
        fields.push(walk.binary("password", Sections::new("3.1.3.6", "3.1.3.5"))?);
    }
    Some(())
}

fn meaning_of_level(field: Field) -> Field {
    let Value::Number(level) = field.value else {
        return field;
    };
    match level {
        3 => field.means("MQTT 3.1"),
        4 => field.means("MQTT 3.1.1"),
        5 => field.means("MQTT 5.0"),
        _ if level & !BRIDGE == 3 => field.means("MQTT 3.1, from a bridge"),
        _ if level & !BRIDGE == 4 => field.means("MQTT 3.1.1, from a bridge"),
        _ => field.means("no version of MQTT"),
    }
}
