//! How a message is printed.

use std::{
    borrow::Cow,
    fmt::{self, Display, Formatter},
    io::{self, Write},
};

use mqtt_client::{Message, MessageProperties};
use mqtt_codec::PayloadFormat;
use mqtt_format::{Format, NotPrintable, Zoned};
use mqtt_payload::{Content, Decoder, PayloadError};

/// What is printed of a message.
#[derive(Clone, Debug)]
pub(crate) struct Print {
    pub(crate) form: Form,
    /// What payloads go through.
    pub(crate) decoder: Option<Decoder>,
    /// Whether decoded values go over several lines.
    pub(crate) pretty: bool,
    /// What follows each message.
    pub(crate) end: Vec<u8>,
}

/// The parts of a message that are printed.
#[derive(Clone, Debug)]
pub(crate) enum Form {
    /// Only the payload.
    Payload,
    /// The topic and a space before the payload.
    Topic,
    /// The same, and a line for each other part.
    Everything,
    /// What a format says.
    Format(Format),
}

/// What could not be printed of a message.
#[derive(Debug)]
pub(crate) enum Unprinted {
    /// A part of the format.
    Part(NotPrintable),
    /// The payload was not what `--decode` says; it is printed as it came.
    Payload(PayloadError),
}

impl Display for Unprinted {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Part(error) => write!(f, "{error}"),
            Self::Payload(error) => write!(f, "cannot decode: {error}"),
        }
    }
}

impl Print {
    /// Prints one message; does not flush. What could not be printed of it is returned.
    pub(crate) fn print(
        &self,
        out: &mut impl Write,
        message: &Message,
    ) -> io::Result<Option<Unprinted>> {
        let (payload, failed) = self.decoded(message);
        let written = self.write(out, message, &payload)?;
        Ok(failed.or(written))
    }

    /// The payload to print, which is that of the message where there is nothing to decode.
    fn decoded<'a>(&self, message: &'a Message) -> (Cow<'a, [u8]>, Option<Unprinted>) {
        let payload = message.payload();
        let Some(decoder) = &self.decoder else {
            return (payload[..].into(), None);
        };
        match decoder.decode(payload) {
            Err(error) => (payload[..].into(), Some(Unprinted::Payload(error))),
            Ok(decoded) => (shown(decoder, decoded.content, self.pretty).into(), None),
        }
    }

    fn write(
        &self,
        out: &mut impl Write,
        message: &Message,
        payload: &[u8],
    ) -> io::Result<Option<Unprinted>> {
        let mut failed = None;
        match &self.form {
            // As mosquitto has it, a payload that is not there is no line.
            Form::Payload if payload.is_empty() => return Ok(None),
            Form::Payload => out.write_all(payload)?,
            // And it is only named where there are lines.
            Form::Topic if payload.is_empty() && self.end.is_empty() => return Ok(None),
            Form::Topic => topic_and_payload(out, message, payload)?,
            Form::Everything => {
                topic_and_payload(out, message, payload)?;
                for (name, value) in details(message) {
                    write!(out, "\n  {name}: {value}")?;
                }
            }
            Form::Format(format) => {
                let mut text = Vec::new();
                failed = format
                    .write(&borrowed(message, payload), &Zoned::now(), &mut text)
                    .err();
                out.write_all(&text)?;
            }
        }
        out.write_all(&self.end)?;
        Ok(failed.map(Unprinted::Part))
    }
}

/// What is printed of what a payload holds.
pub(crate) fn shown(decoder: &Decoder, content: Content, pretty: bool) -> Vec<u8> {
    match content {
        // Nobody has asked for bytes that are no text as they are.
        Content::Bytes(bytes) if !decoder.is_auto() => bytes,
        content => content.to_text(pretty).into_owned().into_bytes(),
    }
}

fn topic_and_payload(out: &mut impl Write, message: &Message, payload: &[u8]) -> io::Result<()> {
    write!(out, "{} ", message.topic_name())?;
    // Scripts know mosquitto's word for a payload that is not there.
    out.write_all(match payload.is_empty() {
        true => b"(null)",
        false => payload,
    })
}

/// Everything but topic and payload, by its name.
fn details(message: &Message) -> Vec<(&'static str, String)> {
    let MessageProperties {
        payload_format,
        message_expiry_s,
        content_type,
        response_topic,
        correlation_data,
        user_properties,
        subscription_identifiers,
        ..
    } = message.properties();
    let mut details = vec![("qos", message.qos().get().to_string())];
    if message.retain() {
        details.push(("retain", "1".to_owned()));
    }
    if message.dup() {
        details.push(("dup", "1".to_owned()));
    }
    let mut add = |name, value: Option<String>| details.extend(value.map(|value| (name, value)));
    add(
        "payload-format-indicator",
        payload_format.map(|format| indicator(format).to_string()),
    );
    add(
        "message-expiry-interval",
        message_expiry_s.map(|seconds| seconds.to_string()),
    );
    add("content-type", content_type.clone());
    add("response-topic", response_topic.clone());
    let correlation_data = correlation_data.as_ref();
    add(
        "correlation-data",
        correlation_data.map(|bytes| Content::Bytes(bytes.to_vec()).to_text(false).into_owned()),
    );
    for identifier in subscription_identifiers {
        add("subscription-identifier", Some(identifier.to_string()));
    }
    for (name, value) in user_properties {
        add("user-property", Some(format!("{name}: {value}")));
    }
    details
}

fn indicator(format: PayloadFormat) -> u8 {
    u8::from(format == PayloadFormat::Utf8)
}

fn borrowed<'a>(message: &'a Message, payload: &'a [u8]) -> mqtt_format::Message<'a> {
    let properties = message.properties();
    mqtt_format::Message {
        topic_name: message.topic_name(),
        payload,
        qos: message.qos().get(),
        retain: message.retain(),
        packet_id: message.packet_id(),
        topic_alias: message.topic_alias(),
        payload_format: properties.payload_format.map(indicator),
        message_expiry_s: properties.message_expiry_s,
        content_type: properties.content_type.as_deref(),
        response_topic: properties.response_topic.as_deref(),
        correlation_data: properties.correlation_data.as_deref(),
        subscription_identifiers: &properties.subscription_identifiers,
        user_properties: &properties.user_properties,
    }
}
