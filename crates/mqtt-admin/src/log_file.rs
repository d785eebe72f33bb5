//! A file of lines that begins anew when it is large or of another day, with so many before it kept.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// When a file of the log is at its end, and how many there are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rotation {
    /// Bytes a file has at most, but for one with a single line.
    pub len_max: u64,
    /// A file has no lines of two of these spans of Unix time, in seconds; none for any.
    pub period_s: Option<u64>,
    /// Files kept besides the one that is written.
    pub kept: u16,
}

/// The file that is written, and those before it: `PATH.1` is the last of them.
///
/// A line is in it whole or not at all, each of them one call of `write`.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    rotation: Rotation,
    /// None after it could not be opened: tried again with the next write.
    file: Option<File>,
    len: u64,
    /// Which span of time its lines are of.
    span: u64,
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

impl Rotation {
    /// Which span of time a moment is in; 0 where time does not matter.
    fn span(&self, at: SystemTime) -> u64 {
        let at_s = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let span = self.period_s.and_then(|length| at_s.checked_div(length));
        span.unwrap_or_default()
    }
}

impl LogFile {
    /// Opens the file, or makes it, with its directory.
    ///
    /// # Errors
    /// What the operating system answers.
    pub fn open(path: &Path, rotation: Rotation) -> io::Result<Self> {
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir)?;
        }
        let mut log = Self {
            path: path.to_owned(),
            rotation,
            file: None,
            len: 0,
            span: 0,
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
                let known = file.metadata()?;
                self.len = known.len();
                self.span = self.rotation.span(known.modified()?);
                file
            }
        };
        Ok(self.file.insert(file))
    }

    /// Gives each file the name of the one before it. What cannot be renamed is written over, so that the bound holds.
    fn rotate(&mut self) -> io::Result<()> {
        self.file = None;
        for number in (1..self.rotation.kept).rev() {
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

    fn write_at(&mut self, line: &[u8], now: SystemTime) -> io::Result<usize> {
        if self.reopen.0.swap(false, Ordering::Relaxed) {
            self.file = None;
        }
        self.file()?;
        let len = u64::try_from(line.len()).unwrap_or(u64::MAX);
        let span = self.rotation.span(now);
        let is_full = self.len.saturating_add(len) > self.rotation.len_max;
        // A clock that is set back makes no new file.
        if self.len > 0 && (is_full || span > self.span) {
            self.rotate()?;
        }
        self.file()?;
        let len_before = self.len;
        self.span = self.span.max(span);
        let file = self.file()?;
        if let Err(error) = file.write_all(line) {
            // What has found room of the line is taken back, or the next one would stand behind it.
            let _ = file.set_len(len_before);
            return Err(error);
        }
        self.len = len_before.saturating_add(len);
        Ok(line.len())
    }
}

impl Write for LogFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.write_at(line, SystemTime::now())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file()?.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const SIZE: Rotation = Rotation {
        len_max: 30,
        period_s: None,
        kept: 2,
    };

    #[test]
    fn files_are_bounded_in_size_and_number() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a").join("x.log");
        let mut log = LogFile::open(&path, SIZE).unwrap();
        for n in 0..10 {
            log.write_all(format!("line {n} 123\n").as_bytes()).unwrap();
        }
        drop(log);
        let mut log = LogFile::open(&path, SIZE).unwrap();
        log.write_all(b"last\n").unwrap();
        let text = |name: &str| fs::read_to_string(dir.path().join("a").join(name)).unwrap();
        assert_eq!(text("x.log"), "line 8 123\nline 9 123\nlast\n");
        assert_eq!(text("x.log.1"), "line 6 123\nline 7 123\n");
        assert_eq!(text("x.log.2"), "line 4 123\nline 5 123\n");
        assert_eq!(fs::read_dir(dir.path().join("a")).unwrap().count(), 3);
    }

    /// A line of more bytes than a file may have stands alone, and the number of files holds.
    #[test]
    fn a_line_too_long_for_a_file_has_one_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.log");
        let mut log = LogFile::open(&path, SIZE).unwrap();
        for _ in 0..5 {
            log.write_all(&[b'x'; 100]).unwrap();
        }
        assert_eq!(fs::metadata(&path).unwrap().len(), 100);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
    }

    #[test]
    fn each_day_has_a_file_and_old_ones_go() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.log");
        let daily = Rotation {
            len_max: 1_000,
            period_s: Some(86_400),
            kept: 2,
        };
        let start = SystemTime::now();
        let day = |n: u32| start + Duration::from_secs(86_400) * n;
        let mut log = LogFile::open(&path, daily).unwrap();
        for (n, line) in [
            (0, "a\n"),
            (0, "b\n"),
            (1, "c\n"),
            (0, "set back\n"),
            (3, "d\n"),
        ] {
            assert_eq!(log.write_at(line.as_bytes(), day(n)).unwrap(), line.len());
        }
        let text = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(text("x.log"), "d\n");
        assert_eq!(text("x.log.1"), "c\nset back\n");
        assert_eq!(text("x.log.2"), "a\nb\n");
        // A file of another day is not written to after a restart either.
        drop(log);
        let mut log = LogFile::open(&path, daily).unwrap();
        log.write_at(b"e\n", day(5)).unwrap();
        assert_eq!(
            (text("x.log"), text("x.log.1")),
            ("e\n".into(), "d\n".into())
        );
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
    }

    #[test]
    fn a_file_that_was_moved_away_is_made_again_when_asked() {
        let dir = tempfile::tempdir().unwrap();
        let (path, moved) = (dir.path().join("x.log"), dir.path().join("moved"));
        let large = Rotation {
            len_max: 1_000,
            ..SIZE
        };
        let mut log = LogFile::open(&path, large).unwrap();
        log.write_all(b"1\n").unwrap();
        fs::rename(&path, &moved).unwrap();
        log.write_all(b"2\n").unwrap();
        log.reopen_handle().ask();
        log.write_all(b"3\n").unwrap();
        assert_eq!(fs::read_to_string(&moved).unwrap(), "1\n2\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "3\n");
    }
}
