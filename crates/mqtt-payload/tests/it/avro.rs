//! Data of Avro, against a second implementation of it.

use std::{collections::HashMap, fs};

use apache_avro::{
    Decimal, GenericSingleObjectWriter, Schema, Uuid, types::Value as Theirs,
    writer::datum::GenericDatumWriter,
};
use mqtt_payload::{
    AvroSchema, Codec, Content, Decoder, Encoder, PayloadError, SchemaError, Schemas,
};
use mqtt_testkit::{avro_oracles, replay};
use proptest::prelude::*;
use tempfile::TempDir;

const SENSOR: &str = r#"{
  "type": "record", "name": "Reading", "namespace": "demo", "fields": [
    {"name": "id", "type": "long"},
    {"name": "celsius", "type": "double"},
    {"name": "ok", "type": "boolean"},
    {"name": "steps", "type": {"type": "array", "items": "int"}},
    {"name": "labels", "type": {"type": "map", "values": "string"}},
    {"name": "raw", "type": "bytes"},
    {"name": "mac", "type": {"type": "fixed", "name": "Mac", "size": 6}},
    {"name": "unit", "type": {"type": "enum", "name": "Unit", "symbols": ["NONE", "CELSIUS"]}, "default": "NONE"},
    {"name": "place", "type": ["null", "string"], "default": null},
    {"name": "limit", "type": ["null", "long", "string", "Mac"]},
    {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    {"name": "device", "type": {"type": "fixed", "name": "Device", "size": 16, "logicalType": "uuid"}},
    {"name": "next", "type": ["null", "Reading"], "default": null}
  ]
}"#;

fn schemas(text: &str) -> Schemas {
    let mut schemas = Schemas::default();
    schemas.avro = Some(AvroSchema::from_json(text).unwrap());
    schemas
}

fn decode(codec: Codec, schema: &str, payload: &[u8]) -> Result<String, PayloadError> {
    let decoder = Decoder::new(vec![codec], schemas(schema)).unwrap();
    let decoded = decoder.decode(payload)?;
    Ok(decoded.content.to_text(false).into_owned())
}

fn encode(schema: &str, json: &str) -> Result<Vec<u8>, PayloadError> {
    let encoder = Encoder::new(vec![Codec::Avro], schemas(schema)).unwrap();
    encoder.encode(json.as_bytes())
}

/// What both directions make of it.
#[track_caller]
fn both(schema: &str, payload: &[u8], json: &str) {
    assert_eq!(decode(Codec::Avro, schema, payload).unwrap(), json);
    assert_eq!(encode(schema, json).unwrap(), payload, "{json}");
}

