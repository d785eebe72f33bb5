//! Subscriptions as the router holds them, and what overlapping ones add up to.

use super::session_cell::SessionCell;
use super::share_group::Group;
use mqtt_codec::{QoS, SubscriptionIdentifier, SubscriptionOptions};
use std::sync::{Arc, Weak};

/// One subscription of a session.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Subscription {
    pub(crate) topic_filter: Box<str>,
    pub(crate) options: SubscriptionOptions,
    pub(crate) subscription_id: Option<SubscriptionIdentifier>,
}

/// The subscriber's side of a Topic Filter in the tree.
#[derive(Clone, Debug)]
pub(crate) struct Subscriber {
    pub(crate) cell: Arc<SessionCell>,
    pub(crate) options: SubscriptionOptions,
    pub(crate) subscription_id: Option<SubscriptionIdentifier>,
}

/// By which subscriptions a message comes to a client: their Subscription Identifiers, and the group if it is a
/// Shared Subscription. Mostly nothing, and then it costs nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Via(Option<Arc<Origin>>);

#[derive(Clone, Debug)]
struct Origin {
    subscription_ids: Box<[SubscriptionIdentifier]>,
    /// Not kept alive by its own members; with the whole Topic Filter.
    group: Option<(Weak<Group>, Arc<str>)>,
}

impl Via {
    /// By one subscription of the client alone.
    pub(crate) fn one(id: Option<SubscriptionIdentifier>) -> Self {
        match id {
            None => Self(None),
            Some(id) => Self::ids([id]),
        }
    }

    /// Whether there is nothing to tell.
    pub(crate) const fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// Whether the other says the same.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (None, None) => true,
            (Some(one), Some(other)) => Arc::ptr_eq(one, other) || one.is_same(other),
            _ => false,
        }
    }

    /// By membership in a group.
    pub(crate) fn group(group: &Arc<Group>, id: Option<SubscriptionIdentifier>) -> Self {
        Self(Some(Arc::new(Origin {
            subscription_ids: id.into_iter().collect(),
            group: Some((Arc::downgrade(group), Arc::clone(&group.topic_filter))),
        })))
    }

    /// The Subscription Identifiers to be sent along.
    pub(crate) fn subscription_ids(&self) -> &[SubscriptionIdentifier] {
        self.0
            .as_ref()
            .map_or(&[], |origin| &*origin.subscription_ids)
    }

    /// The whole Topic Filter of the Shared Subscription, if it is one.
    pub(crate) fn shared_filter(&self) -> Option<&str> {
        let (_, topic_filter) = self.0.as_ref()?.group.as_ref()?;
        Some(topic_filter)
    }

    /// Whether it is a Shared Subscription.
    pub(crate) fn is_shared(&self) -> bool {
        self.0.as_ref().is_some_and(|origin| origin.group.is_some())
    }

    /// The group, as long as it has members.
    pub(crate) fn to_group(&self) -> Option<Arc<Group>> {
        self.0.as_ref()?.group.as_ref()?.0.upgrade()
    }

    /// By membership in the group, where there still is one, with all Subscription Identifiers.
    pub(crate) fn restored(
        group: Option<&Arc<Group>>,
        ids: impl IntoIterator<Item = SubscriptionIdentifier>,
    ) -> Self {
        let subscription_ids: Box<[_]> = ids.into_iter().collect();
        if subscription_ids.is_empty() && group.is_none() {
            return Self(None);
        }
        let group = group.map(|group| (Arc::downgrade(group), Arc::clone(&group.topic_filter)));
        Self(Some(Arc::new(Origin {
            subscription_ids,
            group,
        })))
    }

    fn ids(ids: impl IntoIterator<Item = SubscriptionIdentifier>) -> Self {
        Self(Some(Arc::new(Origin {
            subscription_ids: ids.into_iter().collect(),
            group: None,
        })))
    }

    /// With the first `len` Subscription Identifiers only.
    fn first(&self, len: usize) -> Self {
        match self.subscription_ids().get(..len) {
            Some([]) => Self(None),
            Some(first) if len < self.subscription_ids().len() => Self::ids(first.iter().copied()),
            _ => self.clone(),
        }
    }

    fn insert(&mut self, at: usize, id: SubscriptionIdentifier) {
        let mut ids = self.subscription_ids().to_vec();
        ids.insert(at.min(ids.len()), id);
        *self = Self::ids(ids);
    }
}

impl Origin {
    fn is_same(&self, other: &Self) -> bool {
        let is_same_group = match (&self.group, &other.group) {
            (None, None) => true,
            (Some((one, _)), Some((other, _))) => Weak::ptr_eq(one, other),
            _ => false,
        };
        is_same_group && self.subscription_ids == other.subscription_ids
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
    pub(crate) via: Via,
    /// How many Subscription Identifiers are of subscriptions without No Local.
    ids_local: u16,
}

/// Who gets one message, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share<'a> {
    pub(crate) cell: &'a Arc<SessionCell>,
    /// The highest QoS wanted.
    pub(crate) qos: QoS,
    pub(crate) retain_as_published: bool,
    pub(crate) via: &'a Via,
}

/// What a subscriber gets of its own messages.
#[derive(Debug)]
pub(crate) struct Local {
    qos: QoS,
    retain_as_published: bool,
    via: Via,
}

impl Local {
    pub(crate) fn share<'a>(&'a self, cell: &'a Arc<SessionCell>) -> Share<'a> {
        Share {
            cell,
            qos: self.qos,
            retain_as_published: self.retain_as_published,
            via: &self.via,
        }
    }
}

impl Route {
    pub(crate) fn of(subscriber: &Subscriber) -> Self {
        let options = subscriber.options;
        let via = Via::one(subscriber.subscription_id);
        Self {
            cell: Arc::clone(&subscriber.cell),
            qos: options.qos,
            qos_local: (!options.no_local).then_some(options.qos),
            retain_as_published: options.retain_as_published,
            retain_as_published_local: options.retain_as_published && !options.no_local,
            ids_local: u16::from(!options.no_local && subscriber.subscription_id.is_some()),
            via,
        }
    }

    pub(crate) fn merge(&mut self, subscriber: &Subscriber) {
        let options = subscriber.options;
        self.qos = self.qos.max(options.qos);
        self.retain_as_published |= options.retain_as_published;
        if options.no_local {
            if let Some(id) = subscriber.subscription_id {
                self.via.insert(usize::MAX, id);
            }
            return;
        }
        let qos_local = self.qos_local.unwrap_or(QoS::AtMostOnce);
        self.qos_local = Some(qos_local.max(options.qos));
        self.retain_as_published_local |= options.retain_as_published;
        if let Some(id) = subscriber.subscription_id {
            self.via.insert(0, id);
            self.ids_local = self.ids_local.saturating_add(1);
        }
    }

    /// What the subscriber gets of others' messages.
    pub(crate) fn share(&self) -> Share<'_> {
        Share {
            cell: &self.cell,
            qos: self.qos,
            retain_as_published: self.retain_as_published,
            via: &self.via,
        }
    }

    /// What the subscriber gets of its own messages; v5 [MQTT-3.8.3-3].
    pub(crate) fn local(&self) -> Option<Local> {
        Some(Local {
            qos: self.qos_local?,
            retain_as_published: self.retain_as_published_local,
            via: self.via.first(usize::from(self.ids_local)),
        })
    }
}
