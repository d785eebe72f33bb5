//! Payloads for people: what they hold, and how to make them.
#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

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
mod text;
mod value;

pub use codec::{Codec, ParseCodecError, Schemas};
pub use decode::{Content, Decoded, Decoder};
pub use encode::Encoder;
pub use error::PayloadError;
pub use limits::Limits;
#[cfg(feature = "protobuf")]
pub use protobuf::{MessageType, SchemaError};
pub use value::Value;
