//! Retained messages, bounded by number and bytes.

use super::limits::Limits;
use super::live::Live;
use super::message::Message;
use super::reached::LimitCause;
use super::retained_tree::{RetainedTree, Search};
use super::timers::TimerWheel;
use parking_lot::RwLock;
use std::sync::{Arc, Weak};

#[cfg(test)]
mod tests;

/// Granularity of the expiry of retained messages, in milliseconds.
const EXPIRY_TICK_MS: u64 = 100;
/// Messages dropped in one go.
const SWEEP_MAX: usize = 10_000;
/// Removals put off because of look-ups under way from which on no look-up is begun.
const BARE_MAX: usize = 16 * 1024;
/// Expiries that are not worth looking through.
const EXPIRIES_MIN: usize = 1024;

/// The store does not take a message: which limit it is. The publisher is told Quota exceeded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RetainedFull(pub LimitCause);

/// How much a [`RetainedStore`] may hold, as the configuration says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct RetainedBounds {
    /// Bytes of the payload of one message.
    pub payload_len_max: usize,
    /// Messages.
    pub messages_max: usize,
    /// Bytes of all messages, topics and payloads.
    pub bytes_max: usize,
}

impl RetainedBounds {
    pub(crate) const fn of(limits: &Limits) -> Self {
        Self {
            payload_len_max: limits.retained_len_max,
            messages_max: limits.retained_max,
            bytes_max: limits.retained_bytes_max,
        }
    }
}

/// A look-up of what matches a Topic Filter, done in pages so that nobody has to wait for all of it.
#[derive(Debug)]
pub struct RetainedLookup {
    topic_filter: Box<str>,
    /// Where the store in memory is with it, and what tells that store of it.
    place: Option<(Search, Arc<()>)>,
}

impl RetainedLookup {
    /// A look-up that has not begun.
    #[must_use]
    pub fn new(topic_filter: &str) -> Self {
        Self {
            topic_filter: topic_filter.into(),
            place: None,
        }
    }

    /// What is looked up.
    #[must_use]
    pub fn topic_filter(&self) -> &str {
        &self.topic_filter
    }
}

/// One message per Topic Name, for clients that subscribe later. Called from connection tasks: it must not block.
///
/// What must survive is written to [`crate::CommitLog`] before it is put here; a store that keeps messages elsewhere
/// answers from a copy in memory.
pub trait RetainedStore: Send + Sync + 'static {
    /// Keeps `message` instead of what its Topic Name had.
    ///
    /// # Errors
    /// [`RetainedFull`]; what was there stays.
    fn insert(&self, message: &Arc<Message>) -> Result<(), RetainedFull>;

    /// Forgets what `topic_name` had; `true` when there was something.
    fn remove(&self, topic_name: &str) -> bool;

    /// What `topic_name` has.
    fn find(&self, topic_name: &str) -> Option<Arc<Message>>;

    /// Visits every message that matches, those that have expired among them. Spec: v5 §4.7.
    fn matches(&self, topic_filter: &str, visit: &mut dyn FnMut(&Arc<Message>));

    /// Visits what matches a part at a time, in about `steps` steps of work; whether there is more.
    ///
    /// Messages that come or go meanwhile may be visited or not, the others are visited once.
    /// The default does all at once.
    fn page(
        &self,
        lookup: &mut RetainedLookup,
        steps: usize,
        visit: &mut dyn FnMut(&Arc<Message>),
    ) -> bool {
        let _ = steps;
        self.matches(&lookup.topic_filter, visit);
        false
    }

    /// Visits the messages at up to `places` places from `from` on; the place to go on at, none at the end.
    ///
    /// For lists in pages: places are numbers without meaning, 0 is the first.
    fn scan(&self, from: u32, places: usize, visit: &mut dyn FnMut(&Arc<Message>)) -> Option<u32>;

    /// Drops what has expired at `now_ms`, in milliseconds of the broker's clock.
    fn sweep(&self, now_ms: u64);

    /// The configuration has other bounds now; what is kept stays. By default nothing, for a store with bounds of its own.
    fn bounds_changed(&self, bounds: &RetainedBounds) {
        let _ = bounds;
    }

    /// Messages kept.
    fn len(&self) -> usize;

    /// Bytes of all messages.
    fn bytes(&self) -> usize;

    /// Whether nothing is kept: then nothing is looked up for a new subscription.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Keeps retained messages in memory: the choice for a single broker.
#[derive(Debug)]
pub(crate) struct Retained {
    store: RwLock<Store>,
    bounds: Live<RetainedBounds>,
}

#[derive(Debug)]
struct Store {
    tree: RetainedTree<Arc<Message>>,
    /// INVARIANT: sum of the sizes in `tree`.
    bytes: usize,
    /// Messages that expire, and others that did and were replaced or removed.
    expiries: TimerWheel<Weak<Message>>,
    /// INVARIANT: messages in `tree` that expire.
    expiring: usize,
    /// Messages whose time has come and that have not been looked at.
    due: Vec<Weak<Message>>,
    /// Held once more by each look-up that is under way.
    lookups: Arc<()>,
}

impl Retained {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            store: RwLock::new(Store {
                tree: RetainedTree::new(),
                bytes: 0,
                expiries: TimerWheel::new(EXPIRY_TICK_MS),
                expiring: 0,
                due: Vec::new(),
                lookups: Arc::new(()),
            }),
            bounds: Live::new(RetainedBounds::of(limits)),
        }
    }
}

