//! From text to fields.

use crate::render::{Field, Part, Template};
use crate::{Problem, TemplateError};

/// The fields there are.
pub(crate) const NAMES: [&str; 16] = [
    "i",
    "client",
    "client_id",
    "username",
    "hostname",
    "topic",
    "ts",
    "ts_ms",
    "ts_us",
    "ts_ns",
    "iso",
    "uuid",
    "rand",
    "choice",
    "hex",
    "text",
];

/// Random characters of one field, at most.
const RANDOM_LEN_MAX: u32 = 65_536;

/// Zeros a number is filled with, at most.
const WIDTH_MAX: usize = 20;

/// Decimals of a random number, at most: all of them are digits of the number behind it.
const DECIMALS_MAX: usize = 15;

impl Template {
    /// Reads a template with fields in `{{` and `}}`.
    ///
    /// # Errors
    /// A field that is none, with its place.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once("{{") {
            push_text(&mut parts, before);
            let at = text.len() - behind.len() - 2;
            if let Some(escaped) = behind.strip_prefix("{{") {
                push_text(&mut parts, "{{");
                rest = escaped;
                continue;
            }
            let wrong = |problem| TemplateError { at, problem };
            let (field, behind) = behind
                .split_once("}}")
                .ok_or_else(|| wrong(Problem::Open))?;
            parts.push(Part::Field(field_of(field).map_err(wrong)?));
            rest = behind;
        }
        push_text(&mut parts, rest);
        Ok(Self::of(parts))
    }

    /// Reads a template with fields of one letter behind `%`, as load generators have them.
    ///
    /// # Errors
    /// A letter that stands for nothing, with its place.
    pub fn parse_percent(text: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('%') {
            push_text(&mut parts, before);
            let mut letters = behind.chars();
            let letter = letters.next();
            rest = letters.as_str();
            parts.push(Part::Field(match letter {
                Some('i') => Field::Client { width: 0 },
                Some('s') => Field::Message { width: 0 },
                Some('c') => Field::ClientId,
                Some('u') => Field::Username,
                Some('h') => Field::Hostname,
                Some('r') => Field::Hex { bytes: 4 },
                Some('%') => {
                    push_text(&mut parts, "%");
                    continue;
                }
                letter => {
                    let letter = letter.map(String::from).unwrap_or_default().into();
                    return Err(TemplateError {
                        at: text.len() - behind.len() - 1,
                        problem: Problem::Percent { letter },
                    });
                }
            }));
        }
        push_text(&mut parts, rest);
        Ok(Self::of(parts))
    }

    /// A template that is this text, whatever stands in it.
    #[must_use]
    pub fn literal(text: impl AsRef<[u8]>) -> Self {
        let mut parts = Vec::new();
        if !text.as_ref().is_empty() {
            parts.push(Part::Text(text.as_ref().into()));
        }
        Self::of(parts)
    }
}

/// Adds text, to the text before if there is one.
fn push_text(parts: &mut Vec<Part>, text: &str) {
    if text.is_empty() {
        return;
    }
    if let Some(Part::Text(before)) = parts.last_mut() {
        let mut joined = std::mem::take(before).into_vec();
        joined.extend_from_slice(text.as_bytes());
        *before = joined.into();
    } else {
        parts.push(Part::Text(text.as_bytes().into()));
    }
}

fn field_of(text: &str) -> Result<Field, Problem> {
    let mut words = text.split_ascii_whitespace();
    let name = words.next().unwrap_or_default();
    let words: Vec<&str> = words.collect();
    let without = |name, field| match words.is_empty() {
        true => Ok(field),
        false => Err(Problem::Words {
            name,
            takes: "nothing",
        }),
    };
    match name {
        "i" => Ok(Field::Message {
            width: width_of("i", &words)?,
        }),
        "client" => Ok(Field::Client {
            width: width_of("client", &words)?,
        }),
        "client_id" => without("client_id", Field::ClientId),
        "username" => without("username", Field::Username),
        "hostname" => without("hostname", Field::Hostname),
        "topic" => without("topic", Field::TopicName),
        "ts" => without("ts", Field::Time { ns: 1_000_000_000 }),
        "ts_ms" => without("ts_ms", Field::Time { ns: 1_000_000 }),
        "ts_us" => without("ts_us", Field::Time { ns: 1_000 }),
        "ts_ns" => without("ts_ns", Field::Time { ns: 1 }),
        "iso" => without("iso", Field::Iso),
        "uuid" => without("uuid", Field::Uuid),
        "rand" => rand_of(&words).ok_or(Problem::Words {
            name: "rand",
            takes: "two numbers, the lower one first, with 15 digits at most",
        }),
        "choice" if words.is_empty() => Err(Problem::Words {
            name: "choice",
            takes: "the words to choose from",
        }),
        "choice" => {
            let words = words.into_iter().map(|word| word.as_bytes().into());
            Ok(Field::Choice(words.collect()))
        }
        "hex" => Ok(Field::Hex {
            bytes: len_of("hex", &words)?,
        }),
        "text" => Ok(Field::Letters {
            len: len_of("text", &words)?,
        }),
        name => Err(Problem::Unknown { name: name.into() }),
    }
}

fn width_of(name: &'static str, words: &[&str]) -> Result<usize, Problem> {
    let width = match words {
        [] => Some(0),
        [width] => width.parse().ok().filter(|width| *width <= WIDTH_MAX),
        _ => None,
    };
    width.ok_or(Problem::Words {
        name,
        takes: "nothing, or the digits it has at least, up to 20",
    })
}

fn len_of(name: &'static str, words: &[&str]) -> Result<u32, Problem> {
    let len = match words {
        [len] => len.parse().ok(),
        _ => None,
    };
    len.filter(|len| (1..=RANDOM_LEN_MAX).contains(len))
        .ok_or(Problem::Words {
            name,
            takes: "a number from 1 to 65536",
        })
}

/// LOW and HIGH, in units of the last decimal.
fn rand_of(words: &[&str]) -> Option<Field> {
    let [low, high] = words else { return None };
    let decimals = decimals_of(low)?.max(decimals_of(high)?);
    let (low, high) = (scaled(low, decimals)?, scaled(high, decimals)?);
    (low <= high).then_some(Field::Rand {
        low,
        high,
        decimals,
    })
}

fn decimals_of(number: &str) -> Option<usize> {
    let decimals = number.split_once('.').map_or(0, |(_, after)| after.len());
    (decimals <= DECIMALS_MAX).then_some(decimals)
}

/// A number without its point, with so many digits behind where that was.
fn scaled(number: &str, decimals: usize) -> Option<i64> {
    let (whole, after) = number.split_once('.').unwrap_or((number, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let digits = whole.strip_prefix('-').unwrap_or(whole);
    if digits.is_empty() || !is_digits(digits) || !is_digits(after) {
        return None;
    }
    let number: i64 = format!("{whole}{after:0<decimals$}").parse().ok()?;
    (number.unsigned_abs() < 1_000_000_000_000_000).then_some(number)
}
