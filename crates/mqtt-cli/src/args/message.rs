//! Properties of a message by name; `-D publish` has the same ones.

use mqtt_client::{MessageProperties, PayloadFormat};

use super::{connection::topic_name, units};

/// Properties of what is published, MQTT 5 only.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Properties of MQTT 5")]
pub(crate) struct MessageArgs {
    /// What the payload is, such as application/json
    #[arg(long, value_name = "TYPE")]
    pub(crate) content_type: Option<String>,
    /// Where an answer is to be published
    #[arg(long, value_name = "TOPIC", value_parser = topic_name)]
    pub(crate) response_topic: Option<String>,
    /// Ties an answer to its request
    #[arg(long, value_name = "DATA")]
    pub(crate) correlation_data: Option<String>,
    /// How long the message is of use: seconds, or as in 90s, 15m, 1h, 7d
    #[arg(long, visible_alias = "message-expiry-interval", value_name = "TIME", value_parser = units::seconds)]
    pub(crate) message_expiry: Option<u32>,
    /// Whether the payload is text or bytes
    #[arg(long, visible_alias = "payload-format-indicator", value_name = "FORMAT", value_parser = payload_format)]
    pub(crate) payload_format: Option<PayloadFormat>,
    /// A user property; may be repeated
    #[arg(long, visible_alias = "user-properties", value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) user_property: Vec<(String, String)>,
}

impl MessageArgs {
    /// Whether there are none.
    pub(crate) const fn is_empty(&self) -> bool {
        self.content_type.is_none()
            && self.response_topic.is_none()
            && self.correlation_data.is_none()
            && self.message_expiry.is_none()
            && self.payload_format.is_none()
            && self.user_property.is_empty()
    }

    /// These, and of `others` what is not among them.
    pub(crate) fn over(&self, mut others: MessageProperties) -> MessageProperties {
        let text = |own: &Option<String>, other| own.clone().or(other);
        others.content_type = text(&self.content_type, others.content_type);
        others.response_topic = text(&self.response_topic, others.response_topic);
        let correlation_data = self
            .correlation_data
            .clone()
            .map(|data| data.into_bytes().into());
        others.correlation_data = correlation_data.or(others.correlation_data);
        others.message_expiry_s = self.message_expiry.or(others.message_expiry_s);
        others.payload_format = self.payload_format.or(others.payload_format);
        others
            .user_properties
            .extend_from_slice(&self.user_property);
        others
    }
}

/// `NAME=VALUE`; mqttx has a colon there.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').or_else(|| text.split_once(':'));
    let (name, value) = pair.ok_or_else(|| "say NAME=VALUE".to_owned())?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

/// What a payload is.
pub(super) fn payload_format(text: &str) -> Result<PayloadFormat, String> {
    match text {
        "text" | "utf8" | "1" | "true" => Ok(PayloadFormat::Utf8),
        "bytes" | "0" | "false" => Ok(PayloadFormat::Bytes),
        _ => Err("say text or bytes".to_owned()),
    }
}
