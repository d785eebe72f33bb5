//! Disconnecting: first what is under way, then DISCONNECT.

use super::{Core, Disconnected, Ending, Link};
use crate::command::DisconnectRequest;
use crate::error::DisconnectError;
use crate::time::millis;
use crate::{CloseReason, limits};
use mqtt_codec::{Disconnect, Properties, Property, PropertyList, ReasonCode};
use tokio::sync::oneshot;

/// A disconnect that waits for what is under way.
#[derive(Debug)]
pub(super) struct Drain {
    pub(super) deadline_ms: u64,
    words: Words,
    replies: Vec<oneshot::Sender<Result<(), DisconnectError>>>,
}

/// What DISCONNECT says.
#[derive(Debug)]
struct Words {
    reason: ReasonCode,
    session_expiry_s: Option<u32>,
    reason_string: Option<String>,
    user_properties: Vec<(String, String)>,
}

impl Words {
    const fn of(reason: ReasonCode) -> Self {
        Self {
            reason,
            session_expiry_s: None,
            reason_string: None,
            user_properties: Vec::new(),
        }
    }
}

impl Core {
    /// Whether the application has asked to end.
    pub(crate) const fn is_draining(&self) -> bool {
        self.drain.is_some()
    }

    pub(super) fn begin_drain(&mut self, request: DisconnectRequest) {
        self.shared.refuse_new();
        let deadline_ms = self.now_ms.saturating_add(millis(request.timeout));
        let words = Words {
            reason: request.reason,
            session_expiry_s: request.session_expiry_s,
            reason_string: request.reason_string,
            user_properties: request.user_properties,
        };
        let mut replies = self.drain.take().map_or(Vec::new(), |drain| drain.replies);
        replies.push(request.reply);
        self.drain = Some(Drain {
            deadline_ms,
            words,
            replies,
        });
    }

    /// The last handle is gone.
    pub(super) fn begin_release(&mut self) {
        let timeout = millis(limits::DISCONNECT_TIMEOUT);
        let deadline_ms = self.now_ms.saturating_add(timeout);
        self.drain.get_or_insert_with(|| Drain {
            deadline_ms,
            words: Words::of(ReasonCode::NORMAL_DISCONNECTION),
            replies: Vec::new(),
        });
    }

    /// Who waits for a disconnect that something else has come before.
    pub(crate) fn take_disconnect_replies(
        &mut self,
    ) -> Vec<oneshot::Sender<Result<(), DisconnectError>>> {
        self.drain.take().map_or(Vec::new(), |drain| drain.replies)
    }

    /// Ends a disconnect that has nothing to wait for any more; `is_written` when no command and no byte waits.
    pub(crate) fn check_drain(&mut self, is_written: bool) {
        if !is_written || !self.out.is_empty() || self.unfinished() != 0 {
            return;
        }
        for waiter in self.idle_waiters.drain(..) {
            // Nobody may be waiting any more.
            let _ = waiter.send(());
        }
        self.finish_drain();
    }

    pub(super) fn check_drain_deadline(&mut self) {
        let drain = self.drain.as_ref();
        if drain.is_some_and(|drain| drain.deadline_ms <= self.now_ms) {
            self.finish_drain();
        }
    }

    fn finish_drain(&mut self) {
        let Some(Drain { words, replies, .. }) = self.drain.take() else {
            return;
        };
        let mut result = match self.unfinished() {
            0 => Ok(()),
            unfinished => Err(DisconnectError::TimedOut { unfinished }),
        };
        if let Err(refused) = self.send_disconnect(&words) {
            result = Err(refused);
        }
        if self
            .ending
            .as_ref()
            .is_none_or(|ending| ending.disconnected.is_none())
        {
            self.ending = Some(Ending {
                reason: CloseReason::Disconnected,
                disconnected: Some(Disconnected { result, replies }),
            });
        }
    }

    /// Ends the connection in use because of `reason`; another one may follow.
    pub(super) fn disconnect_for(&mut self, reason: ReasonCode) {
        // What cannot be said is left out; the connection ends all the same.
        let _ = self.send_disconnect(&Words::of(reason));
    }

    fn send_disconnect(&mut self, words: &Words) -> Result<(), DisconnectError> {
        let connection = match &mut self.link {
            Link::Here(connection) if connection.is_connected() => connection,
            _ => return Ok(()),
        };
        let mut list = Vec::new();
        list.extend(words.session_expiry_s.map(Property::SessionExpiryInterval));
        list.extend(words.reason_string.as_deref().map(Property::ReasonString));
        let pairs = words.user_properties.iter();
        list.extend(pairs.map(|(name, value)| Property::UserProperty(name, value)));
        let list = PropertyList::new(&list);
        let packet = Disconnect {
            reason: words.reason,
            properties: Properties::from(&list),
        };
        connection
            .disconnect(&packet, self.now_ms, &mut self.out)
            .map_err(DisconnectError::NotSent)
    }
}
