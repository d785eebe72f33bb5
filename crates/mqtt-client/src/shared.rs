//! What the handles and the driver of one client share.

use crate::earlier::Leftover;
use crate::event::{Event, EventHub, State};
use crate::limits::{REQUEST_CAPACITY, UNCLAIMED_CAPACITY};
use crate::metrics::Counters;
use crate::options::Options;
use crate::place::Room;
use crate::queue::MessageQueue;
use crate::receipts::Receipts;
use crate::request::Responses;
use crate::store::{Found, Keeper};
use crate::time::millis;
use crate::{CloseReason, ClosedError, ConnAckInfo};
use mqtt_codec::QoS;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

/// What the handles and the driver of one client share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The moment that counts as 0 ms.
    pub(crate) epoch: Instant,
    state: watch::Sender<State>,
    /// Whether there has been a connection.
    was_connected: AtomicBool,
    close_reason: OnceLock<CloseReason>,
    pub(crate) events: EventHub,
    pub(crate) counters: Counters,
    pub(crate) unclaimed: Arc<MessageQueue>,
    pub(crate) responses: Arc<Responses>,
    /// Answers to published messages.
    pub(crate) receipts: Receipts,
    /// Places for messages of QoS 0 that are not handed to the transport yet.
    pub(crate) unsent: Semaphore,
    /// Places for messages of QoS 1 and 2 without their last acknowledgement.
    pub(crate) unacknowledged: Semaphore,
    /// Places for the bytes of both.
    pub(crate) bytes: Semaphore,
    /// All places in `bytes`.
    pub(crate) bytes_max: u32,
    /// All places in `unsent` and `unacknowledged`.
    #[cfg(feature = "metrics")]
    pub(crate) publish_places: usize,
    /// Places for requests without an answer.
    pub(crate) requests: Arc<Semaphore>,
    /// What is kept on disk.
    pub(crate) keeper: Option<Arc<Keeper>>,
    /// Messages of an earlier process that nobody has asked for.
    leftovers: Mutex<Vec<Leftover>>,
}

impl Shared {
    /// What an earlier process has left goes beyond the bounds, if they are lower than they were then.
    pub(crate) fn new(options: &Options, opened: Option<&(Arc<Keeper>, Found)>) -> Self {
        let found = opened.map(|(_, found)| found);
        let publish_capacity = options
            .publish_capacity
            .max(found.map_or(0, Found::messages));
        let publish_bytes = options.publish_bytes.max(found.map_or(0, Found::len));
        let bytes_max = u32::try_from(publish_bytes).unwrap_or(u32::MAX);
        let bytes_max = bytes_max.clamp(1, 1 << 30);
        Self {
            epoch: Instant::now(),
            state: watch::Sender::new(State::Connecting),
            was_connected: AtomicBool::new(false),
            close_reason: OnceLock::new(),
            events: EventHub::default(),
            counters: Counters::default(),
            unclaimed: Arc::new(MessageQueue::new(UNCLAIMED_CAPACITY)),
            responses: Arc::new(Responses::default()),
            receipts: Receipts::default(),
            unsent: Semaphore::new(options.publish_capacity),
            unacknowledged: Semaphore::new(publish_capacity),
            bytes: Semaphore::new(usize::try_from(bytes_max).unwrap_or(1)),
            bytes_max,
            #[cfg(feature = "metrics")]
            publish_places: options.publish_capacity + publish_capacity,
            requests: Arc::new(Semaphore::new(REQUEST_CAPACITY)),
            keeper: opened.map(|(keeper, _)| Arc::clone(keeper)),
            leftovers: Mutex::default(),
        }
    }

    pub(crate) fn now_ms(&self) -> u64 {
        millis(self.epoch.elapsed())
    }

    /// Where messages of `qos` take their places.
    pub(crate) const fn places(&self, qos: QoS) -> &Semaphore {
        match qos {
            QoS::AtMostOnce => &self.unsent,
            QoS::AtLeastOnce | QoS::ExactlyOnce => &self.unacknowledged,
        }
    }

