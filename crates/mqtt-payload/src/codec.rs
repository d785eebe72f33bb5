//! The names of codecs.

use std::{
    fmt::{self, Display, Formatter},
    str::FromStr,
};

/// One way to write something as bytes.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Codec {
    /// Whatever it looks like; for decoding only.
    Auto,
    /// Hexadecimal digits, two for each byte.
    Hex,
    /// Base64, with or without padding, of the usual or the URL-safe alphabet.
    Base64,
    /// JSON text. RFC 8259.
    Json,
    /// CBOR. RFC 8949.
    Cbor,
    /// MessagePack.
    MessagePack,
    /// A message of Protocol Buffers, which takes a schema.
    Protobuf,
    /// A datum of Avro, which takes a schema; decoding takes it behind the head of single-object encoding as well.
    Avro,
    /// Single-object encoding of Avro: a datum behind the fingerprint of its schema.
    AvroSingle,
    /// Compressed by gzip. RFC 1952.
    Gzip,
    /// Compressed by zlib. RFC 1950.
    Zlib,
    /// Compressed without a header; one of zlib is accepted. RFC 1951.
    Deflate,
    /// The other way round: what hexadecimal digits stand for when encoding, digits when decoding.
    ToHex,
    /// The same of Base64.
    ToBase64,
}

/// What codecs need to know beyond their name.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Schemas {
    /// The type of messages of [`Codec::Protobuf`].
    #[cfg(feature = "protobuf")]
    pub protobuf: Option<crate::MessageType>,
    /// The schema of [`Codec::Avro`] and [`Codec::AvroSingle`], and what [`Codec::Auto`] knows single objects by.
    #[cfg(feature = "avro")]
    pub avro: Option<crate::AvroSchema>,
}

/// Why a text names no codecs.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseCodecError {
    /// No codec is called so.
    #[error("no codec is called {0:?}; there are {names}", names = Codec::names())]
    Unknown(String),
    /// This build is without it.
    #[error("this build has no {0}: build it with `--features {feature}`", feature = .0.feature())]
    NotInBuild(Codec),
    /// It takes a schema, and there is none.
    #[error("{0} takes a schema")]
    NoSchema(Codec),
    /// Only what is decoded can be guessed.
    #[error("what to encode to cannot be guessed, leave out auto")]
    AutoEncode,
    /// More steps than one could mean.
    #[error("more than {max} codecs, one after another", max = Codec::STEPS_MAX)]
    TooMany,
}

impl Codec {
    /// The most steps of one decoder or encoder.
    pub const STEPS_MAX: usize = 8;

    /// Every codec, in this build or not.
    pub const ALL: [Self; 14] = [
        Self::Auto,
        Self::Hex,
        Self::Base64,
        Self::Json,
        Self::Cbor,
        Self::MessagePack,
        Self::Protobuf,
        Self::Avro,
        Self::AvroSingle,
        Self::Gzip,
        Self::Zlib,
        Self::Deflate,
        Self::ToHex,
        Self::ToBase64,
    ];

    /// Its name on a command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Hex => "hex",
            Self::Base64 => "base64",
            Self::Json => "json",
            Self::Cbor => "cbor",
            Self::MessagePack => "msgpack",
            Self::Protobuf => "protobuf",
            Self::Avro => "avro",
            Self::AvroSingle => "avro-single",
            Self::Gzip => "gzip",
            Self::Zlib => "zlib",
            Self::Deflate => "deflate",
            Self::ToHex => "to-hex",
            Self::ToBase64 => "to-base64",
        }
    }

    /// Whether this build has it.
    pub const fn is_in_build(self) -> bool {
        let by_protobuf = matches!(self, Self::Protobuf);
        let by_avro = matches!(self, Self::Avro | Self::AvroSingle);
        (cfg!(feature = "protobuf") || !by_protobuf) && (cfg!(feature = "avro") || !by_avro)
    }

    /// The feature of the crate that it takes; empty where it takes none.
    const fn feature(self) -> &'static str {
        match self {
            Self::Protobuf => "protobuf",
            Self::Avro | Self::AvroSingle => "avro",
            _ => "",
        }
    }

    /// Whether it takes a schema.
    pub const fn takes_schema(self) -> bool {
        matches!(self, Self::Protobuf | Self::Avro | Self::AvroSingle)
    }

    /// The names of all codecs of this build, for a help text.
    pub fn names() -> String {
        let names: Vec<&str> = Self::ALL
            .into_iter()
            .filter(|codec| codec.is_in_build())
            .map(Self::name)
            .collect();
        names.join(", ")
    }

    /// Those that `list` names, separated by commas, in its order.
    ///
    /// # Errors
    /// A name that no codec of this build has, or too many.
    pub fn parse_list(list: &str) -> Result<Vec<Self>, ParseCodecError> {
        let codecs: Vec<Self> = list
            .split(',')
            .map(|name| name.trim().parse())
            .collect::<Result<_, _>>()?;
        if codecs.len() > Self::STEPS_MAX {
            return Err(ParseCodecError::TooMany);
        }
        Ok(codecs)
    }
}

impl FromStr for Codec {
    type Err = ParseCodecError;

    fn from_str(name: &str) -> Result<Self, ParseCodecError> {
        let lower = name.to_ascii_lowercase();
        let found = Self::ALL
            .into_iter()
            .find(|codec| codec.name() == lower)
            .or(match lower.as_str() {
                "messagepack" => Some(Self::MessagePack),
                "proto" => Some(Self::Protobuf),
                "gz" => Some(Self::Gzip),
                _ => None,
            });
        match found {
            Some(codec) if codec.is_in_build() => Ok(codec),
            Some(codec) => Err(ParseCodecError::NotInBuild(codec)),
            None => Err(ParseCodecError::Unknown(name.to_owned())),
        }
    }
}

impl Display for Codec {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "payload",
            Self::Hex | Self::ToHex => "hexadecimal",
            Self::Base64 | Self::ToBase64 => "Base64",
            Self::Json => "JSON",
            Self::Cbor => "CBOR",
            Self::MessagePack => "MessagePack",
            Self::Protobuf => "Protobuf",
            Self::Avro | Self::AvroSingle => "Avro",
            Self::Gzip => "gzip",
            Self::Zlib => "zlib",
            Self::Deflate => "deflate",
        })
    }
}
