//! Slow and simple twins of parts of the codec, to compare with. They share no code with it.

/// A PUBLISH in plain fields.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Publish<'a> {
    /// DUP.
    pub dup: bool,
    /// RETAIN.
    pub retain: bool,
    /// QoS, 0 to 2.
    pub qos: u8,
    /// Packet Identifier; 0 at QoS 0.
    pub packet_id: u16,
    /// Topic Name; empty when there is a Topic Alias instead.
    pub topic_name: &'a str,
    /// The property block without its length.
    pub properties: &'a [u8],
    /// Application Message.
    pub payload: &'a [u8],
}

/// Reads a PUBLISH; `None` if it breaks any rule.
#[must_use]
pub fn publish(first: u8, body: &[u8], has_properties: bool) -> Option<Publish<'_>> {
    let (topic_name, mut rest) = text(body)?;
    let qos = (first >> 1) & 3;
    let dup = first & 8 != 0;
    if qos == 3 || (dup && qos == 0) || topic_name.contains(['+', '#']) {
        return None;
    }
    let mut packet_id = 0;
    if qos > 0 {
        packet_id = u16::from(*rest.first()?) * 256 + u16::from(*rest.get(1)?);
        rest = rest.get(2..)?;
        if packet_id == 0 {
            return None;
        }
    }
    let mut properties: &[u8] = &[];
    let mut has_alias = false;
    if has_properties {
        let (len, after) = var_int(rest)?;
        properties = after.get(..usize::try_from(len).ok()?)?;
        rest = after.get(properties.len()..)?;
        has_alias = publish_properties(properties)?.contains(&0x23);
    }
    if topic_name.is_empty() && !has_alias {
        return None;
    }
    let retain = first & 1 != 0;
    Some(Publish {
        dup,
        retain,
        qos,
        packet_id,
        topic_name,
        properties,
        payload: rest,
    })
}

/// The identifiers in a property block of a PUBLISH; `None` if it breaks any rule.
fn publish_properties(mut block: &[u8]) -> Option<Vec<u32>> {
    let mut seen = Vec::new();
    while !block.is_empty() {
        let (id, value) = var_int(block)?;
        if seen.contains(&id) && id != 0x0B && id != 0x26 {
            return None;
        }
        seen.push(id);
        block = match id {
            0x01 if *value.first()? <= 1 => value.get(1..)?,
            0x02 => value.get(4..)?,
            0x03 => text(value)?.1,
            0x08 => {
                let (topic_name, rest) = text(value)?;
                if !is_topic_name(topic_name) {
                    return None;
                }
                rest
            }
            0x09 => field(value)?.1,
            0x0B => {
                let (number, rest) = var_int(value)?;
                if number == 0 {
                    return None;
                }
                rest
            }
            0x23 if value.get(..2)? != [0, 0] => value.get(2..)?,
            0x26 => text(text(value)?.1)?.1,
            _ => return None,
        };
    }
    Some(seen)
}

/// Whether `text` is a Topic Name.
#[must_use]
pub fn is_topic_name(text: &str) -> bool {
    !text.is_empty() && text.len() < 65_536 && !text.contains(['+', '#', '\0'])
}

/// Whether `text` is a Topic Filter, shared or not.
#[must_use]
pub fn is_topic_filter(text: &str) -> bool {
    if text.is_empty() || text.len() > 65_535 || text.contains('\0') {
        return false;
    }
    let mut levels: Vec<&str> = text.split('/').collect();
    if levels.len() > 1 && levels.first() == Some(&"$share") {
        let share_name = levels.get(1).copied().unwrap_or_default();
        if share_name.is_empty() || share_name.contains(['+', '#']) || levels.len() < 3 {
            return false;
        }
        levels.drain(..2);
        if levels == [""] {
            return false;
        }
    }
    let last = levels.len() - 1;
    levels
        .iter()
        .enumerate()
        .all(|(index, level)| match *level {
            "#" => index == last,
            "+" => true,
            level => !level.contains(['+', '#']),
        })
}

/// Whether a valid filter matches a valid name, by trying every way.
#[must_use]
pub fn matches(filter: &str, name: &str) -> bool {
    let mut levels: Vec<&str> = filter.split('/').collect();
    if levels.len() > 1 && levels.first() == Some(&"$share") {
        levels.drain(..2);
    }
    let names: Vec<&str> = name.split('/').collect();
    let wild = matches!(levels.first(), Some(&"#" | &"+"));
    !(wild && name.starts_with('$')) && matches_levels(&levels, &names)
}

fn matches_levels(levels: &[&str], names: &[&str]) -> bool {
    match (levels, names) {
        (["#"], _) | ([], []) => true,
        (["+", levels @ ..], [_, names @ ..]) => matches_levels(levels, names),
        ([level, levels @ ..], [name, names @ ..]) => {
            level == name && matches_levels(levels, names)
        }
        _ => false,
    }
}

fn field(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let len = usize::from(*bytes.first()?) * 256 + usize::from(*bytes.get(1)?);
    Some((bytes.get(2..2 + len)?, bytes.get(2 + len..)?))
}

fn text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (field, rest) = field(bytes)?;
    let text = core::str::from_utf8(field).ok()?;
    (!text.contains('\0')).then_some((text, rest))
}

fn var_int(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let len = 1 + bytes.iter().take_while(|byte| **byte > 127).count();
    if len > 4 || (len > 1 && *bytes.get(len - 1)? == 0) {
        return None;
    }
    let digits = bytes.get(..len)?;
    let value = digits
        .iter()
        .rev()
        .fold(0, |value, byte| value * 128 + u32::from(byte & 127));
    Some((value, bytes.get(len..)?))
}
