//! Why a schema cannot be used.

use std::{io, path::PathBuf};

/// Why there is no such schema, or no such type in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The text is no schema of Avro.
    #[cfg(feature = "avro")]
    #[error("{0}")]
    Avro(String),
    /// The `.proto` file is wrong, or one that it imports.
    #[cfg(feature = "protobuf")]
    #[error("{0}")]
    Proto(String),
    /// The bytes are no set of descriptors.
    #[cfg(feature = "protobuf")]
    #[error("this is no set of descriptors: {0}")]
    Descriptors(#[from] prost_reflect::DescriptorError),
    /// The text does not say both a file and a type.
    #[cfg(feature = "protobuf")]
    #[error("say FILE:MESSAGE, as in sensors.proto:demo.Reading")]
    NoName,
    /// The schema has no such type.
    #[cfg(feature = "protobuf")]
    #[error("the schema has no message {name:?}; it has {there}")]
    Unknown {
        /// What was looked for.
        name: String,
        /// The types that are there.
        there: String,
    },
}
