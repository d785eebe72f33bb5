//! Runs the fuzz targets, or only compiles them.

use std::process::ExitCode;

use crate::report::{Outcome, Report, say};
use crate::shell::{Command, find_program};
use crate::workspace::Workspace;

/// How long `--smoke` gives each target. Unit: seconds.
const SMOKE_S: u32 = 60;

/// What to fuzz and how long.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// One minute for each target
    #[arg(long)]
    smoke: bool,
    /// The only target to run
    target: Option<String>,
}

/// Runs one target, or all in turn.
///
/// # Errors
/// When the nightly toolchain or cargo-fuzz is missing, or there is no such target.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<ExitCode, String> {
    let targets = targets(workspace)?;
    let chosen: Vec<String> = match &options.target {
        Some(target) if targets.contains(target) => vec![target.clone()],
        Some(target) => {
            return Err(format!(
                "no fuzz target {target}; there are {}",
                targets.join(", ")
            ));
        }
        None => targets,
    };
    if !options.smoke && chosen.len() > 1 {
        say("each target runs until it fails or is stopped; --smoke gives each a minute");
    }
    let mut report = Report::new(workspace.target_dir("xtask")?.join("logs"));
    for target in &chosen {
        report.step(&format!("fuzz {target}"), || {
            run_target(workspace, options, target)
        });
    }
    Ok(report.finish())
}

/// Compiles the targets with the stable toolchain, without the fuzzing engine.
pub(crate) fn check(workspace: &Workspace) -> Outcome {
    let manifest = workspace.root.join("fuzz/Cargo.toml");
    if !manifest.exists() {
        return Outcome::failed("fuzz/Cargo.toml is missing");
    }
    let target = match workspace.target_dir("fuzz-check") {
        Ok(target) => target,
        Err(error) => return Outcome::failed(error),
    };
    let engine = target.join("libengine.a");
    let mut command = crate::workspace::cargo(&workspace.root)
        .args(["check", "--bins", "--manifest-path"])
        .arg(&manifest);
    if workspace.root.join("fuzz/Cargo.lock").exists() {
        command = command.arg("--locked");
    }
    // A path in this variable spares the build of the engine, which needs a C++ compiler.
    let command = command
        .env("CUSTOM_LIBFUZZER_PATH", engine)
        .env("CARGO_TARGET_DIR", target);
    Outcome::of_program(command.capture())
}

fn run_target(workspace: &Workspace, options: &Options, target: &str) -> Outcome {
    let mut command = nightly(workspace).args(["run", target]);
    if options.smoke {
        command = command.args(["--", &format!("-max_total_time={SMOKE_S}")]);
        return Outcome::of_program(command.capture());
    }
    match command.show() {
        Ok(()) => Outcome::passed(),
        Err(error) => Outcome::failed(error),
    }
}

fn targets(workspace: &Workspace) -> Result<Vec<String>, String> {
    if find_program("rustup").is_none() {
        return Err("fuzzing needs rustup, which runs the nightly toolchain".to_owned());
    }
    let toolchain = Command::new("rustup")
        .args(["run", "nightly", "rustc", "--version"])
        .capture()?;
    if !toolchain.success {
        return Err(
            "fuzzing needs the nightly toolchain: rustup toolchain install nightly".to_owned(),
        );
    }
    if find_program("cargo-fuzz").is_none() {
        return Err("fuzzing needs cargo-fuzz: cargo install cargo-fuzz".to_owned());
    }
    let list = nightly(workspace).arg("list").read()?;
    Ok(list
        .lines()
        .map(|line| line.trim().to_owned())
        .filter(|line| !line.is_empty())
        .collect())
}

fn nightly(workspace: &Workspace) -> Command {
    Command::new("rustup")
        .args(["run", "nightly", "cargo", "fuzz"])
        .current_dir(&workspace.root)
}
