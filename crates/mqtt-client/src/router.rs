//! Which subscription a message is for.

use crate::Message;
use crate::limits::{FILTER_IDS, LOOSE_IDS, RESUBSCRIBE_FILTERS, RETIRED_FILTERS};
use crate::message::Heading;
use crate::queue::{MessageQueue, Waiting};
use mqtt_codec::{SubscriptionIdentifier, SubscriptionOptions, TopicFilter, TopicName};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

/// The subscriptions of this client, found by Subscription Identifier or by Topic Filter.
///
/// A message goes by the identifiers it carries. Without identifiers, or with those of somebody else (an earlier
/// run of a session the server kept), the filters decide.
#[derive(Debug)]
pub(crate) struct Router {
    filters: BTreeMap<u32, Filter>,
    by_name: HashMap<Box<str>, u32>,
    /// Filters by Subscription Identifier.
    by_id: HashMap<u32, Vec<u32>>,
    /// INVARIANT: at most [`LOOSE_IDS`]; not in `by_id` any more, but what comes with them is still wanted.
    loose_ids: VecDeque<u32>,
    next_filter: u32,
    ids: IdRange,
    /// INVARIANT: at most [`RETIRED_FILTERS`]; not subscribed any more, messages may still be under way.
    retired: VecDeque<Box<str>>,
    /// Where the last message went; none after any change.
    last: Option<LastRoute>,
}

/// Where a message went that only one subscription wanted.
#[derive(Debug)]
struct LastRoute {
    heading: Arc<Heading>,
    queue: Arc<MessageQueue>,
}

#[derive(Debug)]
struct Filter {
    topic_filter: Box<str>,
    /// As it was asked for last.
    options: SubscriptionOptions,
    /// INVARIANT: at most [`FILTER_IDS`], the oldest first; a server uses the last it was told, and may have queued
    /// messages with those before.
    ids: VecDeque<u32>,
    queues: Vec<Arc<MessageQueue>>,
}

/// Subscription Identifiers given out: `first` up to but not including `next`.
#[derive(Clone, Copy, Debug)]
struct IdRange {
    first: u32,
    next: u32,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Routed {
    /// At least one subscription has it.
    Delivered,
    /// It was for a subscription that is no more.
    Retired,
    /// No subscription of this client ever asked for it.
    Unclaimed,
}

impl Router {
    /// `first_id` is the first Subscription Identifier to give out, at least 1.
    pub(crate) fn new(first_id: u32) -> Self {
        Self {
            filters: BTreeMap::new(),
            by_name: HashMap::new(),
            by_id: HashMap::new(),
            loose_ids: VecDeque::new(),
            next_filter: 0,
            ids: IdRange {
                first: first_id.max(1),
                next: first_id.max(1),
            },
            retired: VecDeque::new(),
            last: None,
        }
    }

    /// A Subscription Identifier not given out before; none when all are.
    pub(crate) fn allocate_id(&mut self) -> Option<SubscriptionIdentifier> {
        let id = SubscriptionIdentifier::new(self.ids.next)?;
        self.ids.next += 1;
        Some(id)
    }

    /// Identifiers begin at `first_id`, unless some were given out already.
    pub(crate) fn begin_ids(&mut self, first_id: u32) {
        if self.ids.first == self.ids.next {
            self.ids = IdRange {
                first: first_id.max(1),
                next: first_id.max(1),
            };
        }
    }

    /// Every queue there is, some more than once.
    pub(crate) fn queues(&self) -> impl Iterator<Item = &Arc<MessageQueue>> {
        self.filters.values().flat_map(|filter| &filter.queues)
    }

    /// What has to be subscribed again, in parts that one SUBSCRIBE can carry.
    pub(crate) fn filters_by_id(&self) -> Vec<Vec<Box<str>>> {
        let mut parts: Vec<(Option<u32>, Vec<Box<str>>)> = Vec::new();
        for filter in self.filters.values() {
            let id = filter.ids.back().copied();
            let has_room = |part: &&mut (Option<u32>, Vec<Box<str>>)| {
                part.0 == id && part.1.len() < RESUBSCRIBE_FILTERS
            };
            match parts.iter_mut().rev().take(2).find(has_room) {
                Some((_, topic_filters)) => topic_filters.push(filter.topic_filter.clone()),
                None => parts.push((id, vec![filter.topic_filter.clone()])),
            }
        }
        parts.into_iter().map(|(_, part)| part).collect()
    }

    /// How `topic_filter` was subscribed to last, and the identifier it goes by; none when nobody wants it any more.
    pub(crate) fn subscribed(
        &self,
        topic_filter: &str,
    ) -> Option<(SubscriptionOptions, Option<u32>)> {
        let filter = self.filters.get(self.by_name.get(topic_filter)?)?;
        Some((filter.options, filter.ids.back().copied()))
    }

