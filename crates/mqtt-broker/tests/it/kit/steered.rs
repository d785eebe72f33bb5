//! A log that is durable as far as a test says.

use mqtt_broker::{
    Appended, CommitLog, LogFull, LogPosition, LogRecord, Message, MessageId, Recipient,
};
use mqtt_codec::PacketId;
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::Duration;

#[derive(Default)]
struct State {
    appended: u64,
    durable: u64,
    full: bool,
    /// How often it was full.
    refused: u64,
    /// Panic when a session ends.
    panics: bool,
    waiting: Vec<(u64, Waker)>,
    records: Vec<&'static str>,
}

/// A log that is durable as far as the test says.
#[derive(Clone, Default)]
pub(crate) struct Steered(Arc<Mutex<State>>);

impl Steered {
    /// Everything appended so far is durable now.
    pub(crate) fn commit(&self) {
        let appended = self.0.lock().unwrap().appended;
        self.commit_to(appended);
    }

    pub(crate) fn commit_to(&self, durable: u64) {
        let mut state = self.0.lock().unwrap();
        state.durable = durable;
        let waiting = std::mem::take(&mut state.waiting);
        let (ready, waiting): (Vec<_>, _) = waiting.into_iter().partition(|(at, _)| *at <= durable);
        state.waiting = waiting;
        drop(state);
        for (_, waker) in ready {
            waker.wake();
        }
    }

    /// Code of the log panics when a session ends.
    pub(crate) fn panic_at_ends(&self) {
        self.0.lock().unwrap().panics = true;
    }

    pub(crate) fn set_full(&self, full: bool) {
        self.0.lock().unwrap().full = full;
    }

    pub(crate) fn appended(&self) -> u64 {
        self.0.lock().unwrap().appended
    }

    pub(crate) fn wait_for(&self, appended: u64) {
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        while self.appended() < appended {
            assert!(std::time::Instant::now() < deadline, "not appended in time");
            std::thread::yield_now();
        }
    }

    /// Waits until something was refused.
    pub(crate) fn wait_for_refusal(&self) {
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        while self.0.lock().unwrap().refused == 0 {
            assert!(std::time::Instant::now() < deadline, "not refused in time");
            std::thread::yield_now();
        }
    }

    pub(crate) fn take_records(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.0.lock().unwrap().records)
    }
}

impl CommitLog for Steered {
    fn keeps_records(&self) -> bool {
        true
    }

    fn append(&self, record: LogRecord<'_>) -> Result<LogPosition, LogFull> {
        let mut state = self.0.lock().unwrap();
        if state.full {
            state.refused += 1;
            return Err(LogFull);
        }
        if state.panics && matches!(record, LogRecord::SessionEnded { .. }) {
            drop(state);
            panic!("as the test wants it");
        }
        state.appended += 1;
        state.records.push(match record {
            LogRecord::RetainedRemoved { .. } => "retained removed",
            LogRecord::Received { .. } => "received",
            LogRecord::Released { .. } => "released",
            LogRecord::Begun { .. } => "begun",
            LogRecord::Confirmed { .. } => "confirmed",
            LogRecord::Finished { .. } => "finished",
            LogRecord::Attached { .. } => "attached",
            LogRecord::Detached { .. } => "detached",
            LogRecord::SessionStarted { .. } => "session started",
            LogRecord::SessionEnded { .. } => "session ended",
            LogRecord::Subscribed { .. } => "subscribed",
            LogRecord::Unsubscribed { .. } => "unsubscribed",
            LogRecord::Will { .. } => "will",
            LogRecord::WillGone { .. } => "will gone",
            LogRecord::Delayed { .. } => "delayed",
            LogRecord::DelayedDone { .. } => "delayed done",
            _ => "other",
        });
        Ok(LogPosition(state.appended))
    }

    fn append_message(
        &self,
        _message: &Arc<Message>,
        recipients: &[Recipient<'_>],
        is_retained: bool,
        received: Option<PacketId>,
    ) -> Result<Appended, LogFull> {
        assert!(is_retained || !recipients.is_empty());
        let mut state = self.0.lock().unwrap();
        if state.full {
            state.refused += 1;
            return Err(LogFull);
        }
        state.appended += 1;
        state.records.push(match received {
            None => "message",
            Some(_) => "message received",
        });
        Ok(Appended {
            position: LogPosition(state.appended),
            id: MessageId(state.appended),
        })
    }

    fn appended(&self) -> LogPosition {
        LogPosition(self.0.lock().unwrap().appended)
    }

    fn durable(&self) -> LogPosition {
        LogPosition(self.0.lock().unwrap().durable)
    }

    fn wake_when_durable(&self, position: LogPosition, waker: &Waker) {
        let mut state = self.0.lock().unwrap();
        if state.durable >= position.0 {
            drop(state);
            waker.wake_by_ref();
        } else {
            state.waiting.push((position.0, waker.clone()));
        }
    }
}
