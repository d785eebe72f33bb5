//! Sending: every flow that needs an acknowledgement, in the order it began.

use crate::quota::SendQuota;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use mqtt_codec::{PacketId, QoS, ReasonCode};

/// Identifiers there are: 1 to 65,535.
const PACKET_IDS: u16 = u16::MAX;
/// Ended flows behind an open one that are kept before the queue is compacted.
const ENDED_MAX: usize = 32;

/// What a flow waits for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    PubAck,
    PubRec,
    PubComp,
    Answer,
    Ended,
}

#[derive(Clone, Debug)]
struct Flow<M> {
    packet_id: PacketId,
    stage: Stage,
    /// Whether this flow holds one of the send quota of the connection in force.
    counted: bool,
    /// Position among the PUBREC packets received, for the order of PUBREL; v5 [MQTT-4.6.0-4].
    released: u32,
    message: Option<M>,
}

/// Why a message cannot be sent now; it comes back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NotNow<M> {
    /// What was to be sent.
    pub message: M,
    /// What is missing.
    pub reason: NotNowReason,
}

/// What is missing to send a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NotNowReason {
    /// The peer's Receive Maximum is reached.
    Quota,
    /// All 65,535 Packet Identifiers are in use.
    PacketIds,
}

/// An acknowledgement that names no open flow, or one that waits for something else.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum UnexpectedAck {
    /// No open flow has this Packet Identifier.
    Unknown,
    /// The flow waits for another packet.
    WrongKind,
}

/// What PUBREC brings about.
#[derive(Debug, Eq, PartialEq)]
pub enum PubRecOutcome<'a, M> {
    /// Send PUBREL; the message is only kept for its owner's sake, its body may go.
    Release(&'a mut M),
    /// PUBREC again for a flow already released: send PUBREL again.
    ReleaseAgain,
    /// The peer refused the message: the flow has ended, no PUBREL; v5 [MQTT-4.3.3-4].
    Refused(M),
}

/// One packet to send again after a reconnect.
#[derive(Debug, Eq, PartialEq)]
pub enum Resend<'a, M> {
    /// PUBLISH with DUP, original identifier and QoS; v5 [MQTT-4.4.0-1].
    Publish {
        /// The original identifier.
        packet_id: PacketId,
        /// The original QoS, 1 or 2.
        qos: QoS,
        /// The message as it was given.
        message: &'a mut M,
    },
    /// PUBREL with the original identifier.
    PubRel {
        /// The original identifier.
        packet_id: PacketId,
    },
}

/// The sending half of a session.
#[derive(Clone, Debug)]
pub struct SendFlows<M> {
    /// INVARIANT: in order of allocation; the first entry has not ended.
    flows: VecDeque<Flow<M>>,
    /// INVARIANT: entries of `flows` at [`Stage::Ended`].
    ended: u32,
    last_packet_id: u16,
    /// Whether identifiers ascend (cyclically) from the first entry, so that one can be found by halving.
    ascending: bool,
    next_released: u32,
    /// Identifiers still to be sent again on this connection, last first.
    resend: Vec<PacketId>,
}

impl<M> Default for SendFlows<M> {
    fn default() -> Self {
        Self::new()
    }
}

impl<M> SendFlows<M> {
    /// No flows; allocates nothing.
    pub const fn new() -> Self {
        Self {
            flows: VecDeque::new(),
            ended: 0,
            last_packet_id: 0,
            ascending: true,
            next_released: 0,
            resend: Vec::new(),
        }
    }

    /// Opens a flow for a message that is sent for the first time.
    /// Begins a QoS 1 or 2 flow: the Packet Identifier for a PUBLISH that is sent now, with DUP 0.
    ///
    /// # Errors
    /// [`NotNow`] with the message when the quota is used up, a resume is not through, or no identifier is free.
    pub fn begin_publish(
        &mut self,
        quota: &mut SendQuota,
        qos: QoS,
        message: M,
    ) -> Result<PacketId, NotNow<M>> {
        if quota.left() == 0 || !self.resend.is_empty() {
            return Err(NotNow {
                message,
                reason: NotNowReason::Quota,
            });
        }
        let Some(packet_id) = self.allocate() else {
            return Err(NotNow {
                message,
                reason: NotNowReason::PacketIds,
            });
        };
        quota.take();
        let stage = if qos == QoS::ExactlyOnce {
            Stage::PubRec
        } else {
            Stage::PubAck
        };
        self.push(packet_id, stage, true, message);
        Ok(packet_id)
    }

    /// Opens a flow for SUBSCRIBE or UNSUBSCRIBE, which no quota delays; v5 [MQTT-4.9.0-3].
    pub fn begin_request(&mut self, message: M) -> Result<PacketId, NotNow<M>> {
        match self.allocate() {
            Some(packet_id) => {
                self.push(packet_id, Stage::Answer, false, message);
                Ok(packet_id)
            }
            None => Err(NotNow {
                message,
                reason: NotNowReason::PacketIds,
            }),
        }
    }

