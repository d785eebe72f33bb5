//! `mosquitto_pub` and `mosquitto_passwd`: what they begin with, and messages that are made.

use std::fs;

use tempfile::{TempDir, tempdir};

use crate::process::{Ended, RunningBroker, run};

struct Setup {
    _broker: RunningBroker,
    port: String,
    dir: TempDir,
}

impl Setup {
    fn new() -> Self {
        let dir = tempdir().unwrap();
        let broker = RunningBroker::start(&dir, &["--listen", "127.0.0.1:0", "--allow-anonymous"]);
        let port = broker.addrs.first().unwrap().port().to_string();
        Self {
            _broker: broker,
            port,
            dir,
        }
    }

    fn run(&self, args: &[&str]) -> Ended {
        let mut all = vec!["mosquitto_pub"];
        // A socket takes the place of host and port.
        if !args.contains(&"--unix") {
            all.extend(["-h", "127.0.0.1", "-p", &self.port]);
        }
        run([all.as_slice(), args].concat())
    }
}

#[test]
fn mosquitto_begins_with_3_1_1_and_properties_ask_for_5() {
    let setup = Setup::new();
    // A refused version would be a failure of the CONNECT; what is said by -V is what is spoken.
    let ended = setup.run(&["-t", "a", "-m", "{{i}}", "-r"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let args = [
        "sub",
        "-h",
        "127.0.0.1",
        "-p",
        &setup.port,
        "-t",
        "a",
        "-C",
        "1",
    ];
    assert_eq!(run(args).stdout, "{{i}}\n", "a payload is literal");
}

#[test]
fn help_and_version_end_with_1_and_mistakes_too() {
    for args in [
        &["mosquitto_pub", "--help"][..],
        &["mosquitto_pub", "--version"],
        &["mosquitto_sub", "--help"],
    ] {
        let ended = run(args);
        assert_eq!(
            (ended.code, ended.stderr.as_str()),
            (Some(1), ""),
            "{args:?}"
        );
        assert!(
            ended.stdout.contains("mosquitto_"),
            "{args:?}: {}",
            ended.stdout
        );
    }
    let ended = run(["mosquitto_pub", "-t", "a"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.starts_with("Error: "), "{}", ended.stderr);
}

#[cfg(unix)]
#[test]
fn a_link_is_that_program_and_reads_its_options_file() {
    let setup = Setup::new();
    let link = setup.dir.path().join("mosquitto_pub");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_mqtt"), &link).unwrap();
    let options = format!(
        "# mine\n-h 127.0.0.1\n-p {}\n-t from/file\n-q 1\n-r\n",
        setup.port
    );
    fs::write(setup.dir.path().join("options"), &options).unwrap();
    fs::create_dir(setup.dir.path().join("config")).unwrap();
    fs::write(setup.dir.path().join("config/mosquitto_pub"), options).unwrap();
    let status = std::process::Command::new(&link)
        .args(["-m", "x"])
        .env("XDG_CONFIG_HOME", setup.dir.path().join("config"))
        // Mosquitto's programs know nothing of the environment.
        .env("MQTT_PORT", "1")
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(0));
    let args = [
        "sub",
        "-h",
        "127.0.0.1",
        "-p",
        &setup.port,
        "-t",
        "from/#",
        "-v",
        "-C",
        "1",
    ];
    assert_eq!(run(args).stdout, "from/file x\n");
}

#[test]
fn mosquitto_passwd_writes_what_mosquitto_reads() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("users");
    let path = path.to_str().unwrap();
    let ended = run(["mosquitto_passwd", "-c", "-b", path, "alice", "secret"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let ended = run(["mosquitto_passwd", "-b", path, "bob", "secret"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let text = fs::read_to_string(path).unwrap();
    assert!(text.lines().all(|line| line.contains(":$7$")), "{text}");
    let ended = run(["mosquitto_passwd", "-D", path, "alice"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(fs::read_to_string(path).unwrap().starts_with("bob:"));
    let ended = run(["mosquitto_passwd", "-D", path, "alice"]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
}

#[test]
fn templates_are_filled_in_when_asked_for() {
    let setup = Setup::new();
    let common = ["-h", "127.0.0.1", "-p", &setup.port];
    let publish = |args: &[&str]| {
        let ended = run([&["pub"], common.as_slice(), args].concat());
        assert_eq!(
            (ended.code, ended.stderr.as_str()),
            (Some(0), ""),
            "{args:?}"
        );
    };
    publish(&[
        "-t",
        "t/{{i}}",
        "-m",
        "{{i}} of {{topic}}",
        "--template",
        "--repeat",
        "3",
        "-r",
        "-q",
        "1",
    ]);
    publish(&[
        "-t",
        "u/{{rand 1 9}}",
        "-m",
        "x",
        "--template",
        "--seed",
        "7",
        "-r",
    ]);
    publish(&[
        "-t",
        "u/{{rand 1 9}}",
        "-m",
        "y",
        "--template",
        "--seed",
        "7",
        "-r",
    ]);
    publish(&["-t", "v", "-m", "{\"a\": 1}", "--encode", "cbor,hex", "-r"]);
    publish(&["-t", "w", "--size", "1KB", "-r"]);
    let receive = |filter: &str, count: &str| {
        let args = ["-t", filter, "-v", "-C", count, "-W", "20"];
        run([&["sub"], common.as_slice(), &args].concat()).stdout
    };
    let received = receive("t/#", "3");
    let mut lines: Vec<_> = received.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["t/1 1 of t/1", "t/2 2 of t/2", "t/3 3 of t/3"]);
    assert!(receive("u/#", "1").ends_with(" y\n"), "one seed, one topic");
    assert_eq!(receive("v", "1"), "v a1616101\n");
    assert_eq!(receive("w", "1").len(), "w ".len() + 1024 + "\n".len());
    let ended = run([
        &["pub"],
        common.as_slice(),
        &["-t", "a", "-m", "{{colour}}", "--template"],
    ]
    .concat());
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("there is no field \"colour\""),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_message_is_split_and_repeated() {
    let setup = Setup::new();
    let common = ["-h", "127.0.0.1", "-p", &setup.port];
    let publish = |args: &[&str]| {
        let ended = run([&["pub", "-t", "s"], common.as_slice(), args].concat());
        assert_eq!(
            (ended.code, ended.stderr.as_str()),
            (Some(0), ""),
            "{args:?}"
        );
    };
    let receive = |count: &str| {
        let session = [
            "-t", "s", "-c", "-i", "split", "-q", "1", "-W", "20", "-C", count,
        ];
        run([&["sub"], common.as_slice(), &session].concat()).stdout
    };
    // A session that waits for more.
    publish(&["-m", "first", "-r"]);
    assert_eq!(receive("1"), "first\n");
    publish(&["-n", "-r"]);
    publish(&["-m", "a,b", "--split=,", "--repeat", "2", "-q", "1"]);
    assert_eq!(receive("4"), "a\nb\na\nb\n");
}
