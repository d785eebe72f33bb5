//! Sending: every flow that needs an acknowledgement, in the order it began.

#[cfg(feature = "alloc")]
use crate::Heap;
use crate::Storage;
use crate::quota::SendQuota;
use crate::storage::{PacketIds, Queue};
use core::cmp::Reverse;
use core::fmt;
use flow::{Due, Flow, Stage, Standing, distance, following};
use mqtt_codec::{PacketId, QoS, ReasonCode};

/// Identifiers there are: 1 to 65,535.
const PACKET_IDS: u16 = u16::MAX;
/// Ended flows behind an open one that are kept before the queue is compacted.
const ENDED_MAX: usize = 32;

/// The sending half of a session.
pub struct SendFlows<
    M,
    #[cfg(feature = "alloc")] S: Storage = Heap,
    #[cfg(not(feature = "alloc"))] S: Storage,
> {
    /// INVARIANT: in order of allocation; the first entry has not ended.
    flows: S::Flows<Flow<M>>,
    /// Still to be sent again on this connection.
    ///
    /// INVARIANT: the first names a flow that is [`Standing::Due`]; others may have ended meanwhile.
    due: S::Due<Due>,
    /// The identifiers of open flows while `lapped`, else empty.
    in_use: S::InUse,
    /// INVARIANT: entries of `flows` at [`Stage::Ended`].
    ended: u32,
    /// INVARIANT: entries of `flows` at [`Stage::Lost`].
    lost: u32,
    next_released: u32,
    last_packet_id: u16,
    /// Whether identifiers no longer ascend (cyclically) from the first entry to `last_packet_id`; while they do,
    /// one is found by halving and the next one is free.
    lapped: bool,
}

#[cfg(feature = "alloc")]
impl<M> SendFlows<M> {
    /// No flows; allocates nothing.
    pub const fn new() -> Self {
        Self::with_storage()
    }
}

impl<M, S: Storage> SendFlows<M, S> {
    /// As `new`, with its tables in `S`.
    pub const fn with_storage() -> Self {
        Self {
            flows: Queue::EMPTY,
            due: Queue::EMPTY,
            in_use: PacketIds::EMPTY,
            ended: 0,
            next_released: 0,
            last_packet_id: 0,
            lost: 0,
            lapped: false,
        }
    }

    /// Begins a QoS 1 or 2 flow: the Packet Identifier for a PUBLISH that is sent now, with DUP 0.
    ///
    /// A PUBLISH of QoS 0 has no flow; asked for one all the same, it gets that of QoS 1.
    /// Spec: v5 [MQTT-4.9.0-2], [MQTT-4.3.2-1], [MQTT-4.3.3-1].
    ///
    /// # Errors
    /// [`NotNow`] with the message when the quota is used up, a resume is not through, or no identifier or place is
    /// free.
    #[inline]
    pub fn begin_publish(
        &mut self,
        quota: &mut SendQuota,
        qos: QoS,
        message: M,
    ) -> Result<PacketId, NotNow<M>> {
        if quota.left() == 0 || !self.due.is_empty() {
            let reason = NotNowReason::Quota;
            return Err(NotNow { message, reason });
        }
        let stage = if qos == QoS::ExactlyOnce {
            Stage::PubRec
        } else {
            Stage::PubAck
        };
        let packet_id = self.begin(stage, Standing::Counted, message)?;
        quota.take();
        Ok(packet_id)
    }

