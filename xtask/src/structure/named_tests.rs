//! Tests that pages name: each has to exist.

use std::fs;
use std::path::{Path, PathBuf};

use super::Finding;

/// Pages whose names of the form `crate::module::function` are tests.
const PAGES: [&str; 1] = ["docs/design/client.md"];

/// Names of tests that are none.
pub(super) fn missing(root: &Path) -> Vec<Finding> {
    PAGES
        .iter()
        .flat_map(|page| match fs::read_to_string(root.join(page)) {
            Ok(text) => missing_in(root, page, &text),
            Err(error) => vec![Finding::of(page, error.to_string())],
        })
        .collect()
}

fn missing_in(root: &Path, page: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        for name in line.split('`').skip(1).step_by(2) {
            if let Some((package, path)) = named(name)
                && !exists(root, package, &path)
            {
                let problem = format!("there is no test `{name}`");
                findings.push(Finding::at(page, number, problem));
            }
        }
    }
    findings
}

/// The package and what stands behind it, if `name` names a test.
fn named(name: &str) -> Option<(&str, Vec<&str>)> {
    let (package, path) = name.split_once("::")?;
    // A module alone is none.
    let path: Vec<&str> = path.split("::").collect();
    (package.starts_with("mqtt-") && path.len() > 1).then_some((package, path))
}

fn exists(root: &Path, package: &str, path: &[&str]) -> bool {
    let Some((function, modules)) = path.split_last() else {
        return false;
    };
    let mut file = root.join("crates").join(package).join("tests/it");
    file.extend(modules);
    let files: [PathBuf; 2] = [file.with_extension("rs"), file.join("mod.rs")];
    let texts = files
        .iter()
        .filter_map(|file| fs::read_to_string(file).ok());
    texts.into_iter().any(|text| has_test(&text, function))
}

/// Whether `function` stands below an attribute that makes it a test.
fn has_test(text: &str, function: &str) -> bool {
    let mut is_test = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[") {
            is_test |= line.contains("test");
            continue;
        }
        let name = line.trim_start_matches("async ").strip_prefix("fn ");
        let name = name
            .and_then(|rest| rest.split_once('('))
            .map(|(name, _)| name);
        if is_test && name == Some(function) {
            return true;
        }
        is_test = false;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_has_an_attribute() {
        let text = "#[tokio::test]\nasync fn a() {}\nfn b() {}\n#[test]\n#[cfg(unix)]\nfn c() {}";
        assert!(has_test(text, "a"));
        assert!(!has_test(text, "b"));
        assert!(has_test(text, "c"));
        assert!(!has_test(text, "d"));
    }

    #[test]
    fn names_of_tests_are_told_from_others() {
        assert!(named("mqtt-client::closing::a").is_some());
        assert!(named("mqtt-testkit::faults").is_none());
        assert!(named("Client::builder").is_none());
    }

    #[test]
    fn a_name_without_its_test_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let tests = folder.path().join("crates/mqtt-a/tests/it/b");
        fs::create_dir_all(&tests).unwrap();
        fs::write(tests.join("c.rs"), "#[test]\nfn there() {}").unwrap();
        let text = "a\n`mqtt-a::b::c::there`, `mqtt-a::b::c::gone` and `x`";
        assert_eq!(
            missing_in(folder.path(), "page.md", text),
            [Finding::at(
                "page.md",
                2,
                "there is no test `mqtt-a::b::c::gone`"
            )]
        );
    }
}
