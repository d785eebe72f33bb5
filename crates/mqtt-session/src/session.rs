//! `Session`: what both sides keep when the Network Connection is gone.

#[cfg(feature = "alloc")]
use crate::Heap;
#[cfg(feature = "alloc")]
use crate::NoJournal;
use crate::journal::{Change, Journal, Record};
use crate::receive::ReceiveFlows;
use crate::send::SendFlows;
use crate::storage::PacketIds;
use crate::{
    AckKind, EndedFlows, GivenUp, Link, NotNow, NotNowReason, ProtocolError, PubRecOutcome,
    Received, Resend, Settling, Storage, UnexpectedAck,
};
#[cfg(feature = "alloc")]
use alloc::vec::Vec;
use mqtt_codec::{Delivery, PacketId, QoS, ReasonCode};

/// The QoS flows of one Client Identifier, seen from either end.
///
/// `M` is how the owner keeps a message until its last acknowledgement: a reference-counted one in a broker,
/// the message with its receipt in a client. A broker whose subscribers and publishers work side by side
/// keeps the halves, [`SendFlows`] and [`ReceiveFlows`], apart. Spec: v5 §4.1.
///
/// `J` is told each change, so that the session can outlive its process. What is encoded because of a call must not
/// leave before [`Session::barrier`], asked after the call, is durable. Without a journal nothing waits.
#[derive(Clone, Debug)]
pub struct Session<
    M,
    #[cfg(feature = "alloc")] J = NoJournal,
    #[cfg(not(feature = "alloc"))] J,
    #[cfg(feature = "alloc")] S: Storage = Heap,
    #[cfg(not(feature = "alloc"))] S: Storage,
> {
    send: SendFlows<M, S>,
    receive: ReceiveFlows<S>,
    journal: J,
}

#[cfg(feature = "alloc")]
impl<M> Session<M> {
    /// A session that remembers nothing; allocates nothing.
    pub const fn new() -> Self {
        Self::with_storage(NoJournal)
    }
}

impl<M, J: Default, S: Storage> Default for Session<M, J, S> {
    fn default() -> Self {
        Self::with_storage(J::default())
    }
}

impl<M, J, S: Storage> Session<M, J, S> {
    /// A session that remembers nothing, with its tables in `S`.
    pub const fn with_storage(journal: J) -> Self {
        Self {
            send: SendFlows::with_storage(),
            receive: ReceiveFlows::with_storage(),
            journal,
        }
    }

    /// The same session with another journal, which knows it already or is told by [`Session::records`].
    pub fn with_journal<K>(self, journal: K) -> Session<M, K, S> {
        Session {
            send: self.send,
            receive: self.receive,
            journal,
        }
    }

    /// What is told the changes.
    pub const fn journal(&self) -> &J {
        &self.journal
    }

    /// What is told the changes, to commit them.
    pub const fn journal_mut(&mut self) -> &mut J {
        &mut self.journal
    }

    /// The journal without the session, as when the process ends.
    pub fn into_journal(self) -> J {
        self.journal
    }

    /// Takes over what a journal kept, record by record; nothing is told to the journal of this session.
    ///
    /// Order, identifiers, stages and the identifier given out last are those of the session that told the records.
    ///
    /// # Errors
    /// `record`, when there is no place for it.
    pub fn replay(&mut self, record: Record<M>) -> Result<(), Record<M>> {
        match record {
            Record::Begun {
                packet_id,
                qos,
                message,
            } => {
                let restored = self.send.restore(packet_id, qos, message);
                return restored.map_err(|NotNow { message, .. }| Record::Begun {
                    packet_id,
                    qos,
                    message,
                });
            }
            Record::Change(Change::Released(packet_id)) => self.send.restore_released(packet_id),
            Record::Change(Change::Ended(packet_id)) => self.send.restore_ended(packet_id),
            Record::Change(Change::Received(packet_id)) => {
                return match self.receive.restore(packet_id) {
                    true => Ok(()),
                    false => Err(record),
                };
            }
            Record::Change(Change::Forgotten(packet_id)) => self.receive.refuse(packet_id),
            Record::Change(Change::LastPacketId(packet_id)) => {
                self.send.restore_last_packet_id(packet_id);
            }
            Record::Change(Change::Cleared) => {
                self.send.clear();
                self.receive.clear();
            }
        }
        Ok(())
    }

    /// The shortest records that tell this session, for a journal that sums up; requests are not in it.
    ///
    /// A QoS 2 message that was received and not yet taken counts as taken.
    #[cfg(feature = "alloc")]
    pub fn records(&self) -> Vec<Record<&M>> {
        let mut records = self.send.records();
        let unreleased = self.receive.unreleased().iter();
        records.extend(unreleased.map(|packet_id| Record::Change(Change::Received(packet_id))));
        records
    }
}

impl<M, J: Journal<M>, S: Storage> Session<M, J, S> {
    /// What has to be durable before the bytes that are encoded now leave.
    pub fn barrier(&self) -> J::Barrier {
        self.journal.barrier()
    }

