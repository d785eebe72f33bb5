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
    /// The stage of the flows that end.
    stage: Stage,
    /// None of them is before this place.
    at: usize,
}

impl<M, S: Storage> SendFlows<M, S> {
    /// Ends SUBSCRIBE and UNSUBSCRIBE flows, which do not outlive a Network Connection.
    pub fn end_requests(&mut self) -> EndedFlows<'_, M, S> {
        EndedFlows {
            flows: self,
            stage: Stage::Answer,
            at: 0,
        }
    }

    /// Ends everything; identifiers go on where they were.
    pub fn clear(&mut self) -> EndedFlows<'_, M, S> {
        self.lose();
        EndedFlows {
            flows: self,
            stage: Stage::Lost,
            at: 0,
        }
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
        match self.lost {
            0 => None,
            _ => self.take(Stage::Lost, 0).map(|(message, _)| message),
        }
    }

    /// Takes the first flow at `stage` from `from` on out: its message, and where the next one may be.
    fn take(&mut self, stage: Stage, from: usize) -> Option<(M, usize)> {
        let is_wanted = |at: &usize| self.flows.get(*at).is_some_and(|flow| flow.stage == stage);
        let at = (from..self.flows.len()).find(is_wanted)?;
        let flow = self.flows.get_mut(at)?;
        flow.stage = Stage::Ended;
        let message = flow.message.take();
        if stage == Stage::Lost {
            self.lost -= 1;
        } else if self.lapped {
            self.in_use.remove(flow.packet_id);
        }
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
        let (message, at) = self.flows.take(self.stage, self.at)?;
        self.at = at;
        Some(message)
    }
}

impl<M, S: Storage> Drop for EndedFlows<'_, M, S> {
    fn drop(&mut self) {
        self.for_each(drop);
        if self.flows.flows.is_empty() {
            self.flows.flows = Queue::EMPTY;
        }
    }
}

impl<M: fmt::Debug, S: Storage> fmt::Debug for EndedFlows<'_, M, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndedFlows")
            .field("flows", &self.flows)
            .finish_non_exhaustive()
    }
}
