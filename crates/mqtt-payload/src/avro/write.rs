//! From a value to bytes.

use super::{
    AvroSchema,
    node::{Field, Node, NodeId},
};
use crate::{Limits, Value, limits::Budget, text};

/// Appends `value` by the schema; says what does not fit, and where.
pub(super) fn encode(
    schema: &AvroSchema,
    value: &Value,
    limits: &Limits,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    let mut writer = Writer {
        schema,
        out,
        budget: Budget::new(limits),
    };
    writer.value(schema.root, value)
}

struct Writer<'a> {
    schema: &'a AvroSchema,
    out: &'a mut Vec<u8>,
    budget: Budget,
}

impl Writer<'_> {
    fn value(&mut self, id: NodeId, value: &Value) -> Result<(), String> {
        // A default can hold itself, and each branch of a union is tried.
        self.budget.value()?;
        let node = self.schema.node(id);
        match (node, value) {
            (Node::Null, Value::Null) => {}
            (Node::Boolean, Value::Bool(value)) => self.out.push(u8::from(*value)),
            (Node::Int, _) => {
                let number = whole::<i32>(value).ok_or_else(|| mismatch(node, value))?;
                self.long(number.into());
            }
            (Node::Long, _) => {
                let number = whole(value).ok_or_else(|| mismatch(node, value))?;
                self.long(number);
            }
            (Node::Float, _) => {
                let number = single(value).ok_or_else(|| mismatch(node, value))?;
                self.out.extend(number.to_le_bytes());
            }
            (Node::Double, _) => {
                let number = value.to_f64().ok_or_else(|| mismatch(node, value))?;
                self.out.extend(number.to_le_bytes());
            }
            (Node::Text, Value::Text(text)) => self.bytes(text.as_bytes()),
            (Node::Bytes, _) => {
                let bytes = bytes(value).ok_or_else(|| mismatch(node, value))?;
                self.bytes(&bytes);
            }
            (Node::Fixed { len, .. }, _) => {
                let bytes = bytes(value).ok_or_else(|| mismatch(node, value))?;
                self.fixed(*len, &bytes)?;
            }
            (Node::Uuid { .. }, Value::Text(digits)) => {
                let bytes = text::from_hex(digits.as_bytes(), &Limits::default());
                self.fixed(16, &bytes.map_err(|error| error.to_string())?)?;
            }
            (Node::Decimal { scale }, _) => {
                let bytes = decimal(value, *scale, None).ok_or_else(|| mismatch(node, value))?;
                self.bytes(&bytes);
            }
            (Node::FixedDecimal { len, scale, .. }, _) => {
                let bytes = decimal(value, *scale, Some(*len));
                self.fixed(*len, &bytes.ok_or_else(|| mismatch(node, value))?)?;
            }
            (Node::Enum { symbols, .. }, Value::Text(symbol)) => {
                let at = symbols.iter().position(|one| **one == **symbol);
                self.count(
                    at.ok_or_else(|| format!("{symbol:?} is none of {}", symbols.join(", ")))?,
                );
            }
            (Node::Array(items), Value::List(values)) => {
                self.within(|writer| writer.list(*items, values))?;
            }
            (Node::Map(values), Value::Map(members)) => {
                self.within(|writer| writer.map(*values, members))?;
            }
            (Node::Record { fields, .. }, Value::Map(members)) => {
                self.within(|writer| writer.record(fields, members))?;
            }
            (Node::Union(branches), value) => {
                self.within(|writer| writer.union(branches, value))?;
            }
            _ => return Err(mismatch(node, value)),
        }
        Ok(())
    }

    fn within(
        &mut self,
        write: impl FnOnce(&mut Self) -> Result<(), String>,
    ) -> Result<(), String> {
        self.budget.enter()?;
        let written = write(self);
        self.budget.leave();
        written
    }

    fn list(&mut self, items: NodeId, values: &[Value]) -> Result<(), String> {
        if !values.is_empty() {
            self.count(values.len());
        }
        for (at, value) in values.iter().enumerate() {
            let written = self.value(items, value);
            written.map_err(|what| format!("{at}: {what}"))?;
        }
        self.count(0);
        Ok(())
    }

    fn map(&mut self, values: NodeId, members: &[(Value, Value)]) -> Result<(), String> {
        if !members.is_empty() {
            self.count(members.len());
        }
        for (key, value) in members {
            let Value::Text(name) = key else {
                return Err("a name that is no text".to_owned());
            };
            self.bytes(name.as_bytes());
            let written = self.value(values, value);
            written.map_err(|what| format!("{name}: {what}"))?;
        }
        self.count(0);
        Ok(())
    }

    fn record(&mut self, fields: &[Field], members: &[(Value, Value)]) -> Result<(), String> {
        let named = |key: &Value, name: &str| matches!(key, Value::Text(text) if **text == *name);
        for (key, _) in members {
            if !fields.iter().any(|field| named(key, &field.name)) {
                return Err(format!("it has no field {}", key.to_json()));
            }
        }
        for field in fields {
            let given = members.iter().find(|(key, _)| named(key, &field.name));
            let value = given.map(|(_, value)| value).or(field.default.as_ref());
            let value = value.ok_or_else(|| format!("{} is missing", field.name))?;
            let written = self.value(field.node, value);
            written.map_err(|what| format!("{}: {what}", field.name))?;
        }
        Ok(())
    }

    /// By the branch that is named, or the first that fits.
    fn union(&mut self, branches: &[NodeId], value: &Value) -> Result<(), String> {
        let schema = self.schema;
        let is_null = |id: &NodeId| matches!(schema.node(*id), Node::Null);
        let others = branches.iter().filter(|id| !is_null(id)).count();
        let named = match value {
            Value::Map(members) => match members.as_slice() {
                [(Value::Text(name), inner)] => {
                    let called = |id: &NodeId| schema.name(*id) == &**name;
                    branches.iter().position(called).map(|at| (at, inner))
                }
                _ => None,
            },
            _ => None,
        };
        // As they are shown: with a name where there are several beside null.
        let named_first = others > 1;
        if let Some((at, inner)) = named.filter(|_| named_first) {
            return self.branch(branches, at, inner);
        }
        let mut fault = None;
        for at in 0..branches.len() {
            match self.branch(branches, at, value) {
                Ok(()) => return Ok(()),
                // What is wrong with the last is wrong with the one beside null.
                Err(what) if branches.get(at).is_some_and(is_null) => fault = fault.or(Some(what)),
                Err(what) => fault = Some(what),
            }
        }
        match (named, fault) {
            (Some((at, inner)), _) => self.branch(branches, at, inner),
            (None, Some(what)) if others == 1 => Err(what),
            (None, _) => {
                let names: Vec<&str> = branches.iter().map(|id| schema.name(*id)).collect();
                Err(format!("it is none of {}", names.join(", ")))
            }
        }
    }

    /// Leaves nothing behind where it does not fit.
    fn branch(&mut self, branches: &[NodeId], at: usize, value: &Value) -> Result<(), String> {
        let Some(branch) = branches.get(at) else {
            return Err("there is no such branch".to_owned());
        };
        let before = self.out.len();
        self.count(at);
        let written = self.value(*branch, value);
        if written.is_err() {
            self.out.truncate(before);
        }
        written
    }

    fn fixed(&mut self, len: usize, bytes: &[u8]) -> Result<(), String> {
        if bytes.len() != len {
            return Err(format!("{} bytes, not {len}", bytes.len()));
        }
        self.out.extend(bytes);
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.out.extend(bytes);
    }

    fn count(&mut self, count: usize) {
        // No slice has more than an i64 counts.
        self.long(i64::try_from(count).unwrap_or(i64::MAX));
    }

    fn long(&mut self, number: i64) {
        let mut bits = ((number << 1) ^ (number >> 63)).cast_unsigned();
        loop {
            let low = bits.to_le_bytes()[0] & 0x7F;
            bits >>= 7;
            if bits == 0 {
                return self.out.push(low);
            }
            self.out.push(low | 0x80);
        }
    }
}

