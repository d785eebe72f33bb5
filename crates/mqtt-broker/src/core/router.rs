//! From a Topic Name to its subscribers.

use super::session_cell::{SessionCell, SessionKey};
use super::share_group::{Group, GroupKey, SharedStrategy};
use super::standing::Standing;
use super::subscription::{Route, Subscriber};
use super::topic_tree::TopicTree;
use mqtt_codec::{QoS, SubscriptionIdentifier, SubscriptionOptions};
use parking_lot::RwLock;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

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

    /// Routes and groups together.
    pub(crate) fn len(&self) -> usize {
        self.entries.len() + self.groups.len()
    }

    /// For how many routes there is room.
    pub(crate) fn capacity(&self) -> usize {
        self.entries.capacity() + self.groups.capacity()
    }

    /// Keeps the memory alone.
    pub(crate) fn clear(&mut self) {
        self.generation = 0;
        self.entries.clear();
        self.groups.clear();
    }

    /// Whether they were looked up in this generation.
    pub(crate) fn is_of(&self, generation: u64) -> bool {
        self.generation == generation
    }
}

/// Generations a routing table may go through.
const GENERATIONS: u64 = 1 << 40;
/// The first generation of the next routing table: no two in a process share one, as workers may serve several
/// brokers and remember routes.
static NEXT_GENERATION: AtomicU64 = AtomicU64::new(1);

/// The routing table all connections share.
#[derive(Debug)]
pub(crate) struct Router {
    table: RwLock<Table>,
    /// Counts changes of `table` that routes depend on; changed only while it is locked for writing.
    generation: AtomicU64,
    /// Topic Filters that begin with `$`: no other matches a Topic Name that does.
    special: AtomicUsize,
    /// That of the tree, with which a Topic Name is hashed without the lock.
    hash_key: RandomState,
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
        let tree = TopicTree::new();
        Self {
            hash_key: tree.key().clone(),
            table: RwLock::new(Table {
                tree,
                shared: TopicTree::new(),
                groups: HashMap::new(),
                last_group: 0,
                memberships: 0,
            }),
            generation: AtomicU64::new(NEXT_GENERATION.fetch_add(GENERATIONS, Ordering::Relaxed)),
            special: AtomicUsize::new(0),
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
                self.special
                    .fetch_add(is_special(matched), Ordering::Release);
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
        if replaced.is_none() {
            self.special
                .fetch_add(is_special(topic_filter), Ordering::Release);
        }
        replaced.is_none()
    }

    /// Removes a subscription; `true` when there was one.
    pub(crate) fn unsubscribe(&self, topic_filter: &str, key: SessionKey) -> bool {
        let mut table = self.table.write();
        let Some(matched) = shared_filter(topic_filter) else {
            let removed = table.tree.unsubscribe(topic_filter, key);
            if removed.is_some() {
                self.special
                    .fetch_sub(is_special(topic_filter), Ordering::Release);
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
            self.special
                .fetch_sub(is_special(matched), Ordering::Release);
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

    /// Whether anybody may get a topic that begins with `$`. Spec: v5 [MQTT-4.7.2-1].
    pub(crate) fn has_special(&self) -> bool {
        self.special.load(Ordering::Acquire) > 0
    }

    /// Looks up who gets `topic_name`, one route per subscriber and one group per Shared Subscription.
    pub(crate) fn routes(&self, topic_name: &str) -> Routes {
        let mut routes = Routes::default();
        self.look_up(topic_name, self.hash(topic_name), &mut routes);
        routes
    }

    /// As [`routes`](Self::routes), in the memory of other routes, for a name with this [`hash`](Self::hash).
    pub(crate) fn look_up(&self, topic_name: &str, hash: u64, routes: &mut Routes) {
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
        table
            .tree
            .matches_hashed(topic_name, hash, |key, subscriber| {
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

    /// What changes whenever routes may.
    #[inline(always)]
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// A hash of a Topic Name that peers cannot foresee.
    pub(crate) fn hash(&self, topic_name: &str) -> u64 {
        self.hash_key.hash_one(topic_name)
    }

    /// Cached routes are to be looked up again; only under the lock for writing.
    fn note_change(&self) {
        self.generation.fetch_add(1, Ordering::Release);
    }
}

/// 1 for a filter that begins with `$`, else 0.
fn is_special(matched: &str) -> usize {
    usize::from(matched.starts_with('$'))
}

/// The filter that a Shared Subscription matches with; none when the subscription is not shared.
///
/// Spec: v5 §4.8.2: `$share/{ShareName}/{filter}`, taken as already validated.
pub(crate) fn shared_filter(topic_filter: &str) -> Option<&str> {
    let (_share_name, matched) = topic_filter.strip_prefix("$share/")?.split_once('/')?;
    Some(matched)
}

impl Routes {
    /// Looks them up again if the table has changed.
    #[inline(always)]
    pub(crate) fn refresh(&mut self, router: &Router, topic_name: &str) {
        if self.generation != router.generation() {
            router.look_up(topic_name, router.hash(topic_name), self);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::limits::Limits;
    use mqtt_codec::{Connect, ProtocolVersion, QoS};
    use mqtt_session::Negotiated;

    #[test]
    fn filters_that_begin_with_a_dollar_sign_are_counted_while_they_are_there() {
        let router = Router::new(SharedStrategy::RoundRobin, 7);
        let connect = Connect::new(ProtocolVersion::V5, "c");
        let negotiated = Negotiated::of_connect(&connect, &Limits::default().server());
        let cell = Arc::new(SessionCell::new(SessionKey(1), "c", negotiated));
        let options = |qos| SubscriptionOptions::new(qos);
        for usual in ["#", "a", "$share/g/a/#"] {
            router.subscribe(usual, &cell, options(QoS::AtMostOnce), None);
        }
        assert!(!router.has_special());
        for special in ["$SYS/#", "$SYS/a", "$share/g/$SYS/#"] {
            for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
                router.subscribe(special, &cell, options(qos), None);
                assert!(router.has_special());
            }
            assert!(router.unsubscribe(special, cell.key));
            assert!(!router.unsubscribe(special, cell.key) && !router.has_special());
        }
    }
}
