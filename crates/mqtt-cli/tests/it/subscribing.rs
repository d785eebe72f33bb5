//! What `mqtt sub` and `mqtt rr` can do beyond Mosquitto's programs.

use std::{
    fs,
    process::{Output, Stdio},
};

use tempfile::{TempDir, tempdir};

use crate::process::{Lines, Running, RunningBroker, mqtt, run};

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

    fn args<'a>(&'a self, command: &'a str, args: &[&'a str]) -> Vec<&'a str> {
        [&[command, "-h", "127.0.0.1", "-p", &self.port], args].concat()
    }

    /// Has the broker keep a message, whose payload is a file's.
    #[track_caller]
    fn keep(&self, topic_name: &str, payload: &[u8]) {
        let file = self.dir.path().join("payload");
        fs::write(&file, payload).unwrap();
        let file = file.to_str().unwrap();
        let ended = run(self.args("pub", &["-t", topic_name, "-r", "-q", "1", "-f", file]));
        assert_eq!((ended.stderr.as_str(), ended.code), ("", Some(0)));
    }

    fn subscribe(&self, args: &[&str]) -> Output {
        let mut command = mqtt(self.args("sub", args));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Running::from(command.spawn().unwrap()).output()
    }

    /// Runs `mqtt sub`, which must print this and succeed.
    #[track_caller]
    fn prints(&self, args: &[&str], expected: &str) {
        let output = self.subscribe(args);
        assert_eq!(
            (
                String::from_utf8_lossy(&output.stdout).as_ref(),
                output.status.code()
            ),
            (expected, Some(0)),
            "{args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[test]
fn payloads_are_decoded_as_they_are_said_to_be_or_look() {
    let setup = Setup::new();
    setup.keep("cbor", b"\xA1\x61a\x19\x03\xE8");
    setup.keep("msgpack", b"\x81\xA1a\xC2");
    setup.keep("hex", b"68 69");
    setup.keep("bytes", b"\0\xFF\x10");
    setup.keep("json", b"{ \"big\": 9007199254740993 }");
    for (topic_name, codecs, expected) in [
        ("cbor", "auto", "{\"a\":1000}\n"),
        ("cbor", "cbor", "{\"a\":1000}\n"),
        ("msgpack", "auto", "{\"a\":false}\n"),
        ("hex", "hex", "hi\n"),
        ("hex", "auto", "68 69\n"),
        ("bytes", "auto", "00ff10\n"),
        ("bytes", "to-base64", "AP8Q\n"),
        ("json", "json", "{\"big\":9007199254740993}\n"),
    ] {
        setup.prints(&["-t", topic_name, "-C", "1", "--decode", codecs], expected);
    }
    let pretty = ["-t", "json", "-C", "1", "--decode", "auto", "--pretty"];
    setup.prints(&pretty, "{\n  \"big\": 9007199254740993\n}\n");
    setup.prints(
        &["-t", "bytes", "-C", "1", "-F", "hex", "-v"],
        "bytes 00ff10\n",
    );
    let output = setup.subscribe(&["-t", "hex", "-C", "1", "--decode", "gzip"]);
    assert_eq!(output.stdout, b"68 69\n");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.starts_with("mqtt: cannot decode: gzip: "),
        "{stderr}"
    );
    for (codecs, mistake) in [("nothing", "no codec is called"), ("protobuf", "protobuf")] {
        let output = setup.subscribe(&["-t", "hex", "--decode", codecs]);
        let stderr = String::from_utf8(output.stderr).unwrap().to_lowercase();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(mistake), "{stderr}");
    }
}

#[test]
fn every_message_is_one_json_object_on_one_line() {
    let setup = Setup::new();
    setup.keep("a/b", b"21.5");
    for flags in [&["-J"][..], &["-F", "json"]] {
        let output = setup.subscribe(&[&["a/b", "-C", "1", "-q", "1"], flags].concat());
        let object: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(object["topic"], "a/b");
        assert_eq!(object["payload"], "21.5");
        assert_eq!(object["mid"], 1);
        assert!(object.get("properties").is_none(), "{object}");
        assert_eq!(
            output.stdout.iter().filter(|byte| **byte == b'\n').count(),
            1
        );
    }
    let output = setup.subscribe(&["a/b", "-C", "1", "-F", "pretty"]);
    assert!(output.stdout.starts_with(b"{\n\t\"tst\":\t"));
}

#[test]
fn what_follows_a_message_is_chosen() {
    let setup = Setup::new();
    setup.keep("a/1", b"x");
    setup.prints(&["-t", "a/1", "-C", "1", "-0"], "x\0");
    setup.prints(&["-t", "a/1", "-C", "1", "--delimiter", r"--\t"], "x--\t");
    setup.prints(
        &["a/1", "-C", "1", "-vv", "-q", "1"],
        "a/1 x\n  qos: 1\n  retain: 1\n",
    );
    setup.prints(
        &["a/1", "-C", "1", "-V", "5", "--sub-id", "9", "-F", "%S"],
        "9\n",
    );
}

