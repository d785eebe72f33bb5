//! From a Topic Name to its subscribers, and the small cache each connection keeps of it.

use super::session_cell::{SessionCell, SessionKey};
use super::share_group::{Group, GroupKey, SharedStrategy};
use super::standing::Standing;
use super::subscription::{Route, Subscriber};
use super::topic_tree::TopicTree;
use mqtt_codec::{OwnedTopicName, QoS, SubscriptionIdentifier, SubscriptionOptions, TopicName};
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
    /// Each for one of its members.
    pub(crate) groups: Vec<Arc<Group>>,
}

impl Routes {
    /// Whether nobody wants the topic.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.groups.is_empty()
    }

    /// Whether a message above QoS 0 would be for a session that outlives its connection.
    pub(crate) fn has_durable(&self) -> bool {
        let above_0 = self
            .entries
            .iter()
            .filter(|route| route.qos != QoS::AtMostOnce);
        let cells = above_0.map(|route| route.cell.standing.load(Ordering::Relaxed));
        let groups = self.groups.iter().filter_map(|group| group.best());
        cells.chain(groups).any(Standing::is_durable)
    }
}

/// The routing table all connections share.
#[derive(Debug)]
pub(crate) struct Router {
    table: RwLock<Table>,
    /// Counts changes of `table` that routes depend on; changed only while it is locked for writing.
    generation: AtomicU64,
    strategy: SharedStrategy,
    /// What is random about groups follows from it.
    seed: u64,
}

#[derive(Debug)]
struct Table {
    tree: TopicTree<SessionKey, Subscriber>,
    shared: TopicTree<GroupKey, Arc<Group>>,
    /// The groups of `shared` by their whole Topic Filter.
    groups: HashMap<Box<str>, Arc<Group>>,
    last_group: u64,
    /// INVARIANT: the number of members of all groups.
    memberships: usize,
}

