//! `mqtt torture`: a broker that is killed keeps its promises.

use crate::process::{mqtt, run};

#[test]
#[cfg(unix)]
fn a_broker_killed_a_hundred_times_keeps_its_promises() {
    // It bounds itself, by more time than a busy machine lets a test wait.
    let ended = mqtt([
        "torture",
        "--kill9",
        "--kills",
        "100",
        "--life",
        "100ms",
        "--duration",
        "10m",
    ])
    .output()
    .unwrap();
    let stdout = String::from_utf8_lossy(&ended.stdout);
    let stderr = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{stdout}{stderr}");
    assert!(stdout.contains("kills: 100\n"), "{stdout}");
    assert!(stdout.contains("broken promises: 0 "), "{stdout}");
}

#[test]
fn a_directory_with_something_in_it_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), "x").unwrap();
    let dir = dir.path().display().to_string();
    let ended = run(["torture", "--kill9", "--data-dir", &dir]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert_eq!(ended.stderr, format!("mqtt: {dir} is not empty\n"));
}