    /// Begins a QoS 1 or 2 flow: the Packet Identifier for a PUBLISH that is sent now, with DUP 0.
    ///
    /// # Errors
    /// [`NotNow`] with the message when the send quota is used up, a resume is not through, no identifier is free,
    /// or the journal cannot keep it; quota and identifier are as before.
    pub fn send_publish(
        &mut self,
        link: &mut Link<S>,
        qos: QoS,
        message: M,
    ) -> Result<PacketId, NotNow<M>> {
        let quota = &mut link.send_quota;
        let packet_id = self.send.begin_publish(quota, qos, message)?;
        if J::KEEPS
            && let Some(message) = self.send.newest()
            && self.journal.begin(packet_id, qos, message).is_err()
            && let Some(not_now) = self.send.take_back(quota, packet_id)
        {
            return Err(not_now);
        }
        Ok(packet_id)
    }

    /// Begins a SUBSCRIBE or UNSUBSCRIBE (client only): its Packet Identifier.
    ///
    /// # Errors
    /// [`NotNow`] when no identifier is free.
    pub fn send_request(&mut self, message: M) -> Result<PacketId, NotNow<M>> {
        self.send.begin_request(message)
    }

    /// Ends a flow whose PUBLISH could not be encoded and has never left: quota and identifier are free again.
    ///
    /// # Errors
    /// [`UnexpectedAck`] when no open flow has this identifier.
    pub fn cancel(&mut self, link: &mut Link<S>, packet_id: PacketId) -> Result<M, UnexpectedAck> {
        let message = self.send.cancel(&mut link.send_quota, packet_id)?;
        self.journal.change(Change::Ended(packet_id));
        Ok(message)
    }

