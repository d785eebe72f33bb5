//! What a connection has to say, on its way to the socket.

use super::{Connection, HeldAnswer, Open};
use crate::core::Batch;
use crate::core::cause::EndCause;
use crate::core::log::{CommitLog, Durability, LogPosition};
use crate::core::session_cell::SessionState;
use crate::core::wire::Outbox;
use mqtt_codec::{Ack, Packet, PacketType};
use mqtt_io::WriteQueue;
use mqtt_session::AckKind;
use std::task::Waker;

impl Connection {
    /// Gives it a buffer for its answers if it has none; it is taken back with the output.
    pub(crate) fn lend_output(&mut self, batch: &mut Batch) {
        if self.out.capacity() == 0 {
            self.out = batch.spare();
        }
    }

    /// Hands all that is to be written to `queue`, and leaves `waker` to be told of more.
    ///
    /// Whether more is there already, for when this has been written.
    pub(crate) fn take_output(
        &mut self,
        queue: &mut WriteQueue,
        batch: &mut Batch,
        waker: &Waker,
        now_ms: u64,
    ) -> bool {
        let mut ended = None;
        let mut has_more = false;
        if let Some(open) = &self.open
            && self.is_greeted
        {
            let mut state = open.cell.state.lock();
            if state.epoch != open.epoch {
                ended = Some(EndCause::SessionTakenOver);
            } else {
                state.woken = false;
                state.lane = self.lane;
                self.wanted_lane = self.wanted_lane.or(state.wanted_lane.take());
                ended = state.end.as_deref().copied();
                if ended.is_none() {
                    if state
                        .waker
                        .as_ref()
                        .is_none_or(|known| !known.will_wake(waker))
                    {
                        state.waker = Some(waker.clone());
                    }
                    let had_queue = state.queue.is_some();
                    if had_queue || state.send.is_resuming() {
                        let core = &self.core;
                        state.refill(batch, &core.limits, &*core.log, now_ms);
                        has_more = state.queue.is_some() || state.send.is_resuming();
                    }
                    if had_queue {
                        self.core.tell(&open.cell, &state);
                    }
                }
                let mut durable = None;
                if self.staged.is_some() || state.gate != LogPosition::NONE {
                    let (log, staged) = (&*self.core.log, &mut self.staged);
                    durable = stage(log, self.durability, staged, &mut state, waker);
                }
                // What was under way belongs to the session, if it stays, and no more to whom it would go to now.
                let may_leave = self.staged.is_none()
                    && !state.outbox.is_empty()
                    && ended != Some(EndCause::RightLost);
                // Answers first: a PUBACK need not wait behind a large delivery.
                if (may_leave || durable.is_some()) && !self.out.is_empty() {
                    queue.push(std::mem::replace(&mut self.out, batch.spare()));
                }
                if let Some(durable) = &mut durable {
                    durable.take_into(queue);
                }
                if may_leave {
                    state.outbox.take_into(queue);
                }
            }
        }
        if let Some(cause) = ended {
            self.end_with(cause);
        }
        batch.counts.answers_sent += u64::from(std::mem::take(&mut self.answers_sent));
        if !self.out.is_empty() {
            queue.push(std::mem::take(&mut self.out));
        } else if self.out.capacity() > 0 {
            batch.give_spare(std::mem::take(&mut self.out));
        }
        has_more
    }
}

/// Sets aside what may not leave yet; what was set aside before comes back when it may.
fn stage(
    log: &dyn CommitLog,
    durability: Durability,
    staged: &mut Option<Box<(LogPosition, Outbox)>>,
    state: &mut SessionState,
    waker: &Waker,
) -> Option<Outbox> {
    let reached = durability.reached(log);
    let mut durable = None;
    if let Some(waiting) = staged.take_if(|waiting| waiting.0 <= reached) {
        durable = Some(waiting.1);
    }
    if staged.is_none() {
        let gate = std::mem::take(&mut state.gate);
        if gate > reached && !state.outbox.is_empty() {
            *staged = Some(Box::new((gate, std::mem::take(&mut state.outbox))));
        }
    }
    if let Some(waiting) = staged {
        durability.wake(log, waiting.0, waker);
    }
    durable
}

/// Whether it may have been CONNACK, which is the first.
#[inline]
pub(super) fn push_held(out: &mut Vec<u8>, open: &mut Open, answer: HeldAnswer) -> bool {
    let is_greeting = matches!(answer, HeldAnswer::Bytes(_));
    match answer {
        HeldAnswer::Release(packet_id, reason) => {
            let version = open.negotiated.version;
            crate::core::push_ack(out, version, PacketType::PubRel, packet_id, reason);
        }
        HeldAnswer::Bytes(bytes) => {
            out.extend_from_slice(&bytes);
        }
        HeldAnswer::Ack(ack) => {
            let version = open.negotiated.version;
            crate::core::push_ack(
                out,
                version,
                ack.kind.packet_type(),
                ack.packet_id,
                ack.reason,
            );
            crate::handler::settled(open, ack);
        }
        HeldAnswer::Refusal(ack, reference) => {
            let words = reference.words();
            crate::core::push_fitting(out, &open.negotiated, &[], Some(&words), |properties| {
                let refusal = Ack {
                    packet_id: ack.packet_id,
                    reason: ack.reason,
                    properties,
                };
                match ack.kind {
                    AckKind::PubAck => Packet::PubAck(refusal),
                    AckKind::PubRec => Packet::PubRec(refusal),
                    AckKind::PubComp => Packet::PubComp(refusal),
                }
            });
            crate::handler::settled(open, ack);
        }
    }
    is_greeting
}
