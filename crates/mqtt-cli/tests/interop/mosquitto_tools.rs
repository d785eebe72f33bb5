//! Our tools between Mosquitto's programs, and at its broker.

mod abilities;
mod bench;
mod captures;
mod recordings;
mod retained;
mod spy;

use crate::surroundings::mosquitto_program;
use std::process::{Command, Output};

/// Mosquitto's versions of MQTT, by the names that its programs have for them.
const VERSIONS: [&str; 3] = ["mqttv31", "mqttv311", "mqttv5"];

/// `mosquitto_pub` at this port.
fn mosquitto_pub(port: u16) -> Command {
    at(mosquitto_program("MQTT_INTEROP_MOSQUITTO_PUB"), port)
}

/// `mosquitto_sub` at this port.
fn mosquitto_sub(port: u16) -> Command {
    at(mosquitto_program("MQTT_INTEROP_MOSQUITTO_SUB"), port)
}

/// `mqtt` with these words, at this port.
fn mqtt(words: &[&str], port: u16) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mqtt"));
    command.args(words);
    at(command, port)
}

fn at(mut command: Command, port: u16) -> Command {
    command.args(["-h", "127.0.0.1", "-p", &port.to_string()]);
    command
}

/// Runs it to its end, which must be this exit code: what it has printed, and told.
#[track_caller]
fn printed(command: &mut Command, code: i32) -> (String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&stderr).into_owned();
    assert_eq!(status.code(), Some(code), "{command:?}: {stderr}");
    (String::from_utf8_lossy(&stdout).into_owned(), stderr)
}

/// Runs it to its end, which must be a success.
#[track_caller]
fn done(command: &mut Command) -> String {
    printed(command, 0).0
}
