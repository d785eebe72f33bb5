//! Reading a recording.

use std::io::{BufRead, Read};
use std::time::Duration;

use crate::line::{FORMAT, Head, Line, VERSION};
use crate::{ReadError, ReadProblem, Record};

/// The longest line unless something else is said. Unit: bytes.
pub const LINE_LEN_MAX: usize = 64 << 20;

/// The messages of a recording, one after the other; it holds one line at a time.
///
/// After an error there is nothing more.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    line: u64,
    line_len_max: usize,
    buffer: Vec<u8>,
    started: Duration,
    has_failed: bool,
}

impl<R: BufRead> Reader<R> {
    /// Reads the head of a recording.
    ///
    /// # Errors
    /// It is none, or of a later version.
    pub fn begin(input: R) -> Result<Self, ReadError> {
        Self::with_line_len_max(input, LINE_LEN_MAX)
    }

    /// The same with another bound of the length of a line. Unit: bytes.
    ///
    /// # Errors
    /// As [`Reader::begin`].
    pub fn with_line_len_max(input: R, line_len_max: usize) -> Result<Self, ReadError> {
        let mut reader = Self {
            input,
            line: 0,
            line_len_max,
            buffer: Vec::new(),
            started: Duration::ZERO,
            has_failed: false,
        };
        let head = reader.head();
        reader.started = head.map_err(|problem| reader.error(problem))?;
        Ok(reader)
    }

    /// When it was made: the time since the start of 1970, zero if the file does not say.
    pub const fn started(&self) -> Duration {
        self.started
    }

    fn head(&mut self) -> Result<Duration, ReadProblem> {
        if !self.read_line()? {
            return Err(ReadProblem::NoHead);
        }
        let head: Head = serde_json::from_slice(&self.buffer).map_err(|_| ReadProblem::NoHead)?;
        match (head.format == FORMAT, head.version) {
            (false, _) => Err(ReadProblem::NoHead),
            (true, VERSION) => Ok(Duration::from_micros(head.started_us)),
            (true, version) => Err(ReadProblem::Version { version }),
        }
    }

    fn record(&mut self) -> Result<Option<Record>, ReadProblem> {
        while self.read_line()? {
            if self.buffer.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let line: Line = serde_json::from_slice(&self.buffer).map_err(ReadProblem::Json)?;
            return line.into_record().map(Some);
        }
        Ok(None)
    }

    /// Takes the next line; whether there is one.
    fn read_line(&mut self) -> Result<bool, ReadProblem> {
        self.buffer.clear();
        self.line += 1;
        // One more than may be, to tell a line of that length from a longer one.
        let bound = u64::try_from(self.line_len_max)
            .unwrap_or(u64::MAX)
            .saturating_add(1);
        let mut limited = Read::take(&mut self.input, bound);
        limited.read_until(b'\n', &mut self.buffer)?;
        if self.buffer.last() == Some(&b'\n') {
            self.buffer.pop();
            return Ok(true);
        }
        match self.buffer.len() > self.line_len_max {
            true => Err(ReadProblem::TooLong {
                max: self.line_len_max,
            }),
            false => Ok(!self.buffer.is_empty()),
        }
    }

    const fn error(&self, problem: ReadProblem) -> ReadError {
        ReadError {
            line: self.line,
            problem,
        }
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Record, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_failed {
            return None;
        }
        match self.record() {
            Ok(record) => record.map(Ok),
            Err(problem) => {
                self.has_failed = true;
                Some(Err(self.error(problem)))
            }
        }
    }
}
