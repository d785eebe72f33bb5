//! `mqtt sim`: devices that are not there.

use std::fs;

use tempfile::tempdir;

use crate::process::{RunningBroker, run};

#[test]
fn scenarios_come_with_it_and_can_be_read() {
    let listed = run(["sim", "--list"]);
    assert_eq!(listed.code, Some(0));
    let names: Vec<_> = listed
        .stdout
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(names, ["vehicles", "smart-home", "weather", "factory"]);
    let dir = tempdir().unwrap();
    let file = dir.path().join("own.toml");
    let shown = run(["sim", "--example", "weather", "--show"]);
    fs::write(&file, shown.stdout).unwrap();
    let file = file.to_str().unwrap();
    let said = run(["sim", file, "--dry-run", "--duration", "40s", "--seed", "7"]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert!(said.stdout.lines().count() >= 50, "{}", said.stdout);
    assert!(
        said.stdout
            .contains(r#""topic":"weather/station-000/observation""#)
    );
}

#[test]
fn the_same_seed_says_the_same() {
    let said = || {
        let ended = run([
            "sim",
            "--example",
            "factory",
            "--dry-run",
            "--seed",
            "3",
            "--duration",
            "5s",
        ]);
        // The time of the world is another one.
        let lines = ended
            .stdout
            .lines()
            .map(|line| line.split("\"time").next().unwrap().to_owned());
        lines.collect::<Vec<_>>()
    };
    assert_eq!(said(), said());
}

#[test]
fn devices_publish_and_leave() {
    let dir = tempdir().unwrap();
    let broker = RunningBroker::start(&dir, &["--listen", "127.0.0.1:0"]);
    let url = format!("mqtt://{}", broker.addrs.first().unwrap());
    let ended = run([
        "sim",
        "--example",
        "smart-home",
        "-L",
        &url,
        "--speed",
        "20",
        "--duration",
        "20s",
    ]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("14 devices, 14 connections, "),
        "{}",
        ended.stderr
    );
    let kept = run([
        "sub",
        "-L",
        &url,
        "-t",
        "home/lights/0/available",
        "-C",
        "1",
        "-W",
        "20",
    ]);
    assert_eq!(kept.stdout, "online\n", "{}", kept.stderr);
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let dir = tempdir().unwrap();
    let file = dir.path().join("wrong.toml");
    fs::write(&file, "[[devices]]\nname = 'd'\ncolour = 'red'\n").unwrap();
    let ended = run(["sim", file.to_str().unwrap(), "--dry-run"]);
    assert_eq!(ended.code, Some(2));
    assert!(
        ended
            .stderr
            .contains("wrong.toml: TOML parse error at line 3"),
        "{}",
        ended.stderr
    );
    assert!(
        ended.stderr.contains("unknown field `colour`"),
        "{}",
        ended.stderr
    );
    let ended = run(["sim", "--example", "zoo"]);
    assert_eq!(ended.code, Some(2));
    assert!(
        ended.stderr.contains("there are vehicles, smart-home"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_broker_that_is_not_there_is_told() {
    let ended = run(["sim", "--example", "weather", "-h", "127.0.0.1", "-p", "1"]);
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.stderr.contains("cannot connect to 127.0.0.1:1"),
        "{}",
        ended.stderr
    );
}
