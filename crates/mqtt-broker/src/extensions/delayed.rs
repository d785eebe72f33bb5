//! Messages that wait for their time: `$delayed/SECONDS/TOPIC`.

use crate::core::message::Message;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// A message that waits.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    /// Names it in the log.
    pub(crate) id: u64,
    /// What is published then.
    pub(crate) message: Arc<Message>,
    /// Whose it is; empty for the broker's own.
    pub(crate) publisher_id: Box<str>,
}

/// All that wait, bounded by number and bytes.
#[derive(Debug)]
pub(crate) struct Delayed {
    /// Whether `$delayed/` means anything.
    is_enabled: AtomicBool,
    messages_max: AtomicUsize,
    bytes_max: AtomicUsize,
    state: Mutex<State>,
    /// How many wait, for a look without the lock.
    len: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    /// By when they are due, in milliseconds, and then as they came.
    waiting: BTreeMap<(u64, u64), Waiting>,
    /// INVARIANT: sum of the sizes in `waiting`.
    bytes: usize,
    last_id: u64,
}

/// Too many messages wait; the publisher is told Quota exceeded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct DelayedFull;

impl Delayed {
    pub(crate) fn new(config: &crate::config::Delayed) -> Self {
        Self {
            is_enabled: AtomicBool::new(config.enable),
            messages_max: AtomicUsize::new(config.max_delayed_messages),
            bytes_max: AtomicUsize::new(config.max_delayed_bytes.get()),
            state: Mutex::default(),
            len: AtomicUsize::new(0),
        }
    }

    /// Other bounds from now on; what waits stays, whatever they are.
    pub(crate) fn reload(&self, config: &crate::config::Delayed) {
        self.is_enabled.store(config.enable, Ordering::Relaxed);
        let bytes_max = config.max_delayed_bytes.get();
        self.messages_max
            .store(config.max_delayed_messages, Ordering::Relaxed);
        self.bytes_max.store(bytes_max, Ordering::Relaxed);
    }

    /// Whether `$delayed/` means anything.
    pub(crate) fn is_enabled(&self) -> bool {
        self.is_enabled.load(Ordering::Relaxed)
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Keeps `message` until `due_ms`; its name in the log.
    pub(crate) fn insert(
        &self,
        due_ms: u64,
        message: Arc<Message>,
        publisher_id: &str,
    ) -> Result<u64, DelayedFull> {
        let mut state = self.state.lock();
        let bytes = state.bytes + message.size();
        if state.waiting.len() >= self.messages_max.load(Ordering::Relaxed)
            || bytes > self.bytes_max.load(Ordering::Relaxed)
        {
            return Err(DelayedFull);
        }
        state.bytes = bytes;
        state.last_id += 1;
        let id = state.last_id;
        let waiting = Waiting {
            id,
            message,
            publisher_id: publisher_id.into(),
        };
        state.waiting.insert((due_ms, id), waiting);
        self.len.store(state.waiting.len(), Ordering::Relaxed);
        Ok(id)
    }

    /// Puts back what a store has kept, whatever the bounds are now.
    pub(crate) fn restore(&self, due_ms: u64, waiting: Waiting) {
        let mut state = self.state.lock();
        state.bytes += waiting.message.size();
        state.last_id = state.last_id.max(waiting.id);
        state.waiting.insert((due_ms, waiting.id), waiting);
        self.len.store(state.waiting.len(), Ordering::Relaxed);
    }

    /// Takes back what could not be written down.
    pub(crate) fn remove(&self, due_ms: u64, id: u64) {
        let mut state = self.state.lock();
        if let Some(removed) = state.waiting.remove(&(due_ms, id)) {
            state.bytes -= removed.message.size();
        }
        self.len.store(state.waiting.len(), Ordering::Relaxed);
    }

    /// The next one that is due at `now_ms`.
    pub(crate) fn take_due(&self, now_ms: u64) -> Option<Waiting> {
        if self.len() == 0 {
            return None;
        }
        let mut state = self.state.lock();
        let entry = state.waiting.first_entry()?;
        if entry.key().0 > now_ms {
            return None;
        }
        let waiting = entry.remove();
        state.bytes -= waiting.message.size();
        self.len.store(state.waiting.len(), Ordering::Relaxed);
        Some(waiting)
    }
}
