//! Runs other programs, and finds them.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{self, Stdio};

/// A program with its arguments, not yet started.
pub(crate) struct Command {
    inner: process::Command,
}

/// What a finished program left: its streams joined, and whether it succeeded.
#[derive(Debug)]
pub(crate) struct Output {
    /// Whether the exit code was 0.
    pub(crate) success: bool,
    /// Standard output.
    pub(crate) stdout: String,
    /// Standard error.
    pub(crate) stderr: String,
}

impl Command {
    /// A program by name (searched on the path) or by path.
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            inner: process::Command::new(program),
        }
    }

    /// Adds one argument.
    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.inner.arg(argument);
        self
    }

    /// Adds several arguments.
    pub(crate) fn args<S: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.inner.args(arguments);
        self
    }

    /// Sets one environment variable.
    pub(crate) fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.inner.env(name, value);
        self
    }

    /// Takes one environment variable away.
    pub(crate) fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.inner.env_remove(name);
        self
    }

    /// Sets the folder the program runs in.
    pub(crate) fn current_dir(mut self, folder: impl AsRef<Path>) -> Self {
        self.inner.current_dir(folder);
        self
    }

    /// Runs it to its end and keeps what it prints.
    ///
    /// # Errors
    /// When the program cannot be started; a non-zero exit code is no error here.
    pub(crate) fn capture(mut self) -> Result<Output, String> {
        let name = self.name();
        let output = self
            .inner
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("{name} cannot be started: {error}"))?;
        Ok(Output {
            success: output.status.success(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Runs it to its end and gives its standard output.
    ///
    /// # Errors
    /// When it cannot be started or ends with another exit code than 0; with what it printed.
    pub(crate) fn read(self) -> Result<String, String> {
        let name = self.name();
        let output = self.capture()?;
        if output.success {
            return Ok(output.stdout);
        }
        Err(format!("{name} failed: {}", output.last_line()))
    }

    /// Runs it to its end on this terminal.
    ///
    /// # Errors
    /// When it cannot be started or ends with another exit code than 0.
    pub(crate) fn show(mut self) -> Result<(), String> {
        let name = self.name();
        let status = self
            .inner
            .status()
            .map_err(|error| format!("{name} cannot be started: {error}"))?;
        if status.success() {
            Ok(())
        } else {
            Err(format!("{name} failed: {status}"))
        }
    }

    fn name(&self) -> String {
        let program = self.inner.get_program();
        let file = Path::new(program).file_name().unwrap_or(program);
        let first = self
            .inner
            .get_args()
            .next()
            .map(OsStr::to_string_lossy)
            .unwrap_or_default();
        format!("{} {first}", file.to_string_lossy())
            .trim_end()
            .to_owned()
    }
}

impl Output {
    /// Standard output, then standard error.
    pub(crate) fn joined(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// The last line with something on it, standard error first.
    pub(crate) fn last_line(&self) -> String {
        let last = |text: &str| {
            text.lines()
                .rev()
                .find(|line| !line.trim().is_empty())
                .map(str::to_owned)
        };
        last(&self.stderr)
            .or_else(|| last(&self.stdout))
            .unwrap_or_else(|| "no output".to_owned())
    }
}

/// Finds a program on the path, and where Debian keeps servers.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/usr/local/sbin"].iter().map(PathBuf::from);
    let file: OsString = format!("{name}{}", env::consts::EXE_SUFFIX).into();
    env::split_paths(&path)
        .chain(system)
        .map(|folder| folder.join(&file))
        .find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_program_is_an_error_that_names_it() {
        let error = Command::new("cargo")
            .arg("no-such-subcommand")
            .read()
            .unwrap_err();
        assert!(
            error.starts_with("cargo no-such-subcommand failed: "),
            "{error}"
        );
    }

    #[test]
    fn a_missing_program_is_an_error() {
        let error = Command::new("no-such-program-here").capture().unwrap_err();
        assert!(error.contains("cannot be started"), "{error}");
    }

    #[test]
    fn programs_are_found_by_name() {
        assert!(find_program("cargo").is_some());
        assert!(find_program("no-such-program-here").is_none());
    }
}
