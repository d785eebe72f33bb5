//! What the log needs of a file system: small enough to stand a faulty one in its place.

mod real;

pub use real::RealDisk;

use std::{fmt, io, sync::Arc};

/// One directory.
pub trait Disk: fmt::Debug + Send + Sync + 'static {
    /// Names of the files in it.
    ///
    /// # Errors
    /// What the system answers.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Opens a file for reading and writing.
    ///
    /// # Errors
    /// What the system answers; it is an error if there is none.
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Makes an empty file for reading and writing.
    ///
    /// # Errors
    /// What the system answers; it is an error if there is one.
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Gives a file another name, in place of any file that has it.
    ///
    /// # Errors
    /// What the system answers.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// What the system answers.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes sure that names made, changed and removed survive a power cut.
    ///
    /// # Errors
    /// What the system answers.
    fn sync(&self) -> io::Result<()>;

    /// Keeps other processes out until the lock is dropped.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if another has it.
    fn lock(&self, name: &str) -> io::Result<Box<dyn DiskLock>>;

    /// The full name of a file, for messages.
    fn path(&self, name: &str) -> String;
}

/// A lock that is held until it is dropped.
pub trait DiskLock: fmt::Debug + Send + Sync {}

/// An open file. All calls name their place, none moves a cursor.
pub trait DiskFile: fmt::Debug + Send + Sync + 'static {
    /// Its length; unit: bytes.
    ///
    /// # Errors
    /// What the system answers.
    fn len(&self) -> io::Result<u64>;

    /// Whether it is empty.
    ///
    /// # Errors
    /// What the system answers.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Reads some bytes from `offset` on; 0 at the end.
    ///
    /// # Errors
    /// What the system answers.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes some of `bytes` to `offset`, and says how many.
    ///
    /// # Errors
    /// What the system answers.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;

    /// Returns when what was written survives a power cut.
    ///
    /// # Errors
    /// What the system answers; what was written may then be lost whatever is done.
    fn sync(&self) -> io::Result<()>;

    /// Cuts the file off, or lengthens it with zeros.
    ///
    /// # Errors
    /// What the system answers.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Makes the file at least `len` bytes long and takes the space for it now, where the system can.
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`] if there is none.
    fn reserve(&self, len: u64) -> io::Result<()>;

    /// Drops what is cached of the file, so that the next reader gets what the disk has.
    ///
    /// After a failed sync the cache may hold bytes that never reached the disk.
    fn forget_cached(&self);
}

/// Fills `bytes` as far as the file goes, and says how many there are.
pub(crate) fn read_full(file: &dyn DiskFile, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        let at = offset.saturating_add(u64_of(filled));
        match file.read_at(rest, at) {
            Ok(0) => break,
            Ok(len) => filled = filled.saturating_add(len),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Writes all of `bytes`; a disk that takes fewer is asked again for the rest.
pub(crate) fn write_full(file: &dyn DiskFile, bytes: &[u8], offset: u64) -> io::Result<()> {
    let mut written = 0;
    while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
        let at = offset.saturating_add(u64_of(written));
        match file.write_at(rest, at) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(len) => written = written.saturating_add(len),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Whether an error means that there is no room, which may come back.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// A length as a number of bytes in a file.
pub(crate) fn u64_of(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
