//! TOML as a person would write it: keys with a comment on where they come from, table after table.

use std::fmt::Write;

/// Tables in the order they were begun.
#[derive(Debug, Default)]
pub(crate) struct TomlText {
    tables: Vec<Table>,
}

#[derive(Debug, Default)]
struct Table {
    /// As it is written, with its brackets; empty for the keys before all tables.
    header: String,
    lines: Vec<String>,
}

impl TomlText {
    /// Sets a key of `[header]`, or of the top of the file when `header` is empty; a key that is there is replaced.
    pub(crate) fn set(&mut self, header: &str, key: &str, value: &str, comment: &str) {
        let header = match header {
            "" => String::new(),
            header => format!("[{header}]"),
        };
        let found = self.tables.iter().position(|table| table.header == header);
        let at = found.unwrap_or_else(|| {
            self.tables.push(Table {
                header,
                lines: Vec::new(),
            });
            self.tables.len() - 1
        });
        if let Some(table) = self.tables.get_mut(at) {
            table.set(key, value, comment);
        }
    }

    /// Begins another table of the list `[[header]]`; keys go into it with [`TomlText::set_last`].
    pub(crate) fn push(&mut self, header: &str) {
        self.tables.push(Table {
            header: format!("[[{header}]]"),
            lines: Vec::new(),
        });
    }

    /// Sets a key of the table begun last.
    pub(crate) fn set_last(&mut self, key: &str, value: &str, comment: &str) {
        if let Some(table) = self.tables.last_mut() {
            table.set(key, value, comment);
        }
    }

    /// All of it behind `title`, which is written as comments.
    pub(crate) fn render(&self, title: &str) -> String {
        let mut text = String::new();
        for line in title.lines() {
            let _ = writeln!(text, "# {line}");
        }
        let is_top = |table: &&Table| table.header.is_empty();
        let top = self.tables.iter().filter(is_top);
        let rest = self.tables.iter().filter(|table| !is_top(table));
        for table in top.chain(rest) {
            text.push('\n');
            if !table.header.is_empty() {
                let _ = writeln!(text, "{}", table.header);
            }
            for line in &table.lines {
                let _ = writeln!(text, "{line}");
            }
        }
        text
    }
}

impl Table {
    fn set(&mut self, key: &str, value: &str, comment: &str) {
        let start = format!("{key} = ");
        let mut line = format!("{start}{value}");
        if !comment.is_empty() {
            line.push_str("  # ");
            line.extend(comment.chars().filter(|c| !c.is_control()));
        }
        match self.lines.iter_mut().find(|line| line.starts_with(&start)) {
            Some(known) => *known = line,
            None => self.lines.push(line),
        }
    }
}

/// A text as TOML has it.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A list of texts as TOML has it.
pub(crate) fn list<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let texts: Vec<String> = texts.into_iter().map(quoted).collect();
    format!("[{}]", texts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_before_tables_come_first_and_last_values_count() {
        let mut text = TomlText::default();
        text.set("a.b", "x", "1", "");
        text.set("", "top", "true", "line 3");
        text.set("a.b", "x", "2", "");
        text.push("list");
        text.set_last("y", &quoted("a\"\\\n"), "");
        assert_eq!(
            text.render("title"),
            "# title\n\ntop = true  # line 3\n\n[a.b]\nx = 2\n\n[[list]]\ny = \"a\\\"\\\\\\u000A\"\n"
        );
    }
}
