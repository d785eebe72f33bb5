//! A log that gives back what was appended, from memory, and is durable at once.

use crate::core::log::{
    Appended, CommitLog, FoundMessage, LogFull, LogPosition, LogRecord, MessageId, Recipient,
};
use crate::core::message::Message;
use crate::core::session_cell::SessionKey;
use mqtt_codec::PacketId;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::task::Waker;

/// Messages by recipient and name, as long as the recipient is not through with them.
#[derive(Debug, Default)]
pub(super) struct ReadableLog(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    last_id: u64,
    messages: HashMap<(SessionKey, MessageId), Arc<Message>>,
}

impl CommitLog for ReadableLog {
    fn keeps_records(&self) -> bool {
        true
    }

    fn gives_messages(&self) -> bool {
        true
    }

    fn append(&self, record: LogRecord<'_>) -> Result<LogPosition, LogFull> {
        let messages = &mut self.0.lock().messages;
        match record {
            LogRecord::Confirmed { session, id } | LogRecord::Finished { session, id } => {
                messages.remove(&(session, id));
            }
            LogRecord::SessionEnded { session } => messages.retain(|(key, _), _| *key != session),
            _ => {}
        }
        Ok(LogPosition::NONE)
    }

    fn append_message(
        &self,
        message: &Arc<Message>,
        recipients: &[Recipient<'_>],
        _is_retained: bool,
        _received: Option<PacketId>,
    ) -> Result<Appended, LogFull> {
        let mut kept = self.0.lock();
        kept.last_id += 1;
        let id = MessageId(kept.last_id);
        // What was published is used again for another message once nobody has it.
        let copy = Message::of_stored(&message.stored()).map(Arc::new).unwrap();
        for recipient in recipients {
            kept.messages
                .insert((recipient.session, id), Arc::clone(&copy));
        }
        let position = LogPosition::NONE;
        Ok(Appended { position, id })
    }

    fn read_messages(
        &self,
        wanted: &[(SessionKey, MessageId)],
        found: &mut dyn FnMut(FoundMessage<'_>),
    ) {
        let messages = &self.0.lock().messages;
        for (at, wanted) in wanted.iter().enumerate() {
            found(FoundMessage {
                places: &[at],
                message: messages.get(wanted).cloned(),
            });
        }
    }

    fn appended(&self) -> LogPosition {
        LogPosition::NONE
    }

    fn durable(&self) -> LogPosition {
        LogPosition(u64::MAX)
    }

    fn wake_when_durable(&self, _position: LogPosition, waker: &Waker) {
        waker.wake_by_ref();
    }
}
