//! Answering received messages: who may, when the answer leaves, and what becomes of those nobody answers.

use crate::WhenStalled;
use crate::command::Command;
use crate::mailbox;
use mqtt_codec::ReasonCode;
use mqtt_session::AckToken;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is done with a message that the application lets go of without an answer, though its subscription has manual
/// acknowledgement.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Unanswered {
    /// It stays unacknowledged, and the server sends it again on the next connection.
    ///
    /// Acknowledgements keep the order of arrival, so those of all later messages wait behind it: see
    /// [`WhenStalled`](crate::WhenStalled).
    #[default]
    Leave,
    /// It is acknowledged.
    Ack,
    /// It is refused; before v5, which has no refusal, it is acknowledged.
    Reject(ReasonCode),
}

/// The answers that the application of one client owes, each until the last of those who have its message lets go.
///
/// Bounded by the Receive Maximum for the connection in use, and by what the application keeps of earlier ones.
/// INVARIANT: while `state` is locked no [`Answer`] is dropped.
#[derive(Debug)]
pub(crate) struct Answers {
    state: Mutex<AnswersState>,
    commands: mailbox::Sender<Command>,
}

#[derive(Debug, Default)]
struct AnswersState {
    /// Of the connection in use, in the order its messages came.
    ///
    /// INVARIANT: the first is not done; the serials are consecutive.
    entries: VecDeque<Entry>,
    /// The serial of the first of `entries`.
    first_serial: u64,
    /// Those of earlier connections, which others still have.
    earlier: BTreeMap<u64, Entry>,
    /// What the driver has not seen yet.
    answered: Vec<Answered>,
    /// Whether the driver knows that there is something in `answered`.
    is_told: bool,
}

#[derive(Debug)]
struct Entry {
    /// None once the driver has answered itself, and when all is done.
    token: Option<AckToken>,
    /// Success until somebody refuses.
    reason: ReasonCode,
    is_abandoned: bool,
    /// Who has the message.
    holders: u32,
    /// Set when a subscription has given it to an application that answers itself.
    taken: Option<Box<Taken>>,
}

/// A message in the hands of the application.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    pub(crate) topic_name: Arc<str>,
    /// What its subscription says.
    pub(crate) when_stalled: WhenStalled,
}

/// The message everything waits for.
#[derive(Debug)]
pub(crate) struct First {
    pub(crate) serial: u64,
    pub(crate) taken: Option<Taken>,
}

/// The answer to a message, given when the last of those who have the message lets go of it.
#[derive(Debug)]
pub(crate) struct Answer {
    answers: Arc<Answers>,
    serial: u64,
}

/// An answer as the driver gets it.
#[derive(Debug)]
pub(crate) struct Answered {
    /// None where the message keeps its place, for nobody has answered.
    pub(crate) token: Option<AckToken>,
    /// None when nobody has answered.
    pub(crate) reason: Option<ReasonCode>,
}

impl Answers {
    pub(crate) fn new(commands: mailbox::Sender<Command>) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            commands,
        })
    }

    /// One more, at the end.
    pub(crate) fn begin(self: &Arc<Self>, token: AckToken) -> Answer {
        let mut state = self.lock();
        let serial = state.next_serial();
        state.entries.push_back(Entry {
            token: Some(token),
            reason: ReasonCode::SUCCESS,
            is_abandoned: false,
            holders: 1,
            taken: None,
        });
        drop(state);
        Answer {
            answers: Arc::clone(self),
            serial,
        }
    }

    /// The serial of the first message without an answer; of the next one, if all are answered.
    pub(crate) fn first_serial(&self) -> u64 {
        self.lock().first_serial
    }

    /// The first message without an answer.
    pub(crate) fn first(&self) -> Option<First> {
        let state = self.lock();
        let entry = state.entries.front()?;
        Some(First {
            serial: state.first_serial,
            taken: entry.taken.as_deref().cloned(),
        })
    }

    /// The driver answers the first message itself: nobody else does any more.
    pub(crate) fn take_first(&self) -> Option<AckToken> {
        let mut state = self.lock();
        let entry = state.entries.pop_front()?;
        state.first_serial += 1;
        state.drop_done();
        entry.token
    }

    /// The connection is gone: the tokens of what the application will never answer.
    pub(crate) fn end_connection(&self) -> Vec<AckToken> {
        let mut state = self.lock();
        let first = state.first_serial;
        state.first_serial = state.next_serial();
        let gone = std::mem::take(&mut state.entries);
        let (mut left, mut abandoned) = (Vec::new(), Vec::new());
        for (serial, entry) in (first..).zip(gone) {
            match entry.holders {
                0 => abandoned.extend(entry.token),
                _ => left.push((serial, entry)),
            }
        }
        state.earlier.extend(left);
        abandoned
    }

    /// Takes what was answered; the driver is told again of what comes after this.
    pub(crate) fn take_answered(&self, answered: &mut Vec<Answered>) {
        let mut state = self.lock();
        state.is_told = false;
        std::mem::swap(&mut state.answered, answered);
    }

    fn lock(&self) -> MutexGuard<'_, AnswersState> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AnswersState {
    fn next_serial(&self) -> u64 {
        self.first_serial + u64::try_from(self.entries.len()).unwrap_or(u64::MAX)
    }

    fn entry(&mut self, serial: u64) -> Option<&mut Entry> {
        match serial.checked_sub(self.first_serial) {
            Some(at) => self.entries.get_mut(usize::try_from(at).ok()?),
            None => self.earlier.get_mut(&serial),
        }
    }

    /// One of those who have the message lets go of it; what the driver has to know, if it was the last.
    fn let_go(&mut self, serial: u64) -> Option<Answered> {
        let entry = self.entry(serial)?;
        entry.holders = entry.holders.saturating_sub(1);
        if entry.holders != 0 {
            return None;
        }
        let is_earlier = serial < self.first_serial;
        let entry = self.entry(serial)?;
        let reason = (!entry.is_abandoned).then_some(entry.reason);
        let token = match reason {
            // It keeps its place in the order, and the token with it.
            None if !is_earlier => None,
            _ => Some(entry.token.take()?),
        };
        match is_earlier {
            true => drop(self.earlier.remove(&serial)),
            false => self.drop_done(),
        }
        Some(Answered { token, reason })
    }

    fn drop_done(&mut self) {
        let is_done = |entry: &mut Entry| entry.token.is_none();
        while self.entries.pop_front_if(is_done).is_some() {
            self.first_serial += 1;
        }
    }
}

