//! The quotas of one Network Connection: PUBLISH packets above QoS 0 that each side still takes.

#[cfg(feature = "alloc")]
use crate::Heap;
use crate::storage::PacketIds;
use crate::{ProtocolError, Storage};
use mqtt_codec::PacketId;

/// Unacknowledged PUBLISH packets the peer allows, counted down on sending and up on the last acknowledgement.
///
/// Spec: v5 §4.9; a peer before v5 has no Receive Maximum and gets 65,535.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SendQuota {
    /// INVARIANT: `left <= receive_maximum`.
    left: u16,
    receive_maximum: u16,
}

impl SendQuota {
    /// A full quota of `receive_maximum` packets, 1 to 65,535.
    pub const fn new(receive_maximum: u16) -> Self {
        Self {
            left: receive_maximum,
            receive_maximum,
        }
    }

    /// Packets that may still be sent.
    pub const fn left(self) -> u16 {
        self.left
    }

    /// The peer's Receive Maximum, in packets.
    pub const fn receive_maximum(self) -> u16 {
        self.receive_maximum
    }

    /// Takes one; `false` when none is left.
    pub(crate) const fn take(&mut self) -> bool {
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }

    /// Gives one back; v5 [MQTT-4.9.0-1]: never above the Receive Maximum.
    pub(crate) const fn give_back(&mut self) {
        if self.left < self.receive_maximum {
            self.left += 1;
        }
    }
}

/// PUBLISH packets above QoS 0 that we received on this connection and have not finished.
///
/// What is open from an earlier connection counts only when it is sent again.
/// Spec: v5 §3.3.4, §4.9; made anew on each Network Connection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReceiveQuota<
    #[cfg(feature = "alloc")] S: Storage = Heap,
    #[cfg(not(feature = "alloc"))] S: Storage,
> {
    /// PUBLISH packets whose PUBACK or PUBREC has not left.
    ///
    /// INVARIANT: together with `unreleased_len` at most `receive_maximum + grace`.
    unanswered: u16,
    /// QoS 2 flows whose PUBREC has left and whose PUBREL has not come.
    unreleased: S::Unreleased,
    /// INVARIANT: members of `unreleased`.
    unreleased_len: u16,
    /// Flows of an earlier connection that were released on this one.
    ///
    /// A peer that counts as v5 §4.9 describes gets one more of its quota for each of them, although none of
    /// this connection's quota went into them. INVARIANT: at most `receive_maximum`.
    grace: u16,
    receive_maximum: u16,
}

#[cfg(feature = "alloc")]
impl ReceiveQuota {
    /// None unfinished, `receive_maximum` allowed, 1 to 65,535 packets.
    pub const fn new(receive_maximum: u16) -> Self {
        Self::with_storage(receive_maximum)
    }
}

impl<S: Storage> ReceiveQuota<S> {
    /// As `new`, with tables in `S`.
    pub const fn with_storage(receive_maximum: u16) -> Self {
        Self {
            unanswered: 0,
            unreleased: PacketIds::EMPTY,
            unreleased_len: 0,
            grace: 0,
            receive_maximum,
        }
    }

    /// Packets not finished.
    pub const fn unfinished(&self) -> u16 {
        self.unanswered.saturating_add(self.unreleased_len)
    }

    /// Whether one more PUBLISH is too many.
    pub(crate) const fn is_used_up(&self) -> bool {
        self.unfinished() >= self.receive_maximum.saturating_add(self.grace)
    }

    /// PUBLISH has come: [`ReceiveFlows::handle_publish`] for one of QoS 1, of which the flows keep nothing.
    ///
    /// # Errors
    /// [`ProtocolError::ReceiveMaximumExceeded`] when the peer has too many unfinished.
    ///
    /// [`ReceiveFlows::handle_publish`]: crate::ReceiveFlows::handle_publish
    #[inline]
    pub const fn begin(&mut self) -> Result<(), ProtocolError> {
        if self.is_used_up() {
            return Err(ProtocolError::ReceiveMaximumExceeded {
                receive_maximum: self.receive_maximum,
            });
        }
        self.unanswered += 1;
        Ok(())
    }

    /// PUBACK leaves, or PUBREC that ends its flow or finds it released: [`ReceiveFlows::settle`] for a PUBACK.
    ///
    /// [`ReceiveFlows::settle`]: crate::ReceiveFlows::settle
    #[inline]
    pub const fn answered(&mut self) {
        self.unanswered = self.unanswered.saturating_sub(1);
    }

    /// PUBREC leaves and PUBREL is due: one for all PUBLISH packets with this identifier.
    pub(crate) fn received(&mut self, packet_id: PacketId) {
        self.answered();
        // No place means a peer that has no Receive Maximum; what is not counted is not held against it.
        if self.unreleased.insert(packet_id) == Some(true) {
            self.unreleased_len += 1;
        }
    }

    /// The flow has ended; `false` when it was none of this connection.
    pub(crate) fn end(&mut self, packet_id: PacketId) -> bool {
        let ended = self.unreleased.remove(packet_id);
        if ended {
            self.unreleased_len -= 1;
        }
        ended
    }

    /// PUBREL has come.
    pub(crate) fn released(&mut self, packet_id: PacketId) {
        if !self.end(packet_id) && self.grace < self.receive_maximum {
            self.grace += 1;
        }
    }
}
