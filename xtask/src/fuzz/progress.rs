//! How far the fuzzing engine came, from what it prints.

use std::fmt;

/// The numbers of one target's run.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Progress {
    /// Inputs that were run.
    executions: u64,
    /// Edges of the program that were reached.
    coverage: u64,
    /// Those, and how often, and with which compared values.
    features: u64,
    /// Inputs that were worth keeping.
    corpus: u64,
    /// How long it took. Unit: seconds.
    time_s: u64,
}

impl Progress {
    /// What the last line of progress in `text` says; `None` when there is no such line.
    pub(super) fn last(text: &str) -> Option<Self> {
        text.lines().rev().find_map(Self::of_line)
    }

    /// A line such as `#204: cov: 10 ft: 12 corp: 3 exec/s: 70 ... time: 2s ...`.
    fn of_line(line: &str) -> Option<Self> {
        let (executions, fields) = line.strip_prefix('#')?.split_once(": ")?;
        let mut progress = Self {
            executions: executions.parse().ok()?,
            ..Self::default()
        };
        let words: Vec<&str> = fields.split_whitespace().collect();
        for pair in words.windows(2) {
            let [name, value] = pair else { continue };
            let place = match *name {
                "cov:" => &mut progress.coverage,
                "ft:" => &mut progress.features,
                "corp:" => &mut progress.corpus,
                "time:" => &mut progress.time_s,
                _ => continue,
            };
            *place = value.trim_end_matches('s').parse().ok()?;
        }
        (progress.time_s > 0).then_some(progress)
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            executions,
            coverage,
            features,
            corpus,
            time_s,
        } = self;
        let rate = executions.checked_div(*time_s).unwrap_or_default();
        write!(
            f,
            "{executions} executions in {time_s} s, {rate} exec/s, cov {coverage}, ft {features}, corpus {corpus}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_of_progress_is_read() {
        let text = "INFO: -fork=2: fuzzing in separate process(s)\n\
                    #100: cov: 7 ft: 7 corp: 2 exec/s: 50 oom/timeout/crash: 0/0/0 time: 1s job: 1 dft_time: 0\n\
                    #5400: cov: 311 ft: 905 corp: 120 exec/s: 900 oom/timeout/crash: 0/0/0 time: 6s job: 3 dft_time: 0\n\
                    INFO: fuzzed for 6 seconds, wrapping up soon\n";
        let progress = Progress::last(text).unwrap();
        assert_eq!(
            progress.to_string(),
            "5400 executions in 6 s, 900 exec/s, cov 311, ft 905, corpus 120"
        );
    }

    #[test]
    fn a_text_without_progress_has_none() {
        assert_eq!(Progress::last("error: no such target\n# a heading\n"), None);
    }
}
