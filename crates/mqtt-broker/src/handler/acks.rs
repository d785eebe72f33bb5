//! PUBACK, PUBREC, PUBREL and PUBCOMP.

use crate::core::cause::EndCause;
use crate::core::connection::{Connection, HeldAnswer, Open};
use crate::core::log::{LogPosition, LogRecord, MessageId};
use crate::core::message::Message;
use crate::core::session_cell::{Sent, SessionState};
use crate::core::{Batch, Core};
use crate::hooks::{Acked, Interest};
use mqtt_codec::{Ack, PacketId, PacketType, ReasonCode};
use mqtt_session::{AckKind, PendingAck, ProtocolError, PubRecOutcome, UnexpectedAck};
use std::sync::Arc;

impl Connection {
    /// The subscriber has a QoS 1 message; v5 §4.3.2.
    pub(crate) fn handle_puback(
        &mut self,
        ack: &Ack<'_>,
        batch: &mut Batch,
        now_ms: u64,
    ) -> Result<(), EndCause> {
        self.settle(PacketType::PubAck, ack.packet_id, batch, now_ms, |state| {
            state
                .send
                .handle_puback(&mut state.send_quota, ack.packet_id)
                // What the subscriber refuses it has not taken; v5 [MQTT-4.8.2-6].
                .map(|sent| {
                    let id = sent.id;
                    (id, Some(sent).filter(|_| !ack.reason.is_error()))
                })
        })
    }

    /// The subscriber has let go of a QoS 2 message; v5 §4.3.3.
    pub(crate) fn handle_pubcomp(
        &mut self,
        ack: &Ack<'_>,
        batch: &mut Batch,
        now_ms: u64,
    ) -> Result<(), EndCause> {
        self.settle(PacketType::PubComp, ack.packet_id, batch, now_ms, |state| {
            state
                .send
                .handle_pubcomp(&mut state.send_quota, ack.packet_id)
                .map(|sent| (sent.id, None))
        })
    }

    /// The subscriber has a QoS 2 message, or refuses it; v5 §4.3.3, [MQTT-4.3.3-4].
    pub(crate) fn handle_pubrec(
        &mut self,
        ack: &Ack<'_>,
        batch: &mut Batch,
        now_ms: u64,
    ) -> Result<(), EndCause> {
        let Some(open) = &self.open else {
            return Ok(());
        };
        let mut locked = open.cell.state.lock();
        if locked.epoch != open.epoch {
            return Ok(());
        }
        let state = &mut *locked;
        let mut taken = None;
        let mut position = LogPosition::NONE;
        let answer =
            match state
                .send
                .handle_pubrec(&mut state.send_quota, ack.packet_id, ack.reason)
            {
                Ok(PubRecOutcome::Release(sent)) => {
                    taken = sent.message.take();
                    sent.is_stored = false;
                    let (session, id) = (open.cell.key, sent.id);
                    if id != MessageId::NONE {
                        let record = LogRecord::Confirmed { session, id };
                        // A log that takes not even this has failed.
                        let appended = self.core.log.append(record);
                        position = appended.unwrap_or(LogPosition(u64::MAX));
                    }
                    Some(ReasonCode::SUCCESS)
                }
                Ok(PubRecOutcome::ReleaseAgain) => {
                    if state.is_logged {
                        position = self.core.log.appended();
                    }
                    Some(ReasonCode::SUCCESS)
                }
                Ok(PubRecOutcome::Refused(sent)) => {
                    note_finished(batch, open, sent.id);
                    None
                }
                Err(UnexpectedAck::Unknown) if ack.reason.is_error() => None,
                Err(UnexpectedAck::Unknown) => Some(ReasonCode::PACKET_IDENTIFIER_NOT_FOUND),
                Err(UnexpectedAck::WrongKind) => {
                    return Err(wrong(PacketType::PubRec, ack.packet_id));
                }
            };
        if answer.is_none() {
            state.refill(batch, &self.core.limits, &*self.core.log, now_ms);
            batch.counts.name_drops(Some(&open.cell), "");
            self.core.tell(&open.cell, state);
        }
        drop(locked);
        tell_acked(&self.core, open, taken, batch);
        if let Some(reason) = answer {
            // Before v5 PUBREL says nothing but "released", which ends the peer's flow all the same.
            let reason = match open.negotiated.version.has_ack_reason() {
                true => reason,
                false => ReasonCode::SUCCESS,
            };
            self.answer(position, HeldAnswer::Release(ack.packet_id, reason));
        }
        Ok(())
    }

