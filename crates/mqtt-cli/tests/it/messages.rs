//! `mqtt pub` and `mqtt sub` through `mqtt broker`: what goes in comes out.

use std::{
    fs,
    process::{Output, Stdio},
    thread,
};

use tempfile::{TempDir, tempdir};

use crate::process::{Ended, Lines, Running, RunningBroker, mqtt, run};

/// A broker and how to reach it.
struct Setup {
    _broker: RunningBroker,
    port: String,
    dir: TempDir,
}

impl Setup {
    fn new() -> Self {
        let dir = tempdir().unwrap();
        let broker = RunningBroker::start(&dir, &["--listen", "127.0.0.1:0"]);
        let port = broker.addrs.first().unwrap().port().to_string();
        Self {
            _broker: broker,
            port,
            dir,
        }
    }

    /// `mqtt COMMAND` with the broker's address before `args`.
    fn args<'a>(&'a self, command: &'a str, args: &[&'a str]) -> Vec<&'a str> {
        [&[command, "-h", "127.0.0.1", "-p", &self.port], args].concat()
    }

    /// Runs `mqtt pub`, which must succeed in silence.
    #[track_caller]
    fn publish(&self, args: &[&str]) {
        let ended = run(self.args("pub", args));
        assert_eq!(
            (ended.stdout, ended.stderr, ended.code),
            (String::new(), String::new(), Some(0))
        );
    }

    /// Runs `mqtt pub` with this on its stdin.
    #[track_caller]
    fn publish_from_stdin(&self, args: &[&str], input: &'static [u8]) {
        let mut command = mqtt(self.args("pub", args));
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let writer = thread::spawn(move || std::io::Write::write_all(&mut stdin, input).unwrap());
        let ended = Ended::from(Running::from(child).output());
        writer.join().unwrap();
        assert_eq!((ended.stderr.as_str(), ended.code), ("", Some(0)));
    }

    /// Runs `mqtt sub` to its end.
    fn subscribe(&self, args: &[&str]) -> Output {
        let mut command = mqtt(self.args("sub", args));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Running::from(command.spawn().unwrap()).output()
    }

    /// Starts `mqtt sub` and waits until it is subscribed.
    fn subscribed(&self, args: &[&str]) -> Subscriber {
        let mut command = mqtt(self.args("sub", args));
        command
            .arg("-d")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stderr = Lines::of(child.stderr.take().unwrap());
        while !stderr.next().contains("subscribed") {}
        Subscriber {
            process: Running::from(child),
            stderr,
        }
    }
}

/// A `mqtt sub` that is subscribed.
struct Subscriber {
    process: Running,
    stderr: Lines,
}

impl Subscriber {
    /// Waits for its end and takes what it printed.
    fn output(self) -> Output {
        let output = self.process.output();
        self.stderr.end();
        output
    }
}

#[track_caller]
fn assert_printed(output: &Output, expected: &[u8]) {
    assert_eq!(
        (output.stdout.as_slice(), output.status.code()),
        (expected, Some(0)),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn a_message_reaches_a_subscriber_at_every_qos_and_version() {
    let setup = Setup::new();
    for version in ["3.1", "3.1.1", "5"] {
        for qos in ["0", "1", "2"] {
            let subscriber =
                setup.subscribed(&["-t", "a/#", "-v", "-q", qos, "-C", "1", "-V", version]);
            setup.publish(&["-t", "a/b", "-m", "21.5", "-q", qos, "-V", version]);
            assert_printed(&subscriber.output(), b"a/b 21.5\n");
        }
    }
}

#[test]
fn payloads_come_through_byte_by_byte() {
    let setup = Setup::new();
    let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let file = setup.dir.path().join("payload");
    fs::write(&file, &bytes).unwrap();
    setup.publish(&["-t", "file", "-r", "-q", "1", "-f", file.to_str().unwrap()]);
    assert_printed(&setup.subscribe(&["-t", "file", "-C", "1", "-N"]), &bytes);

    setup.publish_from_stdin(&["-t", "stdin", "-r", "-q", "1", "-s"], b"a\n\nb\xFF\n");
    assert_printed(
        &setup.subscribe(&["-t", "stdin", "-C", "1"]),
        b"a\n\nb\xFF\n\n",
    );
}

#[test]
fn messages_are_printed_in_the_format_that_is_asked_for() {
    let setup = Setup::new();
    setup.publish(&["-t", "a/b", "-r", "-q", "1", "-m", "21.5"]);
    let printed = |format, flags: &[&str], expected: &[u8]| {
        let args = [&["-t", "a/b", "-C", "1", "-q", "1", "-F", format], flags].concat();
        assert_printed(&setup.subscribe(&args), expected);
    };
    printed("%-5t|%6l|%X|%q%r|%%", &[], b"a/b  |     4|32312E35|11|%\n");
    printed(r"%p\t%.1t", &["-N"], b"21.5\ta");
    let output = setup.subscribe(&["-t", "a/b", "-C", "1", "-F", "%J"]);
    let object: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&object["topic"], &object["payload"]),
        (&"a/b".into(), &21.5.into())
    );
    setup.publish(&["-t", "a/b", "-r", "-q", "1", "-m", "{"]);
    let output = setup.subscribe(&["-t", "a/b", "-C", "1", "-F", "<%J>"]);
    assert_eq!(output.stdout, b"<>\n");
    assert_eq!(
        output.stderr,
        b"mqtt: the payload is not valid JSON, topic a/b\n"
    );
    for (format, mistake) in [("%z", "invalid format specifier 'z'"), ("%", "incomplete")] {
        let output = setup.subscribe(&["-t", "a/b", "-F", format]);
        assert_eq!(output.status.code(), Some(2));
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains(mistake), "{stderr}");
    }
}

