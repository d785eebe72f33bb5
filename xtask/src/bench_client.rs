//! `cargo xtask bench client`: mqtt-client beside other clients, each in a process of its own, at our broker.

use std::path::PathBuf;

use crate::report::say;
use crate::shell::find_program;
use crate::workspace::Workspace;

/// The package of the measurement, which is no member of the workspace: nobody else builds the other clients.
const MANIFEST: &str = "xtask/client-bench/Cargo.toml";

/// Builds the broker and the clients and runs them; `arguments` are the words after `cargo xtask bench client`.
///
/// # Errors
/// When something cannot be built, or a client fails.
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), String> {
    let manifest = workspace.root.join(MANIFEST).to_string_lossy().into_owned();
    let target = workspace.target_dir("client-bench")?;
    let mut words = vec!["run", "--quiet", "--release", "--manifest-path", &manifest];
    match find_program("cmake") {
        Some(_) => words.extend(["--features", "paho"]),
        None => say("cmake is not installed: without Paho, which wraps C"),
    }
    let command = workspace.cargo(&words).env("CARGO_TARGET_DIR", target);
    let command = command.args(["--", "compare"]);
    let names_broker = arguments
        .iter()
        .any(|word| word == "--broker" || word.starts_with("--broker="));
    let command = match names_broker {
        true => command,
        false => command.arg("--broker").arg(broker(workspace)?),
    };
    command.args(arguments).show()
}

/// Builds our broker with the release profile; where its program lies.
fn broker(workspace: &Workspace) -> Result<PathBuf, String> {
    let words = [
        "build",
        "--release",
        "--package",
        "mqtt-cli",
        "--bin",
        "mqtt",
    ];
    workspace.cargo(&words).show()?;
    let name = format!("mqtt{}", std::env::consts::EXE_SUFFIX);
    let folder = workspace.metadata.target_directory.join("release");
    Ok(folder.join(name))
}
