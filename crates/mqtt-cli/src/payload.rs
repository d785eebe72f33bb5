//! Where `mqtt pub` takes its payloads from.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, BufRead, Read},
    thread,
};

use mqtt_template::Random;
use tokio::sync::mpsc;

use crate::{args::SourceArgs, exit::Failure};

/// The most a PUBLISH can carry, in bytes; its header takes some of it.
const PAYLOAD_LEN_MAX: usize = 268_435_455;

/// Lines of stdin that are read before they are published.
const LINES_AHEAD: usize = 64;

/// What there is to publish.
#[derive(Debug)]
pub(crate) enum Payloads {
    /// These, so often.
    Some {
        pieces: Vec<Vec<u8>>,
        /// Those of this round that are left.
        left: VecDeque<usize>,
        /// Rounds after this one.
        rounds: u64,
    },
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
    /// Reads what can be read at once; it is published `repeat` times, in parts between `split`.
    pub(crate) fn open(
        source: &SourceArgs,
        split: Option<&str>,
        repeat: u64,
        random: &mut Random,
    ) -> Result<Self, Failure> {
        if source.stdin_line {
            return Ok(Self::Lines(Lines::of_stdin(source.is_mosquitto)));
        }
        let payload = if let Some(text) = &source.message {
            text.clone().into_encoded_bytes()
        } else if let Some(path) = &source.file {
            let file = File::open(path).and_then(read_whole);
            file.map_err(|error| {
                Failure::run_time(format_args!("cannot read {}: {error}", path.display()))
            })?
        } else if source.stdin_file {
            let payload = read_whole(io::stdin()).map_err(cannot_read_stdin)?;
            if source.is_mosquitto && payload.is_empty() {
                return Err(Failure::run_time("there is nothing on stdin to publish"));
            }
            payload
        } else {
            random.letters(source.size.unwrap_or(0))
        };
        let pieces = match split {
            Some(separator) => pieces(&payload, separator.as_bytes()),
            None => vec![payload],
        };
        Ok(Self::Some {
            left: (0..pieces.len()).collect(),
            pieces,
            rounds: repeat.saturating_sub(1),
        })
    }

    /// Whether it is known that nothing follows.
    pub(crate) fn is_at_end(&self) -> bool {
        match self {
            Self::Some {
                pieces,
                left,
                rounds,
            } => left.is_empty() && (*rounds == 0 || pieces.is_empty()),
            Self::Lines(_) => false,
        }
    }

    /// The next one; `None` after the last.
    ///
    /// Cancel safety: a dropped call loses none.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        match self {
            Self::Lines(lines) => lines.next().await,
            Self::Some {
                pieces,
                left,
                rounds,
            } => {
                if left.is_empty() && *rounds > 0 {
                    *rounds -= 1;
                    left.extend(0..pieces.len());
                }
                let next = left.pop_front();
                Ok(next.and_then(|at| pieces.get(at)).cloned())
            }
        }
    }
}

impl Lines {
    fn of_stdin(with_empty: bool) -> Self {
        let (sender, receiver) = mpsc::channel(LINES_AHEAD);
        thread::spawn(move || {
            let mut stdin = io::stdin().lock();
            while let Some(line) = next_line(&mut stdin, with_empty).transpose() {
                let failed = line.is_err();
                if sender.blocking_send(line).is_err() || failed {
                    return;
                }
            }
        });
        Self(receiver)
    }

    /// The next line without its newline; `None` after the last.
    async fn next(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        self.0.recv().await.transpose().map_err(cannot_read_stdin)
    }
}

fn cannot_read_stdin(error: io::Error) -> Failure {
    Failure::run_time(format_args!("cannot read stdin: {error}"))
}

/// The parts between the separators; an end that is empty, as behind the last newline, is none.
fn pieces(payload: &[u8], separator: &[u8]) -> Vec<Vec<u8>> {
    let mut pieces = Vec::new();
    let mut rest = payload;
    let find = |bytes: &[u8]| {
        let mut windows = bytes.windows(separator.len().max(1));
        windows.position(|window| window == separator)
    };
    while let Some((piece, behind)) = find(rest).and_then(|at| rest.split_at_checked(at)) {
        pieces.push(piece.to_vec());
        rest = behind.strip_prefix(separator).unwrap_or_default();
    }
    if !rest.is_empty() {
        pieces.push(rest.to_vec());
    }
    pieces
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

/// The next line, which is not empty unless `with_empty`; `None` at the end.
fn next_line(from: &mut impl BufRead, with_empty: bool) -> io::Result<Option<Vec<u8>>> {
    loop {
        let mut line = Vec::new();
        from.by_ref()
            .take(byte_count(PAYLOAD_LEN_MAX + 1))
            .read_until(b'\n', &mut line)?;
        let ended = line.pop_if(|byte| *byte == b'\n').is_some();
        match (line.is_empty(), ended) {
            (true, true) if !with_empty => {}
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
        while let Some(line) = next_line(&mut input, false).unwrap() {
            lines.push(line);
        }
        assert_eq!(lines, [b"a".as_slice(), b"b \xFF\r", b"c"]);
        assert_eq!(next_line(&mut b"\n\n".as_slice(), false).unwrap(), None);
    }

    #[test]
    fn empty_lines_are_messages_as_mosquitto_has_it() {
        let mut input = b"\na\n\nb".as_slice();
        let mut lines = Vec::new();
        while let Some(line) = next_line(&mut input, true).unwrap() {
            lines.push(line);
        }
        assert_eq!(lines, [b"".as_slice(), b"a", b"", b"b"]);
    }

    #[test]
    fn a_payload_is_split_between_its_separators() {
        let split = |payload: &str, separator: &str| {
            let pieces = pieces(payload.as_bytes(), separator.as_bytes());
            let pieces = pieces
                .into_iter()
                .map(|piece| String::from_utf8(piece).unwrap());
            pieces.collect::<Vec<_>>()
        };
        assert_eq!(split("a\nb\n", "\n"), ["a", "b"]);
        assert_eq!(split("a--b----c", "--"), ["a", "b", "", "c"]);
        assert_eq!(split("abc", ","), ["abc"]);
        assert_eq!(split("", ","), [""; 0]);
    }
}