impl RetainedStore for Retained {
    fn bounds_changed(&self, bounds: &RetainedBounds) {
        if self.bounds.put(*bounds).is_err() {
            tracing::warn!("too many changes of retainer.*: the bounds stay as they are");
        }
    }

    fn insert(&self, message: &Arc<Message>) -> Result<(), RetainedFull> {
        let mut store = self.store.write();
        let old = store.tree.find(message.topic_name()).map(|old| old.size());
        let bytes = store.bytes - old.unwrap_or(0) + message.size();
        let is_new = old.is_none();
        if message.payload().len() > self.bounds.payload_len_max {
            return Err(RetainedFull(LimitCause::RetainedLen));
        }
        if bytes > self.bounds.bytes_max {
            return Err(RetainedFull(LimitCause::RetainedBytes));
        }
        if is_new && store.tree.len() >= self.bounds.messages_max {
            return Err(RetainedFull(LimitCause::RetainedCount));
        }
        store.bytes = bytes;
        let replaced = store.tree.insert(message.topic_name(), Arc::clone(message));
        store.expiring -= usize::from(replaced.is_some_and(|old| old.expires_at_ms().is_some()));
        if let Some(expires_at_ms) = message.expires_at_ms() {
            store.expiring += 1;
            store
                .expiries
                .insert(expires_at_ms, Arc::downgrade(message));
            store.forget_replaced();
        }
        Ok(())
    }

    fn remove(&self, topic_name: &str) -> bool {
        let mut store = self.store.write();
        let Some(removed) = store.take(topic_name) else {
            return false;
        };
        store.bytes -= removed.size();
        store.expiring -= usize::from(removed.expires_at_ms().is_some());
        true
    }

    fn find(&self, topic_name: &str) -> Option<Arc<Message>> {
        self.store.read().tree.find(topic_name).cloned()
    }

    fn matches(&self, topic_filter: &str, visit: &mut dyn FnMut(&Arc<Message>)) {
        self.store.read().tree.matches(topic_filter, visit);
    }

    fn page(
        &self,
        lookup: &mut RetainedLookup,
        steps: usize,
        visit: &mut dyn FnMut(&Arc<Message>),
    ) -> bool {
        let mut store = self.store.read();
        if lookup.place.is_none() {
            if store.tree.bare_len() > BARE_MAX {
                drop(store);
                if !self.store.write().remove_bare() {
                    // Those under way come to their end first.
                    return true;
                }
                store = self.store.read();
            }
            let Some(search) = store.tree.begin_search(&lookup.topic_filter) else {
                return false;
            };
            lookup.place = Some((search, Arc::clone(&store.lookups)));
        }
        let Some((search, _)) = &mut lookup.place else {
            return false;
        };
        store.tree.go_on(search, steps, visit)
    }

    fn scan(&self, from: u32, places: usize, visit: &mut dyn FnMut(&Arc<Message>)) -> Option<u32> {
        self.store.read().tree.scan(from, places, visit)
    }

    fn sweep(&self, now_ms: u64) {
        let mut store = self.store.write();
        let Store { expiries, due, .. } = &mut *store;
        expiries.advance(now_ms, due);
        let left = store.due.len().saturating_sub(SWEEP_MAX);
        for expired in store.due.split_off(left) {
            let Some(message) = expired.upgrade() else {
                continue;
            };
            let kept = store.tree.find(message.topic_name());
            if kept.is_some_and(|kept| Arc::ptr_eq(kept, &message)) {
                store.take(message.topic_name());
                store.bytes -= message.size();
                store.expiring -= 1;
            }
        }
        if store.due.is_empty() {
            store.due = Vec::new();
        }
        if store.tree.bare_len() > 0 {
            store.remove_bare();
        }
    }

    fn len(&self) -> usize {
        self.store.read().tree.len()
    }

    fn bytes(&self) -> usize {
        self.store.read().bytes
    }
}

impl Store {
    /// Takes a message out of the tree, of which look-ups under way must find nothing changed.
    fn take(&mut self, topic_name: &str) -> Option<Arc<Message>> {
        match self.is_searched() {
            true => self.tree.remove_value(topic_name),
            false => self.tree.remove(topic_name),
        }
    }

    /// Does what look-ups have kept from being done, some of it, unless there still are any.
    fn remove_bare(&mut self) -> bool {
        let is_free = !self.is_searched();
        if is_free {
            self.tree.remove_bare(SWEEP_MAX);
        }
        is_free
    }

    /// New look-ups begin only under the lock; those there are may end at any time.
    fn is_searched(&self) -> bool {
        Arc::strong_count(&self.lookups) > 1
    }

    /// Expiries of messages that are not kept any more must not add up until their time comes.
    fn forget_replaced(&mut self) {
        if self.expiries.len() > 2 * self.expiring + EXPIRIES_MIN {
            let tree = &self.tree;
            self.expiries.retain(|expiry, _| {
                expiry.upgrade().is_some_and(|message| {
                    let kept = tree.find(message.topic_name());
                    kept.is_some_and(|kept| Arc::ptr_eq(kept, &message))
                })
            });
        }
    }
}
