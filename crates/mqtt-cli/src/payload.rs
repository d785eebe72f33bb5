//! Where `mqtt pub` takes its payloads from.

use std::{
    fs::File,
    io::{self, BufRead, Read},
    thread,
};

use tokio::sync::mpsc;

use crate::{args::SourceArgs, exit::Failure};

/// The most a PUBLISH can carry, in bytes; its header takes some of it.
const PAYLOAD_LEN_MAX: usize = 268_435_455;

/// Lines of stdin that are read before they are published.
const LINES_AHEAD: usize = 64;

/// What there is to publish.
#[derive(Debug)]
pub(crate) enum Payloads {
    /// This one.
    One(Vec<u8>),
    /// The lines of stdin.
    Lines(Lines),
}

/// The lines of stdin as they come.
///
/// A thread reads them: it may wait for a terminal for ever, which must not keep the process from
/// ending.
#[derive(Debug)]
pub(crate) struct Lines(mpsc::Receiver<io::Result<Vec<u8>>>);

impl Payloads {
    /// Reads what can be read at once.
    pub(crate) fn open(source: SourceArgs) -> Result<Self, Failure> {
        if source.stdin_line {
            return Ok(Self::Lines(Lines::of_stdin()));
        }
        let payload = if let Some(text) = source.message {
            text.into_encoded_bytes()
        } else if let Some(path) = source.file {
            let file = File::open(&path).and_then(read_whole);
            file.map_err(|error| {
                Failure::run_time(format_args!("cannot read {}: {error}", path.display()))
            })?
        } else if source.stdin_file {
            read_whole(io::stdin()).map_err(cannot_read_stdin)?
        } else {
            Vec::new()
        };
        Ok(Self::One(payload))
    }
}

impl Lines {
    fn of_stdin() -> Self {
        let (sender, receiver) = mpsc::channel(LINES_AHEAD);
        thread::spawn(move || {
            let mut stdin = io::stdin().lock();
            while let Some(line) = next_line(&mut stdin).transpose() {
                let failed = line.is_err();
                if sender.blocking_send(line).is_err() || failed {
                    return;
                }
            }
        });
        Self(receiver)
    }

    /// The next line that is not empty, without its newline; `None` after the last.
    ///
    /// Cancel safety: a dropped call loses no line.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        self.0.recv().await.transpose().map_err(cannot_read_stdin)
    }
}

fn cannot_read_stdin(error: io::Error) -> Failure {
    Failure::run_time(format_args!("cannot read stdin: {error}"))
}

fn read_whole(from: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(byte_count(PAYLOAD_LEN_MAX + 1))
        .read_to_end(&mut bytes)?;
    if bytes.len() > PAYLOAD_LEN_MAX {
        Err(too_long())
    } else {
        Ok(bytes)
    }
}

/// The next line that is not empty; `None` at the end.
fn next_line(from: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    loop {
        let mut line = Vec::new();
        from.by_ref()
            .take(byte_count(PAYLOAD_LEN_MAX + 1))
            .read_until(b'\n', &mut line)?;
        let ended = line.pop_if(|byte| *byte == b'\n').is_some();
        match (line.is_empty(), ended) {
            (true, true) => {}
            (true, false) => return Ok(None),
            _ if line.len() > PAYLOAD_LEN_MAX => return Err(too_long()),
            _ => return Ok(Some(line)),
        }
    }
}

fn too_long() -> io::Error {
    io::Error::other(format!(
        "more than {PAYLOAD_LEN_MAX} bytes do not fit into a message"
    ))
}

fn byte_count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_lines_are_skipped_and_the_last_needs_no_newline() {
        let mut input = b"\na\n\n\nb \xFF\r\nc".as_slice();
        let mut lines = Vec::new();
        while let Some(line) = next_line(&mut input).unwrap() {
            lines.push(line);
        }
        assert_eq!(lines, [b"a".as_slice(), b"b \xFF\r", b"c"]);
        assert_eq!(next_line(&mut b"\n\n".as_slice()).unwrap(), None);
    }
}
