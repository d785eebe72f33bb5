//! Who has which Topic Filter as its own, by `$exclusive/FILTER`.

use crate::core::session_cell::SessionKey;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Exclusive subscriptions; as many as there are subscriptions at most.
#[derive(Debug, Default)]
pub(crate) struct Exclusive {
    owners: Mutex<HashMap<Box<str>, SessionKey>>,
    /// How many there are, for a look without the lock.
    len: AtomicUsize,
}

impl Exclusive {
    /// Gives `topic_filter` to `session`; `false` when another one has it.
    pub(crate) fn acquire(&self, topic_filter: &str, session: SessionKey) -> bool {
        let mut owners = self.owners.lock();
        let owner = *owners.entry(topic_filter.into()).or_insert(session);
        self.len.store(owners.len(), Ordering::Relaxed);
        owner == session
    }

    /// Takes `topic_filter` back from `session`, if it has it.
    pub(crate) fn release(&self, topic_filter: &str, session: SessionKey) {
        if self.len.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut owners = self.owners.lock();
        if owners.get(topic_filter) == Some(&session) {
            owners.remove(topic_filter);
        }
        self.len.store(owners.len(), Ordering::Relaxed);
    }
}
