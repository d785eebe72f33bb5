//! `cargo xtask bench`: criterion's benchmarks, brokers under load, or clients.

use std::collections::BTreeSet;
use std::process::ExitCode;

use crate::report::say;
use crate::workspace::Workspace;
use crate::{bench_broker, bench_client, bench_generator, bench_reconnect, bench_restart};

/// What to measure.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Options {
    #[command(subcommand)]
    suite: Option<Suite>,
    /// Arguments for criterion, such as a part of a name or `--save-baseline NAME`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

#[derive(clap::Subcommand)]
enum Suite {
    /// Measure our broker under load, beside others
    #[command(disable_help_flag = true)]
    Broker {
        /// Arguments of the measurement; `--help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Measure how soon our broker serves again what it has kept
    #[command(disable_help_flag = true)]
    Restart {
        /// Arguments of the measurement; `--help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Measure how soon clients with argon2id passwords are back when all their connections were cut
    #[command(disable_help_flag = true)]
    Reconnect {
        /// Arguments of the measurement; `--help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Measure `mqtt bench` itself, beside a broker and a capture
    #[command(disable_help_flag = true)]
    Generator {
        /// Arguments of the measurement; `--help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Measure our client, beside others and a bare socket
    #[command(disable_help_flag = true)]
    Client {
        /// Arguments of the measurement; `--help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

/// Runs the suite, without one every bench target of the workspace.
///
/// # Errors
/// When there is nothing to run, or it does not build or fails.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<ExitCode, String> {
    match &options.suite {
        Some(Suite::Broker { arguments }) => bench_broker::run(arguments)?,
        Some(Suite::Restart { arguments }) => bench_restart::run(arguments)?,
        Some(Suite::Reconnect { arguments }) => bench_reconnect::run(arguments)?,
        Some(Suite::Generator { arguments }) => bench_generator::run(arguments)?,
        Some(Suite::Client { arguments }) => bench_client::run(workspace, arguments)?,
        None => criterion(workspace, &options.arguments)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The options of a measurement of ours; none when it was its help that was asked for, which is printed.
pub(crate) fn options<T: clap::Parser>(args: &[String]) -> Result<Option<T>, String> {
    match T::try_parse_from(args) {
        Ok(options) => Ok(Some(options)),
        Err(error) if error.use_stderr() => Err(error.to_string()),
        Err(help) => {
            say(&help.to_string());
            Ok(None)
        }
    }
}

fn criterion(workspace: &Workspace, arguments: &[String]) -> Result<(), String> {
    let mut flags = BTreeSet::new();
    for (package, target) in workspace.metadata.targets("bench") {
        flags.insert(["--package", &package.name]);
        flags.insert(["--bench", &target.name]);
    }
    if flags.is_empty() {
        return Err("the workspace has no bench target".to_owned());
    }
    let command = workspace
        .cargo(&["bench"])
        .args(flags.into_iter().flatten());
    command.arg("--").args(arguments).show()
}
