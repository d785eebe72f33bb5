//! What may lie in the top folder.

use std::fs;
use std::path::Path;

use super::Finding;

/// Files and folders that belong there, beside hidden ones.
const ALLOWED: [&str; 9] = [
    "Cargo.toml",
    "Cargo.lock",
    "LICENSE",
    "README.md",
    "crates",
    "xtask",
    "fuzz",
    "docs",
    "target",
];

/// Everything else in the top folder.
pub(super) fn strangers(root: &Path) -> Vec<Finding> {
    let Ok(entries) = fs::read_dir(root) else {
        return vec![Finding::of("/", "cannot be read")];
    };
    let names = entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut strangers: Vec<String> = names
        .filter(|name| !name.starts_with('.') && !ALLOWED.contains(&name.as_str()))
        .collect();
    strangers.sort();
    strangers
        .iter()
        .map(|name| Finding::of(name, "does not belong in the top folder"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_is_found() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["Cargo.toml", ".gitignore", "notes.txt"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let findings = strangers(folder.path());
        assert_eq!(
            findings,
            [Finding::of(
                "notes.txt",
                "does not belong in the top folder"
            )]
        );
    }
}