#[test]
fn lines_become_messages_in_order() {
    let setup = Setup::new();
    for qos in ["0", "1", "2"] {
        let subscriber = setup.subscribed(&["-t", "lines", "-q", qos, "-C", "3"]);
        setup.publish_from_stdin(&["-t", "lines", "-l", "-q", qos], b"one\n\ntwo\nthree");
        assert_printed(&subscriber.output(), b"one\ntwo\nthree\n");
    }
}

#[test]
fn a_null_message_removes_the_retained_one() {
    let setup = Setup::new();
    setup.publish(&["-t", "kept", "-r", "-q", "1", "-m", "x"]);
    assert_printed(&setup.subscribe(&["-t", "kept", "-C", "1"]), b"x\n");
    setup.publish(&["-t", "kept", "-r", "-q", "1", "-n"]);
    let output = setup.subscribe(&["-t", "kept", "-C", "1", "-W", "1"]);
    assert_eq!(
        (output.stdout.as_slice(), output.status.code()),
        (b"".as_slice(), Some(27))
    );
    assert_eq!(output.stderr, b"");
}

#[test]
fn many_filters_are_one_stream() {
    let setup = Setup::new();
    let subscriber = setup.subscribed(&["-t", "a/+", "-t", "b", "-v", "-q", "1", "-C", "3"]);
    for topic in ["a/1", "c", "b", "a/2"] {
        setup.publish(&["-t", topic, "-q", "1", "-n"]);
    }
    assert_printed(&subscriber.output(), b"a/1 (null)\nb (null)\na/2 (null)\n");
}

#[cfg(unix)]
#[test]
fn a_kept_session_has_what_came_meanwhile() {
    let setup = Setup::new();
    for version in ["3.1.1", "5"] {
        let session = [
            "-t", "kept/#", "-q", "1", "-c", "-i", "keeper", "-V", version,
        ];
        let subscriber = setup.subscribed(&session);
        subscriber.process.signal("INT");
        let output = subscriber.output();
        assert_eq!(output.status.code(), Some(130), "{output:?}");
        setup.publish_from_stdin(&["-t", "kept/1", "-q", "1", "-l"], b"one\ntwo\n");
        let args = [session.as_slice(), &["-C", "2"]].concat();
        assert_printed(&setup.subscribe(&args), b"one\ntwo\n");
    }
}

#[test]
fn a_killed_subscriber_leaves_its_will() {
    let setup = Setup::new();
    let heir = setup.subscribed(&["-t", "will", "-q", "1", "-C", "1"]);
    let will = [
        "--will-topic",
        "will",
        "--will-payload",
        "gone",
        "--will-qos",
        "1",
    ];
    drop(setup.subscribed(&[&["-t", "a"], will.as_slice()].concat()));
    assert_printed(&heir.output(), b"gone\n");
}

#[cfg(unix)]
#[test]
fn a_reader_that_stops_reading_does_not_hold_up_a_signal() {
    use std::io::Read;

    let setup = Setup::new();
    let file = setup.dir.path().join("payload");
    // More than any pipe holds.
    fs::write(&file, vec![b'x'; 900_000]).unwrap();
    setup.publish(&["-t", "kept", "-r", "-q", "1", "-f", file.to_str().unwrap()]);
    let mut command = mqtt(setup.args("sub", &["-t", "kept"]));
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut [0]).unwrap();
    let process = Running::from(child);
    process.signal("INT");
    assert_eq!(process.output().status.code(), Some(130));
}

#[test]
fn a_pipe_without_reader_ends_it_quietly() {
    let setup = Setup::new();
    setup.publish(&["-t", "kept", "-r", "-q", "1", "-m", "x"]);
    let mut command = mqtt(setup.args("sub", &["-t", "kept"]));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let child = command
        .stdout(writer)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let output = Running::from(child).output();
    assert_eq!(
        (output.stderr.as_slice(), output.status.code()),
        (b"".as_slice(), Some(0))
    );
}

#[test]
fn packets_are_shown_when_asked_for_and_no_password() {
    let setup = Setup::new();
    let ended = run(setup.args(
        "pub",
        &[
            "-d", "-u", "me", "-P", "geheim", "-t", "a/b", "-m", "text", "-q", "1",
        ],
    ));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    for packet in ["CONNECT", "CONNACK", "PUBLISH", "PUBACK", "DISCONNECT"] {
        assert!(
            ended.stderr.contains(packet),
            "{packet} in {}",
            ended.stderr
        );
    }
    assert!(!ended.stderr.contains("geheim"), "{}", ended.stderr);
}
