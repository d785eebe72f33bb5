//! What a server offers, as told by its CONNACK.

use super::SendRefusal;
use mqtt_codec::{ConnAck, ProtocolVersion, QoS, SubscriptionOptions, TopicFilter};

/// What the server offers; before v5 everything but Subscription Identifiers, which do not exist.
///
/// Spec: v5 §3.2.2.3.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ServerGrants {
    /// The highest QoS of messages to the server.
    pub maximum_qos: QoS,
    /// Whether RETAIN may be set.
    pub retain: bool,
    /// Whether Topic Filters may have wildcards.
    pub wildcards: bool,
    /// Whether SUBSCRIBE may carry a Subscription Identifier.
    pub subscription_identifiers: bool,
    /// Whether there are Shared Subscriptions.
    pub shared_subscriptions: bool,
}

impl ServerGrants {
    pub(super) fn of(connack: &ConnAck<'_>, version: ProtocolVersion) -> Self {
        let granted = &connack.properties;
        Self {
            maximum_qos: granted.maximum_qos().unwrap_or(QoS::ExactlyOnce),
            retain: granted.retain_available().unwrap_or(true),
            wildcards: granted.wildcard_subscription_available().unwrap_or(true),
            subscription_identifiers: granted
                .subscription_identifiers_available()
                .unwrap_or(version.has_properties()),
            shared_subscriptions: granted.shared_subscription_available().unwrap_or(true),
        }
    }

    pub(super) fn check_publish(self, qos: QoS, retain: bool) -> Result<(), SendRefusal> {
        if qos > self.maximum_qos {
            return Err(SendRefusal::QoSNotSupported {
                maximum: self.maximum_qos,
            });
        }
        if retain && !self.retain {
            return Err(SendRefusal::RetainNotSupported);
        }
        Ok(())
    }

    pub(super) fn check_filters(
        self,
        filters: &[(TopicFilter<'_>, SubscriptionOptions)],
    ) -> Result<(), SendRefusal> {
        for (topic_filter, _) in filters {
            if !self.wildcards && topic_filter.has_wildcard() {
                return Err(SendRefusal::WildcardsNotSupported);
            }
            if !self.shared_subscriptions && topic_filter.shared().is_some() {
                return Err(SendRefusal::SharedSubscriptionsNotSupported);
            }
        }
        Ok(())
    }
}
