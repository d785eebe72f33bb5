//! Where messages are printed to.

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use mqtt_client::Message;

use crate::{args::SubscribeArgs, exit::Failure, print::Print};

/// Topics that have a line of their own under `--watch`; no terminal has more.
const WATCHED_MAX: usize = 1_000;

/// Characters of a topic in the name of a file.
const NAME_LEN_MAX: usize = 100;

/// What is printed, and where.
pub(super) struct Output {
    print: Print,
    quiet: bool,
    sink: Sink,
}

enum Sink {
    /// Standard output, or a file.
    Stream(BufWriter<Box<dyn Write + Send>>),
    /// Standard output with a line for each topic.
    Watch(Watch),
    /// A file for each message.
    Folder { path: PathBuf, count: u64 },
}

impl Output {
    /// Opens what has to be opened.
    pub(super) fn open(args: &SubscribeArgs) -> Result<Self, Failure> {
        let (decode, schemas) = (args.print.codecs(), &args.print.schemas);
        let checked = schemas.check(decode.iter(), "--decode");
        let print = checked.and_then(|()| args.print.print());
        let print = print.map_err(Failure::usage)?;
        let sink = match (&args.out, &args.out_dir) {
            (Some(path), _) => {
                let file = OpenOptions::new().append(true).create(true).open(path);
                let file = file.map_err(|error| cannot_write(path, &error))?;
                Sink::Stream(BufWriter::new(Box::new(file)))
            }
            (None, Some(path)) => {
                fs::create_dir_all(path).map_err(|error| cannot_write(path, &error))?;
                let path = path.clone();
                Sink::Folder { path, count: 0 }
            }
            (None, None) if args.watch => Sink::Watch(Watch::default()),
            (None, None) => Sink::Stream(BufWriter::new(Box::new(io::stdout()))),
        };
        Ok(Self {
            print,
            quiet: args.connection.quiet,
            sink,
        })
    }

    /// Prints one message; breaks when nobody reads any more.
    pub(super) fn print(&mut self, message: &Message) -> Result<ControlFlow<()>, Failure> {
        let printed = match &mut self.sink {
            Sink::Stream(out) => self.print.print(out, message),
            Sink::Watch(watch) => watch.print(&self.print, message),
            Sink::Folder { path, count } => {
                *count += 1;
                let path = path.join(file_name(*count, message.topic_name()));
                let file = File::create_new(&path).map_err(|error| cannot_write(&path, &error))?;
                let mut out = BufWriter::new(file);
                let printed = self.print.print(&mut out, message);
                printed.and_then(|failed| out.flush().map(|()| failed))
            }
        };
        let printed = printed.map(|failed| {
            if let Some(failed) = failed.filter(|_| !self.quiet) {
                let topic_name = message.topic_name();
                // With stderr closed nobody is left to tell.
                let _ = writeln!(io::stderr(), "mqtt: {failed}, topic {topic_name}");
            }
        });
        ended(printed)
    }

    /// Writes what is held back; breaks when nobody reads any more.
    pub(super) fn flush(&mut self) -> Result<ControlFlow<()>, Failure> {
        self.flush_after(|_| Ok(()))
    }

    /// The same after `write`.
    pub(super) fn flush_after(
        &mut self,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<ControlFlow<()>, Failure> {
        ended(match &mut self.sink {
            Sink::Stream(out) => write(out).and_then(|()| out.flush()),
            Sink::Watch(_) | Sink::Folder { .. } => {
                let mut out = io::stdout();
                write(&mut out).and_then(|()| out.flush())
            }
        })
    }
}

fn ended(written: io::Result<()>) -> Result<ControlFlow<()>, Failure> {
    match written {
        Ok(()) => Ok(ControlFlow::Continue(())),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ControlFlow::Break(())),
        Err(error) => Err(Failure::run_time(format_args!("cannot write: {error}"))),
    }
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::run_time(format_args!("cannot write {}: {error}", path.display()))
}

/// The number of the message, and its topic as far as that is a name everywhere.
fn file_name(number: u64, topic_name: &str) -> String {
    let plain = |character: char| match character {
        character if character.is_ascii_alphanumeric() => character,
        '-' | '.' => character,
        _ => '_',
    };
    let topic: String = topic_name.chars().take(NAME_LEN_MAX).map(plain).collect();
    format!("{number:06}-{topic}")
}

/// Lines of a terminal, one for each topic.
#[derive(Default)]
struct Watch {
    /// INVARIANT: at most [`WATCHED_MAX`], each with the number of its line from the first.
    lines: HashMap<String, usize>,
}

impl Watch {
    fn print(
        &mut self,
        print: &Print,
        message: &Message,
    ) -> io::Result<Option<crate::print::Unprinted>> {
        let count = self.lines.len();
        let line = match self.lines.get(message.topic_name()) {
            Some(line) => *line,
            None if count == WATCHED_MAX => return Ok(None),
            None => {
                self.lines.insert(message.topic_name().to_owned(), count);
                count
            }
        };
        let mut text = Vec::new();
        let failed = print.print(&mut text, message)?;
        while text.pop_if(|last| matches!(last, b'\n' | b'\0')).is_some() {}
        let mut out = io::stdout().lock();
        // The cursor rests below the last line, and lines are not wrapped.
        if line == count {
            out.write_all(b"\x1B[?7l")?;
            out.write_all(&text)?;
            out.write_all(b"\x1B[?7h\n")?;
        } else {
            let up = count - line;
            write!(out, "\x1B[{up}A\r\x1B[2K\x1B[?7l")?;
            out.write_all(&text)?;
            write!(out, "\x1B[?7h\x1B[{up}B\r")?;
        }
        out.flush()?;
        Ok(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_leads_to_no_other_folder() {
        assert_eq!(file_name(7, "../a b/ü#"), "000007-.._a_b___");
        assert_eq!(file_name(1_000_000, &"x".repeat(300)).len(), 108);
    }
}
