//! Places in the code that say which statement they obey.

use super::super::table::{VERSIONS, is_statement_id};

/// Lines of code that belong to a comment before them, at most.
const STATEMENT_LINES: usize = 5;
/// Lines of a function that belong to the doc comment before it, at most.
const FUNCTION_LINES: usize = 60;

/// A comment that cites statements, and the code it stands at.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Site {
    /// Path below the root, with `/`.
    pub(super) file: String,
    /// The statements: version word and id.
    pub(super) ids: Vec<(&'static str, String)>,
    /// The lines of code, from 0; the first and the one behind the last.
    pub(super) lines: (usize, usize),
}

/// The places of one file, without its tests.
pub(super) fn sites(file: &str, text: &str) -> Vec<Site> {
    let all: Vec<&str> = text.lines().collect();
    let position = |attribute: &str| all.iter().position(|line| line.trim() == attribute);
    let end = match (position("#[cfg(test)]"), position("#[test]")) {
        (Some(tests), _) => tests,
        // The whole file is a module of tests.
        (None, Some(_)) => 0,
        (None, None) => all.len(),
    };
    let lines = all.get(..end).unwrap_or_default();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some((code, comment)) = line.split_once("//") else {
            continue;
        };
        let ids = cited(comment);
        let region = match (ids.is_empty(), code.trim().is_empty()) {
            (true, _) => None,
            (false, false) => Some((at, at + 1)),
            (false, true) if comment.starts_with('!') => None,
            (false, true) if comment.starts_with('/') => function_behind(lines, at),
            (false, true) => statement_behind(lines, at),
        };
        found.extend(region.map(|lines| Site {
            file: file.to_owned(),
            ids,
            lines,
        }));
    }
    found
}

/// The ids in a comment; one without a version word has the version of the one before it.
fn cited(comment: &str) -> Vec<(&'static str, String)> {
    let mut version = None;
    let mut ids = Vec::new();
    for word in comment.split([' ', ';', ',', ':', '(', ')']) {
        if let Some(known) = VERSIONS.iter().find(|known| known.word == word) {
            version = Some(known.word);
        }
        let id = word.trim_end_matches('.').strip_prefix('[');
        let id = id.and_then(|id| id.strip_suffix(']'));
        if let (Some(version), Some(id)) = (version, id.filter(|id| is_statement_id(id))) {
            ids.push((version, id.to_owned()));
        }
    }
    ids
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

/// The code right behind a comment: up to a blank line or one that is less indented.
fn statement_behind(lines: &[&str], at: usize) -> Option<(usize, usize)> {
    let behind = lines.iter().enumerate().skip(at + 1);
    let first = behind.clone().find(|(_, line)| !is_comment(line))?.0;
    let depth = indent(lines.get(first)?);
    let past = behind
        .skip(first - at - 1)
        .take(STATEMENT_LINES)
        .find(|(_, line)| line.trim().is_empty() || indent(line) < depth)
        .map_or((first + STATEMENT_LINES).min(lines.len()), |(past, _)| past);
    (past > first).then_some((first, past))
}

/// The body of the function that a doc comment stands before; none before anything else.
fn function_behind(lines: &[&str], at: usize) -> Option<(usize, usize)> {
    let is_head = |line: &str| is_comment(line) || line.trim_start().starts_with("#[");
    let first =
        (at + 1..lines.len()).find(|at| lines.get(*at).is_some_and(|line| !is_head(line)))?;
    let head = lines.get(first)?;
    if !head.contains("fn ") {
        return None;
    }
    let depth = indent(head);
    let body = (first..lines.len()).find(|at| {
        lines
            .get(*at)
            .is_some_and(|line| line.trim_end().ends_with('{'))
    })?;
    let past = (body + 1..lines.len().min(body + FUNCTION_LINES)).find(|at| {
        lines
            .get(*at)
            .is_some_and(|line| indent(line) == depth && line.trim_start().starts_with('}'))
    })?;
    (past > body + 1).then_some((body + 1, past))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
//! Spec: v5 [MQTT-1.0.0-1].
/// Does it. Spec: v5 [MQTT-2.2.1-3], v3.1.1 [MQTT-2.3.1-1]; [MQTT-2.3.1-2].
#[inline]
fn does(it: bool) -> bool {
    // Not obvious; v5 [MQTT-3.1.0-1].
    // Second line.
    if it {
        return false;
    }

    it // v3.1.1 [MQTT-4.8.0-2].
}

/// Spec: v5 [MQTT-1.5.4-1].
struct Not;
#[cfg(test)]
// v5 [MQTT-1.5.4-1].
fn test() {}
";

    #[test]
    fn comments_stand_at_the_code_behind_them() {
        let found: Vec<_> = sites("f", TEXT)
            .into_iter()
            .map(|site| (site.ids, site.lines))
            .collect();
        let id = |version, id: &str| (version, id.to_owned());
        assert_eq!(
            found,
            [
                (
                    vec![
                        id("v5", "MQTT-2.2.1-3"),
                        id("v3.1.1", "MQTT-2.3.1-1"),
                        id("v3.1.1", "MQTT-2.3.1-2")
                    ],
                    (4, 11)
                ),
                (vec![id("v5", "MQTT-3.1.0-1")], (6, 9)),
                (vec![id("v3.1.1", "MQTT-4.8.0-2")], (10, 11)),
            ]
        );
    }
}