    /// Messages for `topic_filter` carry `id` from now on.
    pub(crate) fn set_id(&mut self, topic_filter: &str, id: SubscriptionIdentifier) {
        self.last = None;
        if let Some(key) = self.by_name.get(topic_filter)
            && let Some(filter) = self.filters.get_mut(key)
        {
            filter.ids.push_back(id.get());
            self.by_id.entry(id.get()).or_default().push(*key);
        }
    }

    /// Sends messages for `topic_filter` to `queue` from now on.
    pub(crate) fn add(
        &mut self,
        (topic_filter, options): (&str, SubscriptionOptions),
        id: Option<SubscriptionIdentifier>,
        queue: &Arc<MessageQueue>,
    ) {
        self.last = None;
        self.retired.retain(|retired| **retired != *topic_filter);
        let key = match self.by_name.get(topic_filter) {
            Some(key) => *key,
            None => {
                let key = self.next_filter;
                self.next_filter = key.wrapping_add(1);
                self.by_name.insert(topic_filter.into(), key);
                key
            }
        };
        let filter = self.filters.entry(key).or_insert_with(|| Filter {
            topic_filter: topic_filter.into(),
            options,
            ids: VecDeque::new(),
            queues: Vec::new(),
        });
        filter.options = options;
        filter.queues.push(Arc::clone(queue));
        if let Some(id) = id {
            filter.ids.push_back(id.get());
            let oldest = filter.ids.len() > FILTER_IDS;
            let oldest = oldest.then(|| filter.ids.pop_front()).flatten();
            self.by_id.entry(id.get()).or_default().push(key);
            if let Some(oldest) = oldest {
                self.unlink(oldest, key);
                self.loosen(oldest);
            }
        }
    }

    /// Sends nothing to `queue` any more: the filters that nobody wants now, to be unsubscribed.
    pub(crate) fn remove_queue(&mut self, queue: &Arc<MessageQueue>) -> Vec<Box<str>> {
        self.last = None;
        let mut unwanted = Vec::new();
        for (key, filter) in &mut self.filters {
            let before = filter.queues.len();
            filter.queues.retain(|other| !Arc::ptr_eq(other, queue));
            if filter.queues.is_empty() && before != 0 {
                unwanted.push(*key);
            }
        }
        unwanted
            .into_iter()
            .filter_map(|key| self.remove(key))
            .collect()
    }

    /// As [`Router::remove_queue`], but the server goes on sending: what comes is unclaimed.
    pub(crate) fn detach_queue(&mut self, queue: &Arc<MessageQueue>) {
        let ids: Vec<u32> = self
            .filters
            .values()
            .filter(|filter| filter.queues.iter().all(|other| Arc::ptr_eq(other, queue)))
            .flat_map(|filter| filter.ids.iter().copied())
            .collect();
        for topic_filter in self.remove_queue(queue) {
            self.retired.retain(|retired| *retired != topic_filter);
        }
        for id in ids {
            self.loosen(id);
        }
    }

    /// The queues of `topic_filter`, which get nothing any more; closes those left without a filter.
    pub(crate) fn remove_filter(&mut self, topic_filter: &str) {
        let Some(key) = self.by_name.get(topic_filter).copied() else {
            return;
        };
        self.last = None;
        let queues = self
            .filters
            .get_mut(&key)
            .map(|filter| std::mem::take(&mut filter.queues));
        self.remove(key);
        for queue in queues.into_iter().flatten() {
            let used = self.filters.values().any(|filter| filter.has(&queue));
            if !used {
                queue.close();
            }
        }
    }

    /// Whether `message` goes where the one before it went.
    pub(crate) fn is_as_before(&self, message: &Message) -> bool {
        self.last.as_ref().is_some_and(|last| last.is_for(message))
    }

    /// Hands over `messages` that go where the one before them went.
    pub(crate) fn push_all(&self, messages: &mut Vec<Waiting>) {
        match &self.last {
            Some(last) => last.queue.push_all(messages),
            None => messages.clear(),
        }
    }

