//! CBOR.

use minicbor::{
    Encoder,
    data::{Tag, Type},
    decode::Decoder,
};

use crate::{Codec, Limits, PayloadError, Value, limits::Budget, text::too_long};

/// The one item of `input`.
pub(crate) fn decode(input: &[u8], limits: &Limits) -> Result<Value, PayloadError> {
    let mut reader = Reader {
        decoder: Decoder::new(input),
        budget: Budget::new(limits),
    };
    let value = reader.value()?;
    match reader.decoder.position() {
        place if place < input.len() => Err(at(place, "bytes follow its end")),
        _ => Ok(value),
    }
}

struct Reader<'a> {
    decoder: Decoder<'a>,
    budget: Budget,
}

impl Reader<'_> {
    fn value(&mut self) -> Result<Value, PayloadError> {
        let place = self.decoder.position();
        self.budget.value().map_err(|what| at(place, what))?;
        let decoder = &mut self.decoder;
        let kind = decoder.datatype().map_err(|error| fault(place, &error))?;
        let read = match kind {
            Type::Array | Type::ArrayIndef => return self.within(Self::list),
            Type::Map | Type::MapIndef => return self.within(Self::map),
            Type::Tag => return self.within(Self::tag),
            Type::Null => decoder.null().map(|()| Value::Null),
            Type::Undefined => decoder.undefined().map(|()| Value::Simple(23)),
            Type::Bool => decoder.bool().map(Value::Bool),
            Type::F16 => decoder.f16().map(Value::Float32),
            Type::F32 => decoder.f32().map(Value::Float32),
            Type::F64 => decoder.f64().map(Value::Float),
            Type::Simple => decoder.simple().map(Value::Simple),
            Type::Bytes | Type::BytesIndef => decoder.bytes_iter().and_then(|chunks| {
                let chunks = chunks.collect::<Result<Vec<_>, _>>()?;
                Ok(Value::Bytes(chunks.concat().into()))
            }),
            Type::String | Type::StringIndef => decoder.str_iter().and_then(|chunks| {
                let chunks = chunks.collect::<Result<Vec<_>, _>>()?;
                Ok(Value::Text(chunks.concat().into()))
            }),
            Type::U8
            | Type::U16
            | Type::U32
            | Type::U64
            | Type::I8
            | Type::I16
            | Type::I32
            | Type::I64
            | Type::Int => decoder.int().map(|number| Value::Int(number.into())),
            Type::Break => return Err(at(place, "an end of nothing")),
            Type::Unknown(_) => return Err(at(place, "no item begins so")),
        };
        read.map_err(|error| fault(place, &error))
    }

    fn within(
        &mut self,
        read: fn(&mut Self) -> Result<Value, PayloadError>,
    ) -> Result<Value, PayloadError> {
        let place = self.decoder.position();
        self.budget.enter().map_err(|what| at(place, what))?;
        let value = read(self)?;
        self.budget.leave();
        Ok(value)
    }

    fn list(&mut self) -> Result<Value, PayloadError> {
        let place = self.decoder.position();
        let count = self.decoder.array().map_err(|error| fault(place, &error))?;
        let mut values = Vec::new();
        let mut left = count;
        while self.goes_on(&mut left)? {
            values.push(self.value()?);
        }
        Ok(Value::List(values))
    }

    fn map(&mut self) -> Result<Value, PayloadError> {
        let place = self.decoder.position();
        let count = self.decoder.map().map_err(|error| fault(place, &error))?;
        let mut members = Vec::new();
        let mut left = count;
        while self.goes_on(&mut left)? {
            members.push((self.value()?, self.value()?));
        }
        Ok(Value::Map(members))
    }

    /// Whether there is another item: by the count, or until the end is said.
    fn goes_on(&mut self, left: &mut Option<u64>) -> Result<bool, PayloadError> {
        if let Some(left) = left {
            let goes_on = *left > 0;
            *left = left.saturating_sub(1);
            return Ok(goes_on);
        }
        let place = self.decoder.position();
        let kind = self
            .decoder
            .datatype()
            .map_err(|error| fault(place, &error))?;
        if kind == Type::Break {
            self.decoder.set_position(place + 1);
            return Ok(false);
        }
        Ok(true)
    }

    fn tag(&mut self) -> Result<Value, PayloadError> {
        let place = self.decoder.position();
        let tag = self.decoder.tag().map_err(|error| fault(place, &error))?;
        Ok(Value::Tag(tag.as_u64(), self.value()?.into()))
    }
}