    /// The publisher lets go of a QoS 2 message; v5 [MQTT-4.3.3-11].
    pub(crate) fn handle_pubrel(&mut self, ack: &Ack<'_>) -> Result<(), EndCause> {
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        let mut reason = open
            .cell
            .receive
            .lock()
            .handle_pubrel(&mut open.receive_quota, ack.packet_id);
        if !open.negotiated.version.has_ack_reason() {
            reason = ReasonCode::SUCCESS;
        }
        let mut position = LogPosition::NONE;
        if self.core.log.keeps_records() && open.cell.state.lock().is_logged {
            let record = LogRecord::Released {
                session: open.cell.key,
                packet_id: ack.packet_id,
            };
            // A lost record only means that the identifier is remembered for longer.
            position = self.core.log.append(record).unwrap_or_default();
        }
        let pending = PendingAck {
            kind: AckKind::PubComp,
            packet_id: ack.packet_id,
            reason,
        };
        self.answer(position, HeldAnswer::Ack(pending));
        Ok(())
    }

    fn settle(
        &mut self,
        packet_type: PacketType,
        packet_id: PacketId,
        batch: &mut Batch,
        now_ms: u64,
        end_flow: impl FnOnce(&mut SessionState) -> Result<(MessageId, Option<Sent>), UnexpectedAck>,
    ) -> Result<(), EndCause> {
        let Some(open) = &self.open else {
            return Ok(());
        };
        let mut state = open.cell.state.lock();
        if state.epoch != open.epoch {
            return Ok(());
        }
        match end_flow(&mut state) {
            Ok((id, sent)) => {
                note_finished(batch, open, id);
                if state.queue.is_some() || state.send.is_resuming() {
                    state.refill(batch, &self.core.limits, &*self.core.log, now_ms);
                    batch.counts.name_drops(Some(&open.cell), "");
                    self.core.tell(&open.cell, &state);
                }
                drop(state);
                let message = sent.and_then(|sent| sent.message);
                tell_acked(&self.core, open, message, batch);
                Ok(())
            }
            // Late or repeated: harmless, and common after a reconnect.
            Err(UnexpectedAck::Unknown) => Ok(()),
            Err(UnexpectedAck::WrongKind) => Err(wrong(packet_type, packet_id)),
        }
    }
}

/// The subscriber is through with a message of the log.
fn note_finished(batch: &mut Batch, open: &Open, id: MessageId) {
    if id != MessageId::NONE {
        batch.finished.push((open.cell.key, id));
    }
}

/// The subscriber is responsible for the message from here on.
#[inline]
fn tell_acked(core: &Core, open: &Open, message: Option<Arc<Message>>, batch: &mut Batch) {
    let Some(message) = message else { return };
    if core.hub.wants(Interest::ACKED) {
        core.hub.acked(&Acked {
            client_id: &open.cell.client_id,
            topic_name: message.topic_name(),
            payload: message.payload(),
            qos: message.qos,
        });
    }
    batch.give_message(message);
}

fn wrong(packet_type: PacketType, packet_id: PacketId) -> EndCause {
    EndCause::Protocol(ProtocolError::WrongAcknowledgement {
        packet_type,
        packet_id: packet_id.get(),
    })
}
