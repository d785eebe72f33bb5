//! From what people write to a payload.

use crate::{
    Codec, Limits, ParseCodecError, PayloadError, Schemas, Value, cbor, compression, decode::check,
    json, message_pack, text,
};

/// Encodes payloads by codecs one after another, made once and used for each payload.
///
/// It takes text: JSON for [`Codec::Json`], [`Codec::Cbor`], [`Codec::MessagePack`], [`Codec::Protobuf`] and
/// [`Codec::Avro`], anything for the others.
#[derive(Clone, Debug)]
pub struct Encoder {
    /// INVARIANT: all are in this build, have the schema they need, and none is [`Codec::Auto`].
    codecs: Vec<Codec>,
    schemas: Schemas,
    limits: Limits,
}

impl Encoder {
    /// By `codecs` in their order, the innermost first: `cbor` and then `gzip` compresses CBOR.
    ///
    /// # Errors
    /// One that is not in this build or has no schema, [`Codec::Auto`], or more than [`Codec::STEPS_MAX`].
    pub fn new(codecs: Vec<Codec>, schemas: Schemas) -> Result<Self, ParseCodecError> {
        check(&codecs, &schemas)?;
        if codecs.contains(&Codec::Auto) {
            return Err(ParseCodecError::AutoEncode);
        }
        Ok(Self {
            codecs,
            schemas,
            limits: Limits::default(),
        })
    }

    /// Sets how much a payload may become.
    #[must_use]
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The payload that `input` becomes.
    ///
    /// # Errors
    /// The first step that fails, with the place in what that step was given.
    pub fn encode(&self, input: &[u8]) -> Result<Vec<u8>, PayloadError> {
        let mut bytes = input.to_vec();
        for codec in &self.codecs {
            bytes = self.step(*codec, &bytes)?;
        }
        Ok(bytes)
    }

    fn step(&self, codec: Codec, input: &[u8]) -> Result<Vec<u8>, PayloadError> {
        let limits = &self.limits;
        match codec {
            Codec::Auto => Ok(input.to_vec()),
            Codec::Hex => Ok(text::to_hex(input).into_bytes()),
            Codec::Base64 => Ok(text::to_base64(input).into_bytes()),
            Codec::ToHex => text::from_hex(input, limits),
            Codec::ToBase64 => text::from_base64(input, limits),
            Codec::Json => Ok(json::decode(input, limits)?.to_json().into_bytes()),
            Codec::Cbor => cbor::encode(&special(json::decode(input, limits)?)?, limits),
            Codec::MessagePack => {
                message_pack::encode(&special(json::decode(input, limits)?)?, limits)
            }
            Codec::Gzip | Codec::Zlib | Codec::Deflate => compression::compress(codec, input),
            Codec::Protobuf => self.schemas.encode_protobuf(input, limits),
            Codec::Avro | Codec::AvroSingle => {
                let value = special(json::decode(input, limits)?)?;
                self.schemas.encode_avro(codec, &value, limits)
            }
        }
    }
}

/// The same with what JSON has no name for, as [`Value`] says how that is written.
fn special(value: Value) -> Result<Value, PayloadError> {
    match value {
        Value::List(values) => {
            let values = values.into_iter().map(special).collect::<Result<_, _>>()?;
            Ok(Value::List(values))
        }
        Value::Map(members) => {
            if let Some(value) = named(&members)? {
                return Ok(value);
            }
            let members = members
                .into_iter()
                .map(|(key, value)| Ok((key, special(value)?)))
                .collect::<Result<_, _>>()?;
            Ok(Value::Map(members))
        }
        value => Ok(value),
    }
}

fn named(members: &[(Value, Value)]) -> Result<Option<Value>, PayloadError> {
    let [(Value::Text(name), first), rest @ ..] = members else {
        return Ok(None);
    };
    let whole = |value: &Value| match value {
        Value::Number(digits) => digits.parse::<i128>().ok(),
        _ => None,
    };
    let bytes = |value: &Value| match value {
        Value::Text(digits) => text::from_hex(digits.as_bytes(), &Limits::default()).map(Some),
        _ => Ok(None),
    };
    let value = match (&**name, rest) {
        ("$hex", []) => bytes(first)?.map(|bytes| Value::Bytes(bytes.into())),
        ("$float", []) => match first {
            Value::Text(name) => match &**name {
                "NaN" => Some(Value::Float(f64::NAN)),
                "inf" => Some(Value::Float(f64::INFINITY)),
                "-inf" => Some(Value::Float(f64::NEG_INFINITY)),
                _ => None,
            },
            _ => None,
        },
        ("$simple", []) => whole(first)
            .and_then(|number| u8::try_from(number).ok())
            .map(Value::Simple),
        ("$tag", [(_, value)]) => match whole(first).and_then(|tag| u64::try_from(tag).ok()) {
            Some(tag) => Some(Value::Tag(tag, special(value.clone())?.into())),
            None => None,
        },
        ("$extension", [(_, hex)]) => match whole(first).and_then(|kind| i8::try_from(kind).ok()) {
            Some(kind) => bytes(hex)?.map(|bytes| Value::Extension(kind, bytes.into())),
            None => None,
        },
        _ => None,
    };
    Ok(value)
}
