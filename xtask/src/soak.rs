//! `cargo xtask soak`: many clients that come and go against the `mqtt` program.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::report::Outcome;
use crate::shell::Command;
use crate::workspace::Workspace;

/// Clients and seconds of the step of `cargo xtask test`: enough to see that the tool works.
const STEP: Options = Options {
    minutes: 30,
    seconds: Some(4),
    clients: 40,
    rate: 400,
    seed: Some(0),
};

/// How large the run is.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// How long the clients come, go and publish
    #[arg(long, value_name = "N", default_value_t = 30)]
    minutes: u64,
    /// The same in seconds, for a look
    #[arg(long, value_name = "N", conflicts_with = "minutes")]
    seconds: Option<u64>,
    /// Clients at a time
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(10..=5000))]
    clients: u32,
    /// Messages published in a second by all of them together
    #[arg(long, value_name = "N", default_value_t = 400)]
    rate: u32,
    /// Do what the run with this seed did; another each time unless given
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
}

/// Runs it with release builds; `any_seed` is for when none is given.
///
/// # Errors
/// When something cannot be built, or the broker broke a rule.
pub(crate) fn run(
    workspace: &Workspace,
    options: &Options,
    any_seed: u64,
) -> Result<ExitCode, String> {
    let profile = ["--release"];
    let program = build(workspace, &profile, "release")?;
    soak(workspace, &profile, &program, options, any_seed).show()?;
    Ok(ExitCode::SUCCESS)
}

/// The step of `cargo xtask test`, with debug builds.
pub(crate) fn outcome(workspace: &Workspace) -> Outcome {
    let program = match build(workspace, &[], "debug") {
        Ok(program) => program,
        Err(error) => return Outcome::failed(error),
    };
    Outcome::of_program(soak(workspace, &[], &program, &STEP, 0).capture())
}

/// Builds the `mqtt` program; where it lies.
fn build(workspace: &Workspace, profile: &[&str], folder: &str) -> Result<PathBuf, String> {
    let command = workspace.cargo(&["build", "--quiet", "--package", "mqtt-cli", "--bin", "mqtt"]);
    command.args(profile).show()?;
    let name = format!("mqtt{}", std::env::consts::EXE_SUFFIX);
    Ok(workspace.metadata.target_directory.join(folder).join(name))
}

fn soak(
    workspace: &Workspace,
    profile: &[&str],
    program: &PathBuf,
    options: &Options,
    any_seed: u64,
) -> Command {
    let seconds = options.seconds.unwrap_or(options.minutes * 60);
    let words = [
        "run",
        "--quiet",
        "--package",
        "mqtt-testkit",
        "--bin",
        "soak",
    ];
    let numbers = [
        ("--seconds", seconds),
        ("--clients", u64::from(options.clients)),
        ("--rate", u64::from(options.rate)),
        ("--seed", options.seed.unwrap_or(any_seed)),
    ];
    let command = workspace.cargo(&words).args(profile);
    let command = command.args(["--", "--broker"]).arg(program);
    numbers.iter().fold(command, |command, (name, number)| {
        command.arg(name).arg(number.to_string())
    })
}
