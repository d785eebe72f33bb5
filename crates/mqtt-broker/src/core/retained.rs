//! Retained messages, bounded by number and bytes.

use super::limits::Limits;
use super::message::Message;
use super::reached::LimitCause;
use super::retained_tree::RetainedTree;
use parking_lot::RwLock;
use std::sync::Arc;

/// The store does not take a message: which limit it is. The publisher is told Quota exceeded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct RetainedFull(pub(crate) LimitCause);

/// One message per Topic Name, for clients that subscribe later.
#[derive(Debug)]
pub(crate) struct Retained {
    store: RwLock<Store>,
}

#[derive(Debug)]
struct Store {
    tree: RetainedTree<Arc<Message>>,
    /// INVARIANT: sum of the sizes in `tree`.
    bytes: usize,
}

impl Retained {
    pub(crate) fn new() -> Self {
        Self {
            store: RwLock::new(Store {
                tree: RetainedTree::new(),
                bytes: 0,
            }),
        }
    }

    /// Keeps `message` instead of what its Topic Name had.
    pub(crate) fn insert(
        &self,
        message: &Arc<Message>,
        limits: &Limits,
    ) -> Result<(), RetainedFull> {
        let mut store = self.store.write();
        let old = store.tree.find(message.topic_name()).map(|old| old.size());
        let bytes = store.bytes - old.unwrap_or(0) + message.size();
        let is_new = old.is_none();
        if message.payload().len() > limits.retained_len_max {
            return Err(RetainedFull(LimitCause::RetainedLen));
        }
        if bytes > limits.retained_bytes_max {
            return Err(RetainedFull(LimitCause::RetainedBytes));
        }
        if is_new && store.tree.len() >= limits.retained_max {
            return Err(RetainedFull(LimitCause::RetainedCount));
        }
        store.bytes = bytes;
        store.tree.insert(message.topic_name(), Arc::clone(message));
        Ok(())
    }

    /// Forgets what `topic_name` had; `true` when there was something.
    pub(crate) fn remove(&self, topic_name: &str) -> bool {
        let mut store = self.store.write();
        let Some(removed) = store.tree.remove(topic_name) else {
            return false;
        };
        store.bytes -= removed.size();
        true
    }

    /// The messages that match and have not expired.
    pub(crate) fn matching(&self, topic_filter: &str, now_ms: u64) -> Vec<Arc<Message>> {
        let mut found = Vec::new();
        self.store.read().tree.matches(topic_filter, |message| {
            if !message.is_expired(now_ms) {
                found.push(Arc::clone(message));
            }
        });
        found
    }

    /// Drops what has expired.
    pub(crate) fn sweep(&self, now_ms: u64) {
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

    /// Messages kept.
    pub(crate) fn len(&self) -> usize {
        self.store.read().tree.len()
    }
}
