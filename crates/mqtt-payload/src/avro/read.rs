//! From bytes to a value.

use super::{
    AvroSchema,
    node::{Field, Node, NodeId},
};
use crate::{Codec, Limits, PayloadError, Value, limits::Budget};

/// The most bytes of a number.
const NUMBER_LEN_MAX: u32 = 10;

/// The one datum of `input` from `start`.
pub(super) fn decode(
    schema: &AvroSchema,
    input: &[u8],
    start: usize,
    limits: &Limits,
) -> Result<Value, PayloadError> {
    let mut reader = Reader {
        schema,
        len: input.len(),
        rest: input.get(start..).unwrap_or_default(),
        budget: Budget::new(limits),
    };
    let value = reader.value(schema.root)?;
    match reader.rest {
        [] => Ok(value),
        _ => Err(at(reader.place(), "bytes follow its end")),
    }
}

struct Reader<'a> {
    schema: &'a AvroSchema,
    len: usize,
    rest: &'a [u8],
    budget: Budget,
}

impl<'a> Reader<'a> {
    fn place(&self) -> usize {
        self.len - self.rest.len()
    }

    fn value(&mut self, id: NodeId) -> Result<Value, PayloadError> {
        let place = self.place();
        self.budget.value().map_err(|what| at(place, what))?;
        match self.schema.node(id) {
            Node::Null => Ok(Value::Null),
            Node::Boolean => match self.byte()? {
                0 => Ok(Value::Bool(false)),
                1 => Ok(Value::Bool(true)),
                _ => Err(at(place, "a boolean is 0 or 1")),
            },
            Node::Int => match i32::try_from(self.long()?) {
                Ok(number) => Ok(Value::Int(number.into())),
                Err(_) => Err(at(place, "more than 32 bits for an int")),
            },
            Node::Long => Ok(Value::Int(self.long()?.into())),
            Node::Float => Ok(Value::Float32(f32::from_le_bytes(self.array()?))),
            Node::Double => Ok(Value::Float(f64::from_le_bytes(self.array()?))),
            Node::Bytes => Ok(Value::Bytes(self.bytes()?.into())),
            Node::Text => Ok(Value::Text(self.text()?.into())),
            Node::Fixed { len, .. } => Ok(Value::Bytes(self.take(*len)?.into())),
            Node::Uuid { .. } => Ok(Value::Text(uuid(self.array()?).into())),
            Node::Decimal { scale } => Ok(decimal(self.bytes()?, *scale)),
            Node::FixedDecimal { len, scale, .. } => Ok(decimal(self.take(*len)?, *scale)),
            Node::Enum { symbols, .. } => match self.index(symbols)? {
                Some(symbol) => Ok(Value::Text(symbol.as_str().into())),
                None => Err(at(place, "no symbol has this number")),
            },
            Node::Array(items) => self.within(place, |reader| reader.list(*items)),
            Node::Map(values) => self.within(place, |reader| reader.map(*values)),
            Node::Union(branches) => self.within(place, |reader| reader.union(place, branches)),
            Node::Record { fields, .. } => self.within(place, |reader| reader.record(fields)),
        }
    }

    fn within(
        &mut self,
        place: usize,
        read: impl FnOnce(&mut Self) -> Result<Value, PayloadError>,
    ) -> Result<Value, PayloadError> {
        self.budget.enter().map_err(|what| at(place, what))?;
        let value = read(self)?;
        self.budget.leave();
        Ok(value)
    }

    fn record(&mut self, fields: &[Field]) -> Result<Value, PayloadError> {
        let mut members = Vec::new();
        for field in fields {
            let value = self.value(field.node)?;
            members.push((Value::Text(field.name.as_str().into()), value));
        }
        Ok(Value::Map(members))
    }

    /// Plain where there is one branch beside null, otherwise with its name.
    fn union(&mut self, place: usize, branches: &[NodeId]) -> Result<Value, PayloadError> {
        let Some(branch) = self.index(branches)?.copied() else {
            return Err(at(place, "the union has no branch of this number"));
        };
        let value = self.value(branch)?;
        let is_null = |id: &NodeId| matches!(self.schema.node(*id), Node::Null);
        let others = branches.iter().filter(|id| !is_null(id)).count();
        Ok(match others > 1 && !is_null(&branch) {
            true => Value::Map(vec![(Value::Text(self.schema.name(branch).into()), value)]),
            false => value,
        })
    }

