//! Decodes a payload by what it looks like.

use mqtt_payload::{Codec, Decoder};

fn main() {
    let decoded = Decoder::auto()
        .decode(b"\xA1\x61a\x01")
        .expect("nothing is refused that is only looked at");
    assert_eq!(decoded.codecs, [Codec::Cbor]);
    assert_eq!(decoded.content.to_text(false), r#"{"a":1}"#);
}
