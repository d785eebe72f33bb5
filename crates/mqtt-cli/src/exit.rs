//! How a command ends: its exit code, and one line on stderr if it failed.

use std::{fmt::Display, io::Write, process::ExitCode};

/// Something could not be done.
pub(crate) const RUN_TIME: u8 = 1;

/// The arguments or the configuration are wrong.
pub(crate) const USAGE: u8 = 2;

/// `mqtt access explain`: it is denied.
pub(crate) const DENIED: u8 = 3;

/// `mqtt bench`: messages were lost, refused, or came twice.
pub(crate) const MESSAGES_LOST: u8 = 3;

/// `mqtt decode` found something malformed, cut off, or wrong at its place.
pub(crate) const MALFORMED: u8 = 3;

/// `mqtt retained get`: there is nothing.
pub(crate) const NOTHING_RETAINED: u8 = 3;

/// `mqtt sub -W` ran out; mosquitto's code for it.
pub(crate) const TIMED_OUT: u8 = 27;

/// A command failed.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    /// Nothing is printed without it.
    line: Option<String>,
}

impl Failure {
    /// The arguments or the configuration are wrong.
    pub(crate) fn usage(line: impl Display) -> Self {
        Self {
            code: USAGE,
            line: Some(line.to_string()),
        }
    }

    /// Something could not be done.
    pub(crate) fn run_time(line: impl Display) -> Self {
        Self {
            code: RUN_TIME,
            line: Some(line.to_string()),
        }
    }

    /// The server refused the connection with this code.
    pub(crate) fn refused(code: u8, line: impl Display) -> Self {
        Self {
            code,
            line: Some(line.to_string()),
        }
    }

    /// The signals that end a command cannot be waited for.
    pub(crate) fn no_signals(error: impl Display) -> Self {
        Self::run_time(format_args!("cannot wait for signals: {error}"))
    }

    /// No runtime can be started.
    pub(crate) fn no_runtime(error: impl Display) -> Self {
        Self::run_time(format_args!("cannot start the runtime: {error}"))
    }

    /// The same with what can be done about it.
    pub(crate) fn with_hint(self, hint: &str) -> Self {
        let line = self.line.map(|line| format!("{line}; {hint}"));
        Self { line, ..self }
    }

    /// What would be printed.
    pub(crate) fn into_line(self) -> String {
        self.line.unwrap_or_default()
    }

    /// The same without a line.
    pub(crate) fn silent(self) -> Self {
        Self { line: None, ..self }
    }

    /// Prints the line and gives the code.
    pub(crate) fn report(self) -> ExitCode {
        self.report_with("mqtt")
    }

    /// The same as Mosquitto's programs do, to which a mistake in the flags is no special case.
    pub(crate) fn report_as_mosquitto(self) -> ExitCode {
        let code = match self.code {
            USAGE => RUN_TIME,
            code => code,
        };
        Self { code, ..self }.report_with("Error")
    }

    fn report_with(self, prefix: &str) -> ExitCode {
        if let Some(line) = self.line {
            // With stderr closed nobody is left to tell.
            let _ = writeln!(std::io::stderr(), "{prefix}: {line}");
        }
        ExitCode::from(self.code)
    }
}
