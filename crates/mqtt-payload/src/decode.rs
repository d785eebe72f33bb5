//! From a payload to what it holds.

use std::borrow::Cow;

use crate::{
    Codec, Limits, ParseCodecError, PayloadError, Schemas, Value, cbor, compression, guess, json,
    message_pack, text,
};

/// Decodes payloads by codecs one after another, made once and used for each payload.
#[derive(Clone, Debug)]
pub struct Decoder {
    /// INVARIANT: all are in this build, and have the schema they need.
    codecs: Vec<Codec>,
    schemas: Schemas,
    limits: Limits,
}

/// What came out of a payload.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// The codecs it went through, the outermost first; those of [`Codec::Auto`] that were found.
    pub codecs: Vec<Codec>,
    /// What is in it.
    pub content: Content,
}

/// What is in a payload.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Content {
    /// Bytes of which nothing more is known.
    Bytes(Vec<u8>),
    /// Text.
    Text(String),
    /// Values by their structure.
    Value(Value),
}

impl Decoder {
    /// By `codecs` in their order, the outermost first.
    ///
    /// # Errors
    /// One that is not in this build or has no schema, or more than [`Codec::STEPS_MAX`].
    pub fn new(codecs: Vec<Codec>, schemas: Schemas) -> Result<Self, ParseCodecError> {
        check(&codecs, &schemas)?;
        Ok(Self {
            codecs,
            schemas,
            limits: Limits::default(),
        })
    }

    /// By what each payload looks like.
    pub fn auto() -> Self {
        Self {
            codecs: vec![Codec::Auto],
            schemas: Schemas::default(),
            limits: Limits::default(),
        }
    }

    /// Sets how much a payload may become.
    #[must_use]
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Whether it goes by what each payload looks like.
    pub fn is_auto(&self) -> bool {
        self.codecs.last() == Some(&Codec::Auto)
    }

    /// What `payload` holds.
    ///
    /// # Errors
    /// The first step that fails, with the place in what that step was given. [`Codec::Auto`] never does.
    pub fn decode(&self, payload: &[u8]) -> Result<Decoded, PayloadError> {
        let mut codecs = Vec::new();
        let mut content = Content::Bytes(payload.to_vec());
        for codec in &self.codecs {
            let input = content.to_bytes();
            if *codec == Codec::Auto {
                let (found, guessed) = guess::decode(&input, &self.schemas, &self.limits);
                codecs.extend(found);
                content = guessed;
                continue;
            }
            codecs.push(*codec);
            content = self.step(*codec, &input)?;
        }
        Ok(Decoded { codecs, content })
    }

    fn step(&self, codec: Codec, input: &[u8]) -> Result<Content, PayloadError> {
        let limits = &self.limits;
        match codec {
            Codec::Auto => Ok(guess::decode(input, &self.schemas, limits).1),
            Codec::Hex => text::from_hex(input, limits).map(Content::Bytes),
            Codec::Base64 => text::from_base64(input, limits).map(Content::Bytes),
            Codec::ToHex => Ok(Content::Text(text::to_hex(input))),
            Codec::ToBase64 => Ok(Content::Text(text::to_base64(input))),
            Codec::Json => json::decode(input, limits).map(Content::Value),
            Codec::Cbor => cbor::decode(input, limits).map(Content::Value),
            Codec::MessagePack => message_pack::decode(input, limits).map(Content::Value),
            Codec::Gzip => compression::gunzip(input, limits).map(Content::Bytes),
            Codec::Zlib => compression::zlib(input, limits).map(Content::Bytes),
            Codec::Deflate => compression::inflate(input, limits).map(Content::Bytes),
            Codec::Protobuf => self.schemas.decode_protobuf(input, limits),
            Codec::Avro => self.schemas.decode_avro(input, limits),
            Codec::AvroSingle => self.schemas.decode_avro_single(input, limits),
        }
    }
}

impl Content {
    /// It as bytes to print: text and bytes as they are, values as JSON on one line.
    pub fn to_bytes(&self) -> Cow<'_, [u8]> {
        match self {
            Self::Bytes(bytes) => bytes.into(),
            Self::Text(text) => text.as_bytes().into(),
            Self::Value(value) => value.to_json().into_bytes().into(),
        }
    }

    /// It as text for people: bytes that are no text in hexadecimal, values as JSON.
    pub fn to_text(&self, pretty: bool) -> Cow<'_, str> {
        match self {
            Self::Bytes(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => text.into(),
                Err(_) => text::to_hex(bytes).into(),
            },
            Self::Text(text) => text.into(),
            Self::Value(value) if pretty => value.to_json_pretty().into(),
            Self::Value(value) => value.to_json().into(),
        }
    }
}

/// The steps are few enough, in this build, and have what they need.
pub(crate) fn check(codecs: &[Codec], schemas: &Schemas) -> Result<(), ParseCodecError> {
    if codecs.len() > Codec::STEPS_MAX {
        return Err(ParseCodecError::TooMany);
    }
    for codec in codecs {
        if !codec.is_in_build() {
            return Err(ParseCodecError::NotInBuild(*codec));
        }
        let has_schema = match codec {
            Codec::Protobuf => schemas.has_protobuf(),
            Codec::Avro | Codec::AvroSingle => schemas.has_avro(),
            _ => true,
        };
        if !has_schema {
            return Err(ParseCodecError::NoSchema(*codec));
        }
    }
    Ok(())
}

#[cfg(not(feature = "protobuf"))]
impl Schemas {
    pub(crate) fn has_protobuf(&self) -> bool {
        false
    }

    pub(crate) fn decode_protobuf(&self, _: &[u8], _: &Limits) -> Result<Content, PayloadError> {
        Err(PayloadError::of(Codec::Protobuf, "not in this build"))
    }

    pub(crate) fn encode_protobuf(&self, _: &[u8], _: &Limits) -> Result<Vec<u8>, PayloadError> {
        Err(PayloadError::of(Codec::Protobuf, "not in this build"))
    }
}

#[cfg(not(feature = "avro"))]
impl Schemas {
    pub(crate) fn has_avro(&self) -> bool {
        false
    }

    pub(crate) fn decode_avro(&self, _: &[u8], _: &Limits) -> Result<Content, PayloadError> {
        Err(PayloadError::of(Codec::Avro, "not in this build"))
    }

    pub(crate) fn decode_avro_single(&self, _: &[u8], _: &Limits) -> Result<Content, PayloadError> {
        Err(PayloadError::of(Codec::Avro, "not in this build"))
    }

    pub(crate) fn guess_avro(&self, _: &[u8], _: &Limits) -> Option<Value> {
        None
    }

    pub(crate) fn encode_avro(
        &self,
        codec: Codec,
        _: &Value,
        _: &Limits,
    ) -> Result<Vec<u8>, PayloadError> {
        Err(PayloadError::of(codec, "not in this build"))
    }
}
