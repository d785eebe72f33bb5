//! What payloads hold, and how they are made.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

#[cfg(feature = "avro")]
mod avro;
mod codecs;
mod guesses;
#[cfg(feature = "protobuf")]
mod protobuf;
mod replay;
