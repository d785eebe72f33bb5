//! Every flag of `mosquitto_pub`: what it prints and how it ends, what it sends, and what a subscriber gets of it.

use std::{
    fs,
    io::Write,
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;

use super::{Golden, Outcome, relay::Relay};
use crate::{
    doors::Door,
    process::Running,
    surroundings::{mosquitto_program, variable},
};

/// Everything that a subscriber can be told of a message, but for its Packet Identifier.
const EVERYTHING: &str = "%t|%q|%r|%l|%x|%C|%D|%E|%F|%P|%R";

/// The topic of the messages that say where those of a program end.
const MARKER: &str = "golden/marker";

/// What came of running a program.
#[derive(Debug, Eq, PartialEq)]
struct Seen {
    outcome: Outcome,
    /// The packets it sent, where nothing hides them.
    sent: Vec<String>,
    /// What one and the same subscriber got.
    received: Vec<String>,
}

/// Both programs at a broker, behind a relay, and the subscriber.
struct Publishing {
    golden: Golden,
    relay: Relay,
    subscriber: Running,
    marked: u32,
    dir: TempDir,
}

impl Publishing {
    fn new() -> Self {
        let golden = Golden::new("pub");
        let relay = Relay::to(golden.broker.way.addr);
        golden.publish(&["-r", "-t", MARKER], b"ready");
        let mut subscriber = golden.theirs("sub");
        subscriber.args(["-V", "mqttv5", "-q", "2", "-t", "golden/#", "-t", "w"]);
        let mut subscriber = Running::spawn(subscriber.args(["-F", EVERYTHING]));
        subscriber.wait_for("what is retained", |line| {
            line.starts_with(MARKER).then_some(())
        });
        Self {
            golden,
            relay,
            subscriber,
            marked: 0,
            dir: TempDir::new().unwrap(),
        }
    }

    /// A file with these bytes.
    fn file(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.display().to_string()
    }

    fn run(&mut self, mut command: Command, args: &[&str], stdin: &[u8]) -> Seen {
        command.args(["-p", &self.relay.port()]).args(args);
        // Options of a user of this machine are none of the test's.
        command.env("XDG_CONFIG_HOME", self.dir.path());
        let outcome = outcome_of(&mut command, stdin);
        let sent = self.relay.sent();
        Seen {
            outcome,
            sent,
            received: self.received(),
        }
    }

    /// What the subscriber got since the last call.
    fn received(&mut self) -> Vec<String> {
        self.marked += 1;
        let marker = self.marked.to_string();
        // At QoS 2, as at a lower one it would be shown before messages whose flow is not through yet.
        let args = ["-q", "2", "-t", MARKER];
        self.golden.publish(&args, marker.as_bytes());
        let mut lines = Vec::new();
        loop {
            let line = self.subscriber.next_line("a marker").unwrap();
            match line.starts_with(MARKER) {
                true => return lines,
                false => lines.push(line),
            }
        }
    }

    #[track_caller]
    fn both(&mut self, args: &[&str], stdin: &[u8]) -> (Seen, Seen) {
        let theirs = without_port(self.golden.theirs("pub"));
        let theirs = self.run(theirs, args, stdin);
        let ours = without_port(self.golden.ours());
        (self.run(ours, args, stdin), theirs)
    }

    /// Both have to do the same; `messages` is how many a subscriber gets.
    #[track_caller]
    fn same(&mut self, args: &[&str], stdin: &[u8], messages: usize) {
        let (ours, theirs) = self.both(args, stdin);
        assert_eq!(ours, theirs, "ours and theirs with {args:?}");
        assert_eq!(ours.received.len(), messages, "{args:?}: {ours:#?}");
    }

    /// The same of arguments separated by spaces, behind those of a message.
    #[track_caller]
    fn same_line(&mut self, line: &str, messages: usize) {
        let all = format!("-t golden/a {line}");
        self.same(&all.split_whitespace().collect::<Vec<_>>(), b"", messages);
    }

    /// A mistake, which both have to refuse before they connect.
    #[track_caller]
    fn refused(&mut self, args: &[&str]) {
        let (ours, theirs) = self.both(args, b"");
        assert_eq!(
            ours.outcome.code, theirs.outcome.code,
            "ours and theirs with {args:?}"
        );
        assert_eq!(
            (ours.outcome.code, ours.outcome.stdout.as_str()),
            (Some(1), ""),
            "{args:?}"
        );
        assert_eq!(
            (&ours.sent, ours.received.len()),
            (&Vec::new(), 0),
            "{args:?}"
        );
    }
}

/// The program without its arguments, which are for the broker's own port.
fn without_port(command: Command) -> Command {
    let mut bare = Command::new(command.get_program());
    let mut args = command.get_args();
    while let Some(arg) = args.next() {
        match arg == "-p" {
            true => drop(args.next()),
            false => drop(bare.arg(arg)),
        }
    }
    for (name, value) in command.get_envs() {
        bare.env(name, value.unwrap_or_default());
    }
    bare
}

fn outcome_of(command: &mut Command, stdin: &[u8]) -> Outcome {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // One that reads nothing may be gone already.
    let _ = child.stdin.take().unwrap().write_all(stdin);
    let Output { status, stdout, .. } = child.wait_with_output().unwrap();
    Outcome {
        stdout: stdout.escape_ascii().to_string(),
        code: status.code(),
    }
}

#[test]
fn flags_of_the_message() {
    let mut both = Publishing::new();
    for (line, messages) in [
        ("-m x", 1),
        ("--message x", 1),
        ("-m x -q 0", 1),
        ("-m x -q 1", 1),
        ("-m x --qos 2", 1),
        ("-m x -r", 1),
        ("-m x --retain -q 1", 1),
        ("-n", 1),
        ("--null-message -r", 1),
        ("-m x --repeat 3", 3),
        ("-m x -q 2 --repeat 2", 2),
        ("-n --repeat 2", 2),
        ("-m x --repeat 2 --repeat-delay 0.05", 2),
        ("-m x -q 1 --repeat 3 -M 1", 3),
        ("-m x -M 5", 1),
        ("--topic golden/b -m x", 1),
        ("-m x -t golden/c", 1),
    ] {
        both.same_line(line, messages);
    }
    both.same(&["-t", "golden/a", "-m", ""], b"", 1);
    both.same(&["-t", "golden/a", "-m", "-x"], b"", 1);
    both.same(&["-t", "golden/a", "-m", "a b\tc\u{e4}"], b"", 1);
    both.same(&["-t", "golden/\u{e4} b", "-m", "x"], b"", 1);
}

#[test]
fn payloads_from_elsewhere() {
    let mut both = Publishing::new();
    let bytes: Vec<u8> = (0..=255).chain(0..=255).collect();
    let file = both.file("payload", &bytes);
    both.same(&["-t", "golden/a", "-f", &file], b"", 1);
    both.same(
        &[
            "-t", "golden/a", "--file", &file, "-q", "1", "--repeat", "2",
        ],
        b"",
        2,
    );
    let empty = both.file("empty", b"");
    both.same(&["-t", "golden/a", "-f", &empty], b"", 1);
    both.same(&["-t", "golden/a", "-f", "/nowhere/payload"], b"", 0);
    both.same(&["-t", "golden/a", "-s"], &bytes, 1);
    both.same(&["-t", "golden/a", "--stdin-file", "-q", "2"], b"a\nb\n", 1);
    both.same(&["-t", "golden/a", "-s"], b"", 0);
    for (stdin, messages) in [
        ("a\nb\nc\n", 3),
        ("a\n\n\nb", 4),
        ("a\r\nb\r\n", 2),
        ("\n", 1),
        ("a", 1),
        ("", 0),
    ] {
        for flags in [
            &["-l"][..],
            &["--stdin-line", "-q", "1"],
            &["-l", "-q", "2", "-r"],
        ] {
            let args = [&["-t", "golden/a"], flags].concat();
            both.same(&args, stdin.as_bytes(), messages);
        }
    }
    both.same(&["-t", "golden/a", "-l", "--repeat", "3"], b"a\nb\n", 2);
}

#[test]
fn flags_of_the_connection() {
    let mut both = Publishing::new();
    for line in [
        "-A 127.0.0.1",
        "-A localhost",
        "-h 127.0.0.1",
        "--host localhost",
        "-i me",
        "--id me",
        "-I prefix",
        "--id-prefix prefix",
        "-k 5",
        "--keepalive 65535",
        "--nodelay",
        "--quiet",
        "-c -i kept",
        "--disable-clean-session -i kept",
        "-u somebody",
        "-u somebody -P -secret",
        "--username somebody --pw @home",
        "-V mqttv31",
        "-V 31 -i me",
        "-V mqttv311",
        "--protocol-version 311",
        "-V mqttv5",
        "-V 5",
        "-V 5 -c -i kept",
        "-V 5 -x 10 -i kept",
        "-V 5 -x 0",
        "-V 5 -x -1 -i kept",
        "-V 5 -x 4294967295 -i kept",
        "-V 5 -x \u{221e} -i kept",
        "-x 10",
        "--will-topic w",
        "--will-topic w --will-payload gone --will-qos 1",
        "--will-topic w --will-payload gone --will-qos 2 --will-retain",
        "-V 5 --will-topic w --will-payload gone",
        "-S",
    ] {
        let messages = usize::from(line != "-S");
        both.same_line(&format!("-m x {line}"), messages);
    }
    // No such address here.
    both.same_line("-m x -A 192.0.2.7", 0);
}

#[test]
fn properties() {
    let mut both = Publishing::new();
    for line in [
        "-D publish content-type text/plain",
        "--property publish payload-format-indicator 1",
        "-D publish message-expiry-interval 3600",
        "-D publish response-topic golden/r -D publish correlation-data -c",
        "-D publish user-property a b -D publish user-property a c",
        "-q 2 -r -D publish content-type t -D publish user-property a b",
        "-D connect session-expiry-interval 5 -D connect receive-maximum 10",
        "-D connect maximum-packet-size 1000",
        "-D connect topic-alias-maximum 5",
        "-D connect request-problem-information 0",
        "-D connect request-response-information 1",
        "-D connect user-property a b -D connect user-property c d",
        "-D disconnect user-property a b",
        "-D disconnect reason-string why",
        "-D disconnect session-expiry-interval 0",
        "-x 7 -i kept -D disconnect session-expiry-interval 9",
        "-D will content-type c -D will user-property a b --will-topic w --will-payload p",
        "-D will will-delay-interval 5 --will-topic w",
        "-D will content-type c",
        "-D subscribe user-property a b",
        "-D unsubscribe user-property a b",
        "-V 311 -D publish content-type t",
    ] {
        both.same_line(&format!("-m x {line}"), 1);
    }
    // Sent by theirs, set by ours where it saves something: nobody else can tell.
    let (ours, theirs) = both.both(
        &"-t golden/a -m x --repeat 2 -D publish topic-alias 1"
            .split(' ')
            .collect::<Vec<_>>(),
        b"",
    );
    assert_eq!(
        (ours.outcome, ours.received),
        (theirs.outcome, theirs.received)
    );
    // The broker has no such method; its code is the exit code.
    both.same_line("-m x -D connect authentication-method none", 0);
}

#[test]
fn mistakes() {
    let mut both = Publishing::new();
    for line in [
        "-t",
        "-t golden/a -m",
        "-t golden/# -m x",
        "-t + -m x",
        "-t golden/a -m x -m y",
        "-t golden/a -m x -n",
        "-t golden/a -m x -q 3",
        "-t golden/a -m x -q -1",
        "-t golden/a -m x -V 9",
        "-t golden/a -m x -k 65536",
        "-t golden/a -m x -k x",
        "-t golden/a -m x -M 0",
        "-t golden/a -m x -p 65536",
        "-t golden/a -m x -u",
        "-t golden/a -m x -P alone",
        "-t golden/a -m x -i a -I b",
        "-t golden/a -m x -c",
        "-t golden/a -m x -c -I p",
        "-t golden/a -m x -x -2",
        "-t golden/a -m x -x y",
        "-t golden/a -m x -V 5 -x -1",
        "-t golden/a -m x -V 5 -x 4294967296 -i me",
        "-t golden/a -m x --repeat 0",
        "-t golden/a -m x --repeat x",
        "-t golden/a -m x --repeat-delay -1",
        "-t golden/a -m x --will-payload x",
        "-t golden/a -m x --will-retain",
        "-t golden/a -m x --will-topic w/#",
        "-t golden/a -m x --will-topic w --will-qos 3",
        "-t golden/a -m x --nope",
        "-t golden/a -m x word",
        "-t golden/a -m x -C 1",
        "-t golden/a -m x -v",
        "-t golden/a -m x -D publish content-type",
        "-t golden/a -m x -D publish user-property a",
        "-t golden/a -m x -D publish",
        "-t golden/a -m x -D publish nope 1",
        "-t golden/a -m x -D nope content-type 1",
        "-t golden/a -m x -D auth user-property a b",
        "-t golden/a -m x -D puback user-property a b",
        "-t golden/a -m x -D publish content-type a -D publish content-type b",
        "-t golden/a -m x -D publish subscription-identifier 3",
        "-t golden/a -m x -D publish will-delay-interval 3",
        "-t golden/a -m x --unix /nowhere/socket",
        "-t golden/a -m x --proxy http://127.0.0.1",
        "-t golden/a -m x --tls-version tlsv9",
        "-t golden/a -m x --cafile /nowhere/ca",
        "-t golden/a -m x --cert /nowhere/cert",
        "-t golden/a -m x --key /nowhere/key",
        "-t golden/a -m x --keyform pem",
        "-t golden/a -m x --psk 00",
        "-t golden/a -m x --tls-engine nope",
        "-t golden/a -m x --tls-engine-kpass-sha1 00",
        "-L http://127.0.0.1/golden/a -m x",
        "-L mqtt://127.0.0.1 -m x",
    ] {
        both.refused(&line.split(' ').collect::<Vec<_>>());
    }
    for word in ["--help", "--version"] {
        let (ours, theirs) = both.both(&[word], b"");
        assert_eq!(ours.outcome.code, theirs.outcome.code, "{word}");
        assert!(ours.outcome.stdout.contains("mosquitto_pub"), "{ours:?}");
    }
}

#[test]
fn an_options_file_is_read() {
    let mut both = Publishing::new();
    both.file("mosquitto_pub", b"# mine\n-q 1\n-r\n-V 5\n-u somebody\n");
    both.same_line("-m x", 1);
    both.same_line("-m x -q 2", 1);
}

#[test]
fn the_address_of_a_url() {
    let mut both = Publishing::new();
    let port = both.relay.port();
    for url in [
        format!("mqtt://127.0.0.1:{port}/golden/a"),
        format!("mqtt://somebody:secret@localhost:{port}/golden/a/b"),
        format!("mqtt://somebody@localhost:{port}/golden/a"),
    ] {
        for program in ["theirs", "ours"] {
            let command = match program {
                "theirs" => both.golden.theirs("pub"),
                _ => both.golden.ours(),
            };
            let mut command = without_port(command);
            let outcome = outcome_of(command.args(["-L", &url, "-m", "x"]), b"");
            assert_eq!(outcome.code, Some(0), "{program}: {url}");
        }
        let sent = both.relay.sent();
        let (theirs, ours) = sent.split_at(sent.len() / 2);
        assert_eq!(ours, theirs, "{url}");
        assert_eq!(both.received().len(), 2, "{url}");
    }
}

/// What both do at this door with these arguments behind those that lead there: the exit codes.
fn at_door(golden: &Golden, lead: &[&str], args: &[&str]) -> [Option<i32>; 2] {
    let programs = [golden.ours(), golden.theirs("pub")];
    programs.map(|command| {
        let mut command = without_port(command);
        command.args(lead).args(["-t", "golden/a", "-m", "x"]);
        outcome_of(command.args(args), b"").code
    })
}

#[test]
fn flags_of_tls() {
    let golden = Golden::at("pub", Door::Ssl);
    let way = golden.broker.way.clone();
    let (port, authority) = (golden.port(), way.authority().unwrap());
    let lead = ["-h", "localhost", "-p", &port];
    for (args, code) in [
        (&["--cafile", authority.as_str()][..], 0),
        (&["--cafile", &authority, "--tls-version", "tlsv1.2"], 0),
        (&["--cafile", &authority, "--tls-version", "tlsv1.3"], 0),
        (&["--cafile", &authority, "--tls-alpn", "mqtt"], 0),
        (&["--cafile", &authority, "--insecure"], 0),
        (&["--cafile", &authority, "--nodelay", "-q", "1"], 0),
        (&["--cafile", &authority, "-V", "5", "-q", "2"], 0),
    ] {
        assert_eq!(at_door(&golden, &lead, args), [Some(code); 2], "{args:?}");
    }
    // Which nobody's authority is: the program's code depends on when the broker has gone.
    let [ours, theirs] = at_door(&golden, &lead, &["--tls-use-os-certs"]);
    assert!(ours != Some(0) && theirs != Some(0), "{ours:?} {theirs:?}");
    let cipher = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256";
    let args = [
        "--cafile",
        &authority,
        "--tls-version",
        "tlsv1.2",
        "--ciphers",
        cipher,
    ];
    assert_eq!(at_door(&golden, &lead, &args), [Some(0); 2]);
    let url = format!("mqtts://localhost:{port}/golden/a");
    let mut command = without_port(golden.ours());
    command.args(["-L", &url, "-m", "x", "--cafile", &authority]);
    assert_eq!(outcome_of(&mut command, b"").code, Some(0));
}

#[test]
fn a_certificate_of_the_client() {
    let golden = Golden::at("pub", Door::Mutual);
    let way = golden.broker.way.clone();
    let (port, authority) = (golden.port(), way.authority().unwrap());
    let (cert, key) = way.identity().unwrap();
    let lead = ["-h", "localhost", "-p", &port, "--cafile", &authority];
    let args = ["--cert", &cert, "--key", &key];
    assert_eq!(at_door(&golden, &lead, &args), [Some(0); 2]);
    let args = ["--cert", &cert, "--key", &key, "--keyform", "pem"];
    assert_eq!(at_door(&golden, &lead, &args), [Some(0); 2]);
    let [ours, theirs] = at_door(&golden, &lead, &[]);
    assert!(ours != Some(0) && theirs != Some(0), "{ours:?} {theirs:?}");
}

#[cfg(unix)]
#[test]
fn a_unix_socket() {
    let golden = Golden::at("pub", Door::Unix);
    let socket = golden.broker.way.socket().unwrap();
    let lead = ["--unix", socket.as_str()];
    assert_eq!(at_door(&golden, &lead, &["-q", "1"]), [Some(0); 2]);
}

/// What is refused of a connection is the exit code, here and there.
#[test]
fn a_broker_that_is_not_there_or_refuses() {
    let golden = Golden::new("pub");
    let free = crate::brokers::free_addr().port().to_string();
    assert_eq!(at_door(&golden, &["-p", &free], &[]), [Some(1); 2]);
    assert_eq!(
        at_door(&golden, &["-p", &free, "--quiet"], &[]),
        [Some(1); 2]
    );
}

/// Every flag that the program's own help names is one of ours.
#[test]
fn its_help_names_no_flag_that_we_do_not_have() {
    let ours = Command::new(env!("CARGO_BIN_EXE_mqtt"));
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/cli.md");
    let text = fs::read_to_string(path).unwrap();
    let (_, table) = text.split_once("| flag of 2.1 |").unwrap();
    for program in ["pub", "sub", "rr"] {
        let mut command = mosquitto_program("MQTT_INTEROP_MOSQUITTO_SUB");
        let beside = variable("MQTT_INTEROP_MOSQUITTO_SUB");
        let path = beside.replace("mosquitto_sub", &format!("mosquitto_{program}"));
        let mut renamed = Command::new(path);
        for (name, value) in command.arg("--help").get_envs() {
            renamed.env(name, value.unwrap_or_default());
        }
        let theirs = String::from_utf8(renamed.arg("--help").output().unwrap().stdout).unwrap();
        let named = theirs.lines().filter_map(|line| {
            let (flag, _) = line.strip_prefix(' ')?.split_once(" : ")?;
            flag.starts_with('-').then_some(flag)
        });
        let mut count = 0;
        for flag in named {
            count += 1;
            assert!(
                table.contains(&format!("`{flag}")) || flag == "--help",
                "{flag} is not in the table"
            );
            // A flag that does not exist is said not to.
            let mut command = Command::new(ours.get_program());
            command.args([&format!("mosquitto_{program}"), flag]);
            let output = command.stdin(Stdio::null()).output().unwrap();
            let stderr = String::from_utf8(output.stderr).unwrap();
            assert!(
                !stderr.contains("unexpected argument"),
                "mosquitto_{program} {flag}: {stderr}"
            );
        }
        assert!(count > 30, "{program}: {count} flags in {theirs}");
    }
}
