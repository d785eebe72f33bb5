//! What others may know about a session without its lock.

use std::sync::atomic::{AtomicU8, Ordering};

const CONNECTED: u8 = 1;
const ENDED: u8 = 2;
const WAITING: u8 = 4;
const FULL: u8 = 8;
/// Set from the first time on that it is told.
const KNOWN: u8 = 16;
const DURABLE: u8 = 32;

/// How a session stands, as of the last change its lock's holder has told.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Standing(u8);

impl Standing {
    /// `waiting`: messages wait in its queue; `full`: the queue takes no more.
    pub(crate) const fn new(connected: bool, ended: bool, waiting: bool, full: bool) -> Self {
        let mut bits = KNOWN;
        if connected {
            bits |= CONNECTED;
        }
        if ended {
            bits |= ENDED;
        }
        if waiting {
            bits |= WAITING;
        }
        if full {
            bits |= FULL;
        }
        Self(bits)
    }

    /// The same of a session that outlives its connection, or not.
    pub(crate) const fn lasting(self, lasts: bool) -> Self {
        match lasts {
            true => Self(self.0 | DURABLE),
            false => self,
        }
    }

    pub(crate) const fn is_connected(self) -> bool {
        self.0 & CONNECTED != 0
    }

    /// Whether it waits for its client to come back.
    pub(crate) const fn is_offline(self) -> bool {
        self.0 & (KNOWN | CONNECTED | ENDED) == KNOWN
    }

    pub(crate) const fn is_ended(self) -> bool {
        self.0 & ENDED != 0
    }

    /// Whether messages for it have to survive the broker.
    pub(crate) const fn is_durable(self) -> bool {
        self.0 & (DURABLE | ENDED) == DURABLE
    }

    /// Whether a message above QoS 0 would have to wait.
    pub(crate) const fn makes_wait(self) -> bool {
        self.0 & (CONNECTED | WAITING) != CONNECTED
    }

    /// Whether its queue takes no more.
    pub(crate) const fn is_full(self) -> bool {
        self.0 & FULL != 0
    }
}

/// A [`Standing`] that one writes and many read.
#[derive(Debug, Default)]
pub(crate) struct AtomicStanding(AtomicU8);

impl AtomicStanding {
    pub(crate) fn load(&self, order: Ordering) -> Standing {
        Standing(self.0.load(order))
    }

    /// Tells a new standing; the one before comes back.
    pub(crate) fn swap(&self, standing: Standing) -> Standing {
        // Written under the session's lock only, so reading and writing need not be one step.
        let before = self.load(Ordering::Relaxed);
        if before != standing {
            self.0.store(standing.0, Ordering::Relaxed);
        }
        before
    }
}
