//! The broker's log: full disks, levels changed while it runs, and what it says of clients at the wrong listener.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use tempfile::{TempDir, tempdir};

use crate::process::{RunningBroker, mqtt, run};

/// CONNECT of 3.1.1 with Clean Session, client id `c`.
const CONNECT: &[u8] = b"\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\x01c";

/// A broker whose log goes to this file, and to a stderr that this command has.
fn start(dir: &TempDir, stderr: Stdio, settings: &str) -> RunningBroker {
    let config = dir.path().join("broker.toml");
    let file = dir.path().join("x.log").display().to_string();
    let text = format!("{settings}\n[log.file]\nenable = true\npath = {file:?}\n");
    fs::write(&config, text).unwrap();
    let mut command = mqtt(["broker", "--config"]);
    let command = command.arg(config).arg("--data-dir");
    RunningBroker::spawn(command.arg(dir.path().join("data")).stderr(stderr))
}

/// What `mqtt ctl` answers.
fn ctl(dir: &TempDir, args: &[&str]) -> String {
    let data_dir = dir.path().join("data").display().to_string();
    let flags = ["ctl", "--data-dir", &data_dir];
    let ended = run(flags.into_iter().chain(args.iter().copied()));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    ended.stdout
}

/// Looks at a file until this is so.
fn until(path: &Path, what: &str, is_so: impl Fn(&str) -> bool) -> String {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let text = fs::read_to_string(path).unwrap_or_default();
        if is_so(&text) {
            return text;
        }
        assert!(Instant::now() < deadline, "{what} is not in:\n{text}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// A client that is let in, then gone.
fn visit(addr: SocketAddr) {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.write_all(CONNECT).unwrap();
    let mut connack = [0; 4];
    stream.read_exact(&mut connack).unwrap();
    assert_eq!(connack, [0x20, 2, 0, 0]);
}

/// Sends this, and waits for the end of the connection.
fn intrude(addr: SocketAddr, bytes: &[u8]) {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.write_all(bytes).unwrap();
    // A connection that is reset has ended, too.
    let _ = stream.read_to_end(&mut Vec::new());
}

/// Lines of each output that are missing, by what the broker counts.
#[cfg(target_os = "linux")]
fn lost(dir: &TempDir, output: &str) -> u64 {
    let name = format!("mqtt_logging_lines_lost_total{{output=\"{output}\"}} ");
    let page = ctl(dir, &["metrics"]);
    let mut lines = page.lines();
    let number = lines.find_map(|line| line.strip_prefix(&name));
    number.unwrap().parse().unwrap()
}

/// `/dev/full` takes no byte. Both outputs of the log are there: nobody is kept waiting, nothing stops, what is missing
/// is counted, and a log that can be written again begins with how much that is.
#[cfg(target_os = "linux")]
#[test]
fn a_log_that_cannot_be_written_stops_nothing() {
    let dir = tempdir().unwrap();
    let file = dir.path().join("x.log");
    std::os::unix::fs::symlink("/dev/full", &file).unwrap();
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let settings = "log.level = \"debug\"\n[listeners.tcp.default]\nbind = \"127.0.0.1:0\"";
    let mut broker = start(&dir, full.into(), settings);
    let addr = *broker.addrs.first().unwrap();
    for _ in 0..10 {
        visit(addr);
    }
    let deadline = Instant::now() + Duration::from_secs(30);
    while lost(&dir, "file") < 10 || lost(&dir, "console") < 10 {
        assert!(Instant::now() < deadline, "lines are counted");
    }
    fs::remove_file(&file).unwrap();
    broker.process.signal("HUP");
    let text = until(&file, "the number of lines", |text| {
        visit(addr);
        text.contains("so many lines are missing")
    });
    assert_eq!(text.matches("so many lines are missing").count(), 1);
    let lines = text.split_once("so many lines are missing lines=").unwrap();
    let lines = lines.1.lines().next().unwrap().parse::<u64>().unwrap();
    assert!(lines >= 10, "{lines}");
    let kept = lost(&dir, "file");
    visit(addr);
    assert_eq!(lost(&dir, "file"), kept, "no more are lost");
    assert!(lost(&dir, "console") > 10);
    broker.process.signal("TERM");
    assert_eq!(broker.wait(), Some(0));
}

/// More than a pipe holds goes to a stderr that nobody reads, and all are served.
#[test]
fn a_stderr_that_nobody_reads_keeps_nobody_waiting() {
    /// What pipes hold, at most.
    const PIPE: usize = 64 * 1024;
    let dir = tempdir().unwrap();
    let settings = "log.level = \"trace\"\n[listeners.tcp.default]\nbind = \"127.0.0.1:0\"";
    let mut broker = start(&dir, Stdio::piped(), settings);
    let addr = *broker.addrs.first().unwrap();
    let file = dir.path().join("x.log");
    // The same lines go to the file.
    until(&file, "enough lines", |text| {
        (0..50).for_each(|_| visit(addr));
        text.len() > 2 * PIPE
    });
    assert!(ctl(&dir, &["status"]).contains("connections"));
    broker.process.signal("TERM");
    assert_eq!(broker.wait(), Some(0));
}

#[test]
fn a_level_holds_from_when_it_is_set() {
    let dir = tempdir().unwrap();
    let file = dir.path().join("x.log");
    let settings = "[listeners.tcp.default]\nbind = \"127.0.0.1:0\"";
    let broker = start(&dir, Stdio::null(), settings);
    let addr = *broker.addrs.first().unwrap();
    visit(addr);
    ctl(&dir, &["log-level", "debug"]);
    let text = until(&file, "the change", |text| {
        text.contains("log level changed")
    });
    assert!(!text.contains("DEBUG"), "{text}");
    visit(addr);
    until(&file, "a client", |text| text.contains("DEBUG"));
    ctl(&dir, &["log-level", "warn"]);
    let before = until(&file, "the last client", |text| {
        text.matches("connection closed").count() == 1
    });
    visit(addr);
    ctl(&dir, &["log-level", "mqtt_broker=debug,info"]);
    let after = until(&file, "the next change", |text| {
        text.matches("log level changed").count() >= 2
    });
    assert_eq!(
        before.matches("DEBUG").count(),
        after.matches("DEBUG").count(),
        "{after}"
    );
}

/// Whoever looks after the broker is told which listener the client belongs to; the client is told nothing.
#[test]
fn a_client_at_the_wrong_listener_is_told_of() {
    let dir = tempdir().unwrap();
    let certs = dir.path().join("certs").display().to_string();
    let made = run(["certs", "make", "--dir", &certs]);
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    let settings = format!(
        "log.level = \"debug\"\n[listeners.tcp.plain]\nbind = \"127.0.0.1:0\"\n\
         [listeners.ws.web]\nbind = \"127.0.0.1:0\"\n\
         [listeners.ssl.locked]\nbind = \"127.0.0.1:0\"\n\
         ssl_options.certfile = \"{certs}/server.pem\"\nssl_options.keyfile = \"{certs}/server.key\"\n"
    );
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    let request = b"GET /mqtt HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\r\n";
    // One line tells of many, so each has a broker of its own.
    for (listener, bytes, words) in [
        ("tcp:plain", &hello[..], "it belongs to an `ssl` listener"),
        ("tcp:plain", request, "it belongs to a `ws` listener"),
        (
            "tcp:plain",
            b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n",
            "without `proxy_protocol = true`",
        ),
        (
            "ssl:locked",
            CONNECT,
            "is this a client of a `tcp` or `ws` listener?",
        ),
        (
            "ws:web",
            CONNECT,
            "is this a client of a `tcp`, `ssl` or `wss` listener?",
        ),
        (
            "ws:web",
            hello,
            "is this a client of a `tcp`, `ssl` or `wss` listener?",
        ),
    ] {
        let broker = start(&dir, Stdio::null(), &settings);
        // They are said in the order of their names.
        let nth = ["ssl:locked", "tcp:plain", "ws:web"]
            .iter()
            .position(|name| *name == listener);
        let addr = broker.addrs.get(nth.unwrap()).unwrap();
        intrude(*addr, bytes);
        let file = dir.path().join("x.log");
        let text = until(&file, words, |text| text.contains(words));
        let line = text.lines().find(|line| line.contains(words)).unwrap();
        assert!(line.contains(listener), "{line}");
        assert!(line.contains("peer=127.0.0.1:"), "{line}");
        drop(broker);
        fs::remove_file(&file).unwrap();
    }
}
