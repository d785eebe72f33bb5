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

    fn len(&self) -> usize {
        self.as_slice().len()
    }

    /// The first `len` of them.
    fn first(&self, len: usize) -> Self {
        match self.as_slice().get(..len) {
            Some(first) if len < self.len() => Self(Some(first.into())),
            _ => self.clone(),
        }
    }

    fn insert(&mut self, at: usize, id: SubscriptionIdentifier) {
        let mut ids = self.as_slice().to_vec();
        ids.insert(at.min(ids.len()), id);
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
    retain_as_published_local: bool,
    /// Those of subscriptions with No Local come last.
    pub(crate) subscription_ids: SubscriptionIds,
    /// How many Subscription Identifiers are of subscriptions without No Local.
    ids_local: u16,
}

/// What becomes of one message on its way to a subscriber.
pub(crate) struct Share {
    pub(crate) qos: QoS,
    pub(crate) retain_as_published: bool,
    pub(crate) subscription_ids: SubscriptionIds,
}

impl Route {
    pub(crate) fn of(subscriber: &Subscriber) -> Self {
        let options = subscriber.options;
        let subscription_ids = SubscriptionIds::one(subscriber.subscription_id);
        Self {
            cell: Arc::clone(&subscriber.cell),
            qos: options.qos,
            qos_local: (!options.no_local).then_some(options.qos),
            retain_as_published: options.retain_as_published,
            retain_as_published_local: options.retain_as_published && !options.no_local,
            ids_local: u16::from(!options.no_local && subscription_ids.len() == 1),
            subscription_ids,
        }
    }

    pub(crate) fn merge(&mut self, subscriber: &Subscriber) {
        let options = subscriber.options;
        self.qos = self.qos.max(options.qos);
        self.retain_as_published |= options.retain_as_published;
        if options.no_local {
            if let Some(id) = subscriber.subscription_id {
                self.subscription_ids.insert(usize::MAX, id);
            }
            return;
        }
        let qos_local = self.qos_local.unwrap_or(QoS::AtMostOnce);
        self.qos_local = Some(qos_local.max(options.qos));
        self.retain_as_published_local |= options.retain_as_published;
        if let Some(id) = subscriber.subscription_id {
            self.subscription_ids.insert(0, id);
            self.ids_local = self.ids_local.saturating_add(1);
        }
    }

    /// What the subscriber gets of its own messages; v5 [MQTT-3.8.3-3].
    pub(crate) fn local(&self) -> Option<Share> {
        Some(Share {
            qos: self.qos_local?,
            retain_as_published: self.retain_as_published_local,
            subscription_ids: self.subscription_ids.first(usize::from(self.ids_local)),
        })
    }
}
