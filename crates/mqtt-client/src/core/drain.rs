//! Disconnecting: first what is under way, then DISCONNECT.

use super::{Core, Ending};
use crate::CloseReason;
use crate::command::DisconnectRequest;
use crate::error::DisconnectError;
use crate::handshake::millis;
use mqtt_codec::{Disconnect, Properties, ReasonCode};
use tokio::sync::oneshot;

/// A disconnect that waits for what is under way.
#[derive(Debug)]
pub(super) struct Drain {
    pub(super) deadline_ms: u64,
    pub(super) reason: ReasonCode,
    pub(super) replies: Vec<oneshot::Sender<Result<(), DisconnectError>>>,
}

impl Core {
    pub(super) fn begin_drain(&mut self, request: DisconnectRequest) {
        self.shared.refuse_new();
        let deadline_ms = self.now_ms.saturating_add(millis(request.timeout));
        let drain = self.drain.get_or_insert_with(|| Drain {
            deadline_ms,
            reason: request.reason,
            replies: Vec::new(),
        });
        drain.deadline_ms = deadline_ms;
        drain.reason = request.reason;
        drain.replies.push(request.reply);
    }

    pub(super) fn finish_drain(&mut self) {
        let Some(Drain {
            reason, replies, ..
        }) = self.drain.take()
        else {
            return;
        };
        let mut disconnected = match self.unfinished() {
            0 => Ok(()),
            unfinished => Err(DisconnectError::TimedOut { unfinished }),
        };
        let packet = Disconnect {
            reason,
            properties: Properties::EMPTY,
        };
        if let Err(refusal) = self
            .connection
            .disconnect(&packet, self.now_ms, &mut self.out)
        {
            disconnected = Err(DisconnectError::NotSent(refusal));
        }
        if self.ending.is_none() {
            self.ending = Some(Ending {
                reason: CloseReason::Disconnected,
                disconnected,
                replies,
            });
        }
    }
}
