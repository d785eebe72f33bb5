//! Simulations of two sessions, in a build that is fast and still checks its arithmetic.

use crate::report::Outcome;
use crate::workspace::Workspace;

/// Simulations of a run unless others are asked for.
pub(crate) const SEEDS: u64 = 20_000;

/// Runs the simulations of `seeds` seeds; their range, speed and rarest fault are the note.
pub(crate) fn run(workspace: &Workspace, seeds: u64) -> Outcome {
    let program = ["--package", "mqtt-testkit", "--bin", "simulate"];
    let command = workspace.cargo(&["run", "--quiet", "--profile", "simulation"]);
    let output = command
        .args(program)
        .args(["--", &seeds.to_string()])
        .capture();
    let notes = match &output {
        Ok(output) => notes(&output.stdout),
        Err(_) => Vec::new(),
    };
    let mut outcome = Outcome::of_program(output);
    outcome.notes.extend(notes);
    outcome
}

/// The lines the program wants seen.
fn notes(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| line.starts_with("simulation: "));
    lines.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_program_wants_seen_is_noted() {
        let text = "simulation: seeds 0 to 9\n    a packet\nsimulation: 10 seeds in 1s\ndetails";
        assert_eq!(
            notes(text),
            ["simulation: seeds 0 to 9", "simulation: 10 seeds in 1s"]
        );
    }
}
