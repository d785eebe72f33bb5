//! A message as a JSON object, with mosquitto's names in mosquitto's order.

use jiff::Zoned;
use serde::de::IgnoredAny;

use crate::{Message, time};

/// With the payload as a string, or as an array of its bytes where it is no text.
pub(crate) fn with_text(message: &Message<'_>, now: &Zoned, pretty: bool) -> String {
    let payload = match std::str::from_utf8(message.payload) {
        Ok("") => "null".to_owned(),
        Ok(text) => string(text),
        Err(_) => list(message.payload),
    };
    object(message, now, &payload, pretty)
}

/// With the payload as the JSON it is; `None` if it is not.
pub(crate) fn with_json(message: &Message<'_>, now: &Zoned, pretty: bool) -> Option<String> {
    if message.payload.is_empty() {
        return Some(object(message, now, "null", pretty));
    }
    let text = std::str::from_utf8(message.payload).ok()?;
    serde_json::from_str::<IgnoredAny>(text).ok()?;
    Some(object(message, now, &without_spaces(text), pretty))
}

fn object(message: &Message<'_>, now: &Zoned, payload: &str, pretty: bool) -> String {
    let mut members = vec![
        ("tst", string(&time::in_json(now))),
        ("topic", string(message.topic_name)),
        ("qos", message.qos.to_string()),
        ("retain", u8::from(message.retain).to_string()),
        ("payloadlen", message.payload.len().to_string()),
    ];
    if let (1.., Some(packet_id)) = (message.qos, message.packet_id) {
        members.push(("mid", packet_id.to_string()));
    }
    let properties = properties(message);
    if !properties.is_empty() {
        members.push(("properties", joined(&properties)));
    }
    members.push(("payload", payload.to_owned()));
    let text = joined(&members);
    match pretty {
        true => over_lines(&text),
        false => text,
    }
}

fn properties(message: &Message<'_>) -> Vec<(&'static str, String)> {
    let mut members = Vec::new();
    let mut add = |name, value: Option<String>| members.extend(value.map(|value| (name, value)));
    let number = |value: Option<u32>| value.map(|value| value.to_string());
    add(
        "payload-format-indicator",
        number(message.payload_format.map(u32::from)),
    );
    add("message-expiry-interval", number(message.message_expiry_s));
    add("content-type", message.content_type.map(string));
    add("response-topic", message.response_topic.map(string));
    let correlation_data = message.correlation_data.map(String::from_utf8_lossy);
    add(
        "correlation-data",
        correlation_data.map(|text| string(&text)),
    );
    for identifier in message.subscription_identifiers {
        add("subscription-identifier", number(Some(*identifier)));
    }
    add("topic-alias", number(message.topic_alias.map(u32::from)));
    let user: Vec<(&str, String)> = message
        .user_properties
        .iter()
        .map(|(name, value)| (name.as_str(), string(value)))
        .collect();
    add("user-properties", (!user.is_empty()).then(|| joined(&user)));
    members
}

fn joined(members: &[(&str, String)]) -> String {
    let members = members
        .iter()
        .map(|(name, value)| format!("{}:{value}", string(name)));
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

fn list(bytes: &[u8]) -> String {
    let bytes: Vec<String> = bytes.iter().map(u8::to_string).collect();
    format!("[{}]", bytes.join(","))
}

fn string(text: &str) -> String {
    // A string can always be written.
    serde_json::to_string(text).unwrap_or_default()
}

/// The characters of valid JSON, each with whether it is in a string.
fn characters(json: &str) -> impl Iterator<Item = (char, bool)> {
    let mut in_string = false;
    let mut escaped = false;
    json.chars().map(move |character| {
        let was_in_string = in_string;
        match character {
            _ if escaped => escaped = false,
            '\\' if in_string => escaped = true,
            '"' => in_string = !in_string,
            _ => {}
        }
        (character, was_in_string || character == '"')
    })
}

fn without_spaces(json: &str) -> String {
    characters(json)
        .filter(|(character, in_string)| *in_string || !character.is_ascii_whitespace())
        .map(|(character, _)| character)
        .collect()
}

/// Members of objects on lines of their own behind tabs; lists stay on their line.
fn over_lines(json: &str) -> String {
    let mut text = String::new();
    let mut open: Vec<char> = Vec::new();
    let new_line = |text: &mut String, depth: usize| {
        text.push('\n');
        text.extend(std::iter::repeat_n('\t', depth));
    };
    let mut rest = characters(json).peekable();
    while let Some((character, in_string)) = rest.next() {
        if in_string {
            text.push(character);
            continue;
        }
        match character {
            '{' => {
                text.push(character);
                open.push(character);
                if rest.peek().is_some_and(|(next, _)| *next != '}') {
                    new_line(&mut text, open.len());
                }
            }
            '}' => {
                open.pop();
                new_line(&mut text, open.len());
                text.push(character);
            }
            '[' => {
                text.push(character);
                open.push(character);
            }
            ']' => {
                open.pop();
                text.push(character);
            }
            ',' if open.last() == Some(&'{') => {
                text.push(character);
                new_line(&mut text, open.len());
            }
            ',' => text.push_str(", "),
            ':' => text.push_str(":\t"),
            character => text.push(character),
        }
    }
    text
}