#[test]
fn data_are_shown_as_json_and_made_of_it() {
    let record = r#"{"type":"record","name":"test","fields":[{"name":"a","type":"long"},{"name":"b","type":"string"}]}"#;
    both(record, b"\x36\x06foo", r#"{"a":27,"b":"foo"}"#);
    both(
        r#"{"type":"array","items":"long"}"#,
        &[4, 6, 0x36, 0],
        "[3,27]",
    );
    both(r#"["null","string"]"#, b"\x02\x02a", r#""a""#);
    both(r#"["null","string"]"#, &[0], "null");
    both(r#"["int","string"]"#, &[0, 1], r#"{"int":-1}"#);
    both(r#""int""#, &[0xFF, 0xFF, 0xFF, 0xFF, 0x0F], "-2147483648");
    both(r#""bytes""#, &[4, 0, 0xFF], r#"{"$hex":"00ff"}"#);
    both(
        r#""double""#,
        &f64::INFINITY.to_le_bytes(),
        r#"{"$float":"inf"}"#,
    );
    both(r#""float""#, &0.1_f32.to_le_bytes(), "0.1");
    let decimal = r#"{"type":"bytes","logicalType":"decimal","precision":5,"scale":2}"#;
    both(decimal, &[2, 0xFF], "-0.01");
    both(decimal, &[4, 0x00, 0x80], "1.28");
    assert_eq!(encode(decimal, "1.2").unwrap(), [2, 120]);
    // Blocks with their length in bytes, which another writer may write.
    let blocks = [3, 4, 2, 4, 2, 6, 0];
    assert_eq!(
        decode(Codec::Avro, r#"{"type":"array","items":"int"}"#, &blocks).unwrap(),
        "[1,2,3]"
    );
}

#[test]
fn an_encoder_takes_what_is_plain_and_fills_in_what_is_left_out() {
    assert_eq!(encode(r#"["null","long","string"]"#, "5").unwrap(), [2, 10]);
    assert_eq!(
        encode(r#"["null","string"]"#, r#"{"string":"a"}"#).unwrap(),
        b"\x02\x02a"
    );
    assert_eq!(encode(r#""bytes""#, r#""\u0000ÿ""#).unwrap(), [4, 0, 0xFF]);
    let record = r#"{"type":"record","name":"R","fields":[
        {"name":"a","type":"int","default":7},{"name":"b","type":["null","R"],"default":null}]}"#;
    assert_eq!(encode(record, "{}").unwrap(), [14, 0]);
    assert_eq!(encode(record, r#"{"b":{"a":1}}"#).unwrap(), [14, 2, 2, 0]);
}

#[test]
fn what_does_not_fit_is_told_with_its_place() {
    let fault = |schema: &str, json: &str| encode(schema, json).unwrap_err().to_string();
    let record = r#"{"type":"record","name":"R","fields":[
        {"name":"a","type":{"type":"array","items":"int"}},{"name":"n","type":["null","R"],"default":null}]}"#;
    assert_eq!(
        fault(record, r#"{"a":[1,"x"]}"#),
        r#"Avro: a: 1: "x" is no int"#
    );
    assert_eq!(
        fault(record, r#"{"a":[],"b":1}"#),
        r#"Avro: it has no field "b""#
    );
    assert_eq!(fault(record, r#"{"a":[],"n":{}}"#), "Avro: n: a is missing");
    assert_eq!(
        fault(r#""int""#, "2147483648"),
        "Avro: 2147483648 is no int"
    );
    assert_eq!(
        fault(r#"["int","string"]"#, "true"),
        "Avro: it is none of int, string"
    );
    let unit = r#"{"type":"enum","name":"Unit","symbols":["A","B"]}"#;
    assert_eq!(fault(unit, r#""C""#), r#"Avro: "C" is none of A, B"#);
    let mac = r#"{"type":"fixed","name":"Mac","size":6}"#;
    assert_eq!(fault(mac, r#"{"$hex":"00"}"#), "Avro: 1 bytes, not 6");

    let fault = |schema: &str, payload: &[u8]| decode(Codec::Avro, schema, payload).unwrap_err();
    let record = r#"{"type":"record","name":"test","fields":[{"name":"a","type":"long"},{"name":"b","type":"string"}]}"#;
    assert_eq!(fault(record, b"\x36\x06fo").place, Some(2));
    assert_eq!(fault(record, b"\x36\x04f\xFF").place, Some(3));
    assert_eq!(fault(record, b"\x36\x02f!").place, Some(3));
    assert_eq!(fault(record, b"\x36\x01").place, Some(1));
    assert_eq!(fault(r#""long""#, &[0xFF; 11]).place, Some(0));
    assert_eq!(fault(r#""boolean""#, &[2]).place, Some(0));
    assert_eq!(fault(unit, &[4]).place, Some(0));
}

/// A schema can make gigabytes of no bytes, and a message without end.
#[test]
fn what_a_payload_may_become_is_bounded() {
    let nulls = r#"{"type":"array","items":"null"}"#;
    let error = decode(Codec::Avro, nulls, &[0xFE, 0xFF, 0xFF, 0xFF, 0x0F, 0]).unwrap_err();
    assert_eq!(error.what, "too many values");
    let list = r#"{"type":"record","name":"L","fields":[{"name":"n","type":["null","L"]}]}"#;
    let error = decode(Codec::Avro, list, &[2; 100_000]).unwrap_err();
    assert_eq!(error.what, "too many values within each other");
    let within_itself = r#"{"type":"record","name":"W","fields":[{"name":"w","type":"W"}]}"#;
    assert!(decode(Codec::Avro, within_itself, &[]).is_err());
}

/// The fingerprint of the schema `"null"` stands in the specification.
#[test]
fn a_single_object_is_known_by_its_fingerprint() {
    let null = AvroSchema::from_json(r#""null""#).unwrap();
    let fingerprint = u64::from_le_bytes(null.fingerprint());
    assert_eq!(fingerprint, 0x63DD_24E7_CC25_8F8A);

    let schema = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}"#;
    let encoder = Encoder::new(vec![Codec::AvroSingle], schemas(schema)).unwrap();
    let payload = encoder.encode(br#"{"a":-1}"#).unwrap();
    assert_eq!(
        (payload.len(), payload.starts_with(&[0xC3, 0x01])),
        (11, true)
    );
    for codec in [Codec::Avro, Codec::AvroSingle] {
        assert_eq!(decode(codec, schema, &payload).unwrap(), r#"{"a":-1}"#);
    }
    let other = r#"{"type":"record","name":"R","fields":[{"name":"b","type":"int"}]}"#;
    assert_eq!(
        decode(Codec::AvroSingle, other, &payload)
            .unwrap_err()
            .place,
        Some(2)
    );
    assert_eq!(
        decode(Codec::AvroSingle, schema, &[2]).unwrap_err().place,
        Some(0)
    );
    let told = decode(Codec::Avro, other, &payload)
        .unwrap_err()
        .to_string();
    assert!(told.contains("another schema"), "{told}");

    // By itself only where the schema is known.
    let auto = Decoder::new(vec![Codec::Auto], schemas(schema)).unwrap();
    let decoded = auto.decode(&payload).unwrap();
    assert_eq!(decoded.codecs, [Codec::AvroSingle]);
    assert_eq!(decoded.content.to_text(false), r#"{"a":-1}"#);
    let zipped = Encoder::new(vec![Codec::AvroSingle, Codec::Gzip], schemas(schema)).unwrap();
    let zipped = zipped.encode(br#"{"a":-1}"#).unwrap();
    let decoded = auto.decode(&zipped).unwrap();
    assert_eq!(decoded.codecs, [Codec::Gzip, Codec::AvroSingle]);
    assert!(auto.decode(&[2]).unwrap().codecs.is_empty());
    let without = Decoder::auto().decode(&payload).unwrap();
    assert_eq!(without.content, Content::Bytes(payload));
}

#[test]
fn what_is_wrong_with_a_schema_is_told() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("reading.avsc");
    assert!(matches!(
        AvroSchema::open(&path),
        Err(SchemaError::Read { .. })
    ));
    fs::write(&path, SENSOR).unwrap();
    AvroSchema::open(&path).unwrap();
    for wrong in [
        "",
        "{}",
        r#""number""#,
        r#"{"type":"array","items":"Nothing"}"#,
    ] {
        assert!(
            matches!(AvroSchema::from_json(wrong), Err(SchemaError::Avro(_))),
            "{wrong}"
        );
    }
}

#[test]
fn inputs_of_the_fuzz_target_pass() {
    for bytes in replay::inputs(env!("CARGO_MANIFEST_DIR"), "avro").unwrap() {
        avro_oracles::avro(&bytes);
    }
    let found = replay::targets_of(env!("CARGO_MANIFEST_DIR"), "avro_oracles").unwrap();
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["avro"]);
}

fn reading(depth: u32) -> BoxedStrategy<Theirs> {
    let scalars = (
        any::<i64>(),
        any::<f64>(),
        any::<bool>(),
        any::<i64>(),
        -99_999_999_i64..99_999_999,
    );
    let inner = match depth {
        0 => Just(Theirs::Union(0, Box::new(Theirs::Null))).boxed(),
        _ => prop_oneof![
            Just(Theirs::Union(0, Box::new(Theirs::Null))),
            reading(depth - 1).prop_map(|next| Theirs::Union(1, Box::new(next))),
        ]
        .boxed(),
    };
    let limit = prop_oneof![
        Just(Theirs::Union(0, Box::new(Theirs::Null))),
        any::<i64>().prop_map(|number| Theirs::Union(1, Box::new(Theirs::Long(number)))),
        ".{0,5}".prop_map(|text| Theirs::Union(2, Box::new(Theirs::String(text)))),
        any::<[u8; 6]>().prop_map(|mac| Theirs::Union(3, Box::new(Theirs::Fixed(6, mac.to_vec())))),
    ];
    let lists = (
        proptest::collection::vec(any::<i32>(), 0..4),
        // More would come in any order out of theirs.
        proptest::collection::hash_map("[a-z]{1,4}", ".{0,4}", 0..2),
        proptest::collection::vec(any::<u8>(), 0..8),
        any::<[u8; 6]>(),
        proptest::option::of(".{0,6}"),
        any::<[u8; 16]>(),
    );
    (scalars, lists, limit, inner)
        .prop_map(
            |(
                (id, celsius, ok, at, price),
                (steps, labels, raw, mac, place, device),
                limit,
                next,
            )| {
                let labels: HashMap<_, _> = labels
                    .into_iter()
                    .map(|(name, text)| (name, Theirs::String(text)))
                    .collect();
                let place = match place {
                    None => Theirs::Union(0, Box::new(Theirs::Null)),
                    Some(place) => Theirs::Union(1, Box::new(Theirs::String(place))),
                };
                let fields = [
                    ("id", Theirs::Long(id)),
                    ("celsius", Theirs::Double(celsius)),
                    ("ok", Theirs::Boolean(ok)),
                    (
                        "steps",
                        Theirs::Array(steps.into_iter().map(Theirs::Int).collect()),
                    ),
                    ("labels", Theirs::Map(labels)),
                    ("raw", Theirs::Bytes(raw)),
                    ("mac", Theirs::Fixed(6, mac.to_vec())),
                    ("unit", Theirs::Enum(1, "CELSIUS".to_owned())),
                    ("place", place),
                    ("limit", limit),
                    ("price", Theirs::Decimal(Decimal::from(least(price)))),
                    ("at", Theirs::TimestampMillis(at)),
                    ("device", Theirs::Uuid(Uuid::from_bytes(device))),
                    ("next", next),
                ];
                Theirs::Record(
                    fields
                        .map(|(name, value)| (name.to_owned(), value))
                        .to_vec(),
                )
            },
        )
        .boxed()
}

/// As few bytes as the number takes.
fn least(number: i64) -> Vec<u8> {
    let mut bytes = number.to_be_bytes().to_vec();
    while let [0, 0..0x80, ..] | [0xFF, 0x80..=0xFF, ..] = bytes.as_slice() {
        bytes.remove(0);
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// What another implementation has written is read, and written again byte by byte.
    #[test]
    fn what_apache_avro_writes_is_read_and_written_again(reading in reading(2)) {
        let theirs = Schema::parse_str(SENSOR).unwrap();
        let payload = GenericDatumWriter::builder(&theirs).build().unwrap().write_value_to_vec(reading).unwrap();
        let shown = decode(Codec::Avro, SENSOR, &payload).unwrap();
        prop_assert_eq!(encode(SENSOR, &shown).unwrap(), payload, "{}", shown);
    }

    #[test]
    fn single_objects_of_apache_avro_are_known(id in any::<i64>()) {
        let schema = r#"{"type":"record","name":"R","namespace":"a.b","doc":"d","fields":[{"name":"id","type":"long"}]}"#;
        let theirs = Schema::parse_str(schema).unwrap();
        let mut payload = Vec::new();
        let mut writer = GenericSingleObjectWriter::new_with_capacity(&theirs, 64).unwrap();
        writer.write_value_ref(&Theirs::Record(vec![("id".to_owned(), Theirs::Long(id))]), &mut payload).unwrap();
        prop_assert_eq!(decode(Codec::AvroSingle, schema, &payload).unwrap(), format!("{{\"id\":{id}}}"));
    }

    #[test]
    fn bytes_with_structure_pass(
        bytes in proptest::collection::vec(prop_oneof![0_u8..24, 0_u8..24, any::<u8>()], 0..120),
    ) {
        avro_oracles::avro(&bytes);
    }

    #[test]
    fn any_bytes_are_read_or_refused_at_a_place_in_them(payload in proptest::collection::vec(any::<u8>(), 0..120)) {
        if let Err(error) = decode(Codec::Avro, SENSOR, &payload) {
            prop_assert!(error.place.is_none_or(|place| place <= payload.len()), "{}", error);
        }
    }
}
