//! How `mqtt sub` prints a message.

use std::io::{self, Write};

use mqtt_client::Message;
use mqtt_codec::PayloadFormat;
use mqtt_format::{Format, NotPrintable, Zoned};

/// What is printed of a message.
#[derive(Clone, Debug)]
pub(crate) struct Print {
    pub(crate) form: Form,
    /// A newline after it.
    pub(crate) newline: bool,
}

/// The parts of a message that are printed.
#[derive(Clone, Debug)]
pub(crate) enum Form {
    /// Only the payload.
    Payload,
    /// The topic and a space before the payload.
    Topic,
    /// What a format says.
    Format(Format),
}

impl Print {
    /// Prints one message; does not flush. What could not be printed of it is returned.
    pub(crate) fn print(
        &self,
        out: &mut impl Write,
        message: &Message,
    ) -> io::Result<Option<NotPrintable>> {
        let mut failed = None;
        match &self.form {
            Form::Payload => out.write_all(message.payload())?,
            Form::Topic => {
                write!(out, "{} ", message.topic_name())?;
                // Scripts know mosquitto's word for a payload that is not there.
                out.write_all(match message.payload().is_empty() {
                    true => b"(null)",
                    false => message.payload(),
                })?;
            }
            Form::Format(format) => {
                let mut text = Vec::new();
                failed = format
                    .write(&borrowed(message), &Zoned::now(), &mut text)
                    .err();
                out.write_all(&text)?;
            }
        }
        if self.newline {
            out.write_all(b"\n")?;
        }
        Ok(failed)
    }
}

fn borrowed(message: &Message) -> mqtt_format::Message<'_> {
    let properties = message.properties();
    mqtt_format::Message {
        topic_name: message.topic_name(),
        payload: message.payload(),
        qos: message.qos().get(),
        retain: message.retain(),
        payload_format: properties
            .payload_format
            .map(|format| u8::from(format == PayloadFormat::Utf8)),
        message_expiry_s: properties.message_expiry_s,
        content_type: properties.content_type.as_deref(),
        response_topic: properties.response_topic.as_deref(),
        correlation_data: properties.correlation_data.as_deref(),
        subscription_identifiers: &properties.subscription_identifiers,
        user_properties: &properties.user_properties,
        ..mqtt_format::Message::default()
    }
}
