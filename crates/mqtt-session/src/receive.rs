//! Receiving PUBLISH: duplicates of QoS 2 are known until PUBREL, and stay known across connections.

#[cfg(feature = "alloc")]
use crate::Heap;
use crate::quota::ReceiveQuota;
use crate::storage::PacketIds;
use crate::{AckKind, ProtocolError, Storage};
use mqtt_codec::{Delivery, PacketId, ReasonCode};

/// What to do with a PUBLISH that came in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Received {
    /// New: hand it on, then acknowledge.
    Deliver,
    /// QoS 2 seen before and not yet released: acknowledge again, hand on nothing; v5 [MQTT-4.3.3-10].
    Duplicate,
}

/// Which acknowledgement a PUBLISH asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Settling {
    /// PUBACK or PUBREC.
    pub kind: AckKind,
    /// Of the PUBLISH.
    pub packet_id: PacketId,
}

impl Settling {
    /// The acknowledgement `delivery` asks for; none at QoS 0.
    pub const fn of(delivery: Delivery) -> Option<Self> {
        match delivery {
            Delivery::AtMostOnce => None,
            Delivery::AtLeastOnce(packet_id) => Some(Self {
                kind: AckKind::PubAck,
                packet_id,
            }),
            Delivery::ExactlyOnce(packet_id) => Some(Self {
                kind: AckKind::PubRec,
                packet_id,
            }),
        }
    }
}

/// The receiving half of a session: identifiers of QoS 2 PUBLISH packets not yet released.
#[derive(Clone, Debug)]
pub struct ReceiveFlows<
    #[cfg(feature = "alloc")] S: Storage = Heap,
    #[cfg(not(feature = "alloc"))] S: Storage,
> {
    unreleased: S::Unreleased,
}

#[cfg(feature = "alloc")]
impl ReceiveFlows {
    /// Nothing unreleased; allocates nothing.
    pub const fn new() -> Self {
        Self::with_storage()
    }
}

impl<S: Storage> ReceiveFlows<S> {
    /// As `new`, with its table in `S`.
    pub const fn with_storage() -> Self {
        Self {
            unreleased: PacketIds::EMPTY,
        }
    }

    /// Takes a PUBLISH: whether it is new. Call [`ReceiveFlows::settle`] when its acknowledgement leaves.
    ///
    /// # Errors
    /// [`ProtocolError::ReceiveMaximumExceeded`] when the peer has too many unfinished, or more unreleased than there
    /// is room for.
    pub fn handle_publish(
        &mut self,
        quota: &mut ReceiveQuota<S>,
        delivery: Delivery,
    ) -> Result<Received, ProtocolError> {
        match delivery {
            Delivery::AtMostOnce => Ok(Received::Deliver),
            Delivery::AtLeastOnce(_) => quota.begin().map(|()| Received::Deliver),
            Delivery::ExactlyOnce(packet_id) => {
                quota.begin()?;
                match self.unreleased.insert(packet_id) {
                    Some(true) => Ok(Received::Deliver),
                    Some(false) => Ok(Received::Duplicate),
                    None => {
                        quota.answered();
                        let capacity = self.unreleased.capacity();
                        Err(ProtocolError::ReceiveMaximumExceeded {
                            receive_maximum: u16::try_from(capacity).unwrap_or(u16::MAX),
                        })
                    }
                }
            }
        }
    }

    /// The acknowledgement is about to leave; an error PUBREC makes the identifier new again, v5 [MQTT-4.3.3-9].
    pub fn settle(&mut self, quota: &mut ReceiveQuota<S>, settling: Settling, reason: ReasonCode) {
        match settling.kind {
            AckKind::PubAck => quota.answered(),
            AckKind::PubRec if reason.is_error() => {
                self.unreleased.remove(settling.packet_id);
                quota.end(settling.packet_id);
                quota.answered();
            }
            AckKind::PubRec if self.unreleased.contains(settling.packet_id) => {
                quota.received(settling.packet_id);
            }
            // A peer that released before PUBREC left has nothing more to release.
            AckKind::PubRec => quota.answered(),
            AckKind::PubComp => {}
        }
    }

    /// The message of a QoS 2 flow is refused, and its error PUBREC waits for its turn: from now on a repeat is new.
    ///
    /// Without it a repeat on the next connection would be confirmed as if the message had been taken, in case this
    /// one ends before the answer leaves. Call [`ReceiveFlows::settle`] all the same when it does leave.
    pub fn refuse(&mut self, packet_id: PacketId) {
        self.unreleased.remove(packet_id);
    }

    /// Takes PUBREL: the Reason Code for PUBCOMP, 0x92 when the identifier is not known.
    pub fn handle_pubrel(
        &mut self,
        quota: &mut ReceiveQuota<S>,
        packet_id: PacketId,
    ) -> ReasonCode {
        if self.unreleased.remove(packet_id) {
            quota.released(packet_id);
            ReasonCode::SUCCESS
        } else {
            ReasonCode::PACKET_IDENTIFIER_NOT_FOUND
        }
    }

    /// Identifiers of received QoS 2 messages not yet released.
    pub const fn unreleased(&self) -> &S::Unreleased {
        &self.unreleased
    }

    /// Puts back an unreleased identifier that a store kept; `false` when there is no place for it.
    pub fn restore(&mut self, packet_id: PacketId) -> bool {
        self.unreleased.insert(packet_id).is_some()
    }

    /// Forgets all: the session has ended.
    pub fn clear(&mut self) {
        self.unreleased = PacketIds::EMPTY;
    }
}

impl<S: Storage> Default for ReceiveFlows<S> {
    fn default() -> Self {
        Self::with_storage()
    }
}

#[cfg(test)]
mod tests;
