//! A Rust file taken apart just far enough for the rules: code, comments, and what is a test.

/// One file.
pub(super) struct Source {
    /// Path from the root, with `/`.
    pub(super) path: String,
    /// Its lines.
    pub(super) lines: Vec<Line>,
}

/// One line of a file.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Line {
    /// What the compiler reads, with the inside of strings left out.
    pub(super) code: String,
    /// What only people read.
    pub(super) comment: String,
    /// Whether it is compiled for tests only.
    pub(super) is_test: bool,
}

#[derive(Clone, Copy)]
enum State {
    Code,
    LineComment,
    BlockComment { depth: usize },
    Text,
    RawText { hashes: usize },
}

impl Source {
    /// Takes `text` apart.
    pub(super) fn parse(path: &str, text: &str) -> Self {
        let mut lines = split(text);
        let whole = is_test_path(path)
            || lines
                .iter()
                .any(|line| is_test_attribute(&line.code, "#!["));
        if whole {
            lines.iter_mut().for_each(|line| line.is_test = true);
        } else {
            mark_tests(&mut lines);
        }
        Self {
            path: path.to_owned(),
            lines,
        }
    }

    /// Its lines with their numbers, from 1.
    pub(super) fn numbered(&self) -> impl Iterator<Item = (usize, &Line)> {
        (1..).zip(&self.lines)
    }
}

/// Whether a path alone says that everything in it is for tests.
fn is_test_path(path: &str) -> bool {
    let in_folder = ["/tests/", "/benches/", "/examples/"]
        .iter()
        .any(|folder| path.contains(folder));
    let of_tests = [
        "crates/mqtt-testkit/",
        "fuzz/",
        "xtask/outside/",
        "xtask/client-bench/",
        "xtask/peer-bench/",
    ]
    .iter()
    .any(|folder| path.starts_with(folder));
    in_folder || of_tests || path.ends_with("/tests.rs")
}

fn split(text: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut state = State::Code;
    for line in text.lines() {
        let mut split = Line::default();
        state = split_line(line, state, &mut split);
        lines.push(split);
    }
    lines
}

/// Sorts the characters of one line; gives the state in which the next line begins.
fn split_line(line: &str, mut state: State, out: &mut Line) -> State {
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let (next, taken) = match state {
            State::Code => from_code(rest, first, out),
            State::LineComment => (State::LineComment, rest.len()),
            State::BlockComment { depth } => from_block(rest, first, depth),
            State::Text => from_text(rest, first),
            State::RawText { hashes } => from_raw_text(rest, first, hashes),
        };
        let (head, tail) = rest.split_at_checked(taken).unwrap_or((rest, ""));
        if matches!(state, State::LineComment | State::BlockComment { .. }) {
            out.comment.push_str(head);
        }
        rest = tail;
        state = next;
    }
    if matches!(state, State::LineComment) {
        State::Code
    } else {
        state
    }
}

fn from_code(rest: &str, first: char, out: &mut Line) -> (State, usize) {
    if rest.starts_with("//") {
        return (State::LineComment, 0);
    }
    if rest.starts_with("/*") {
        return (State::BlockComment { depth: 0 }, 0);
    }
    if first == '"' {
        out.code.push('"');
        return (State::Text, 1);
    }
    let after_word = out
        .code
        .ends_with(|last: char| last.is_alphanumeric() || last == '_');
    if let Some(hashes) = raw_text_start(rest).filter(|_| !after_word) {
        out.code.push('"');
        let prefix = rest.find('"').unwrap_or_default();
        return (State::RawText { hashes }, prefix + 1);
    }
    if let Some(len) = char_literal_len(rest) {
        out.code.push_str("' '");
        return (State::Code, len);
    }
    out.code.push(first);
    (State::Code, first.len_utf8())
}

fn from_block(rest: &str, first: char, depth: usize) -> (State, usize) {
    if rest.starts_with("/*") {
        return (State::BlockComment { depth: depth + 1 }, 2);
    }
    if rest.starts_with("*/") {
        let state = if depth > 1 {
            State::BlockComment { depth: depth - 1 }
        } else {
            State::Code
        };
        return (state, 2);
    }
    (State::BlockComment { depth }, first.len_utf8())
}

fn from_text(rest: &str, first: char) -> (State, usize) {
    match first {
        '\\' => (
            State::Text,
            1 + rest.chars().nth(1).map_or(0, char::len_utf8),
        ),
        '"' => (State::Code, 1),
        other => (State::Text, other.len_utf8()),
    }
}

