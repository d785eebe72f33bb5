//! What lies where in the directory of a store.

use crate::error::OpenError;
use mqtt_log::{Disk, RealDisk};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// The version of the directory.
const FORMAT: u64 = 1;

pub(crate) fn log_dir(dir: &Path) -> PathBuf {
    dir.join("log")
}

/// The name of the checkpoint's file.
pub(crate) const CHECKPOINT: &str = "checkpoint.redb";

/// The directory itself, for the files of the checkpoint.
pub(crate) fn disk(dir: &Path) -> Result<Arc<dyn Disk>, OpenError> {
    match RealDisk::existing(dir) {
        Ok(disk) => Ok(Arc::new(disk)),
        Err(source) => Err(unusable(dir, source)),
    }
}

pub(crate) fn checkpoint(dir: &Path) -> PathBuf {
    dir.join(CHECKPOINT)
}

/// Makes the directory if it is missing, and looks whether it is of this version.
pub(crate) fn prepare(dir: &Path) -> Result<(), OpenError> {
    make(dir).map_err(|source| unusable(dir, source))?;
    match look(dir) {
        Err(OpenError::Io { path, source }) if source.kind() == io::ErrorKind::NotFound => {
            let written = private()
                .create(true)
                .truncate(true)
                .open(&path)
                .and_then(|mut file| writeln!(file, "{FORMAT}"));
            written.map_err(|source| unusable(&path, source))
        }
        looked => looked,
    }
}

/// Makes the directory, on Unix for its owner only.
fn make(dir: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

/// Opens files to be written, which on Unix are for their owner only.
fn private() -> fs::OpenOptions {
    let mut options = fs::OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Looks whether the directory is there and of this version.
pub(crate) fn look(dir: &Path) -> Result<(), OpenError> {
    let path = dir.join("format");
    let text = fs::read_to_string(&path).map_err(|source| unusable(&path, source))?;
    match text.trim().parse().unwrap_or(0) {
        FORMAT => Ok(()),
        found => Err(OpenError::Format {
            found,
            known: FORMAT,
        }),
    }
}

/// Refuses a directory with something in it.
pub(crate) fn must_be_empty(dir: &Path) -> Result<(), OpenError> {
    match fs::read_dir(dir).map(|mut entries| entries.next().is_none()) {
        Ok(false) => Err(unusable(dir, io::ErrorKind::DirectoryNotEmpty.into())),
        Ok(true) | Err(_) => Ok(()),
    }
}

/// Makes sure that files made in the directory survive a power cut.
pub(crate) fn sync(dir: &Path) -> Result<(), OpenError> {
    #[cfg(unix)]
    fs::File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(|source| unusable(dir, source))?;
    // Elsewhere directories cannot be synced.
    #[cfg(not(unix))]
    let _ = dir;
    Ok(())
}

/// Whether a log has been written that a checkpoint belongs to.
pub(crate) fn has_log(dir: &Path) -> bool {
    let files = fs::read_dir(log_dir(dir)).into_iter().flatten().flatten();
    let is_segment = |path: PathBuf| path.extension().is_some_and(|kind| kind == "seg");
    files.map(|file| file.path()).any(is_segment)
}

pub(crate) fn copy_checkpoint(from: &Path, to: &Path) -> Result<(), OpenError> {
    let from = checkpoint(from);
    let copied = fs::copy(&from, checkpoint(to));
    copied.map(drop).map_err(|source| unusable(&from, source))
}

/// Until when a broker is known to have run, in milliseconds of Unix time; 0 if that is not known.
pub(crate) fn alive_ms(dir: &Path) -> u64 {
    let text = fs::read_to_string(dir.join("alive")).unwrap_or_default();
    text.trim().parse().unwrap_or(0)
}

/// Notes the time; it is synced, as a power cut ends a broker as well as a kill does.
pub(crate) fn note_alive(dir: &Path) {
    let text = format!("{:<14}\n", now_ms());
    // In place, and always as long: it is never there in half.
    let file = private()
        .create(true)
        .truncate(false)
        .open(dir.join("alive"));
    let noted = file.and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_data()
    });
    if let Err(error) = noted {
        tracing::debug!(%error, "cannot note the time");
    }
}

/// Milliseconds of Unix time.
pub(crate) fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(now.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

fn unusable(path: &Path, source: io::Error) -> OpenError {
    OpenError::Io {
        path: path.to_owned(),
        source,
    }
}
