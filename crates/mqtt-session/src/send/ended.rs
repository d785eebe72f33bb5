//! Flows that end without their last acknowledgement: their messages come back one at a time.

use super::{SendFlows, Stage, Standing};
#[cfg(feature = "alloc")]
use crate::Heap;
use crate::Storage;
use crate::storage::{PacketIds, Queue};
use core::fmt;

/// Gives the messages of flows that have ended back, in order; those that are not taken are dropped with it.
pub struct EndedFlows<
    'a,
    M,
    #[cfg(feature = "alloc")] S: Storage = Heap,
    #[cfg(not(feature = "alloc"))] S: Storage,
> {
    flows: &'a mut SendFlows<M, S>,
    /// No lost flow is before this place.
    at: usize,
}

impl<M, S: Storage> SendFlows<M, S> {
    /// Ends SUBSCRIBE and UNSUBSCRIBE flows, which do not outlive a Network Connection.
    pub fn end_requests(&mut self) -> EndedFlows<'_, M, S> {
        for flow in self.flows.iter_mut() {
            if flow.stage == Stage::Answer {
                flow.stage = Stage::Lost;
                self.lost += 1;
                if self.lapped {
                    self.in_use.remove(flow.packet_id);
                }
            }
        }
        EndedFlows { flows: self, at: 0 }
    }

    /// Ends everything; identifiers go on where they were.
    pub fn clear(&mut self) -> EndedFlows<'_, M, S> {
        self.lose();
        EndedFlows { flows: self, at: 0 }
    }

    /// Ends everything, and keeps the messages until [`SendFlows::poll_lost`] has given them all.
    pub(crate) fn lose(&mut self) {
        self.compact();
        self.due = Queue::EMPTY;
        self.in_use = PacketIds::EMPTY;
        for flow in self.flows.iter_mut() {
            flow.stage = Stage::Lost;
            flow.standing = Standing::Free;
        }
        self.lost = u32::try_from(self.flows.len()).unwrap_or(u32::MAX);
    }

    /// The message of a lost flow, in order.
    pub(crate) fn poll_lost(&mut self) -> Option<M> {
        self.take_lost(0).map(|(message, _)| message)
    }

    /// Takes the first lost flow from `from` on out: its message, and where the next one may be.
    fn take_lost(&mut self, from: usize) -> Option<(M, usize)> {
        if self.lost == 0 {
            return None;
        }
        let is_lost = |at: &usize| {
            let flow = self.flows.get(*at);
            flow.is_some_and(|flow| flow.stage == Stage::Lost)
        };
        let at = (from..self.flows.len()).find(is_lost)?;
        let flow = self.flows.get_mut(at)?;
        flow.stage = Stage::Ended;
        let message = flow.message.take();
        self.lost -= 1;
        self.ended += 1;
        let len_before = self.flows.len();
        self.drop_ended();
        // As if all that is gone had been before this place: at worst the search begins too early.
        let gone = len_before - self.flows.len();
        message.map(|message| (message, (at + 1).saturating_sub(gone)))
    }
}

impl<M, S: Storage> Iterator for EndedFlows<'_, M, S> {
    type Item = M;

    fn next(&mut self) -> Option<M> {
        let (message, at) = self.flows.take_lost(self.at)?;
        self.at = at;
        Some(message)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let lost = usize::try_from(self.flows.lost).unwrap_or(0);
        (lost, Some(lost))
    }
}

impl<M, S: Storage> ExactSizeIterator for EndedFlows<'_, M, S> {}

impl<M, S: Storage> Drop for EndedFlows<'_, M, S> {
    fn drop(&mut self) {
        self.for_each(drop);
        if self.flows.flows.is_empty() {
            self.flows.flows = Queue::EMPTY;
        }
    }
}

impl<M, S: Storage> fmt::Debug for EndedFlows<'_, M, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndedFlows")
            .field("left", &self.flows.lost)
            .finish_non_exhaustive()
    }
}
