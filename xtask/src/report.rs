//! What a run prints: a line per step with its time, and a closing line of counts.

use std::fmt;
use std::ops::AddAssign;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::shell::Output;

/// Lines of a failing program that are shown; the whole text is in the log file.
const LINES_SHOWN_MAX: usize = 60;

/// How many checks ended how.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Counts {
    /// Checks that held.
    pub(crate) passed: usize,
    /// Checks that did not.
    pub(crate) failed: usize,
    /// Checks that could not be made; a whole suite that could not is one.
    pub(crate) skipped: usize,
}

/// What one step found.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Outcome {
    /// Its checks.
    pub(crate) counts: Counts,
    /// One line each: what failed, or what is missing for what was skipped.
    pub(crate) notes: Vec<String>,
    /// All that a failing program printed.
    pub(crate) log: String,
}

/// Collects the steps of one run.
pub(crate) struct Report {
    counts: Counts,
    logs: PathBuf,
}

impl Outcome {
    /// One check that held.
    pub(crate) fn passed() -> Self {
        Self {
            counts: Counts {
                passed: 1,
                ..Counts::default()
            },
            ..Self::default()
        }
    }

    /// One check that did not hold, and why.
    pub(crate) fn failed(note: impl Into<String>) -> Self {
        let counts = Counts {
            failed: 1,
            ..Counts::default()
        };
        Self {
            counts,
            notes: vec![note.into()],
            log: String::new(),
        }
    }

    /// One suite that could not run, and what it lacks.
    pub(crate) fn skipped(note: impl Into<String>) -> Self {
        let counts = Counts {
            skipped: 1,
            ..Counts::default()
        };
        Self {
            counts,
            notes: vec![note.into()],
            log: String::new(),
        }
    }

    /// One check that is the exit code of a program.
    pub(crate) fn of_program(output: Result<Output, String>) -> Self {
        match output {
            Ok(output) if output.success => Self::passed(),
            Ok(output) => Self {
                log: output.joined(),
                ..Self::failed_without_note()
            },
            Err(error) => Self::failed(error),
        }
    }

    /// One failed check whose reason is in the log.
    pub(crate) fn failed_without_note() -> Self {
        Self {
            counts: Counts {
                failed: 1,
                ..Counts::default()
            },
            ..Self::default()
        }
    }

    /// Takes the checks of `other` in.
    pub(crate) fn add(&mut self, other: Self) {
        self.counts += other.counts;
        self.notes.extend(other.notes);
        self.log.push_str(&other.log);
    }
}

impl Report {
    /// A run that keeps the output of failing programs in `logs`.
    pub(crate) fn new(logs: PathBuf) -> Self {
        Self {
            counts: Counts::default(),
            logs,
        }
    }

    /// Runs one step and prints its line; a failure is counted and the run goes on.
    pub(crate) fn step(&mut self, name: &str, check: impl FnOnce() -> Outcome) {
        let start = Instant::now();
        let outcome = check();
        say(&step_line(name, outcome.counts, start.elapsed()));
        for note in outcome.notes.iter().flat_map(|note| note.lines()) {
            say(&format!("    {note}"));
        }
        if !outcome.log.is_empty() {
            self.show_log(name, &outcome.log);
        }
        self.counts += outcome.counts;
    }

    /// Prints the closing line; the exit code says whether anything failed.
    pub(crate) fn finish(self) -> ExitCode {
        say(&self.counts.to_string());
        if self.counts.failed == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    fn show_log(&self, name: &str, log: &str) {
        for line in excerpt(log) {
            say(&format!("    | {line}"));
        }
        let path = self.logs.join(format!("{}.log", name.replace(' ', "-")));
        if std::fs::create_dir_all(&self.logs)
            .and_then(|()| std::fs::write(&path, log))
            .is_ok()
        {
            say(&format!("    the whole output is in {}", path.display()));
        }
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} passed, {} failed, {} skipped",
            self.passed, self.failed, self.skipped
        )
    }
}

/// Prints one line for the person at the terminal.
#[expect(
    clippy::print_stdout,
    reason = "the one place where this program prints"
)]
pub(crate) fn say(line: &str) {
    println!("{line}");
}

fn step_line(name: &str, counts: Counts, time: Duration) -> String {
    let mut parts = Vec::new();
    for (count, word) in [
        (counts.passed, "passed"),
        (counts.failed, "FAILED"),
        (counts.skipped, "skipped"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {word}"));
        }
    }
    let parts = if parts.is_empty() {
        "nothing to do".to_owned()
    } else {
        parts.join("  ")
    };
    format!("{name:<16} {parts} ({:.1} s)", time.as_secs_f64())
}

/// From the first line that tells of a failure, or the end of the text when none does.
fn excerpt(log: &str) -> Vec<&str> {
    let lines: Vec<&str> = log.lines().filter(|line| !is_progress(line)).collect();
    let first = lines.iter().position(|line| is_failure(line));
    let start = first.unwrap_or(lines.len().saturating_sub(LINES_SHOWN_MAX));
    lines
        .into_iter()
        .skip(start)
        .take(LINES_SHOWN_MAX)
        .collect()
}

fn is_failure(line: &str) -> bool {
    line.starts_with("error") || line.starts_with("failures:") || line.starts_with("Diff in ")
}

fn is_progress(line: &str) -> bool {
    let words = [
        "Compiling",
        "Checking",
        "Documenting",
        "Downloading",
        "Downloaded",
        "Fresh",
    ];
    let first = line.split_whitespace().next().unwrap_or_default();
    words.contains(&first) || line.ends_with("... ok")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_line_has_the_form_that_others_read() {
        let mut counts = Counts {
            passed: 10,
            failed: 0,
            skipped: 1,
        };
        counts += Counts {
            passed: 2,
            failed: 1,
            skipped: 0,
        };
        assert_eq!(counts.to_string(), "12 passed, 1 failed, 1 skipped");
    }

    #[test]
    fn step_line_names_only_what_happened() {
        let counts = Counts {
            passed: 3,
            failed: 0,
            skipped: 1,
        };
        let line = step_line("docs", counts, Duration::from_millis(1_250));
        assert_eq!(line, "docs             3 passed  1 skipped (1.2 s)");
        assert!(step_line("docs", Counts::default(), Duration::ZERO).contains("nothing to do"));
    }

    #[test]
    fn excerpt_starts_at_the_first_error() {
        let log = "   Compiling a v0.1.0\nwarning: x\ntest a ... ok\nerror: broken\n  --> a.rs\n";
        assert_eq!(excerpt(log), ["error: broken", "  --> a.rs"]);
    }

    #[test]
    fn excerpt_without_error_is_the_end_of_the_text() {
        let log = (0..100)
            .map(|number| format!("line {number}\n"))
            .collect::<String>();
        let lines = excerpt(&log);
        assert_eq!(lines.len(), LINES_SHOWN_MAX);
        assert_eq!(lines.last(), Some(&"line 99"));
    }
}
