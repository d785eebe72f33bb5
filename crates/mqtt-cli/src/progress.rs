//! How far long work is, for who watches.

use std::{
    fmt::Arguments,
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

/// How often the line changes at most.
const INTERVAL: Duration = Duration::from_millis(200);

/// A line on stderr that is written over, and gone at the end; nothing where stderr is no terminal.
#[derive(Debug)]
pub(crate) struct Progress {
    /// None where nobody watches.
    shown_at: Option<Instant>,
    is_shown: bool,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self {
            shown_at: io::stderr().is_terminal().then(Instant::now),
            is_shown: false,
        }
    }

    /// Shows the line, unless it was changed a moment ago.
    pub(crate) fn show(&mut self, line: Arguments<'_>) {
        let Some(shown_at) = &mut self.shown_at else {
            return;
        };
        if shown_at.elapsed() < INTERVAL {
            return;
        }
        *shown_at = Instant::now();
        self.is_shown = true;
        let mut stderr = io::stderr();
        // With stderr closed nobody is left to tell.
        let _ = write!(stderr, "\r\x1B[K{line}").and_then(|()| stderr.flush());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_shown {
            let _ = write!(io::stderr(), "\r\x1B[K");
        }
    }
}
