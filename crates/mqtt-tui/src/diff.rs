//! What differs between two payloads, line by line.

use imara_diff::{Algorithm, Diff, InternedInput};

/// Lines that are compared; of a longer text the first ones.
const LINES_MAX: usize = 2_000;

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
    let earlier = earlier.get(..LINES_MAX).unwrap_or(earlier);
    let later = later.get(..LINES_MAX).unwrap_or(later);
    let mut input = InternedInput::default();
    input.update_before(earlier.iter().map(String::as_str));
    input.update_after(later.iter().map(String::as_str));
    let diff = Diff::compute(Algorithm::Histogram, &input);

    let is_removed = (0..).map(|at| diff.is_removed(at));
    let mut earlier = earlier.iter().zip(is_removed).peekable();
    let mut changes = Vec::with_capacity(later.len());
    let is_added = (0..).map(|at| diff.is_added(at));
    for (line, is_added) in later.iter().zip(is_added) {
        while let Some((removed, _)) = earlier.next_if(|(_, is_removed)| *is_removed) {
            changes.push((Change::Removed, removed.clone()));
        }
        if is_added {
            changes.push((Change::Added, line.clone()));
        } else {
            earlier.next();
            changes.push((Change::Same, line.clone()));
        }
    }
    changes.extend(earlier.map(|(line, _)| (Change::Removed, line.clone())));
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(lines: &str) -> Vec<String> {
        lines.split_whitespace().map(str::to_owned).collect()
    }

    fn told(changes: &[(Change, String)]) -> String {
        let mark = |change| match change {
            Change::Same => ' ',
            Change::Added => '+',
            Change::Removed => '-',
        };
        let lines = changes.iter();
        lines
            .flat_map(|(change, line)| [mark(*change).to_string(), line.clone()])
            .collect()
    }

    #[test]
    fn a_line_that_changed_is_there_twice() {
        for (earlier, later, expected) in [
            ("a b c", "a x c", " a-b+x c"),
            ("", "a b", "+a+b"),
            ("a b", "", "-a-b"),
            ("a b", "a b", " a b"),
            ("a b c d", "b c e", "-a b c-d+e"),
            ("a b", "x a y b z", "+x a+y b+z"),
        ] {
            let changes = lines(&text(earlier), &text(later));
            assert_eq!(told(&changes), expected, "{earlier} to {later}");
        }
    }

    #[test]
    fn of_long_texts_the_first_lines_are_compared() {
        let long: Vec<String> = (0..LINES_MAX + 10).map(|line| line.to_string()).collect();
        assert_eq!(lines(&long, &long).len(), LINES_MAX);
        let reversed: Vec<String> = long.iter().rev().cloned().collect();
        assert!(lines(&long, &reversed).len() <= 2 * LINES_MAX);
    }
}
