//! `ServerSession`: what a server keeps of a client whose Network Connection is gone.

#[cfg(feature = "alloc")]
use crate::Heap;
use crate::{ConnectionEnd, NoJournal, Session, SessionExpiry, Storage, Will, WillOutcome};

/// What a server keeps for one Client Identifier: its QoS flows, and for a while the Will.
///
/// `M` is how the owner keeps a message until its last acknowledgement, `W` a Will Message. Subscriptions and
/// messages that wait are the owner's. Spec: v5 §4.1, §3.1.2.11.2.
#[derive(Clone, Debug)]
pub struct ServerSession<
    M,
    W,
    #[cfg(feature = "alloc")] S: Storage = Heap,
    #[cfg(not(feature = "alloc"))] S: Storage,
> {
    pub(super) flows: Session<M, NoJournal, S>,
    pub(super) will: Option<Will<W>>,
    pub(super) expiry: SessionExpiry,
    /// Names the Network Connection in tokens: one more for each, from the moment on at which the session began, so that
    /// a token of a session that has ended names none of the next; wraps.
    pub(super) connections: u32,
    /// When the last byte came; once the Network Connection is gone, when that was. Unit: milliseconds.
    pub(super) since_ms: u64,
}

/// What time brings to a session without a Network Connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SessionStep<W> {
    /// Nothing before [`ServerSession::next_deadline_ms`].
    Wait,
    /// The Will Delay Interval is over: publish this.
    PublishWill(W),
    /// The session is over: publish this if it is there, and forget the session.
    Ended(Option<W>),
}

impl<M, W, S: Storage> ServerSession<M, W, S> {
    /// A session that begins at `now_ms`.
    pub(super) fn begun(now_ms: u64) -> Self {
        Self {
            flows: Session::with_storage(NoJournal),
            will: None,
            expiry: SessionExpiry::AT_DISCONNECT,
            connections: u32::try_from(now_ms & u64::from(u32::MAX)).unwrap_or(0),
            since_ms: now_ms,
        }
    }

    /// A session that a store kept: its flows, how long it stays and since when it has no Network Connection.
    pub const fn restored(
        flows: Session<M, NoJournal, S>,
        expiry: SessionExpiry,
        lost_at_ms: u64,
    ) -> Self {
        Self {
            flows,
            will: None,
            expiry,
            connections: 0,
            since_ms: lost_at_ms,
        }
    }

    /// Flows begun and not ended, 0 to 65,535.
    pub fn inflight(&self) -> usize {
        self.flows.inflight()
    }

    /// The QoS flows, for a store.
    pub const fn flows(&self) -> &Session<M, NoJournal, S> {
        &self.flows
    }

    /// How long it stays without a Network Connection.
    pub const fn expiry(&self) -> SessionExpiry {
        self.expiry
    }

    /// When [`ServerSession::handle_timeout`] has something to do; none for never. Unit: milliseconds.
    pub fn next_deadline_ms(&self) -> Option<u64> {
        let will_ms = self.will.as_ref().map(|will| will.due_ms(self.since_ms));
        match (will_ms, self.expiry.deadline_ms(self.since_ms)) {
            (Some(will_ms), Some(end_ms)) => Some(will_ms.min(end_ms)),
            (will_ms, end_ms) => will_ms.or(end_ms),
        }
    }

    /// Does what is due at `now_ms`: the Will, or the end of the session with the Will if that is still there.
    ///
    /// Spec: v5 [MQTT-3.1.2-8], §3.1.2.11.2.
    pub fn handle_timeout(&mut self, now_ms: u64) -> SessionStep<W> {
        if self.is_over(now_ms) {
            return SessionStep::Ended(self.will.take().map(|will| will.message));
        }
        let is_due = |will: &mut Will<W>| will.due_ms(self.since_ms) <= now_ms;
        match self.will.take_if(is_due) {
            Some(will) => SessionStep::PublishWill(will.message),
            None => SessionStep::Wait,
        }
    }

    /// Ends the session: the messages without their last acknowledgement come back in order.
    ///
    /// A Will that waits is to be published: take it before by [`ServerSession::take_will`].
    pub fn end(&mut self) -> impl Iterator<Item = M> {
        self.flows.clear()
    }

    /// The Will that waits, for an owner who ends the session before its time.
    pub fn take_will(&mut self) -> Option<W> {
        self.will.take().map(|will| will.message)
    }

    /// Whether its time is over.
    fn is_over(&self, now_ms: u64) -> bool {
        self.expiry
            .deadline_ms(self.since_ms)
            .is_some_and(|end_ms| end_ms <= now_ms)
    }

    /// Whether a CONNECT at `now_ms` goes on with it; Session Present says so.
    ///
    /// A session that ends with its connection ends on a takeover too.
    /// Spec: v5 [MQTT-3.1.2-4], [MQTT-3.1.2-5]; v3.1.1 [MQTT-3.1.2-6].
    pub(super) fn continues(&self, clean_start: bool, now_ms: u64) -> bool {
        !clean_start && self.expiry != SessionExpiry::AT_DISCONNECT && !self.is_over(now_ms)
    }

    /// Its Network Connection ended at `now_ms`: the Will if it is to be published now.
    pub(super) fn handle_connection_end(&mut self, end: ConnectionEnd, now_ms: u64) -> Option<W> {
        self.since_ms = now_ms;
        let will = self.will.take()?;
        match will.handle_connection_end(end, self.expiry) {
            WillOutcome::Discarded => None,
            WillOutcome::Publish(message) => Some(message),
            WillOutcome::Waiting(will) => {
                self.will = Some(will);
                None
            }
        }
    }
}
