//! Retained messages, bounded by number and bytes.

use super::limits::Limits;
use super::message::Message;
use super::reached::LimitCause;
use super::retained_tree::RetainedTree;
use parking_lot::RwLock;
use std::sync::Arc;

/// The store does not take a message: which limit it is. The publisher is told Quota exceeded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RetainedFull(pub LimitCause);

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

    /// Visits the messages at up to `places` places from `from` on; the place to go on at, none at the end.
    ///
    /// For lists in pages: places are numbers without meaning, 0 is the first.
    fn scan(&self, from: u32, places: usize, visit: &mut dyn FnMut(&Arc<Message>)) -> Option<u32>;

    /// Drops what has expired at `now_ms`, in milliseconds of the broker's clock.
    fn sweep(&self, now_ms: u64);

    /// Messages kept.
    fn len(&self) -> usize;

    /// Bytes of all messages.
    fn bytes(&self) -> usize;

    /// Whether nothing is kept.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Keeps retained messages in memory: the choice for a single broker.
#[derive(Debug)]
pub(crate) struct Retained {
    store: RwLock<Store>,
    len_max: usize,
    count_max: usize,
    bytes_max: usize,
}

#[derive(Debug)]
struct Store {
    tree: RetainedTree<Arc<Message>>,
    /// INVARIANT: sum of the sizes in `tree`.
    bytes: usize,
}

impl Retained {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            store: RwLock::new(Store {
                tree: RetainedTree::new(),
                bytes: 0,
            }),
            len_max: limits.retained_len_max,
            count_max: limits.retained_max,
            bytes_max: limits.retained_bytes_max,
        }
    }
}

impl RetainedStore for Retained {
    fn insert(&self, message: &Arc<Message>) -> Result<(), RetainedFull> {
        let mut store = self.store.write();
        let old = store.tree.find(message.topic_name()).map(|old| old.size());
        let bytes = store.bytes - old.unwrap_or(0) + message.size();
        let is_new = old.is_none();
        if message.payload().len() > self.len_max {
            return Err(RetainedFull(LimitCause::RetainedLen));
        }
        if bytes > self.bytes_max {
            return Err(RetainedFull(LimitCause::RetainedBytes));
        }
        if is_new && store.tree.len() >= self.count_max {
            return Err(RetainedFull(LimitCause::RetainedCount));
        }
        store.bytes = bytes;
        store.tree.insert(message.topic_name(), Arc::clone(message));
        Ok(())
    }

    fn remove(&self, topic_name: &str) -> bool {
        let mut store = self.store.write();
        let Some(removed) = store.tree.remove(topic_name) else {
            return false;
        };
        store.bytes -= removed.size();
        true
    }

    fn find(&self, topic_name: &str) -> Option<Arc<Message>> {
        self.store.read().tree.find(topic_name).cloned()
    }

    fn matches(&self, topic_filter: &str, visit: &mut dyn FnMut(&Arc<Message>)) {
        self.store.read().tree.matches(topic_filter, visit);
    }

    fn scan(&self, from: u32, places: usize, visit: &mut dyn FnMut(&Arc<Message>)) -> Option<u32> {
        self.store.read().tree.scan(from, places, visit)
    }

    fn sweep(&self, now_ms: u64) {
        let mut store = self.store.write();
        let mut freed = 0;
        store.tree.retain(|message| {
            let expired = message.is_expired(now_ms);
            if expired {
                freed += message.size();
            }
            !expired
        });
        store.bytes -= freed;
    }

    fn len(&self) -> usize {
        self.store.read().tree.len()
    }

    fn bytes(&self) -> usize {
        self.store.read().bytes
    }
}
