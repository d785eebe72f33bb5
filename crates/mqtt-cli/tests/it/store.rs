//! What a broker has kept: over a restart, and as `mqtt store` shows it.

use std::{fs, path::Path};

use serde_json::Value;
use tempfile::{TempDir, tempdir};

use crate::process::{Ended, RunningBroker, run};

/// A broker that has kept two retained messages, one after the other, and was killed.
fn kept() -> TempDir {
    let dir = tempdir().unwrap();
    let broker = RunningBroker::start(&dir, &["--listen", "127.0.0.1:0"]);
    let port = broker.addrs.first().unwrap().port().to_string();
    for (topic_name, payload) in [("kept/topic", "kept payload"), ("other", "x")] {
        let published = run([
            "pub", "-p", &port, "-t", topic_name, "-m", payload, "-q", "1", "-r",
        ]);
        assert_eq!(published.code, Some(0), "{}", published.stderr);
    }
    drop(broker);
    dir
}

fn store(command: &str, dir: &Path, more: &[&str]) -> Ended {
    let dir = dir.display().to_string();
    let mut args = vec!["store", command, &dir];
    args.extend(more);
    run(args)
}

#[test]
fn a_killed_broker_finds_what_it_had() {
    let dir = kept();
    let again = RunningBroker::start(&dir, &["--listen", "127.0.0.1:0"]);
    let line = again.lines.iter().find(|line| line.starts_with("data: "));
    let line = line.unwrap();
    assert!(
        line.ends_with("holds 0 sessions, 0 waiting and 2 retained messages"),
        "{line}"
    );
    let port = again.addrs.first().unwrap().port().to_string();
    let got = run(["sub", "-p", &port, "-t", "kept/#", "-C", "1"]);
    assert_eq!(got.stdout, "kept payload\n", "{}", got.stderr);
    // Nobody looks at what is in use.
    let checked = store("check", &dir.path().join("data"), &[]);
    assert_eq!(checked.code, Some(1));
    assert!(checked.stderr.contains("in use"), "{}", checked.stderr);
}

#[test]
fn a_sound_store_is_said_to_be_and_can_be_read_and_copied() {
    let dir = kept();
    let data = dir.path().join("data");
    let checked = store("check", &data, &[]);
    assert_eq!(
        checked.code,
        Some(0),
        "{}{}",
        checked.stdout,
        checked.stderr
    );
    let dumped = store("dump", &data, &["--json"]);
    let lines = dumped.stdout.lines();
    let mut lines = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
    let is_it = |line: &Value| {
        line["record"] == "message"
            && line["retained"] == true
            && line["message"]["topic_name"] == "kept/topic"
            && line["message"]["payload"] == "kept payload"
    };
    assert!(lines.any(|line| is_it(&line)), "{}", dumped.stdout);
    let salvaged = store("salvage", &data, &[]);
    assert_eq!(salvaged.code, Some(0), "{}", salvaged.stderr);
    let copy = dir.path().join("data.salvaged");
    assert_eq!(store("check", &copy, &[]).code, Some(0));
    // Once is enough.
    assert_eq!(store("salvage", &data, &[]).code, Some(1));
}

#[test]
fn damage_is_told_and_the_broker_does_not_start_on_it() {
    let dir = kept();
    let data = dir.path().join("data");
    let segments = fs::read_dir(data.join("store").join("log")).unwrap();
    let paths = segments.map(|entry| entry.unwrap().path());
    let segment = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "seg"))
        .min()
        .unwrap();
    let mut bytes = fs::read(&segment).unwrap();
    let at = bytes
        .windows(12)
        .position(|window| window == b"kept payload")
        .unwrap();
    *bytes.get_mut(at).unwrap() ^= 1;
    fs::write(&segment, bytes).unwrap();
    let checked = store("check", &data, &[]);
    assert_eq!(checked.code, Some(1), "{}", checked.stdout);
    assert!(checked.stdout.contains("damaged: "), "{}", checked.stdout);
    let data_arg = data.display().to_string();
    let started = run(["broker", "--listen", "127.0.0.1:0", "--data-dir", &data_arg]);
    assert_eq!(started.code, Some(1), "{}", started.stdout);
    assert!(started.stderr.contains("damaged"), "{}", started.stderr);
    assert_eq!(store("salvage", &data, &[]).code, Some(0));
}

#[test]
fn what_is_no_data_directory_is_refused() {
    let dir = tempdir().unwrap();
    for command in ["check", "salvage"] {
        let ended = store(command, dir.path(), &[]);
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    }
}
