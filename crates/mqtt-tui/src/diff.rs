//! What differs between two payloads, line by line.

use std::time::Duration;

use similar::{ChangeTag, TextDiff};

/// Lines that are compared; of a longer text the first ones.
const LINES_MAX: usize = 2_000;

/// How long may be looked for the shortest difference.
const SEARCH_MAX: Duration = Duration::from_millis(10);

/// Whether a line is in both.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Change {
    Same,
    /// In the later one only.
    Added,
    /// In the earlier one only.
    Removed,
}

/// The lines of both, in order.
pub(crate) fn lines(earlier: &[String], later: &[String]) -> Vec<(Change, String)> {
    let earlier: Vec<&str> = earlier.iter().take(LINES_MAX).map(String::as_str).collect();
    let later: Vec<&str> = later.iter().take(LINES_MAX).map(String::as_str).collect();
    let diff = TextDiff::configure()
        .timeout(SEARCH_MAX)
        .diff_slices(&earlier, &later);
    let lines = diff.iter_all_changes().map(|change| {
        let kind = match change.tag() {
            ChangeTag::Equal => Change::Same,
            ChangeTag::Insert => Change::Added,
            ChangeTag::Delete => Change::Removed,
        };
        (kind, change.value().to_owned())
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_changed_is_there_twice() {
        let text = |lines: &[&str]| {
            lines
                .iter()
                .map(|line| (*line).to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            lines(&text(&["a", "b", "c"]), &text(&["a", "x", "c"])),
            [
                (Change::Same, "a".to_owned()),
                (Change::Removed, "b".to_owned()),
                (Change::Added, "x".to_owned()),
                (Change::Same, "c".to_owned()),
            ]
        );
    }
}
