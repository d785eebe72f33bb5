//! Lines that cannot be written: counted and told of, and nobody waits or stops for them.

use std::fmt;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// How often a line tells of lines that are missing.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// How many lines of an output were left out; a handle, cheap to clone.
#[derive(Clone, Default)]
pub struct LostLines(Arc<Lost>);

/// Counts what never came to the writer.
type Skipped = Box<dyn Fn() -> u64 + Send + Sync>;

#[derive(Default)]
struct Lost {
    unwritten: AtomicU64,
    skipped: OnceLock<Skipped>,
}

impl LostLines {
    /// Lines that could not be written, and those that found no room to wait.
    #[must_use]
    pub fn count(&self) -> u64 {
        let skipped = self.0.skipped.get().map_or(0, |count| count());
        let unwritten = self.0.unwritten.load(Ordering::Relaxed);
        unwritten.saturating_add(skipped)
    }

    /// Names what counts the lines that found no room to wait; the first that is named stays.
    pub fn count_skipped_by(&self, count: impl Fn() -> u64 + Send + Sync + 'static) {
        // A second one has nothing to count that the first does not.
        let _ = self.0.skipped.set(Box::new(count));
    }
}

impl fmt::Debug for LostLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LostLines").field(&self.count()).finish()
    }
}

/// Passes lines on, and takes those it cannot get rid of for written: what logs is never told of an error.
///
/// The log itself has a line when it begins, and one with their number when lines are written again.
#[derive(Debug)]
pub struct Undisturbed<W> {
    inner: W,
    lost: LostLines,
    /// How many were lost when it was last told of.
    told: u64,
    is_failing: bool,
    /// Whether the log says that it cannot be written, and not yet that it can.
    owes_word: bool,
    told_at: Option<Instant>,
}

impl<W: Write> Undisturbed<W> {
    /// Passes lines on to `inner`.
    pub fn new(inner: W) -> Self {
        Self {
            inner,
            lost: LostLines::default(),
            told: 0,
            is_failing: false,
            owes_word: false,
            told_at: None,
        }
    }

    /// What counts the lines that are lost here.
    #[must_use]
    pub fn lost(&self) -> LostLines {
        self.lost.clone()
    }

    fn failed(&mut self, error: &io::Error) {
        self.lost.0.unwritten.fetch_add(1, Ordering::Relaxed);
        if !self.is_failing && self.is_time() {
            self.owes_word = true;
            tracing::error!(%error, "the log cannot be written; lines are left out");
        }
        self.is_failing = true;
    }

    fn written(&mut self) {
        let lost = self.lost.count();
        self.is_failing = false;
        if lost == self.told || !std::mem::take(&mut self.owes_word) && !self.is_time() {
            return;
        }
        let lines = lost.saturating_sub(self.told);
        self.told = lost;
        self.told_at = Some(Instant::now());
        tracing::warn!(lines, "the log is written again; so many lines are missing");
    }

    /// Whether another line may tell of it.
    fn is_time(&mut self) -> bool {
        let is_time = self.told_at.is_none_or(|at| at.elapsed() >= TELL_EVERY);
        if is_time {
            self.told_at = Some(Instant::now());
        }
        is_time
    }
}

impl<W: Write> Write for Undisturbed<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match self.inner.write_all(line) {
            Ok(()) => self.written(),
            Err(error) => self.failed(&error),
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        // What is lost was counted when it was written.
        let _ = self.inner.flush();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use std::sync::atomic::AtomicBool;

    /// A disk that is full at times.
    #[derive(Clone, Default)]
    struct Disk {
        is_full: Arc<AtomicBool>,
        text: Arc<Mutex<String>>,
    }

    impl Write for Disk {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            if self.is_full.load(Ordering::Relaxed) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let mut text = self.text.lock().unwrap();
            text.push_str(std::str::from_utf8(line).unwrap());
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_costs_lines_and_they_are_counted() {
        let disk = Disk::default();
        let mut log = Undisturbed::new(disk.clone());
        let lost = log.lost();
        log.write_all(b"a\n").unwrap();
        disk.is_full.store(true, Ordering::Relaxed);
        for _ in 0..3 {
            log.write_all(b"b\n").unwrap();
            log.flush().unwrap();
        }
        disk.is_full.store(false, Ordering::Relaxed);
        log.write_all(b"c\n").unwrap();
        assert_eq!(lost.count(), 3);
        lost.count_skipped_by(|| 4);
        assert_eq!(lost.count(), 7);
        assert_eq!(*disk.text.lock().unwrap(), "a\nc\n");
    }
}
