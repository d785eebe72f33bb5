//! SUBSCRIBE and UNSUBSCRIBE.

use super::PACKET_ID;
use crate::citation::Sections;
use crate::properties::{self, Scope};
use crate::walk::{Bits, Walk, qos, reserved, says_itself};
use crate::{Field, Value};

const OPTIONS: Sections = Sections::new("3.8.3.1", "3.8.3");

const MAXIMUM_QOS: Bits = Bits {
    name: "maximum qos",
    mask: 0x03,
    sections: OPTIONS,
    meaning: qos,
};

const OPTIONS_V5: [Bits; 5] = [
    Bits {
        name: "reserved",
        mask: 0xC0,
        sections: OPTIONS,
        meaning: reserved,
    },
    Bits {
        name: "retain handling",
        mask: 0x30,
        sections: OPTIONS,
        meaning: |value| match value {
            0 => "retained messages with every subscribe",
            1 => "retained messages with a new subscription",
            2 => "no retained messages",
            _ => "not a retain handling",
        },
    },
    Bits {
        name: "retain as published",
        mask: 0x08,
        sections: OPTIONS,
        meaning: says_itself,
    },
    Bits {
        name: "no local",
        mask: 0x04,
        sections: OPTIONS,
        meaning: says_itself,
    },
    MAXIMUM_QOS,
];

const OPTIONS_V311: [Bits; 2] = [
    Bits {
        name: "reserved",
        mask: 0xFC,
        sections: OPTIONS,
        meaning: reserved,
    },
    MAXIMUM_QOS,
];

pub(super) fn subscribe(walk: &mut Walk<'_>, fields: &mut Vec<Field>) -> Option<()> {
    fields.push(walk.number("packet identifier", 2, PACKET_ID)?);
    properties::walk(walk, Scope::SUBSCRIBE, fields)?;
    while !walk.is_at_end() {
        let topic_filter = walk.text("topic filter", Sections::same("3.8.3"))?;
        // Without it the filter is shown alone.
        let options = options(walk);
        let ended = options.is_none();
        fields.push(subscription(topic_filter, options));
        if ended {
            return None;
        }
    }
    Some(())
}

pub(super) fn unsubscribe(walk: &mut Walk<'_>, fields: &mut Vec<Field>) -> Option<()> {
    fields.push(walk.number("packet identifier", 2, PACKET_ID)?);
    properties::walk(walk, Scope::UNSUBSCRIBE, fields)?;
    while !walk.is_at_end() {
        fields.push(walk.text("topic filter", Sections::same("3.10.3"))?);
    }
    Some(())
}

fn options(walk: &mut Walk<'_>) -> Option<Field> {
    if walk.version().has_properties() {
        walk.flags("subscription options", OPTIONS, &OPTIONS_V5)
    } else {
        walk.flags("requested qos", OPTIONS, &OPTIONS_V311)
    }
}

fn subscription(topic_filter: Field, options: Option<Field>) -> Field {
    let len = topic_filter.len + options.as_ref().map_or(0, |options| options.len);
    let span = topic_filter.at..topic_filter.at + len;
    let citation = topic_filter.citation;
    let parts = [Some(topic_filter), options].into_iter().flatten();
    Field::new("subscription", &span, Value::Group)
        .cited(citation)
        .with(parts.collect())
}
