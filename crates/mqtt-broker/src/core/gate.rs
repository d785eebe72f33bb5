//! Decisions that may be pending: the packet that asked is offered again when its answers are there.

use super::rights::{Lost, LostAnswer};
use crate::access::{Access, AccessRequest, Answer, ClientInfo, Decision};
use crate::authenticate::{AuthAnswer, AuthStep};
use crate::hooks::{PublishAnswer, PublishVerdict};
use crate::ownership::{Claim, ClaimAnswer};
use mqtt_codec::{PacketType, ReasonCode};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// An answer that came late.
#[derive(Clone, Debug)]
enum Late {
    Decision(Decision),
    Verdict(PublishVerdict),
    Step(AuthStep),
    Claim(Claim),
    Lost(Lost),
}

/// What is waited for.
enum Pending {
    Decision(Pin<Box<dyn Future<Output = Decision> + Send>>),
    Verdict(Pin<Box<dyn Future<Output = PublishVerdict> + Send>>),
    Step(Pin<Box<dyn Future<Output = AuthStep> + Send>>),
    Claim(Pin<Box<dyn Future<Output = Claim> + Send>>),
    Lost(Pin<Box<dyn Future<Output = Lost> + Send>>),
}

impl Pending {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Late> {
        match self {
            Self::Decision(promise) => promise.as_mut().poll(cx).map(Late::Decision),
            Self::Verdict(promise) => promise.as_mut().poll(cx).map(Late::Verdict),
            Self::Step(promise) => promise.as_mut().poll(cx).map(Late::Step),
            Self::Claim(promise) => promise.as_mut().poll(cx).map(Late::Claim),
            Self::Lost(promise) => promise.as_mut().poll(cx).map(Late::Lost),
        }
    }

    /// What it counts as when it takes too long.
    fn overdue(&self) -> Late {
        let reason = ReasonCode::NOT_AUTHORIZED;
        match self {
            Self::Decision(_) => Late::Decision(Decision::Deny(reason)),
            Self::Verdict(_) => Late::Verdict(PublishVerdict::Refuse(reason)),
            Self::Step(_) => Late::Step(AuthStep::refuse(reason)),
            Self::Claim(_) => Late::Claim(Claim::Refused(ReasonCode::SERVER_UNAVAILABLE)),
            Self::Lost(_) => Late::Lost(Lost::All),
        }
    }
}

/// The decisions the packet in hand has asked for. Nothing is allocated while answers are ready at once.
#[derive(Default)]
pub(crate) struct Gate {
    asked: u32,
    /// Present once a packet has asked what could not be answered at once.
    late: Option<Box<Lateness>>,
}

