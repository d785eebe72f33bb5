//! What can go wrong with a store.

use mqtt_log::{AppendError, LogFailure, OpenError};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// What is wrong with a [`Store`](crate::Store); feature `store`.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A store belongs to a Client Identifier, and none is set.
    #[error("store: a client with a store needs a client identifier")]
    NoClientId,
    /// It is the store of another client.
    #[error("store: it belongs to the client {found:?}")]
    OtherClient {
        /// Its Client Identifier.
        found: String,
    },
    /// There is no such directory, and it cannot be made.
    #[error("store: {}: {source}", path.display())]
    Directory {
        /// The path that was given.
        path: PathBuf,
        /// What the system answered.
        source: Arc<io::Error>,
    },
    /// Another process has it, it is damaged or of a newer version, or the system answers with an error.
    #[error("store: {0}")]
    Open(Arc<OpenError>),
    /// It was written by a newer version of this library.
    #[error("store: a record of version {found}, {known} is the newest this version reads")]
    NewerRecord {
        /// The version of the record.
        found: u8,
        /// The newest version known.
        known: u8,
    },
    /// A record is none, or a summary names a message that is not there, although no checksum is wrong.
    #[error("store: the record at {position} does not fit to the others")]
    Damaged {
        /// Where it stands in the log.
        position: u64,
    },
    /// There is no room on the disk, or none within [`Store::max_bytes`](crate::Store::max_bytes).
    #[error("store: no room")]
    Full,
    /// More waits for the disk than may; only where nothing waits for it.
    #[error("store: the disk is behind")]
    Busy,
    /// The message is longer than can be kept.
    #[error("store: a record of {len} bytes, above {len_max}")]
    TooLong {
        /// Bytes of the record.
        len: usize,
        /// Bytes of the longest record.
        len_max: usize,
    },
    /// The disk failed: what was accepted since the last sync may be lost, and nothing more is taken.
    #[error("store: {0}")]
    Failed(LogFailure),
    /// The client has ended and has closed it.
    #[error("store: closed")]
    Closed,
}

impl StoreError {
    pub(super) fn open(error: OpenError) -> Self {
        Self::Open(Arc::new(error))
    }

    pub(super) const fn append(error: AppendError) -> Self {
        match error {
            AppendError::DiskFull => Self::Full,
            AppendError::BufferFull => Self::Busy,
            AppendError::TooLong { len, len_max } => Self::TooLong { len, len_max },
            _ => Self::Closed,
        }
    }

    /// Whether the same may succeed later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Full | Self::Busy => true,
            Self::Open(error) => matches!(**error, OpenError::InUse { .. }),
            _ => false,
        }
    }

    /// Whether another process, or another client of this one, uses the store.
    pub fn is_in_use(&self) -> bool {
        matches!(self, Self::Open(error) if matches!(**error, OpenError::InUse { .. }))
    }
}