#[test]
fn messages_go_to_files() {
    let setup = Setup::new();
    setup.keep("a/b c", b"x");
    let file = setup.dir.path().join("out");
    let folder = setup.dir.path().join("messages");
    let (out, out_dir) = (file.to_str().unwrap(), folder.to_str().unwrap());
    for _ in 0..2 {
        setup.prints(&["-t", "a/+", "-C", "1", "-v", "--out", out], "");
    }
    assert_eq!(fs::read(&file).unwrap(), b"a/b c x\na/b c x\n");
    setup.prints(&["-t", "a/+", "-C", "1", "-N", "--out-dir", out_dir], "");
    assert_eq!(fs::read(folder.join("000001-a_b_c")).unwrap(), b"x");
}

#[test]
fn each_topic_has_its_line_under_watch() {
    let setup = Setup::new();
    setup.keep("a", b"1");
    setup.prints(&["-t", "a", "-C", "1", "-w", "-v"], "\x1B[?7la 1\x1B[?7h\n");
}

#[test]
fn counts_are_told_on_stderr() {
    let setup = Setup::new();
    setup.keep("a", b"four");
    let output = setup.subscribe(&["-t", "a", "-C", "1", "--stats"]);
    assert_eq!(output.stdout, b"four\n");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.starts_with("mqtt: 1 messages, 4 bytes in "),
        "{stderr}"
    );
    let output = setup.subscribe(&["-t", "a", "--message-rate", "-W", "3"]);
    assert!(output.stdout.starts_with(b"1\n0\n"), "{output:?}");
}

#[test]
fn what_only_mqtt_5_has_is_refused_before() {
    let setup = Setup::new();
    for flag in [
        "--no-local",
        "--retain-as-published",
        "--retain-handling=never",
    ] {
        let output = setup.subscribe(&["-t", "a", "-V", "3.1.1", flag]);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains("of MQTT 5"), "{stderr}");
    }
    setup.keep("a", b"x");
    let output = setup.subscribe(&["-t", "a", "--retain-handling", "never", "-W", "1"]);
    assert_eq!(
        (output.stdout.as_slice(), output.status.code()),
        (b"".as_slice(), Some(27))
    );
}

#[cfg(unix)]
#[test]
fn a_lost_connection_is_made_again() {
    let dir = tempdir().unwrap();
    let mut broker = RunningBroker::start(&dir, &["--listen", "127.0.0.1:0"]);
    let port = broker.addrs.first().unwrap().port().to_string();
    let mut command = mqtt(["sub", "-h", "127.0.0.1", "-p", &port, "-t", "a", "-C", "1"]);
    command.args(["--retry-max", "1", "-d"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let stderr = Lines::of(child.stderr.take().unwrap());
    while !stderr.next().contains("subscribed") {}
    broker.process.signal("TERM");
    broker.wait();
    while !stderr.next().contains("connection lost") {}
    let listen = format!("127.0.0.1:{port}");
    let _broker = RunningBroker::start(&dir, &["--listen", &listen]);
    while !stderr.next().contains("connected again") {}
    let ended = run([
        "pub",
        "-h",
        "127.0.0.1",
        "-p",
        &port,
        "-t",
        "a",
        "-r",
        "-q",
        "1",
        "-m",
        "x",
    ]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let output = Running::from(child).output();
    assert_eq!(
        (output.stdout.as_slice(), output.status.code()),
        (b"x\n".as_slice(), Some(0))
    );
}

#[test]
fn a_request_has_its_response() {
    let setup = Setup::new();
    // It is its own response.
    let ended = run(setup.args(
        "rr",
        &["-t", "self", "-e", "self", "-m", "ask", "-F", "%p|%R"],
    ));
    assert_eq!((ended.stdout.as_str(), ended.code), ("ask|self\n", Some(0)));
    let args = [
        "-t",
        "self",
        "-e",
        "self",
        "-m",
        "{\"a\":1}",
        "--encode",
        "cbor",
        "-F",
        "%x",
    ];
    assert_eq!(run(setup.args("rr", &args)).stdout, "a1616101\n");
    let ended = run(setup.args("rr", &["-t", "nobody", "-m", "ask", "-W", "1"]));
    assert_eq!((ended.stdout.as_str(), ended.code), ("", Some(27)));
    let ended = run(setup.args(
        "rr",
        &["-t", "self", "-e", "self", "-m", "{", "--encode", "cbor"],
    ));
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("JSON: byte 1"), "{}", ended.stderr);
}

#[test]
fn times_may_be_longer_than_any_clock_runs() {
    let setup = Setup::new();
    let long = [
        "-W",
        "18446744073709551615",
        "--connect-timeout",
        "10000000000000000000",
    ];
    let subscribed = run(setup.args("sub", &[&long[..], &["-t", "a", "-E"]].concat()));
    assert_eq!((subscribed.stderr.as_str(), subscribed.code), ("", Some(0)));
}

#[cfg(unix)]
#[test]
fn a_pause_without_end_is_ended_by_a_signal() {
    let setup = Setup::new();
    let pause = ["--repeat", "2", "--repeat-delay", "10000000000000000000"];
    let args = [&pause[..], &["-d", "-q", "1", "-t", "a", "-m", "x"]].concat();
    let mut child = mqtt(setup.args("pub", &args))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stderr = Lines::of(child.stderr.take().unwrap());
    let publisher = Running::from(child);
    while !stderr.next().contains("server PUBACK") {}
    publisher.signal("INT");
    stderr.end();
    assert_eq!(publisher.output().status.code(), Some(130));
}
