//! What was found.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Violations kept; what comes after is counted only.
const VIOLATIONS_KEPT: usize = 100;
/// How often it is looked whether everybody has subscribed.
const POLL: Duration = Duration::from_millis(10);

/// A promise the broker did not keep.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Violation {
    /// A session that had been accepted was not there.
    SessionLost {
        /// Whose it was.
        client_id: String,
    },
    /// A message came before those published before it, which had not come.
    OutOfOrder {
        /// Who received it.
        subscriber: u8,
        /// Its topic.
        topic_name: String,
        /// The number that was next.
        expected: u64,
        /// The number that came.
        found: u64,
    },
    /// A message of QoS 2 came twice.
    Duplicate {
        /// Who received it.
        subscriber: u8,
        /// Its topic.
        topic_name: String,
        /// Its number.
        number: u64,
    },
    /// Acknowledged messages never came.
    Lost {
        /// Who should have received them.
        subscriber: u8,
        /// Their topic.
        topic_name: String,
        /// How many.
        messages: u64,
    },
    /// A retained message was older than one that had been acknowledged, or missing.
    Retained {
        /// Its topic.
        topic_name: String,
        /// The number that had been acknowledged.
        acknowledged: u64,
        /// The number found.
        found: Option<u64>,
    },
    /// The torture itself failed.
    Panicked,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SessionLost { client_id } => write!(f, "the session of {client_id} was lost"),
            Self::OutOfOrder {
                subscriber,
                topic_name,
                expected,
                found,
            } => write!(
                f,
                "subscriber {subscriber} got {found} of {topic_name} instead of {expected}"
            ),
            Self::Duplicate {
                subscriber,
                topic_name,
                number,
            } => write!(
                f,
                "subscriber {subscriber} got {number} of {topic_name} twice"
            ),
            Self::Lost {
                subscriber,
                topic_name,
                messages,
            } => write!(
                f,
                "subscriber {subscriber} never got {messages} acknowledged messages of {topic_name}"
            ),
            Self::Retained {
                topic_name,
                acknowledged,
                found: Some(found),
            } => write!(
                f,
                "{topic_name} had {found} retained after {acknowledged} was acknowledged"
            ),
            Self::Retained {
                topic_name,
                acknowledged,
                found: None,
            } => write!(
                f,
                "{topic_name} had nothing retained after {acknowledged} was acknowledged"
            ),
            Self::Panicked => write!(f, "a client of the torture failed"),
        }
    }
}

/// What was done and found.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// How often the broker was killed.
    pub kills: u32,
    /// Messages acknowledged at QoS 1 and at QoS 2.
    pub acknowledged: [u64; 2],
    /// Messages received by all subscribers, repeats not counted.
    pub received: u64,
    /// Messages of QoS 1 that came more than once, which is allowed.
    pub repeats: u64,
    /// Retained messages acknowledged.
    pub retained: u64,
    /// Times a session was found again.
    pub resumed: u64,
    /// Broken promises, all of them.
    pub violations: u64,
    /// The first of them.
    pub first: Vec<Violation>,
}

/// What the clients share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) addr: SocketAddr,
    stopped: AtomicBool,
    subscribed: AtomicUsize,
    /// Publishers that have had everything acknowledged.
    finished: AtomicUsize,
    /// By publisher and QoS: messages published.
    published: Mutex<Vec<(String, u64)>>,
    pub(crate) acknowledged: [AtomicU64; 2],
    pub(crate) received: AtomicU64,
    pub(crate) repeats: AtomicU64,
    pub(crate) retained: AtomicU64,
    pub(crate) resumed: AtomicU64,
    violations: AtomicU64,
    first: Mutex<Vec<Violation>>,
}

impl Shared {
    pub(crate) fn new(addr: SocketAddr) -> Self {
        Self {
            addr,
            stopped: AtomicBool::new(false),
            subscribed: AtomicUsize::new(0),
            finished: AtomicUsize::new(0),
            published: Mutex::default(),
            acknowledged: Default::default(),
            received: AtomicU64::new(0),
            repeats: AtomicU64::new(0),
            retained: AtomicU64::new(0),
            resumed: AtomicU64::new(0),
            violations: AtomicU64::new(0),
            first: Mutex::default(),
        }
    }

    pub(crate) fn note(&self, violation: Violation) {
        self.violations.fetch_add(1, Ordering::Relaxed);
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        if first.len() < VIOLATIONS_KEPT {
            first.push(violation);
        }
    }

    /// The broker will not be killed any more: what is under way is to be finished.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    pub(crate) fn note_subscribed(&self) {
        self.subscribed.fetch_add(1, Ordering::AcqRel);
    }

    /// Publishing begins when everybody has subscribed.
    pub(crate) fn wait_for_subscribers(&self, all: usize) {
        while self.subscribed.load(Ordering::Acquire) < all {
            std::thread::sleep(POLL);
        }
    }

    /// A publisher has had everything acknowledged: so many messages of each topic.
    pub(crate) fn note_published(&self, topics: impl IntoIterator<Item = (String, u64)>) {
        let mut published = self
            .published
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        published.extend(topics);
        drop(published);
        self.finished.fetch_add(1, Ordering::AcqRel);
    }

    /// How many messages there are of each topic, once that is known.
    pub(crate) fn published(&self) -> Option<Vec<(String, u64)>> {
        if self.finished.load(Ordering::Acquire) < usize::from(crate::PUBLISHERS) {
            return None;
        }
        let published = self
            .published
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Some(published.clone())
    }

    pub(crate) fn report(&self, kills: u32) -> Report {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Report {
            kills,
            acknowledged: [read(&self.acknowledged[0]), read(&self.acknowledged[1])],
            received: read(&self.received),
            repeats: read(&self.repeats),
            retained: read(&self.retained),
            resumed: read(&self.resumed),
            violations: read(&self.violations),
            first: first.clone(),
        }
    }
}