    fn list(&mut self, items: NodeId) -> Result<Value, PayloadError> {
        let mut values = Vec::new();
        loop {
            let count = self.block()?;
            if count == 0 {
                return Ok(Value::List(values));
            }
            for _ in 0..count {
                values.push(self.value(items)?);
            }
        }
    }

    fn map(&mut self, values: NodeId) -> Result<Value, PayloadError> {
        let mut members = Vec::new();
        loop {
            let count = self.block()?;
            if count == 0 {
                return Ok(Value::Map(members));
            }
            for _ in 0..count {
                let name = Value::Text(self.text()?.into());
                members.push((name, self.value(values)?));
            }
        }
    }

    /// How many values the next block has; none at the end.
    fn block(&mut self) -> Result<u64, PayloadError> {
        let count = self.long()?;
        if count < 0 {
            // The bytes of the block, for who wants to skip it.
            self.long()?;
        }
        Ok(count.unsigned_abs())
    }

    /// The one of `choices` whose number follows.
    fn index<'b, T>(&mut self, choices: &'b [T]) -> Result<Option<&'b T>, PayloadError> {
        let number = self.long()?;
        Ok(usize::try_from(number).ok().and_then(|at| choices.get(at)))
    }

    fn long(&mut self) -> Result<i64, PayloadError> {
        let place = self.place();
        let mut bits: u64 = 0;
        for step in 0..NUMBER_LEN_MAX {
            let byte = self.byte()?;
            let part = u64::from(byte & 0x7F);
            if step == NUMBER_LEN_MAX - 1 && byte > 1 {
                break;
            }
            bits |= part << (7 * step);
            if byte & 0x80 == 0 {
                let magnitude = (bits >> 1).cast_signed();
                return Ok(magnitude ^ -(bits & 1).cast_signed());
            }
        }
        Err(at(place, "a number of more than 64 bits"))
    }

    fn text(&mut self) -> Result<&'a str, PayloadError> {
        let bytes = self.bytes()?;
        let place = self.place() - bytes.len();
        str::from_utf8(bytes)
            .map_err(|error| at(place + error.valid_up_to(), "a string that is no UTF-8"))
    }

    fn bytes(&mut self) -> Result<&'a [u8], PayloadError> {
        let place = self.place();
        let len = self.long()?;
        let len = usize::try_from(len).map_err(|_| at(place, "a length below zero"))?;
        self.take(len)
    }

    fn byte(&mut self) -> Result<u8, PayloadError> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn array<const LEN: usize>(&mut self) -> Result<[u8; LEN], PayloadError> {
        let place = self.place();
        let (taken, rest) = self.rest.split_first_chunk().ok_or_else(|| early(place))?;
        self.rest = rest;
        Ok(*taken)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], PayloadError> {
        let place = self.place();
        let (taken, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or_else(|| early(place))?;
        self.rest = rest;
        Ok(taken)
    }
}

/// The number that these bytes are; bytes where they are too many.
fn decimal(bytes: &[u8], scale: usize) -> Value {
    let sign = bytes.first().is_some_and(|first| first & 0x80 != 0);
    let mut whole = [if sign { 0xFF } else { 0 }; 16];
    let len = whole.len();
    match whole.get_mut(len.saturating_sub(bytes.len())..) {
        Some(last) if last.len() == bytes.len() => last.copy_from_slice(bytes),
        _ => return Value::Bytes(bytes.into()),
    }
    let number = i128::from_be_bytes(whole);
    let digits = number.unsigned_abs().to_string();
    if scale > 0 {
        let digits = format!("{digits:0>width$}", width = scale.saturating_add(1));
        let minus = if number < 0 { "-" } else { "" };
        let (before, behind) = digits.split_at(digits.len() - scale);
        return Value::Number(format!("{minus}{before}.{behind}").into());
    }
    Value::Int(number)
}

fn uuid(bytes: [u8; 16]) -> String {
    let mut text = crate::text::to_hex(&bytes);
    for place in [20, 16, 12, 8] {
        text.insert(place, '-');
    }
    text
}

fn early(place: usize) -> PayloadError {
    at(place, "it ends too early for what follows here")
}

fn at(place: usize, what: &str) -> PayloadError {
    PayloadError::at(Codec::Avro, place, what)
}
