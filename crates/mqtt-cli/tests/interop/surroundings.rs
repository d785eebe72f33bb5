//! What the environment names: programs and where their libraries are.

use std::env;

/// The value of a variable.
///
/// # Panics
/// Without it: a test that cannot run is not passed.
#[track_caller]
pub(crate) fn variable(name: &str) -> String {
    match env::var(name) {
        Ok(value) => value,
        Err(_) => panic!(
            "{name} is not set: `cargo xtask interop` runs these tests with what they need, and \
             `cargo xtask interop --print-env` prints it"
        ),
    }
}

/// One of Mosquitto's programs, with its libraries.
pub(crate) fn mosquitto_program(name: &str) -> std::process::Command {
    let mut command = std::process::Command::new(variable(name));
    let libraries = variable("MQTT_INTEROP_LD_LIBRARY_PATH");
    if !libraries.is_empty() {
        command.env("LD_LIBRARY_PATH", libraries);
    }
    command
}
