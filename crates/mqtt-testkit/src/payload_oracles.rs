//! What must hold for any bytes that are decoded as a payload.

use mqtt_payload::{Codec, Content, Decoder, Encoder, Limits, Schemas, Value};

/// The codecs that the first byte of an input chooses from.
const CODECS: [Codec; 10] = [
    Codec::Auto,
    Codec::Json,
    Codec::Cbor,
    Codec::MessagePack,
    Codec::Gzip,
    Codec::Zlib,
    Codec::Deflate,
    Codec::Hex,
    Codec::Base64,
    Codec::ToHex,
];

/// Any payload is decoded or refused within the limits, a place is in the payload, what is shown as JSON is JSON, and
/// what was decoded is the same again when it is encoded and decoded once more.
///
/// The first byte is the codec, modulo their count.
///
/// # Panics
/// When it does not hold.
pub fn payload(input: &[u8]) {
    let Some((first, bytes)) = input.split_first() else {
        return;
    };
    let Some(codec) = CODECS.get(usize::from(*first) % CODECS.len()).copied() else {
        return;
    };
    let limits = Limits {
        output_len_max: 1 << 20,
        values_max: 10_000,
        ..Limits::default()
    };
    let decoder = |codec| match codec {
        Codec::Auto => Decoder::auto().limits(limits),
        codec => Decoder::new(vec![codec], Schemas::default())
            .unwrap_or_else(|_| Decoder::auto())
            .limits(limits),
    };
    let decoded = match decoder(codec).decode(bytes) {
        Ok(decoded) => decoded,
        Err(error) => {
            assert!(codec != Codec::Auto, "what it looks like is not refused");
            assert!(
                error.place.is_none_or(|place| place <= bytes.len()),
                "{error}"
            );
            return;
        }
    };
    let _ = (
        decoded.content.to_text(true),
        decoded.content.to_text(false),
    );
    match &decoded.content {
        Content::Bytes(bytes) => assert!(bytes.len() <= limits.output_len_max.max(input.len())),
        Content::Value(value) => {
            let again = decoder(Codec::Json).decode(value.to_json().as_bytes());
            let pretty = decoder(Codec::Json).decode(value.to_json_pretty().as_bytes());
            // Tags have a level more in JSON than in CBOR, and members more.
            if let (Ok(again), Ok(pretty)) = (&again, &pretty) {
                assert_eq!(again.content, pretty.content);
            } else {
                assert!(has_more_in_json(value), "{value:?}: {again:?}");
            }
            reencoded(codec, value, &decoder);
        }
        _ => {}
    }
}

/// What has only names that are text, and none with a meaning of its own, is the same after another round.
fn reencoded(codec: Codec, value: &Value, decoder: &impl Fn(Codec) -> Decoder) {
    if !matches!(codec, Codec::Json | Codec::Cbor | Codec::MessagePack) || !is_plain(value) {
        return;
    }
    let Ok(encoder) = Encoder::new(vec![codec], Schemas::default()) else {
        return;
    };
    let shown = value.to_json();
    if let Ok(encoded) = encoder.encode(shown.as_bytes()) {
        let again = decoder(codec).decode(&encoded);
        let content = again.as_ref().map(|again| again.content.to_text(false));
        assert_eq!(content.as_deref(), Ok(&*shown), "{value:?}");
    }
}

fn is_plain(value: &Value) -> bool {
    match value {
        Value::List(values) => values.iter().all(is_plain),
        Value::Map(members) => members.iter().all(|(key, value)| {
            matches!(key, Value::Text(name) if !name.starts_with('$')) && is_plain(value)
        }),
        // A digit more or less is another number.
        Value::Float(_) | Value::Float32(_) | Value::Number(_) => false,
        Value::Tag(_, value) => is_plain(value),
        _ => true,
    }
}

fn has_more_in_json(value: &Value) -> bool {
    match value {
        Value::List(values) => values.iter().any(has_more_in_json),
        Value::Map(members) => members
            .iter()
            .any(|(key, value)| has_more_in_json(key) || has_more_in_json(value)),
        Value::Tag(..) | Value::Bytes(_) | Value::Simple(_) | Value::Extension(..) => true,
        Value::Float(number) => !number.is_finite(),
        Value::Float32(number) => !number.is_finite(),
        _ => false,
    }
}