impl Router {
    /// An empty table; the same `seed` makes the same random picks.
    pub(crate) fn new(strategy: SharedStrategy, seed: u64) -> Self {
        Self {
            table: RwLock::new(Table {
                tree: TopicTree::new(),
                shared: TopicTree::new(),
                groups: HashMap::new(),
                last_group: 0,
                memberships: 0,
            }),
            generation: AtomicU64::new(1),
            strategy,
            seed,
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
        let mut table = self.table.write();
        if let Some(matched) = shared_filter(topic_filter) {
            let known = table.groups.get(topic_filter).map(Arc::clone);
            let group = known.unwrap_or_else(|| {
                table.last_group += 1;
                let key = GroupKey(table.last_group);
                let group = Arc::new(Group::new(key, topic_filter, self.strategy, self.seed));
                table.groups.insert(topic_filter.into(), Arc::clone(&group));
                table.shared.subscribe(matched, key, Arc::clone(&group));
                self.note_change();
                group
            });
            let is_new = group.join(cell, options, subscription_id);
            table.memberships += usize::from(is_new);
            return is_new;
        }
        let subscriber = Subscriber {
            cell: Arc::clone(cell),
            options,
            subscription_id,
        };
        let replaced = table.tree.subscribe(topic_filter, cell.key, subscriber);
        let stays = replaced.as_ref().is_some_and(|before| {
            before.options == options && before.subscription_id == subscription_id
        });
        if !stays {
            self.note_change();
        }
        replaced.is_none()
    }

    /// Removes a subscription; `true` when there was one.
    pub(crate) fn unsubscribe(&self, topic_filter: &str, key: SessionKey) -> bool {
        let mut table = self.table.write();
        let Some(matched) = shared_filter(topic_filter) else {
            let removed = table.tree.unsubscribe(topic_filter, key);
            if removed.is_some() {
                self.note_change();
            }
            // What it held may be the last of a session, which is not to be dropped under the lock.
            drop(table);
            return removed.is_some();
        };
        let Some(group) = table.groups.get(topic_filter).map(Arc::clone) else {
            return false;
        };
        let left = group.leave(key);
        table.memberships -= usize::from(left);
        if group.len() == 0 {
            table.groups.remove(topic_filter);
            table.shared.unsubscribe(matched, group.key);
            self.note_change();
        }
        left
    }

    /// The group of a Shared Subscription, as long as it has members.
    pub(crate) fn group(&self, topic_filter: &str) -> Option<Arc<Group>> {
        self.table.read().groups.get(topic_filter).map(Arc::clone)
    }

    /// Subscriptions of all clients.
    pub(crate) fn len(&self) -> usize {
        let table = self.table.read();
        table.tree.len() + table.memberships
    }

    /// Looks up who gets `topic_name`, one route per subscriber and one group per Shared Subscription.
    pub(crate) fn routes(&self, topic_name: &str) -> Routes {
        let mut routes = Routes::default();
        self.look_up(topic_name, &mut routes);
        routes
    }

    /// As [`routes`](Self::routes), in the memory of other routes.
    fn look_up(&self, topic_name: &str, routes: &mut Routes) {
        let Routes {
            generation,
            entries,
            groups,
        } = routes;
        entries.clear();
        groups.clear();
        let mut places: HashMap<SessionKey, usize> = HashMap::new();
        let table = self.table.read();
        *generation = self.generation.load(Ordering::Acquire);
        table.tree.matches(topic_name, |key, subscriber| {
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
        if table.shared.len() > 0 {
            table
                .shared
                .matches(topic_name, |_, group| groups.push(Arc::clone(group)));
        }
    }

    fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Cached routes are to be looked up again; only under the lock for writing.
    fn note_change(&self) {
        self.generation.fetch_add(1, Ordering::Release);
    }
}

/// The filter that a Shared Subscription matches with; none when the subscription is not shared.
///
/// Spec: v5 §4.8.2: `$share/{ShareName}/{filter}`, taken as already validated.
pub(crate) fn shared_filter(topic_filter: &str) -> Option<&str> {
    let (_share_name, matched) = topic_filter.strip_prefix("$share/")?.split_once('/')?;
    Some(matched)
}

/// A Topic Name with its routes.
#[derive(Debug)]
pub(crate) struct CachedTopic {
    pub(crate) topic_name: OwnedTopicName,
    pub(crate) routes: Routes,
}

/// The last topics of one connection with their routes; at most [`CACHED_TOPICS`].
///
/// The one published to last is taken out while a packet is handled: its name saves reading the next one, and
/// is borrowed meanwhile.
#[derive(Debug, Default)]
pub(crate) struct RouteCache {
    last: Option<Box<CachedTopic>>,
    /// Nothing until there is a second topic.
    others: Option<Box<Others>>,
}

#[derive(Debug, Default)]
struct Others {
    entries: Vec<CachedTopic>,
    /// Which entry is replaced next.
    oldest: usize,
    /// Which entry has been asked for since [`RouteCache::take_last`].
    used: Option<usize>,
}

impl RouteCache {
    /// The topic that the next packet is most likely for, to be given back by [`RouteCache::put_last`].
    #[inline(always)]
    pub(crate) fn take_last(&mut self) -> Option<Box<CachedTopic>> {
        self.last.take()
    }

    /// Gives back what [`RouteCache::take_last`] took, in favour of a topic that was asked for since.
    #[inline(always)]
    pub(crate) fn put_last(&mut self, last: Option<Box<CachedTopic>>) {
        self.last = last;
        if let Some(others) = &mut self.others
            && others.used.is_some()
        {
            others.put_first(&mut self.last);
        }
    }

    /// Whether anything was published yet.
    pub(crate) fn is_used(&self) -> bool {
        self.last.is_some()
    }

    /// The routes of the topic that was published to last.
    pub(crate) fn last(&self) -> Option<&Routes> {
        self.last.as_ref().map(|last| &last.routes)
    }

    /// The routes of a topic that is not the one taken out.
    #[inline(never)]
    pub(crate) fn routes(&mut self, router: &Router, topic_name: TopicName<'_>) -> Option<&Routes> {
        let others = self.others.get_or_insert_default();
        let is_it = |cached: &CachedTopic| cached.topic_name.as_topic_name() == topic_name;
        let at = match others.entries.iter().position(is_it) {
            Some(at) => {
                let routes = &mut others.entries.get_mut(at)?.routes;
                routes.refresh(router, topic_name.as_str());
                at
            }
            None => others.insert(router, topic_name),
        };
        others.used = Some(at);
        others.entries.get(at).map(|cached| &cached.routes)
    }
}

impl Others {
    /// Puts a topic among them, in place of the oldest if there are enough: where it is.
    ///
    /// What the oldest has allocated is used again: a client may never publish to the same topic twice.
    fn insert(&mut self, router: &Router, topic_name: TopicName<'_>) -> usize {
        if self.entries.len() < CACHED_TOPICS - 1 {
            self.entries.push(CachedTopic {
                topic_name: topic_name.into(),
                routes: router.routes(topic_name.as_str()),
            });
            return self.entries.len() - 1;
        }
        let at = self.oldest;
        self.oldest = (at + 1) % self.entries.len();
        if let Some(oldest) = self.entries.get_mut(at) {
            oldest.topic_name = topic_name.into();
            router.look_up(topic_name.as_str(), &mut oldest.routes);
        }
        at
    }

    /// Exchanges the entry that was asked for and `last`.
    fn put_first(&mut self, last: &mut Option<Box<CachedTopic>>) {
        let Some(at) = self.used.take() else { return };
        match (last, self.entries.get_mut(at)) {
            (Some(last), Some(used)) => std::mem::swap(&mut **last, used),
            (last, Some(_)) => *last = Some(Box::new(self.entries.swap_remove(at))),
            (_, None) => {}
        }
    }
}

impl Routes {
    /// Looks them up again if the table has changed.
    #[inline(always)]
    pub(crate) fn refresh(&mut self, router: &Router, topic_name: &str) {
        if self.generation != router.generation() {
            router.look_up(topic_name, self);
        }
    }
}
