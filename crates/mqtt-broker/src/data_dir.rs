//! The broker's directory: made when missing, and used by one broker at a time.

use std::{
    fs::{DirBuilder, File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
};

/// The file whose lock says that a broker uses the directory.
const LOCK_FILE: &str = "lock";

/// A data directory that is ours until this is dropped.
///
/// The operating system gives the lock back when the process ends, however it ends: a lock file
/// left behind is no sign of a running broker.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// Held for its lock.
    _lock: File,
}

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataDirError {
    /// Another broker uses it.
    #[error("the data directory {} is in use by another broker", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// It is not there and cannot be made, or it is no directory.
    #[error("cannot create the data directory {}: {source}", path.display())]
    Create {
        /// The directory.
        path: PathBuf,
        /// What the operating system answered.
        source: io::Error,
    },
    /// It is there, but a file in it cannot be written or locked.
    #[error("cannot write to the data directory {}: {source}", path.display())]
    Write {
        /// The directory.
        path: PathBuf,
        /// What the operating system answered.
        source: io::Error,
    },
}

impl DataDir {
    /// Makes the directory if it is missing (on Unix with access for its owner only) and locks
    /// it.
    ///
    /// # Errors
    /// [`DataDirError`]: it cannot be made or written, or another broker uses it.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, DataDirError> {
        let path = path.into();
        if let Err(source) = create(&path) {
            return Err(DataDirError::Create { path, source });
        }
        let locked = lock_options()
            .open(path.join(LOCK_FILE))
            .map_err(TryLockError::Error);
        match locked.and_then(|file| file.try_lock().map(|()| file)) {
            Ok(lock) => Ok(Self { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(DataDirError::InUse { path }),
            Err(TryLockError::Error(source)) => Err(DataDirError::Write { path, source }),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn create(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

fn lock_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_made_and_is_for_one_broker() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a").join("b");
        let first = DataDir::open(&path).unwrap();
        assert_eq!(first.path(), path);
        assert!(path.is_dir());
        let second = DataDir::open(&path).unwrap_err();
        assert_eq!(
            second.to_string(),
            format!(
                "the data directory {} is in use by another broker",
                path.display()
            )
        );
        drop(first);
        DataDir::open(&path).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn only_its_owner_may_enter() {
        use std::os::unix::fs::PermissionsExt;
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        let _data_dir = DataDir::open(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_file_in_the_way_is_told() {
        let parent = tempfile::tempdir().unwrap();
        let file = parent.path().join("file");
        std::fs::write(&file, "").unwrap();
        for path in [file.clone(), file.join("data")] {
            let line = DataDir::open(&path).unwrap_err().to_string();
            let start = format!("cannot create the data directory {}: ", path.display());
            assert!(line.starts_with(&start), "{line}");
        }
    }

    #[test]
    fn a_lock_that_cannot_be_written_is_told() {
        let parent = tempfile::tempdir().unwrap();
        std::fs::create_dir(parent.path().join(LOCK_FILE)).unwrap();
        let line = DataDir::open(parent.path()).unwrap_err().to_string();
        let start = format!(
            "cannot write to the data directory {}: ",
            parent.path().display()
        );
        assert!(line.starts_with(&start), "{line}");
    }
}
