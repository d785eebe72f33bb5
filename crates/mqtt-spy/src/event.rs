//! What a proxy tells of its connections.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mqtt_dissect::{Side, Stream};

/// Something that happened on a connection, told before it has any effect on the other side.
#[derive(Clone, Debug)]
pub struct Event {
    /// On which connection.
    pub stream: Arc<Stream>,
    /// When: the time since the start of 1970, by the clock of this machine.
    pub time: Duration,
    /// What.
    pub happening: Happening,
}

/// What happened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Happening {
    /// Both ends are connected.
    Opened,
    /// One side has sent this.
    Bytes {
        /// Who.
        side: Side,
        /// At least one byte.
        bytes: Bytes,
    },
    /// One side sends nothing more.
    Ended {
        /// Who.
        side: Side,
    },
    /// The connection is over, or never came to be.
    Closed {
        /// What cut it off, in words; `None` when both sides have ended it.
        reason: Option<String>,
    },
}
