//! `cargo xtask`: builds, tests, checks and packages this workspace; see `docs/development.md`.

#![forbid(unsafe_code)]

mod bench;
mod bench_broker;
mod bench_client;
mod bench_generator;
mod bench_reconnect;
mod bench_restart;
mod cli_help;
mod configuration;
mod disk;
mod dist;
mod fuzz;
mod interop;
mod libtest;
mod metadata;
mod outside;
mod packages;
mod report;
mod shell;
mod simulation;
mod soak;
mod spec;
mod steps;
mod structure;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use report::say;
use workspace::Workspace;

#[derive(Parser)]
#[command(
    name = "xtask",
    bin_name = "cargo xtask",
    about = "Builds, tests, checks and packages this workspace"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build the `mqtt` binary with the release profile
    Build,
    /// Build the stripped binary, its checksums, the Debian package, and lint what is packaged
    Dist,
    /// Run every check and every test; the last line counts them
    Test(steps::Options),
    /// The same as `test`
    Ci(steps::Options),
    /// Fuzz one target until stopped, or every target in turn
    Fuzz(fuzz::Options),
    /// Run the benchmarks
    Bench(bench::Options),
    /// Compare the tests' `Covers:` lines with the tables of statements and write the coverage page
    Spec {
        /// Change nothing: fail where the page is out of date
        #[arg(long, conflicts_with = "audit")]
        check: bool,
        /// Break so many lines that cite a statement, one at a time in a scratch copy, and fail where no test notices
        #[arg(long, value_name = "N")]
        audit: Option<usize>,
        /// Pick the same lines as the run that printed this
        #[arg(long, requires = "audit")]
        seed: Option<u64>,
    },
    /// Write the table of keys into `docs/configuration.md`
    Config {
        /// Change nothing: fail where the page is out of date
        #[arg(long)]
        check: bool,
    },
    /// Write what `mqtt help` prints into `docs/cli-help.md`
    Cli {
        /// Change nothing: fail where the page is out of date
        #[arg(long)]
        check: bool,
    },
    /// Run only the tests against other implementations
    Interop(interop::Options),
    /// Let many clients come and go against the release build, and account for every message
    Soak(soak::Options),
}

fn main() -> ExitCode {
    let result = Workspace::open().and_then(|workspace| run(&workspace, Arguments::parse()));
    match result {
        Ok(code) => code,
        Err(error) => {
            say(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run(workspace: &Workspace, arguments: Arguments) -> Result<ExitCode, String> {
    match arguments.command {
        Command::Build => dist::build(workspace).map(|()| ExitCode::SUCCESS),
        Command::Dist => dist::run(workspace),
        Command::Test(options) | Command::Ci(options) => steps::run(workspace, &options),
        Command::Fuzz(options) => fuzz::run(workspace, &options),
        Command::Bench(options) => bench::run(workspace, &options),
        Command::Spec {
            audit: Some(count),
            seed,
            ..
        } => spec::audit(workspace, count, seed.unwrap_or_else(any_seed)),
        Command::Spec { check, .. } => steps::spec(workspace, check),
        Command::Config { check } => {
            say(&configuration::run(workspace, check)?);
            Ok(ExitCode::SUCCESS)
        }
        Command::Cli { check } => {
            say(&cli_help::run(workspace, check)?);
            Ok(ExitCode::SUCCESS)
        }
        Command::Interop(options) => interop::run(workspace, options),
        Command::Soak(options) => soak::run(workspace, &options, any_seed()),
    }
}

/// A seed of this moment.
fn any_seed() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| u64::from(since.subsec_nanos()))
}
