//! What the broker counts. Connections gather per read batch and add once, so that nothing is shared per message.

use super::cause::{DropCause, EndCause, RequestRefused, SessionEnd};
use super::session_cell::{SessionCell, SessionKey};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Variants of [`DropCause`].
const DROP_CAUSES: usize = DropCause::ALL.len();

/// The broker's counters since its start.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) connections_opened: AtomicU64,
    pub(crate) connections_closed: AtomicU64,
    pub(crate) connections_panicked: AtomicU64,
    /// Clients connected now.
    pub(crate) connected: AtomicU64,
    /// The most that were connected at a time.
    pub(crate) connected_max: AtomicU64,
    pub(crate) accepted: AtomicU64,
    received: AtomicU64,
    sent: AtomicU64,
    queued: AtomicU64,
    packets_received: AtomicU64,
    packets_sent: AtomicU64,
    bytes_received: AtomicU64,
    bytes_sent: AtomicU64,
    pub(crate) queue_loads: AtomicU64,
    pub(crate) queue_loaded: AtomicU64,
    dropped: [AtomicU64; DROP_CAUSES],
    sessions_ended: Mutex<BTreeMap<&'static str, u64>>,
    ends: Mutex<BTreeMap<&'static str, u64>>,
    refused: Mutex<BTreeMap<RequestRefused, u64>>,
    denied: Mutex<BTreeMap<&'static str, u64>>,
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
    /// Clients connected now.
    pub clients_connected: u64,
    /// The most clients connected at a time.
    pub clients_maximum: u64,
    /// CONNECT packets that were accepted.
    pub clients_accepted: u64,
    /// Control Packets of all types taken from clients.
    pub packets_received: u64,
    /// Control Packets of all types written for clients.
    pub packets_sent: u64,
    /// Bytes taken from clients.
    pub bytes_received: u64,
    /// Bytes written to clients.
    pub bytes_sent: u64,
    /// PUBLISH packets taken from clients.
    pub messages_received: u64,
    /// PUBLISH packets handed to connections, without those sent again.
    pub messages_sent: u64,
    /// Messages put into a session's queue.
    pub messages_queued: u64,
    /// Times that messages were read from the log for the queue of a session.
    pub queue_loads: u64,
    /// Messages of queues that were read from the log.
    pub queue_loaded: u64,
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
    /// Messages that hooks discarded or withheld.
    pub dropped_hook: u64,
    /// Messages published to `$delayed` while too many waited.
    pub dropped_delayed_full: u64,
    /// Messages that waited in the log, where they are damaged or cannot be read.
    pub dropped_unreadable: u64,
    /// Messages of subscriptions whose client may have others, but not these.
    pub dropped_withheld: u64,
    /// Events that readers of the stream of events were too slow for.
    pub events_missed: u64,
    /// Sessions ended, by cause.
    pub sessions_ended: BTreeMap<&'static str, u64>,
    /// Connections ended, by cause.
    pub ends: BTreeMap<&'static str, u64>,
    /// PUBLISH packets and Topic Filters refused, by what was refused and why.
    pub refused: BTreeMap<RequestRefused, u64>,
    /// Of these, those that rights were the ground of, by [`Ground::label`](crate::Ground::label).
    pub denied: BTreeMap<&'static str, u64>,
    /// Limits reached, by [`LimitCause::label`](crate::LimitCause::label); those never reached are left out.
    pub limits: BTreeMap<&'static str, u64>,
}

impl Totals {
    /// Messages dropped, for whatever cause.
    pub fn dropped(&self) -> u64 {
        self.dropped_offline
            + self.dropped_outbox_full
            + self.dropped_expired
            + self.dropped_too_large
            + self.dropped_queue_full
            + self.dropped_retained_full
            + self.dropped_denied
            + self.dropped_share_ended
            + self.dropped_hook
            + self.dropped_delayed_full
            + self.dropped_unreadable
            + self.dropped_withheld
    }
}

/// Messages dropped, for the hooks that want to know.
#[derive(Debug)]
pub(crate) struct DropNote {
    pub(crate) cause: DropCause,
    pub(crate) messages: u64,
    pub(crate) cell: Option<Arc<SessionCell>>,
    pub(crate) topic_name: Box<str>,
}

/// What one read batch adds.
#[derive(Debug, Default)]
pub(crate) struct BatchCounts {
    pub(crate) received: u64,
    pub(crate) sent: u64,
    /// Of those sent, in this batch or before, the ones a slow reader did not get after all.
    pub(crate) unsent: u64,
    pub(crate) queued: u64,
    pub(crate) packets_received: u64,
    /// Control Packets written, but for what `sent` counts.
    pub(crate) answers_sent: u64,
    pub(crate) bytes_received: u64,
    pub(crate) bytes_sent: u64,
    /// INVARIANT: without `has_drops` all are 0, and none is in `dropped_by`.
    dropped: [u64; DROP_CAUSES],
    has_drops: bool,
    /// Whether `notes` are taken.
    pub(crate) watches_drops: bool,
    /// Drops to be told to hooks; emptied with each batch.
    pub(crate) notes: Vec<DropNote>,
    /// Of each cause the last session whose messages were dropped.
    dropped_by: [Option<SessionKey>; DROP_CAUSES],
}

