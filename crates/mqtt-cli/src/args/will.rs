//! The Will Message.

use std::{ffi::OsString, time::Duration};

use mqtt_client::{PayloadFormat, QoS, Will};

use super::{
    connection::{qos, topic_name},
    message::{pair, payload_format},
    property::WillProperties,
    units,
};

/// A message that the broker publishes if this command is cut off.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Will Message")]
pub(crate) struct WillArgs {
    /// Topic of the Will Message, published by the broker if this command is cut off
    #[arg(long, value_name = "TOPIC", value_parser = topic_name)]
    pub(crate) will_topic: Option<String>,
    /// Payload of the Will Message [default: empty]
    #[arg(
        long,
        visible_alias = "will-message",
        value_name = "PAYLOAD",
        requires = "will_topic",
        allow_hyphen_values = true
    )]
    pub(crate) will_payload: Option<OsString>,
    /// QoS of the Will Message
    #[arg(long, value_name = "QOS", requires = "will_topic", value_parser = qos)]
    pub(crate) will_qos: Option<QoS>,
    /// Retain the Will Message
    #[arg(long, requires = "will_topic")]
    pub(crate) will_retain: bool,
    /// How long the broker waits with it: seconds, or as in 90s, 15m, 1h
    #[arg(long, visible_alias = "will-delay-interval", value_name = "TIME", requires = "will_topic", value_parser = units::seconds)]
    pub(crate) will_delay: Option<u32>,
    /// How long it is of use
    #[arg(long, visible_alias = "will-message-expiry-interval", value_name = "TIME", requires = "will_topic", value_parser = units::seconds)]
    pub(crate) will_message_expiry: Option<u32>,
    /// What its payload is, such as application/json
    #[arg(long, value_name = "TYPE", requires = "will_topic")]
    pub(crate) will_content_type: Option<String>,
    /// Where an answer to it is to be published
    #[arg(long, value_name = "TOPIC", requires = "will_topic", value_parser = topic_name)]
    pub(crate) will_response_topic: Option<String>,
    /// Ties an answer to it
    #[arg(long, value_name = "DATA", requires = "will_topic")]
    pub(crate) will_correlation_data: Option<String>,
    /// Whether its payload is text or bytes
    #[arg(long, visible_alias = "will-payload-format-indicator", value_name = "FORMAT", requires = "will_topic", value_parser = payload_format)]
    pub(crate) will_payload_format: Option<PayloadFormat>,
    /// A user property of it; may be repeated
    #[arg(long, visible_alias = "will-user-properties", value_name = "NAME=VALUE", requires = "will_topic", value_parser = pair)]
    pub(crate) will_user_property: Vec<(String, String)>,
}

impl WillArgs {
    /// The Will, with the properties of `-D will` besides those here; none without a topic.
    pub(crate) fn will(&self, others: WillProperties) -> Option<Will> {
        let payload = self.will_payload.clone().unwrap_or_default();
        let will = Will::new(self.will_topic.as_ref()?, payload.into_encoded_bytes());
        let mut properties = others.properties;
        properties.content_type = self.will_content_type.clone().or(properties.content_type);
        let response_topic = self.will_response_topic.clone();
        properties.response_topic = response_topic.or(properties.response_topic);
        let data = self.will_correlation_data.clone();
        let data = data.map(|data| data.into_bytes().into());
        properties.correlation_data = data.or(properties.correlation_data);
        let expiry_s = self.will_message_expiry;
        properties.message_expiry_s = expiry_s.or(properties.message_expiry_s);
        properties.payload_format = self.will_payload_format.or(properties.payload_format);
        let pairs = &self.will_user_property;
        properties.user_properties.extend_from_slice(pairs);
        let delay_s = self.will_delay.or(others.delay_s).unwrap_or(0);
        let will = will
            .qos(self.will_qos.unwrap_or(QoS::AtMostOnce))
            .delay(Duration::from_secs(delay_s.into()))
            .properties(properties);
        Some(match self.will_retain {
            true => will.retain(),
            false => will,
        })
    }

    /// Whether it has properties, which MQTT 5 alone has.
    pub(crate) const fn has_properties(&self) -> bool {
        self.will_delay.is_some()
            || self.will_message_expiry.is_some()
            || self.will_content_type.is_some()
            || self.will_response_topic.is_some()
            || self.will_correlation_data.is_some()
            || self.will_payload_format.is_some()
            || !self.will_user_property.is_empty()
    }
}
