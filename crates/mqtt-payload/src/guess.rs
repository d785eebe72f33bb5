//! What a payload looks like.

use crate::{Codec, Content, Limits, Schemas, cbor, compression, json, message_pack, value::Value};

/// The most codecs within each other that are guessed.
const LAYERS_MAX: usize = 4;

/// What `payload` looks like, and what it then holds; bytes where it looks like nothing.
pub(crate) fn decode(payload: &[u8], schemas: &Schemas, limits: &Limits) -> (Vec<Codec>, Content) {
    let mut found = Vec::new();
    let mut inner: Option<Vec<u8>> = None;
    while found.len() < LAYERS_MAX {
        let bytes = inner.as_deref().unwrap_or(payload);
        let Some((codec, bytes)) = unpacked(bytes, limits) else {
            break;
        };
        found.push(codec);
        inner = Some(bytes);
    }
    let bytes = inner.as_deref().unwrap_or(payload);
    // Ten bytes that are those of the schema are no chance.
    let single = schemas.guess_avro(bytes, limits);
    let single = single.map(|value| (Codec::AvroSingle, value));
    if let Some((codec, value)) = single.or_else(|| structured(bytes, limits)) {
        found.push(codec);
        return (found, Content::Value(value));
    }
    let bytes = inner.unwrap_or_else(|| payload.to_vec());
    let content = match String::from_utf8(bytes) {
        Ok(text) if is_text(&text) => Content::Text(text),
        Ok(text) => Content::Bytes(text.into_bytes()),
        Err(error) => Content::Bytes(error.into_bytes()),
    };
    (found, content)
}

fn unpacked(bytes: &[u8], limits: &Limits) -> Option<(Codec, Vec<u8>)> {
    if compression::has_gzip_header(bytes) {
        let unpacked = compression::gunzip(bytes, limits).ok()?;
        return Some((Codec::Gzip, unpacked));
    }
    // Two bytes are little to go by, but all that follows has to fit, and its checksum.
    if compression::has_zlib_header(bytes) {
        let unpacked = compression::zlib(bytes, limits).ok()?;
        return Some((Codec::Zlib, unpacked));
    }
    None
}

/// Lists and maps alone count: any byte is a number to CBOR and MessagePack.
fn structured(bytes: &[u8], limits: &Limits) -> Option<(Codec, Value)> {
    if let Ok(text) = std::str::from_utf8(bytes)
        && is_text(text)
    {
        let is_container = text.trim_start().starts_with(['{', '[']);
        let value = is_container.then(|| json::decode(bytes, limits).ok())??;
        return Some((Codec::Json, value));
    }
    let read = |codec, value: Result<Value, _>| {
        let value = value.ok().filter(is_container)?;
        Some((codec, value))
    };
    let cbor = read(Codec::Cbor, cbor::decode(bytes, limits));
    let message_pack = read(Codec::MessagePack, message_pack::decode(bytes, limits));
    match (cbor, message_pack) {
        // A few bytes are both: names are more often text than anything else.
        (Some((_, cbor)), Some(other)) if !has_names(&cbor) && has_names(&other.1) => Some(other),
        (Some(cbor), _) => Some(cbor),
        (None, message_pack) => message_pack,
    }
}

fn is_container(value: &Value) -> bool {
    match value {
        Value::List(_) | Value::Map(_) => true,
        Value::Tag(_, value) => is_container(value),
        _ => false,
    }
}

fn has_names(value: &Value) -> bool {
    match value {
        Value::Map(members) => members.iter().all(|(key, _)| matches!(key, Value::Text(_))),
        _ => false,
    }
}

/// Text as people write it: no control characters but those of lines.
fn is_text(text: &str) -> bool {
    text.chars().all(|character| {
        !character.is_control() || matches!(character, '\n' | '\r' | '\t' | '\x1B')
    })
}
