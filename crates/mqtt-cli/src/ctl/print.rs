//! Answers for people: tables, times.

use std::{
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};

use mqtt_admin::CallError;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Ctl, failure, say};
use crate::exit::Failure;

/// What stands between two columns.
const GAP: &str = "  ";

/// Rows whose columns stand below each other.
pub(super) struct Table(Vec<Vec<String>>);

impl Table {
    /// A table with these words above its columns, or with none.
    pub(super) fn new(head: &[&str]) -> Self {
        let head: Vec<_> = head.iter().map(|word| (*word).to_owned()).collect();
        Self(if head.is_empty() {
            Vec::new()
        } else {
            vec![head]
        })
    }

    /// Adds a row; what would move the cursor or worse is shown as it is written in a string.
    pub(super) fn row<const N: usize>(&mut self, cells: [String; N]) {
        let harmless = |cell: String| match cell.contains(char::is_control) {
            true => cell.escape_debug().to_string(),
            false => cell,
        };
        self.0.push(cells.into_iter().map(harmless).collect());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut widths: Vec<usize> = Vec::new();
        for row in &self.0 {
            widths.resize(widths.len().max(row.len()), 0);
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        for row in &self.0 {
            let mut line = String::new();
            for (width, cell) in widths.iter().zip(row) {
                line.push_str(&format!("{cell:width$}{GAP}"));
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

impl Ctl {
    /// Prints entries of a list as JSON, or adds them to the table.
    pub(super) fn print_items<T: DeserializeOwned, const N: usize>(
        &self,
        items: Vec<Value>,
        table: &mut Table,
        cells: impl Fn(T) -> [String; N],
    ) -> Result<(), Failure> {
        for item in items {
            if self.is_json {
                say(&format!("{item}\n"));
                continue;
            }
            let entry = serde_json::from_value(item).map_err(CallError::Garbled);
            table.row(cells(entry.map_err(failure)?));
        }
        Ok(())
    }

    /// Prints what [`print_items`](Self::print_items) has gathered.
    pub(super) fn end_list(&self, table: &Table) {
        if !self.is_json {
            say(&table.to_string());
        }
    }
}

/// A time in its two largest units.
pub(super) fn duration(seconds: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let mut left = seconds;
    let mut parts = Vec::new();
    for (unit, name) in UNITS {
        let count = left / unit;
        left %= unit;
        if count > 0 && parts.len() < 2 {
            parts.push(format!("{count}{name}"));
        }
    }
    match parts.is_empty() {
        true => "0s".to_owned(),
        false => parts.join(" "),
    }
}

/// How long ago a moment of Unix time was.
pub(super) fn ago(at_s: u64) -> String {
    format!("{} ago", duration(now_s().saturating_sub(at_s)))
}

/// In how long a moment of Unix time comes.
pub(super) fn from_now(at_s: u64) -> String {
    format!("in {}", duration(at_s.saturating_sub(now_s())))
}

fn now_s() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_secs()
}

pub(super) const fn yes_no(is_so: bool) -> &'static str {
    if is_so { "yes" } else { "no" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other() {
        let mut table = Table::new(&["A", "B"]);
        table.row(["long".to_owned(), "x".to_owned()]);
        table.row(["ü".to_owned(), "a\u{1b}[2J".to_owned()]);
        assert_eq!(table.to_string(), "A     B\nlong  x\nü     a\\u{1b}[2J\n");
    }

    #[test]
    fn times_have_two_units() {
        for (seconds, text) in [(0, "0s"), (59, "59s"), (3_600, "1h"), (90_061, "1d 1h")] {
            assert_eq!(duration(seconds), text);
        }
    }
}
