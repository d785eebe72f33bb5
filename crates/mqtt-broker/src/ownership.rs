//! The seam between one broker and many: who may own a session, and what goes to other brokers.

use crate::core::message::Message;
use mqtt_codec::ReasonCode;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

/// How often a session has changed its owner; grows with each change, so that an old owner can be told from the new.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct OwnerEpoch(pub u64);

/// What comes of a claim.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Claim {
    /// The session is this broker's from here on, under this epoch.
    Owned(OwnerEpoch),
    /// It is not to be had; CONNACK says why.
    Refused(ReasonCode),
}

/// A claim's outcome, or the promise of one.
pub enum ClaimAnswer {
    /// Known now; costs no allocation.
    Ready(Claim),
    /// Known later: only this client waits, for no longer than a decision may take.
    Pending(Pin<Box<dyn Future<Output = Claim> + Send>>),
}

impl fmt::Debug for ClaimAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready(claim) => f.debug_tuple("Ready").field(claim).finish(),
            Self::Pending(_) => f.write_str("Pending"),
        }
    }
}

/// Gives sessions to brokers, one owner at a time: compare and set on the session's record.
///
/// A broker that loses a session to another is told so by [`crate::Manager::give_up`].
pub trait Ownership: Send + Sync + 'static {
    /// A client with this identifier was let in and wants its session here; `clean_start` as in CONNECT.
    fn claim(&self, client_id: &str, clean_start: bool) -> ClaimAnswer;

    /// The session has ended and needs no owner any more; a record that has moved on is left alone.
    fn release(&self, _client_id: &str, _epoch: OwnerEpoch) {}
}

/// There is one broker, so every session is its own and nobody else wants messages.
#[derive(Clone, Copy, Debug, Default)]
pub struct SingleNode;

impl Ownership for SingleNode {
    fn claim(&self, _client_id: &str, _clean_start: bool) -> ClaimAnswer {
        ClaimAnswer::Ready(Claim::Owned(OwnerEpoch(0)))
    }
}

/// Carries live messages to other brokers; what they send comes in by [`crate::Manager::deliver_here`].
pub trait Fabric: Send + Sync + 'static {
    /// A client here subscribed to this Topic Filter; called once for each client that does.
    fn subscribed(&self, topic_filter: &str);

    /// A client here is no longer subscribed to this Topic Filter.
    fn unsubscribed(&self, topic_filter: &str);

    /// A message was published here and has been handed to the clients here.
    fn publish(&self, message: &Message);
}

impl Fabric for SingleNode {
    fn subscribed(&self, _topic_filter: &str) {}

    fn unsubscribed(&self, _topic_filter: &str) {}

    fn publish(&self, _message: &Message) {}
}
