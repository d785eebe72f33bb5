//! Reads the counts that Rust's test harness prints.

use crate::report::{Counts, Outcome};
use crate::shell::Output;

/// Sums every `test result:` line; an ignored test is a skipped one.
pub(crate) fn counts(text: &str) -> Counts {
    let mut sum = Counts::default();
    for line in text.lines() {
        if let Some(counts) = result_line(line) {
            sum += counts;
        }
    }
    sum
}

/// The outcome of one `cargo test`: what failed is at least 1 when cargo itself failed.
pub(crate) fn outcome(output: Result<Output, String>) -> Outcome {
    let output = match output {
        Ok(output) => output,
        Err(error) => return Outcome::failed(error),
    };
    let mut counts = counts(&output.stdout);
    if output.success {
        return Outcome {
            counts,
            ..Outcome::default()
        };
    }
    counts.failed = counts.failed.max(1);
    Outcome {
        counts,
        notes: failed_names(&output.stdout),
        log: output.joined(),
    }
}

/// The names that `--list` prints.
pub(crate) fn listed_names(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| line.strip_suffix(": test"))
        .map(str::to_owned)
        .collect()
}

fn result_line(line: &str) -> Option<Counts> {
    let rest = line.trim_start().strip_prefix("test result: ")?;
    let (_, fields) = rest.split_once(". ")?;
    let mut counts = Counts::default();
    for field in fields.split(';') {
        let mut words = field.split_whitespace();
        let number = words.next().and_then(|word| word.parse::<usize>().ok());
        match (number, words.next()) {
            (Some(number), Some("passed")) => counts.passed = number,
            (Some(number), Some("failed")) => counts.failed = number,
            (Some(number), Some("ignored")) => counts.skipped = number,
            _ => {}
        }
    }
    Some(counts)
}

fn failed_names(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| line.strip_prefix("test ")?.strip_suffix(" ... FAILED"))
        .map(|name| format!("failed: {name}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_SUITES: &str = "
running 3 tests
test a ... ok
test b ... ignored
test c::d ... FAILED

test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 7 filtered out; finished in 0.01s

running 12 tests
test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s
";

    fn output(success: bool, stdout: &str) -> Result<Output, String> {
        Ok(Output {
            success,
            stdout: stdout.to_owned(),
            stderr: String::new(),
        })
    }

    #[test]
    fn suites_are_summed() {
        assert_eq!(
            counts(TWO_SUITES),
            Counts {
                passed: 13,
                failed: 1,
                skipped: 1
            }
        );
    }

    #[test]
    fn other_lines_are_not_counted() {
        assert_eq!(
            counts("test result of mine. 4 passed\n5 passed; 6 failed"),
            Counts::default()
        );
    }

    #[test]
    fn failing_tests_are_named() {
        let outcome = outcome(output(false, TWO_SUITES));
        assert_eq!(outcome.notes, ["failed: c::d"]);
        assert_eq!(outcome.counts.failed, 1);
    }

    #[test]
    fn cargo_failing_before_any_test_is_one_failure() {
        let outcome = outcome(output(false, "error: could not compile\n"));
        assert_eq!(
            outcome.counts,
            Counts {
                passed: 0,
                failed: 1,
                skipped: 0
            }
        );
        assert!(outcome.log.contains("could not compile"));
    }

    #[test]
    fn listed_tests_are_read() {
        let text = "mosquitto_pub: test\nclient::client_a: test\n\n2 tests, 0 benchmarks\n";
        assert_eq!(listed_names(text), ["mosquitto_pub", "client::client_a"]);
    }
}
