//! Messages of Protocol Buffers.

use std::fs;

use mqtt_payload::{Codec, Decoder, Encoder, MessageType, SchemaError, Schemas};
use tempfile::TempDir;

const PROTO: &str = r#"
syntax = "proto3";
package demo;
import "unit.proto";
message Reading {
  uint64 id = 1;
  double celsius = 2;
  repeated sint32 steps = 3;
  bytes raw = 4;
  Unit unit = 5;
  map<string, string> labels = 6;
}
message Other { Reading reading = 1; }
"#;

fn folder() -> TempDir {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("demo.proto"), PROTO).unwrap();
    let unit = "syntax = \"proto3\"; enum Unit { NONE = 0; CELSIUS = 1; }";
    fs::write(dir.path().join("unit.proto"), unit).unwrap();
    dir
}

fn schemas(name: &str) -> Schemas {
    let dir = folder();
    let file = dir.path().join("demo.proto");
    let mut schemas = Schemas::default();
    schemas.protobuf = Some(MessageType::open(&format!("{}:{name}", file.display())).unwrap());
    schemas
}

#[test]
fn a_message_is_shown_as_json_and_made_of_it() {
    let json = r#"{"id":9007199254740993,"celsius":21.5,"steps":[-1,2],"raw":"AP8=","unit":"CELSIUS","labels":{"a":"b"}}"#;
    let encoder = Encoder::new(vec![Codec::Protobuf], schemas("Reading")).unwrap();
    let payload = encoder.encode(json.as_bytes()).unwrap();
    let expected = b"\x08\x81\x80\x80\x80\x80\x80\x80\x10\x11\0\0\0\0\0\x80\x35\x40\x1A\x02\x01\x04\x22\x02\0\xFF\x28\x01\x32\x06\x0A\x01a\x12\x01b";
    assert_eq!(payload, expected);
    let decoder = Decoder::new(vec![Codec::Protobuf], schemas("demo.Reading")).unwrap();
    let decoded = decoder.decode(&payload).unwrap();
    assert_eq!(decoded.content.to_text(false), json);
    assert!(decoder.decode(&payload[..payload.len() - 1]).is_err());
    assert!(encoder.encode(br#"{"nothing":1}"#).is_err());
    let error = encoder.encode(br#"{"id":1"#).unwrap_err();
    assert_eq!((error.codec, error.place), (Codec::Json, Some(7)));
}

#[test]
fn what_is_wrong_with_a_schema_is_told() {
    let dir = folder();
    let open = |text: &str| MessageType::open(&format!("{}/{text}", dir.path().display()));
    let error = open("demo.proto:Nothing").unwrap_err();
    assert_eq!(
        error.to_string().replace("demo.Reading.LabelsEntry, ", ""),
        "the schema has no message \"Nothing\"; it has demo.Reading, demo.Other"
    );
    fs::write(
        dir.path().join("bad.proto"),
        "syntax = \"proto3\";\nmessage {",
    )
    .unwrap();
    let error = open("bad.proto:A").unwrap_err().to_string();
    assert!(error.contains("bad.proto:2:9"), "{error}");
    assert!(matches!(open("none.bin:A"), Err(SchemaError::Read { .. })));
    fs::write(dir.path().join("bad.bin"), [0xFF]).unwrap();
    assert!(matches!(
        open("bad.bin:A"),
        Err(SchemaError::Descriptors(_))
    ));
    assert!(matches!(
        MessageType::open("demo.proto"),
        Err(SchemaError::NoName)
    ));
}