/// What could not be answered at once.
#[derive(Default)]
struct Lateness {
    /// Answers that came late, each with its place among the questions of the packet.
    answers: Vec<(u32, Late)>,
    /// The place of the question that is pending.
    waiting_for: u32,
    pending: Option<Pending>,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("pending", &self.is_pending())
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
        if self.late.is_some() && !self.is_pending() {
            self.late = None;
        }
    }

    pub(crate) fn is_pending(&self) -> bool {
        self.late
            .as_ref()
            .is_some_and(|late| late.pending.is_some())
    }

    /// Waits for the decision that is pending, if one is.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(late) = &mut self.late else {
            return Poll::Ready(());
        };
        let Some(pending) = &mut late.pending else {
            return Poll::Ready(());
        };
        match pending.poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(answer) => {
                late.answers.push((late.waiting_for, answer));
                late.pending = None;
                Poll::Ready(())
            }
        }
    }

    /// Time is up: the pending decision counts as a refusal.
    pub(crate) fn give_up(&mut self) {
        if let Some(late) = &mut self.late
            && let Some(pending) = late.pending.take()
        {
            late.answers.push((late.waiting_for, pending.overdue()));
        }
    }

    /// The place of the next question, and its answer if that came late.
    fn next(&mut self) -> (u32, Option<&Late>) {
        let nth = self.asked;
        self.asked += 1;
        let answers = self.late.iter().flat_map(|late| &late.answers);
        let mut found = answers.filter(|(place, _)| *place == nth);
        (nth, found.next().map(|(_, late)| late))
    }

    fn wait(&mut self, nth: u32, pending: Pending) {
        let late = self.late.get_or_insert_default();
        late.pending = Some(pending);
        late.waiting_for = nth;
    }

    /// The verdict of a hook, or none: the packet has to be offered again later.
    pub(crate) fn verdict(
        &mut self,
        ask: impl FnOnce() -> PublishAnswer,
    ) -> Option<PublishVerdict> {
        let nth = match self.next() {
            (_, Some(Late::Verdict(verdict))) => return Some(verdict.clone()),
            (nth, _) => nth,
        };
        match ask() {
            PublishAnswer::Ready(verdict) => Some(verdict),
            PublishAnswer::Pending(promise) => {
                self.wait(nth, Pending::Verdict(promise));
                None
            }
        }
    }

    /// A step of authentication, or none: the packet has to be offered again later.
    ///
    /// Once answered it is not asked for again, even where the answer came at once.
    pub(crate) fn step(&mut self, ask: impl FnOnce() -> AuthAnswer) -> Option<AuthStep> {
        let nth = match self.next() {
            (_, Some(Late::Step(step))) => return Some(step.clone()),
            (nth, _) => nth,
        };
        match ask() {
            AuthAnswer::Ready(step) => {
                let late = self.late.get_or_insert_default();
                late.answers.push((nth, Late::Step(step.clone())));
                Some(step)
            }
            AuthAnswer::Pending(promise) => {
                self.wait(nth, Pending::Step(promise));
                None
            }
        }
    }

    /// Which rights a client that comes back has lost, or none: the packet has to be offered again later.
    pub(crate) fn lost(&mut self, ask: impl FnOnce() -> LostAnswer) -> Option<Lost> {
        let nth = match self.next() {
            (_, Some(Late::Lost(lost))) => return Some(lost.clone()),
            (nth, _) => nth,
        };
        match ask() {
            LostAnswer::Ready(lost) => Some(lost),
            LostAnswer::Pending(promise) => {
                self.wait(nth, Pending::Lost(promise));
                None
            }
        }
    }

    /// Whether the session may be had, or none: the packet has to be offered again later.
    pub(crate) fn claim(&mut self, ask: impl FnOnce() -> ClaimAnswer) -> Option<Claim> {
        let nth = match self.next() {
            (_, Some(Late::Claim(claim))) => return Some(*claim),
            (nth, _) => nth,
        };
        match ask() {
            ClaimAnswer::Ready(claim) => Some(claim),
            ClaimAnswer::Pending(promise) => {
                self.wait(nth, Pending::Claim(promise));
                None
            }
        }
    }
}

/// The decision on `request` of `client`, or none: the packet has to be offered again later, with nothing done yet.
///
/// Questions that were answered at once before one that was pending are asked again.
#[inline]
pub(crate) fn ask(
    gate: &mut Gate,
    access: &dyn Access,
    client: Option<&ClientInfo>,
    request: &AccessRequest<'_>,
) -> Option<Decision> {
    if client.is_some_and(|client| client.superuser) {
        return Some(Decision::Allow);
    }
    let nth = match gate.next() {
        (_, Some(Late::Decision(decision))) => return Some(sayable(*decision, request)),
        (nth, _) => nth,
    };
    match access.decide(request) {
        Answer::Ready(decision) => Some(sayable(decision, request)),
        Answer::Pending(promise) => {
            gate.wait(nth, Pending::Decision(promise));
            None
        }
    }
}

/// A refusal in words that the answer to `request` has: others become Not authorized.
#[inline(always)]
fn sayable(decision: Decision, request: &AccessRequest<'_>) -> Decision {
    match decision {
        Decision::Allow => decision,
        refusal => sayable_refusal(refusal, request),
    }
}

#[cold]
fn sayable_refusal(decision: Decision, request: &AccessRequest<'_>) -> Decision {
    let answer = match request {
        AccessRequest::Connect { .. } => PacketType::ConnAck,
        AccessRequest::Publish { .. } => PacketType::PubAck,
        AccessRequest::Subscribe { .. } => PacketType::SubAck,
    };
    let fits = |reason: ReasonCode, answer| reason.is_error() && reason.allowed_in(answer);
    match decision {
        Decision::Deny(reason) if !fits(reason, answer) => {
            Decision::Deny(ReasonCode::NOT_AUTHORIZED)
        }
        Decision::Disconnect(reason) if !fits(reason, PacketType::Disconnect) => {
            Decision::Disconnect(ReasonCode::NOT_AUTHORIZED)
        }
        decision => decision,
    }
}
