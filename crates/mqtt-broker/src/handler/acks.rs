//! PUBACK, PUBREC, PUBREL and PUBCOMP.

use crate::core::cause::EndCause;
use crate::core::connection::{Connection, HeldAnswer, Open};
use crate::core::log::{LogPosition, LogRecord};
use crate::core::message::Message;
use crate::core::session_cell::{Sent, SessionState};
use crate::core::{Batch, Core, push_ack};
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
                .map(|sent| Some(sent).filter(|_| !ack.reason.is_error()))
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
                .map(|_| None)
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
        let answer =
            match state
                .send
                .handle_pubrec(&mut state.send_quota, ack.packet_id, ack.reason)
            {
                Ok(PubRecOutcome::Release(sent)) => {
                    taken = sent.message.take();
                    Some(ReasonCode::SUCCESS)
                }
                Ok(PubRecOutcome::ReleaseAgain) => Some(ReasonCode::SUCCESS),
                Ok(PubRecOutcome::Refused(_)) => None,
                Err(UnexpectedAck::Unknown) if ack.reason.is_error() => None,
                Err(UnexpectedAck::Unknown) => Some(ReasonCode::PACKET_IDENTIFIER_NOT_FOUND),
                Err(UnexpectedAck::WrongKind) => {
                    return Err(wrong(PacketType::PubRec, ack.packet_id));
                }
            };
        let version = open.negotiated.version;
        match answer {
            // Before v5 PUBREL says nothing but "released", which ends the peer's flow all the same.
            Some(reason) if reason.is_error() && !version.has_ack_reason() => {
                push_ack(
                    &mut self.out,
                    version,
                    PacketType::PubRel,
                    ack.packet_id,
                    ReasonCode::SUCCESS,
                );
            }
            Some(reason) => push_ack(
                &mut self.out,
                version,
                PacketType::PubRel,
                ack.packet_id,
                reason,
            ),
            None => {
                note_acknowledged(&self.core.log, open, state, ack.packet_id);
                state.refill(batch, &self.core.limits, now_ms);
                batch.counts.name_drops(Some(&open.cell), "");
                self.core.tell(&open.cell, state);
            }
        }
        self.answers_sent += u64::from(answer.is_some());
        drop(locked);
        tell_acked(&self.core, open, taken);
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
        if self.core.log.keeps_records() && open.cell.state.lock().is_durable() {
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
        end_flow: impl FnOnce(&mut SessionState) -> Result<Option<Sent>, UnexpectedAck>,
    ) -> Result<(), EndCause> {
        let Some(open) = &self.open else {
            return Ok(());
        };
        let mut state = open.cell.state.lock();
        if state.epoch != open.epoch {
            return Ok(());
        }
        match end_flow(&mut state) {
            Ok(sent) => {
                note_acknowledged(&self.core.log, open, &state, packet_id);
                if state.queue.is_some() || state.send.is_resuming() {
                    state.refill(batch, &self.core.limits, now_ms);
                    batch.counts.name_drops(Some(&open.cell), "");
                    self.core.tell(&open.cell, &state);
                }
                drop(state);
                tell_acked(&self.core, open, sent.and_then(|sent| sent.message));
                Ok(())
            }
            // Late or repeated: harmless, and common after a reconnect.
            Err(UnexpectedAck::Unknown) => Ok(()),
            Err(UnexpectedAck::WrongKind) => Err(wrong(packet_type, packet_id)),
        }
    }
}

fn note_acknowledged(
    log: &Arc<dyn crate::core::log::CommitLog>,
    open: &Open,
    state: &SessionState,
    packet_id: PacketId,
) {
    if log.keeps_records() && state.is_durable() {
        // Nothing waits for it: a lost record means one more delivery, marked DUP.
        let _ = log.append(LogRecord::Acknowledged {
            session: open.cell.key,
            packet_id,
        });
    }
}

/// The subscriber is responsible for the message from here on.
fn tell_acked(core: &Core, open: &Open, message: Option<Arc<Message>>) {
    if !core.hub.wants(Interest::ACKED) {
        return;
    }
    let Some(message) = message else { return };
    core.hub.acked(&Acked {
        client_id: &open.cell.client_id,
        topic_name: message.topic_name(),
        payload: message.payload(),
        qos: message.qos,
    });
}

fn wrong(packet_type: PacketType, packet_id: PacketId) -> EndCause {
    EndCause::Protocol(ProtocolError::WrongAcknowledgement {
        packet_type,
        packet_id: packet_id.get(),
    })
}
