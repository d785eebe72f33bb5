//! What a session tells the log of its messages.

use super::batch::Batch;
use super::cause::DropCause;
use super::log::{CommitLog, LogPosition, LogRecord, MessageId, Recipient};
use super::queue::Next;
use super::session_cell::SessionState;
use mqtt_codec::{PacketId, QoS};

impl SessionState {
    /// A message of the log does not reach the subscriber.
    pub(super) fn drop_logged(&mut self, batch: &mut Batch, cause: DropCause, id: MessageId) {
        self.drop_one(batch, cause);
        if id != MessageId::NONE {
            batch.finished.push((self.key, id));
        }
    }

    /// A message is about to be sent as `packet_id`: so that a restart finds it under this identifier.
    ///
    /// At QoS 2 it may leave only when that is durable: else it might be sent again as another message.
    pub(super) fn note_begun(
        &mut self,
        log: &dyn CommitLog,
        id: MessageId,
        qos: QoS,
        packet_id: PacketId,
    ) {
        if id == MessageId::NONE {
            return;
        }
        let record = LogRecord::Begun {
            session: self.key,
            id,
            packet_id,
        };
        let position = log.append(record);
        if qos == QoS::ExactlyOnce {
            // A log that takes not even this has failed.
            self.gate = position.unwrap_or(LogPosition(u64::MAX));
        }
    }

    /// A retained message for a new subscription is under way from now on, so it has to be kept until it is through.
    pub(super) fn log_retained(&self, log: &dyn CommitLog, next: &Next<'_>) -> MessageId {
        let recipient = Recipient {
            session: self.key,
            qos: next.qos,
            retain: next.retain,
            subscription_ids: next.via.subscription_ids(),
            shared_filter: None,
        };
        let appended = log.append_message(next.message, &[recipient], false, None);
        // Without room for it, it is lost with a crash as those behind it.
        appended.map_or(MessageId::NONE, |appended| appended.id)
    }
}
