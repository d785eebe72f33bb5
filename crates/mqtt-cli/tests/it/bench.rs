//! `mqtt bench`: each command against our broker, its flags, its report, its exit codes.

use std::{fs, net::TcpListener, process::Stdio};

use serde_json::Value;
use tempfile::{TempDir, tempdir};

use crate::{
    process::{Ended, Running, RunningBroker, mqtt, run},
    server::ScriptedServer,
};

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

    /// Runs `mqtt bench` with these arguments and the broker's address.
    fn bench(&self, args: &[&str]) -> Ended {
        let (command, rest) = args.split_first().unwrap();
        run([
            &["bench", command, "-h", "127.0.0.1", "-p", &self.port],
            rest,
        ]
        .concat())
    }

    /// The same, which must go well; its report.
    #[track_caller]
    fn report(&self, args: &[&str]) -> Value {
        let ended = self.bench(&[args, &["--json"]].concat());
        assert_eq!(
            (ended.stderr.as_str(), ended.code),
            ("", Some(0)),
            "{args:?}: {}",
            ended.stdout
        );
        serde_json::from_str(&ended.stdout).unwrap()
    }
}

fn count(report: &Value, name: &str) -> u64 {
    report
        .pointer(&format!("/counts/{name}"))
        .and_then(Value::as_u64)
        .unwrap()
}

#[test]
fn clients_connect_and_stay() {
    let setup = Setup::new();
    let report = setup.report(&["conn", "-c", "20", "--duration", "0"]);
    assert_eq!(count(&report, "connects"), 20);
    assert_eq!(report.get("command"), Some(&Value::from("conn")));
    assert!(report.pointer("/connecting/p99_us").is_some());
}

#[test]
fn publishers_publish_what_is_asked_for() {
    let setup = Setup::new();
    let report = setup.report(&[
        "pub", "-c", "3", "-t", "b/%i", "-I", "1", "-L", "30", "-q", "1",
    ]);
    assert_eq!(
        (count(&report, "sent"), count(&report, "acknowledged")),
        (30, 30)
    );
    assert!(report.pointer("/acknowledging/max_us").is_some());
}

