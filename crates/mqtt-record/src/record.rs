//! One message of a recording.

use std::time::Duration;

use mqtt_codec::{Delivery, PayloadFormat, Properties, Publish, QoS, TopicName};

/// A message, and when it came.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Record {
    /// When, counted from the start of the recording; kept to the microsecond.
    pub at: Duration,
    /// Its topic.
    pub topic_name: String,
    /// What was published.
    pub payload: Vec<u8>,
    /// The QoS with which it came.
    pub qos: QoS,
    /// Whether it was, or was to be, retained.
    pub retain: bool,
    /// Its properties; none before v5.
    pub properties: RecordProperties,
}

/// The properties of a message. Spec: v5 §3.3.2.3.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RecordProperties {
    /// Whether the payload is text.
    pub payload_format: Option<PayloadFormat>,
    /// What was left of its life when it came. Unit: seconds.
    pub message_expiry_s: Option<u32>,
    /// What the payload is.
    pub content_type: Option<String>,
    /// Where an answer was expected: a Topic Name.
    pub response_topic: Option<String>,
    /// What the answer should carry.
    pub correlation_data: Option<Vec<u8>>,
    /// Names and values of the application's, in order.
    pub user_properties: Vec<(String, String)>,
    /// Identifiers of the subscriptions it came by; they are not published again.
    pub subscription_identifiers: Vec<u32>,
}

impl Record {
    /// What a PUBLISH says, with the topic its Topic Alias stands for if it names none itself; none
    /// if there is no topic.
    #[must_use]
    pub fn of_publish(at: Duration, publish: &Publish<'_>, alias: Option<&str>) -> Option<Self> {
        let named = publish.topic_name.map(TopicName::as_str);
        let topic_name = named.filter(|name| !name.is_empty()).or(alias)?;
        Some(Self {
            at,
            topic_name: topic_name.to_owned(),
            payload: publish.payload.to_vec(),
            qos: Delivery::qos(publish.delivery),
            retain: publish.retain,
            properties: RecordProperties::of(&publish.properties),
        })
    }
}

impl RecordProperties {
    fn of(properties: &Properties<'_>) -> Self {
        Self {
            payload_format: properties.payload_format_indicator(),
            message_expiry_s: properties.message_expiry_interval_s(),
            content_type: properties.content_type().map(Into::into),
            response_topic: properties
                .response_topic()
                .map(|topic_name| topic_name.as_str().into()),
            correlation_data: properties.correlation_data().map(<[u8]>::to_vec),
            user_properties: properties
                .user_properties()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
            subscription_identifiers: properties
                .subscription_identifiers()
                .map(mqtt_codec::SubscriptionIdentifier::get)
                .collect(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
