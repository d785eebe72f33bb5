//! Payloads for people: what they hold, and how to make them.
#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

#[cfg(feature = "avro")]
mod avro;
mod cbor;
mod codec;
mod compression;
mod decode;
mod encode;
mod error;
mod guess;
mod json;
mod limits;
mod message_pack;
#[cfg(feature = "protobuf")]
mod protobuf;
#[cfg(any(feature = "avro", feature = "protobuf"))]
mod schema;
mod text;
mod value;

#[cfg(feature = "avro")]
pub use avro::AvroSchema;
pub use codec::{Codec, ParseCodecError, Schemas};
pub use decode::{Content, Decoded, Decoder};
pub use encode::Encoder;
pub use error::PayloadError;
pub use limits::Limits;
#[cfg(feature = "protobuf")]
pub use protobuf::MessageType;
#[cfg(any(feature = "avro", feature = "protobuf"))]
pub use schema::SchemaError;
pub use value::Value;
