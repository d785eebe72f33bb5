//! `cargo xtask test`: the steps in order; a failure is counted and the next step runs.

use std::process::ExitCode;

use crate::report::{Outcome, Report};
use crate::shell::Output;
use crate::workspace::{Workspace, is_ci};
use crate::{dist, fuzz, interop, libtest, outside, spec, structure};

/// Name of the test binary that needs other implementations.
pub(crate) const INTEROP_TEST: &str = "interop";

/// How much to test.
#[derive(clap::Args, Clone, Copy)]
pub(crate) struct Options {
    /// Only what takes a few minutes: format, lints, structure and unit tests
    #[arg(long)]
    quick: bool,
}

/// Runs the steps and prints the counts.
///
/// # Errors
/// When the folder for the logs cannot be made.
pub(crate) fn run(workspace: &Workspace, options: Options) -> Result<ExitCode, String> {
    let mut report = Report::new(workspace.target_dir("xtask")?.join("logs"));
    report.step("format", || format(workspace));
    report.step("lints", || lints(workspace));
    report.step("structure", || structure::run(workspace));
    report.step("links", || structure::links(workspace));
    report.step("statements", || statements(workspace, true));
    if options.quick {
        report.step("unit tests", || unit_tests(workspace));
        return Ok(report.finish());
    }
    report.step("tests", || tests(workspace));
    report.step("doc tests", || doc_tests(workspace));
    report.step("interop", || interop::outcome(workspace));
    report.step("docs", || docs(workspace));
    report.step("fuzz targets", || fuzz::check(workspace));
    report.step("outside", || outside::run(workspace));
    report.step("packages", || packages(workspace));
    report.step("packaging", || dist::check(workspace));
    Ok(report.finish())
}

/// `cargo xtask spec`.
///
/// # Errors
/// What the comparison of tests and statements found.
pub(crate) fn spec(workspace: &Workspace, check: bool) -> Result<ExitCode, String> {
    let summary = spec::run(&workspace.root, check)?;
    crate::report::say(&summary.to_string());
    Ok(ExitCode::SUCCESS)
}

fn format(workspace: &Workspace) -> Outcome {
    Outcome::of_program(workspace.cargo(&["fmt", "--all", "--check"]).capture())
}

fn lints(workspace: &Workspace) -> Outcome {
    let command = workspace.cargo(&["clippy", "--workspace", "--all-targets", "--all-features"]);
    Outcome::of_program(command.args(["--", "-D", "warnings"]).capture())
}

fn statements(workspace: &Workspace, check: bool) -> Outcome {
    match spec::run(&workspace.root, check) {
        Ok(summary) => Outcome {
            notes: vec![summary.to_string()],
            ..Outcome::passed()
        },
        Err(error) => Outcome::failed(error),
    }
}

fn unit_tests(workspace: &Workspace) -> Outcome {
    let command = workspace.cargo(&["test", "--workspace", "--all-features", "--no-fail-fast"]);
    libtest::outcome(command.args(["--lib", "--bins"]).capture())
}

/// Every test but those that need other implementations.
fn tests(workspace: &Workspace) -> Outcome {
    let mut command = workspace
        .cargo(&["test", "--workspace", "--all-features", "--no-fail-fast"])
        .args(["--lib", "--bins"]);
    let mut names: Vec<&str> = workspace
        .metadata
        .targets("test")
        .map(|(_, target)| target.name.as_str())
        .collect();
    names.sort_unstable();
    names.dedup();
    for name in names.into_iter().filter(|name| *name != INTEROP_TEST) {
        command = command.args(["--test", name]);
    }
    libtest::outcome(command.capture())
}

fn doc_tests(workspace: &Workspace) -> Outcome {
    let command = workspace.cargo(&[
        "test",
        "--workspace",
        "--all-features",
        "--no-fail-fast",
        "--doc",
    ]);
    libtest::outcome(command.capture())
}

fn docs(workspace: &Workspace) -> Outcome {
    let command = workspace.cargo(&["doc", "--workspace", "--no-deps", "--all-features"]);
    Outcome::of_program(command.env("RUSTDOCFLAGS", "-D warnings").capture())
}

/// Packs and builds what a registry would get; a warning is a failure.
fn packages(workspace: &Workspace) -> Outcome {
    let mut command = workspace.cargo(&["package", "--workspace"]);
    for package in workspace
        .metadata
        .members()
        .filter(|package| !package.is_published())
    {
        command = command.args(["--exclude", &package.name]);
    }
    if !is_ci() {
        command = command.arg("--allow-dirty");
    }
    let output = command.capture().map(|output| {
        let has_warning = output
            .stderr
            .lines()
            .any(|line| line.starts_with("warning:"));
        Output {
            success: output.success && !has_warning,
            ..output
        }
    });
    Outcome::of_program(output)
}
