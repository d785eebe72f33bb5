//! Messages to `$delayed/SECONDS/TOPIC`: kept until their time, then published like any other.

use super::cause::DropCause;
use super::log::{LogPosition, LogRecord};
use super::message::Message;
use super::{Batch, Core, Incoming};
use crate::extensions::delayed::Waiting;
use mqtt_codec::{QoS, ReasonCode};
use std::sync::Arc;

/// Messages published in one tick; what is due besides comes with the next.
const DUE_MAX: usize = 10_000;

/// When a message that nobody could keep is published again, in milliseconds.
const AGAIN_MS: u64 = 1_000;

impl Core {
    /// Keeps `incoming` for `seconds`; when its acknowledgement may leave.
    ///
    /// An error is the Reason Code that refuses the message; at QoS 0, where nobody is told, it is dropped and counted.
    pub(crate) fn delay(
        &self,
        batch: &mut Batch,
        now_ms: u64,
        incoming: &Incoming<'_>,
        seconds: u32,
    ) -> Result<LogPosition, ReasonCode> {
        let due_ms = now_ms.saturating_add(u64::from(seconds) * 1000);
        let message = Arc::new(Message::new(
            &incoming.source,
            incoming.qos,
            incoming.retain,
            incoming.expires_at_ms,
            incoming.publisher,
        ));
        let delayed = &self.extensions.delayed;
        let kept = delayed.insert(due_ms, Arc::clone(&message), incoming.publisher_id);
        let Ok(id) = kept else {
            batch.counts.dropped(DropCause::DelayedFull, 1);
            batch.counts.name_drops(None, message.topic_name());
            return match incoming.qos {
                QoS::AtMostOnce => Ok(LogPosition::NONE),
                QoS::AtLeastOnce | QoS::ExactlyOnce => Err(ReasonCode::QUOTA_EXCEEDED),
            };
        };
        if !self.log.keeps_records() || incoming.qos == QoS::AtMostOnce {
            return Ok(LogPosition::NONE);
        }
        let record = LogRecord::Delayed {
            id,
            message: &message,
            due_ms,
            publisher_id: incoming.publisher_id,
            received: incoming.received,
        };
        self.log.append(record).map_err(|_| {
            delayed.remove(due_ms, id);
            self.note_log_full(incoming.publisher_id);
            ReasonCode::QUOTA_EXCEEDED
        })
    }

    /// Publishes what is due.
    pub(crate) fn publish_due(&self, batch: &mut Batch, now_ms: u64) {
        for _ in 0..DUE_MAX {
            let Some(waiting) = self.extensions.delayed.take_due(now_ms) else {
                return;
            };
            if let Err(reason) = self.publish_waiting(&waiting, batch, now_ms) {
                tracing::debug!(topic_name = waiting.message.topic_name(), %reason, "delayed message not published");
                // It was acknowledged: it waits on until there is room.
                self.extensions.delayed.restore(now_ms + AGAIN_MS, waiting);
                continue;
            }
            if self.log.keeps_records() && waiting.message.qos != QoS::AtMostOnce {
                // A lost record means that it is published once more after a restart.
                let _ = self.log.append(LogRecord::DelayedDone { id: waiting.id });
            }
        }
    }

    fn publish_waiting(
        &self,
        waiting: &Waiting,
        batch: &mut Batch,
        now_ms: u64,
    ) -> Result<(), ReasonCode> {
        let message = &waiting.message;
        let Some(source) = message.source(now_ms) else {
            batch.counts.dropped(DropCause::Expired, 1);
            batch.counts.name_drops(None, message.topic_name());
            return Ok(());
        };
        let incoming = Incoming {
            source,
            qos: message.qos,
            retain: message.retain,
            expires_at_ms: message.expires_at_ms(),
            publisher: message.publisher,
            publisher_id: &waiting.publisher_id,
            as_received: None,
            received: None,
        };
        let routes = self.router.routes(message.topic_name());
        self.publish(batch, now_ms, &incoming, &routes).map(drop)
    }
}