    /// Hands `waiting` to every subscription it is for.
    pub(crate) fn route(&mut self, waiting: &Waiting) -> Routed {
        let message = &waiting.message;
        let Ok(topic_name) = TopicName::try_new(message.topic_name()) else {
            return Routed::Unclaimed;
        };
        let ids = &message.properties().subscription_identifiers;
        let by_id = ids.iter().filter_map(|id| self.by_id.get(id)).flatten();
        let mut queues: Vec<&Arc<MessageQueue>> = Vec::new();
        let by_id = by_id.filter_map(|key| self.filters.get(key));
        collect(
            by_id.filter(|filter| filter.matches(topic_name)),
            &mut queues,
        );
        if queues.is_empty() {
            if !ids.is_empty() && ids.iter().all(|id| self.is_retired(*id)) {
                return Routed::Retired;
            }
            collect(
                self.filters
                    .values()
                    .filter(|filter| filter.matches(topic_name)),
                &mut queues,
            );
        }
        for queue in &queues {
            queue.push(waiting.clone());
        }
        if let [queue] = *queues {
            self.last = Some(LastRoute {
                heading: Arc::clone(message.heading()),
                queue: Arc::clone(queue),
            });
        }
        if !queues.is_empty() {
            return Routed::Delivered;
        }
        match self
            .retired
            .iter()
            .any(|filter| matches(filter, topic_name))
        {
            true => Routed::Retired,
            false => Routed::Unclaimed,
        }
    }

    /// Closes every queue: the connection has ended.
    pub(crate) fn close(&mut self) {
        for queue in self.filters.values().flat_map(|filter| &filter.queues) {
            queue.close();
        }
    }

    fn remove(&mut self, key: u32) -> Option<Box<str>> {
        self.last = None;
        let filter = self.filters.remove(&key)?;
        self.by_name.remove(&filter.topic_filter);
        for id in filter.ids {
            self.unlink(id, key);
        }
        if self.retired.len() == RETIRED_FILTERS {
            self.retired.pop_front();
        }
        self.retired.push_back(filter.topic_filter.clone());
        Some(filter.topic_filter)
    }

    /// `id` leads to the filter `key` no more.
    fn unlink(&mut self, id: u32, key: u32) {
        if let Some(keys) = self.by_id.get_mut(&id) {
            keys.retain(|other| *other != key);
            if keys.is_empty() {
                self.by_id.remove(&id);
            }
        }
    }

    /// What comes with `id` goes by the filters from now on.
    fn loosen(&mut self, id: u32) {
        self.last = None;
        if self.loose_ids.len() == LOOSE_IDS {
            self.loose_ids.pop_front();
        }
        self.loose_ids.push_back(id);
    }

    /// Whether `id` was given out by this router and nobody wants what comes with it.
    fn is_retired(&self, id: u32) -> bool {
        (self.ids.first..self.ids.next).contains(&id)
            && !self.by_id.contains_key(&id)
            && !self.loose_ids.contains(&id)
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        self.close();
    }
}

impl LastRoute {
    fn is_for(&self, message: &Message) -> bool {
        Arc::ptr_eq(&self.heading, message.heading())
    }
}

impl Filter {
    fn matches(&self, topic_name: TopicName<'_>) -> bool {
        matches(&self.topic_filter, topic_name)
    }

