//! What must hold for any bytes that are decoded by a schema of Avro.

use std::sync::OnceLock;

use mqtt_payload::{AvroSchema, Codec, Content, Decoder, Encoder, Limits, Schemas, Value};

/// Every type of Avro, one of them within itself.
const SCHEMA: &str = r#"{"type": "record", "name": "All", "namespace": "t", "fields": [
    {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["A", "B"]}},
    {"name": "one", "type": ["null", "boolean", "int", "long", "float", "double", "bytes", "string", "Kind",
        {"type": "fixed", "name": "Four", "size": 4}, {"type": "array", "items": "All"},
        {"type": "map", "values": "All"}]},
    {"name": "nothings", "type": {"type": "array", "items": "null"}},
    {"name": "names", "type": {"type": "map", "values": ["null", "string"]}},
    {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
    {"name": "cents", "type": {"type": "fixed", "name": "Cents", "size": 3, "logicalType": "decimal",
        "precision": 6, "scale": 3}},
    {"name": "device", "type": ["null", {"type": "fixed", "name": "Device", "size": 16, "logicalType": "uuid"}]},
    {"name": "next", "type": ["null", "All"], "default": null}
]}"#;

/// It, read once.
static SCHEMAS: OnceLock<Schemas> = OnceLock::new();

/// Any payload is decoded or refused within the limits, a place is in the payload, and what was decoded is the same
/// again when it is encoded and decoded once more.
///
/// # Panics
/// When it does not hold.
pub fn avro(input: &[u8]) {
    let schemas = SCHEMAS.get_or_init(|| {
        let mut schemas = Schemas::default();
        schemas.avro = AvroSchema::from_json(SCHEMA).ok();
        schemas
    });
    assert!(schemas.avro.is_some(), "the schema is one");
    // JSON may have a level and values more, for which there is room up to the usual limits.
    let limits = Limits {
        output_len_max: 1 << 20,
        values_max: 10_000,
        depth_max: 24,
    };
    let made = Decoder::new(vec![Codec::Avro], schemas.clone());
    let (Ok(decoder), Ok(encoder)) = (made, Encoder::new(vec![Codec::Avro], schemas.clone()))
    else {
        return;
    };
    let decoder = decoder.limits(limits);
    let value = match decoder.decode(input).map(|decoded| decoded.content) {
        Ok(Content::Value(value)) => value,
        Ok(content) => {
            assert!(matches!(content, Content::Value(_)), "{content:?}");
            return;
        }
        Err(error) => {
            assert!(
                error.place.is_none_or(|place| place <= input.len()),
                "{error}"
            );
            return;
        }
    };
    let shown = value.to_json();
    match encoder.encode(shown.as_bytes()) {
        Ok(encoded) => {
            let again = decoder.decode(&encoded).map(|decoded| decoded.content);
            let again = again.as_ref().map(|content| content.to_text(false));
            assert_eq!(again.as_deref(), Ok(&*shown));
        }
        Err(error) => assert!(has_special_name(&value), "{error}: {shown}"),
    }
}

/// A name of a map that has a meaning of its own in JSON.
fn has_special_name(value: &Value) -> bool {
    match value {
        Value::List(values) => values.iter().any(has_special_name),
        Value::Map(members) => members.iter().any(|(key, value)| {
            matches!(key, Value::Text(name) if name.starts_with('$')) || has_special_name(value)
        }),
        _ => false,
    }
}
