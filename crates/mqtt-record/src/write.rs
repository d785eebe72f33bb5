//! Writing a recording.

use std::io::{self, Write};
use std::time::Duration;

use crate::line::{FORMAT, Head, Line, VERSION};
use crate::{LINE_LEN_MAX, Record};

/// A recording that grows: a line of JSON for its head, and one for each message.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    /// The line that is written.
    line: Vec<u8>,
}

/// A message whose line would be longer than [`LINE_LEN_MAX`], which nobody reads.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("its line would be longer than {LINE_LEN_MAX} bytes")]
pub struct LineTooLong;

impl<W: Write> Writer<W> {
    /// Begins a recording at `started`, counted from the start of 1970.
    ///
    /// # Errors
    /// What `out` says.
    pub fn begin(out: W, started: Duration) -> io::Result<Self> {
        let mut writer = Self {
            out,
            line: Vec::new(),
        };
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
    /// What the file says; or [`LineTooLong`], and nothing is written of this message.
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
        self.line.clear();
        serde_json::to_writer(&mut self.line, line)?;
        if self.line.len() > LINE_LEN_MAX {
            self.line = Vec::new();
            return Err(io::Error::other(LineTooLong));
        }
        self.line.push(b'\n');
        self.out.write_all(&self.line)
    }
}
