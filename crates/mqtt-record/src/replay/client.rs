//! Between records and the client's messages.

use std::time::Duration;

use mqtt_client::{Bytes, Message, MessageProperties};

use crate::{Record, RecordProperties};

impl Record {
    /// A message that a client has received.
    #[must_use]
    pub fn of_message(at: Duration, message: &Message) -> Self {
        let properties = message.properties();
        let correlation_data = properties.correlation_data.as_ref();
        Self {
            at,
            topic_name: message.topic_name().to_owned(),
            payload: message.payload().to_vec(),
            qos: message.qos(),
            retain: message.retain(),
            properties: RecordProperties {
                payload_format: properties.payload_format,
                message_expiry_s: properties.message_expiry_s,
                content_type: properties.content_type.clone(),
                response_topic: properties.response_topic.clone(),
                correlation_data: correlation_data.map(|bytes| bytes.to_vec()),
                user_properties: properties.user_properties.clone(),
                // Those that this client has chosen itself.
                subscription_identifiers: Vec::new(),
            },
        }
    }
}

/// What is published of the properties of a record.
pub(super) fn properties(recorded: RecordProperties) -> MessageProperties {
    let mut properties = MessageProperties::new();
    properties.payload_format = recorded.payload_format;
    properties.message_expiry_s = recorded.message_expiry_s;
    properties.content_type = recorded.content_type;
    properties.response_topic = recorded.response_topic;
    properties.correlation_data = recorded.correlation_data.map(Bytes::from);
    properties.user_properties = recorded.user_properties;
    properties
}
