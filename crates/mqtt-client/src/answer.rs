//! Answering received messages: who may, when the answer leaves, and what becomes of those nobody answers.

use crate::WhenStalled;
use crate::command::Command;
use mqtt_codec::ReasonCode;
use mqtt_session::AckToken;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;

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

/// The answer to a message, given when the last of those who have the message lets go of it.
#[derive(Debug)]
pub(crate) struct Answer {
    state: Mutex<AnswerState>,
    topic_name: Arc<str>,
    serial: u64,
    connection: u32,
    commands: mpsc::UnboundedSender<Command>,
}

#[derive(Debug)]
struct AnswerState {
    token: Option<AckToken>,
    /// Success until somebody refuses.
    reason: ReasonCode,
    is_abandoned: bool,
    /// What the subscription that gave it to the application says.
    when_stalled: Option<WhenStalled>,
}

/// An answer as the driver gets it.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) token: AckToken,
    /// None when nobody has answered.
    pub(crate) reason: Option<ReasonCode>,
    /// Which message of the connection.
    pub(crate) serial: u64,
    /// Which connection of the client.
    pub(crate) connection: u32,
    pub(crate) topic_name: Arc<str>,
    pub(crate) when_stalled: Option<WhenStalled>,
}

impl Answer {
    pub(crate) fn new(
        token: AckToken,
        topic_name: Arc<str>,
        (connection, serial): (u32, u64),
        commands: mpsc::UnboundedSender<Command>,
    ) -> Self {
        let state = AnswerState {
            token: Some(token),
            reason: ReasonCode::SUCCESS,
            is_abandoned: false,
            when_stalled: None,
        };
        Self {
            state: Mutex::new(state),
            topic_name,
            serial,
            connection,
            commands,
        }
    }

    /// One of connection number `connection` that was given already.
    #[cfg(test)]
    pub(crate) fn spent(connection: u32) -> Self {
        let state = AnswerState {
            token: None,
            reason: ReasonCode::SUCCESS,
            is_abandoned: false,
            when_stalled: None,
        };
        Self {
            state: Mutex::new(state),
            topic_name: "".into(),
            serial: 0,
            connection,
            commands: mpsc::unbounded_channel().0,
        }
    }

    /// The number of the connection that brought the message.
    pub(crate) const fn connection(&self) -> u32 {
        self.connection
    }

    pub(crate) fn topic_name(&self) -> Arc<str> {
        Arc::clone(&self.topic_name)
    }

    /// The application has the message, and its subscription says what to do if it never answers.
    pub(crate) fn set_taken(&self, when_stalled: WhenStalled) {
        self.lock().when_stalled = Some(when_stalled);
    }

    /// What the subscription says that has given the message to the application.
    pub(crate) fn when_stalled(&self) -> Option<WhenStalled> {
        self.lock().when_stalled
    }

    /// One of those who have the message refuses it.
    pub(crate) fn refuse(&self, reason: ReasonCode) {
        self.lock().reason = reason;
    }

    /// One of those who have the message will not answer.
    pub(crate) fn abandon(&self) {
        self.lock().is_abandoned = true;
    }

    /// The driver answers itself: nobody else does any more.
    pub(crate) fn take_token(&self) -> Option<AckToken> {
        self.lock().token.take()
    }

    fn lock(&self) -> MutexGuard<'_, AnswerState> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        let (serial, connection) = (self.serial, self.connection);
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        let Some(token) = state.token.take() else {
            return;
        };
        let reason = (!state.is_abandoned).then_some(state.reason);
        let (when_stalled, topic_name) = (state.when_stalled, Arc::clone(&self.topic_name));
        // Without a driver there is nobody left to tell.
        let _ = self.commands.send(Command::Answer(Answered {
            token,
            reason,
            serial,
            connection,
            topic_name,
            when_stalled,
        }));
    }
}

/// The right to answer one message, apart from the message; by [`Message::take_acker`](crate::Message::take_acker).
///
/// Dropped without an answer, it does what [`Subscribe::on_unanswered`](crate::Subscribe::on_unanswered) says.
#[derive(Debug)]
#[must_use = "a message that is never answered holds up all later ones"]
pub struct Acker {
    /// None once it is answered.
    answer: Option<Arc<Answer>>,
    unanswered: Unanswered,
}

impl Acker {
    pub(crate) const fn new(answer: Arc<Answer>, unanswered: Unanswered) -> Self {
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
