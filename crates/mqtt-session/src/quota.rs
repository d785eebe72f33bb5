//! The quotas of one Network Connection: PUBLISH packets above QoS 0 that each side still takes.

use crate::ProtocolError;

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

/// PUBLISH packets above QoS 0 that we received and have not finished.
///
/// Spec: v5 §3.3.4; made anew on each Network Connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ReceiveQuota {
    unfinished: u16,
    receive_maximum: u16,
}

impl ReceiveQuota {
    /// None unfinished, `receive_maximum` allowed, 1 to 65,535 packets.
    pub const fn new(receive_maximum: u16) -> Self {
        Self {
            unfinished: 0,
            receive_maximum,
        }
    }

    /// Packets not finished.
    pub const fn unfinished(&self) -> u16 {
        self.unfinished
    }

    pub(crate) const fn begin(&mut self) -> Result<(), ProtocolError> {
        if self.unfinished >= self.receive_maximum {
            return Err(ProtocolError::ReceiveMaximumExceeded {
                receive_maximum: self.receive_maximum,
            });
        }
        self.unfinished += 1;
        Ok(())
    }

    pub(crate) const fn end(&mut self) {
        self.unfinished = self.unfinished.saturating_sub(1);
    }
}