fn from_raw_text(rest: &str, first: char, hashes: usize) -> (State, usize) {
    let ends = rest
        .strip_prefix('"')
        .is_some_and(|tail| hash_count(tail) >= hashes);
    if ends {
        (State::Code, 1 + hashes)
    } else {
        (State::RawText { hashes }, first.len_utf8())
    }
}

/// The number of `#` when a raw string begins here.
fn raw_text_start(rest: &str) -> Option<usize> {
    let tail = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r'))?;
    let hashes = hash_count(tail);
    tail.get(hashes..)?.starts_with('"').then_some(hashes)
}

fn hash_count(text: &str) -> usize {
    text.bytes().take_while(|byte| *byte == b'#').count()
}

/// Length in bytes when a character literal, not a lifetime, begins here.
fn char_literal_len(rest: &str) -> Option<usize> {
    let inside = rest.strip_prefix('\'')?;
    let first = inside.chars().next()?;
    if first == '\\' {
        let escaped = 1 + inside.chars().nth(1)?.len_utf8();
        let end = inside.get(escaped..)?.find('\'')?;
        return Some(1 + escaped + end + 1);
    }
    let len = first.len_utf8();
    inside.get(len..)?.starts_with('\'').then_some(len + 2)
}

/// Marks each item that stands behind `#[cfg(test)]`.
fn mark_tests(lines: &mut [Line]) {
    let mut item: Option<Item> = None;
    for line in lines {
        let mut code = line.code.as_str();
        if item.is_none() && is_test_attribute(code, "#[") {
            item = Some(Item::default());
            code = code.split_once(']').map_or("", |(_, after)| after);
        }
        if let Some(open) = &mut item {
            line.is_test = true;
            if open.ends_on(code) {
                item = None;
            }
        }
    }
}

fn is_test_attribute(code: &str, opening: &str) -> bool {
    let Some((_, condition)) = code.split_once(&format!("{opening}cfg(")) else {
        return false;
    };
    let mut words = condition.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
    words.any(|word| word == "test") && !condition.contains("not(test")
}

/// An item whose end is looked for.
#[derive(Default)]
struct Item {
    braces: usize,
    others: usize,
}

impl Item {
    /// Reads one line; true when the item ends on it.
    fn ends_on(&mut self, code: &str) -> bool {
        for letter in code.chars() {
            match letter {
                '{' => self.braces += 1,
                '(' | '[' => self.others += 1,
                ')' | ']' => self.others = self.others.saturating_sub(1),
                '}' => {
                    self.braces = self.braces.saturating_sub(1);
                    if self.braces == 0 {
                        return true;
                    }
                }
                ';' if self.braces == 0 && self.others == 0 => return true,
                _ => {}
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> Vec<String> {
        Source::parse("crates/a/src/a.rs", text)
            .lines
            .into_iter()
            .map(|line| line.code)
            .collect()
    }

    fn tests(text: &str) -> Vec<bool> {
        Source::parse("crates/a/src/a.rs", text)
            .lines
            .iter()
            .map(|line| line.is_test)
            .collect()
    }

    #[test]
    fn strings_are_emptied() {
        assert_eq!(code(r#"let a = "todo // \" x"; b"#), ["let a = \"; b"]);
    }

    #[test]
    fn raw_strings_over_lines_are_emptied() {
        assert_eq!(code("let a = r#\"x \" y\nz\"#; b"), ["let a = \"", "; b"]);
    }

    #[test]
    fn comments_are_taken_out() {
        let source = Source::parse("a.rs", "a(); // b\n/* c /* d */\ne */ f");
        let line = |number: usize| source.lines.get(number).unwrap();
        assert_eq!(
            (line(0).code.as_str(), line(0).comment.as_str()),
            ("a(); ", "// b")
        );
        assert_eq!(line(1).code, "");
        assert_eq!(line(2).code, " f");
    }

    #[test]
    fn lifetimes_are_not_characters() {
        assert_eq!(
            code("fn a<'a>(b: &'a str) { c('\"', '\\'') } // d"),
            ["fn a<'a>(b: &'a str) { c(' ', ' ') } "]
        );
    }

    #[test]
    fn test_modules_are_marked() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\nfn c() {}";
        assert_eq!(tests(text), [false, true, true, true, true, false]);
    }

    #[test]
    fn test_imports_end_at_the_semicolon() {
        assert_eq!(
            tests("#[cfg(test)]\nuse a;\nfn c() {}"),
            [true, true, false]
        );
        assert_eq!(tests("#[cfg(not(test))]\nuse a;"), [false, false]);
    }

    #[test]
    fn test_folders_are_tests_as_a_whole() {
        let source = Source::parse("crates/a/tests/it/main.rs", "fn a() {}");
        assert!(source.lines.iter().all(|line| line.is_test));
    }
}