    /// Opens a flow for SUBSCRIBE or UNSUBSCRIBE, which no quota delays; v5 [MQTT-4.9.0-3].
    ///
    /// # Errors
    /// [`NotNow`] with the message when no identifier or place is free.
    pub fn begin_request(&mut self, message: M) -> Result<PacketId, NotNow<M>> {
        self.begin(Stage::Answer, Standing::Free, message)
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
    #[inline]
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
    #[inline]
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
    /// [`UnexpectedAck::Unknown`]: answer PUBREL 0x92, unless `reason` is an error, which leaves nothing to
    /// release. [`UnexpectedAck::WrongKind`]: a Protocol Error.
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
        let again = match flow.stage {
            Stage::PubRec => false,
            Stage::PubComp => true,
            Stage::PubAck | Stage::Answer => return Err(UnexpectedAck::WrongKind),
            Stage::Lost | Stage::Ended => return Err(UnexpectedAck::Unknown),
        };
        let was_due = flow.standing == Standing::Due;
        if was_due {
            // PUBREL leaves now, so the resume owes this flow nothing more; v5 [MQTT-4.3.3-6].
            flow.standing = Standing::Free;
        }
        if !again {
            flow.stage = Stage::PubComp;
            flow.released = released;
            self.next_released = released.wrapping_add(1);
        }
        if was_due {
            self.drop_settled_resends();
        }
        if again {
            return Ok(PubRecOutcome::ReleaseAgain);
        }
        self.flows
            .get_mut(at)
            .and_then(|flow| flow.message.as_mut())
            .map(PubRecOutcome::Release)
            .ok_or(UnexpectedAck::Unknown)
    }

    /// A new connection: whatever is open has to be sent again under its quota.
    ///
    /// Spec: v5 [MQTT-4.4.0-1]; PUBREL packets in the order of PUBREC, [MQTT-4.6.0-4], then PUBLISH packets in
    /// the order they were first sent, [MQTT-4.6.0-1].
    pub fn begin_resume(&mut self) {
        self.due = Queue::EMPTY;
        // There are as many places in it as flows.
        for flow in self.flows.iter_mut() {
            flow.standing = match flow.stage {
                Stage::PubComp => {
                    let _ = self.due.push_back(Due::of(flow));
                    Standing::Due
                }
                Stage::PubAck | Stage::PubRec => Standing::Due,
                Stage::Answer | Stage::Lost | Stage::Ended => Standing::Free,
            };
        }
        let next_released = self.next_released;
        self.due
            .sort_by_key(|due| Reverse(next_released.wrapping_sub(due.released)));
        for flow in self.flows.iter() {
            if matches!(flow.stage, Stage::PubAck | Stage::PubRec) {
                let _ = self.due.push_back(Due::of(flow));
            }
        }
    }

