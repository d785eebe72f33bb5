//! Mosquitto's programs: every flag of 2.1 works, or is refused with a sentence that names it, as the table in
//! `docs/cli.md` says.

mod cases;

use std::{collections::BTreeMap, fs, path::Path, process::Stdio};

use tempfile::{TempDir, tempdir};

use cases::{
    Case,
    Expected::{Ends, Refused, Tried, Works},
    cases,
};

use crate::process::{Ended, Running, RunningBroker, mqtt, run};

/// A broker for each way in, with one directory for all files.
struct Setup {
    brokers: BTreeMap<&'static str, RunningBroker>,
    dir: TempDir,
}

/// One of the programs with the words that its cases stand behind.
struct Program {
    name: &'static str,
    /// Where it does its work.
    topic: &'static [&'static str],
    /// The message.
    payload: &'static [&'static str],
}

const PROGRAMS: [Program; 3] = [
    Program {
        name: "mosquitto_pub",
        topic: &["-t", "a"],
        payload: &["-m", "x"],
    },
    Program {
        name: "mosquitto_sub",
        topic: &["-t", "kept/#", "-C", "1"],
        payload: &[],
    },
    Program {
        name: "mosquitto_rr",
        topic: &["-t", "self", "-e", "self"],
        payload: &["-m", "ask"],
    },
];

impl Setup {
    /// A broker with every door these flags lead to.
    fn new() -> Self {
        let dir = tempdir().unwrap();
        let file = |name: &str| dir.path().join(name).display().to_string();
        let made = run(["certs", "make", "--dir", &file("certs"), "--client", "me"]);
        assert_eq!(made.code, Some(0), "{}", made.stderr);
        fs::write(file("payload"), "from a file").unwrap();
        // A directory of authorities has nothing else in it.
        fs::create_dir(file("authorities")).unwrap();
        fs::copy(file("certs/ca.pem"), file("authorities/ca.pem")).unwrap();
        let certificate = format!(
            "certfile = '{}'\nkeyfile = '{}'\n",
            file("certs/server.pem"),
            file("certs/server.key")
        );
        let mut brokers = BTreeMap::new();
        for kind in ["tcp", "ssl", "ws", "wss"] {
            let mut config = format!("[listeners.{kind}.default]\nbind = '127.0.0.1:0'\n");
            if matches!(kind, "ssl" | "wss") {
                config += &format!("[listeners.{kind}.default.ssl_options]\n{certificate}");
            }
            if cfg!(unix) && kind == "tcp" {
                config += &format!("[listeners.unix.default]\nbind = '{}'\n", file("socket"));
            }
            let path = file(&format!("{kind}.toml"));
            fs::write(&path, config).unwrap();
            let mut command = mqtt(["broker", "--log", "warn", "--config", &path]);
            command.args(["--data-dir", &file(kind)]);
            brokers.insert(kind, RunningBroker::spawn(&mut command));
        }
        Self { brokers, dir }
    }

    /// The port of the broker with this way in.
    fn port(&self, kind: &str) -> String {
        let broker = self.brokers.get(kind).unwrap();
        broker.addrs.first().unwrap().port().to_string()
    }

    /// A word of a case as this broker has it.
    fn word(&self, word: &str) -> String {
        let file = |name: &str| self.dir.path().join(name).display().to_string();
        match word {
            "TCP" | "SSL" | "WS" | "WSS" => self.port(&word.to_ascii_lowercase()),
            "URL" => format!("mqtt://127.0.0.1:{}/a", self.port("tcp")),
            "WSURL" => format!("ws://127.0.0.1:{}/a", self.port("ws")),
            "CA" => file("certs/ca.pem"),
            "CERTS" => file("authorities"),
            "CERT" => file("certs/client-me.pem"),
            "KEY" => file("certs/client-me.key"),
            "KEYLOG" => file("keylog"),
            "PAYLOAD" => file("payload"),
            "SOCKET" => file("socket"),
            word => word.to_owned(),
        }
    }
}

impl Setup {
    fn run(&self, program: &Program, case: &[&str]) -> Ended {
        let has = |flags: &[&str]| case.iter().any(|word| flags.contains(word));
        let mut all = vec![program.name.to_owned()];
        let mut add = |words: &[&str]| all.extend(words.iter().map(|word| self.word(word)));
        // A socket takes the place of host and port.
        if !has(&["--unix", "-L", "--url"]) {
            let host = if has(&["SSL", "WSS"]) {
                "localhost"
            } else {
                "127.0.0.1"
            };
            add(&["-h", host]);
            if !has(&["-p", "--port"]) {
                add(&["-p", "TCP"]);
            }
        }
        add(program.topic);
        if !has(&[
            "-m",
            "--message",
            "-f",
            "--file",
            "-s",
            "--stdin-file",
            "-n",
            "--null-message",
        ]) && !has(&["-l", "--stdin-line"])
            || has(&["-C"]) && program.name != "mosquitto_sub"
        {
            add(program.payload);
        }
        add(case);
        let stdin = fs::File::open(self.word("PAYLOAD")).unwrap();
        let mut command = mqtt(all);
        command
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Running::from(command.spawn().unwrap()).output().into()
    }

