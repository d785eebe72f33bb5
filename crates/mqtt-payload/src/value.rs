//! A decoded value, and how it is written as JSON.

use std::fmt::Write;

/// What a payload of JSON, CBOR, MessagePack or a schema holds.
///
/// JSON has no name for some of it; these are objects with one member, which an [`Encoder`](crate::Encoder) takes back:
/// `{"$hex":"00ff"}` for bytes, `{"$float":"NaN"}` for what is no finite number, `{"$tag":1,"value":..}` for a tag of
/// CBOR, `{"$simple":16}` for a simple value of CBOR, `{"$extension":5,"hex":"00ff"}` for an extension of MessagePack.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// A floating point number.
    Float(f64),
    /// A floating point number of half the precision.
    Float32(f32),
    /// A number as it stood in JSON, so that no digit is lost.
    Number(Box<str>),
    /// Text.
    Text(Box<str>),
    /// Bytes that are no text.
    Bytes(Box<[u8]>),
    /// Values in order.
    List(Vec<Value>),
    /// Names or other keys with values, in the order they came.
    Map(Vec<(Value, Value)>),
    /// A value that CBOR has tagged.
    Tag(u64, Box<Value>),
    /// A simple value of CBOR.
    Simple(u8),
    /// An extension of MessagePack: its type and its bytes.
    Extension(i8, Box<[u8]>),
}

/// Spaces for each level of JSON over several lines.
const INDENT: usize = 2;

impl Value {
    /// As JSON on one line.
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        self.write(None, &mut out);
        out
    }

    /// As JSON over several lines.
    pub fn to_json_pretty(&self) -> String {
        let mut out = String::new();
        self.write(Some(0), &mut out);
        out
    }

    /// The member of this name; none where this is no map.
    pub fn member(&self, name: &str) -> Option<&Self> {
        let Self::Map(members) = self else {
            return None;
        };
        members
            .iter()
            .find(|(key, _)| matches!(key, Self::Text(text) if **text == *name))
            .map(|(_, value)| value)
    }

    /// It as a number, if it is one; digits that do not fit are rounded.
    pub fn to_f64(&self) -> Option<f64> {
        match self {
            Self::Int(number) => number.to_string().parse().ok(),
            Self::Float(number) => Some(*number),
            Self::Float32(number) => Some(f64::from(*number)),
            Self::Number(digits) => digits.parse().ok(),
            _ => None,
        }
    }

    /// Recursion is as deep as the value, which the limits of a decoder bound.
    fn write(&self, depth: Option<usize>, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(true) => out.push_str("true"),
            Self::Bool(false) => out.push_str("false"),
            Self::Int(number) => put(out, number),
            Self::Float(number) if number.is_finite() => debug(out, number),
            Self::Float(number) => special(&number.to_string(), out),
            Self::Float32(number) if number.is_finite() => debug(out, number),
            Self::Float32(number) => special(&number.to_string(), out),
            Self::Number(digits) => out.push_str(digits),
            Self::Text(text) => string(text, out),
            Self::Bytes(bytes) => {
                out.push_str("{\"$hex\":\"");
                out.push_str(&crate::text::to_hex(bytes));
                out.push_str("\"}");
            }
            Self::List(values) => {
                let write = |value: &Self, depth, out: &mut String| value.write(depth, out);
                list('[', values, ']', depth, out, write);
            }
            Self::Map(members) => {
                list('{', members, '}', depth, out, |(key, value), depth, out| {
                    match key {
                        Self::Text(text) => string(text, out),
                        key => string(&key.to_json(), out),
                    }
                    out.push_str(if depth.is_some() { ": " } else { ":" });
                    value.write(depth, out);
                });
            }
            Self::Tag(tag, value) => {
                let members = [
                    (Self::Text("$tag".into()), Self::Int(i128::from(*tag))),
                    (Self::Text("value".into()), (**value).clone()),
                ];
                Self::Map(members.into()).write(depth, out);
            }
            Self::Simple(number) => {
                let _ = write!(out, "{{\"$simple\":{number}}}");
            }
            Self::Extension(kind, bytes) => {
                let hex = crate::text::to_hex(bytes);
                let _ = write!(out, "{{\"$extension\":{kind},\"hex\":\"{hex}\"}}");
            }
        }
    }
}

fn list<T>(
    open: char,
    items: &[T],
    close: char,
    depth: Option<usize>,
    out: &mut String,
    write: impl Fn(&T, Option<usize>, &mut String),
) {
    out.push(open);
    let inner = depth.map(|depth| depth + 1);
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        new_line(inner, out);
        write(item, inner, out);
    }
    if !items.is_empty() {
        new_line(depth, out);
    }
    out.push(close);
}

fn new_line(depth: Option<usize>, out: &mut String) {
    if let Some(depth) = depth {
        out.push('\n');
        out.extend(std::iter::repeat_n(' ', depth * INDENT));
    }
}

// Writing to a string cannot fail.
fn put(out: &mut String, number: &i128) {
    let _ = write!(out, "{number}");
}

fn debug(out: &mut String, number: &impl std::fmt::Debug) {
    let _ = write!(out, "{number:?}");
}

fn special(name: &str, out: &mut String) {
    let _ = write!(out, "{{\"$float\":\"{name}\"}}");
}

pub(crate) fn string(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{C}' => out.push_str("\\f"),
            character if character < ' ' || character == '\u{7F}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            }
            character => out.push(character),
        }
    }
    out.push('"');
}
