//! Into a data directory: everything, or nothing.

use super::DbReport;
use super::chunk::Chunks;
use super::error::DbError;
use super::survey::{DbLimits, Survey};
use super::write::Writer;
use mqtt_store::{OpenError, Settings, Store};
use std::fs;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// The store's place in a data directory.
const STORE: &str = "store";
/// Where it is written; what is left of a try that was interrupted is removed.
const UNFINISHED: &str = "store.importing";
/// Where a store goes that is replaced.
const REPLACED: &str = "store.replaced";

/// What becomes of state that the data directory holds already.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Replace {
    /// It stays, and nothing is imported.
    #[default]
    Never,
    /// It is moved to `store.replaced` in the data directory.
    Always,
}

/// Why nothing was imported. The data directory holds what it held before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The file cannot be read.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The data directory holds sessions or messages already.
    #[error("{} holds state of this broker already: {sessions} sessions and {retained} retained messages", path.display())]
    NotEmpty {
        /// The store.
        path: PathBuf,
        /// Sessions in it.
        sessions: usize,
        /// Retained messages in it.
        retained: usize,
    },
    /// A store cannot be opened or made.
    #[error("the store cannot be opened: {0}")]
    Store(#[from] OpenError),
    /// There is no room for all of it.
    #[error("there is no room on the disk")]
    Full,
    /// The store could not be finished.
    #[error("the store cannot be written: {0}")]
    Unfinished(String),
    /// A file or directory cannot be moved or removed.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Reads a `mosquitto.db` and makes the store of a broker from it, in `data_dir/store`.
///
/// The file is read to its end before anything is written, and the store stands under another name until it is whole.
/// The caller holds the lock of the data directory, so that no broker runs on it.
///
/// # Errors
/// [`ImportError`]; the data directory holds what it held before.
pub fn import_db(
    file: impl Read + Seek,
    data_dir: &Path,
    replace: Replace,
    limits: &DbLimits,
) -> Result<DbReport, ImportError> {
    let mut chunks = Chunks::open(file)?;
    let survey = Survey::take(&mut chunks, limits)?;
    let store = data_dir.join(STORE);
    let unfinished = data_dir.join(UNFINISHED);
    remove(&unfinished)?;
    if replace == Replace::Never {
        must_be_empty(&store)?;
    }
    let written = write(&mut chunks, &survey, &unfinished);
    let report = match written {
        Ok(report) => report,
        Err(error) => {
            remove(&unfinished)?;
            return Err(error);
        }
    };
    let replaced = data_dir.join(REPLACED);
    if store.exists() {
        remove(&replaced)?;
        rename(&store, &replaced)?;
    }
    if let Err(error) = rename(&unfinished, &store) {
        // What was there comes back.
        let _ = fs::rename(&replaced, &store);
        return Err(error);
    }
    sync(data_dir)?;
    if replace == Replace::Never {
        // There was nothing in it.
        remove(&replaced)?;
    }
    Ok(report)
}

fn write<R: Read + Seek>(
    chunks: &mut Chunks<R>,
    survey: &Survey,
    dir: &Path,
) -> Result<DbReport, ImportError> {
    let (store, _, _) = Store::open(dir, Settings::default())?;
    let report = Writer::write(chunks, survey, &store, now_ms())?;
    store.close().map_err(ImportError::Unfinished)?;
    Ok(report)
}

/// A broker that was started once and stopped leaves a store with nothing in it.
fn must_be_empty(path: &Path) -> Result<(), ImportError> {
    if !path.exists() {
        return Ok(());
    }
    let (store, recovered, _) = Store::open(path, Settings::default())?;
    let (sessions, retained) = (recovered.sessions.len(), recovered.retained.len());
    drop(store);
    match sessions == 0 && retained == 0 && recovered.delayed.is_empty() {
        true => Ok(()),
        false => Err(ImportError::NotEmpty {
            path: path.to_owned(),
            sessions,
            retained,
        }),
    }
}

fn remove(path: &Path) -> Result<(), ImportError> {
    match fs::remove_dir_all(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(ImportError::Io {
            path: path.to_owned(),
            source,
        }),
        _ => Ok(()),
    }
}

fn rename(from: &Path, to: &Path) -> Result<(), ImportError> {
    fs::rename(from, to).map_err(|source| ImportError::Io {
        path: from.to_owned(),
        source,
    })
}

/// Makes sure that the new name survives a power cut.
fn sync(dir: &Path) -> Result<(), ImportError> {
    #[cfg(unix)]
    fs::File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(|source| ImportError::Io {
            path: dir.to_owned(),
            source,
        })?;
    // Elsewhere directories cannot be synced.
    #[cfg(not(unix))]
    let _ = dir;
    Ok(())
}

/// Milliseconds of Unix time.
fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(now.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}
