//! What the handles and the driver of one client share.

use crate::limits::{REQUEST_CAPACITY, UNCLAIMED_CAPACITY};
use crate::queue::MessageQueue;
use crate::{CloseReason, ClosedError, ConnAckInfo};
use std::sync::{Arc, OnceLock};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// What the handles and the driver of one client share.
#[derive(Debug)]
pub(crate) struct Shared {
    state: watch::Sender<State>,
    close_reason: OnceLock<CloseReason>,
    pub(crate) unclaimed: Arc<MessageQueue>,
    /// Places for messages of QoS 0 that are not handed to the transport yet.
    pub(crate) unsent: Arc<Semaphore>,
    /// Places for messages of QoS 1 and 2 without their last acknowledgement.
    pub(crate) unacknowledged: Arc<Semaphore>,
    /// Places for requests without an answer.
    pub(crate) requests: Arc<Semaphore>,
}

#[derive(Clone, Debug)]
enum State {
    Connecting,
    Connected(Arc<ConnAckInfo>),
    Closed,
}

impl Shared {
    pub(crate) fn new(publish_capacity: usize) -> Self {
        Self {
            state: watch::Sender::new(State::Connecting),
            close_reason: OnceLock::new(),
            unclaimed: Arc::new(MessageQueue::new(UNCLAIMED_CAPACITY)),
            unsent: Arc::new(Semaphore::new(publish_capacity)),
            unacknowledged: Arc::new(Semaphore::new(publish_capacity)),
            requests: Arc::new(Semaphore::new(REQUEST_CAPACITY)),
        }
    }

    pub(crate) fn set_connected(&self, connack: Arc<ConnAckInfo>) {
        self.state.send_replace(State::Connected(connack));
    }

    /// From now on everything ends with `reason`; the first one counts.
    pub(crate) fn begin_close(&self, reason: CloseReason) {
        // A second reason is a consequence of the first.
        let _ = self.close_reason.set(reason);
        self.refuse_new();
        self.unclaimed.close();
    }

    /// Nothing new is taken from the application.
    pub(crate) fn refuse_new(&self) {
        self.unsent.close();
        self.unacknowledged.close();
        self.requests.close();
    }

    pub(crate) fn set_closed(&self) {
        self.state.send_replace(State::Closed);
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
        self.0.set_closed();
    }
}
