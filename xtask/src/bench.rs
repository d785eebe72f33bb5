//! Runs the benchmarks.

use std::collections::BTreeSet;
use std::process::ExitCode;

use crate::workspace::Workspace;

/// What goes to the benchmarks.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Arguments for criterion, such as a part of a name or `--save-baseline NAME`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Runs every bench target of the workspace.
///
/// # Errors
/// When there is none, or one does not build or fails.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<ExitCode, String> {
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
    command.arg("--").args(&options.arguments).show()?;
    Ok(ExitCode::SUCCESS)
}
