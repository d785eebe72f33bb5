//! The scratch copy, and tests run in it within a time.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{self, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::Test;
use crate::report::say;
use crate::workspace::{Workspace, cargo};

/// How long the tests of one binary may take; a broken line may make one wait for ever.
const TIME_MAX: Duration = Duration::from_secs(300);
/// Tests that may fail now and then in one binary.
const UNSTEADY_MAX: usize = 5;
const POLL: Duration = Duration::from_millis(50);
/// What is not copied.
const SKIPPED: [&str; 3] = ["target", ".git", "artifacts"];

/// A copy of the workspace to be broken.
pub(super) struct Scratch {
    root: PathBuf,
    target: PathBuf,
    log: PathBuf,
    /// Packages known to compile unbroken.
    sound: RefCell<BTreeSet<String>>,
}

/// What tests said of a change.
pub(super) enum Verdict {
    DoesNotCompile,
    /// This one noticed.
    Failed(String),
    Passed,
}

/// A line of cargo's messages about a test binary.
#[derive(Deserialize)]
struct Artifact {
    executable: Option<PathBuf>,
    profile: Option<Profile>,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

impl Scratch {
    /// Copies what has changed since the last time.
    pub(super) fn make(workspace: &Workspace) -> Result<Self, String> {
        let folder = workspace.target_dir("xtask")?.join("audit");
        let root = folder.join("tree");
        copy(&workspace.root, &root)?;
        Ok(Self {
            root,
            target: workspace.metadata.target_directory.clone(),
            log: folder.join("output"),
            sound: RefCell::default(),
        })
    }

    pub(super) fn read(&self, file: &str) -> Result<String, String> {
        let path = self.root.join(file);
        fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
    }

