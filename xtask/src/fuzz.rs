//! Runs the fuzz targets, or only compiles them.

mod progress;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;

use crate::report::{Outcome, Report, say};
use crate::shell::{Command, find_program};
use crate::workspace::Workspace;
use progress::Progress;

/// How long `--smoke` gives each target. Unit: seconds.
const SMOKE_S: u32 = 60;

/// An input that takes longer is a finding. Unit: seconds.
const INPUT_S: u32 = 10;

/// What to fuzz and how long.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// One minute for each target
    #[arg(long)]
    smoke: bool,
    /// So many seconds for each target
    #[arg(long, value_name = "N", conflicts_with = "smoke", value_parser = clap::value_parser!(u32).range(1..))]
    seconds: Option<u32>,
    /// Fuzzing processes at once [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    jobs: Option<u32>,
    /// The only targets to run
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
}

impl Options {
    /// How long each target runs; `None` until it is stopped. Unit: seconds.
    fn limit_s(&self) -> Option<u32> {
        if self.smoke {
            Some(SMOKE_S)
        } else {
            self.seconds
        }
    }

    fn jobs(&self) -> usize {
        let cores = || thread::available_parallelism().map_or(1, usize::from);
        self.jobs
            .and_then(|jobs| usize::try_from(jobs).ok())
            .unwrap_or_else(cores)
    }
}

/// Runs some targets, or all, in turn.
///
/// # Errors
/// When the nightly toolchain or cargo-fuzz is missing, or there is no such target.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<ExitCode, String> {
    let targets = chosen(targets(workspace)?, &options.targets)?;
    if options.limit_s().is_none() && targets.len() > 1 {
        say("each target runs until it fails or is stopped; --smoke gives each a minute");
    }
    let mut report = Report::new(workspace.target_dir("xtask")?.join("logs"));
    let mut built = false;
    report.step("fuzz build", || {
        let outcome = build(workspace);
        built = outcome.counts.failed == 0;
        outcome
    });
    if built {
        for target in &targets {
            report.step(&format!("fuzz {target}"), || {
                run_target(workspace, options, target)
            });
        }
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

/// Compiles every target with the engine and writes what they start from.
fn build(workspace: &Workspace) -> Outcome {
    let seeds = workspace
        .cargo(&["run", "--quiet", "--package", "mqtt-testkit"])
        .args(["--bin", "fuzz_seeds", "--"]);
    let folder = match workspace.target_dir("fuzz-seeds") {
        Ok(folder) => folder,
        Err(error) => return Outcome::failed(error),
    };
    let mut outcome = Outcome::of_program(seeds.arg(folder).capture());
    outcome.add(Outcome::of_program(
        nightly(workspace).arg("build").capture(),
    ));
    outcome
}

/// Starts from the corpus of earlier runs, which grows, from what our own encoder writes, and from
/// the inputs that tests replay.
fn run_target(workspace: &Workspace, options: &Options, target: &str) -> Outcome {
    let command = match command(workspace, options, target) {
        Ok(command) => command,
        Err(error) => return Outcome::failed(error),
    };
    if options.limit_s().is_none() {
        return match command.show() {
            Ok(()) => Outcome::passed(),
            Err(error) => Outcome::failed(error),
        };
    }
    match command.capture() {
        Ok(output) => {
            let note = Progress::last(&output.joined()).map_or_else(
                || "the engine did not say how far it came".to_owned(),
                |progress| progress.to_string(),
            );
            let mut outcome = Outcome::of_program(Ok(output));
            outcome.notes.push(note);
            outcome
        }
        Err(error) => Outcome::failed(error),
    }
}

fn command(workspace: &Workspace, options: &Options, target: &str) -> Result<Command, String> {
    let fuzz = workspace.root.join("fuzz");
    let corpus = fuzz.join("corpus").join(target);
    std::fs::create_dir_all(&corpus).map_err(|error| format!("{}: {error}", corpus.display()))?;
    let seeds = workspace.target_dir("fuzz-seeds")?.join(target);
    let mut command = nightly(workspace).args(["run", target]);
    for folder in [corpus, seeds].into_iter().chain(inputs(workspace, target)) {
        if folder.exists() {
            command = command.arg(folder);
        }
    }
    let mut dictionary = OsString::from("-dict=");
    dictionary.push(fuzz.join("mqtt.dict"));
    command = command
        .arg("--")
        .arg(dictionary)
        .arg(format!("-fork={}", options.jobs()))
        .arg(format!("-timeout={INPUT_S}"))
        // Processes of their own would otherwise go on after these.
        .args(["-ignore_timeouts=0", "-ignore_ooms=0"]);
    if let Some(limit_s) = options.limit_s() {
        command = command.arg(format!("-max_total_time={limit_s}"));
    }
    Ok(command)
}

/// Where a crate's tests may keep inputs of this target.
fn inputs(workspace: &Workspace, target: &str) -> impl Iterator<Item = PathBuf> {
    let crates = std::fs::read_dir(workspace.root.join("crates"));
    let folders = crates.into_iter().flatten().flatten();
    let inputs = Path::new("tests/it/inputs").join(target);
    folders.map(move |folder| folder.path().join(&inputs))
}

/// All targets, or those asked for, in the order asked for.
fn chosen(targets: Vec<String>, wanted: &[String]) -> Result<Vec<String>, String> {
    if wanted.is_empty() {
        return Ok(targets);
    }
    match wanted.iter().find(|target| !targets.contains(target)) {
        Some(target) => Err(format!(
            "no fuzz target {target}; there are {}",
            targets.join(", ")
        )),
        None => Ok(wanted.to_vec()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_target_is_an_error_that_lists_the_known_ones() {
        let known = || vec!["acks".to_owned(), "frame".to_owned()];
        assert_eq!(chosen(known(), &[]), Ok(known()));
        let frame = ["frame".to_owned()];
        assert_eq!(chosen(known(), &frame), Ok(frame.to_vec()));
        let error = chosen(known(), &["frames".to_owned()]).unwrap_err();
        assert_eq!(error, "no fuzz target frames; there are acks, frame");
    }
}
