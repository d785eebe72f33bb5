//! Numbers in payloads, and how they went.

use std::collections::VecDeque;

use mqtt_payload::{Content, Decoder, Value};

use crate::message::Kept;

/// Numbers of one payload that can be chosen.
const FIELDS_MAX: usize = 64;

/// Levels of maps and lists that are looked into.
const DEPTH_MAX: usize = 16;

/// Bytes of a payload in which numbers are looked for: all of a history are read for one picture.
const PAYLOAD_MAX: usize = 16 << 10;

/// What a payload that is a number by itself is called.
pub(crate) const WHOLE: &str = "value";

/// The names of the numbers in a payload, as `/a/b/0`; [`WHOLE`] when it is one.
pub(crate) fn fields(decoder: &Decoder, payload: &[u8]) -> Vec<String> {
    let Some(value) = decoded(decoder, payload) else {
        return Vec::new();
    };
    if value.to_f64().is_some() {
        return vec![WHOLE.to_owned()];
    }
    let mut fields = Vec::new();
    let mut open = vec![(String::new(), &value, 0)];
    while let Some((path, value, depth)) = open.pop() {
        if fields.len() >= FIELDS_MAX {
            break;
        }
        if value.to_f64().is_some() {
            fields.push(path);
        } else if depth < DEPTH_MAX {
            let mut inner: Vec<_> = members(value)
                .map(|(name, value)| (format!("{path}/{name}"), value, depth + 1))
                .collect();
            inner.reverse();
            open.extend(inner);
        }
    }
    fields
}

/// What is directly in `value`, by name or place.
fn members(value: &Value) -> Box<dyn Iterator<Item = (String, &Value)> + '_> {
    match value {
        Value::Map(members) => Box::new(members.iter().map(|(key, value)| {
            let name = match key {
                Value::Text(text) => text.to_string(),
                key => key.to_json(),
            };
            (name, value)
        })),
        Value::List(items) => {
            let items = items.iter().take(FIELDS_MAX).enumerate();
            Box::new(items.map(|(at, value)| (at.to_string(), value)))
        }
        _ => Box::new(std::iter::empty()),
    }
}

/// The number of this name in each message that has it, the oldest first.
pub(crate) fn values(decoder: &Decoder, history: &VecDeque<Kept>, field: &str) -> Vec<f64> {
    let numbers = history
        .iter()
        .filter_map(|kept| number(decoder, &kept.payload, field));
    numbers.collect()
}

fn number(decoder: &Decoder, payload: &[u8], field: &str) -> Option<f64> {
    let value = decoded(decoder, payload)?;
    if field == WHOLE {
        return value.to_f64();
    }
    at(&value, field.strip_prefix('/')?)?.to_f64()
}

/// What is in `value` at this path; names may have a slash in them.
fn at<'value>(value: &'value Value, path: &str) -> Option<&'value Value> {
    members(value).find_map(|(name, value)| {
        let rest = path.strip_prefix(&*name)?;
        match rest.strip_prefix('/') {
            Some(rest) => at(value, rest),
            None => rest.is_empty().then_some(value),
        }
    })
}

fn decoded(decoder: &Decoder, payload: &[u8]) -> Option<Value> {
    if payload.len() > PAYLOAD_MAX {
        return None;
    }
    match decoder.decode(payload).ok()?.content {
        Content::Value(value) => Some(value),
        // A number alone looks like any other text.
        content => content.to_text(false).trim().parse().ok().map(Value::Float),
    }
}

/// Smallest and largest.
pub(crate) fn range(values: &[f64]) -> Option<(f64, f64)> {
    let first = *values.first()?;
    Some(values.iter().fold((first, first), |(low, high), value| {
        (low.min(*value), high.max(*value))
    }))
}

/// Each value as a height from 1 to `heights`; all in the middle when they are equal.
pub(crate) fn heights(values: &[f64], heights: u8) -> Vec<u64> {
    let Some((low, high)) = range(values) else {
        return Vec::new();
    };
    let steps = f64::from(heights.saturating_sub(1));
    let height = |value: &f64| match high > low {
        true => (value - low) / (high - low) * steps,
        false => steps / 2.0,
    };
    let heights = values.iter().map(height);
    // There is no conversion from a float that cannot fail, and there are few heights.
    let whole = |height: f64| (0..u8::MAX).find(|step| f64::from(*step) + 0.5 > height);
    heights
        .map(|height| u64::from(whole(height).unwrap_or(u8::MAX)) + 1)
        .collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::message::Received;

    fn history(payloads: &[&'static str]) -> VecDeque<Kept> {
        let kept = payloads.iter().map(|payload| {
            let message = Received {
                payload: Bytes::from_static(payload.as_bytes()),
                ..Received::default()
            };
            Kept::of(&message, 1_000)
        });
        kept.collect()
    }

    #[test]
    fn numbers_are_found_by_name() {
        let auto = Decoder::auto();
        let payload = br#"{"a":{"b":1,"c":"x"},"d":[2,{"e/f":3}],"g":4.5}"#;
        assert_eq!(fields(&auto, payload), ["/a/b", "/d/0", "/d/1/e/f", "/g"]);
        assert_eq!(fields(&auto, b"21.5"), [WHOLE]);
        assert!(fields(&auto, b"\"21.5\"").is_empty());
        assert!(fields(&auto, b"{").is_empty());
    }

    #[test]
    fn each_message_has_its_number() {
        let auto = Decoder::auto();
        let history = history(&[r#"{"t":1}"#, "no", r#"{"t":3,"u/v":[7]}"#]);
        assert_eq!(values(&auto, &history, "/t"), [1.0, 3.0]);
        assert_eq!(values(&auto, &history, "/u/v/0"), [7.0]);
        assert!(values(&auto, &history, WHOLE).is_empty());
    }

    #[test]
    fn the_smallest_is_lowest_and_the_largest_highest() {
        assert_eq!(heights(&[1.0, 2.0, 3.0], 9), [1, 5, 9]);
        assert_eq!(heights(&[2.0, 2.0], 9), [5, 5]);
        assert!(heights(&[], 9).is_empty());
    }
}
