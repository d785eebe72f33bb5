//! The properties of an Application Message, owned.

use bytes::Bytes;
use mqtt_codec::{
    PayloadFormat, Properties, Property, SubscriptionIdentifier, TopicError, TopicName,
};

/// The properties of an Application Message; a server before v5 gets and sends none.
///
/// Spec: v5 §3.3.2.3.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct MessageProperties {
    /// Whether the payload is UTF-8 text.
    pub payload_format: Option<PayloadFormat>,
    /// What is left of the message's life, in seconds.
    pub message_expiry_s: Option<u32>,
    /// What the payload is, usually a MIME type.
    pub content_type: Option<String>,
    /// Where an answer is expected: a Topic Name.
    pub response_topic: Option<String>,
    /// What the answer should carry, so that it is recognised.
    pub correlation_data: Option<Bytes>,
    /// Names and values that mean something to the application only, in order.
    pub user_properties: Vec<(String, String)>,
    /// Identifiers of the subscriptions a received message matched; not sent.
    pub subscription_identifiers: Vec<u32>,
}

impl MessageProperties {
    /// None set.
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn of(properties: &Properties<'_>) -> Self {
        Self {
            payload_format: properties.payload_format_indicator(),
            message_expiry_s: properties.message_expiry_interval_s(),
            content_type: properties.content_type().map(Into::into),
            response_topic: properties
                .response_topic()
                .map(|topic_name| topic_name.as_str().into()),
            correlation_data: properties.correlation_data().map(Bytes::copy_from_slice),
            user_properties: owned_pairs(properties),
            subscription_identifiers: properties
                .subscription_identifiers()
                .map(SubscriptionIdentifier::get)
                .collect(),
        }
    }

    /// # Errors
    /// The response topic is no Topic Name.
    pub(crate) fn check(&self) -> Result<(), TopicError> {
        match &self.response_topic {
            Some(topic_name) => TopicName::try_new(topic_name).map(|_| ()),
            None => Ok(()),
        }
    }

    /// What to send, without what was found wrong by [`MessageProperties::check`].
    pub(crate) fn to_list(&self) -> Vec<Property<'_>> {
        let mut list = Vec::new();
        list.extend(self.payload_format.map(Property::PayloadFormatIndicator));
        list.extend(self.message_expiry_s.map(Property::MessageExpiryInterval));
        list.extend(self.content_type.as_deref().map(Property::ContentType));
        let response_topic = self.response_topic.as_deref().map(TopicName::try_new);
        list.extend(
            response_topic
                .and_then(Result::ok)
                .map(Property::ResponseTopic),
        );
        list.extend(
            self.correlation_data
                .as_deref()
                .map(Property::CorrelationData),
        );
        let user_properties = self.user_properties.iter();
        list.extend(user_properties.map(|(name, value)| Property::UserProperty(name, value)));
        list
    }
}

pub(crate) fn owned_pairs(properties: &Properties<'_>) -> Vec<(String, String)> {
    properties
        .user_properties()
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
}