    #[track_caller]
    fn check(&self, program: &Program, cases: &[Case]) {
        for (case, expected) in cases {
            let ended = self.run(program, case);
            let (stderr, code) = (ended.stderr.as_str(), ended.code);
            let what = format!("{} {case:?}: {stderr}", program.name);
            match *expected {
                Works => assert_eq!(code, Some(0), "{what}"),
                Ends(expected) => assert_eq!(code, Some(expected), "{what}"),
                Tried => {
                    assert_eq!(code, Some(1), "{what}");
                    assert!(
                        stderr.contains("127.0.0.1") || stderr.contains("/nowhere"),
                        "{what}"
                    );
                }
                Refused(says) => {
                    assert_eq!(code, Some(1), "{what}");
                    assert!(
                        stderr.starts_with("Error: ") && stderr.contains(says),
                        "{what}"
                    );
                }
            }
        }
    }

    /// Has the broker keep what `mosquitto_sub` waits for.
    fn keep(&self) {
        for door in ["TCP", "SSL", "WS", "WSS"] {
            for topic in ["kept/a", "removed/a"] {
                let mut args = vec!["-r", "-q", "1", "-t", topic, "-p", door];
                if door.starts_with("WS") {
                    args.push("--ws");
                }
                if door.contains("SS") {
                    args.extend(["--cafile", "CA"]);
                }
                let ended = self.run(&PROGRAMS[0], &args);
                assert_eq!(ended.code, Some(0), "{door}: {}", ended.stderr);
            }
        }
    }
}

#[test]
fn every_flag_of_mosquitto_pub_works_or_is_refused() {
    let setup = Setup::new();
    setup.check(&PROGRAMS[0], &cases("mosquitto_pub"));
    let keylog = fs::read_to_string(setup.word("KEYLOG")).unwrap();
    assert!(keylog.contains("CLIENT_TRAFFIC_SECRET_0 "), "{keylog}");
}

#[test]
fn every_flag_of_mosquitto_sub_works_or_is_refused() {
    let setup = Setup::new();
    setup.keep();
    setup.check(&PROGRAMS[1], &cases("mosquitto_sub"));
    // What the last of them has removed.
    let ended = setup.run(
        &PROGRAMS[1],
        &["-t", "removed/#", "-T", "kept/#", "-W", "1"],
    );
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(27), ""));
}

#[test]
fn every_flag_of_mosquitto_rr_works_or_is_refused() {
    let setup = Setup::new();
    setup.check(&PROGRAMS[2], &cases("mosquitto_rr"));
    let ended = setup.run(&PROGRAMS[2], &["--latency"]);
    assert!(
        ended.stdout.starts_with("ask\nLatency: "),
        "{}",
        ended.stdout
    );
}

/// What the table says of a program: its last word is `works`, `refused` or nothing.
fn table() -> BTreeMap<String, [String; 3]> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cli.md");
    let text = fs::read_to_string(path).unwrap();
    let start = "| flag of 2.1 | `mosquitto_pub` | `mosquitto_sub` | `mosquitto_rr` |";
    let (_, table) = text.split_once(start).unwrap();
    let rows = table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    let mut found = BTreeMap::new();
    for row in rows {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let (flags, programs) = cells.split_first().unwrap();
        let programs: [&str; 3] = programs.try_into().unwrap();
        for flag in flags.split('`').filter(|flag| flag.starts_with('-')) {
            let flag = flag.split(' ').next().unwrap();
            let before = found.insert(flag.to_owned(), programs.map(str::to_owned));
            assert!(before.is_none(), "{flag} stands there twice");
        }
    }
    found
}

/// Flags that belong to what the programs begin with here, or to no program.
const NOT_OF_MOSQUITTO: [&str; 3] = ["--nope", "--max-inflight", "--version"];

#[test]
fn the_table_in_the_documentation_says_what_is_tested() {
    let table = table();
    assert!(table.len() > 80, "{} flags", table.len());
    for (at, program) in PROGRAMS.iter().enumerate() {
        let cases = cases(program.name);
        for (flag, says) in &table {
            // A case is about all flags it begins with, and the words of the program are tested with every case.
            let words = [program.topic, program.payload].concat();
            let about = cases
                .iter()
                .filter(|(case, _)| case.contains(&flag.as_str()));
            let outcomes: Vec<_> = about.map(|(_, expected)| *expected).collect();
            let works = words.contains(&flag.as_str())
                || outcomes
                    .iter()
                    .any(|outcome| !matches!(outcome, Refused(_)));
            let refused = outcomes.iter().any(|outcome| matches!(outcome, Refused(_)));
            let is_right = match says[at].as_str() {
                "works" => works,
                "refused" => refused && !works,
                "" => !works,
                _ => false,
            };
            assert!(
                is_right,
                "{} {flag}: {:?} and {outcomes:?}",
                program.name, says[at]
            );
        }
        for (case, _) in &cases {
            let flags = case.iter().filter(|word| {
                let letter = word.strip_prefix('-').and_then(|rest| rest.chars().next());
                letter.is_some_and(|letter| letter.is_ascii_alphabetic() || letter == '-')
            });
            for flag in flags.filter(|flag| !["-t", "-x", "-secret"].contains(flag)) {
                let is_known = table.contains_key(*flag) || NOT_OF_MOSQUITTO.contains(flag);
                assert!(is_known, "{flag} is not in the table");
            }
        }
    }
}

#[test]
fn a_flag_that_is_refused_is_named() {
    for (flag, says) in table() {
        for (program, says) in PROGRAMS.iter().zip(says) {
            if says != "refused" {
                continue;
            }
            let args = [
                &[program.name],
                program.topic,
                program.payload,
                &[&flag, "x"],
            ]
            .concat();
            let ended = run(args);
            assert_eq!(ended.code, Some(1), "{flag}");
            assert!(
                ended.stderr.contains(flag.as_str()),
                "{flag}: {}",
                ended.stderr
            );
        }
    }
}