    /// Ends a flow whose packet could not be sent after all: quota and identifier are free again.
    ///
    /// # Errors
    /// [`UnexpectedAck`] when no open flow has this identifier.
    pub fn cancel(
        &mut self,
        quota: &mut SendQuota,
        packet_id: PacketId,
    ) -> Result<M, UnexpectedAck> {
        let at = self.find(packet_id).ok_or(UnexpectedAck::Unknown)?;
        let stage = self.flows.get(at).ok_or(UnexpectedAck::Unknown)?.stage;
        self.end(quota, packet_id, stage)
    }

    /// Takes PUBACK, whatever its Reason Code: the flow has ended.
    ///
    /// # Errors
    /// [`UnexpectedAck`] when no open flow waits for it.
    pub fn handle_puback(
        &mut self,
        quota: &mut SendQuota,
        packet_id: PacketId,
    ) -> Result<M, UnexpectedAck> {
        self.end(quota, packet_id, Stage::PubAck)
    }

    /// Takes PUBCOMP, whatever its Reason Code: the flow has ended.
    ///
    /// # Errors
    /// [`UnexpectedAck`] when no open flow waits for it.
    pub fn handle_pubcomp(
        &mut self,
        quota: &mut SendQuota,
        packet_id: PacketId,
    ) -> Result<M, UnexpectedAck> {
        self.end(quota, packet_id, Stage::PubComp)
    }

    /// Takes SUBACK or UNSUBACK (client only).
    ///
    /// # Errors
    /// [`UnexpectedAck`] when no request waits for it.
    pub fn handle_answer(
        &mut self,
        quota: &mut SendQuota,
        packet_id: PacketId,
    ) -> Result<M, UnexpectedAck> {
        self.end(quota, packet_id, Stage::Answer)
    }

