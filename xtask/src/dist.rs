//! Builds what users download: the stripped binary, its checksums, a Debian package, a Dockerfile.

mod checksums;
mod debian;
mod dockerfile;
mod empty_root;
mod start;
mod unit;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::report::{Outcome, Report, say};
use crate::shell::{Command, find_program};
use crate::workspace::Workspace;

/// The package that has the binary.
const PACKAGE: &str = "mqtt-cli";

/// The binary.
const BINARY: &str = "mqtt";

/// Below this the released binary stays, in bytes.
const SIZE_MAX: u64 = 15_000_000;

/// Files that go beside the binary.
const PACKAGING: &str = "xtask/packaging";

/// `cargo xtask build`.
///
/// # Errors
/// When it does not compile.
pub(crate) fn build(workspace: &Workspace) -> Result<(), String> {
    workspace
        .cargo(&["build", "--release", "--package", PACKAGE])
        .show()?;
    say(&format!("{}", built(workspace, "release").display()));
    Ok(())
}

/// `cargo xtask dist`.
///
/// # Errors
/// When a folder below the target folder cannot be made.
pub(crate) fn run(workspace: &Workspace) -> Result<ExitCode, String> {
    let out = workspace.target_dir("dist")?;
    fs::remove_dir_all(&out)
        .and_then(|()| fs::create_dir(&out))
        .map_err(|error| format!("{}: {error}", out.display()))?;
    let mut report = Report::new(workspace.target_dir("xtask")?.join("logs"));
    let packaging = workspace.root.join(PACKAGING);
    let binary = out.join(BINARY);
    report.step("binary", || {
        from_result(stripped_binary(workspace, &binary))
    });
    report.step("size", || size(&binary));
    let root = workspace.target_dir("xtask")?.join("empty-root");
    report.step("empty root", || empty_root::check(&binary, &root));
    report.step("configuration", || configuration(workspace, &binary));
    report.step("debian package", || {
        debian_package(workspace, &binary, &out)
    });
    report.step("unit file", || {
        unit::check(&packaging.join(debian::UNIT), &binary)
    });
    report.step("dockerfile", || docker_folder(workspace, &out));
    report.step("checksums", || from_result(checksums::write(&out)));
    say(&format!("in {}", out.display()));
    Ok(report.finish())
}

/// What `cargo xtask test` checks of the packaging: the same files, around a binary built for tests.
pub(crate) fn check(workspace: &Workspace) -> Outcome {
    let built = workspace.cargo(&["build", "--package", PACKAGE]).capture();
    let mut outcome = Outcome::of_program(built);
    if outcome.counts.failed > 0 {
        return outcome;
    }
    let out = match workspace.target_dir("xtask") {
        Ok(folder) => folder.join("packaging"),
        Err(error) => return Outcome::failed(error),
    };
    if let Err(error) = fs::create_dir_all(&out) {
        return Outcome::failed(format!("{}: {error}", out.display()));
    }
    let binary = self::built(workspace, "debug");
    outcome.add(configuration(workspace, &binary));
    outcome.add(debian_package(workspace, &binary, &out));
    outcome.add(unit::check(
        &workspace.root.join(PACKAGING).join(debian::UNIT),
        &binary,
    ));
    outcome.add(dockerfile::check(&workspace.root.join(PACKAGING)));
    outcome
}

/// What `cargo xtask test` checks of the binary as it is released: its size, and what it needs.
pub(crate) fn released(workspace: &Workspace) -> Outcome {
    let command = workspace.cargo(&["build", "--release", "--package", PACKAGE]);
    let mut outcome = Outcome::of_program(command.capture());
    if outcome.counts.failed > 0 {
        return outcome;
    }
    let binary = built(workspace, "release");
    outcome.add(size(&binary));
    match workspace.target_dir("xtask") {
        Ok(folder) => outcome.add(empty_root::check(&binary, &folder.join("empty-root"))),
        Err(error) => outcome.add(Outcome::failed(error)),
    }
    outcome
}

fn size(binary: &Path) -> Outcome {
    let size = match fs::metadata(binary) {
        Ok(metadata) => metadata.len(),
        Err(error) => return Outcome::failed(format!("{}: {error}", binary.display())),
    };
    let note = format!("{size} bytes, may be {SIZE_MAX}");
    match size < SIZE_MAX {
        true => Outcome {
            notes: vec![note],
            ..Outcome::passed()
        },
        false => Outcome::failed(note),
    }
}

fn stripped_binary(workspace: &Workspace, binary: &Path) -> Result<(), String> {
    let build = workspace.cargo(&["build", "--release", "--package", PACKAGE]);
    build.show()?;
    copy(&built(workspace, "release"), binary)?;
    let version = Command::new(binary).arg("--version").read()?;
    say(version.trim());
    Ok(())
}

/// Whether the broker takes the configuration that is packaged with it.
fn configuration(workspace: &Workspace, binary: &Path) -> Outcome {
    let config = workspace.root.join(PACKAGING).join(debian::CONFIG);
    let data_dir = workspace
        .target_dir("xtask")
        .map(|folder| folder.join("data"));
    from_result(data_dir.and_then(|data_dir| start::check(binary, &config, &data_dir)))
}

fn debian_package(workspace: &Workspace, binary: &Path, out: &Path) -> Outcome {
    if find_program("dpkg-deb").is_none() {
        return Outcome::skipped("skipped: the Debian package: dpkg-deb is not installed");
    }
    let Some(package) = workspace
        .metadata
        .members()
        .find(|package| package.name == PACKAGE)
    else {
        return Outcome::failed(format!("no package {PACKAGE}"));
    };
    debian::build(workspace, &package.version, binary, out).unwrap_or_else(Outcome::failed)
}

/// Puts the Dockerfile and what it copies beside the binary, and checks it.
fn docker_folder(workspace: &Workspace, out: &Path) -> Outcome {
    let packaging = workspace.root.join(PACKAGING);
    for name in ["Dockerfile", debian::CONFIG] {
        if let Err(error) = copy(&packaging.join(name), &out.join(name)) {
            return Outcome::failed(error);
        }
    }
    let mut outcome = dockerfile::check(out);
    outcome.add(dockerfile::lint(workspace, &out.join("Dockerfile")));
    outcome
}

fn built(workspace: &Workspace, profile: &str) -> PathBuf {
    let file = format!("{BINARY}{}", std::env::consts::EXE_SUFFIX);
    workspace.metadata.target_directory.join(profile).join(file)
}

fn from_result(result: Result<(), String>) -> Outcome {
    match result {
        Ok(()) => Outcome::passed(),
        Err(error) => Outcome::failed(error),
    }
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    fs::copy(from, to)
        .map(|_| ())
        .map_err(|error| format!("{}: {error}", from.display()))
}
