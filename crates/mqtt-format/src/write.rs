//! Writing a message.

use std::fmt::Write;

use jiff::Zoned;

use crate::field::{Conversion, Field};
use crate::parse::{Format, Part};
use crate::{json, time};

/// A message to be printed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Message<'a> {
    /// Where it was published.
    pub topic_name: &'a str,
    /// What was published.
    pub payload: &'a [u8],
    /// 0 to 2.
    pub qos: u8,
    /// Whether it was retained.
    pub retain: bool,
    /// Its Packet Identifier; `None` at QoS 0, or where it is not known.
    pub packet_id: Option<u16>,
    /// Its Topic Alias. Spec: v5 §3.3.2.3.4.
    pub topic_alias: Option<u16>,
    /// Its Payload Format Indicator. Spec: v5 §3.3.2.3.2.
    pub payload_format: Option<u8>,
    /// Its Message Expiry Interval. Unit: seconds. Spec: v5 §3.3.2.3.3.
    pub message_expiry_s: Option<u32>,
    /// Its Content Type. Spec: v5 §3.3.2.3.9.
    pub content_type: Option<&'a str>,
    /// Its Response Topic. Spec: v5 §3.3.2.3.5.
    pub response_topic: Option<&'a str>,
    /// Its Correlation Data. Spec: v5 §3.3.2.3.6.
    pub correlation_data: Option<&'a [u8]>,
    /// Its Subscription Identifiers. Spec: v5 §3.3.2.3.8.
    pub subscription_identifiers: &'a [u32],
    /// Its User Properties. Spec: v5 §3.3.2.3.7.
    pub user_properties: &'a [(String, String)],
}

/// A part of a message could not be printed; all others were.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NotPrintable {
    /// `%J` and a payload that is not JSON.
    #[error("the payload is not valid JSON")]
    NotJson,
    /// `%f` or `%d` and a payload of another length.
    #[error("the payload is not a float of {len} bytes")]
    NotFloat {
        /// The length it has to have. Unit: bytes.
        len: usize,
    },
}

impl Format {
    /// Writes a message to the end of `out`; `now` is what the time is said to be.
    ///
    /// # Errors
    /// When a part cannot be printed. The others are there all the same.
    pub fn write(
        &self,
        message: &Message<'_>,
        now: &Zoned,
        out: &mut Vec<u8>,
    ) -> Result<(), NotPrintable> {
        let mut outcome = Ok(());
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend(text.as_bytes()),
                Part::Time(letter) => out.extend(time::part(*letter, now).as_bytes()),
                Part::Field(field) => {
                    let written = field.write(message, now, self.pretty, out);
                    outcome = outcome.and(written);
                }
            }
        }
        outcome
    }
}

impl Field {
    fn write(
        self,
        message: &Message<'_>,
        now: &Zoned,
        pretty: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), NotPrintable> {
        let or_blank = |value: Option<u32>, out: &mut Vec<u8>| match value {
            Some(value) => self.number(&value.to_string(), out),
            None => self.blank(out),
        };
        match self.conversion {
            Conversion::TopicAlias => or_blank(message.topic_alias.map(u32::from), out),
            Conversion::PayloadFormat => or_blank(message.payload_format.map(u32::from), out),
            Conversion::MessageExpiry => or_blank(message.message_expiry_s, out),
            Conversion::SubscriptionIdentifier => {
                or_blank(message.subscription_identifiers.first().copied(), out);
            }
            Conversion::ContentType => match message.content_type {
                Some(content_type) => self.text(content_type.as_bytes(), out),
                None => out.resize(out.len() + self.width, b' '),
            },
            Conversion::ResponseTopic => {
                if let Some(response_topic) = message.response_topic {
                    self.text(response_topic.as_bytes(), out);
                }
            }
            Conversion::CorrelationData => out.extend(message.correlation_data.unwrap_or_default()),
            Conversion::UserProperties => {
                for (index, (name, value)) in message.user_properties.iter().enumerate() {
                    let between = if index == 0 { "" } else { " " };
                    out.extend(format!("{between}{name}:{value}").as_bytes());
                }
            }
            Conversion::IsoTime => self.text(time::iso(now).as_bytes(), out),
            Conversion::UnixTime => out.extend(time::unix(now).as_bytes()),
            Conversion::Json => out.extend(json::with_text(message, now, pretty).as_bytes()),
            Conversion::JsonPayload => match json::with_json(message, now, pretty) {
                Some(text) => out.extend(text.as_bytes()),
                None => return Err(NotPrintable::NotJson),
            },
            Conversion::Len => self.number(&message.payload.len().to_string(), out),
            Conversion::PacketId => {
                self.number(&message.packet_id.unwrap_or(0).to_string(), out);
            }
            Conversion::Qos => out.extend(message.qos.to_string().as_bytes()),
            Conversion::Retain => out.push(if message.retain { b'1' } else { b'0' }),
            Conversion::Topic => self.text(message.topic_name.as_bytes(), out),
            Conversion::Payload => self.bytes(message.payload, out),
            Conversion::Hex => self.hex(
                message.payload,
                |byte, text| write!(text, "{byte:02x}"),
                out,
            ),
            Conversion::HexUpper => {
                self.hex(
                    message.payload,
                    |byte, text| write!(text, "{byte:02X}"),
                    out,
                );
            }
            Conversion::Float => {
                let bytes = exactly::<4>(message.payload)?;
                self.float(f32::from_ne_bytes(bytes).into(), out);
            }
            Conversion::Double => {
                let bytes = exactly::<8>(message.payload)?;
                self.float(f64::from_ne_bytes(bytes), out);
            }
        }
        Ok(())
    }

