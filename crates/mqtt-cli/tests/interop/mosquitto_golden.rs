//! `mqtt` as `mosquitto_pub`, `mosquitto_sub` and `mosquitto_rr`, beside these programs: the same arguments at the same broker have to
//! give the same bytes on stdout and the same exit code.
//!
//! The version is Debian's 2.0.11. What is printed comes from retained messages, or from the queue of a session, so
//! that nothing has to be waited for.

mod publish;
mod relay;
mod request;
mod subscribe;

use crate::{
    brokers::RunningBroker,
    doors::Door,
    surroundings::{mosquitto_program, variable},
};
use relay::Relay;
use std::{
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

/// How a program ended, with the times in what it printed taken out.
#[derive(Debug, Eq, PartialEq)]
struct Outcome {
    stdout: String,
    code: Option<i32>,
}

/// A broker, and both programs at it.
struct Golden {
    broker: RunningBroker,
    /// Its last part: `pub`, `sub` or `rr`.
    program: &'static str,
}

impl Golden {
    fn new(program: &'static str) -> Self {
        Self::at(program, Door::Tcp)
    }

    /// At a broker with this door.
    fn at(program: &'static str, door: Door) -> Self {
        Self {
            broker: RunningBroker::ours_by(door, ""),
            program,
        }
    }

    fn port(&self) -> String {
        self.broker.way.addr.port().to_string()
    }

    /// Mosquitto's program, at the broker.
    fn theirs(&self, program: &str) -> Command {
        let mut command = mosquitto_program("MQTT_INTEROP_MOSQUITTO_SUB");
        let beside = variable("MQTT_INTEROP_MOSQUITTO_SUB");
        let folder = Path::new(&beside).parent().unwrap();
        let mut renamed = Command::new(folder.join(format!("mosquitto_{program}")));
        for (name, value) in command.get_envs() {
            renamed.env(name, value.unwrap_or_default());
        }
        command = renamed;
        command.args(["-p", &self.port()]);
        command
    }

    /// Ours, as the same program.
    fn ours(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mqtt"));
        command.arg(format!("mosquitto_{}", self.program));
        command.args(["-p", &self.port()]);
        command
    }

    /// Publishes as `mosquitto_pub` does, with `payload` on its stdin.
    #[track_caller]
    fn publish(&self, args: &[&str], payload: &[u8]) {
        let mut command = self.theirs("pub");
        // It reads nothing from an empty stdin.
        let source = if payload.is_empty() { "-n" } else { "-s" };
        command.args(["-q", "1", source]).args(args);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(payload).unwrap();
        assert!(child.wait().unwrap().success(), "{args:?}");
    }

    /// Has the broker keep messages of every kind.
    fn keep_messages(&self) {
        let kept = [
            ("a/b", b"21.5".as_slice()),
            ("a/c", b"Off"),
            ("json", br#"{"x": [1, 2.50,  {"y" :null}], "s":"e"}"#),
            ("f4", b"\0\0\xC0\xBF"),
            ("f8", b"\0\0\0\0\0\0\x02\x40"),
        ];
        for (topic_name, payload) in kept {
            self.publish(&["-r", "-t", topic_name], payload);
        }
        // In the order in which they are printed here.
        let properties = "publish payload-format-indicator 1;publish content-type text/plain;publish response-topic r/t;\
            publish correlation-data corr;publish user-property k1 v1;publish user-property k2 v2";
        let mut args = vec!["-V", "mqttv5", "-r", "-t", "p/1"];
        for property in properties.split(';') {
            args.push("-D");
            args.extend(property.split(' '));
        }
        self.publish(&args, b"Off");
    }

    /// Both programs with these arguments; `prepare` is called before each. What they ask the broker for is the same,
    /// what they print and how they end.
    #[track_caller]
    fn same_after(&self, prepare: impl Fn(&Self), args: &[&str]) {
        let relay = Relay::to(self.broker.way.addr);
        let behind = |mut command: Command| {
            prepare(self);
            // The last port counts.
            let outcome = outcome(command.args(["-p", &relay.port()]).args(args));
            let mut sent = relay.sent();
            // Acknowledgements and the end come as they come.
            sent.retain(|packet| packet.starts_with("Connect") || packet.contains("Subscribe("));
            (outcome, sent)
        };
        let theirs = behind(self.theirs(self.program));
        let ours = behind(self.ours());
        assert_eq!(ours, theirs, "ours and theirs with {args:?}");
    }

    #[track_caller]
    fn same(&self, args: &[&str]) {
        self.same_after(|_| (), args);
    }

    /// The same of arguments that are separated by spaces.
    #[track_caller]
    fn same_line(&self, line: &str) {
        self.same(&line.split_whitespace().collect::<Vec<_>>());
    }
}

fn outcome(command: &mut Command) -> Outcome {
    let Output { status, stdout, .. } = command.stdin(Stdio::null()).output().unwrap();
    Outcome {
        stdout: without_time(&stdout.escape_ascii().to_string()),
        code: status.code(),
    }
}

/// The text without what stands for the time in the JSON of a message.
fn without_time(text: &str) -> String {
    let mark = r#"\"tst\":"#;
    let mut pieces = text.split(mark);
    let mut whole = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        whole.push_str(mark);
        let mut quoted = piece.splitn(3, r#"\""#);
        whole.push_str(quoted.next().unwrap_or_default());
        quoted.next();
        whole.push_str(quoted.next().unwrap_or_default());
    }
    whole
}

#[test]
fn mosquitto_golden_is_of_the_version_that_is_compared() {
    let output = mosquitto_program("MQTT_INTEROP_MOSQUITTO_SUB")
        .arg("--version")
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains("2.0.11"), "{printed}");
}
