//! `cargo xtask test`: the steps in order; a failure is counted and the next step runs.

use std::process::ExitCode;

use crate::report::{self, Outcome, Report};
use crate::workspace::Workspace;
use crate::{
    cli_help, configuration, disk, dist, fuzz, interop, libtest, outside, packages, simulation,
    soak, spec, structure,
};

/// Name of the test binary that needs other implementations.
pub(crate) const INTEROP_TEST: &str = "interop";

/// Packages that can do without an allocator.
const WITHOUT_ALLOCATOR: [&str; 2] = ["mqtt-codec", "mqtt-session"];

/// Packages that are built with few of their features.
const EACH_FEATURE_ALONE: [&str; 2] = ["mqtt-auth", "mqtt-client"];

/// Projects of their own: they are linked in other ways than the workspace.
const OUTSIDE_MANIFESTS: [&str; 2] = [
    "fuzz/Cargo.toml",
    "crates/mqtt-session/examples/embedded/Cargo.toml",
];

/// Every step, in the order in which they run.
const STEPS: [Step; 19] = [
    Step {
        name: "format",
        when: When::Always,
        check: Check::Plain(format),
    },
    Step {
        name: "lints",
        when: When::Always,
        check: Check::Plain(lints),
    },
    Step {
        name: "structure",
        when: When::Always,
        check: Check::Plain(structure::run),
    },
    Step {
        name: "links",
        when: When::Always,
        check: Check::Plain(structure::links),
    },
    Step {
        name: "statements",
        when: When::Always,
        check: Check::Plain(statements),
    },
    Step {
        name: "configuration",
        when: When::Always,
        check: Check::Plain(configuration::outcome),
    },
    Step {
        name: "command line",
        when: When::Always,
        check: Check::Plain(cli_help::outcome),
    },
    Step {
        name: "unit tests",
        when: When::Quick,
        check: Check::Plain(unit_tests),
    },
    Step {
        name: "tests",
        when: When::Full,
        check: Check::Plain(tests),
    },
    Step {
        name: "simulation",
        when: When::Full,
        check: Check::Seeded(simulation::run),
    },
    Step {
        name: "soak",
        when: When::Full,
        check: Check::Plain(soak::outcome),
    },
    Step {
        name: "doc tests",
        when: When::Full,
        check: Check::Plain(doc_tests),
    },
    Step {
        name: "interop",
        when: When::Full,
        check: Check::Plain(interop::outcome),
    },
    Step {
        name: "docs",
        when: When::Full,
        check: Check::Plain(docs),
    },
    Step {
        name: "fuzz targets",
        when: When::Full,
        check: Check::Plain(fuzz::check),
    },
    Step {
        name: "outside",
        when: When::Full,
        check: Check::Plain(outside::run),
    },
    Step {
        name: "packages",
        when: When::Full,
        check: Check::Plain(packages::run),
    },
    Step {
        name: "packaging",
        when: When::Full,
        check: Check::Plain(dist::check),
    },
    Step {
        name: "release",
        when: When::Full,
        check: Check::Plain(dist::released),
    },
];

/// One line of the report.
struct Step {
    name: &'static str,
    when: When,
    check: Check,
}

/// What a step does.
enum Check {
    Plain(fn(&Workspace) -> Outcome),
    /// With so many seeds.
    Seeded(fn(&Workspace, u64) -> Outcome),
}

/// In which runs a step takes part.
enum When {
    Always,
    Quick,
    Full,
}

/// How much to test.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only what takes a few minutes: format, lints, structure and unit tests
    #[arg(long)]
    quick: bool,
    /// Only the step of this name; may be given several times
    #[arg(long, value_name = "STEP", value_parser = STEPS.map(|step| step.name), conflicts_with = "quick")]
    only: Vec<String>,
    /// Simulations of two sessions
    #[arg(long, value_name = "COUNT", default_value_t = simulation::SEEDS)]
    seeds: u64,
}

