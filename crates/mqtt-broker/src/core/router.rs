//! From a Topic Name to its subscribers, and the small cache each connection keeps of it.

use super::session_cell::{SessionCell, SessionKey};
use super::subscription::{Route, Subscriber};
use super::topic_tree::TopicTree;
use mqtt_codec::{SubscriptionIdentifier, SubscriptionOptions};
use parking_lot::RwLock;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Topics a connection remembers the subscribers of.
const CACHED_TOPICS: usize = 8;
/// From this number of routes on, overlapping ones are found by key instead of by search.
const SEARCH_MAX: usize = 16;

/// Who gets a topic, as of a generation of the routing table.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    generation: u64,
    pub(crate) entries: Vec<Route>,
}

/// The routing table all connections share.
#[derive(Debug)]
pub(crate) struct Router {
    tree: RwLock<TopicTree<SessionKey, Subscriber>>,
    /// Counts changes of `tree`; changed only while it is locked for writing.
    generation: AtomicU64,
}

impl Router {
    pub(crate) fn new() -> Self {
        Self {
            tree: RwLock::new(TopicTree::new()),
            generation: AtomicU64::new(1),
        }
    }

    /// Adds or replaces a subscription; `true` when it is new.
    pub(crate) fn subscribe(
        &self,
        topic_filter: &str,
        cell: &Arc<SessionCell>,
        options: SubscriptionOptions,
        subscription_id: Option<SubscriptionIdentifier>,
    ) -> bool {
        let subscriber = Subscriber {
            cell: Arc::clone(cell),
            options,
            subscription_id,
        };
        let mut tree = self.tree.write();
        let replaced = tree.subscribe(topic_filter, cell.key, subscriber);
        self.generation.fetch_add(1, Ordering::Release);
        replaced.is_none()
    }

    /// Removes a subscription; `true` when there was one.
    pub(crate) fn unsubscribe(&self, topic_filter: &str, key: SessionKey) -> bool {
        let mut tree = self.tree.write();
        let removed = tree.unsubscribe(topic_filter, key);
        self.generation.fetch_add(1, Ordering::Release);
        drop(tree);
        removed.is_some()
    }

    /// Subscriptions of all clients.
    pub(crate) fn len(&self) -> usize {
        self.tree.read().len()
    }

    /// Looks up who gets `topic_name`, one route per subscriber.
    pub(crate) fn routes(&self, topic_name: &str) -> Routes {
        let mut entries: Vec<Route> = Vec::new();
        let mut places: HashMap<SessionKey, usize> = HashMap::new();
        let tree = self.tree.read();
        let generation = self.generation.load(Ordering::Acquire);
        tree.matches(topic_name, |key, subscriber| {
            let at = match entries.len() {
                0..=SEARCH_MAX => entries.iter().position(|route| route.cell.key == key),
                _ => {
                    if places.is_empty() {
                        places.extend(
                            entries
                                .iter()
                                .enumerate()
                                .map(|(at, route)| (route.cell.key, at)),
                        );
                    }
                    places.get(&key).copied()
                }
            };
            match at.and_then(|at| entries.get_mut(at)) {
                Some(route) => route.merge(subscriber),
                None => {
                    if !places.is_empty() {
                        places.insert(key, entries.len());
                    }
                    entries.push(Route::of(subscriber));
                }
            }
        });
        Routes {
            generation,
            entries,
        }
    }

    fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }
}

/// The last topics of one connection with their routes; at most [`CACHED_TOPICS`].
#[derive(Debug, Default)]
pub(crate) struct RouteCache {
    entries: Vec<(Box<str>, Routes)>,
    /// Which entry is replaced next.
    oldest: usize,
}

impl RouteCache {
    /// The routes of `topic_name`, looked up again only when the table has changed.
    pub(crate) fn routes(&mut self, router: &Router, topic_name: &str) -> Option<&Routes> {
        let cached = self
            .entries
            .iter()
            .position(|(cached, _)| **cached == *topic_name);
        let at = match cached {
            Some(at) => {
                let (_, routes) = self.entries.get_mut(at)?;
                if routes.generation != router.generation() {
                    *routes = router.routes(topic_name);
                }
                at
            }
            None => {
                let entry = (topic_name.into(), router.routes(topic_name));
                if self.entries.len() < CACHED_TOPICS {
                    self.entries.push(entry);
                    self.entries.len() - 1
                } else {
                    let at = self.oldest;
                    self.oldest = (at + 1) % CACHED_TOPICS;
                    *self.entries.get_mut(at)? = entry;
                    at
                }
            }
        };
        self.entries.get(at).map(|(_, routes)| routes)
    }
}
