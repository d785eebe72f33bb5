//! What finds out who clients are: the authenticators of the configuration, and what they share.

mod asked;
mod attempts;
mod certificate;
mod checks;
#[cfg(any(feature = "postgresql", feature = "redis"))]
mod database;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "http")]
mod jwks;
mod jwt;
mod policy;
mod proofs;
mod scram;
mod user_store;
mod users;

pub(in crate::access) use asked::{Asked, Heard, Verdict};
pub(in crate::access) use attempts::Attempts;
pub(in crate::access) use checks::Checks;
pub(in crate::access) use policy::{Chain, Policy};
pub(in crate::access) use proofs::{Claim, Proofs};
pub(in crate::access) use scram::{SCRAM_METHOD, ScramAuthenticator, ScramSteps};
pub use user_store::{UserStore, UserStoreError, UserView};
pub(in crate::access) use users::{UserTable, Users};

use crate::config::AuthenticationSettings;
use mqtt_access::StoredPassword;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Attributes a client may have.
const ATTRIBUTES_MAX: usize = 64;

/// What the authenticators of one broker share, over all its configurations.
pub(in crate::access) struct Desk {
    pub(in crate::access) checks: Checks,
    pub(in crate::access) proofs: Proofs,
    pub(in crate::access) attempts: Attempts,
    pub(in crate::access) counters: Counters,
}

impl Desk {
    pub(in crate::access) fn new(settings: &AuthenticationSettings) -> Self {
        Self {
            checks: Checks::new(settings.password_threads, settings.max_password_queue),
            proofs: Proofs::new(settings.proof_ttl.get(), settings.max_proofs),
            attempts: Attempts::new(settings.max_failures),
            counters: Counters::default(),
        }
    }

    /// Other bounds from now on.
    pub(in crate::access) fn bound(&self, settings: &AuthenticationSettings) {
        let (threads, queue_max) = (settings.password_threads, settings.max_password_queue);
        self.checks.bound(threads, queue_max);
        self.proofs
            .bound(settings.proof_ttl.get(), settings.max_proofs);
        self.attempts.bound(settings.max_failures);
    }

    /// Whether this is the user's password; takes tens of milliseconds, on a thread of [`Checks`].
    fn check(
        &self,
        authenticator: &str,
        user: &str,
        stored: &StoredPassword,
        password: &[u8],
    ) -> bool {
        let claim = Claim {
            authenticator,
            user,
        };
        // Another client of this user may have been checked while this one waited.
        if self.proofs.holds(claim, password, stored, Instant::now()) {
            count(&self.counters.proven);
            return true;
        }
        count(&self.counters.checked);
        let is_right = stored.verify(password);
        if is_right {
            self.proofs.keep(claim, password, stored, Instant::now());
        }
        is_right
    }
}

/// What is counted, since the broker started.
#[derive(Default)]
pub(in crate::access) struct Counters {
    pub(in crate::access) accepted: AtomicU64,
    pub(in crate::access) anonymous: AtomicU64,
    pub(in crate::access) refused: AtomicU64,
    pub(in crate::access) limited: AtomicU64,
    pub(in crate::access) busy: AtomicU64,
    pub(in crate::access) unavailable: AtomicU64,
    pub(in crate::access) checked: AtomicU64,
    pub(in crate::access) proven: AtomicU64,
    pub(in crate::access) expired: AtomicU64,
}

/// How often which end authentication had, since the broker started, and what there is now.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct AuthenticationCounts {
    /// Clients that are who they say.
    pub accepted: u64,
    /// Clients that said nothing, where nobody has to.
    pub anonymous: u64,
    /// Clients that are not who they say, or that nobody knows.
    pub refused: u64,
    /// Clients refused for failures from their address.
    pub limited: u64,
    /// Clients refused because too many wait for their password to be checked.
    pub busy: u64,
    /// Clients refused because a service that had to be asked gave no answer.
    pub unavailable: u64,
    /// Clients disconnected because what they had shown ceased to hold.
    pub expired: u64,
    /// Passwords checked.
    pub checked: u64,
    /// Passwords that need not be checked, since they were right a moment ago.
    pub proven: u64,
    /// Clients waiting for their password to be checked now.
    pub waiting: usize,
    /// Users whose password need not be checked now.
    pub proofs: usize,
    /// Addresses with failures now.
    pub addresses: usize,
}

impl Desk {
    pub(in crate::access) fn counts(&self) -> AuthenticationCounts {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &self.counters;
        AuthenticationCounts {
            accepted: load(&counters.accepted),
            anonymous: load(&counters.anonymous),
            refused: load(&counters.refused),
            limited: load(&counters.limited),
            busy: load(&counters.busy),
            unavailable: load(&counters.unavailable),
            expired: load(&counters.expired),
            checked: load(&counters.checked),
            proven: load(&counters.proven),
            waiting: self.checks.waiting(),
            proofs: self.proofs.len(),
            addresses: self.attempts.len(),
        }
    }
}

/// One more.
pub(in crate::access) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Seconds since 1970.
pub(in crate::access) fn now_s() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// The texts of an object; what is no text, or too many, is left out.
fn attributes(value: Option<&Value>) -> BTreeMap<Box<str>, Box<str>> {
    let object = value.and_then(Value::as_object).into_iter().flatten();
    let texts = object.filter_map(|(name, value)| {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            _ => return None,
        };
        Some((name.as_str().into(), text.into()))
    });
    texts.take(ATTRIBUTES_MAX).collect()
}
