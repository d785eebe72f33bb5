//! Small ways of breaking a line of code.

use super::sites::Site;

/// One line to be put in the place of another.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Mutation {
    /// Which line, from 0.
    pub(super) line: usize,
    pub(super) before: String,
    pub(super) after: String,
}

/// Pairs of which each becomes the other.
const PAIRS: [(&str, &str); 8] = [
    (" == ", " != "),
    (" && ", " || "),
    (" < ", " >= "),
    (" > ", " <= "),
    ("true", "false"),
    (".is_some()", ".is_none()"),
    (".is_some_and(", ".is_none_or("),
    (".min(", ".max("),
];
/// What is left out.
const LEFT_OUT: [&str; 3] = ["!", ".filter(|_| false)", " + 1"];

/// Every way to break `site`.
pub(super) fn mutations(text: &str, site: &Site) -> Vec<Mutation> {
    let (first, past) = site.lines;
    let lines = text.lines().enumerate().skip(first).take(past - first);
    let lines = lines.filter(|(_, line)| !line.trim_start().starts_with("//"));
    lines.flat_map(|(at, line)| of_line(at, line)).collect()
}

impl Mutation {
    /// `text` with the line broken.
    pub(super) fn applied(&self, text: &str) -> String {
        let mut lines: Vec<&str> = text.lines().collect();
        if let Some(line) = lines.get_mut(self.line) {
            *line = &self.after;
        }
        lines.join("\n") + "\n"
    }
}

fn of_line(at: usize, line: &str) -> Vec<Mutation> {
    let (code, comment) = line.split_once(" //").unwrap_or((line, ""));
    let mut after = Vec::new();
    for (one, other) in PAIRS {
        after.extend(replaced(code, one, other));
        after.extend(replaced(code, other, one));
    }
    for word in LEFT_OUT {
        if word != "!" || is_negation(code) {
            after.extend(replaced(code, word, ""));
        }
    }
    after.extend(condition_fixed(code));
    after.extend(constant_changed(code));
    after.extend(statement_left_out(code));
    let comment = match comment.is_empty() {
        true => String::new(),
        false => format!(" //{comment}"),
    };
    let made = after
        .into_iter()
        .filter(|after| after != code)
        .map(|after| Mutation {
            line: at,
            before: line.to_owned(),
            after: format!("{after}{comment}"),
        });
    made.collect()
}

/// The first `word` of the code replaced; whole words only where it is one.
fn replaced(code: &str, word: &str, by: &str) -> Option<String> {
    let is_letter = |c: char| c.is_alphanumeric() || c == '_';
    let is_word = word.chars().all(is_letter);
    let mut places = code.match_indices(word);
    places.find_map(|(at, _)| {
        let (before, behind) = (code.get(..at)?, code.get(at + word.len()..)?);
        let is_part = is_word && (before.ends_with(is_letter) || behind.starts_with(is_letter));
        (!is_part).then(|| format!("{before}{by}{behind}"))
    })
}

/// Whether the first `!` negates, and is not part of a macro's name or of `!=`.
fn is_negation(code: &str) -> bool {
    code.split_once('!').is_some_and(|(before, behind)| {
        !before.ends_with(char::is_alphanumeric) && !behind.starts_with('=')
    })
}

/// `if CONDITION {` whose condition is never met.
fn condition_fixed(code: &str) -> Option<String> {
    let (before, rest) = code.split_once("if ")?;
    let is_word = before.is_empty() || before.ends_with([' ', '}']);
    let condition = rest.strip_suffix(" {")?;
    (is_word && !condition.starts_with("let "))
        .then(|| format!("{before}if false && ({condition}) {{"))
}

/// A Reason Code that becomes another one.
fn constant_changed(code: &str) -> Option<String> {
    const OTHER: &str = "ReasonCode::IMPLEMENTATION_SPECIFIC_ERROR";
    let at = code.find("ReasonCode::")?;
    let name = code.get(at + "ReasonCode::".len()..)?;
    let end = name.find(|c: char| !c.is_ascii_uppercase() && !c.is_ascii_digit() && c != '_');
    let (name, behind) = name.split_at_checked(end.unwrap_or(name.len()))?;
    (!name.is_empty()).then(|| format!("{}{OTHER}{behind}", code.get(..at).unwrap_or_default()))
}

/// A statement on one line that is gone.
fn statement_left_out(code: &str) -> Option<String> {
    let trimmed = code.trim_start();
    let is_statement = trimmed.ends_with(';')
        && !["let ", "use ", "return", "}", ")", "."]
            .iter()
            .any(|start| trimmed.starts_with(start));
    let indent = code.len() - trimmed.len();
    is_statement.then(|| " ".repeat(indent))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(line: &str) -> Vec<String> {
        of_line(0, line).into_iter().map(|way| way.after).collect()
    }

    #[test]
    fn a_line_can_be_broken_in_several_ways() {
        assert_eq!(
            after("if a == b && !c { // v5"),
            [
                "if a != b && !c { // v5",
                "if a == b || !c { // v5",
                "if a == b && c { // v5",
                "if false && (a == b && !c) { // v5"
            ]
        );
        assert_eq!(after("    state.will = None;"), ["    "]);
        assert_eq!(
            after("return Err(ReasonCode::QUOTA_EXCEEDED);"),
            ["return Err(ReasonCode::IMPLEMENTATION_SPECIFIC_ERROR);"]
        );
        assert_eq!(after("let is_true = true;"), ["let is_true = false;"]);
        assert_eq!(after("assert!(x)"), [] as [&str; 0]);
        assert_eq!(after("}"), [] as [&str; 0]);
    }

    #[test]
    fn only_the_line_is_replaced() {
        let way = Mutation {
            line: 1,
            before: "b".to_owned(),
            after: "x".to_owned(),
        };
        assert_eq!(way.applied("a\nb\nc\n"), "a\nx\nc\n");
    }
}
