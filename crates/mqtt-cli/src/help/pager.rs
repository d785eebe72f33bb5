//! Where help goes: to a terminal by a pager, to anything else as it is.

use std::{
    env,
    io::{self, IsTerminal, Write},
    process::{Command, Stdio},
};

use mqtt_dissect::Style;
use terminal_size::{Height, Width, terminal_size};

use crate::{exit::Failure, terminal};

/// The width where there is no terminal. Unit: characters.
const WIDTH: usize = 80;

/// The longest line that is good to read. Unit: characters.
const WIDTH_MAX: usize = 100;

/// What text is made for.
#[derive(Debug)]
pub(super) struct Screen {
    /// Unit: characters.
    pub(super) width: usize,
    /// Unit: lines; none where there is no terminal.
    height: Option<usize>,
    pub(super) style: Style,
}

impl Screen {
    /// The terminal that stdout is, if it is one.
    pub(super) fn of_stdout() -> Self {
        let size = terminal_size().filter(|_| io::stdout().is_terminal());
        let Some((Width(width), Height(height))) = size else {
            return Self::plain(WIDTH);
        };
        Self {
            width: usize::from(width).clamp(20, WIDTH_MAX),
            height: Some(usize::from(height)),
            style: terminal::style_of_stdout(),
        }
    }

    /// None.
    pub(super) const fn plain(width: usize) -> Self {
        Self {
            width,
            height: None,
            style: Style::Plain,
        }
    }

    /// Shows the text, by a pager where it does not fit.
    pub(super) fn show(&self, text: &str) -> Result<(), Failure> {
        let fits = self
            .height
            .is_none_or(|height| text.lines().count() < height);
        if !fits && paged(text) {
            return Ok(());
        }
        plain(text)
    }
}

/// Whether a pager has taken the text: that of `PAGER`, else `less`.
fn paged(text: &str) -> bool {
    let pager = env::var("PAGER").unwrap_or_else(|_| "less".to_owned());
    let mut words = pager.split_whitespace();
    let Some(program) = words.next() else {
        return false;
    };
    let mut command = Command::new(program);
    command.args(words).stdin(Stdio::piped());
    if env::var_os("LESS").is_none() {
        // Colours as they are, nothing cleared, and no wait at the end of a short text.
        command.env("LESS", "FRX");
    }
    let Ok(mut child) = command.spawn() else {
        return false;
    };
    if let Some(mut stdin) = child.stdin.take() {
        // Who has read enough closes it.
        let _ = stdin.write_all(text.as_bytes());
    }
    child.wait().is_ok()
}

/// Prints the text to stdout; a reader that went away is no failure.
pub(super) fn plain(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::run_time(
            format_args!("cannot write to stdout: {error}"),
        )),
        _ => Ok(()),
    }
}