impl Answer {
    /// One that was given already.
    #[cfg(test)]
    pub(crate) fn spent(serial: u64) -> Self {
        let answers = Answers::new(mailbox::mailbox().0);
        answers.lock().first_serial = u64::MAX;
        Self { answers, serial }
    }

    /// Which message of the client, in the order they came.
    pub(crate) const fn serial(&self) -> u64 {
        self.serial
    }

    /// The application has the message, and answers itself.
    pub(crate) fn set_taken(&self, taken: Taken) {
        self.change(|entry| entry.taken = Some(Box::new(taken)));
    }

    /// One of those who have the message refuses it.
    pub(crate) fn refuse(&self, reason: ReasonCode) {
        self.change(|entry| entry.reason = reason);
    }

    /// One of those who have the message will not answer.
    pub(crate) fn abandon(&self) {
        self.change(|entry| entry.is_abandoned = true);
    }

    fn change(&self, change: impl FnOnce(&mut Entry)) {
        // What the driver has answered itself is not there any more.
        if let Some(entry) = self.answers.lock().entry(self.serial) {
            change(entry);
        }
    }
}

impl Clone for Answer {
    fn clone(&self) -> Self {
        self.change(|entry| entry.holders = entry.holders.saturating_add(1));
        Self {
            answers: Arc::clone(&self.answers),
            serial: self.serial,
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        let mut state = self.answers.lock();
        let Some(answered) = state.let_go(self.serial) else {
            return;
        };
        state.answered.push(answered);
        let was_told = std::mem::replace(&mut state.is_told, true);
        drop(state);
        if !was_told {
            // Without a driver there is nobody left to tell.
            let _ = self.answers.commands.send(Command::Answers);
        }
    }
}

/// The right to answer one message, apart from the message; by [`Message::take_acker`](crate::Message::take_acker).
///
/// Dropped without an answer, it does what [`Subscribe::on_unanswered`](crate::Subscribe::on_unanswered) says.
#[derive(Debug)]
#[must_use = "a message that is never answered holds up all later ones"]
pub struct Acker {
    /// None once it is answered.
    answer: Option<Answer>,
    unanswered: Unanswered,
}

impl Acker {
    pub(crate) const fn new(answer: Answer, unanswered: Unanswered) -> Self {
        Self {
            answer: Some(answer),
            unanswered,
        }
    }

    /// The message is done with. The acknowledgement leaves when those of all earlier messages have.
    ///
    /// On a later connection than that of the message it counts at QoS 2 only; at QoS 1 the message comes again.
    pub fn ack(mut self) {
        self.answer = None;
    }

    /// The message is refused with `reason`, 0x80 or above; before v5, which has no refusal, it is acknowledged.
    ///
    /// Spec: v5 §3.4.2.1, §3.5.2.1.
    pub fn reject(mut self, reason: ReasonCode) {
        if let Some(answer) = self.answer.take() {
            answer.refuse(reason);
        }
    }
}

impl Drop for Acker {
    fn drop(&mut self) {
        let Some(answer) = self.answer.take() else {
            return;
        };
        match self.unanswered {
            Unanswered::Ack => {}
            Unanswered::Reject(reason) => answer.refuse(reason),
            Unanswered::Leave => answer.abandon(),
        }
    }
}

#[cfg(test)]
mod tests;
