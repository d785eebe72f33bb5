//! The send quota: how many PUBLISH packets above QoS 0 the peer still takes.

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
        Self { left: receive_maximum, receive_maximum }
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
