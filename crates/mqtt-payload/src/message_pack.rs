//! MessagePack.

use rmp::{
    Marker,
    decode::{Bytes, RmpRead, read_marker},
    encode,
};

use crate::{Codec, Limits, PayloadError, Value, limits::Budget, text::too_long};

/// The one value of `input`.
pub(crate) fn decode(input: &[u8], limits: &Limits) -> Result<Value, PayloadError> {
    let mut reader = Reader {
        bytes: Bytes::new(input),
        len: input.len(),
        budget: Budget::new(limits),
    };
    let value = reader.value()?;
    match reader.place() {
        place if place < input.len() => Err(at(place, "bytes follow its end")),
        _ => Ok(value),
    }
}

struct Reader<'a> {
    bytes: Bytes<'a>,
    len: usize,
    budget: Budget,
}

impl Reader<'_> {
    fn place(&self) -> usize {
        self.len - self.bytes.remaining_slice().len()
    }

    fn value(&mut self) -> Result<Value, PayloadError> {
        let start = self.place();
        self.budget.value().map_err(|what| at(start, what))?;
        let early = || at(start, "the value that begins here ends too early");
        let marker = read_marker(&mut self.bytes).map_err(|_| early())?;
        let bytes = &mut self.bytes;
        // Of each number or length that follows the marker.
        macro_rules! next {
            ($read:ident) => {
                bytes.$read().map_err(|_| early())?
            };
        }
        let number = |number: i128| Ok(Value::Int(number));
        match marker {
            Marker::Null => Ok(Value::Null),
            Marker::True => Ok(Value::Bool(true)),
            Marker::False => Ok(Value::Bool(false)),
            Marker::FixPos(value) => number(value.into()),
            Marker::FixNeg(value) => number(value.into()),
            Marker::U8 => number(next!(read_data_u8).into()),
            Marker::U16 => number(next!(read_data_u16).into()),
            Marker::U32 => number(next!(read_data_u32).into()),
            Marker::U64 => number(next!(read_data_u64).into()),
            Marker::I8 => number(next!(read_data_i8).into()),
            Marker::I16 => number(next!(read_data_i16).into()),
            Marker::I32 => number(next!(read_data_i32).into()),
            Marker::I64 => number(next!(read_data_i64).into()),
            Marker::F32 => Ok(Value::Float32(next!(read_data_f32))),
            Marker::F64 => Ok(Value::Float(next!(read_data_f64))),
            Marker::FixStr(len) => self.text(start, len.into()),
            Marker::Str8 => {
                let len = next!(read_data_u8);
                self.text(start, len.into())
            }
            Marker::Str16 => {
                let len = next!(read_data_u16);
                self.text(start, len.into())
            }
            Marker::Str32 => {
                let len = next!(read_data_u32);
                self.text(start, len)
            }
            Marker::Bin8 => {
                let len = next!(read_data_u8);
                self.binary(start, len.into())
            }
            Marker::Bin16 => {
                let len = next!(read_data_u16);
                self.binary(start, len.into())
            }
            Marker::Bin32 => {
                let len = next!(read_data_u32);
                self.binary(start, len)
            }
            Marker::FixArray(count) => self.list(start, count.into()),
            Marker::Array16 => {
                let count = next!(read_data_u16);
                self.list(start, count.into())
            }
            Marker::Array32 => {
                let count = next!(read_data_u32);
                self.list(start, count)
            }
            Marker::FixMap(count) => self.map(start, count.into()),
            Marker::Map16 => {
                let count = next!(read_data_u16);
                self.map(start, count.into())
            }
            Marker::Map32 => {
                let count = next!(read_data_u32);
                self.map(start, count)
            }
            Marker::FixExt1 => self.extension(start, 1),
            Marker::FixExt2 => self.extension(start, 2),
            Marker::FixExt4 => self.extension(start, 4),
            Marker::FixExt8 => self.extension(start, 8),
            Marker::FixExt16 => self.extension(start, 16),
            Marker::Ext8 => {
                let len = next!(read_data_u8);
                self.extension(start, len.into())
            }
            Marker::Ext16 => {
                let len = next!(read_data_u16);
                self.extension(start, len.into())
            }
            Marker::Ext32 => {
                let len = next!(read_data_u32);
                self.extension(start, len)
            }
            Marker::Reserved => Err(at(start, "no value begins so")),
        }
    }

    fn slice(&mut self, start: usize, len: u32) -> Result<Box<[u8]>, PayloadError> {
        let early = || at(start, "the value that begins here ends too early");
        let len = usize::try_from(len).map_err(|_| early())?;
        let rest = self.bytes.remaining_slice();
        let (taken, rest) = rest.split_at_checked(len).ok_or_else(early)?;
        let taken = taken.into();
        self.bytes = Bytes::new(rest);
        Ok(taken)
    }

    fn text(&mut self, start: usize, len: u32) -> Result<Value, PayloadError> {
        let bytes = self.slice(start, len)?;
        // Old writers have one type for text and bytes.
        Ok(match String::from_utf8(bytes.into()) {
            Ok(text) => Value::Text(text.into()),
            Err(error) => Value::Bytes(error.into_bytes().into()),
        })
    }

    fn binary(&mut self, start: usize, len: u32) -> Result<Value, PayloadError> {
        Ok(Value::Bytes(self.slice(start, len)?))
    }

    fn extension(&mut self, start: usize, len: u32) -> Result<Value, PayloadError> {
        let kind = self.bytes.read_data_i8();
        let kind = kind.map_err(|_| at(start, "the value that begins here ends too early"))?;
        Ok(Value::Extension(kind, self.slice(start, len)?))
    }

    fn list(&mut self, start: usize, count: u32) -> Result<Value, PayloadError> {
        self.budget.enter().map_err(|what| at(start, what))?;
        let mut values = Vec::new();
        for _ in 0..count {
            values.push(self.value()?);
        }
        self.budget.leave();
        Ok(Value::List(values))
    }

    fn map(&mut self, start: usize, count: u32) -> Result<Value, PayloadError> {
        self.budget.enter().map_err(|what| at(start, what))?;
        let mut members = Vec::new();
        for _ in 0..count {
            members.push((self.value()?, self.value()?));
        }
        self.budget.leave();
        Ok(Value::Map(members))
    }
}

