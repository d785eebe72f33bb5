//! `mqtt spy` between `mqtt pub` and `mqtt broker`.

use std::process::Stdio;

use tempfile::tempdir;

use crate::process::{Lines, Running, RunningBroker, mqtt, run};

/// A spy before a broker, and where clients come in.
struct Spy {
    process: Running,
    stdout: Lines,
    port: String,
    _broker: RunningBroker,
}

impl Spy {
    fn start(broker: RunningBroker, args: &[&str]) -> Self {
        let server = format!("mqtt://{}", broker.addrs.first().unwrap());
        let listen = ["spy", "--listen", "127.0.0.1:0", "--connect", &server];
        let mut command = mqtt(listen.iter().chain(args));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdout = Lines::of(child.stdout.take().unwrap());
        let stderr = Lines::of(child.stderr.take().unwrap());
        let line = stderr.next();
        let told = line.strip_prefix("mqtt: listening on mqtt://127.0.0.1:");
        let port = told.unwrap().split(' ').next().unwrap().to_owned();
        Self {
            process: Running::from(child),
            stdout,
            port,
            _broker: broker,
        }
    }

    /// Publishes one message as the client `a`.
    fn publish(&self, topic: &str) {
        let ended = run([
            "pub",
            "-h",
            "127.0.0.1",
            "-p",
            &self.port,
            "-i",
            "a",
            "-q",
            "1",
            "-t",
            topic,
            "-m",
            "x",
        ]);
        assert_eq!((ended.stderr.as_str(), ended.code), ("", Some(0)));
    }
}

fn broker(dir: &tempfile::TempDir) -> RunningBroker {
    RunningBroker::start(dir, &["--listen", "127.0.0.1:0"])
}

#[test]
fn both_directions_are_shown_packet_by_packet() {
    let dir = tempdir().unwrap();
    let file = dir.path().join("spied.pcapng");
    let path = file.to_str().unwrap();
    let recording = dir.path().join("spied.ndjson");
    let recorded = recording.to_str().unwrap();
    let spy = Spy::start(broker(&dir), &["--write", path, "--record", recorded]);
    spy.publish("a/b");
    let mut lines = Vec::new();
    while lines
        .last()
        .is_none_or(|line: &String| !line.ends_with(" closed"))
    {
        lines.push(spy.stdout.next());
    }
    for (line, part) in lines.iter().zip([
        "opened, 127.0.0.1:",
        " 1 a #1 client CONNECT 5.0",
        "#2 server CONNACK ",
        r#"#3 client PUBLISH "a/b", qos 1, id 1, "x""#,
        "; answers PUBLISH #3 after ",
        "#5 client DISCONNECT",
        "sends no more",
        "sends no more",
    ]) {
        assert!(line.contains(part), "{part}: {lines:?}");
    }
    // Without a terminal there is no colour.
    assert!(lines.iter().all(|line| !line.contains('\x1B')));
    // What was written is what `mqtt decode` reads.
    let decoded = run(["decode", "--line", path]);
    assert_eq!(decoded.code, Some(0), "{}", decoded.stderr);
    assert_eq!(decoded.stdout.lines().count(), 5);
    assert!(decoded.stdout.contains("answers PUBLISH #3 after "));
    let recorded = std::fs::read_to_string(recording).unwrap();
    let message = recorded.lines().nth(1).unwrap();
    assert!(
        message.ends_with(r#""topic":"a/b","payload":"x","qos":1}"#),
        "{message}"
    );
}

#[test]
fn fields_and_objects_and_what_is_left_out() {
    let dir = tempdir().unwrap();
    let spy = Spy::start(
        broker(&dir),
        &["--json", "--topic", "shown/#", "--client", "a*"],
    );
    spy.publish("hidden/b");
    spy.publish("shown/b");
    for (packet, number) in [("PUBLISH", 3), ("PUBACK", 4)] {
        let line = spy.stdout.next();
        assert!(line.contains(&format!(r#""packet":"{packet}""#)), "{line}");
        assert!(line.contains(&format!(r#""number":{number}"#)), "{line}");
        assert!(line.contains(r#""client_id":"a""#), "{line}");
        assert!(line.contains(r#""stream":2"#), "{line}");
    }
}

#[cfg(unix)]
#[test]
fn a_signal_ends_it_with_its_code() {
    let dir = tempdir().unwrap();
    let spy = Spy::start(broker(&dir), &["-v"]);
    spy.publish("a/b");
    while !spy.stdout.next().contains("packet identifier") {}
    spy.process.signal("INT");
    assert_eq!(spy.process.output().status.code(), Some(130));
}

#[test]
fn mistakes_are_told() {
    for (args, part) in [
        (
            &["spy", "--listen", "mqtts://127.0.0.1:0"][..],
            "--listen-cert",
        ),
        (
            &["spy", "--listen", "quic://127.0.0.1"],
            "say mqtt, mqtts, ws or wss",
        ),
        (&["spy", "--type", "message"], "a type of packet"),
        (&["spy", "--topic", "a/#/b"], "--topic"),
        (
            &["spy", "--connect", "mqtt://h", "-L", "mqtt://h"],
            "cannot be used with",
        ),
    ] {
        let ended = run(args);
        assert_eq!(ended.code, Some(2), "{args:?}");
        assert!(ended.stderr.contains(part), "{args:?}: {}", ended.stderr);
    }
}

#[cfg(unix)]
#[test]
fn a_capture_is_private_and_whole_though_nobody_reads_what_is_shown() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempdir().unwrap();
    let file = dir.path().join("spied.pcapng");
    let path = file.to_str().unwrap();
    let payload = dir.path().join("payload");
    std::fs::write(&payload, vec![b'x'; 300_000]).unwrap();
    let broker = broker(&dir);
    let server = format!("mqtt://{}", broker.addrs.first().unwrap());
    let listen = ["spy", "--listen", "127.0.0.1:0", "--connect", &server];
    let mut command = mqtt(listen.iter().chain(&["-vv", "--write", path]));
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let unread = child.stdout.take().unwrap();
    let stderr = Lines::of(child.stderr.take().unwrap());
    let line = stderr.next();
    let spy = Running::from(child);
    let told = line.strip_prefix("mqtt: listening on mqtt://127.0.0.1:");
    let port = told.unwrap().split(' ').next().unwrap();
    let payload = payload.to_str().unwrap();
    let publish = ["pub", "-h", "127.0.0.1", "-p", port, "-q", "1", "-t", "a"];
    let ended = run(publish.iter().chain(&["-f", payload]));
    assert_eq!((ended.stderr.as_str(), ended.code), ("", Some(0)));
    spy.signal("INT");
    stderr.end();
    assert_eq!(spy.output().status.code(), Some(130));
    drop(unread);
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let decoded = run(["decode", "--line", path]);
    assert!(decoded.stdout.contains("PUBLISH"), "{}", decoded.stderr);
    assert!(
        !decoded.stderr.contains("the file ends in the middle"),
        "{}",
        decoded.stderr
    );
}