    /// As many whole bytes as fit into the width.
    fn hex(
        self,
        payload: &[u8],
        write: impl Fn(u8, &mut String) -> std::fmt::Result,
        out: &mut Vec<u8>,
    ) {
        let len_max = match self.width {
            0 => payload.len(),
            width => width / 2,
        };
        let mut text = String::new();
        for byte in payload.iter().take(len_max) {
            // Writing to a string cannot fail.
            let _ = write(*byte, &mut text);
        }
        self.bytes(text.as_bytes(), out);
    }

    fn float(self, value: f64, out: &mut Vec<u8>) {
        let precision = self.precision.unwrap_or(6);
        self.number(&format!("{value:.precision$}"), out);
    }
}

fn exactly<const LEN: usize>(payload: &[u8]) -> Result<[u8; LEN], NotPrintable> {
    payload
        .try_into()
        .map_err(|_| NotPrintable::NotFloat { len: LEN })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(message: &Message<'_>, format: &str) -> String {
        let now: Zoned = "2026-11-22T16:34:57.232707123[UTC]".parse().unwrap();
        let mut out = Vec::new();
        Format::parse(format)
            .unwrap()
            .write(message, &now, &mut out)
            .unwrap();
        String::from_utf8(out).unwrap()
    }

    fn user_properties() -> [(String, String); 2] {
        [("k1", "v1"), ("k2", "v2")].map(|(name, value)| (name.to_owned(), value.to_owned()))
    }

    fn message(user_properties: &[(String, String)]) -> Message<'_> {
        Message {
            topic_name: "FW/1",
            payload: b"Off",
            qos: 1,
            retain: true,
            packet_id: Some(1),
            payload_format: Some(1),
            message_expiry_s: Some(3600),
            content_type: Some("text/plain"),
            response_topic: Some("r/t"),
            correlation_data: Some(b"corr"),
            user_properties,
            ..Message::default()
        }
    }

    /// What `mosquitto_sub` 2.0.11 printed of this message.
    #[test]
    fn fields_are_filled_and_cut_as_mosquitto_does() {
        let user_properties = user_properties();
        for (format, expected) in [
            ("|%8p|%-8p|%08p|%2p|", "|     Off|Off     |00000Off|Of|"),
            ("|%10t|%-10t|%3.2t|%.3t|", "|      FW/1|FW/1      | FW|FW/|"),
            ("|%5m|%05l|%-5l|", "|    1|00003|3    |"),
            (
                "|%2F|%-2F|%02F|%5C|%20C|%5A|%05A|%-5A|",
                "| 1|1 |01|text/plain|          text/plain|     |00000|     |",
            ),
            ("|%6E|%06E|", "|  3600|003600|"),
            (
                "|%5S|%5R|%-5R|%.1R|%D|%P|%q|%r|",
                "|     |  r/t|r/t  |r|corr|k1:v1 k2:v2|1|1|",
            ),
            (
                "@@|@Y|@c|@x|@X|@r|@E|@Q|@!",
                "@|2026|Sun Nov 22 16:34:57 2026|11/22/26|16:34:57|04:34:57 PM|%E|%Q|%!",
            ),
            (
                "%I %U @s @N @z @Z",
                "2026-11-22T16:34:57+0000 1795365297.232707123 1795365297 232707123 +0000 UTC",
            ),
            (r"a\nb\t\0\e\a\r\v\\", "a\nb\t\0\x1B\x07\r\x0B\\"),
            ("%10%|%-%|%%", "%|%|%"),
            ("%x %X %7x %-7X|", "4f6666 4F6666  4f6666 4F6666 |"),
            ("%4x|%08X", "4f66|004F6666"),
        ] {
            assert_eq!(
                printed(&message(&user_properties), format),
                expected,
                "{format}"
            );
        }
        assert_eq!(
            printed(&Message::default(), "%5C|%R|%D|%P|%3S|%m"),
            "     ||||   |0"
        );
    }

    #[test]
    fn json_is_that_of_mosquitto() {
        let user_properties = user_properties();
        let mut message = message(&user_properties);
        let start = r#"{"tst":"2026-11-22T16:34:57.232707Z+0000","topic":"FW/1","qos":1,"retain":1,"payloadlen":"#;
        let properties = r#","mid":1,"properties":{"payload-format-indicator":1,"message-expiry-interval":3600,"content-type":"text/plain","response-topic":"r/t","correlation-data":"corr","user-properties":{"k1":"v1","k2":"v2"}},"payload":"#;
        let whole = |len: usize, payload: &str| format!("{start}{len}{properties}{payload}}}");
        assert_eq!(printed(&message, "%j"), whole(3, r#""Off""#));
        message.payload = br#"{"a": [1, 2.50,  {"b" :null}], "c d": "e \" f"}"#;
        assert_eq!(
            printed(&message, "%J"),
            whole(47, r#"{"a":[1,2.50,{"b":null}],"c d":"e \" f"}"#)
        );
        message.payload = b"\x01\xC3\xA9";
        assert_eq!(printed(&message, "%j"), whole(3, "\"\\u0001é\""));
        message.payload = b"\xFF\0";
        assert_eq!(printed(&message, "%j"), whole(2, "[255,0]"));
        message.payload = b"";
        assert_eq!(printed(&message, "%j"), whole(0, "null"));
        assert_eq!(printed(&message, "%J"), whole(0, "null"));
    }

    #[test]
    fn pretty_json_has_a_line_for_each_member() {
        let message = Message {
            topic_name: "t",
            payload: br#"{"a":[1,{"b":"x,y"}],"c":{}}"#,
            ..Message::default()
        };
        let now: Zoned = "2026-11-22T16:34:57[UTC]".parse().unwrap();
        let mut out = Vec::new();
        let format = Format::parse("%J").unwrap().pretty();
        format.write(&message, &now, &mut out).unwrap();
        let expected = "{\n\t\"tst\":\t\"2026-11-22T16:34:57.000000Z+0000\",\n\t\"topic\":\t\"t\",\n\
            \t\"qos\":\t0,\n\t\"retain\":\t0,\n\t\"payloadlen\":\t28,\n\t\"payload\":\t{\n\
            \t\t\"a\":\t[1, {\n\t\t\t\t\"b\":\t\"x,y\"\n\t\t\t}],\n\t\t\"c\":\t{\n\t\t}\n\t}\n}";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn a_part_that_cannot_be_printed_is_told() {
        let now = Zoned::now();
        let mut out = Vec::new();
        let message = Message {
            topic_name: "t",
            payload: b"{",
            ..Message::default()
        };
        let mut write = |format: &str| {
            out.clear();
            let outcome = Format::parse(format)
                .unwrap()
                .write(&message, &now, &mut out);
            (outcome, String::from_utf8(out.clone()).unwrap())
        };
        assert_eq!(
            write("<%J>%t"),
            (Err(NotPrintable::NotJson), "<>t".to_owned())
        );
        assert_eq!(write("%f").0, Err(NotPrintable::NotFloat { len: 4 }));
        assert_eq!(write("%d").0, Err(NotPrintable::NotFloat { len: 8 }));
        let float = Message {
            payload: &(-1.5_f32).to_ne_bytes(),
            ..Message::default()
        };
        assert_eq!(
            printed(&float, "%f|%.1f|%08.2f|%-7.1f|"),
            "-1.500000|-1.5|-0001.50|-1.5   |"
        );
        let double = Message {
            payload: &2.25_f64.to_ne_bytes(),
            ..Message::default()
        };
        assert_eq!(printed(&double, "%d|%6.2d"), "2.250000|  2.25");
    }
}