    pub(super) fn write(&self, file: &str, text: &str) -> Result<(), String> {
        let path = self.root.join(file);
        fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// That nothing is wrong with `package` before anything is broken.
    ///
    /// # Errors
    /// It does not compile.
    pub(super) fn check_as_it_is(&self, package: &str) -> Result<(), String> {
        if self.sound.borrow().contains(package) {
            return Ok(());
        }
        match self.build((package, false))? {
            None => Err(format!("{package} does not compile as it is")),
            Some(_) => {
                self.sound.borrow_mut().insert(package.to_owned());
                Ok(())
            }
        }
    }

    /// Builds and runs `tests` until one fails.
    pub(super) fn verdict(&self, tests: &[Test]) -> Result<Verdict, String> {
        let mut binaries: BTreeMap<(&str, bool), Vec<&str>> = BTreeMap::new();
        let mut order = Vec::new();
        for test in tests {
            let binary = (test.package.as_str(), test.is_integration);
            if !order.contains(&binary) {
                order.push(binary);
            }
            binaries.entry(binary).or_default().push(&test.function);
        }
        for binary in order {
            let Some(executable) = self.build(binary)? else {
                return Ok(Verdict::DoesNotCompile);
            };
            let functions = binaries.get(&binary).map(Vec::as_slice).unwrap_or_default();
            if let Some(test) = self.first_failure(&executable, binary.0, functions)? {
                return Ok(Verdict::Failed(format!("{} {test}", binary.0)));
            }
        }
        Ok(Verdict::Passed)
    }

    /// Builds and runs every test of `package` until one fails.
    pub(super) fn verdict_of_all(&self, package: &str) -> Result<Verdict, String> {
        let has_integration = self.root.join("crates").join(package).join("tests/it");
        let kinds = [Some(false), has_integration.is_dir().then_some(true)];
        for is_integration in kinds.into_iter().flatten() {
            let Some(executable) = self.build((package, is_integration))? else {
                return Ok(Verdict::DoesNotCompile);
            };
            if let Some(test) = self.first_failure(&executable, package, &[])? {
                return Ok(Verdict::Failed(format!(
                    "{package} {test}, which claims another one"
                )));
            }
        }
        Ok(Verdict::Passed)
    }

    /// The test binary; none when it does not compile.
    fn build(&self, (package, is_integration): (&str, bool)) -> Result<Option<PathBuf>, String> {
        let mut command = cargo(&self.root)
            .args([
                "test",
                "--no-run",
                "--all-features",
                "--message-format=json",
            ])
            .args(["--package", package])
            .env("CARGO_TARGET_DIR", &self.target);
        command = match is_integration {
            true => command.args(["--test", "it"]),
            false => command.arg("--lib"),
        };
        let output = command.capture()?;
        if !output.success {
            return Ok(None);
        }
        let artifacts = output
            .stdout
            .lines()
            .filter_map(|line| serde_json::from_str::<Artifact>(line).ok());
        let tests = artifacts.filter(|artifact| {
            artifact
                .profile
                .as_ref()
                .is_some_and(|profile| profile.test)
        });
        let mut found = tests.filter_map(|artifact| artifact.executable);
        let found = found.next_back();
        found
            .map(Some)
            .ok_or_else(|| format!("{package} has no such test binary"))
    }

    /// The first of `functions` that fails, and fails again alone; all of them count as failed when they do not end.
    ///
    /// A test that fails once for another reason than the broken line must not pass for one that notices it.
    fn first_failure(
        &self,
        executable: &Path,
        package: &str,
        functions: &[&str],
    ) -> Result<Option<String>, String> {
        let mut arguments: Vec<String> = functions.iter().map(|name| (*name).to_owned()).collect();
        for _ in 0..UNSTEADY_MAX {
            let Some(failed) = self.run(executable, package, &arguments)? else {
                return Ok(None);
            };
            let again = ["--exact".to_owned(), failed.clone()];
            if failed.starts_with('(') || self.run(executable, package, &again)?.is_some() {
                return Ok(Some(failed));
            }
            say(&format!(
                "{package} {failed} failed once and not again: left out"
            ));
            arguments.extend(["--skip".to_owned(), failed]);
        }
        Err(format!("{package}: too many tests that fail now and then"))
    }

    /// Runs the tests of a binary: the first that fails.
    fn run(
        &self,
        executable: &Path,
        package: &str,
        arguments: &[String],
    ) -> Result<Option<String>, String> {
        let failed = |error: std::io::Error| format!("{}: {error}", executable.display());
        let output = File::create(&self.log).map_err(failed)?;
        let mut child = process::Command::new(executable)
            .args(arguments)
            .current_dir(self.root.join("crates").join(package))
            .env("CARGO_MANIFEST_DIR", self.root.join("crates").join(package))
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let deadline = Instant::now() + TIME_MAX;
        let status = loop {
            if let Some(status) = child.try_wait().map_err(failed)? {
                break Some(status);
            }
            if Instant::now() > deadline {
                child.kill().map_err(failed)?;
                child.wait().map_err(failed)?;
                break None;
            }
            std::thread::sleep(POLL);
        };
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        Ok(match status {
            None => Some("(does not end)".to_owned()),
            Some(status) if status.success() => None,
            Some(_) => Some(first_failed(&text)),
        })
    }
}

/// The name in the first `test NAME ... FAILED` of a test binary's output.
fn first_failed(text: &str) -> String {
    let failed = text.lines().find_map(|line| {
        let rest = line.strip_prefix("test ")?;
        rest.strip_suffix(" ... FAILED")
    });
    failed.unwrap_or("(aborted)").to_owned()
}

/// Makes `to` what `from` is, touching only files that differ.
fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", from.display());
    fs::create_dir_all(to).map_err(failed)?;
    for entry in fs::read_dir(from).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        if SKIPPED.iter().any(|skipped| name == *skipped) {
            continue;
        }
        let (source, target) = (entry.path(), to.join(&name));
        // What is linked to is what is meant.
        if source.is_dir() {
            copy(&source, &target)?;
        } else {
            let bytes = fs::read(&source).map_err(failed)?;
            if fs::read(&target).ok().as_deref() != Some(&bytes) {
                fs::write(&target, bytes).map_err(failed)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failed_test_is_named() {
        let text =
            "running 2 tests\ntest a::b ... ok\ntest a::c ... FAILED\ntest a::d ... FAILED\n";
        assert_eq!(first_failed(text), "a::c");
        assert_eq!(first_failed("thread panicked"), "(aborted)");
    }
}
