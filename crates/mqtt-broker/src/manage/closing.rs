//! What becomes of the connections of a listener that is not in the configuration any more.

use super::Manager;
use crate::core::cause::EndCause;
use crate::core::lane::Lane;
use crate::core::session_cell::SessionKey;
use crate::net::Entrance;
use std::sync::Arc;
use std::time::Duration;

/// Sessions looked at before others get their turn.
const SESSIONS_PER_TURN: usize = 128;

/// How often it is looked for connections that were on their way in when their listener went.
const STRAGGLER_TICK: Duration = Duration::from_secs(1);

impl Manager {
    /// Ends the connections of a listener that accepts nobody any more; how many these were.
    ///
    /// Handshakes under way end at once, and who has not said CONNECT yet is disconnected when it has.
    pub(super) async fn close_listener(&self, listener: Arc<Entrance>) -> u64 {
        listener.under_way.abort();
        let ended = self.end_clients_of(&listener.name).await;
        let door = &self.reloader.door;
        if let Some(runtime) = door.lanes.runtime(Lane::FIRST) {
            let (manager, mut stop) = (self.clone(), door.stop.clone());
            runtime.spawn(async move {
                while listener.connection_count() > 0 {
                    let stopped = stop.wait_for(|stop| *stop);
                    if tokio::time::timeout(STRAGGLER_TICK, stopped).await.is_ok() {
                        return;
                    }
                    manager.end_clients_of(&listener.name).await;
                }
            });
        }
        ended
    }

    async fn end_clients_of(&self, listener: &Arc<str>) -> u64 {
        let (mut last, mut ended) = (SessionKey(0), 0);
        loop {
            let cells = self.core.sessions_after(last, SESSIONS_PER_TURN);
            let Some(end) = cells.last() else {
                return ended;
            };
            last = end.key;
            ended += self.act(|core, batch, _| {
                let mut ended = 0;
                for cell in &cells {
                    let state = cell.state.lock();
                    let client = state.client.as_ref();
                    // A listener that has come back under that name is another one.
                    let is_its = client.is_some_and(|one| Arc::ptr_eq(&one.listener, listener));
                    let is_meant = is_its && state.connected && state.end.is_none();
                    drop(state);
                    if is_meant {
                        core.end_connection(cell, EndCause::ListenerClosed, batch);
                        ended += 1;
                    }
                }
                ended
            });
            tokio::task::yield_now().await;
        }
    }
}
