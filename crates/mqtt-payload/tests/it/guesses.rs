//! What payloads look like.

use mqtt_payload::{Codec, Content, Decoder, Encoder, Schemas};

fn made(codecs: &[Codec], json: &str) -> Vec<u8> {
    let encoder = Encoder::new(codecs.to_vec(), Schemas::default()).unwrap();
    encoder.encode(json.as_bytes()).unwrap()
}

#[test]
fn what_was_made_is_found() {
    let json = r#"{"celsius":21.5,"id":9007199254740993}"#;
    for codecs in [
        vec![Codec::Json],
        vec![Codec::Cbor],
        vec![Codec::MessagePack],
        vec![Codec::Cbor, Codec::Gzip],
        vec![Codec::MessagePack, Codec::Zlib],
        vec![Codec::Json, Codec::Gzip, Codec::Gzip],
    ] {
        let decoded = Decoder::auto().decode(&made(&codecs, json)).unwrap();
        let outermost_first: Vec<Codec> = codecs.into_iter().rev().collect();
        assert_eq!(decoded.codecs, outermost_first);
        assert_eq!(decoded.content.to_text(false), json);
    }
}

#[test]
fn text_stays_text_and_bytes_stay_bytes() {
    for text in [
        "",
        "21.5",
        "on",
        "{not json",
        "cafe",
        "aGVsbG8=",
        "zwei\nZeilen",
        "\u{1b}[1mbold",
    ] {
        let decoded = Decoder::auto().decode(text.as_bytes()).unwrap();
        assert_eq!(decoded.content, Content::Text(text.to_owned()));
        assert!(decoded.codecs.is_empty());
    }
    for bytes in [
        &[0, 0, 0xAC, 0x41][..],
        &[0xFF; 5],
        &[0x1F, 0x8B, 8, 0],
        &[0x78, 0x9C, 1],
    ] {
        let decoded = Decoder::auto().decode(bytes).unwrap();
        assert_eq!(decoded.content, Content::Bytes(bytes.to_owned()));
    }
}