/// Runs the steps and prints the counts.
///
/// # Errors
/// When the folder for the logs cannot be made.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<ExitCode, String> {
    let mut report = Report::new(workspace.target_dir("xtask")?.join("logs"));
    for step in STEPS.iter().filter(|step| options.wants(step)) {
        report.step(step.name, || match step.check {
            Check::Plain(check) => check(workspace),
            Check::Seeded(check) => check(workspace, options.seeds),
        });
    }
    report::say(&format!(
        "target folder    {:.1} GB",
        disk::taken_gb(&workspace.metadata.target_directory)
    ));
    Ok(report.finish())
}

impl Options {
    fn wants(&self, step: &Step) -> bool {
        if !self.only.is_empty() {
            return self.only.iter().any(|name| name == step.name);
        }
        match step.when {
            When::Always => true,
            When::Quick => self.quick,
            When::Full => !self.quick,
        }
    }
}

/// `cargo xtask spec`.
///
/// # Errors
/// What the comparison of tests and statements found.
pub(crate) fn spec(workspace: &Workspace, check: bool) -> Result<ExitCode, String> {
    let summary = spec::run(&workspace.root, check)?;
    report::say(&summary.to_string());
    Ok(ExitCode::SUCCESS)
}

/// The workspace, and what is no member of it.
fn format(workspace: &Workspace) -> Outcome {
    let check = ["--check", "--", "--color", "never"];
    let mut outcome = Outcome::of_program(workspace.cargo(&["fmt", "--all"]).args(check).capture());
    for manifest in OUTSIDE_MANIFESTS {
        let outside = workspace.cargo(&["fmt", "--manifest-path", manifest]);
        outcome.add(Outcome::of_program(outside.args(check).capture()));
    }
    outcome
}

fn lints(workspace: &Workspace) -> Outcome {
    let deny = ["--", "-D", "warnings"];
    let all = workspace.cargo(&["clippy", "--workspace", "--all-targets", "--all-features"]);
    let mut outcome = Outcome::of_program(all.args(deny).capture());
    // Not among the targets of plain `cargo test`, since it needs other people's programs.
    let interop = workspace.cargo(&["clippy", "--test", INTEROP_TEST]);
    let interop = interop.args(["--package", "mqtt-cli", "--package", "mqtt-testkit"]);
    outcome.add(Outcome::of_program(interop.args(deny).capture()));
    // What firmware links: no feature, so no allocator.
    for package in WITHOUT_ALLOCATOR {
        let bare = workspace.cargo(&["clippy", "--package", package, "--no-default-features"]);
        outcome.add(Outcome::of_program(bare.args(deny).capture()));
    }
    let packages = workspace.metadata.packages.iter();
    for package in packages.filter(|package| EACH_FEATURE_ALONE.contains(&package.name.as_str())) {
        let features = package.features.keys().map(String::as_str);
        for feature in [""].into_iter().chain(features) {
            let name = package.name.as_str();
            let alone = workspace.cargo(&["clippy", "--package", name, "--no-default-features"]);
            let alone = alone.args(["--features", feature]).args(deny);
            outcome.add(Outcome::of_program(alone.capture()));
        }
    }
    outcome
}

fn statements(workspace: &Workspace) -> Outcome {
    match spec::run(&workspace.root, true) {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn names(options: &Options) -> Vec<&'static str> {
        STEPS
            .iter()
            .filter(|step| options.wants(step))
            .map(|step| step.name)
            .collect()
    }

    #[test]
    fn a_quick_run_has_unit_tests_in_place_of_all_tests() {
        let quick = names(&Options {
            quick: true,
            only: Vec::new(),
            seeds: simulation::SEEDS,
        });
        assert!(
            quick.contains(&"unit tests") && !quick.contains(&"tests"),
            "{quick:?}"
        );
        let full = names(&Options {
            quick: false,
            only: Vec::new(),
            seeds: simulation::SEEDS,
        });
        assert!(
            full.contains(&"tests") && !full.contains(&"unit tests"),
            "{full:?}"
        );
    }

    #[test]
    fn a_step_can_be_run_alone() {
        assert_eq!(
            names(&Options {
                quick: false,
                only: vec!["docs".to_owned()],
                seeds: simulation::SEEDS,
            }),
            ["docs"]
        );
    }
}
