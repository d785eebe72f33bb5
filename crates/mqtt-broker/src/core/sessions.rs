//! The table of sessions: by Client Identifier for CONNECT, by key for timers.

use super::session_cell::{SessionCell, SessionKey};
use std::borrow::Borrow;
use std::collections::{BTreeMap, HashSet};
use std::hash::{Hash, Hasher};
use std::ops::Bound;
use std::sync::Arc;

/// Looks a cell up by its Client Identifier without a second copy of it.
#[derive(Debug)]
struct ById(Arc<SessionCell>);

impl Borrow<str> for ById {
    fn borrow(&self) -> &str {
        &self.0.client_id
    }
}

impl Hash for ById {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.client_id.hash(state);
    }
}

impl PartialEq for ById {
    fn eq(&self, other: &Self) -> bool {
        self.0.client_id == other.0.client_id
    }
}

impl Eq for ById {}

/// All sessions; bounded by `Limits::sessions_max`, which the caller checks.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    by_id: HashSet<ById>,
    /// Ordered, so that lists can be read in pages.
    by_key: BTreeMap<SessionKey, Arc<SessionCell>>,
    last_key: u64,
}

impl Sessions {
    pub(crate) fn len(&self) -> usize {
        self.by_key.len()
    }

    pub(crate) fn next_key(&mut self) -> SessionKey {
        self.last_key += 1;
        SessionKey(self.last_key)
    }

    /// No session gets a key up to this one: they may have been given out before a restart.
    pub(crate) fn skip_keys(&mut self, key: SessionKey) {
        self.last_key = self.last_key.max(key.0);
    }

    pub(crate) fn find(&self, client_id: &str) -> Option<&Arc<SessionCell>> {
        self.by_id.get(client_id).map(|entry| &entry.0)
    }

    pub(crate) fn find_key(&self, key: SessionKey) -> Option<&Arc<SessionCell>> {
        self.by_key.get(&key)
    }

    /// Those that began after `key`, oldest first.
    pub(crate) fn after(&self, key: SessionKey) -> impl Iterator<Item = &Arc<SessionCell>> {
        let behind = (Bound::Excluded(key), Bound::Unbounded);
        self.by_key.range(behind).map(|(_, cell)| cell)
    }

    pub(crate) fn insert(&mut self, cell: Arc<SessionCell>) {
        self.by_key.insert(cell.key, Arc::clone(&cell));
        self.by_id.replace(ById(cell));
    }

    /// Removes `cell` unless another session has taken its Client Identifier meanwhile.
    pub(crate) fn remove(&mut self, cell: &Arc<SessionCell>) {
        self.by_key.remove(&cell.key);
        if self
            .find(&cell.client_id)
            .is_some_and(|found| found.key == cell.key)
        {
            self.by_id.remove(&*cell.client_id);
        }
        if self.by_id.capacity() > 4 * self.by_id.len() + 1024 {
            self.by_id.shrink_to(2 * self.by_id.len());
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<SessionCell>> {
        self.by_key.values()
    }
}