fn at(place: usize, what: &str) -> PayloadError {
    PayloadError::at(Codec::MessagePack, place, what)
}

/// What `value` is in MessagePack.
pub(crate) fn encode(value: &Value, limits: &Limits) -> Result<Vec<u8>, PayloadError> {
    let mut bytes = Vec::new();
    write(value, &mut bytes)?;
    match bytes.len() > limits.output_len_max {
        true => Err(too_long(Codec::MessagePack, limits)),
        false => Ok(bytes),
    }
}

fn write(value: &Value, out: &mut Vec<u8>) -> Result<(), PayloadError> {
    match value {
        Value::Null => encode::write_nil(out).map_err(cannot),
        Value::Bool(value) => encode::write_bool(out, *value).map_err(cannot),
        Value::Int(number) => int(*number, out),
        Value::Number(digits) => match (digits.parse::<i128>(), digits.parse::<f64>()) {
            (Ok(number), _) => int(number, out),
            (Err(_), Ok(number)) if digits.contains(['.', 'e', 'E']) && number.is_finite() => {
                encode::write_f64(out, number).map_err(cannot)
            }
            _ => Err(cannot(format_args!(
                "{digits} has more digits than it holds"
            ))),
        },
        Value::Float(number) => encode::write_f64(out, *number).map_err(cannot),
        Value::Float32(number) => encode::write_f32(out, *number).map_err(cannot),
        Value::Text(text) => encode::write_str(out, text).map_err(cannot),
        Value::Bytes(bytes) => encode::write_bin(out, bytes).map_err(cannot),
        Value::Extension(kind, bytes) => {
            encode::write_ext_meta(out, count(bytes.len())?, *kind).map_err(cannot)?;
            out.extend(bytes);
            Ok(())
        }
        Value::List(values) => {
            encode::write_array_len(out, count(values.len())?).map_err(cannot)?;
            values.iter().try_for_each(|value| write(value, out))
        }
        Value::Map(members) => {
            encode::write_map_len(out, count(members.len())?).map_err(cannot)?;
            members.iter().try_for_each(|(key, value)| {
                write(key, out)?;
                write(value, out)
            })
        }
        Value::Tag(..) | Value::Simple(_) => Err(cannot("it has no tags and no simple values")),
    }
}

fn int(number: i128, out: &mut Vec<u8>) -> Result<(), PayloadError> {
    if let Ok(number) = u64::try_from(number) {
        return encode::write_uint(out, number).map(|_| ()).map_err(cannot);
    }
    match i64::try_from(number) {
        Ok(number) => encode::write_sint(out, number).map(|_| ()).map_err(cannot),
        Err(_) => Err(cannot(format_args!(
            "{number} has more digits than it holds"
        ))),
    }
}

fn count(len: usize) -> Result<u32, PayloadError> {
    u32::try_from(len).map_err(cannot)
}

fn cannot(error: impl std::fmt::Display) -> PayloadError {
    PayloadError::of(Codec::MessagePack, error)
}
