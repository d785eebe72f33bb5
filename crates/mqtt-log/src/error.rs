//! What can go wrong, by who is at fault.

use crate::Position;
use std::{io, sync::Arc};

/// Why a record was not appended. Nothing was promised.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// There is no room on the disk, or none within the bound; it is tried again when there is.
    #[error("no room on the disk")]
    DiskFull,
    /// The disk is behind by as many bytes as may wait.
    #[error("too much waits for the disk")]
    BufferFull,
    /// The record, or those that belong together, are longer than may ever wait; unit: bytes.
    #[error("a record of {len} bytes, above {len_max}")]
    TooLong {
        /// How long.
        len: usize,
        /// How long it may be.
        len_max: usize,
    },
    /// The log has failed, or is closed.
    #[error("the log takes nothing more")]
    Ended,
}

/// The disk failed: what was appended since the last durable position may be lost, whatever is done.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{file}: {operation} failed: {source}")]
#[non_exhaustive]
pub struct LogFailure {
    /// The file.
    pub file: String,
    /// What was done with it.
    pub operation: Operation,
    /// What the system answered.
    #[source]
    pub source: Arc<io::Error>,
}

/// What can fail for good.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Operation {
    /// Writing a group.
    Write,
    /// Syncing a file or its directory: never tried again, the system may have forgotten what was not written.
    Sync,
    /// Making the file of a segment.
    Create,
}

impl std::fmt::Display for Operation {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Write => "write",
            Self::Sync => "sync",
            Self::Create => "create",
        })
    }
}

/// Why a log cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process, or another part of this one, has it open.
    #[error("{file}: in use by another process")]
    InUse {
        /// The lock.
        file: String,
    },
    /// It was written by a newer version.
    #[error("{file}: format {found} is newer than {known}, the newest this version reads")]
    NewerFormat {
        /// The file that says so.
        file: String,
        /// The format of the files.
        found: u32,
        /// The newest format known.
        known: u32,
    },
    /// There are segments, but nothing readable says in which format.
    #[error("{file}: missing or damaged, so the format of the log is unknown")]
    UnknownFormat {
        /// The file that should say so.
        file: String,
    },
    /// Records that were acknowledged are damaged.
    #[error(transparent)]
    Rot(Box<Rot>),
    /// The settings contradict themselves.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The system answered with an error.
    #[error("{file}: {source}")]
    Io {
        /// The file.
        file: String,
        /// What the system answered.
        #[source]
        source: io::Error,
    },
}

/// Damage of what was durable once.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "{file}: {}, {lost_len} bytes that were synced cannot be read; \
     {records_after} records in {groups_after} groups after them can",
    damage_text(*.is_missing, *.offset)
)]
#[non_exhaustive]
pub struct Rot {
    /// The file.
    pub file: String,
    /// All of it is missing.
    pub is_missing: bool,
    /// Where the damage starts in it; unit: bytes.
    pub offset: u64,
    /// Where the damage starts in the log.
    pub position: Position,
    /// Everything below was known to be synced.
    pub synced: Position,
    /// Bytes from the damage to the next whole group, or to `synced`.
    pub lost_len: u64,
    /// Whole groups after the damage.
    pub groups_after: u64,
    /// Records in them.
    pub records_after: u64,
}

fn damage_text(is_missing: bool, offset: u64) -> String {
    match is_missing {
        true => "missing".to_owned(),
        false => format!("damaged at byte {offset}"),
    }
}

/// Why [`crate::Recovery::replay`] ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError<E> {
    /// The log cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The visitor did not take a record.
    #[error(transparent)]
    Visitor(E),
}

/// Settings that contradict themselves.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// `segment_len`; unit: bytes.
    #[error("a segment of {0} bytes: 16 KiB to 1 TiB in multiples of 512 bytes are possible")]
    SegmentLen(u64),
    /// `buffer_len_max`; unit: bytes.
    #[error("a buffer of {0} bytes: 4 KiB to a quarter of a segment and 1 GiB are possible")]
    BufferLen(usize),
    /// `total_len_max`; unit: bytes.
    #[error("{0} bytes in all: at least two segments must fit")]
    TotalLen(u64),
}

/// Why a record cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Its segment was dropped, or there never was one.
    #[error("nothing stands there")]
    Gone,
    /// What stands there is not what was written.
    #[error("{file}: the record at byte {offset} is damaged")]
    Damaged {
        /// The file.
        file: String,
        /// Where the record starts in it; unit: bytes.
        offset: u64,
    },
    /// The system answered with an error.
    #[error("{file}: {source}")]
    Io {
        /// The file.
        file: String,
        /// What the system answered.
        #[source]
        source: io::Error,
    },
}