impl BatchCounts {
    /// Whether nothing was counted.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        let counts = [
            self.received,
            self.sent,
            self.unsent,
            self.queued,
            self.packets_received,
            self.answers_sent,
            self.bytes_received,
            self.bytes_sent,
        ];
        counts.iter().fold(0, |any, count| any | count) == 0 && !self.has_drops
    }

    /// Whether anything was dropped.
    pub(crate) const fn has_drops(&self) -> bool {
        self.has_drops
    }

    pub(crate) fn dropped(&mut self, cause: DropCause, messages: u64) {
        if let Some(count) = self.dropped.get_mut(cause.slot()) {
            *count += messages;
            self.has_drops = true;
        }
        if self.watches_drops && messages > 0 {
            self.notes.push(DropNote {
                cause,
                messages,
                cell: None,
                topic_name: Box::default(),
            });
        }
    }

    /// Says of which topic the last drop was.
    pub(crate) fn name_topic(&mut self, topic_name: &str) {
        if let Some(note) = self.notes.last_mut() {
            note.topic_name = topic_name.into();
        }
    }

    /// Says what the drops since the last naming were: whose, and of which topic where that is not said yet.
    pub(crate) fn name_drops(&mut self, cell: Option<&Arc<SessionCell>>, topic_name: &str) {
        for note in self.notes.iter_mut().rev() {
            if note.cell.is_some() {
                return;
            }
            note.cell = cell.cloned();
            if note.topic_name.is_empty() {
                note.topic_name = topic_name.into();
            }
        }
    }

    /// The same, and whose messages they were.
    pub(crate) fn dropped_by(&mut self, cause: DropCause, messages: u64, session: SessionKey) {
        self.dropped(cause, messages);
        if let Some(last) = self.dropped_by.get_mut(cause.slot())
            && messages > 0
        {
            *last = Some(session);
        }
    }

    /// How many messages were dropped for a cause, and for whom last.
    pub(crate) fn dropped_for(&self, cause: DropCause) -> (u64, Option<SessionKey>) {
        let at = cause.slot();
        let count = self.dropped.get(at).copied().unwrap_or_default();
        (count, self.dropped_by.get(at).copied().flatten())
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
        add(&self.sent, batch.sent.wrapping_sub(batch.unsent));
        add(&self.queued, batch.queued);
        add(&self.packets_received, batch.packets_received);
        add(&self.packets_sent, batch.sent + batch.answers_sent);
        add(&self.bytes_received, batch.bytes_received);
        add(&self.bytes_sent, batch.bytes_sent);
        if batch.has_drops {
            for (counter, count) in self.dropped.iter().zip(batch.dropped) {
                add(counter, count);
            }
            batch.dropped = [0; DROP_CAUSES];
            batch.dropped_by = [None; DROP_CAUSES];
            batch.has_drops = false;
        }
        batch.received = 0;
        batch.sent = 0;
        batch.unsent = 0;
        batch.queued = 0;
        batch.packets_received = 0;
        batch.answers_sent = 0;
        batch.bytes_received = 0;
        batch.bytes_sent = 0;
    }

    /// A client is connected that was not.
    pub(crate) fn client_connected(&self) {
        let now = self.connected.fetch_add(1, Ordering::Relaxed) + 1;
        self.connected_max.fetch_max(now, Ordering::Relaxed);
    }

    /// A client is not connected any more.
    pub(crate) fn client_disconnected(&self) {
        self.connected.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn session_ended(&self, cause: SessionEnd) {
        *self.sessions_ended.lock().entry(cause.label()).or_default() += 1;
    }

    pub(crate) fn ended(&self, cause: EndCause) {
        *self.ends.lock().entry(cause.label()).or_default() += 1;
    }

    pub(crate) fn refused(&self, cause: RequestRefused) {
        *self.refused.lock().entry(cause).or_default() += 1;
    }

    pub(crate) fn denied(&self, ground: &'static str) {
        *self.denied.lock().entry(ground).or_default() += 1;
    }

    pub(crate) fn totals(&self) -> Totals {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let dropped = |cause: DropCause| self.dropped.get(cause.slot()).map_or(0, load);
        Totals {
            connections_opened: load(&self.connections_opened),
            connections_closed: load(&self.connections_closed),
            connections_panicked: load(&self.connections_panicked),
            clients_connected: load(&self.connected),
            clients_maximum: load(&self.connected_max),
            clients_accepted: load(&self.accepted),
            packets_received: load(&self.packets_received),
            packets_sent: load(&self.packets_sent),
            bytes_received: load(&self.bytes_received),
            bytes_sent: load(&self.bytes_sent),
            messages_received: load(&self.received),
            messages_sent: load(&self.sent),
            messages_queued: load(&self.queued),
            queue_loads: load(&self.queue_loads),
            queue_loaded: load(&self.queue_loaded),
            dropped_offline: dropped(DropCause::Offline),
            dropped_outbox_full: dropped(DropCause::OutboxFull),
            dropped_expired: dropped(DropCause::Expired),
            dropped_too_large: dropped(DropCause::TooLarge),
            dropped_queue_full: dropped(DropCause::QueueFull),
            dropped_retained_full: dropped(DropCause::RetainedFull),
            dropped_denied: dropped(DropCause::Denied),
            dropped_share_ended: dropped(DropCause::ShareEnded),
            dropped_hook: dropped(DropCause::Hook),
            dropped_delayed_full: dropped(DropCause::DelayedFull),
            dropped_unreadable: dropped(DropCause::Unreadable),
            dropped_withheld: dropped(DropCause::Withheld),
            events_missed: 0,
            sessions_ended: self.sessions_ended.lock().clone(),
            ends: self.ends.lock().clone(),
            refused: self.refused.lock().clone(),
            denied: self.denied.lock().clone(),
            limits: BTreeMap::new(),
        }
    }
}
