//! What one Network Connection adds to a session: the quotas of both directions.

#[cfg(feature = "alloc")]
use crate::Heap;
use crate::Storage;
use crate::quota::{ReceiveQuota, SendQuota};

/// Quotas of one Network Connection; made anew on each, so that limits of the old one never leak.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Link<
    #[cfg(feature = "alloc")] S: Storage = Heap,
    #[cfg(not(feature = "alloc"))] S: Storage,
> {
    /// What the peer still takes.
    pub send_quota: SendQuota,
    /// What we still take.
    pub receive_quota: ReceiveQuota<S>,
}

#[cfg(feature = "alloc")]
impl Link {
    /// `peer_receive_maximum` bounds what we send, `own_receive_maximum` what we accept; in packets, 1 to 65,535.
    pub const fn new(peer_receive_maximum: u16, own_receive_maximum: u16) -> Self {
        Self::with_storage(peer_receive_maximum, own_receive_maximum)
    }
}

impl<S: Storage> Link<S> {
    /// As `new`, with tables in `S`.
    pub const fn with_storage(peer_receive_maximum: u16, own_receive_maximum: u16) -> Self {
        Self {
            send_quota: SendQuota::new(peer_receive_maximum),
            receive_quota: ReceiveQuota::with_storage(own_receive_maximum),
        }
    }

    /// The quota for sending.
    pub const fn send_quota(&self) -> SendQuota {
        self.send_quota
    }

    /// PUBLISH packets received and not finished, in packets.
    pub const fn unfinished(&self) -> u16 {
        self.receive_quota.unfinished()
    }
}