    /// The next packet to send again: PUBREL packets first, then PUBLISH packets as the quota allows.
    pub fn poll_resend(&mut self, quota: &mut SendQuota) -> Option<Resend<'_, M>> {
        let packet_id = self.due.front()?.packet_id;
        let at = self.find(packet_id)?;
        let flow = self.flows.get_mut(at)?;
        let qos = flow.stage.resent_as();
        flow.standing = match qos {
            None => Standing::Free,
            Some(_) if quota.take() => Standing::Counted,
            Some(_) => return None,
        };
        self.pop_due();
        self.drop_settled_resends();
        let Some(qos) = qos else {
            return Some(Resend::PubRel { packet_id });
        };
        let message = self.flows.get_mut(at)?.message.as_mut()?;
        Some(Resend::Publish {
            packet_id,
            qos,
            message,
        })
    }

    /// What [`SendFlows::poll_resend`] gives next: an identifier, and for PUBLISH its QoS and message.
    pub(crate) fn next_resend(&self, quota: SendQuota) -> Option<(PacketId, Option<(QoS, &M)>)> {
        let packet_id = self.due.front()?.packet_id;
        let flow = self.flows.get(self.find(packet_id)?)?;
        match flow.stage.resent_as() {
            None => Some((packet_id, None)),
            Some(qos) if quota.left() > 0 => Some((packet_id, Some((qos, flow.message.as_ref()?)))),
            Some(_) => None,
        }
    }

    /// Whether no flow is open.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether packets of the resume are still to be sent; nothing new goes before them.
    pub fn is_resuming(&self) -> bool {
        !self.due.is_empty()
    }

    /// Open flows, 0 to 65,535.
    pub fn len(&self) -> usize {
        self.flows.len() - usize::try_from(self.ended + self.lost).unwrap_or(0)
    }

    /// The messages of open flows, in order.
    pub fn messages(&self) -> impl Iterator<Item = &M> {
        let open = self.flows.iter().filter(|flow| flow.is_open());
        open.filter_map(|flow| flow.message.as_ref())
    }

    /// The messages of open flows, in order, to be changed.
    pub fn messages_mut(&mut self) -> impl Iterator<Item = &mut M> {
        let open = self.flows.iter_mut().filter(|flow| flow.is_open());
        open.filter_map(|flow| flow.message.as_mut())
    }

    /// Puts a flow with the next Packet Identifier at the end.
    #[inline]
    fn begin(
        &mut self,
        stage: Stage,
        standing: Standing,
        message: M,
    ) -> Result<PacketId, NotNow<M>> {
        match self.next_packet_id() {
            Ok(packet_id) => {
                self.push(packet_id, stage, standing, message)?;
                Ok(packet_id)
            }
            Err(reason) => Err(NotNow { message, reason }),
        }
    }

    #[inline]
    fn push(
        &mut self,
        packet_id: PacketId,
        stage: Stage,
        standing: Standing,
        message: M,
    ) -> Result<(), NotNow<M>> {
        let flow = Flow {
            packet_id,
            stage,
            standing,
            released: 0,
            message: Some(message),
        };
        if let Err(Flow {
            message: Some(message),
            ..
        }) = self.flows.push_back(flow)
        {
            let reason = NotNowReason::Capacity;
            return Err(NotNow { message, reason });
        }
        self.last_packet_id = packet_id.get();
        if self.lapped {
            self.in_use.insert(packet_id);
        }
        Ok(())
    }

    #[inline]
    fn end(
        &mut self,
        quota: &mut SendQuota,
        packet_id: PacketId,
        stage: Stage,
    ) -> Result<M, UnexpectedAck> {
        match self.end_first(quota, packet_id, stage) {
            Some(message) => Ok(message),
            None => self.end_any(quota, packet_id, stage),
        }
    }

    /// Ends the flow that began first, which is mostly the one that ends next; none where more has to be looked at.
    #[inline]
    fn end_first(&mut self, quota: &mut SendQuota, packet_id: PacketId, stage: Stage) -> Option<M> {
        if self.lapped || self.ended > 0 || !self.due.is_empty() {
            return None;
        }
        let is_it = |flow: &Flow<M>| flow.packet_id == packet_id && flow.stage == stage;
        let flow = self.flows.pop_front_if(is_it)?;
        if flow.standing == Standing::Counted {
            quota.give_back();
        }
        self.give_memory_back();
        flow.message
    }

    fn end_any(
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
        if flow.standing == Standing::Counted {
            quota.give_back();
        }
        flow.stage = Stage::Ended;
        flow.standing = Standing::Free;
        let message = flow.message.take();
        self.ended += 1;
        if self.lapped {
            self.in_use.remove(packet_id);
        }
        self.drop_settled_resends();
        self.drop_ended();
        message.ok_or(UnexpectedAck::Unknown)
    }

    fn drop_settled_resends(&mut self) {
        if !self.due.is_empty() {
            self.drop_settled();
        }
    }

    /// Keeps the invariant of `due`.
    #[cold]
    fn drop_settled(&mut self) {
        while let Some(due) = self.due.front() {
            let flow = self.find(due.packet_id).and_then(|at| self.flows.get(at));
            if flow.is_some_and(|flow| flow.standing == Standing::Due) {
                return;
            }
            self.pop_due();
        }
    }

    /// Takes the first of `due`; gives its memory back at the end.
    fn pop_due(&mut self) {
        self.due.pop_front();
        if self.due.is_empty() {
            self.due = Queue::EMPTY;
        }
    }

    fn drop_ended(&mut self) {
        let len_before = self.flows.len();
        while self.ended > 0
            && self
                .flows
                .pop_front_if(|flow| flow.stage == Stage::Ended)
                .is_some()
        {
            self.ended -= 1;
        }
        let ended = usize::try_from(self.ended).unwrap_or(0);
        if ended > ENDED_MAX && ended > self.flows.len() / 2 {
            self.compact();
        }
        if self.lapped && self.flows.len() < len_before && self.is_ascending() {
            self.lapped = false;
            self.in_use = PacketIds::EMPTY;
        }
        self.give_memory_back();
    }

    /// A queue that was long and is empty holds no memory.
    #[inline]
    fn give_memory_back(&mut self) {
        if self.flows.is_empty() && self.flows.is_roomy(ENDED_MAX * 8) {
            self.flows = Queue::EMPTY;
        }
    }

    fn compact(&mut self) {
        self.flows.retain(|flow| flow.stage != Stage::Ended);
        self.ended = 0;
    }

    /// The next identifier after the last one given out that no open flow holds; v5 [MQTT-2.2.1-3].
    ///
    /// It stays the next one until a flow begins, for which there is a place then.
    pub(crate) fn next_packet_id(&mut self) -> Result<PacketId, NotNowReason> {
        if self.flows.is_full() {
            self.compact();
            if self.flows.is_full() {
                return Err(NotNowReason::Capacity);
            }
        }
        let candidate = PacketId::new(following(self.last_packet_id)).unwrap_or(PacketId::MIN);
        if !self.lapped {
            match self.flows.front() {
                Some(first) if first.packet_id == candidate => {}
                _ => return Ok(candidate),
            }
            // Once around: from here on what is still open has to be stepped over.
            self.keep_set_of_open();
        }
        let free = self.in_use.free_from(candidate);
        free.ok_or(NotNowReason::PacketIds)
    }

    fn keep_set_of_open(&mut self) {
        if self.lapped {
            return;
        }
        for flow in self.flows.iter().filter(|flow| flow.is_open()) {
            self.in_use.insert(flow.packet_id);
        }
        self.lapped = true;
    }

    /// Where the open flow with `packet_id` is.
    fn find(&self, packet_id: PacketId) -> Option<usize> {
        let open = |flow: &Flow<M>| flow.packet_id == packet_id && flow.is_open();
        let first = self.flows.front()?;
        if open(first) {
            return Some(0);
        }
        let from = first.packet_id.get();
        let distance = distance(from, packet_id.get());
        let guess = usize::from(distance);
        if self.flows.get(guess).is_some_and(open) {
            return Some(guess);
        }
        if self.lapped {
            if !self.in_use.contains(packet_id) {
                return None;
            }
            // Only what was dropped before it can have moved it from where it would be, and mostly that is little.
            let near = self.flows.len().min(guess);
            let is_there = |at: &usize| self.flows.get(*at).is_some_and(open);
            let nearby = (near.saturating_sub(ENDED_MAX)..near).rev().find(is_there);
            return nearby.or_else(|| self.flows.iter().position(open));
        }
        let at = self
            .flows
            .binary_search_by_key(&distance, |flow| self::distance(from, flow.packet_id.get()))?;
        self.flows.get(at).is_some_and(open).then_some(at)
    }

    /// Whether identifiers ascend (cyclically) from the first entry to the last one given out.
    fn is_ascending(&self) -> bool {
        let Some(first) = self.flows.front() else {
            return true;
        };
        let distances = |flow: &Flow<M>| distance(first.packet_id.get(), flow.packet_id.get());
        let last = self.flows.back().map_or(0, distances);
        self.flows.iter().map(distances).is_sorted_by(|a, b| a < b)
            && last <= distance(first.packet_id.get(), self.last_packet_id)
    }
}

impl<M, S: Storage> Default for SendFlows<M, S> {
    fn default() -> Self {
        Self::with_storage()
    }
}

impl<M: Clone, S: Storage> Clone for SendFlows<M, S> {
    fn clone(&self) -> Self {
        Self {
            flows: self.flows.duplicate(),
            due: self.due.duplicate(),
            in_use: self.in_use.clone(),
            ..*self
        }
    }
}

impl<M: fmt::Debug, S: Storage> fmt::Debug for SendFlows<M, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.flows.iter()).finish()
    }
}

mod ended;
mod flow;
mod outcome;
mod restore;

pub use ended::EndedFlows;
pub use outcome::{NotNow, NotNowReason, PubRecOutcome, Resend, UnexpectedAck};
pub use restore::GivenUp;

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
