//! What the broker counts. Connections gather per read batch and add once, so that nothing is shared per message.

use super::cause::{DropCause, EndCause};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// Variants of [`DropCause`].
const DROP_CAUSES: usize = 8;

/// The broker's counters since its start.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) connections_opened: AtomicU64,
    pub(crate) connections_closed: AtomicU64,
    pub(crate) connections_panicked: AtomicU64,
    received: AtomicU64,
    sent: AtomicU64,
    queued: AtomicU64,
    dropped: [AtomicU64; DROP_CAUSES],
    ends: Mutex<BTreeMap<&'static str, u64>>,
}

/// A reading of the broker's counters; each in packets, messages or connections since the start.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Totals {
    /// Connections accepted.
    pub connections_opened: u64,
    /// Connections gone.
    pub connections_closed: u64,
    /// Connections ended by a panic in their own code.
    pub connections_panicked: u64,
    /// PUBLISH packets taken from clients.
    pub messages_received: u64,
    /// PUBLISH packets handed to connections, without those sent again.
    pub messages_sent: u64,
    /// Messages put into a session's queue.
    pub messages_queued: u64,
    /// QoS 0 messages for sessions without a connection.
    pub dropped_offline: u64,
    /// QoS 0 messages past a slow reader's bound.
    pub dropped_outbox_full: u64,
    /// Messages whose Message Expiry Interval passed.
    pub dropped_expired: u64,
    /// Messages larger than a subscriber's Maximum Packet Size.
    pub dropped_too_large: u64,
    /// Messages of sessions ended for a full queue.
    pub dropped_queue_full: u64,
    /// Messages not retained because the store was full.
    pub dropped_retained_full: u64,
    /// QoS 0 messages their publishers had no right to publish.
    pub dropped_denied: u64,
    /// Messages of Shared Subscriptions that ended before a member took them.
    pub dropped_share_ended: u64,
    /// Connections ended, by cause.
    pub ends: BTreeMap<&'static str, u64>,
}

/// What one read batch adds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct BatchCounts {
    pub(crate) received: u64,
    pub(crate) sent: u64,
    pub(crate) queued: u64,
    dropped: [u64; DROP_CAUSES],
}

impl BatchCounts {
    pub(crate) fn dropped(&mut self, cause: DropCause, messages: u64) {
        if let Some(count) = self.dropped.get_mut(slot(cause)) {
            *count += messages;
        }
    }
}

impl Counters {
    pub(crate) fn add(&self, batch: &mut BatchCounts) {
        let add = |counter: &AtomicU64, count: u64| {
            if count != 0 {
                counter.fetch_add(count, Ordering::Relaxed);
            }
        };
        add(&self.received, batch.received);
        add(&self.sent, batch.sent);
        add(&self.queued, batch.queued);
        for (counter, count) in self.dropped.iter().zip(batch.dropped) {
            add(counter, count);
        }
        *batch = BatchCounts::default();
    }

    pub(crate) fn ended(&self, cause: EndCause) {
        *self.ends.lock().entry(cause.label()).or_default() += 1;
    }

    pub(crate) fn totals(&self) -> Totals {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let dropped = |cause| self.dropped.get(slot(cause)).map_or(0, load);
        Totals {
            connections_opened: load(&self.connections_opened),
            connections_closed: load(&self.connections_closed),
            connections_panicked: load(&self.connections_panicked),
            messages_received: load(&self.received),
            messages_sent: load(&self.sent),
            messages_queued: load(&self.queued),
            dropped_offline: dropped(DropCause::Offline),
            dropped_outbox_full: dropped(DropCause::OutboxFull),
            dropped_expired: dropped(DropCause::Expired),
            dropped_too_large: dropped(DropCause::TooLarge),
            dropped_queue_full: dropped(DropCause::QueueFull),
            dropped_retained_full: dropped(DropCause::RetainedFull),
            dropped_denied: dropped(DropCause::Denied),
            dropped_share_ended: dropped(DropCause::ShareEnded),
            ends: self.ends.lock().clone(),
        }
    }
}

const fn slot(cause: DropCause) -> usize {
    match cause {
        DropCause::Offline => 0,
        DropCause::OutboxFull => 1,
        DropCause::Expired => 2,
        DropCause::TooLarge => 3,
        DropCause::QueueFull => 4,
        DropCause::RetainedFull => 5,
        DropCause::Denied => 6,
        DropCause::ShareEnded => 7,
    }
}
