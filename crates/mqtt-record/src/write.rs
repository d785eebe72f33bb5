//! Writing a recording.

use std::io::{self, Write};
use std::time::Duration;

use crate::Record;
use crate::line::{FORMAT, Head, Line, VERSION};

/// A recording that grows: a line of JSON for its head, and one for each message.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
}

impl<W: Write> Writer<W> {
    /// Begins a recording at `started`, counted from the start of 1970.
    ///
    /// # Errors
    /// What `out` says.
    pub fn begin(out: W, started: Duration) -> io::Result<Self> {
        let mut writer = Self { out };
        writer.line(&Head {
            format: FORMAT.to_owned(),
            version: VERSION,
            started_us: u64::try_from(started.as_micros()).unwrap_or(u64::MAX),
        })?;
        Ok(writer)
    }

    /// Writes a message.
    ///
    /// # Errors
    /// What the file says.
    pub fn write(&mut self, record: &Record) -> io::Result<()> {
        self.line(&Line::of(record))
    }

    /// Has what was written reach the file.
    ///
    /// # Errors
    /// What the file says.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// The file, for whoever goes on with it.
    pub fn into_inner(self) -> W {
        self.out
    }

    fn line(&mut self, line: &impl serde::Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, line)?;
        self.out.write_all(b"\n")
    }
}
