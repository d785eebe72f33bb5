//! Rules on the shape of the workspace that neither the compiler nor clippy checks.

mod code;
mod crates;
mod layout;
mod licences;
mod markdown;
mod named_tests;
mod source;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use crate::report::{Counts, Outcome};
use crate::workspace::Workspace;
use source::Source;

/// A place that breaks a rule.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Finding {
    /// File or package.
    place: String,
    /// Line in the file, counted from 1; 0 when the whole of it is meant.
    line: usize,
    /// What is wrong.
    problem: String,
}

/// One rule and what breaks it.
struct Checked {
    rule: &'static str,
    findings: Vec<Finding>,
}

/// Checks every rule; each counts as one test.
pub(crate) fn run(workspace: &Workspace) -> Outcome {
    let sources = match sources(&workspace.root) {
        Ok(sources) => sources,
        Err(error) => return Outcome::failed(error),
    };
    let mut checked = code_rules(&sources);
    checked.extend(workspace_rules(workspace, &sources));
    let mut outcome = Outcome::default();
    for Checked { rule, findings } in checked {
        let failed = usize::from(!findings.is_empty());
        outcome.counts += Counts {
            passed: 1 - failed,
            failed,
            skipped: 0,
        };
        outcome.notes.extend(
            findings
                .iter()
                .map(|finding| format!("{finding}; rule: {rule}")),
        );
    }
    outcome
}

/// Checks the links of README.md, of `docs` and of the crates' own pages.
pub(crate) fn links(workspace: &Workspace) -> Outcome {
    let mut pages = Vec::new();
    if let Err(error) = files_below(&workspace.root, &workspace.root, "md", &mut pages) {
        return Outcome::failed(error);
    }
    let mut outcome = Outcome::default();
    for page in pages {
        let findings = markdown::broken_links(&workspace.root, &page);
        let failed = usize::from(!findings.is_empty());
        outcome.counts += Counts {
            passed: 1 - failed,
            failed,
            skipped: 0,
        };
        outcome
            .notes
            .extend(findings.iter().map(ToString::to_string));
    }
    outcome
}

fn code_rules(sources: &[Source]) -> Vec<Checked> {
    let checked = |rule, check: fn(&Source) -> Vec<Finding>| Checked {
        rule,
        findings: sources.iter().flat_map(check).collect(),
    };
    vec![
        checked(
            "a protocol version is asked for in two files only",
            code::version_matches,
        ),
        checked("tokio stays out of the broker's core", code::tokio_in_core),
        checked(
            "nom is named in the two read.rs only",
            code::nom_outside_read,
        ),
        checked(
            "a file begins with a line that says what it is",
            code::missing_head,
        ),
        checked("nothing is left for later", code::left_for_later),
        checked("no test is ignored", code::ignored_tests),
        checked("a long file says why", code::long_files),
    ]
}

fn workspace_rules(workspace: &Workspace, sources: &[Source]) -> Vec<Checked> {
    let metadata = &workspace.metadata;
    vec![
        Checked {
            rule: "dependencies point down only",
            findings: crates::forbidden_edges(metadata),
        },
        Checked {
            rule: "codec and session have no runtime",
            findings: crates::runtime_below(metadata),
        },
        Checked {
            rule: "the declared Rust builds everything",
            findings: crates::rust_versions(metadata),
        },
        Checked {
            rule: "one test binary per crate",
            findings: crates::test_binaries(metadata),
        },
        Checked {
            rule: "published crates forbid unsafe code",
            findings: code::unsafe_allowed(&workspace.root, metadata, sources),
        },
        Checked {
            rule: "licences are on the list",
            findings: licences::unlisted(&workspace.root, metadata),
        },
        Checked {
            rule: "a test that a page names exists",
            findings: named_tests::missing(&workspace.root),
        },
        Checked {
            rule: "the top folder holds only what belongs there",
            findings: layout::strangers(&workspace.root),
        },
    ]
}

/// Every Rust file of ours, parsed.
fn sources(root: &Path) -> Result<Vec<Source>, String> {
    let mut paths = Vec::new();
    for folder in ["crates", "xtask", "fuzz"] {
        files_below(root, &root.join(folder), "rs", &mut paths)?;
    }
    paths
        .into_iter()
        .map(|path| read_source(root, path))
        .collect()
}

fn read_source(root: &Path, path: String) -> Result<Source, String> {
    let text = fs::read_to_string(root.join(&path)).map_err(|error| format!("{path}: {error}"))?;
    Ok(Source::parse(&path, &text))
}

/// Paths below `folder` with this extension, relative to `root`, with `/`, in order; not what is built or hidden.
fn files_below(
    root: &Path,
    folder: &Path,
    extension: &str,
    paths: &mut Vec<String>,
) -> Result<(), String> {
    let read = |error| format!("{}: {error}", folder.display());
    let mut entries: Vec<PathBuf> = Vec::new();
    if !folder.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(folder).map_err(read)? {
        entries.push(entry.map_err(read)?.path());
    }
    entries.sort();
    for path in entries {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.is_dir() {
            let is_ours = !name.starts_with('.')
                && !["target", "corpus", "artifacts", "node_modules"].contains(&&*name);
            if is_ours {
                files_below(root, &path, extension, paths)?;
            }
        } else if path.extension().is_some_and(|own| own == extension) {
            paths.push(relative(root, &path));
        }
    }
    Ok(())
}

/// `path` as seen from `root`, with `/`.
fn relative(root: &Path, path: &Path) -> String {
    let path = path.strip_prefix(root).unwrap_or(path);
    let parts: Vec<_> = path
        .components()
        .map(|part| part.as_os_str().to_string_lossy())
        .collect();
    parts.join("/")
}

impl Finding {
    fn at(place: &str, line: usize, problem: impl Into<String>) -> Self {
        Self {
            place: place.to_owned(),
            line,
            problem: problem.into(),
        }
    }

    fn of(place: &str, problem: impl Into<String>) -> Self {
        Self::at(place, 0, problem)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.place, self.problem),
            line => write!(f, "{}:{line}: {}", self.place, self.problem),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_point_at_a_line_or_a_whole_file() {
        assert_eq!(Finding::at("a.rs", 3, "wrong").to_string(), "a.rs:3: wrong");
        assert_eq!(Finding::of("a.rs", "wrong").to_string(), "a.rs: wrong");
    }

    #[test]
    fn built_and_hidden_folders_are_not_searched() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["src/a.rs", "target/b.rs", ".git/c.rs", "src/d.md"] {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let mut paths = Vec::new();
        files_below(folder.path(), folder.path(), "rs", &mut paths).unwrap();
        assert_eq!(paths, ["src/a.rs"]);
    }
}