    fn has(&self, queue: &Arc<MessageQueue>) -> bool {
        self.queues.iter().any(|other| Arc::ptr_eq(other, queue))
    }
}

/// Whether `message` is for one of `topic_filters`.
pub(crate) fn is_for(message: &Message, topic_filters: &[Box<str>]) -> bool {
    let Ok(topic_name) = TopicName::try_new(message.topic_name()) else {
        return false;
    };
    topic_filters
        .iter()
        .any(|topic_filter| matches(topic_filter, topic_name))
}

fn matches(topic_filter: &str, topic_name: TopicName<'_>) -> bool {
    TopicFilter::try_new(topic_filter).is_ok_and(|topic_filter| topic_filter.matches(topic_name))
}

/// The queues of `filters`, each once.
fn collect<'r>(filters: impl Iterator<Item = &'r Filter>, queues: &mut Vec<&'r Arc<MessageQueue>>) {
    for queue in filters.flat_map(|filter| &filter.queues) {
        if !queues.iter().any(|other| Arc::ptr_eq(other, queue)) {
            queues.push(queue);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mqtt_codec::{Delivery, Properties, Property, PropertyList, Publish, QoS};

    const OPTIONS: SubscriptionOptions = SubscriptionOptions::new(QoS::AtLeastOnce);

    fn message(topic_name: &str, ids: &[u32]) -> Waiting {
        let ids: Vec<_> = ids
            .iter()
            .map(|id| Property::SubscriptionIdentifier(SubscriptionIdentifier::new(*id).unwrap()))
            .collect();
        let list = PropertyList::new(&ids);
        let publish = Publish {
            dup: false,
            retain: false,
            delivery: Delivery::AtMostOnce,
            topic_name: Some(TopicName::try_new(topic_name).unwrap()),
            properties: Properties::from(&list),
            payload: &[],
        };
        Waiting {
            message: Message::of(&publish),
            answer: None,
        }
    }

    fn queue() -> Arc<MessageQueue> {
        Arc::new(MessageQueue::new(100))
    }

    #[test]
    fn identifiers_tell_overlapping_subscriptions_apart() {
        let mut router = Router::new(1);
        let (wide, narrow) = (queue(), queue());
        let id = router.allocate_id();
        router.add(("a/#", OPTIONS), id, &wide);
        let id = router.allocate_id();
        router.add(("a/b", OPTIONS), id, &narrow);
        assert_eq!(router.route(&message("a/b", &[1])), Routed::Delivered);
        assert_eq!((wide.len(), narrow.len()), (1, 0));
        assert_eq!(router.route(&message("a/b", &[2])), Routed::Delivered);
        assert_eq!((wide.len(), narrow.len()), (1, 1));
        assert_eq!(router.route(&message("a/b", &[1, 2])), Routed::Delivered);
        assert_eq!((wide.len(), narrow.len()), (2, 2));
    }

    #[test]
    fn without_identifiers_the_filters_decide() {
        let mut router = Router::new(1);
        let (wide, shared) = (queue(), queue());
        router.add(("a/+", OPTIONS), None, &wide);
        router.add(("$share/g/b/#", OPTIONS), None, &shared);
        assert_eq!(router.route(&message("a/b", &[])), Routed::Delivered);
        assert_eq!(router.route(&message("b/c", &[])), Routed::Delivered);
        assert_eq!(router.route(&message("c", &[])), Routed::Unclaimed);
        assert_eq!((wide.len(), shared.len()), (1, 1));
    }

    #[test]
    fn a_strange_identifier_is_not_trusted() {
        let mut router = Router::new(1);
        let queue = queue();
        let id = router.allocate_id();
        router.add(("a", OPTIONS), id, &queue);
        assert_eq!(
            router.route(&message("b", &[1])),
            Routed::Unclaimed,
            "of an earlier run"
        );
        assert_eq!(
            router.route(&message("a", &[77])),
            Routed::Delivered,
            "claimed by its filter"
        );
    }

    #[test]
    fn a_queue_with_overlapping_filters_gets_a_message_once() {
        let mut router = Router::new(1);
        let queue = queue();
        router.add(("a/#", OPTIONS), None, &queue);
        router.add(("a/b", OPTIONS), None, &queue);
        router.route(&message("a/b", &[]));
        assert_eq!(queue.len(), 1);
    }

    #[test]
    fn the_last_holder_of_a_filter_unsubscribes_it() {
        let mut router = Router::new(1);
        let (first, second) = (queue(), queue());
        let id = router.allocate_id();
        router.add(("a", OPTIONS), id, &first);
        let id = router.allocate_id();
        router.add(("a", OPTIONS), id, &second);
        assert!(router.remove_queue(&first).is_empty());
        assert_eq!(
            router.route(&message("a", &[1])),
            Routed::Delivered,
            "the old identifier still counts"
        );
        assert_eq!(router.remove_queue(&second), ["a".into()]);
        assert_eq!(router.route(&message("a", &[2])), Routed::Retired);
        assert_eq!(router.route(&message("a", &[])), Routed::Retired);
        assert_eq!(second.len(), 1);
    }

    #[test]
    fn what_comes_for_a_detached_subscription_is_unclaimed() {
        let mut router = Router::new(1);
        let queue = queue();
        let id = router.allocate_id();
        router.add(("a", OPTIONS), id, &queue);
        router.detach_queue(&queue);
        assert_eq!(router.route(&message("a", &[1])), Routed::Unclaimed);
        assert_eq!(router.route(&message("a", &[])), Routed::Unclaimed);
    }

    /// Subscribing again and again to a filter another subscription has kept every identifier, and so did refusals.
    #[test]
    fn regress_identifiers_of_earlier_subscriptions_are_bounded() {
        let mut router = Router::new(1);
        let kept = queue();
        let id = router.allocate_id();
        router.add(("a", OPTIONS), id, &kept);
        for _ in 0..2 * LOOSE_IDS {
            let passing = queue();
            for topic_filter in ["a", "refused"] {
                let id = router.allocate_id();
                router.add((topic_filter, OPTIONS), id, &passing);
            }
            router.detach_queue(&passing);
        }
        assert_eq!(router.by_id.len(), FILTER_IDS);
        assert_eq!(router.loose_ids.len(), LOOSE_IDS);
        let newest = router.filters.values().flat_map(|filter| &filter.ids).max();
        let newest = *newest.unwrap();
        for id in [newest, newest - 2 * u32::try_from(FILTER_IDS).unwrap()] {
            assert_eq!(router.route(&message("a", &[id])), Routed::Delivered);
        }
        assert_eq!(kept.len(), 2);
    }
}
