//! A file of lines that begins anew when it is large, with so many before it kept.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The file that is written, and those before it: `PATH.1` is the last of them.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    len_max: u64,
    kept: u16,
    /// None after it could not be opened: tried again with the next write.
    file: Option<File>,
    len: u64,
    reopen: Reopen,
}

/// Asks for the file to be opened anew, after it was moved away by somebody else.
#[derive(Clone, Debug, Default)]
pub struct Reopen(Arc<AtomicBool>);

impl Reopen {
    /// With the next write.
    pub fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl LogFile {
    /// Opens the file, or makes it, with its directory. It begins anew before it has more than `len_max` bytes, and
    /// `kept` files before it stay.
    ///
    /// # Errors
    /// What the operating system answers.
    pub fn open(path: &Path, len_max: usize, kept: u16) -> io::Result<Self> {
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir)?;
        }
        let mut log = Self {
            path: path.to_owned(),
            len_max: u64::try_from(len_max).unwrap_or(u64::MAX),
            kept,
            file: None,
            len: 0,
            reopen: Reopen::default(),
        };
        log.file()?;
        Ok(log)
    }

    /// What asks for the file to be opened anew.
    #[must_use]
    pub fn reopen_handle(&self) -> Reopen {
        self.reopen.clone()
    }

    fn file(&mut self) -> io::Result<&mut File> {
        let file = match self.file.take() {
            Some(file) => file,
            None => {
                let mut options = OpenOptions::new();
                options.append(true).create(true);
                #[cfg(unix)]
                std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o640);
                let file = options.open(&self.path)?;
                self.len = file.metadata()?.len();
                file
            }
        };
        Ok(self.file.insert(file))
    }

    /// Gives each file the name of the one before it. What cannot be renamed is written over, so that the bound holds.
    fn rotate(&mut self) -> io::Result<()> {
        self.file = None;
        for number in (1..self.kept).rev() {
            let _ = fs::rename(self.numbered(number), self.numbered(number + 1));
        }
        if fs::rename(&self.path, self.numbered(1)).is_err() {
            File::create(&self.path)?;
        }
        Ok(())
    }

    fn numbered(&self, number: u16) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    }
}

impl Write for LogFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.reopen.0.swap(false, Ordering::Relaxed) {
            self.file = None;
        }
        self.file()?;
        let len = u64::try_from(line.len()).unwrap_or(u64::MAX);
        if self.len > 0 && self.len.saturating_add(len) > self.len_max {
            self.rotate()?;
        }
        let written = self.file()?.write(line)?;
        self.len += u64::try_from(written).unwrap_or(u64::MAX);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file()?.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_bounded_in_size_and_number() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a").join("x.log");
        let mut log = LogFile::open(&path, 30, 2).unwrap();
        for n in 0..10 {
            log.write_all(format!("line {n} 123\n").as_bytes()).unwrap();
        }
        drop(log);
        let mut log = LogFile::open(&path, 30, 2).unwrap();
        log.write_all(b"last\n").unwrap();
        let text = |name: &str| fs::read_to_string(dir.path().join("a").join(name)).unwrap();
        assert_eq!(text("x.log"), "line 8 123\nline 9 123\nlast\n");
        assert_eq!(text("x.log.1"), "line 6 123\nline 7 123\n");
        assert_eq!(text("x.log.2"), "line 4 123\nline 5 123\n");
        assert_eq!(fs::read_dir(dir.path().join("a")).unwrap().count(), 3);
    }

    #[test]
    fn a_file_that_was_moved_away_is_made_again_when_asked() {
        let dir = tempfile::tempdir().unwrap();
        let (path, moved) = (dir.path().join("x.log"), dir.path().join("moved"));
        let mut log = LogFile::open(&path, 1_000, 2).unwrap();
        log.write_all(b"1\n").unwrap();
        fs::rename(&path, &moved).unwrap();
        log.write_all(b"2\n").unwrap();
        log.reopen_handle().ask();
        log.write_all(b"3\n").unwrap();
        assert_eq!(fs::read_to_string(&moved).unwrap(), "1\n2\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "3\n");
    }
}
