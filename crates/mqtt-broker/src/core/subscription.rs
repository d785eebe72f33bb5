//! Subscriptions as the router holds them, and what overlapping ones add up to.

use super::session_cell::SessionCell;
use mqtt_codec::{QoS, SubscriptionIdentifier, SubscriptionOptions};
use std::sync::Arc;

/// One subscription of a session.
#[derive(Clone, Debug)]
pub(crate) struct Subscription {
    pub(crate) topic_filter: Box<str>,
}

/// The subscriber's side of a Topic Filter in the tree.
#[derive(Clone, Debug)]
pub(crate) struct Subscriber {
    pub(crate) cell: Arc<SessionCell>,
    pub(crate) options: SubscriptionOptions,
    pub(crate) subscription_id: Option<SubscriptionIdentifier>,
}

/// The Subscription Identifiers of all matching subscriptions of one client; mostly none.
#[derive(Clone, Debug, Default)]
pub(crate) struct SubscriptionIds(Option<Arc<[SubscriptionIdentifier]>>);

impl SubscriptionIds {
    pub(crate) fn as_slice(&self) -> &[SubscriptionIdentifier] {
        self.0.as_deref().unwrap_or_default()
    }

    pub(crate) fn one(id: Option<SubscriptionIdentifier>) -> Self {
        Self(id.map(|id| Arc::from([id])))
    }

    fn add(&mut self, id: SubscriptionIdentifier) {
        let ids: Vec<_> = self.as_slice().iter().copied().chain([id]).collect();
        self.0 = Some(ids.into());
    }
}

/// What one subscriber gets of one topic, all its matching subscriptions taken together.
///
/// Spec: v5 [MQTT-3.3.4-2] ff., v3.1.1 [MQTT-3.3.5-1].
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) cell: Arc<SessionCell>,
    /// The highest QoS of all.
    pub(crate) qos: QoS,
    /// The highest QoS of those that also want what the client itself publishes (No Local 0).
    pub(crate) qos_local: Option<QoS>,
    pub(crate) retain_as_published: bool,
    pub(crate) subscription_ids: SubscriptionIds,
}

impl Route {
    pub(crate) fn of(subscriber: &Subscriber) -> Self {
        let options = subscriber.options;
        Self {
            cell: Arc::clone(&subscriber.cell),
            qos: options.qos,
            qos_local: (!options.no_local).then_some(options.qos),
            retain_as_published: options.retain_as_published,
            subscription_ids: SubscriptionIds::one(subscriber.subscription_id),
        }
    }

    pub(crate) fn merge(&mut self, subscriber: &Subscriber) {
        let options = subscriber.options;
        self.qos = self.qos.max(options.qos);
        if !options.no_local {
            self.qos_local = Some(
                self.qos_local
                    .map_or(options.qos, |qos| qos.max(options.qos)),
            );
        }
        self.retain_as_published |= options.retain_as_published;
        if let Some(id) = subscriber.subscription_id {
            self.subscription_ids.add(id);
        }
    }
}
