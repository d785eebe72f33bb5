//! Asking again who may do what, when rules or users have changed.

use super::Manager;
use crate::core::session_cell::SessionKey;

/// Sessions looked at before others get their turn.
const SESSIONS_PER_TURN: usize = 128;

/// What [`Manager::recheck`] has found and done.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Rechecked {
    /// Sessions that were looked at.
    pub sessions: u64,
    /// Of these, sessions without a connection since the broker was started: nobody knows whose they are, and they are
    /// asked about when their client comes back.
    pub unknown: u64,
    /// Connections that were ended, with 0x87 where the version has it.
    pub clients_disconnected: u64,
    /// Subscriptions that were removed.
    pub subscriptions_removed: u64,
    /// Will Messages that will not be published.
    pub wills_removed: u64,
}

impl Manager {
    /// Asks again about every client, its Will Message and each of its subscriptions, and ends what is not allowed any
    /// more; to be called when rules or users have changed.
    ///
    /// A client whose user is gone, and one that has lost the right to a subscription, is disconnected with 0x87; see
    /// `authorization.on_lost_right`. What still has its right is not touched. Other work goes on meanwhile: sessions
    /// are looked at in turns of a hundred or so.
    pub async fn recheck(&self) -> Rechecked {
        let mut rechecked = Rechecked::default();
        self.core.note_access();
        let mut last = SessionKey(0);
        loop {
            let cells = self.core.sessions_after(last, SESSIONS_PER_TURN);
            let Some(end) = cells.last() else {
                return rechecked;
            };
            last = end.key;
            for cell in cells {
                rechecked.sessions += 1;
                let Some(asked) = self.core.judges().to_recheck(&cell) else {
                    rechecked.unknown += 1;
                    continue;
                };
                let Some(settled) = asked.settle().await else {
                    continue;
                };
                let outcome = self
                    .act(|core, batch, now_ms| core.settle_recheck(&cell, settled, batch, now_ms));
                rechecked.clients_disconnected += outcome.clients_disconnected;
                rechecked.subscriptions_removed += outcome.subscriptions_removed;
                rechecked.wills_removed += outcome.wills_removed;
            }
            tokio::task::yield_now().await;
        }
    }
}