    /// Takes PUBREC with its Reason Code.
    ///
    /// # Errors
    /// [`UnexpectedAck::Unknown`]: answer PUBREL 0x92. [`UnexpectedAck::WrongKind`]: a Protocol Error.
    pub fn handle_pubrec(
        &mut self,
        quota: &mut SendQuota,
        packet_id: PacketId,
        reason: ReasonCode,
    ) -> Result<PubRecOutcome<'_, M>, UnexpectedAck> {
        if reason.is_error() {
            return self
                .end(quota, packet_id, Stage::PubRec)
                .map(PubRecOutcome::Refused);
        }
        let released = self.next_released;
        let at = self.find(packet_id).ok_or(UnexpectedAck::Unknown)?;
        let flow = self.flows.get_mut(at).ok_or(UnexpectedAck::Unknown)?;
        match flow.stage {
            Stage::PubRec => {
                flow.stage = Stage::PubComp;
                flow.released = released;
                self.next_released = released.wrapping_add(1);
                flow.message
                    .as_mut()
                    .map(PubRecOutcome::Release)
                    .ok_or(UnexpectedAck::Unknown)
            }
            Stage::PubComp => Ok(PubRecOutcome::ReleaseAgain),
            Stage::PubAck | Stage::Answer => Err(UnexpectedAck::WrongKind),
            Stage::Ended => Err(UnexpectedAck::Unknown),
        }
    }

    /// A new connection: whatever is open has to be sent again under its quota.
    pub fn begin_resume(&mut self) {
        let mut released: Vec<(u32, PacketId)> = Vec::new();
        self.resend.clear();
        for flow in &mut self.flows {
            flow.counted = false;
            match flow.stage {
                Stage::PubComp => released.push((flow.released, flow.packet_id)),
                Stage::PubAck | Stage::PubRec => self.resend.push(flow.packet_id),
                Stage::Answer | Stage::Ended => {}
            }
        }
        self.resend.reverse();
        let next_released = self.next_released;
        released.sort_by_key(|(released, _)| next_released.wrapping_sub(*released));
        self.resend
            .extend(released.into_iter().map(|(_, packet_id)| packet_id));
    }

    /// The next packet to send again: PUBREL packets first, then PUBLISH packets as the quota allows.
    pub fn poll_resend(&mut self, quota: &mut SendQuota) -> Option<Resend<'_, M>> {
        let at = loop {
            let packet_id = *self.resend.last()?;
            match self.find(packet_id) {
                Some(at) => break at,
                None => self.resend.pop(),
            };
        };
        let flow = self.flows.get_mut(at)?;
        let qos = match flow.stage {
            Stage::PubAck => QoS::AtLeastOnce,
            Stage::PubRec => QoS::ExactlyOnce,
            Stage::PubComp | Stage::Answer | Stage::Ended => {
                self.resend.pop();
                return Some(Resend::PubRel {
                    packet_id: flow.packet_id,
                });
            }
        };
        if !quota.take() {
            return None;
        }
        flow.counted = true;
        self.resend.pop();
        let packet_id = flow.packet_id;
        flow.message.as_mut().map(|message| Resend::Publish {
            packet_id,
            qos,
            message,
        })
    }

    /// Whether no flow is open.
    pub fn is_empty(&self) -> bool {
        self.flows.is_empty()
    }

    /// Whether packets of the resume are still to be sent; nothing new goes before them.
    pub const fn is_resuming(&self) -> bool {
        !self.resend.is_empty()
    }

    /// Open flows, 0 to 65,535.
    pub fn len(&self) -> usize {
        self.flows.len() - usize::try_from(self.ended).unwrap_or(0)
    }

    /// The messages of open flows, in order.
    pub fn messages(&self) -> impl Iterator<Item = &M> {
        self.flows.iter().filter_map(|flow| flow.message.as_ref())
    }

    /// Ends SUBSCRIBE and UNSUBSCRIBE flows, which do not outlive a Network Connection.
    pub fn end_requests(&mut self) -> Vec<M> {
        let mut ended = Vec::new();
        for flow in &mut self.flows {
            if flow.stage == Stage::Answer {
                flow.stage = Stage::Ended;
                self.ended += 1;
                ended.extend(flow.message.take());
            }
        }
        self.drop_ended();
        ended
    }

    /// Ends everything and gives the messages back in order.
    pub fn clear(&mut self) -> Vec<M> {
        let flows = core::mem::take(&mut self.flows);
        let last_packet_id = self.last_packet_id;
        *self = Self::new();
        self.last_packet_id = last_packet_id;
        flows.into_iter().filter_map(|flow| flow.message).collect()
    }

    fn push(&mut self, packet_id: PacketId, stage: Stage, counted: bool, message: M) {
        self.last_packet_id = packet_id.get();
        self.flows.push_back(Flow {
            packet_id,
            stage,
            counted,
            released: 0,
            message: Some(message),
        });
    }

    fn end(
        &mut self,
        quota: &mut SendQuota,
        packet_id: PacketId,
        stage: Stage,
    ) -> Result<M, UnexpectedAck> {
        let at = self.find(packet_id).ok_or(UnexpectedAck::Unknown)?;
        let flow = self.flows.get_mut(at).ok_or(UnexpectedAck::Unknown)?;
        if flow.stage != stage {
            return Err(UnexpectedAck::WrongKind);
        }
        flow.stage = Stage::Ended;
        if core::mem::take(&mut flow.counted) {
            quota.give_back();
        }
        let message = flow.message.take();
        self.ended += 1;
        self.drop_ended();
        message.ok_or(UnexpectedAck::Unknown)
    }

    fn drop_ended(&mut self) {
        while self
            .flows
            .front()
            .is_some_and(|flow| flow.stage == Stage::Ended)
        {
            self.flows.pop_front();
            self.ended -= 1;
        }
        let ended = usize::try_from(self.ended).unwrap_or(0);
        if ended > ENDED_MAX && ended > self.flows.len() / 2 {
            self.flows.retain(|flow| flow.stage != Stage::Ended);
            self.ended = 0;
        }
        if self.flows.is_empty() {
            self.ascending = true;
            if self.flows.capacity() > ENDED_MAX * 8 {
                self.flows = VecDeque::new();
            }
        }
    }

    /// The next identifier after the last one given out that no open flow holds; v5 [MQTT-2.2.1-3].
    fn allocate(&mut self) -> Option<PacketId> {
        let mut candidate = following(self.last_packet_id);
        let Some(first) = self.flows.front() else {
            return PacketId::new(candidate);
        };
        if self.ascending && candidate != first.packet_id.get() {
            return PacketId::new(candidate);
        }
        // Once around: step over what is still open. Rare, so a plain search does.
        self.ascending = false;
        for _ in 0..PACKET_IDS {
            let packet_id = PacketId::new(candidate)?;
            if self.find(packet_id).is_none() {
                return Some(packet_id);
            }
            candidate = following(candidate);
        }
        None
    }

    /// Where the open flow with `packet_id` is.
    fn find(&self, packet_id: PacketId) -> Option<usize> {
        let first = self.flows.front()?;
        let open = |flow: &Flow<M>| flow.packet_id == packet_id && flow.stage != Stage::Ended;
        let distance = distance(first.packet_id.get(), packet_id.get());
        let guess = usize::from(distance);
        if self.flows.get(guess).is_some_and(open) {
            return Some(guess);
        }
        if !self.ascending {
            return self.flows.iter().position(open);
        }
        let from = first.packet_id.get();
        let at = self
            .flows
            .binary_search_by_key(&distance, |flow| self::distance(from, flow.packet_id.get()))
            .ok()?;
        self.flows.get(at).is_some_and(open).then_some(at)
    }
}

const fn following(packet_id: u16) -> u16 {
    match packet_id {
        PACKET_IDS => 1,
        _ => packet_id + 1,
    }
}

/// Steps from `from` to `to` in the cycle 1, 2, .. 65,535, 1.
const fn distance(from: u16, to: u16) -> u16 {
    if to >= from {
        to - from
    } else {
        PACKET_IDS - (from - to)
    }
}
