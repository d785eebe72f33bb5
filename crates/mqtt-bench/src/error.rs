//! Why a run gave no figures.

use std::io;
use std::time::Duration;

/// Why a run gave no figures.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The scenario cannot be run as written.
    #[error("scenario {name}: {fault}")]
    Scenario {
        /// Name of the scenario.
        name: &'static str,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// The address is not on the loopback interface.
    #[error("load goes to loopback addresses only")]
    NotLoopback,
    /// The system refused a call.
    #[error("{doing}: {source}")]
    Io {
        /// What the generator was doing.
        doing: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// The broker closed a connection that was to stay.
    #[error("{client} was closed by the broker while waiting for {awaited}")]
    Closed {
        /// Which client.
        client: String,
        /// What the client was waiting for.
        awaited: String,
    },
    /// The broker refused a packet.
    #[error("{client}: {packet} carries reason 0x{reason:02x}")]
    Refused {
        /// Which client.
        client: String,
        /// The packet with the refusal.
        packet: &'static str,
        /// Reason Code, or return code in 3.1.1.
        reason: u8,
    },
    /// The broker sent what the generator does not expect.
    #[error("{client}: unexpected {found}")]
    Unexpected {
        /// Which client.
        client: String,
        /// What came.
        found: String,
    },
    /// Nothing moved for too long.
    #[error("{client}: no progress for {waited:?}, still waiting for {awaited}")]
    Stuck {
        /// Which client.
        client: String,
        /// What did not come.
        awaited: String,
        /// How long nothing moved.
        waited: Duration,
    },
}

impl BenchError {
    /// Wraps a system error with what was being done.
    pub(crate) fn io(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, source }
    }
}
