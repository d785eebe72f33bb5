//! Whether the links of a page lead to something in the repository.

use std::fs;
use std::path::Path;

use super::Finding;

/// Links of the page at `path` (from the root) to files or headings that are not there.
pub(super) fn broken_links(root: &Path, path: &str) -> Vec<Finding> {
    let text = match fs::read_to_string(root.join(path)) {
        Ok(text) => text,
        Err(error) => return vec![Finding::of(path, error.to_string())],
    };
    let folder = Path::new(path).parent().unwrap_or(Path::new(""));
    let mut findings = Vec::new();
    for (number, target) in links(&text) {
        let (file, anchor) = target.split_once('#').unwrap_or((target.as_str(), ""));
        let page = if file.is_empty() {
            root.join(path)
        } else {
            root.join(folder).join(file)
        };
        if !page.exists() {
            findings.push(Finding::at(
                path,
                number,
                format!("no file for the link `{target}`"),
            ));
        } else if !anchor.is_empty() && !has_anchor(&page, anchor) {
            findings.push(Finding::at(
                path,
                number,
                format!("no heading for the link `{target}`"),
            ));
        }
    }
    findings
}

/// Targets of links into the repository with their line numbers; not those in code.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut links = Vec::new();
    for (number, line) in prose(text) {
        let line = without_code(line);
        let inline = line
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next());
        let definition = line
            .strip_prefix('[')
            .and_then(|rest| rest.split_once("]: "))
            .map(|(_, target)| target);
        for target in inline.chain(definition) {
            let target = target.split_whitespace().next().unwrap_or_default();
            let target = target.trim_start_matches('<').trim_end_matches('>');
            let is_outside = target.contains("://") || target.starts_with("mailto:");
            if !target.is_empty() && !is_outside {
                links.push((number, target.to_owned()));
            }
        }
    }
    links
}

/// Lines outside fenced code, with their numbers.
fn prose(text: &str) -> Vec<(usize, &str)> {
    let mut lines = Vec::new();
    let mut fence: Option<&str> = None;
    for (number, line) in (1..).zip(text.lines()) {
        let mark = ["```", "~~~"]
            .into_iter()
            .find(|mark| line.trim_start().starts_with(mark));
        match (fence, mark) {
            (None, None) => lines.push((number, line)),
            (None, Some(mark)) => fence = Some(mark),
            (Some(open), Some(mark)) if open == mark => fence = None,
            (Some(_), _) => {}
        }
    }
    lines
}

/// The line without what stands between backticks.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("`")
}

fn has_anchor(page: &Path, anchor: &str) -> bool {
    let Ok(text) = fs::read_to_string(page) else {
        return false;
    };
    let headings = prose(&text).into_iter().filter_map(|(_, line)| {
        let title = line.trim_start_matches('#');
        (title.len() < line.len() && title.starts_with(' ')).then(|| slug(title))
    });
    headings.into_iter().any(|own| own == anchor)
}

/// A heading as the anchor that web sites make of it.
fn slug(title: &str) -> String {
    let kept = title
        .trim()
        .chars()
        .filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
    kept.map(|letter| if letter == ' ' { '-' } else { letter })
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_read_with_their_lines() {
        let text =
            "# A\n[b](b.md) and [c](docs/c.md#d \"title\")\n\n[e]: f.md\n[g](https://h.example/)\n";
        let expected = [(2, "b.md"), (2, "docs/c.md#d"), (4, "f.md")];
        assert_eq!(
            links(text),
            expected.map(|(number, target)| (number, target.to_owned()))
        );
    }

    #[test]
    fn code_has_no_links() {
        assert!(links("`[a](b.md)`\n```rust\nx[a](b)\n```\n~~~\n[a](b.md)\n~~~\n").is_empty());
    }

    #[test]
    fn broken_links_are_found() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("docs")).unwrap();
        let page = "# Good, `Sub` heading\n[a](#good-sub-heading) [b](#bad) [c](../README.md) [d](gone.md)\n";
        fs::write(folder.path().join("docs/a.md"), page).unwrap();
        fs::write(folder.path().join("README.md"), "").unwrap();
        let findings = broken_links(folder.path(), "docs/a.md");
        let problems: Vec<&str> = findings
            .iter()
            .map(|finding| finding.problem.as_str())
            .collect();
        assert_eq!(
            problems,
            [
                "no heading for the link `#bad`",
                "no file for the link `gone.md`"
            ]
        );
    }
}