#[test]
fn subscribers_read_headers_of_other_processes() {
    let setup = Setup::new();
    let mut command = mqtt(["bench", "sub", "-h", "127.0.0.1", "-p", &setup.port]);
    command
        .args([
            "-c",
            "2",
            "-t",
            "b/%i",
            "--duration",
            "60",
            "--json",
            "--progress",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let lines = crate::process::Lines::of(child.stderr.take().unwrap());
    while !lines.next().contains("2 of 2 clients") {}
    setup.report(&[
        "pub", "-c", "2", "-t", "b/%i", "-I", "1", "-L", "50", "--hdr", "seq,ts",
    ]);
    while !lines.next().contains("received") {}
    let running = Running::from(child);
    #[cfg(unix)]
    running.signal("INT");
    let ended = Ended::from(running.output());
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(
        (count(&report, "received"), count(&report, "foreign")),
        (50, 0)
    );
    assert!(report.pointer("/delivering/p50_us").is_some());
    // The signal's code, and the report all the same.
    assert_eq!(
        (ended.code, report.get("stopped")),
        (Some(130), Some(&Value::Bool(true)))
    );
}

#[test]
fn pairs_are_measured_from_end_to_end() {
    let setup = Setup::new();
    let report = setup.report(&[
        "all",
        "-c",
        "4",
        "-t",
        "b/%i",
        "--rate",
        "500",
        "--duration",
        "300ms",
        "--warmup",
        "100ms",
        "-q",
        "1",
        "-F",
        "10",
        "--threads",
        "2",
    ]);
    assert_eq!(report.get("verdict"), Some(&Value::from("clean")));
    assert_eq!(count(&report, "sent"), count(&report, "received"));
    assert_eq!(report.get("lost_is_of_all"), Some(&Value::Bool(true)));
    for name in [
        "measured_s",
        "sent_per_s",
        "received_per_s",
        "delivering",
        "acknowledging",
        "sending",
        "faults",
    ] {
        assert!(
            report.get(name).is_some_and(|value| !value.is_null()),
            "{name}"
        );
    }
    for name in [
        "p50_us", "p75_us", "p90_us", "p95_us", "p99_us", "p999_us", "p9999_us", "max_us", "count",
    ] {
        assert!(
            report.pointer(&format!("/delivering/{name}")).is_some(),
            "{name}"
        );
    }
}

#[test]
fn every_flag_of_emqtt_bench_works_or_is_refused_with_a_sentence() {
    let setup = Setup::new();
    let topics = setup.dir.path().join("topics.json");
    fs::write(
        &topics,
        r#"{"topics": [{"name": "b/1", "QoS": 1, "payload": {"a": 1}}, {"name": "b/2"}]}"#,
    )
    .unwrap();
    let template = setup.dir.path().join("text");
    fs::write(&template, "message %s of %i").unwrap();
    let topics = topics.to_str().unwrap();
    let template = format!("template://{}", template.display());
    let short = ["-c", "2", "--duration", "0"];
    let of_all: &[&[&str]] = &[
        &["--host", "127.0.0.1"],
        &["-V", "4"],
        &["--version", "5"],
        &["--count", "1"],
        &["-n", "7"],
        &["--startnumber", "7"],
        &["-i", "1"],
        &["--interval", "1"],
        &["-R", "500"],
        &["--connrate", "500"],
        &["-u", "me", "-P", "x"],
        &["-k", "9"],
        &["--keepalive", "9"],
        &["-C", "false"],
        &["--clean", "true"],
        &["-x", "9"],
        &["--session-expiry", "9"],
        &["--ifaddr", "127.0.0.1,127.0.0.2"],
        &["--prefix", "p"],
        &["--shortids"],
        &["--shortids", "true"],
        &["-l"],
        &["--lowmem", "true"],
        &["--num-retry-connect", "2"],
        &["--reconnect", "2"],
        &["--log_to", "null"],
        &["--prometheus"],
        &["--prometheus", "--restapi", "0"],
        &["--ws", "false"],
        &["-S", "false"],
        &["--ssl", "false"],
    ];
    let of_pub: &[&[&str]] = &[
        &["-I", "1"],
        &["--interval_of_msg", "1"],
        &["-s", "9"],
        &["--size", "9"],
        &["-m", "text"],
        &["--message", &template],
        &["-q", "2"],
        &["--qos", "1"],
        &["-r"],
        &["--retain", "true"],
        &["-L", "3"],
        &["--limit", "3"],
        &["-F", "5"],
        &["--inflight", "0"],
        &["-w"],
        &["--wait-before-publishing", "true"],
        &["--min-random-wait", "1", "--max-random-wait", "2"],
        &["--payload-hdrs", "cnt64,ts"],
    ];
    for flags in of_all {
        for command in ["conn", "pub", "sub"] {
            let topic: &[&str] = if command == "conn" {
                &[]
            } else {
                &["-t", "b/%c/%u/%i"]
            };
            let ended = setup.bench(&[&[command], &short[..], topic, flags].concat());
            assert_eq!(
                ended.code,
                Some(0),
                "{command} {flags:?}: {}{}",
                ended.stderr,
                ended.stdout
            );
        }
    }
    for flags in of_pub {
        let ended = setup.bench(&[&["pub", "-t", "b/%s"], &short[..], flags].concat());
        assert_eq!(
            ended.code,
            Some(0),
            "{flags:?}: {}{}",
            ended.stderr,
            ended.stdout
        );
    }
    let report = setup.report(&[
        "pub",
        "-c",
        "1",
        "--topics-payload",
        topics,
        "-L",
        "4",
        "-I",
        "1",
    ]);
    assert_eq!(
        (count(&report, "sent"), count(&report, "acknowledged")),
        (4, 2)
    );
    for (flags, sentence) in [
        (["--quic", "true"], "not over QUIC"),
        (["--load-qst", "file"], "not over QUIC"),
        (["-h", "quic://localhost"], "not over QUIC"),
        (["-h", "wss://localhost:8084/mqtt"], "say the host alone"),
        (["-h", "localhost:1883"], "say its port with -p"),
        (["-Q", "true"], "times of connecting"),
        (["--qoelog", "file"], "times of connecting"),
        (["-d", "true"], "one process"),
        (["-f", "1"], "no garbage collector"),
        (["--retry-interval", "1"], "on a new connection only"),
        (["--ciphers", "x"], "rustls chooses"),
        (["--signature-algs", "x"], "rustls chooses"),
        (["--keyex-algs", "x"], "rustls chooses"),
        (["--ssl-version", "x"], "rustls chooses"),
    ] {
        let ended = setup.bench(&[&["conn"], &flags[..]].concat());
        assert_eq!(ended.code, Some(2), "{flags:?}");
        assert!(ended.stderr.contains(sentence), "{}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    }
}

#[test]
fn mqttx_names_are_taken_too() {
    let setup = Setup::new();
    let report = setup.report(&[
        "pub",
        "--hostname",
        "127.0.0.1",
        "--mqtt-version",
        "5",
        "--count",
        "1",
        "--topic",
        "t",
        "--message-interval",
        "1",
        "--payload-size",
        "3",
        "--limit",
        "2",
        "--no-clean",
        "--session-expiry-interval",
        "1",
        "--client-id",
        "x%i",
        "--maximum-reconnect-times",
        "1",
    ]);
    assert_eq!(count(&report, "sent"), 2);
}

#[test]
fn a_scenario_runs_its_steps_and_the_command_line_overrides_it() {
    let setup = Setup::new();
    let file = setup.dir.path().join("steps.toml");
    let text = "topic = \"b/%i\"\ncount = 50\nduration = \"100ms\"\n[[step]]\nname = \"first\"\n\
                [[step]]\nname = \"second\"\ncommand = \"conn\"\ntopic = []\n";
    fs::write(&file, text).unwrap();
    let ended = setup.bench(&[
        "all",
        "--scenario",
        file.to_str().unwrap(),
        "-c",
        "2",
        "--json",
    ]);
    assert_eq!((ended.stderr.as_str(), ended.code), ("", Some(0)));
    let lines: Vec<Value> = ended
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let told = |name: &str| {
        lines
            .iter()
            .map(|line| line.get(name).unwrap().clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(told("name"), ["first", "second"]);
    assert_eq!(told("command"), ["all", "conn"]);
    assert_eq!(told("clients"), [4, 2]);

    fs::write(&file, "cuont = 1").unwrap();
    let ended = setup.bench(&["conn", "--scenario", file.to_str().unwrap()]);
    assert_eq!(ended.code, Some(2));
    assert!(
        ended.stderr.contains("step 1") && ended.stderr.contains("--cuont"),
        "{}",
        ended.stderr
    );
}

#[test]
fn exit_codes_tell_what_failed() {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port().to_string()
    };
    let ended = run(["bench", "conn", "-h", "127.0.0.1", "-p", &port, "-c", "2"]);
    assert_eq!(ended.code, Some(1), "{}", ended.stdout);
    assert!(
        ended.stdout.contains("0 of 2 connected"),
        "{}",
        ended.stdout
    );

    // A broker that accepts a subscriber and a publisher and passes nothing on.
    let deaf = ScriptedServer::run(|accept| {
        let mut talks: Vec<_> = (0..2).map(|_| accept.next()).collect();
        for talk in &mut talks {
            loop {
                match talk.hear().first {
                    0x10 => talk.say(&[0x20, 2, 0, 0]),
                    0x30 => {}
                    0x82 => {
                        talk.say(&[0x90, 3, 0, 1, 0]);
                        break;
                    }
                    _ => break,
                }
            }
        }
    });
    let ended = run([
        "bench",
        "all",
        "-h",
        "127.0.0.1",
        "-p",
        &deaf.port(),
        "-c",
        "1",
        "-V",
        "4",
        "-t",
        "t",
        "-I",
        "1",
        "-L",
        "5",
        "--patience",
        "1",
    ]);
    assert_eq!(ended.code, Some(3), "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.contains("5 of 5"), "{}", ended.stdout);
    deaf.join();

    for (args, part) in [
        (vec!["bench", "pub"], "no topic to publish to"),
        (vec!["bench", "sub"], "no topic to subscribe to"),
        (
            vec!["bench", "conn", "--client-id", "x"],
            "--client-id needs %i",
        ),
        (
            vec!["bench", "conn", "-V", "4", "-P", "x"],
            "needs a user name",
        ),
        (vec!["bench", "conn", "-C", "maybe"], "invalid value"),
    ] {
        let ended = run(&args);
        assert_eq!(ended.code, Some(2), "{args:?}");
        assert!(ended.stderr.contains(part), "{}", ended.stderr);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn too_few_open_files_are_told_before_anything_is_done() {
    let script = "ulimit -n 64; exec \"$0\" bench conn -h 127.0.0.1 -p 1 -c 1000";
    let output = std::process::Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_mqtt")])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text.contains("1000 clients need 1036 open files") && text.contains("ulimit -n 1036"),
        "{text}"
    );
}

#[test]
fn certificates_are_checked_when_an_authority_is_named() {
    let dir = tempdir().unwrap();
    for folder in ["own", "other"] {
        let ended = run([
            "certs",
            "make",
            "--dir",
            dir.path().join(folder).to_str().unwrap(),
        ]);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    }
    let file = |name: &str| dir.path().join(name).display().to_string();
    let config = dir.path().join("broker.toml");
    let text = format!(
        "[listeners.ssl.a]\nbind = \"127.0.0.1:0\"\nssl_options.certfile = {:?}\nssl_options.keyfile = {:?}\n",
        file("own/server.pem"),
        file("own/server.key")
    );
    fs::write(&config, text).unwrap();
    let broker = RunningBroker::start(&dir, &["--config", config.to_str().unwrap()]);
    let port = broker.addrs.first().unwrap().port().to_string();
    for (flags, code) in [
        (vec!["-S"], 0),
        (vec!["--cacertfile", &file("own/ca.pem")], 0),
        (vec!["--cacertfile", &file("other/ca.pem")], 1),
    ] {
        let common = [
            "bench",
            "all",
            "-h",
            "localhost",
            "-p",
            &port,
            "-c",
            "2",
            "-t",
            "t/%i",
            "-I",
            "1",
            "-L",
            "6",
        ];
        let ended = run([&common[..], &flags].concat());
        assert_eq!(
            ended.code,
            Some(code),
            "{flags:?}: {}{}",
            ended.stdout,
            ended.stderr
        );
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_report_that_cannot_be_written_is_told() {
    let setup = Setup::new();
    let args = ["-c", "1", "-t", "a", "-L", "1", "-I", "1"];
    let bench = ["bench", "pub", "-h", "127.0.0.1", "-p", &setup.port];
    let mut command = mqtt([&bench[..], &args].concat());
    let full = fs::OpenOptions::new().write(true).open("/dev/full");
    command.stdout(full.unwrap()).stderr(Stdio::piped());
    let ended = Ended::from(Running::from(command.spawn().unwrap()).output());
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.stderr.starts_with("mqtt: cannot write to stdout: "),
        "{}",
        ended.stderr
    );
}

#[test]
fn times_without_end_are_that() {
    let setup = Setup::new();
    let publish = |args: &[&str]| {
        let ended = setup.bench(&[&["pub", "-t", "a", "-L", "2"], args].concat());
        assert_eq!((ended.stderr.as_str(), ended.code), ("", Some(0)));
    };
    publish(&["-c", "1", "-I", "1", "--warmup", "5000000h"]);
    let wait = ["--max-random-wait", "5000000h", "--duration", "200ms"];
    publish(&[&["-c", "2"], &wait[..]].concat());
}