fn fault(place: usize, error: &minicbor::decode::Error) -> PayloadError {
    match error.is_end_of_input() {
        true => at(place, "the item that begins here ends too early"),
        false => at(place, format_args!("no valid item: {error}")),
    }
}

fn at(place: usize, what: impl std::fmt::Display) -> PayloadError {
    PayloadError::at(Codec::Cbor, place, what)
}

/// What `value` is in CBOR.
pub(crate) fn encode(value: &Value, limits: &Limits) -> Result<Vec<u8>, PayloadError> {
    let mut encoder = Encoder::new(Vec::new());
    write(value, &mut encoder)?;
    let bytes = encoder.into_writer();
    match bytes.len() > limits.output_len_max {
        true => Err(too_long(Codec::Cbor, limits)),
        false => Ok(bytes),
    }
}

type Written<'e> =
    Result<&'e mut Encoder<Vec<u8>>, minicbor::encode::Error<std::convert::Infallible>>;

fn write(value: &Value, encoder: &mut Encoder<Vec<u8>>) -> Result<(), PayloadError> {
    let written: Written<'_> = match value {
        Value::Null => encoder.null(),
        Value::Bool(value) => encoder.bool(*value),
        Value::Int(number) => return int(*number, encoder),
        Value::Number(digits) => match (digits.parse::<i128>(), digits.parse::<f64>()) {
            (Ok(number), _) => return int(number, encoder),
            (Err(_), Ok(number)) if number.is_finite() && !is_whole(digits) => encoder.f64(number),
            _ => return Err(no_number(digits)),
        },
        Value::Float(number) => encoder.f64(*number),
        Value::Float32(number) => encoder.f32(*number),
        Value::Text(text) => encoder.str(text),
        Value::Bytes(bytes) | Value::Extension(_, bytes) => encoder.bytes(bytes),
        Value::Simple(number) => encoder.simple(*number),
        Value::Tag(tag, value) => {
            let tagged = encoder.tag(Tag::new(*tag)).map(|_| ());
            tagged.map_err(cannot)?;
            return write(value, encoder);
        }
        Value::List(values) => {
            encoder.array(count(values.len())).map_err(cannot)?;
            return values.iter().try_for_each(|value| write(value, encoder));
        }
        Value::Map(members) => {
            encoder.map(count(members.len())).map_err(cannot)?;
            return members.iter().try_for_each(|(key, value)| {
                write(key, encoder)?;
                write(value, encoder)
            });
        }
    };
    written.map(|_| ()).map_err(cannot)
}

/// As an integer where it is one of 64 bits and a sign, else as a bignum, tag 2 or 3.
fn int(number: i128, encoder: &mut Encoder<Vec<u8>>) -> Result<(), PayloadError> {
    if let Ok(number) = minicbor::data::Int::try_from(number) {
        return encoder.int(number).map(|_| ()).map_err(cannot);
    }
    let (tag, magnitude) = match number < 0 {
        true => (3, (-1 - number).unsigned_abs()),
        false => (2, number.unsigned_abs()),
    };
    let bytes = magnitude.to_be_bytes();
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(0);
    encoder
        .tag(Tag::new(tag))
        .and_then(|encoder| encoder.bytes(bytes.get(start..).unwrap_or_default()))
        .map(|_| ())
        .map_err(cannot)
}

fn is_whole(digits: &str) -> bool {
    !digits.contains(['.', 'e', 'E'])
}

fn no_number(digits: &str) -> PayloadError {
    PayloadError::of(
        Codec::Cbor,
        format_args!("{digits} has more digits than are written here"),
    )
}

fn cannot(error: impl std::fmt::Display) -> PayloadError {
    PayloadError::of(Codec::Cbor, error)
}

fn count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
