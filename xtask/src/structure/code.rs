//! Rules on the text of Rust files.

use std::path::Path;

use super::source::Source;
use super::{Finding, relative};
use crate::metadata::Metadata;

/// Lines of a file that has not said why it is longer.
const LINES_MAX: usize = 600;

/// The files in which a 3.1.1/5 difference is a `match`.
const VERSION_FILES: [&str; 2] = [
    "crates/mqtt-codec/src/version.rs",
    "crates/mqtt-session/src/negotiated.rs",
];

/// Folders of the broker that are plain data structures and state machines.
const CORE_FOLDERS: [&str; 2] = [
    "crates/mqtt-broker/src/core",
    "crates/mqtt-broker/src/handler",
];

/// The only file that knows how bytes are parsed, and the one with slow readers to compare it with.
const READ_FILES: [&str; 2] = [
    "crates/mqtt-codec/src/read.rs",
    "crates/mqtt-testkit/src/reference/read.rs",
];

/// A version named outside the two files, tests, and lines that give a reason with `// version:`.
pub(super) fn version_matches(source: &Source) -> Vec<Finding> {
    if VERSION_FILES.contains(&source.path.as_str()) {
        return Vec::new();
    }
    let lines = source
        .numbered()
        .filter(|(_, line)| !line.is_test && !has_reason(&line.comment));
    lines
        .filter(|(_, line)| names_version(&line.code))
        .map(|(number, _)| Finding::at(&source.path, number, "a protocol version is named; ask `ProtocolVersion` or `Negotiated`, or end the line with `// version: <reason>`"))
        .collect()
}

/// `tokio` in the broker's core or handlers.
pub(super) fn tokio_in_core(source: &Source) -> Vec<Finding> {
    if !CORE_FOLDERS
        .iter()
        .any(|folder| source.path.starts_with(folder))
    {
        return Vec::new();
    }
    let found = source
        .numbered()
        .filter(|(_, line)| has_word(&line.code, "tokio"));
    found
        .map(|(number, _)| Finding::at(&source.path, number, "`tokio` is named"))
        .collect()
}

/// `nom` outside the two files named `read.rs`.
pub(super) fn nom_outside_read(source: &Source) -> Vec<Finding> {
    if READ_FILES.contains(&source.path.as_str()) || !source.path.starts_with("crates/") {
        return Vec::new();
    }
    let found = source
        .numbered()
        .filter(|(_, line)| has_word(&line.code, "nom"));
    found
        .map(|(number, _)| Finding::at(&source.path, number, "`nom` is named"))
        .collect()
}

/// A file whose first line is not a `//!`.
pub(super) fn missing_head(source: &Source) -> Vec<Finding> {
    let has_head = source.lines.first().is_some_and(|line| {
        line.code.is_empty()
            && line
                .comment
                .strip_prefix("//!")
                .is_some_and(|text| !text.trim().is_empty())
    });
    if has_head {
        Vec::new()
    } else {
        vec![Finding::at(
            &source.path,
            1,
            "the first line is no `//!` line",
        )]
    }
}

/// Unfinished code and notes about it.
pub(super) fn left_for_later(source: &Source) -> Vec<Finding> {
    let is_left = |code: &str, comment: &str| {
        let macros = ["todo!", "unimplemented!"]
            .iter()
            .any(|name| code.contains(name));
        let notes = ["FIXME", "TODO", "XXX"]
            .iter()
            .any(|note| has_word(comment, note));
        macros || notes
    };
    let found = source
        .numbered()
        .filter(|(_, line)| is_left(&line.code, &line.comment));
    found
        .map(|(number, _)| Finding::at(&source.path, number, "something is left for later"))
        .collect()
}

/// Tests that are switched off.
pub(super) fn ignored_tests(source: &Source) -> Vec<Finding> {
    let found = source
        .numbered()
        .filter(|(_, line)| line.code.contains("#[ignore"));
    found
        .map(|(number, _)| Finding::at(&source.path, number, "a test is ignored"))
        .collect()
}

/// Files past the limit without a `// Size:` line.
pub(super) fn long_files(source: &Source) -> Vec<Finding> {
    let says_why = source
        .lines
        .iter()
        .any(|line| line.comment.starts_with("// Size:"));
    let len = source.lines.len();
    if len <= LINES_MAX || says_why {
        return Vec::new();
    }
    vec![Finding::of(
        &source.path,
        format!("{len} lines and no `// Size:` line with the reason"),
    )]
}

/// First files of published crates that do not forbid unsafe code.
pub(super) fn unsafe_allowed(root: &Path, metadata: &Metadata, sources: &[Source]) -> Vec<Finding> {
    let published = metadata.published().flat_map(|package| &package.targets);
    let firsts = published.filter(|target| target.is("lib") || target.is("bin"));
    let paths = firsts.map(|target| relative(root, &target.src_path));
    paths
        .filter(|path| {
            !sources
                .iter()
                .any(|source| source.path == *path && forbids_unsafe(source))
        })
        .map(|path| Finding::of(&path, "`#![forbid(unsafe_code)]` is missing"))
        .collect()
}

fn forbids_unsafe(source: &Source) -> bool {
    source
        .lines
        .iter()
        .any(|line| line.code.trim() == "#![forbid(unsafe_code)]")
}

