//! What an earlier process with the same store has left to this one.

use crate::command::Outgoing;
use crate::publish::Receipt;
use crate::receipts::Claim;
use bytes::Bytes;
use mqtt_codec::QoS;
use mqtt_session::Record;

/// What a driver goes on with; nothing without a store.
#[derive(Debug, Default)]
pub(crate) struct Earlier {
    /// Whether a server has accepted the session, and if so whether it was to keep it.
    pub(crate) established: Option<bool>,
    pub(crate) session: Vec<Record<Outgoing>>,
    /// Messages without a flow, in order.
    pub(crate) waiting: Vec<Outgoing>,
    /// Messages whose flow ended with its session, and that are not to begin another.
    pub(crate) failed: Vec<Outgoing>,
}

/// A message of an earlier process that waits for its answer; by [`Client::restored`](crate::Client::restored).
#[derive(Debug)]
#[non_exhaustive]
pub struct Restored {
    /// Its Topic Name.
    pub topic_name: String,
    /// Its payload.
    pub payload: Bytes,
    /// Its QoS, 1 or 2.
    pub qos: QoS,
    /// Resolves as that of a message published now.
    pub receipt: Receipt,
}

/// The same before anybody asks for it.
#[derive(Debug)]
pub(crate) struct Leftover {
    pub(crate) topic_name: String,
    pub(crate) payload: Bytes,
    pub(crate) qos: QoS,
    /// Where its answer comes from.
    pub(crate) claim: Option<Claim>,
}
