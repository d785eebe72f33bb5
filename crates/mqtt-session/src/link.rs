//! What one Network Connection adds to a session: the quotas of both directions.

use crate::quota::SendQuota;
use crate::ProtocolError;

/// Quotas of one Network Connection; made anew on each, so that limits of the old one never leak.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Link {
    pub(crate) send_quota: SendQuota,
    /// PUBLISH packets above QoS 0 that we have not finished, of `receive_maximum` allowed.
    unfinished: u16,
    receive_maximum: u16,
}

impl Link {
    /// `peer_receive_maximum` bounds what we send, `own_receive_maximum` what we accept; in packets, 1 to 65,535.
    pub const fn new(peer_receive_maximum: u16, own_receive_maximum: u16) -> Self {
        Self {
            send_quota: SendQuota::new(peer_receive_maximum),
            unfinished: 0,
            receive_maximum: own_receive_maximum,
        }
    }

    /// The quota for sending.
    pub const fn send_quota(&self) -> SendQuota {
        self.send_quota
    }

    /// PUBLISH packets received and not finished, in packets.
    pub const fn unfinished(&self) -> u16 {
        self.unfinished
    }

    pub(crate) const fn begin_receive(&mut self) -> Result<(), ProtocolError> {
        if self.unfinished >= self.receive_maximum {
            return Err(ProtocolError::ReceiveMaximumExceeded {
                receive_maximum: self.receive_maximum,
            });
        }
        self.unfinished += 1;
        Ok(())
    }

    pub(crate) const fn end_receive(&mut self) {
        self.unfinished = self.unfinished.saturating_sub(1);
    }
}