    /// A PUBLISH that was sent before cannot be sent again, as when the peer's Maximum Packet Size shrank.
    ///
    /// # Errors
    /// [`UnexpectedAck`] when no open flow with this identifier has a PUBLISH to send.
    pub fn give_up(
        &mut self,
        link: &mut Link<S>,
        packet_id: PacketId,
    ) -> Result<GivenUp<'_, M>, UnexpectedAck> {
        let given_up = self.send.give_up(&mut link.send_quota, packet_id)?;
        self.journal.change(match given_up {
            GivenUp::Ended(_) => Change::Ended(packet_id),
            GivenUp::Release(_) => Change::Released(packet_id),
        });
        Ok(given_up)
    }

    /// Takes PUBACK, whatever its Reason Code: the flow has ended.
    ///
    /// # Errors
    /// [`UnexpectedAck`] when no open flow waits for it.
    pub fn handle_puback(
        &mut self,
        link: &mut Link<S>,
        packet_id: PacketId,
    ) -> Result<M, UnexpectedAck> {
        let message = self.send.handle_puback(&mut link.send_quota, packet_id)?;
        self.journal.change(Change::Ended(packet_id));
        Ok(message)
    }

    /// Takes PUBREC with its Reason Code.
    ///
    /// # Errors
    /// [`UnexpectedAck::Unknown`]: answer PUBREL 0x92. [`UnexpectedAck::WrongKind`]: a Protocol Error.
    pub fn handle_pubrec(
        &mut self,
        link: &mut Link<S>,
        packet_id: PacketId,
        reason: ReasonCode,
    ) -> Result<PubRecOutcome<'_, M>, UnexpectedAck> {
        let quota = &mut link.send_quota;
        let outcome = self.send.handle_pubrec(quota, packet_id, reason)?;
        match outcome {
            PubRecOutcome::Release(_) => self.journal.change(Change::Released(packet_id)),
            PubRecOutcome::Refused(_) => self.journal.change(Change::Ended(packet_id)),
            PubRecOutcome::ReleaseAgain => {}
        }
        Ok(outcome)
    }

    /// Takes PUBCOMP, whatever its Reason Code: the flow has ended.
    ///
    /// # Errors
    /// [`UnexpectedAck`] when no open flow waits for it.
    pub fn handle_pubcomp(
        &mut self,
        link: &mut Link<S>,
        packet_id: PacketId,
    ) -> Result<M, UnexpectedAck> {
        let message = self.send.handle_pubcomp(&mut link.send_quota, packet_id)?;
        self.journal.change(Change::Ended(packet_id));
        Ok(message)
    }

    /// Takes SUBACK or UNSUBACK (client only).
    ///
    /// # Errors
    /// [`UnexpectedAck`] when no request waits for it.
    pub fn handle_answer(
        &mut self,
        link: &mut Link<S>,
        packet_id: PacketId,
    ) -> Result<M, UnexpectedAck> {
        self.send.handle_answer(&mut link.send_quota, packet_id)
    }

    /// Takes a PUBLISH: whether it is new. Call [`Session::settle`] when its acknowledgement leaves.
    ///
    /// # Errors
    /// [`ProtocolError::ReceiveMaximumExceeded`] when the peer has too many unfinished.
    pub fn handle_publish(
        &mut self,
        link: &mut Link<S>,
        delivery: Delivery,
    ) -> Result<Received, ProtocolError> {
        self.receive
            .handle_publish(&mut link.receive_quota, delivery)
    }

    /// The application has the QoS 2 message for good, and its PUBREC waits for its turn.
    ///
    /// From now on a repeat is known even after a crash; until then it is only while the process lives, so that a
    /// message the application had not finished with comes again. An application with records of its own in the same
    /// journal calls this beside them. [`Session::settle`] does the same when PUBREC leaves.
    pub fn accept(&mut self, packet_id: PacketId) {
        if J::KEEPS && self.receive.unreleased().contains(packet_id) {
            self.journal.change(Change::Received(packet_id));
        }
    }

    /// The PUBACK or PUBREC of `settling` leaves with `reason`, behind [`Session::barrier`].
    ///
    /// Only for a message that the application has for good, or has refused; also if it came on an earlier
    /// connection and this is the answer to a repeat.
    pub fn settle(&mut self, link: &mut Link<S>, settling: Settling, reason: ReasonCode) {
        let packet_id = settling.packet_id;
        match settling.kind {
            AckKind::PubRec if reason.is_error() => {
                self.journal.change(Change::Forgotten(packet_id));
            }
            AckKind::PubRec => self.accept(packet_id),
            AckKind::PubAck | AckKind::PubComp => {}
        }
        self.receive
            .settle(&mut link.receive_quota, settling, reason);
    }

    /// The message of a QoS 2 flow is refused, and its error PUBREC waits for its turn: from now on a repeat is new.
    pub fn refuse(&mut self, packet_id: PacketId) {
        self.journal.change(Change::Forgotten(packet_id));
        self.receive.refuse(packet_id);
    }

    /// Takes PUBREL: the Reason Code for PUBCOMP.
    pub fn handle_pubrel(&mut self, link: &mut Link<S>, packet_id: PacketId) -> ReasonCode {
        let quota = &mut link.receive_quota;
        let reason = self.receive.handle_pubrel(quota, packet_id);
        if !reason.is_error() {
            self.journal.change(Change::Forgotten(packet_id));
        }
        reason
    }

    /// A new Network Connection continues this session: what is open is due again by [`Session::poll_resend`].
    pub fn begin_resume(&mut self) {
        self.send.begin_resume();
    }

    /// The next packet of the resume, as far as the quota of `link` goes; call again after acknowledgements.
    ///
    /// Spec: v5 [MQTT-4.4.0-1], [MQTT-4.6.0-1], [MQTT-4.9.0-1].
    pub fn poll_resend(&mut self, link: &mut Link<S>) -> Option<Resend<'_, M>> {
        self.send.poll_resend(&mut link.send_quota)
    }

    /// What [`Session::poll_resend`] gives next: an identifier, and for PUBLISH its QoS and message.
    pub(crate) fn next_resend(&self, link: &Link<S>) -> Option<(PacketId, Option<(QoS, &M)>)> {
        self.send.next_resend(link.send_quota)
    }

    /// The identifier of the flow that begins next, for which there is a place.
    pub(crate) fn next_packet_id(&mut self) -> Result<PacketId, NotNowReason> {
        self.send.next_packet_id()
    }

    /// The message of the open flow with `packet_id`.
    pub(crate) fn open_message(&self, packet_id: PacketId) -> Option<&M> {
        self.send.open_message(packet_id)
    }

    /// Whether packets of the resume are still to be sent; nothing new goes before them.
    pub fn is_resuming(&self) -> bool {
        self.send.is_resuming()
    }

    /// Flows begun and not ended, 0 to 65,535.
    pub fn inflight(&self) -> usize {
        self.send.len()
    }

    /// The messages of open flows, in order.
    pub fn inflight_messages(&self) -> impl Iterator<Item = &M> {
        self.send.messages()
    }

    /// Identifiers of received QoS 2 messages not yet released.
    pub const fn unreleased(&self) -> &S::Unreleased {
        self.receive.unreleased()
    }

    /// Puts back an unreleased identifier that a store kept; `false` when there is no place for it.
    pub fn restore_unreleased(&mut self, packet_id: PacketId) -> bool {
        self.receive.restore(packet_id)
    }

    /// The Network Connection is gone: requests without an answer end and come back.
    pub fn handle_connection_lost(&mut self) -> EndedFlows<'_, M, S> {
        self.send.end_requests()
    }

    /// The session ended, and its messages wait to be taken by [`Session::poll_lost`].
    pub(crate) fn lose(&mut self) {
        self.journal.change(Change::Cleared);
        self.receive.clear();
        self.send.lose();
    }

    /// A message that was lost with the session, in order.
    pub(crate) fn poll_lost(&mut self) -> Option<M> {
        self.send.poll_lost()
    }

    /// The session ended (Session Present 0, Clean Start, expiry): all open messages come back in order.
    pub fn clear(&mut self) -> EndedFlows<'_, M, S> {
        self.journal.change(Change::Cleared);
        self.receive.clear();
        self.send.clear()
    }
}
