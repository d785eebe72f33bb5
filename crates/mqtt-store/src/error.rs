//! What can go wrong, by who is at fault.

use crate::wire::BadRecord;
use mqtt_log::ReplayError;
use std::io;
use std::path::PathBuf;

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The log cannot be opened.
    #[error("the log cannot be opened: {0}")]
    Log(#[from] mqtt_log::OpenError),
    /// The checkpoint cannot be read.
    #[error("the checkpoint cannot be read: {0}")]
    Checkpoint(#[from] redb::Error),
    /// The checkpoint can be read, but it is not what was written.
    #[error("the checkpoint is damaged: what it says is not what was written")]
    CheckpointDamaged,
    /// There is a log, but not the checkpoint it belongs to.
    #[error("{}: missing, and the log cannot be read without it", path.display())]
    CheckpointMissing {
        /// The file.
        path: PathBuf,
    },
    /// It was written by another version.
    #[error("format {found} of the stored state is not one this version reads; it reads {known}")]
    Format {
        /// What it says it is.
        found: u64,
        /// What this version reads.
        known: u64,
    },
    /// A record that is whole makes no sense.
    #[error("the stored state cannot be read: {0}")]
    Record(#[from] BadRecord),
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl From<ReplayError<BadRecord>> for OpenError {
    fn from(error: ReplayError<BadRecord>) -> Self {
        match error {
            ReplayError::Open(error) => Self::Log(error),
            ReplayError::Visitor(error) => Self::Record(error),
            _ => Self::Record(BadRecord),
        }
    }
}

/// The store takes nothing more: the disk is full, or it has failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the store is full")]
pub struct StoreFull;

/// Why a stored message cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The session is through with it.
    #[error("the message is not kept any more")]
    Gone,
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] mqtt_log::ReadError),
    /// A record that is whole makes no sense.
    #[error(transparent)]
    Record(#[from] BadRecord),
}
