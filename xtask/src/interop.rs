//! Runs the tests against other implementations, with what they need made available below the target folder.

mod tools;

use std::process::ExitCode;

use crate::libtest;
use crate::report::{Counts, Outcome, Report, say};
use crate::shell::Command;
use crate::steps::INTEROP_TEST;
use crate::workspace::Workspace;
use tools::{Tool, Tools};

/// Which tests need which tool: the beginning of a name of the test, or of a module around it.
const SUITES: [(&str, Tool); 10] = [
    ("mosquitto", Tool::Mosquitto),
    ("client", Tool::Mosquitto),
    ("paho", Tool::Paho),
    ("aiomqtt", Tool::Aiomqtt),
    ("gmqtt", Tool::Gmqtt),
    ("npm", Tool::Npm),
    ("tshark", Tool::Tshark),
    ("chromium", Tool::Chromium),
    ("postgresql", Tool::PostgreSql),
    ("redis", Tool::Redis),
];

/// What to do with the other implementations.
#[derive(clap::Args, Clone, Copy)]
pub(crate) struct Options {
    /// Run nothing: print the environment of the tests as lines for a shell
    #[arg(long)]
    print_env: bool,
}

/// `cargo xtask interop`.
///
/// # Errors
/// When a folder below the target folder cannot be made.
pub(crate) fn run(workspace: &Workspace, options: Options) -> Result<ExitCode, String> {
    if options.print_env {
        print_env(&Tools::prepare(&workspace.target_dir("interop")?));
        return Ok(ExitCode::SUCCESS);
    }
    let mut report = Report::new(workspace.target_dir("xtask")?.join("logs"));
    report.step("interop", || outcome(workspace));
    Ok(report.finish())
}

/// Runs the suites whose tools can be had; each of the others counts as one skipped.
pub(crate) fn outcome(workspace: &Workspace) -> Outcome {
    check(workspace).unwrap_or_else(|outcome| outcome)
}

fn check(workspace: &Workspace) -> Result<Outcome, Outcome> {
    if !workspace
        .metadata
        .targets("test")
        .any(|(_, target)| target.name == INTEROP_TEST)
    {
        return Err(Outcome::failed(format!(
            "no crate has a test binary `{INTEROP_TEST}`"
        )));
    }
    let folder = workspace.target_dir("interop").map_err(Outcome::failed)?;
    let tools = Tools::prepare(&folder);
    let listed = libtest_command(workspace, &tools)
        .arg("--list")
        .capture()
        .map_err(Outcome::failed)?;
    if !listed.success {
        return Err(libtest::outcome(Ok(listed)));
    }
    let names = libtest::listed_names(&listed.stdout);
    let (names, mut outcome) = runnable(names, &tools);
    if !names.is_empty() {
        let command = libtest_command(workspace, &tools)
            .arg("--exact")
            .args(names);
        outcome.add(libtest::outcome(command.capture()));
    }
    Ok(outcome)
}

/// The tests whose tool is there; the outcome counts and explains the suites left out.
fn runnable(names: Vec<String>, tools: &Tools) -> (Vec<String>, Outcome) {
    let mut outcome = Outcome::default();
    for (suite, tool) in SUITES {
        let has_tests = names
            .iter()
            .any(|name| suites_of(name).any(|of_name| of_name == (suite, tool)));
        if let Some(reason) = tools.missing(tool).filter(|_| has_tests) {
            outcome.counts += Counts {
                skipped: 1,
                ..Counts::default()
            };
            outcome.notes.push(format!("skipped: {suite}: {reason}"));
        }
    }
    let is_runnable =
        |name: &String| suites_of(name).all(|(_, tool)| tools.missing(tool).is_none());
    (names.into_iter().filter(is_runnable).collect(), outcome)
}

/// A test may need several tools.
fn suites_of(name: &str) -> impl Iterator<Item = (&'static str, Tool)> {
    name.split("::").filter_map(|part| {
        SUITES
            .into_iter()
            .find(|(suite, _)| part.starts_with(suite))
    })
}

/// The interop tests with their environment; built with the features of the other tests, so built once.
fn libtest_command(workspace: &Workspace, tools: &Tools) -> Command {
    let command = workspace.cargo(&["test", "--workspace", "--all-features", "--no-fail-fast"]);
    let mut command = command.args(["--test", INTEROP_TEST]);
    for (name, value) in tools.variables() {
        command = command.env(name, value);
    }
    command.arg("--")
}

fn print_env(tools: &Tools) {
    for (name, value) in tools.variables() {
        say(&format!("export {name}='{}'", value.replace('\'', r"'\''")));
    }
    for (_, reason) in tools.all_missing() {
        say(&format!("# {reason}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suite_is_known_by_test_or_module() {
        let suites = |name| suites_of(name).collect::<Vec<_>>();
        let mosquitto = ("mosquitto", Tool::Mosquitto);
        assert_eq!(suites("mosquitto_pub_qos_1"), [mosquitto]);
        assert_eq!(suites("helper::parses_output"), []);
        let both = [mosquitto, ("tshark", Tool::Tshark)];
        assert_eq!(suites("mosquitto_a::b::tshark_reads"), both);
    }

    #[test]
    fn a_suite_without_its_tool_is_skipped_once_with_the_reason() {
        let tools = Tools::without(Tool::Npm, "npm is not installed");
        let names = ["npm_a", "npm_b", "paho_a", "other"]
            .map(str::to_owned)
            .to_vec();
        let (names, outcome) = runnable(names, &tools);
        assert_eq!(names, ["paho_a", "other"]);
        assert_eq!(
            outcome.counts,
            Counts {
                passed: 0,
                failed: 0,
                skipped: 1
            }
        );
        assert_eq!(outcome.notes, ["skipped: npm: npm is not installed"]);
    }
}
