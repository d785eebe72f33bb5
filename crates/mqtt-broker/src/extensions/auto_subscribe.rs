//! Subscriptions that clients get when they connect, without asking.

use super::placeholders::{fill, of_client};
use crate::access::ClientInfo;
use crate::config::AutoSubscription;
use mqtt_codec::{QoS, RetainHandling, SubscriptionOptions, TopicFilter};

/// What the configuration says.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct AutoSubscriptions(Vec<(Box<str>, SubscriptionOptions)>);

impl AutoSubscriptions {
    pub(crate) fn new(config: &[AutoSubscription]) -> Self {
        let topics = config.iter().map(|auto| {
            let options = &auto.options;
            let options = SubscriptionOptions {
                qos: QoS::from_u8(options.qos).unwrap_or(QoS::AtMostOnce),
                no_local: options.nl != 0,
                retain_as_published: options.rap != 0,
                retain_handling: match options.rh {
                    0 => RetainHandling::SendAtSubscribe,
                    1 => RetainHandling::SendIfNew,
                    _ => RetainHandling::DoNotSend,
                },
            };
            (auto.topic.as_str().into(), options)
        });
        Self(topics.collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What `client` is subscribed to; a topic that its names would make another one is left out.
    pub(crate) fn of(&self, client: &ClientInfo) -> Vec<(String, SubscriptionOptions)> {
        let topics = self.0.iter().filter_map(|(template, options)| {
            let filled = fill(template, |name| of_client(client, name)).ok();
            let filled = filled.filter(|filled| TopicFilter::try_new(filled).is_ok());
            if filled.is_none() {
                tracing::info!(client_id = %client.client_id, topic = %template, "not subscribed automatically");
            }
            Some((filled?, *options))
        });
        topics.collect()
    }
}
