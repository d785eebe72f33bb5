//! Each codec, both ways.

use mqtt_payload::{
    Codec, Content, Decoder, Encoder, Limits, ParseCodecError, PayloadError, Schemas,
};

fn decoder(list: &str) -> Decoder {
    Decoder::new(Codec::parse_list(list).unwrap(), Schemas::default()).unwrap()
}

fn encoded(list: &str, input: &[u8]) -> Result<Vec<u8>, PayloadError> {
    let codecs = Codec::parse_list(list).unwrap();
    Encoder::new(codecs, Schemas::default())
        .unwrap()
        .encode(input)
}

fn shown(list: &str, payload: &[u8]) -> String {
    let decoded = decoder(list).decode(payload).unwrap();
    decoded.content.to_text(false).into_owned()
}

fn fault(list: &str, payload: &[u8]) -> (Codec, Option<usize>) {
    let error = decoder(list).decode(payload).unwrap_err();
    (error.codec, error.place)
}

fn bytes(hex: &str) -> Vec<u8> {
    encoded("to-hex", hex.as_bytes()).unwrap()
}

/// Items of the appendix of RFC 8949, as JSON.
#[test]
fn cbor_is_shown_as_json_and_made_of_it() {
    for (hex, json) in [
        ("00", "0"),
        ("1903e8", "1000"),
        ("1bffffffffffffffff", "18446744073709551615"),
        ("3bffffffffffffffff", "-18446744073709551616"),
        ("fb3ff199999999999a", "1.1"),
        ("f5", "true"),
        ("f6", "null"),
        ("f0", r#"{"$simple":16}"#),
        ("c11a514b67b0", r#"{"$tag":1,"value":1363896240}"#),
        (
            "c249010000000000000000",
            r#"{"$tag":2,"value":{"$hex":"010000000000000000"}}"#,
        ),
        ("4401020304", r#"{"$hex":"01020304"}"#),
        ("62c3bc", "\"ü\""),
        ("8301820203820405", "[1,[2,3],[4,5]]"),
        ("a26161016162820203", r#"{"a":1,"b":[2,3]}"#),
        ("a0", "{}"),
    ] {
        assert_eq!(shown("hex,cbor", hex.as_bytes()), json, "{hex}");
        assert_eq!(
            encoded("cbor", json.as_bytes()).unwrap(),
            bytes(hex),
            "{json}"
        );
    }
    // What is written in more than one way.
    for (hex, json) in [
        ("f93c00", "1.0"),
        ("fa47c35000", "100000.0"),
        ("f97c00", r#"{"$float":"inf"}"#),
        ("f7", r#"{"$simple":23}"#),
        ("5f42010243030405ff", r#"{"$hex":"0102030405"}"#),
        ("7f657374726561646d696e67ff", "\"streaming\""),
        ("9f018202039f0405ffff", "[1,[2,3],[4,5]]"),
        ("bf61610161629f0203ffff", r#"{"a":1,"b":[2,3]}"#),
        ("a201020304", r#"{"1":2,"3":4}"#),
    ] {
        assert_eq!(shown("hex,cbor", hex.as_bytes()), json, "{hex}");
    }
    assert_eq!(
        encoded("cbor", b"123456789012345678901234567890").unwrap(),
        bytes("c24d018ee90ff6c373e0ee4e3f0ad2")
    );
}

#[test]
fn mistakes_in_cbor_are_told_by_place() {
    for (hex, place) in [
        ("", 0),
        ("18", 0),
        ("8201", 2),
        ("a16161", 3),
        ("0000", 1),
        ("ff", 0),
        ("82ff01", 1),
        ("83014102", 4),
        ("8261ff00", 1),
        ("1c", 0),
    ] {
        assert_eq!(
            fault("cbor", &bytes(hex)),
            (Codec::Cbor, Some(place)),
            "{hex}"
        );
    }
    let deep = [vec![0x81; 65], vec![0]].concat();
    assert_eq!(fault("cbor", &deep), (Codec::Cbor, Some(64)));
    // It promises more than any memory holds.
    assert_eq!(
        fault("cbor", &bytes("9bffffffffffffffff00")),
        (Codec::Cbor, Some(10))
    );
}

#[test]
fn message_pack_is_shown_as_json_and_made_of_it() {
    for (hex, json) in [
        ("c0", "null"),
        ("7f", "127"),
        ("e0", "-32"),
        ("cfffffffffffffffff", "18446744073709551615"),
        ("d38000000000000000", "-9223372036854775808"),
        ("cb3ff199999999999a", "1.1"),
        ("a26869", "\"hi\""),
        ("c40200ff", r#"{"$hex":"00ff"}"#),
        ("d4052a", r#"{"$extension":5,"hex":"2a"}"#),
        ("82a16101a1629201c3", r#"{"a":1,"b":[1,true]}"#),
    ] {
        assert_eq!(shown("hex,msgpack", hex.as_bytes()), json, "{hex}");
        assert_eq!(
            encoded("msgpack", json.as_bytes()).unwrap(),
            bytes(hex),
            "{json}"
        );
    }
    assert_eq!(shown("hex,msgpack", b"ca3dcccccd"), "0.1");
    assert_eq!(shown("hex,msgpack", b"a1ff"), r#"{"$hex":"ff"}"#);
    for (hex, place) in [
        ("", 0),
        ("92", 1),
        ("a261", 0),
        ("c1", 0),
        ("0101", 1),
        ("dcffff01", 4),
    ] {
        assert_eq!(
            fault("msgpack", &bytes(hex)),
            (Codec::MessagePack, Some(place)),
            "{hex}"
        );
    }
    let deep = [vec![0x91; 65], vec![0]].concat();
    assert_eq!(fault("msgpack", &deep), (Codec::MessagePack, Some(64)));
    let error = encoded("msgpack", b"18446744073709551616").unwrap_err();
    assert_eq!(error.codec, Codec::MessagePack);
}

#[test]
fn text_of_bytes_is_taken_as_people_write_it() {
    for hex in [
        "00fF10",
        "00 ff 10\n",
        "0x00ff10",
        "00:FF:10",
        " 0x00 ff-10",
    ] {
        assert_eq!(
            decoder("hex").decode(hex.as_bytes()).unwrap().content,
            Content::Bytes(vec![0, 255, 16])
        );
    }
    assert_eq!(fault("hex", b"00f"), (Codec::Hex, Some(3)));
    assert_eq!(fault("hex", b"00 g0"), (Codec::Hex, Some(3)));
    for base64 in ["AP8Q+w==", "AP8Q-w", "AP8Q\r\n+w=="] {
        assert_eq!(
            decoder("base64").decode(base64.as_bytes()).unwrap().content,
            Content::Bytes(vec![0, 255, 16, 251])
        );
    }
    assert_eq!(fault("base64", b"AP 8*"), (Codec::Base64, Some(4)));
    assert_eq!(shown("to-hex", b"\0\xFF"), "00ff");
    assert_eq!(shown("to-base64", b"\0\xFF\x10\xFB"), "AP8Q+w==");
    assert_eq!(encoded("hex", b"\0\xFF").unwrap(), b"00ff");
    assert_eq!(encoded("base64", b"\0\xFF\x10\xFB").unwrap(), b"AP8Q+w==");
    assert_eq!(
        encoded("to-base64", b"AP8Q+w==").unwrap(),
        b"\0\xFF\x10\xFB"
    );
}

#[test]
fn what_is_compressed_is_bounded_and_whole() {
    let text = b"{\"a\":1}".repeat(1000);
    for codec in ["gzip", "zlib", "deflate"] {
        let compressed = encoded(codec, &text).unwrap();
        assert!(compressed.len() < 200);
        let decoded = decoder(codec).decode(&compressed).unwrap();
        assert_eq!(decoded.content, Content::Bytes(text.clone()), "{codec}");
        let limits = Limits {
            output_len_max: text.len() - 1,
            ..Limits::default()
        };
        let error = decoder(codec)
            .limits(limits)
            .decode(&compressed)
            .unwrap_err();
        assert_eq!(error.what, "more than 6999 bytes come out of it");
        let cut = &compressed[..compressed.len() - 1];
        assert!(decoder(codec).decode(cut).is_err(), "{codec}");
        assert!(
            decoder(codec)
                .decode(&[&*compressed, b"x"].concat())
                .is_err(),
            "{codec}"
        );
    }
    let with_header = encoded("zlib", &text).unwrap();
    assert_eq!(
        decoder("deflate").decode(&with_header).unwrap().content,
        Content::Bytes(text)
    );
}

#[test]
fn codecs_are_used_one_after_another() {
    let payload = encoded("cbor,gzip,base64", br#"{"celsius":21.5}"#).unwrap();
    let decoded = decoder("base64,gzip,cbor").decode(&payload).unwrap();
    assert_eq!(decoded.codecs, [Codec::Base64, Codec::Gzip, Codec::Cbor]);
    assert_eq!(decoded.content.to_text(false), r#"{"celsius":21.5}"#);
    assert_eq!(decoded.content.to_text(true), "{\n  \"celsius\": 21.5\n}");
    let error = decoder("base64,gzip").decode(b"aGk=").unwrap_err();
    assert_eq!(error.codec, Codec::Gzip);
    let error = encoded("cbor", b"{\"a\":}").unwrap_err();
    assert_eq!(error.to_string(), "JSON: byte 5: no value begins so");
}

#[test]
fn lists_of_names_are_checked() {
    assert_eq!(
        Codec::parse_list("gzip, CBOR").unwrap(),
        [Codec::Gzip, Codec::Cbor]
    );
    for codec in Codec::ALL.into_iter().filter(|codec| codec.is_in_build()) {
        assert_eq!(codec.name().parse(), Ok(codec));
    }
    assert_eq!(
        Codec::parse_list("gzip,,hex").unwrap_err(),
        ParseCodecError::Unknown(String::new())
    );
    assert_eq!(
        Codec::parse_list(&["hex"; 9].join(",")).unwrap_err(),
        ParseCodecError::TooMany
    );
    let auto = Encoder::new(vec![Codec::Auto], Schemas::default());
    assert_eq!(auto.unwrap_err(), ParseCodecError::AutoEncode);
    let lacking = Decoder::new(vec![Codec::Protobuf], Schemas::default()).unwrap_err();
    assert!(matches!(
        lacking,
        ParseCodecError::NotInBuild(Codec::Protobuf) | ParseCodecError::NoSchema(Codec::Protobuf)
    ));
}
