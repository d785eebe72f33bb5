//! Mistakes on the command line and in the configuration: one line each, exit code 2.

use std::fs;

use tempfile::tempdir;

use crate::process::{mqtt, run};

/// Runs `mqtt` and expects this one line on stderr, nothing on stdout, and exit code 2.
#[track_caller]
fn refused(args: &[&str], line: &str) {
    let ended = run(args);
    assert_eq!(
        (ended.stderr.as_str(), ended.code),
        (format!("mqtt: {line}\n").as_str(), Some(2))
    );
    assert_eq!(ended.stdout, "");
}

#[test]
fn help_and_version_are_no_mistake() {
    for args in [
        ["--help"].as_slice(),
        &["broker", "--help"],
        &["help", "broker"],
    ] {
        let ended = run(args);
        assert_eq!(
            (ended.code, ended.stderr.as_str()),
            (Some(0), ""),
            "{args:?}"
        );
        assert!(ended.stdout.contains("Usage: mqtt"), "{}", ended.stdout);
    }
    let ended = run(["--version"]);
    assert_eq!(
        ended.stdout,
        concat!("mqtt ", env!("CARGO_PKG_VERSION"), "\n")
    );
    assert_eq!(ended.code, Some(0));
}

#[test]
fn no_command_shows_the_help() {
    let ended = run([""; 0]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
    assert!(ended.stderr.contains("Usage: mqtt"), "{}", ended.stderr);
}

#[test]
fn unknown_arguments_are_refused() {
    refused(
        &["broker", "--lisen", "1883"],
        "unexpected argument '--lisen' found, tip: a similar argument exists: '--listen'",
    );
    refused(&["broker", "-h"], "unexpected argument '-h' found");
    refused(
        &["brooker"],
        "unrecognized subcommand 'brooker', tip: a similar subcommand exists: 'broker'",
    );
}

#[test]
fn wrong_values_are_refused() {
    refused(
        &["broker", "--listen", "box:1883"],
        "invalid value 'box:1883' for '--listen <HOST:PORT>': cannot listen on `box:1883`: it \
         must be an IP address and port such as `127.0.0.1:1883` or `[::1]:1883`, \
         `localhost:1883`, or a bare port for all addresses",
    );
    refused(
        &["broker", "--log", "inof"],
        "invalid value 'inof' for '--log <LEVEL>': say error, warn, info, debug or trace, or a \
         filter such as mqtt_broker=debug",
    );
}

#[test]
fn a_publisher_needs_a_topic_and_one_payload() {
    let payload =
        "<--message <TEXT>|--file <FILE>|--stdin-line|--stdin-file|--null-message|--size <SIZE>>";
    refused(
        &["pub", "-t", "a"],
        &format!("the following required arguments were not provided: {payload}"),
    );
    refused(
        &["pub", "-t", "a", "-m", "x", "-n"],
        "the argument '--message <TEXT>' cannot be used with '--null-message'",
    );
    refused(
        &["pub", "-t", "a/#", "-n"],
        "invalid value 'a/#' for '--topic <TOPIC>': wildcard in a topic name",
    );
}

#[test]
fn a_subscriber_needs_what_mosquitto_needs() {
    for (args, line) in [
        (
            &[][..],
            "the following required arguments were not provided: --topic <FILTER>",
        ),
        (
            &["-t", "a", "-c"],
            "the following required arguments were not provided: --id <ID>",
        ),
        (
            &["-t", "a", "-q", "3"],
            "invalid value '3' for '--qos <QOS>': say 0, 1 or 2",
        ),
        (
            &["-t", "a", "-V", "3"],
            "invalid value '3' for '--protocol-version <VERSION>': this may mean 3.1 or 3.1.1, \
             say which",
        ),
        (
            &["-t", "a", "--will-qos", "1"],
            "the following required arguments were not provided: --will-topic <TOPIC>",
        ),
        (
            &["-t", "a", "-P", "x"],
            "the following required arguments were not provided: --username <NAME>",
        ),
    ] {
        refused(&[&["sub"], args].concat(), line);
    }
}

#[test]
fn an_open_listener_needs_leave() {
    refused(
        &["broker", "--listen", "0.0.0.0:0"],
        "listener `tcp:listen-1` on 0.0.0.0:0 can be reached from other machines and no users are \
         configured: say `--allow-anonymous` (or `allow_anonymous = true` in the file) to let \
         anyone in, or name users with `--password-file FILE` (or `[[authentication]]` in the file)",
    );
}

#[test]
fn mistakes_in_the_file_are_told_by_line() {
    let dir = tempdir().unwrap();
    let file = dir.path().join("broker.toml");
    let path = file.to_str().unwrap();
    for (text, line) in [
        (
            "[mqtt]\nmax_inflght = 20\n",
            "2: unknown key `mqtt.max_inflght`, did you mean `mqtt.max_inflight`?",
        ),
        (
            "mqtt.max_inflight = 0\n",
            "1: `mqtt.max_inflight` is `0`, it must be a whole number from 1 to 65535",
        ),
    ] {
        fs::write(&file, text).unwrap();
        refused(&["broker", "--config", path], &format!("{path}:{line}"));
        refused(&["broker", "check", path], &format!("{path}:{line}"));
    }
}

#[test]
fn a_configuration_is_checked_without_starting() {
    let dir = tempdir().unwrap();
    let file = dir.path().join("broker.toml");
    let path = file.to_str().unwrap();
    fs::write(&file, "listeners.tcp.default.bind = \"192.0.2.1:1883\"\n").unwrap();
    let ended = run(["broker", "check", path]);
    assert!(
        ended
            .stderr
            .contains("listener `tcp:default` on 192.0.2.1:1883")
    );
    assert_eq!(ended.code, Some(2));
    fs::write(
        &file,
        "allow_anonymous = true\nlisteners.tcp.default.bind = \"192.0.2.1:1883\"\n",
    )
    .unwrap();
    let ended = run(["broker", "check", path]);
    assert_eq!(
        ended.stdout,
        format!("{path}: the configuration is valid\n")
    );
    assert_eq!((&*ended.stderr, ended.code), ("", Some(0)));
}

#[test]
fn the_environment_is_read_over_the_file() {
    let dir = tempdir().unwrap();
    let file = dir.path().join("broker.toml");
    fs::write(&file, "mqtt.max_inflight = 5\n").unwrap();
    let output = mqtt(["broker".as_ref(), "check".as_ref(), file.as_os_str()])
        .env("MQTT_MQTT__MAX_INFLIGHT", "0")
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "mqtt: MQTT_MQTT__MAX_INFLIGHT: `mqtt.max_inflight` is `0`, it must be a whole number from 1 to 65535\n"
    );
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("missing.toml");
    let ended = run(["broker".as_ref(), "--config".as_ref(), path.as_os_str()]);
    let start = format!("mqtt: cannot read the configuration {}: ", path.display());
    assert!(ended.stderr.starts_with(&start), "{}", ended.stderr);
    assert_eq!((ended.stderr.lines().count(), ended.code), (1, Some(2)));
}
