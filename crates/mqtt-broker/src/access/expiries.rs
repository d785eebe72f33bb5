//! Clients whose proof of who they are ceases to hold while they are connected.

use super::{ClientInfo, Guard};
use crate::core::cause::EndCause;
use crate::hooks::{Hooks, Interest};
use crate::manage::Manager;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::MissedTickBehavior;

/// How often it is looked whose time is over.
const TICK: Duration = Duration::from_secs(1);

/// When which client has to go. At most one entry per connection.
#[derive(Default)]
pub(crate) struct Expiries(Mutex<BTreeMap<(u64, Box<str>), usize>>);

impl Expiries {
    /// A client is connected, until `at_s`.
    fn add(&self, at_s: u64, client_id: &str) {
        *self.0.lock().entry((at_s, client_id.into())).or_default() += 1;
    }

    /// A connection of that client is over.
    fn remove(&self, at_s: u64, client_id: &str) {
        let mut entries = self.0.lock();
        let key = (at_s, client_id.into());
        if let Some(count) = entries.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                entries.remove(&key);
            }
        }
    }

    /// Those whose time is over, each once.
    fn take_due(&self, now_s: u64) -> Vec<Box<str>> {
        let mut entries = self.0.lock();
        let later = entries.split_off(&(now_s.saturating_add(1), Box::default()));
        let due = std::mem::replace(&mut *entries, later);
        due.into_keys().map(|(_, client_id)| client_id).collect()
    }
}

impl Hooks for Expiries {
    fn interest(&self) -> Interest {
        Interest::CLIENTS
    }

    fn connected(&self, client: &ClientInfo, _session_present: bool) {
        if let Some(at_s) = client.expires_at_s() {
            self.add(at_s, &client.client_id);
        }
    }

    fn disconnected(&self, client: &ClientInfo, _cause: EndCause) {
        if let Some(at_s) = client.expires_at_s() {
            self.remove(at_s, &client.client_id);
        }
    }
}

impl Expiries {
    /// Ends the connections of those whose time is over, as long as the broker is there.
    pub(crate) async fn run(expiries: Weak<Self>, guard: Option<Weak<Guard>>, manager: Manager) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let Some(expiries) = expiries.upgrade() else {
                return;
            };
            let guard = guard.as_ref().and_then(Weak::upgrade);
            expiries.end_due(guard.as_ref(), &manager, SystemTime::now());
        }
    }

    fn end_due(&self, guard: Option<&Arc<Guard>>, manager: &Manager, now: SystemTime) {
        let now_s = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        for client_id in self.take_due(now_s) {
            if manager.end_expired(&client_id, now_s) {
                if let Some(guard) = guard {
                    guard.note_expired();
                }
                tracing::info!(%client_id, "disconnected: what it had shown has expired");
            }
        }
    }
}

impl ClientInfo {
    /// When it has to go, in seconds since 1970: with what it proved itself by, or with the certificate it showed; none
    /// for never.
    pub fn expires_at_s(&self) -> Option<u64> {
        let of_identity = self
            .identity
            .as_ref()
            .and_then(|identity| identity.expires_at_s);
        let certificate = self.certificate.as_ref();
        let until = certificate.and_then(|shown| shown.not_after);
        // It is good in that second, too.
        let until = until.and_then(|until| until.duration_since(UNIX_EPOCH).ok());
        let of_certificate = until.map(|until| until.as_secs().saturating_add(1));
        of_identity.into_iter().chain(of_certificate).min()
    }
}

#[cfg(test)]
mod tests;
