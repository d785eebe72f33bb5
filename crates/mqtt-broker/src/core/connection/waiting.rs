//! What input waits for: a decision, the log, a slow subscriber, a disk that is behind, a rate.

use super::{Connection, LogWait, Open};
use crate::core::Batch;
use std::sync::atomic::Ordering;
use std::task::{Poll, Waker};

impl Connection {
    /// Whether input has to wait: for a decision, for answers that wait for the log, for retained messages that
    /// are being looked up, for a slow subscriber, or because it came too fast.
    pub(crate) fn is_paused(&self, now_ms: u64) -> bool {
        let held_max = usize::from(self.core.limits.receive_maximum);
        // Before CONNACK nothing may be answered, so nothing is looked at; v5 [MQTT-3.2.0-1].
        let is_held = self.open.as_ref().is_some_and(|open| {
            !self.is_greeted || self.is_looking_up(open) || open.held.len() > held_max
        });
        let is_stopped = self.waiting_for.is_some()
            || self.is_waiting_for_log()
            || self.resume_at_ms(now_ms).is_some();
        self.gate.is_pending() || is_held || is_stopped
    }

    /// Whether retained messages are being looked up, and not only to be once their SUBACK is out.
    pub(super) fn is_looking_up(&self, open: &Open) -> bool {
        let first = open.retained.first();
        first.is_some_and(|asked| asked.after <= self.durability.reached(&*self.core.log))
    }

    /// When the client may go on that has sent too fast, if it may not now; in milliseconds.
    pub(crate) fn resume_at_ms(&self, now_ms: u64) -> Option<u64> {
        self.pace.as_ref()?.resume_at_ms(now_ms)
    }

    /// Whether this publisher waits for a subscriber, which the caller bounds in time.
    pub(crate) fn is_waiting(&self) -> bool {
        self.waiting_for.is_some()
    }

    /// Whether this publisher waits for a disk that is behind, which the caller bounds in time.
    pub(crate) fn is_waiting_for_log(&self) -> bool {
        self.log_wait == LogWait::Waits
    }

    /// The disk has had its time.
    pub(crate) fn give_up_waiting_for_log(&mut self) {
        self.log_wait = LogWait::Over;
    }

    /// Whether the log takes this publisher's message now, and if not, who tells when.
    pub(super) fn poll_log(&mut self, waker: &Waker) -> Poll<()> {
        if self.log_wait != LogWait::Waits {
            return Poll::Ready(());
        }
        if self.core.log.is_behind() {
            self.core.log.wake_when_room(waker);
            return Poll::Pending;
        }
        self.log_wait = LogWait::None;
        Poll::Ready(())
    }

    /// The subscriber has had its time: its session ends, and its publishers go on.
    pub(crate) fn give_up_waiting(&mut self, now_ms: u64) {
        let Some(cell) = self.waiting_for.take() else {
            return;
        };
        let standing = cell.standing.load(Ordering::Relaxed);
        if standing.is_full() && standing.is_connected() {
            let mut batch = Batch::new();
            batch.overflowed.push(cell);
            self.core.finish(&mut batch, now_ms);
        }
    }

    /// Whether there is room for this publisher's message now, and if not, who tells when.
    pub(super) fn poll_waiting(&mut self, waker: &Waker) -> Poll<()> {
        let Some(cell) = &self.waiting_for else {
            return Poll::Ready(());
        };
        let mut state = cell.state.lock();
        if state.connected
            && !state.ended
            && let Some(queue) = &mut state.queue
            && queue.is_full(&self.core.limits)
        {
            queue.wait(waker);
            return Poll::Pending;
        }
        drop(state);
        self.waiting_for = None;
        Poll::Ready(())
    }
}
