//! A payload as lines.

use mqtt_payload::{Codec, Content, Decoder, Limits, Schemas};

/// How a payload is shown.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Form {
    /// By what it looks like.
    #[default]
    Auto,
    /// As text, whatever it is.
    Text,
    /// Byte by byte.
    Hex,
    /// By this codec.
    By(Codec),
}

/// Every form, in the order in which they are gone through.
const FORMS: [Form; 9] = [
    Form::Auto,
    Form::Text,
    Form::Hex,
    Form::By(Codec::Json),
    Form::By(Codec::Cbor),
    Form::By(Codec::MessagePack),
    Form::By(Codec::Base64),
    Form::By(Codec::Gzip),
    Form::By(Codec::Zlib),
];

/// What a payload may become: several of them are decoded for each picture.
pub(crate) const LIMITS: Limits = Limits {
    output_len_max: 1 << 20,
    depth_max: 64,
    values_max: 100_000,
};

/// Bytes in a line of [`Form::Hex`].
const HEX_LINE: usize = 16;

/// A payload to be seen.
#[derive(Debug, Default)]
pub(crate) struct View {
    /// What it was taken for.
    pub(crate) label: String,
    /// Its lines.
    pub(crate) lines: Vec<String>,
    /// Why it is not shown as was asked.
    pub(crate) error: Option<String>,
}

impl Form {
    /// The next one, and after the last the first.
    pub(crate) fn next(self) -> Self {
        let at = FORMS
            .iter()
            .position(|form| *form == self)
            .unwrap_or_default();
        FORMS.get(at + 1).copied().unwrap_or_default()
    }
}

/// The payload in this form; as it looks by itself when it has another.
pub(crate) fn view(payload: &[u8], form: Form, decoder: &Decoder) -> View {
    match form {
        Form::Auto if decoder.is_auto() => auto(payload, decoder),
        Form::Auto => by(payload, decoder),
        Form::Text => View {
            label: "text".to_owned(),
            lines: text_lines(&String::from_utf8_lossy(payload)),
            error: None,
        },
        Form::Hex => View {
            label: "hex".to_owned(),
            lines: dump(payload),
            error: None,
        },
        Form::By(codec) => match Decoder::new(vec![codec], Schemas::default()) {
            Ok(decoder) => by(payload, &decoder.limits(LIMITS)),
            Err(error) => View {
                error: Some(error.to_string()),
                ..auto(payload, decoder)
            },
        },
    }
}

/// As `decoder` has it, which knows what it looks for.
fn by(payload: &[u8], decoder: &Decoder) -> View {
    match decoder.decode(payload) {
        Ok(decoded) => {
            let names = decoded.codecs.iter().map(Codec::to_string);
            View {
                label: names.collect::<Vec<_>>().join(", "),
                lines: content_lines(&decoded.content),
                error: None,
            }
        }
        Err(error) => View {
            error: Some(error.to_string()),
            ..auto(payload, &Decoder::auto().limits(LIMITS))
        },
    }
}

fn auto(payload: &[u8], decoder: &Decoder) -> View {
    if payload.is_empty() {
        return View {
            label: "empty".to_owned(),
            ..View::default()
        };
    }
    match decoder.decode(payload) {
        Ok(decoded) => {
            let mut names: Vec<_> = decoded.codecs.iter().map(Codec::to_string).collect();
            match &decoded.content {
                Content::Bytes(bytes) if std::str::from_utf8(bytes).is_err() => {
                    names.push("bytes".to_owned());
                }
                Content::Value(_) => {}
                _ => names.push("text".to_owned()),
            }
            View {
                label: names.join(", "),
                lines: content_lines(&decoded.content),
                error: None,
            }
        }
        Err(error) => View {
            label: "bytes".to_owned(),
            lines: dump(payload),
            error: Some(error.to_string()),
        },
    }
}

fn content_lines(content: &Content) -> Vec<String> {
    match content {
        Content::Bytes(bytes) if std::str::from_utf8(bytes).is_err() => dump(bytes),
        content => text_lines(&content.to_text(true)),
    }
}

/// Lines without anything that moves the cursor.
fn text_lines(text: &str) -> Vec<String> {
    text.lines().map(printable).collect()
}

/// `text` with a dot for what a terminal would take as a command.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '\t' => shown.push_str("    "),
            char if char.is_control() => shown.push('·'),
            char => shown.push(char),
        }
    }
    shown
}

/// Place, bytes and what they are as text.
fn dump(bytes: &[u8]) -> Vec<String> {
    let lines = bytes.chunks(HEX_LINE).enumerate().map(|(at, line)| {
        let hex: Vec<_> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        let text: String = line
            .iter()
            .map(|byte| match byte {
                0x20..0x7f => char::from(*byte),
                _ => '.',
            })
            .collect();
        let width = HEX_LINE * 3 - 1;
        format!("{:06x}  {:width$}  {text}", at * HEX_LINE, hex.join(" "))
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_laid_out() {
        let view = view(br#"{"t":21.50}"#, Form::Auto, &Decoder::auto());
        assert_eq!(view.label, "JSON");
        assert_eq!(view.lines, ["{", "  \"t\": 21.50", "}"]);
    }

    #[test]
    fn bytes_are_dumped() {
        let view = view(&[0xff, 0x00, b'a'], Form::Hex, &Decoder::auto());
        assert_eq!(view.lines.len(), 1);
        let line = view.lines.first().expect("there is one");
        assert!(line.starts_with("000000  ff 00 61"), "{line}");
        assert!(line.ends_with("  ..a"), "{line}");
    }

    #[test]
    fn text_moves_no_cursor() {
        let view = view(b"a\x1b[2J\tb\nc", Form::Text, &Decoder::auto());
        assert_eq!(view.lines, ["a·[2J    b", "c"]);
    }

    #[test]
    fn what_is_not_as_asked_is_told_and_shown_anyway() {
        let view = view(b"plain", Form::By(Codec::Json), &Decoder::auto());
        assert!(view.error.is_some_and(|error| error.contains("JSON")));
        assert_eq!(view.lines, ["plain"]);
    }

    #[test]
    fn a_decoder_is_gone_by_before_what_a_payload_looks_like() {
        let decoder = Decoder::new(vec![Codec::Hex, Codec::Auto], Schemas::default()).unwrap();
        assert_eq!(view(b"68 69", Form::Auto, &decoder).lines, ["hi"]);
        assert_eq!(view(b"68 69", Form::Text, &decoder).lines, ["68 69"]);
        let cbor = Decoder::new(vec![Codec::Cbor], Schemas::default()).unwrap();
        assert_eq!(view(b"\x18\x2A", Form::Auto, &cbor).lines, ["42"]);
        let other = view(b"plain", Form::Auto, &cbor);
        assert_eq!(other.lines, ["plain"]);
        assert!(other.error.is_some_and(|error| error.contains("CBOR")));
    }

    #[test]
    fn a_few_bytes_become_no_flood() {
        let gzip = mqtt_payload::Encoder::new(vec![Codec::Gzip], Schemas::default()).unwrap();
        let payload = gzip.encode(&vec![b'a'; 4 << 20]).unwrap();
        let auto = Decoder::auto().limits(LIMITS);
        for form in [Form::Auto, Form::By(Codec::Gzip)] {
            let view = view(&payload, form, &auto);
            let len: usize = view.lines.iter().map(String::len).sum();
            assert!(len < 10 * payload.len(), "{len}");
        }
    }

    #[test]
    fn forms_go_round() {
        let mut form = Form::Auto;
        for _ in 0..FORMS.len() {
            form = form.next();
        }
        assert_eq!(form, Form::Auto);
    }
}
