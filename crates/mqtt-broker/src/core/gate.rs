//! Decisions that may be pending: the packet that asked is offered again when its answers are there.

use crate::access::{Access, AccessRequest, Answer, Decision};
use mqtt_codec::{PacketType, ReasonCode};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The decisions the packet in hand has asked for. Nothing is allocated while answers are ready at once.
#[derive(Default)]
pub(crate) struct Gate {
    /// Answers that came late, each with its place among the questions of the packet.
    answers: Vec<(usize, Decision)>,
    /// The place of the question that is pending.
    waiting_for: usize,
    asked: usize,
    pending: Option<Pin<Box<dyn Future<Output = Decision> + Send>>>,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("pending", &self.pending.is_some())
            .finish_non_exhaustive()
    }
}

impl Gate {
    /// A packet is offered, for the first time or again.
    pub(crate) fn begin(&mut self) {
        self.asked = 0;
    }

    /// The packet is through.
    pub(crate) fn done(&mut self) {
        if !self.answers.is_empty() {
            self.answers = Vec::new();
        }
    }

    pub(crate) fn is_pending(&self) -> bool {
        self.pending.is_some()
    }

    /// Waits for the decision that is pending, if one is.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(pending) = &mut self.pending else {
            return Poll::Ready(());
        };
        match pending.as_mut().poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(decision) => {
                self.answers.push((self.waiting_for, decision));
                self.pending = None;
                Poll::Ready(())
            }
        }
    }

    /// Time is up: the pending decision counts as `decision`.
    pub(crate) fn give_up(&mut self, decision: Decision) {
        if self.pending.take().is_some() {
            self.answers.push((self.waiting_for, decision));
        }
    }
}

/// The decision on `request`, or none: the packet has to be offered again later, with nothing done yet.
///
/// Questions that were answered at once before one that was pending are asked again.
pub(crate) fn ask(
    gate: &mut Gate,
    access: &dyn Access,
    request: &AccessRequest<'_>,
) -> Option<Decision> {
    let nth = gate.asked;
    gate.asked += 1;
    if let Some((_, decision)) = gate.answers.iter().find(|(place, _)| *place == nth) {
        return Some(sayable(*decision, request));
    }
    match access.decide(request) {
        Answer::Ready(decision) => Some(sayable(decision, request)),
        Answer::Pending(pending) => {
            gate.pending = Some(pending);
            gate.waiting_for = nth;
            None
        }
    }
}

/// A refusal in words that the answer to `request` has: others become Not authorized.
fn sayable(decision: Decision, request: &AccessRequest<'_>) -> Decision {
    let answer = match request {
        AccessRequest::Connect { .. } => PacketType::ConnAck,
        AccessRequest::Publish { .. } => PacketType::PubAck,
        AccessRequest::Subscribe { .. } => PacketType::SubAck,
    };
    match decision {
        Decision::Deny(reason) if !reason.is_error() || !reason.allowed_in(answer) => {
            Decision::Deny(ReasonCode::NOT_AUTHORIZED)
        }
        decision => decision,
    }
}
