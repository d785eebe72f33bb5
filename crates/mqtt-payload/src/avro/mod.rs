//! Avro, by a schema.
//!
//! The schema is read by another crate; payloads are not, since they come from anybody and have to stay within
//! [`Limits`](crate::Limits).

mod node;
mod read;
mod write;

use std::{
    fmt::{self, Debug, Formatter},
    fs,
    path::Path,
    sync::Arc,
};

use apache_avro::{Schema, rabin::Rabin};

use crate::{Codec, Content, Limits, PayloadError, SchemaError, Schemas, Value, text::too_long};
use node::{Node, NodeId, Nodes};

/// What single-object encoding begins with, before the fingerprint of the schema.
const SINGLE_OBJECT: [u8; 2] = [0xC3, 0x01];

/// A schema of Avro; cheap to clone.
#[derive(Clone)]
pub struct AvroSchema {
    nodes: Arc<[Node]>,
    /// INVARIANT: of `nodes`, as are all that these name.
    root: NodeId,
    fingerprint: [u8; 8],
}

impl AvroSchema {
    /// The schema of a file, which is an `.avsc`: its JSON.
    ///
    /// # Errors
    /// The file cannot be read, or is no schema.
    pub fn open(path: &Path) -> Result<Self, SchemaError> {
        let text = fs::read_to_string(path).map_err(|source| SchemaError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::from_json(&text)
    }

    /// The schema that this JSON is.
    ///
    /// # Errors
    /// It is none.
    pub fn from_json(text: &str) -> Result<Self, SchemaError> {
        let schema =
            Schema::parse_str(text).map_err(|error| SchemaError::Avro(error.to_string()))?;
        let mut nodes = Nodes::default();
        let root = nodes.add(&schema).map_err(SchemaError::Avro)?;
        let fingerprint = schema.fingerprint::<Rabin>().bytes;
        let too_short = || SchemaError::Avro("it has no fingerprint".to_owned());
        Ok(Self {
            nodes: nodes.finish().into(),
            root,
            fingerprint: fingerprint.try_into().map_err(|_| too_short())?,
        })
    }

    /// CRC-64-AVRO of the schema's canonical form, in the order of single-object encoding.
    pub const fn fingerprint(&self) -> [u8; 8] {
        self.fingerprint
    }

    /// What follows the head of single-object encoding, if `input` has one of this schema.
    fn after_head<'a>(&self, input: &'a [u8]) -> Option<&'a [u8]> {
        let rest = input.strip_prefix(&SINGLE_OBJECT)?;
        rest.strip_prefix(&self.fingerprint)
    }

    fn node(&self, id: NodeId) -> &Node {
        self.nodes.get(id.0).unwrap_or(&Node::Null)
    }

    /// The name of what union branches are called by.
    fn name(&self, id: NodeId) -> &str {
        self.node(id).name()
    }
}

impl Debug for AvroSchema {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("AvroSchema")
            .field("root", &self.name(self.root))
            .field("fingerprint", &crate::text::to_hex(&self.fingerprint))
            .finish_non_exhaustive()
    }
}

impl Schemas {
    pub(crate) fn has_avro(&self) -> bool {
        self.avro.is_some()
    }

    /// The datum of `input`, with or without the head of single-object encoding.
    pub(crate) fn decode_avro(
        &self,
        input: &[u8],
        limits: &Limits,
    ) -> Result<Content, PayloadError> {
        let schema = self.avro()?;
        let start = match schema.after_head(input) {
            Some(datum) => input.len() - datum.len(),
            None => 0,
        };
        let decoded = read::decode(schema, input, start, limits);
        let value =
            decoded.map_err(
                |error| match input.starts_with(&SINGLE_OBJECT) && start == 0 {
                    true => PayloadError::of(
                        Codec::Avro,
                        format_args!(
                            "{}; it looks like single-object encoding of another schema",
                            error.what
                        ),
                    ),
                    false => error,
                },
            )?;
        Ok(Content::Value(value))
    }

    /// The datum of `input`, which has to have the head of single-object encoding.
    pub(crate) fn decode_avro_single(
        &self,
        input: &[u8],
        limits: &Limits,
    ) -> Result<Content, PayloadError> {
        let schema = self.avro()?;
        let refused = |place, what| Err(PayloadError::at(Codec::AvroSingle, place, what));
        match schema.after_head(input) {
            Some(datum) => {
                let start = input.len() - datum.len();
                read::decode(schema, input, start, limits).map(Content::Value)
            }
            None if input.starts_with(&SINGLE_OBJECT) => {
                refused(SINGLE_OBJECT.len(), "the fingerprint is of another schema")
            }
            None => refused(0, "it begins otherwise than with c301"),
        }
    }

    /// What `input` holds, if it is single-object encoding by the schema that is there.
    pub(crate) fn guess_avro(&self, input: &[u8], limits: &Limits) -> Option<Value> {
        let schema = self.avro.as_ref()?;
        let start = input.len() - schema.after_head(input)?.len();
        read::decode(schema, input, start, limits).ok()
    }

    /// `value` by the schema, behind the head of single-object encoding or without it.
    pub(crate) fn encode_avro(
        &self,
        codec: Codec,
        value: &Value,
        limits: &Limits,
    ) -> Result<Vec<u8>, PayloadError> {
        let schema = self.avro()?;
        let mut bytes = Vec::new();
        if codec == Codec::AvroSingle {
            bytes.extend(SINGLE_OBJECT);
            bytes.extend(schema.fingerprint);
        }
        write::encode(schema, value, limits, &mut bytes)
            .map_err(|what| PayloadError::of(codec, what))?;
        match bytes.len() > limits.output_len_max {
            true => Err(too_long(codec, limits)),
            false => Ok(bytes),
        }
    }

    fn avro(&self) -> Result<&AvroSchema, PayloadError> {
        let found = self.avro.as_ref();
        found.ok_or_else(|| PayloadError::of(Codec::Avro, "no schema is there"))
    }
}
