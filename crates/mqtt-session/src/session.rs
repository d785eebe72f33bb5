//! `Session`: what both sides keep when the Network Connection is gone.

use crate::packet_id_set::PacketIdSet;
use crate::receive::ReceiveFlows;
use crate::send::SendFlows;
use crate::{
    Link, NotNow, ProtocolError, PubRecOutcome, Received, Resend, Settling, UnexpectedAck,
};
use alloc::vec::Vec;
use mqtt_codec::{Delivery, PacketId, QoS, ReasonCode};

/// The QoS flows of one Client Identifier, seen from either end.
///
/// `M` is how the owner keeps a message until its last acknowledgement: a reference-counted one in a broker,
/// the message with its receipt in a client. A broker whose subscribers and publishers work side by side
/// keeps the halves, [`SendFlows`] and [`ReceiveFlows`], apart. Spec: v5 §4.1.
#[derive(Clone, Debug)]
pub struct Session<M> {
    send: SendFlows<M>,
    receive: ReceiveFlows,
}

impl<M> Default for Session<M> {
    fn default() -> Self {
        Self::new()
    }
}

impl<M> Session<M> {
    /// A session that remembers nothing; allocates nothing.
    pub const fn new() -> Self {
        Self {
            send: SendFlows::new(),
            receive: ReceiveFlows::new(),
        }
    }

    /// Begins a QoS 1 or 2 flow: the Packet Identifier for a PUBLISH that is sent now, with DUP 0.
    ///
    /// # Errors
    /// [`NotNow`] with the message when the send quota is used up, a resume is not through, or no identifier is free.
    pub fn send_publish(
        &mut self,
        link: &mut Link,
        qos: QoS,
        message: M,
    ) -> Result<PacketId, NotNow<M>> {
        self.send.begin_publish(&mut link.send_quota, qos, message)
    }

    /// Begins a SUBSCRIBE or UNSUBSCRIBE (client only): its Packet Identifier.
    ///
    /// # Errors
    /// [`NotNow`] when no identifier is free.
    pub fn send_request(&mut self, message: M) -> Result<PacketId, NotNow<M>> {
        self.send.begin_request(message)
    }

    /// Takes PUBACK, whatever its Reason Code: the flow has ended.
    ///
    /// # Errors
    /// [`UnexpectedAck`] when no open flow waits for it.
    pub fn handle_puback(
        &mut self,
        link: &mut Link,
        packet_id: PacketId,
    ) -> Result<M, UnexpectedAck> {
        self.send.handle_puback(&mut link.send_quota, packet_id)
    }

    /// Takes PUBREC with its Reason Code.
    ///
    /// # Errors
    /// [`UnexpectedAck::Unknown`]: answer PUBREL 0x92. [`UnexpectedAck::WrongKind`]: a Protocol Error.
    pub fn handle_pubrec(
        &mut self,
        link: &mut Link,
        packet_id: PacketId,
        reason: ReasonCode,
    ) -> Result<PubRecOutcome<'_, M>, UnexpectedAck> {
        self.send
            .handle_pubrec(&mut link.send_quota, packet_id, reason)
    }

    /// Takes PUBCOMP, whatever its Reason Code: the flow has ended.
    ///
    /// # Errors
    /// [`UnexpectedAck`] when no open flow waits for it.
    pub fn handle_pubcomp(
        &mut self,
        link: &mut Link,
        packet_id: PacketId,
    ) -> Result<M, UnexpectedAck> {
        self.send.handle_pubcomp(&mut link.send_quota, packet_id)
    }

    /// Takes SUBACK or UNSUBACK (client only).
    ///
    /// # Errors
    /// [`UnexpectedAck`] when no request waits for it.
    pub fn handle_answer(
        &mut self,
        link: &mut Link,
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
        link: &mut Link,
        delivery: Delivery,
    ) -> Result<Received, ProtocolError> {
        self.receive
            .handle_publish(&mut link.receive_quota, delivery)
    }

    /// The PUBACK or PUBREC of `settling` leaves with `reason`.
    pub fn settle(&mut self, link: &mut Link, settling: Settling, reason: ReasonCode) {
        self.receive
            .settle(&mut link.receive_quota, settling, reason);
    }

    /// The message of a QoS 2 flow is refused, and its error PUBREC waits for its turn: from now on a repeat is new.
    pub fn refuse(&mut self, packet_id: PacketId) {
        self.receive.refuse(packet_id);
    }

    /// Takes PUBREL: the Reason Code for PUBCOMP.
    pub fn handle_pubrel(&mut self, link: &mut Link, packet_id: PacketId) -> ReasonCode {
        self.receive
            .handle_pubrel(&mut link.receive_quota, packet_id)
    }

    /// A new Network Connection continues this session: what is open is due again by [`Session::poll_resend`].
    pub fn begin_resume(&mut self) {
        self.send.begin_resume();
    }

    /// The next packet of the resume, as far as the quota of `link` goes; call again after acknowledgements.
    ///
    /// Spec: v5 [MQTT-4.4.0-1], [MQTT-4.6.0-1], [MQTT-4.9.0-1].
    pub fn poll_resend(&mut self, link: &mut Link) -> Option<Resend<'_, M>> {
        self.send.poll_resend(&mut link.send_quota)
    }

    /// Whether packets of the resume are still to be sent; nothing new goes before them.
    pub const fn is_resuming(&self) -> bool {
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
    pub const fn unreleased(&self) -> &PacketIdSet {
        self.receive.unreleased()
    }

    /// Puts back an unreleased identifier that a store kept.
    pub fn restore_unreleased(&mut self, packet_id: PacketId) {
        self.receive.restore(packet_id);
    }

    /// The Network Connection is gone: requests without an answer end and come back.
    pub fn handle_connection_lost(&mut self) -> Vec<M> {
        self.send.end_requests()
    }

    /// The session ended (Session Present 0, Clean Start, expiry): all open messages come back in order.
    pub fn clear(&mut self) -> Vec<M> {
        self.receive.clear();
        self.send.clear()
    }
}
