//! Sessions as others look them up: one by its client, or page by page.

use super::log::LogRecord;
use super::session_cell::{SessionCell, SessionKey};
use super::{Batch, Core, SessionEnd};
use std::sync::Arc;

impl Core {
    /// The session of one client.
    pub(crate) fn session(&self, client_id: &str) -> Option<Arc<SessionCell>> {
        self.sessions.lock().find(client_id).cloned()
    }

    /// Up to `len` sessions that began after `key`, oldest first.
    pub(crate) fn sessions_after(&self, key: SessionKey, len: usize) -> Vec<Arc<SessionCell>> {
        self.sessions.lock().after(key).take(len).cloned().collect()
    }

    /// Forgets the retained message of one topic; `false` when it had none.
    pub(crate) fn forget_retained(&self, topic_name: &str) -> bool {
        let removed = self.retained.remove(topic_name);
        if removed && self.log.keeps_records() {
            // A lost record only means that it is there again after a restart.
            let _ = self.log.append(LogRecord::RetainedRemoved { topic_name });
        }
        removed
    }

    /// Forgets a session that another broker has taken over with all that was in it.
    pub(crate) fn move_session(&self, cell: &Arc<SessionCell>, batch: &mut Batch, now_ms: u64) {
        cell.state.lock().will = None;
        self.end_session(cell, SessionEnd::Moved, batch, now_ms);
    }
}
