//! `mqtt record` and `mqtt replay` on `mqtt broker`.

use std::{fs, process::Stdio};

use tempfile::tempdir;

use crate::process::{Ended, Lines, Running, RunningBroker, mqtt, run};

const HEAD: &str = "{\"format\":\"mqtt-record\",\"version\":1}\n";

#[test]
fn what_was_recorded_is_published_again() {
    let dir = tempdir().unwrap();
    let broker = RunningBroker::start(&dir, &["--listen", "127.0.0.1:0"]);
    let port = broker.addrs.first().unwrap().port().to_string();
    let at = ["-h", "127.0.0.1", "-p", &port];
    let publish = |args: &[&str]| {
        let ended = run([&["pub"], &at[..], args].concat());
        assert_eq!((ended.stderr.as_str(), ended.code), ("", Some(0)));
    };
    publish(&["-r", "-q", "1", "-t", "in/retained", "-m", "before"]);

    let mut command = mqtt([&["record", "in/#", "-C", "3"], &at[..]].concat());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let stdout = Lines::of(child.stdout.take().unwrap());
    let recorder = Running::from(child);
    let mut lines = vec![stdout.next(), stdout.next()];
    // It has got what is retained, so it is subscribed.
    publish(&["-q", "2", "-t", "in/a", "-m", "21.5"]);
    publish(&["-q", "0", "-t", "in/b", "-m", "on"]);
    lines.extend([stdout.next(), stdout.next()]);
    let ended = Ended::from(recorder.output());
    assert_eq!(
        (ended.stderr.as_str(), ended.code),
        ("mqtt: 3 messages recorded\n", Some(0))
    );
    assert!(lines[1].contains(r#""topic":"in/retained","payload":"before","qos":1,"retain":true"#));
    assert!(
        lines[2].contains(r#""topic":"in/a","payload":"21.5","qos":1}"#),
        "{}",
        lines[2]
    );
    assert!(
        lines[3].ends_with(r#""topic":"in/b","payload":"on"}"#),
        "{}",
        lines[3]
    );

    let file = dir.path().join("recording.ndjson");
    fs::write(&file, lines.join("\n")).unwrap();
    let mut command = mqtt(
        [
            &["sub", "-d", "-v", "-q", "2", "-t", "out/#", "-C", "6"],
            &at[..],
        ]
        .concat(),
    );
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let stderr = Lines::of(child.stderr.take().unwrap());
    while !stderr.next().contains("subscribed") {}
    let subscriber = Running::from(child);
    let path = file.to_str().unwrap();
    let replay = [
        "replay",
        path,
        "--max",
        "--loop",
        "2",
        "--prefix",
        "out/",
        "--rewrite",
        "in=x",
    ];
    let ended = run([&replay, &at[..]].concat());
    let told = "mqtt: 6 messages sent, 6 answered, 0 refused, 24 bytes in ";
    assert!(ended.stderr.starts_with(told), "{}", ended.stderr);
    assert_eq!((ended.stdout.as_str(), ended.code), ("", Some(0)));
    let ended = Ended::from(subscriber.output());
    let once = "out/x/retained before\nout/x/a 21.5\nout/x/b on\n";
    assert_eq!(ended.stdout, once.repeat(2));
}

#[test]
fn mistakes_in_a_recording_are_told_by_line() {
    let dir = tempdir().unwrap();
    let file = dir.path().join("recording.ndjson");
    let path = file.to_str().unwrap();
    let ended = run(["replay", path]);
    assert_eq!(ended.code, Some(1));
    fs::write(&file, "{}\n").unwrap();
    let ended = run(["replay", path]);
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.stderr.contains("line 1: this is no recording"),
        "{}",
        ended.stderr
    );
    let broker = RunningBroker::start(&dir, &["--listen", "127.0.0.1:0"]);
    let port = broker.addrs.first().unwrap().port().to_string();
    fs::write(
        &file,
        format!("{HEAD}{{\"at_us\":0,\"topic\":\"a\"}}\n{{\"at_us\":0}}\n"),
    )
    .unwrap();
    let ended = run(["replay", path, "-h", "127.0.0.1", "-p", &port]);
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.stderr.contains("line 3: missing field `topic`"),
        "{}",
        ended.stderr
    );
    assert!(
        ended.stderr.contains("mqtt: 1 messages sent"),
        "{}",
        ended.stderr
    );
    for args in [
        &["replay", "-", "--loop"][..],
        &["replay", path, "--speed", "0"],
        &["replay", path, "--rewrite", "a"],
        &["record"],
    ] {
        assert_eq!(run(args).code, Some(2), "{args:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_reader_that_stops_reading_does_not_keep_a_recorder_alive() {
    let dir = tempdir().unwrap();
    let broker = RunningBroker::start(&dir, &["--listen", "127.0.0.1:0"]);
    let port = broker.addrs.first().unwrap().port().to_string();
    let at = ["-h", "127.0.0.1", "-p", &port];
    let mut command = mqtt([&["record", "a", "-d"], &at[..]].concat());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let unread = child.stdout.take().unwrap();
    let stderr = Lines::of(child.stderr.take().unwrap());
    let recorder = Running::from(child);
    while !stderr.next().contains("server SUBACK") {}
    // More than any pipe holds.
    let file = dir.path().join("payload");
    fs::write(&file, vec![b'x'; 900_000]).unwrap();
    let file = file.to_str().unwrap();
    for _ in 0..2 {
        let ended = run([&["pub", "-q", "1", "-t", "a", "-f", file], &at[..]].concat());
        assert_eq!((ended.stderr.as_str(), ended.code), ("", Some(0)));
        while !stderr.next().contains("server PUBLISH") {}
    }
    recorder.signal("TERM");
    recorder.signal("TERM");
    stderr.end();
    assert_eq!(recorder.output().status.code(), Some(143));
    drop(unread);
}