fn mismatch(node: &Node, value: &Value) -> String {
    let shown = value.to_json();
    let first: String = shown.chars().take(40).collect();
    let more = if first.len() < shown.len() { "..." } else { "" };
    format!("{first}{more} is no {}", node.name())
}

fn whole<T: TryFrom<i128> + std::str::FromStr>(value: &Value) -> Option<T> {
    match value {
        Value::Int(number) => T::try_from(*number).ok(),
        Value::Number(digits) => digits.parse().ok(),
        _ => None,
    }
}

fn single(value: &Value) -> Option<f32> {
    match value {
        Value::Float32(number) => Some(*number),
        Value::Float(number) if !number.is_finite() => number.to_string().parse().ok(),
        value => value
            .to_f64()
            .and_then(|number| number.to_string().parse().ok())
            .filter(|number: &f32| number.is_finite()),
    }
}

/// Bytes as they are shown, or as Avro writes them in JSON: a character for each.
fn bytes(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::Bytes(bytes) => Some(bytes.to_vec()),
        Value::Text(text) => {
            let bytes = text.chars().map(|character| u8::try_from(character).ok());
            bytes.collect()
        }
        _ => None,
    }
}

/// The number in as few bytes as it takes, or in so many; `None` where that would round it.
fn decimal(value: &Value, scale: usize, len: Option<usize>) -> Option<Vec<u8>> {
    let digits = match value {
        Value::Bytes(bytes) => return Some(bytes.to_vec()),
        Value::Int(number) => number.to_string(),
        Value::Number(digits) => digits.to_string(),
        _ => return None,
    };
    let (before, behind) = digits.split_once('.').unwrap_or((&digits, ""));
    let behind = behind.trim_end_matches('0');
    let padded = (behind.len() <= scale).then(|| format!("{before}{behind:0<scale$}"))?;
    let number: i128 = padded.parse().ok()?;
    let bytes = number.to_be_bytes();
    let filler = if number < 0 { 0xFF } else { 0 };
    // As many as the sign needs no more of.
    let needless = bytes.windows(2).take_while(
        |pair| matches!(pair, [first, next] if *first == filler && (next ^ filler) & 0x80 == 0),
    );
    let least = bytes.get(needless.count()..)?;
    let missing = len.unwrap_or(least.len()).checked_sub(least.len())?;
    Some([vec![filler; missing], least.to_vec()].concat())
}
