//! The client's side of a Network Connection: what it says and what it makes of the answers.
//!
//! [`ClientSession`] outlives the Network Connection, [`ClientConnection`] is one. Output is encoded to the end of
//! a buffer of the caller; each packet that comes in gives one [`ClientEvent`]; the only clock is an argument.

mod command;
mod connection;
mod error;
mod event;
mod grants;
mod input;

#[cfg(test)]
mod tests;

pub use connection::{ClientConnection, ClientSettings, UnknownSession};
pub use error::{ClientError, NotSent, NotSentReason, SendRefusal};
pub use event::{AckToken, ClientEvent, OutgoingMessage};
pub use grants::ServerGrants;

use crate::Session;
use alloc::vec::Vec;

/// What a client keeps when the Network Connection is gone: its QoS flows.
///
/// `M` is how the owner keeps a message until its last acknowledgement, `R` a SUBSCRIBE or UNSUBSCRIBE until its
/// answer. Spec: v5 §4.1.
#[derive(Clone, Debug)]
pub struct ClientSession<M, R> {
    flows: Session<Flow<M, R>>,
    /// Whether a server accepted this session before, so that it may know it.
    established: bool,
    /// Network Connections so far.
    connections: u64,
}

/// What waits for an acknowledgement.
#[derive(Clone, Debug)]
enum Flow<M, R> {
    Publish(M),
    Subscribe { request: R, filters: usize },
    Unsubscribe { request: R, filters: usize },
}

impl<M, R> Default for ClientSession<M, R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<M, R> ClientSession<M, R> {
    /// A session that remembers nothing; allocates nothing.
    pub const fn new() -> Self {
        Self {
            flows: Session::new(),
            established: false,
            connections: 0,
        }
    }

    /// Flows begun and not ended, 0 to 65,535.
    pub fn inflight(&self) -> usize {
        self.flows.inflight()
    }

    /// Ends the session: the messages without their last acknowledgement come back, in order.
    pub fn clear(&mut self) -> Vec<M> {
        self.established = false;
        self.flows
            .clear()
            .into_iter()
            .filter_map(Flow::into_message)
            .collect()
    }
}

impl<M, R> Flow<M, R> {
    fn into_message(self) -> Option<M> {
        match self {
            Self::Publish(message) => Some(message),
            Self::Subscribe { .. } | Self::Unsubscribe { .. } => None,
        }
    }

    fn into_request(self) -> Option<R> {
        match self {
            Self::Publish(_) => None,
            Self::Subscribe { request, .. } | Self::Unsubscribe { request, .. } => Some(request),
        }
    }
}
