//! Flows as a journal tells them, and flows for a journal.

use super::{Flow, NotNow, NotNowReason, SendFlows, Stage, Standing, distance};
#[cfg(feature = "alloc")]
use crate::journal::{Change, Record};
use crate::quota::SendQuota;
use crate::storage::Queue;
use crate::{PubRecOutcome, Storage, UnexpectedAck};
#[cfg(feature = "alloc")]
use alloc::vec::Vec;
use mqtt_codec::{PacketId, QoS, ReasonCode};

/// What becomes of a flow whose PUBLISH cannot be sent again.
#[derive(Debug, Eq, PartialEq)]
pub enum GivenUp<'a, M> {
    /// The flow has ended; the message may have arrived before.
    Ended(M),
    /// QoS 2: send PUBREL, so that the receiver forgets the identifier. The message comes back with PUBCOMP, which
    /// says 0x00 when it had arrived and 0x92 when it had not.
    Release(&'a mut M),
}

impl<M, S: Storage> SendFlows<M, S> {
    /// Ends the repetition of a PUBLISH that the peer does not take any more, as one above its new Maximum Packet
    /// Size; its quota is free again.
    ///
    /// The identifier of a QoS 2 message stays in use until PUBCOMP: the receiver may know it from an earlier
    /// connection, and would take the next message with it for a repeat. Spec: v5 [MQTT-3.1.2-25], [MQTT-4.3.3-10].
    ///
    /// # Errors
    /// [`UnexpectedAck`] when no open flow with this identifier has a PUBLISH to send.
    pub fn give_up(
        &mut self,
        quota: &mut SendQuota,
        packet_id: PacketId,
    ) -> Result<GivenUp<'_, M>, UnexpectedAck> {
        let at = self.find(packet_id).ok_or(UnexpectedAck::Unknown)?;
        let flow = self.flows.get_mut(at).ok_or(UnexpectedAck::Unknown)?;
        match flow.stage {
            Stage::PubAck => self
                .end(quota, packet_id, Stage::PubAck)
                .map(GivenUp::Ended),
            Stage::PubRec => {
                if flow.standing == Standing::Counted {
                    flow.standing = Standing::Free;
                    quota.give_back();
                }
                match self.handle_pubrec(quota, packet_id, ReasonCode::SUCCESS)? {
                    PubRecOutcome::Release(message) => Ok(GivenUp::Release(message)),
                    _ => Err(UnexpectedAck::WrongKind),
                }
            }
            Stage::PubComp | Stage::Answer | Stage::Lost | Stage::Ended => {
                Err(UnexpectedAck::WrongKind)
            }
        }
    }

    /// Puts back a flow that a journal kept, behind those put back before; one with its identifier ends.
    ///
    /// # Errors
    /// [`NotNow`] with the message when there is no place for it.
    pub fn restore(&mut self, packet_id: PacketId, qos: QoS, message: M) -> Result<(), NotNow<M>> {
        self.restore_ended(packet_id);
        if !self.comes_after_all(packet_id) {
            self.keep_set_of_open();
        }
        let stage = match qos {
            QoS::ExactlyOnce => Stage::PubRec,
            QoS::AtLeastOnce | QoS::AtMostOnce => Stage::PubAck,
        };
        if self.flows.is_full() {
            self.compact();
        }
        self.push(packet_id, stage, Standing::Free, message)
    }

    /// The flow put back had its PUBREC, after those released before.
    pub fn restore_released(&mut self, packet_id: PacketId) {
        // A flow just put back holds no quota, so none can be given back to this one.
        let _ = self.handle_pubrec(&mut SendQuota::new(0), packet_id, ReasonCode::SUCCESS);
    }

    /// The flow put back had ended.
    pub fn restore_ended(&mut self, packet_id: PacketId) {
        let _ = self.cancel(&mut SendQuota::new(0), packet_id);
    }

    /// The next identifier comes after `packet_id`.
    pub fn restore_last_packet_id(&mut self, packet_id: PacketId) {
        if packet_id.get() != self.last_packet_id && !self.comes_after_all(packet_id) {
            self.keep_set_of_open();
        }
        self.last_packet_id = packet_id.get();
    }

    #[cfg(feature = "alloc")]
    /// What a journal has to keep of the open flows: all that began, in order, then what was released, in order.
    pub(crate) fn records(&self) -> Vec<Record<&M>> {
        let mut records = Vec::new();
        let mut released: Vec<(u32, PacketId)> = Vec::new();
        for flow in self.flows.iter() {
            let qos = match flow.stage {
                Stage::PubAck => QoS::AtLeastOnce,
                Stage::PubRec => QoS::ExactlyOnce,
                Stage::PubComp => {
                    released.push((flow.released, flow.packet_id));
                    QoS::ExactlyOnce
                }
                Stage::Answer | Stage::Lost | Stage::Ended => continue,
            };
            records.extend(flow.message.as_ref().map(|message| Record::Begun {
                packet_id: flow.packet_id,
                qos,
                message,
            }));
        }
        let next_released = self.next_released;
        released.sort_by_key(|(number, _)| core::cmp::Reverse(next_released.wrapping_sub(*number)));
        let released = released.into_iter().map(|(_, packet_id)| packet_id);
        records.extend(released.map(|packet_id| Record::Change(Change::Released(packet_id))));
        let last = PacketId::new(self.last_packet_id);
        records.extend(last.map(|packet_id| Record::Change(Change::LastPacketId(packet_id))));
        records
    }

    /// Ends the flow that began last, because it cannot be kept.
    pub(crate) fn take_back(
        &mut self,
        quota: &mut SendQuota,
        packet_id: PacketId,
    ) -> Option<NotNow<M>> {
        let message = self.cancel(quota, packet_id).ok()?;
        let reason = NotNowReason::Journal;
        Some(NotNow { message, reason })
    }

    /// The message of the open flow with `packet_id`.
    pub(crate) fn open_message(&self, packet_id: PacketId) -> Option<&M> {
        self.flows.get(self.find(packet_id)?)?.message.as_ref()
    }

    /// The message of the flow that began last.
    pub(crate) fn newest(&self) -> Option<&M> {
        self.flows
            .back()
            .and_then(|flow: &Flow<M>| flow.message.as_ref())
    }

    /// Whether identifiers still ascend from the first entry when `packet_id` is given out next.
    fn comes_after_all(&self, packet_id: PacketId) -> bool {
        self.flows.front().is_none_or(|first| {
            let first = first.packet_id.get();
            distance(first, packet_id.get()) > distance(first, self.last_packet_id)
        })
    }
}
