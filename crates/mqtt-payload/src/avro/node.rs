//! The types of a schema, as they are read and written.

use std::collections::HashMap;

use apache_avro::schema::{FixedSchema, InnerDecimalSchema, Schema, UuidSchema};

use crate::{Limits, Value, json};

/// The most types of one schema.
const NODES_MAX: usize = 100_000;

/// The most digits of a decimal that is shown as a number; of more its bytes are shown.
const DIGITS_MAX: usize = 38;

/// The most bytes of such a decimal.
const DECIMAL_LEN_MAX: usize = 16;

/// Which type of a schema.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct NodeId(pub(super) usize);

/// One type of a schema.
#[derive(Debug)]
pub(super) enum Node {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    Text,
    /// So many bytes.
    Fixed {
        name: String,
        len: usize,
    },
    /// Sixteen bytes that are shown as a UUID.
    Uuid {
        name: String,
    },
    /// A whole number in as many bytes as it takes, of which the last digits are behind the point.
    Decimal {
        scale: usize,
    },
    /// The same in so many bytes.
    FixedDecimal {
        name: String,
        len: usize,
        scale: usize,
    },
    Enum {
        name: String,
        symbols: Vec<String>,
    },
    Array(NodeId),
    Map(NodeId),
    Union(Vec<NodeId>),
    Record {
        name: String,
        fields: Vec<Field>,
    },
}

/// One field of a record.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) node: NodeId,
    /// What it is where nothing is said.
    pub(super) default: Option<Value>,
}

impl Node {
    /// What it is called as a branch of a union.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Int => "int",
            Self::Long => "long",
            Self::Float => "float",
            Self::Double => "double",
            Self::Bytes | Self::Decimal { .. } => "bytes",
            Self::Text => "string",
            Self::Array(_) => "array",
            Self::Map(_) => "map",
            Self::Union(_) => "union",
            Self::Fixed { name, .. }
            | Self::Uuid { name }
            | Self::FixedDecimal { name, .. }
            | Self::Enum { name, .. }
            | Self::Record { name, .. } => name,
        }
    }
}

/// Types as they are found.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    nodes: Vec<Node>,
    names: HashMap<String, NodeId>,
}

impl Nodes {
    /// Adds a type and those in it.
    ///
    /// Recursion is as deep as the JSON of the schema, which its reader bounds.
    pub(super) fn add(&mut self, schema: &Schema) -> Result<NodeId, String> {
        if let Schema::Ref { name } = schema {
            let name = name.fullname(None);
            let found = self.names.get(&name).copied();
            return found.ok_or_else(|| format!("nothing is called {name:?}"));
        }
        if self.nodes.len() >= NODES_MAX {
            return Err(format!("more than {NODES_MAX} types"));
        }
        // Its place comes first: a record can hold itself.
        let id = NodeId(self.nodes.len());
        self.nodes.push(Node::Null);
        if let Some(name) = schema.name() {
            self.names.insert(name.fullname(None), id);
        }
        let node = self.node(schema)?;
        if let Some(place) = self.nodes.get_mut(id.0) {
            *place = node;
        }
        Ok(id)
    }

    fn node(&mut self, schema: &Schema) -> Result<Node, String> {
        Ok(match schema {
            Schema::Null | Schema::Ref { .. } => Node::Null,
            Schema::Boolean => Node::Boolean,
            Schema::Int | Schema::Date | Schema::TimeMillis => Node::Int,
            Schema::Long
            | Schema::TimeMicros
            | Schema::TimestampMillis
            | Schema::TimestampMicros
            | Schema::TimestampNanos
            | Schema::LocalTimestampMillis
            | Schema::LocalTimestampMicros
            | Schema::LocalTimestampNanos => Node::Long,
            Schema::Float => Node::Float,
            Schema::Double => Node::Double,
            Schema::Decimal(decimal) if decimal.scale > DIGITS_MAX => match &decimal.inner {
                InnerDecimalSchema::Bytes => Node::Bytes,
                InnerDecimalSchema::Fixed(fixed) => fixed_of(fixed),
            },
            Schema::Bytes | Schema::BigDecimal | Schema::Uuid(UuidSchema::Bytes) => Node::Bytes,
            Schema::String | Schema::Uuid(UuidSchema::String) => Node::Text,
            Schema::Uuid(UuidSchema::Fixed(fixed)) => Node::Uuid {
                name: fixed.name.fullname(None),
            },
            Schema::Fixed(fixed) | Schema::Duration(fixed) => fixed_of(fixed),
            Schema::Decimal(decimal) => match &decimal.inner {
                InnerDecimalSchema::Bytes => Node::Decimal {
                    scale: decimal.scale,
                },
                InnerDecimalSchema::Fixed(fixed) if fixed.size > DECIMAL_LEN_MAX => fixed_of(fixed),
                InnerDecimalSchema::Fixed(fixed) => Node::FixedDecimal {
                    name: fixed.name.fullname(None),
                    len: fixed.size,
                    scale: decimal.scale,
                },
            },
            Schema::Enum(symbols) => Node::Enum {
                name: symbols.name.fullname(None),
                symbols: symbols.symbols.clone(),
            },
            Schema::Array(array) => Node::Array(self.add(&array.items)?),
            Schema::Map(map) => Node::Map(self.add(&map.types)?),
            Schema::Union(union) => {
                let branches = union.variants().iter().map(|branch| self.add(branch));
                Node::Union(branches.collect::<Result<_, _>>()?)
            }
            Schema::Record(record) => {
                let mut fields = Vec::new();
                for field in &record.fields {
                    let default = field.default.as_ref().map(|default| {
                        let text = default.to_string();
                        json::decode(text.as_bytes(), &Limits::default())
                            .map_err(|error| format!("the default of {}: {error}", field.name))
                    });
                    fields.push(Field {
                        name: field.name.clone(),
                        node: self.add(&field.schema)?,
                        default: default.transpose()?,
                    });
                }
                Node::Record {
                    name: record.name.fullname(None),
                    fields,
                }
            }
        })
    }

    /// All of them.
    pub(super) fn finish(self) -> Vec<Node> {
        self.nodes
    }
}

fn fixed_of(schema: &FixedSchema) -> Node {
    Node::Fixed {
        name: schema.name.fullname(None),
        len: schema.size,
    }
}