    /// Gives back what is in `room`, which is empty then.
    pub(crate) fn give_back(&self, room: &mut Room) {
        let Room {
            unsent,
            unacknowledged,
            bytes,
        } = std::mem::take(room);
        for (places, count) in [
            (&self.unsent, unsent),
            (&self.unacknowledged, unacknowledged),
            (&self.bytes, bytes),
        ] {
            if count != 0 {
                places.add_permits(count);
            }
        }
    }

    /// Places in `bytes` for `len` of them; all, for a message that is longer.
    pub(crate) fn bytes_of(&self, len: usize) -> u32 {
        u32::try_from(len).unwrap_or(u32::MAX).min(self.bytes_max)
    }

    pub(crate) fn set_leftovers(&self, leftovers: Vec<Leftover>) {
        *self.lock_leftovers() = leftovers;
    }

    pub(crate) fn take_leftovers(&self) -> Vec<Leftover> {
        std::mem::take(&mut *self.lock_leftovers())
    }

    fn lock_leftovers(&self) -> std::sync::MutexGuard<'_, Vec<Leftover>> {
        // Nothing panics while it is held.
        self.leftovers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what waits for the disk, and gives the store free.
    pub(crate) fn close_store(&self) {
        if let Some(keeper) = &self.keeper {
            keeper.close();
        }
    }

    pub(crate) fn was_connected(&self) -> bool {
        self.was_connected.load(Ordering::Relaxed)
    }

    pub(crate) fn set_connected(&self, connack: Arc<ConnAckInfo>) {
        self.was_connected.store(true, Ordering::Relaxed);
        self.state.send_replace(State::Connected(connack));
    }

    pub(crate) fn set_connecting(&self) {
        self.state.send_replace(State::Connecting);
    }

    /// From now on everything ends with `reason`; the first one counts.
    pub(crate) fn begin_close(&self, reason: CloseReason) {
        // A second reason is a consequence of the first.
        let _ = self.close_reason.set(reason);
        self.refuse_new();
        self.unclaimed.close();
        self.responses.close();
    }

    /// Nothing new is taken from the application.
    pub(crate) fn refuse_new(&self) {
        self.unsent.close();
        self.unacknowledged.close();
        self.bytes.close();
        self.requests.close();
    }

    pub(crate) fn set_closed(&self) {
        let before = self.state.send_replace(State::Closed);
        if !matches!(before, State::Closed) {
            let reason = self.closed_error().reason;
            self.events.send(&Event::Closed { reason });
            self.events.close();
        }
    }

    pub(crate) fn state(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    pub(crate) fn connack(&self) -> Option<Arc<ConnAckInfo>> {
        match &*self.state.borrow() {
            State::Connected(connack) => Some(Arc::clone(connack)),
            State::Connecting | State::Closed => None,
        }
    }

    pub(crate) async fn connected(&self) -> Result<Arc<ConnAckInfo>, ClosedError> {
        let mut state = self.state.subscribe();
        let decided = state
            .wait_for(|state| !matches!(state, State::Connecting))
            .await;
        match decided.as_deref() {
            Ok(State::Connected(connack)) => Ok(Arc::clone(connack)),
            _ => Err(self.closed_error()),
        }
    }

    pub(crate) async fn closed(&self) -> CloseReason {
        let mut state = self.state.subscribe();
        // The sender is in `self`, so this waits for the state alone.
        let _ = state.wait_for(|state| matches!(state, State::Closed)).await;
        self.closed_error().reason
    }

    pub(crate) fn closed_error(&self) -> ClosedError {
        let reason = self
            .close_reason
            .get()
            .cloned()
            .unwrap_or(CloseReason::Disconnected);
        ClosedError { reason }
    }

    pub(crate) async fn permit(
        &self,
        places: &Arc<Semaphore>,
    ) -> Result<OwnedSemaphorePermit, ClosedError> {
        Arc::clone(places)
            .acquire_owned()
            .await
            .map_err(|_| self.closed_error())
    }
}

/// Ends the client when the driver goes away, however it does.
#[derive(Debug)]
pub(crate) struct CloseOnDrop(pub(crate) Arc<Shared>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.begin_close(CloseReason::DriverDropped);
        self.0.close_store();
        self.0.set_closed();
        self.0.receipts.close();
    }
}
