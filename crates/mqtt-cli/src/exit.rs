//! How a command ends: its exit code, and one line on stderr if it failed.

use std::{fmt::Display, io::Write, process::ExitCode};

/// Something could not be done.
pub(crate) const RUN_TIME: u8 = 1;

/// The arguments or the configuration are wrong.
pub(crate) const USAGE: u8 = 2;

/// A command failed.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    line: String,
}

impl Failure {
    /// The arguments or the configuration are wrong.
    pub(crate) fn usage(line: impl Display) -> Self {
        Self {
            code: USAGE,
            line: line.to_string(),
        }
    }

    /// Something could not be done.
    pub(crate) fn run_time(line: impl Display) -> Self {
        Self {
            code: RUN_TIME,
            line: line.to_string(),
        }
    }

    /// Prints the line and gives the code.
    pub(crate) fn report(self) -> ExitCode {
        // With stderr closed nobody is left to tell.
        let _ = writeln!(std::io::stderr(), "mqtt: {}", self.line);
        ExitCode::from(self.code)
    }
}
