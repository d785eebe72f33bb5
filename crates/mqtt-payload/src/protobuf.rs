//! Messages of Protocol Buffers, by a schema.

use std::{
    fs,
    path::{Path, PathBuf},
};

use prost::Message;
use prost_reflect::{
    DescriptorPool, DeserializeOptions, DynamicMessage, MessageDescriptor, SerializeOptions,
};

use crate::{Codec, Content, Limits, PayloadError, SchemaError, Schemas, json, text::too_long};

/// A type of messages of Protocol Buffers; cheap to clone.
#[derive(Clone, Debug)]
pub struct MessageType {
    descriptor: MessageDescriptor,
}

impl MessageType {
    /// The type that `FILE:MESSAGE` says: a `.proto` file, or any other with a set of descriptors, and the name of a
    /// type with or without its package.
    ///
    /// # Errors
    /// The file cannot be read, or has no such type.
    pub fn open(text: &str) -> Result<Self, SchemaError> {
        let (path, name) = text.rsplit_once(':').ok_or(SchemaError::NoName)?;
        let path = Path::new(path);
        match path
            .extension()
            .is_some_and(|extension| extension == "proto")
        {
            true => Self::from_proto(path, &[], name),
            false => {
                let bytes = fs::read(path).map_err(|source| SchemaError::Read {
                    path: path.to_owned(),
                    source,
                })?;
                Self::from_descriptors(&bytes, name)
            }
        }
    }

    /// The type `name` of a `.proto` file; what it imports is looked for in its folder, and in `includes`.
    ///
    /// # Errors
    /// A file cannot be read or is wrong, or has no such type.
    pub fn from_proto(file: &Path, includes: &[PathBuf], name: &str) -> Result<Self, SchemaError> {
        let folder = file
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let mut folders = vec![folder.unwrap_or(Path::new("."))];
        folders.extend(includes.iter().map(PathBuf::as_path));
        let set = protox::compile([file], folders).map_err(|error| {
            // Beside the mistake it names the file, the line and the column.
            SchemaError::Proto(format!("{error:?}").trim_end().to_owned())
        })?;
        Self::of(&DescriptorPool::from_file_descriptor_set(set)?, name)
    }

    /// The type `name` of a set of descriptors, as `protoc --descriptor_set_out` writes it.
    ///
    /// # Errors
    /// The bytes are no such set, or it has no such type.
    pub fn from_descriptors(bytes: &[u8], name: &str) -> Result<Self, SchemaError> {
        Self::of(&DescriptorPool::decode(bytes)?, name)
    }

    fn of(pool: &DescriptorPool, name: &str) -> Result<Self, SchemaError> {
        let found = pool.get_message_by_name(name).or_else(|| {
            let mut named = pool.all_messages().filter(|message| message.name() == name);
            let first = named.next();
            first.filter(|_| named.next().is_none())
        });
        match found {
            Some(descriptor) => Ok(Self { descriptor }),
            None => {
                let names: Vec<String> = pool
                    .all_messages()
                    .filter(|message| !message.full_name().starts_with("google.protobuf."))
                    .map(|message| message.full_name().to_owned())
                    .collect();
                Err(SchemaError::Unknown {
                    name: name.to_owned(),
                    there: names.join(", "),
                })
            }
        }
    }

    /// Its name with its package.
    pub fn name(&self) -> &str {
        self.descriptor.full_name()
    }
}

impl Schemas {
    pub(crate) fn has_protobuf(&self) -> bool {
        self.protobuf.is_some()
    }

    pub(crate) fn decode_protobuf(
        &self,
        input: &[u8],
        limits: &Limits,
    ) -> Result<Content, PayloadError> {
        let message = DynamicMessage::decode(self.descriptor()?, input).map_err(cannot)?;
        let mut text = Vec::new();
        let mut serializer = serde_json::Serializer::new(&mut text);
        let options = SerializeOptions::new()
            .use_proto_field_name(true)
            .stringify_64_bit_integers(false);
        message
            .serialize_with_options(&mut serializer, &options)
            .map_err(cannot)?;
        if text.len() > limits.output_len_max {
            return Err(too_long(Codec::Protobuf, limits));
        }
        let value = json::decode(&text, limits).map_err(|error| cannot(error.what))?;
        Ok(Content::Value(value))
    }

    pub(crate) fn encode_protobuf(
        &self,
        input: &[u8],
        limits: &Limits,
    ) -> Result<Vec<u8>, PayloadError> {
        // The place of a mistake in the JSON is that of the text.
        json::decode(input, limits)?;
        let mut deserializer = serde_json::Deserializer::from_slice(input);
        let options = DeserializeOptions::new().deny_unknown_fields(true);
        let message = DynamicMessage::deserialize_with_options(
            self.descriptor()?,
            &mut deserializer,
            &options,
        );
        let bytes = message.map_err(cannot)?.encode_to_vec();
        match bytes.len() > limits.output_len_max {
            true => Err(too_long(Codec::Protobuf, limits)),
            false => Ok(bytes),
        }
    }

    fn descriptor(&self) -> Result<MessageDescriptor, PayloadError> {
        let found = self.protobuf.as_ref();
        let found = found.ok_or_else(|| PayloadError::of(Codec::Protobuf, "no schema is there"))?;
        Ok(found.descriptor.clone())
    }
}

fn cannot(error: impl std::fmt::Display) -> PayloadError {
    PayloadError::of(Codec::Protobuf, error)
}
