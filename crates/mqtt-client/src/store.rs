//! What a client keeps on disk: messages it has accepted, and its session.
//!
//! Feature `store`. Everything is a record in a commit log; see `docs/client.md` for what survives what.

mod error;
mod keeper;
mod record;
mod replay;
mod state;

pub use error::StoreError;
pub(crate) use keeper::{Keeper, KeeperJournal, Kept};
pub(crate) use replay::{Found, open};

use crate::limits;
use mqtt_log::{Disk, Durability, RealDisk, Recovery, Settings};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// Segments of the log for the longest record in it.
const SEGMENT_RECORDS: u64 = 4;
/// Bytes of a record that are no payload: a topic, properties.
const RECORD_HEAD_LEN_MAX: usize = 128 * 1024;
/// Files of segments have this length times something. Unit: bytes.
const SECTOR_LEN: u64 = 512;

/// A directory where a client keeps its session and what it has to publish; by
/// [`ClientBuilder::store`](crate::ClientBuilder::store), feature `store`.
///
/// A path is enough, if nothing is to be set: `builder.store("state/pump-7")`. The directory is made if it is missing,
/// belongs to one Client Identifier and is used by one client at a time.
#[derive(Clone)]
pub struct Store {
    opener: Arc<dyn Fn(Settings) -> Result<Recovery, StoreError> + Send + Sync>,
    sync: StoreSync,
    max_message: usize,
    max_bytes: u64,
}

/// What an accepted message survives.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum StoreSync {
    /// A power cut: it is synced to the disk before `enqueue` resolves, and before a packet leaves that depends on it.
    #[default]
    Fsync,
    /// The end of the process: the operating system has it. A power cut may take what it has not written yet.
    Os,
}

impl Store {
    /// The directory at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self::with_opener(move |settings| {
            let disk = RealDisk::new(&path).map_err(|source| StoreError::Directory {
                path: path.clone(),
                source: Arc::new(source),
            })?;
            Recovery::open(disk, settings).map_err(StoreError::open)
        })
    }

    /// A directory of another file system, such as one in memory that fails for tests.
    pub fn on_disk(disk: impl Disk + Clone) -> Self {
        Self::with_opener(move |settings| {
            Recovery::open(disk.clone(), settings).map_err(StoreError::open)
        })
    }

    fn with_opener(
        opener: impl Fn(Settings) -> Result<Recovery, StoreError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            opener: Arc::new(opener),
            sync: StoreSync::Fsync,
            max_message: limits::STORE_MESSAGE_LEN,
            max_bytes: limits::STORE_BYTES,
        }
    }

    /// Sets what an accepted message survives; [`StoreSync::Fsync`] when not set.
    #[must_use]
    pub const fn sync(mut self, sync: StoreSync) -> Self {
        self.sync = sync;
        self
    }

    /// Sets the longest payload that can be kept, in bytes, 4 KiB to 256 MiB; 1 MiB when not set.
    ///
    /// Files are about five times as long, and there are two or more of them.
    #[must_use]
    pub fn max_message(mut self, bytes: usize) -> Self {
        self.max_message = bytes.clamp(4 * 1024, 256 << 20);
        self
    }

    /// Sets how many bytes all files together may take; 256 MiB when not set, and always room for three files.
    ///
    /// A publish above that ends with [`StoreError::Full`].
    #[must_use]
    pub const fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    fn settings(&self) -> Settings {
        let buffer_len_max = self.max_message.saturating_add(RECORD_HEAD_LEN_MAX);
        let segment_len = u64::try_from(buffer_len_max)
            .unwrap_or(u64::MAX)
            .saturating_mul(SEGMENT_RECORDS)
            .next_multiple_of(SECTOR_LEN);
        Settings {
            durability: match self.sync {
                StoreSync::Fsync => Durability::Fsync,
                StoreSync::Os => Durability::Os,
            },
            segment_len,
            buffer_len_max,
            total_len_max: self.max_bytes.max(segment_len.saturating_mul(3)),
            spares_max: 0,
            ..Settings::default()
        }
    }

    /// # Errors
    /// The log is in use, of another version, or cannot be read.
    fn recover(&self) -> Result<Recovery, StoreError> {
        (self.opener)(self.settings())
    }
}

impl<P: Into<PathBuf>> From<P> for Store {
    fn from(path: P) -> Self {
        Self::new(path)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("sync", &self.sync)
            .field("max_message", &self.max_message)
            .field("max_bytes", &self.max_bytes)
            .finish_non_exhaustive()
    }
}
