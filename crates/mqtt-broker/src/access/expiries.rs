//! Clients whose proof of who they are ceases to hold while they are connected.

use parking_lot::Mutex;
use std::collections::BTreeMap;

/// When which client has to go. At most one entry per connection.
#[derive(Default)]
pub(super) struct Expiries(Mutex<BTreeMap<(u64, Box<str>), usize>>);

impl Expiries {
    /// A client is connected, until `at_s`.
    pub(super) fn add(&self, at_s: u64, client_id: &str) {
        *self.0.lock().entry((at_s, client_id.into())).or_default() += 1;
    }

    /// A connection of that client is over.
    pub(super) fn remove(&self, at_s: u64, client_id: &str) {
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
    pub(super) fn take_due(&self, now_s: u64) -> Vec<Box<str>> {
        let mut entries = self.0.lock();
        let later = entries.split_off(&(now_s.saturating_add(1), Box::default()));
        let due = std::mem::replace(&mut *entries, later);
        due.into_keys().map(|(_, client_id)| client_id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_due_once_unless_it_left() {
        let expiries = Expiries::default();
        expiries.add(5, "a");
        expiries.add(6, "b");
        expiries.add(6, "b");
        expiries.add(7, "c");
        expiries.remove(6, "b");
        expiries.remove(5, "x");
        assert!(expiries.take_due(4).is_empty());
        assert_eq!(expiries.take_due(6), ["a".into(), "b".into()]);
        assert!(expiries.take_due(6).is_empty());
        expiries.remove(7, "c");
        assert!(expiries.take_due(u64::MAX).is_empty());
    }
}