fn has_reason(comment: &str) -> bool {
    comment
        .strip_prefix("// version:")
        .is_some_and(|reason| !reason.trim().is_empty())
}

fn names_version(code: &str) -> bool {
    code.contains("ProtocolVersion::V")
        || code.contains("ProtocolVersion::*")
        || code.contains("ProtocolVersion::{")
}

fn has_word(text: &str, word: &str) -> bool {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .any(|own| own == word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::{Package, Target};

    fn source(path: &str, text: &str) -> Source {
        Source::parse(path, text)
    }

    fn lines(findings: &[Finding]) -> Vec<usize> {
        findings.iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn a_version_outside_its_files_is_found() {
        let text = "//! A.\nlet a = ProtocolVersion::V5;\n/// ProtocolVersion::V5\nlet b = \"ProtocolVersion::V5\";";
        assert_eq!(
            lines(&version_matches(&source(
                "crates/mqtt-client/src/a.rs",
                text
            ))),
            [2]
        );
        assert!(version_matches(&source("crates/mqtt-codec/src/version.rs", text)).is_empty());
        assert!(version_matches(&source("crates/mqtt-client/tests/it/a.rs", text)).is_empty());
    }

    #[test]
    fn a_version_with_a_reason_is_allowed() {
        let path = "crates/mqtt-client/src/a.rs";
        let with = "ProtocolVersion::V5 // version: the default of a new client";
        assert!(version_matches(&source(path, with)).is_empty());
        assert_eq!(
            lines(&version_matches(&source(
                path,
                "ProtocolVersion::V5 // version:"
            ))),
            [1]
        );
    }

    #[test]
    fn a_version_in_a_test_module_is_allowed() {
        let text = "#[cfg(test)]\nmod tests {\n    use ProtocolVersion::V5;\n}\nuse ProtocolVersion::{V31, V5};";
        assert_eq!(
            lines(&version_matches(&source(
                "crates/mqtt-client/src/a.rs",
                text
            ))),
            [5]
        );
    }

    #[test]
    fn tokio_in_the_core_is_found() {
        let text = "// tokio\nuse tokio::sync;\nuse my_tokio;";
        assert_eq!(
            lines(&tokio_in_core(&source(
                "crates/mqtt-broker/src/core/a.rs",
                text
            ))),
            [2]
        );
        assert_eq!(
            lines(&tokio_in_core(&source(
                "crates/mqtt-broker/src/handler.rs",
                text
            ))),
            [2]
        );
        assert!(tokio_in_core(&source("crates/mqtt-broker/src/net/a.rs", text)).is_empty());
    }

    #[test]
    fn nom_outside_its_file_is_found() {
        assert_eq!(
            lines(&nom_outside_read(&source(
                "crates/mqtt-codec/src/a.rs",
                "use nom::IResult;"
            ))),
            [1]
        );
        assert!(
            nom_outside_read(&source(
                "crates/mqtt-codec/src/read.rs",
                "use nom::IResult;"
            ))
            .is_empty()
        );
    }

    #[test]
    fn a_file_without_head_is_found() {
        assert_eq!(lines(&missing_head(&source("a.rs", "fn a() {}"))), [1]);
        assert_eq!(lines(&missing_head(&source("a.rs", "//!\n//! A."))), [1]);
        assert!(missing_head(&source("a.rs", "//! A.\nfn a() {}")).is_empty());
    }

    #[test]
    fn unfinished_work_is_found() {
        let text = "//! A.\nfn a() { todo!() }\nfn b() { unimplemented!() }\n// FIXME later\nlet c = \"todo!\";\n// TODO(me)";
        assert_eq!(lines(&left_for_later(&source("a.rs", text))), [2, 3, 4, 6]);
    }

    #[test]
    fn an_ignored_test_is_found() {
        let text = "#[test]\n#[ignore = \"slow\"]\nfn a() {}\n// #[ignore]";
        assert_eq!(
            lines(&ignored_tests(&source("crates/a/tests/it/a.rs", text))),
            [2]
        );
    }

    #[test]
    fn a_long_file_without_reason_is_found() {
        let long = "//! A.\n".repeat(LINES_MAX + 1);
        assert_eq!(long_files(&source("a.rs", &long)).len(), 1);
        assert!(long_files(&source("a.rs", &format!("{long}// Size: one table"))).is_empty());
        assert!(long_files(&source("a.rs", &"//! A.\n".repeat(LINES_MAX))).is_empty());
    }

    #[test]
    fn a_published_crate_that_allows_unsafe_code_is_found() {
        let target = Target {
            name: "a".to_owned(),
            kind: vec!["lib".to_owned()],
            src_path: "/r/a/src/lib.rs".into(),
        };
        let package = Package {
            id: "a".to_owned(),
            targets: vec![target],
            ..Package::default()
        };
        let mut metadata = Metadata {
            packages: vec![package],
            ..Metadata::default()
        };
        metadata.workspace_members.insert("a".to_owned());
        let with = [source("a/src/lib.rs", "//! A.\n#![forbid(unsafe_code)]")];
        let without = [source("a/src/lib.rs", "//! A.\n// #![forbid(unsafe_code)]")];
        assert!(unsafe_allowed(Path::new("/r"), &metadata, &with).is_empty());
        assert_eq!(
            unsafe_allowed(Path::new("/r"), &metadata, &without).len(),
            1
        );
    }
}
