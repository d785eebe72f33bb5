//! What a client counts.

use std::sync::atomic::{AtomicU64, Ordering};

/// A count that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    #[cfg(feature = "metrics")]
    fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What a client counts, from its beginning.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) connections: Counter,
    pub(crate) connect_failures: Counter,
    pub(crate) published: Counter,
    pub(crate) publish_failures: Counter,
    pub(crate) resent: Counter,
    pub(crate) received: Counter,
    pub(crate) late: Counter,
    pub(crate) unclaimed: Counter,
    pub(crate) stalls: Counter,
    pub(crate) unanswered: Counter,
    pub(crate) bytes_sent: Counter,
    pub(crate) bytes_received: Counter,
}

/// What a client has counted since it was made; by [`Client::metrics`](crate::Client::metrics), feature `metrics`.
#[cfg(feature = "metrics")]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Metrics {
    /// Connections the server accepted.
    pub connections: u64,
    /// Attempts at connecting that failed.
    pub connect_failures: u64,
    /// Messages published: at QoS 0 handed to the transport, else acknowledged.
    pub published: u64,
    /// Messages that were refused, expired or lost.
    pub publish_failures: u64,
    /// PUBLISH and PUBREL packets of earlier connections that were due again when a session was resumed.
    pub resent: u64,
    /// Messages received.
    pub received: u64,
    /// Messages received for subscriptions that were no more; acknowledged and thrown away.
    pub late: u64,
    /// Messages received that no subscription had asked for.
    pub unclaimed: u64,
    /// How often everything waited for one message that was not acknowledged.
    pub stalls: u64,
    /// Messages dropped without an answer although their subscription has manual acknowledgement.
    pub unanswered: u64,
    /// Bytes handed to transports.
    pub bytes_sent: u64,
    /// Bytes read from transports.
    pub bytes_received: u64,
    /// Messages queued or unacknowledged at this moment.
    pub publishes_pending: usize,
}

#[cfg(feature = "metrics")]
impl Counters {
    pub(crate) fn snapshot(&self, publishes_pending: usize) -> Metrics {
        Metrics {
            connections: self.connections.value(),
            connect_failures: self.connect_failures.value(),
            published: self.published.value(),
            publish_failures: self.publish_failures.value(),
            resent: self.resent.value(),
            received: self.received.value(),
            late: self.late.value(),
            unclaimed: self.unclaimed.value(),
            stalls: self.stalls.value(),
            unanswered: self.unanswered.value(),
            bytes_sent: self.bytes_sent.value(),
            bytes_received: self.bytes_received.value(),
            publishes_pending,
        }
    }
}
