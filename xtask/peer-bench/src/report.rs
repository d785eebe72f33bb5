//! The results as tables for the documentation.

use std::fmt::Write as _;

/// One line of a table.
pub struct Row {
    /// What was measured.
    pub name: String,
    /// Nanoseconds per packet of each codec, ours first; `None` for one that was not measured.
    pub ns: Vec<Option<f64>>,
}

/// A table with a column for each of `codecs`: nanoseconds per packet, and how many times ours.
///
/// Rows that have not been measured are left out.
#[must_use]
pub fn table(title: &str, codecs: &[&str], rows: &[Row]) -> String {
    let mut text = String::new();
    for row in rows {
        let Some((Some(ours), others)) = row.ns.split_first() else {
            continue;
        };
        let _ = write!(text, "| {} | {ours:.1} |", row.name);
        for ns in others {
            let _ = match ns {
                Some(ns) => write!(text, " {ns:.1} ({:.1}x) |", ns / ours),
                None => write!(text, " |"),
            };
        }
        text.push('\n');
    }
    if text.is_empty() {
        return text;
    }
    let head = codecs.join(" | ");
    let line = "--:|".repeat(codecs.len());
    format!("\n| {title} | {head} |\n|---|{line}\n{text}")
}
