//! `mosquitto_pub` and `mosquitto_sub`.

use super::{Client, Connection, Login, Message, SESSION_EXPIRY_S};
use crate::{process::Running, surroundings::mosquitto_program};
use mqtt_codec::{ProtocolVersion, QoS};
use serde::Deserialize;
use std::{
    cell::RefCell,
    collections::{BTreeSet, VecDeque},
    process::Command,
};

/// `mosquitto_pub` and `mosquitto_sub`, as the environment names them.
///
/// `mosquitto_sub` holds back what it prints until a message comes. So there is a retained welcome
/// for each, which comes as soon as the broker has subscribed it.
pub(crate) struct MosquittoPrograms {
    /// Client Identifiers of those whose welcome the broker has.
    welcomed: RefCell<BTreeSet<&'static str>>,
}

impl MosquittoPrograms {
    pub(crate) fn given() -> Self {
        Self {
            welcomed: RefCell::default(),
        }
    }

    /// Has the broker keep a welcome for this client, and gives its topic.
    fn prepare_welcome(&self, login: &Login) -> String {
        let topic_name = format!("welcome/{}", login.client_id);
        if self.welcomed.borrow_mut().insert(login.client_id) {
            let messenger = Login {
                client_id: "messenger",
                keeps_session: false,
                will: None,
                ..login.clone()
            };
            let welcome = Message {
                topic_name: topic_name.clone(),
                payload: "welcome".to_owned(),
                qos: 1,
                retain: true,
            };
            self.publish(&messenger, &welcome);
        }
        topic_name
    }
}

impl Client for MosquittoPrograms {
    fn connect(&self, login: &Login, topic_filter: Option<(&str, QoS)>) -> Box<dyn Connection> {
        let welcome_topic = self.prepare_welcome(login);
        let mut command = program("MQTT_INTEROP_MOSQUITTO_SUB", login);
        command.args(["-d", "-F", "%j"]);
        if let Some((topic_filter, qos)) = topic_filter {
            command.args(["-t", topic_filter, "-q", &qos.get().to_string()]);
        }
        command.args(["-t", &welcome_topic]);
        let mut subscriber = Subscriber {
            process: Running::spawn(&mut command),
            granted: None,
            messages: VecDeque::new(),
        };
        subscriber.await_welcome(&welcome_topic, topic_filter.is_some());
        Box::new(subscriber)
    }

    fn publish(&self, login: &Login, message: &Message) {
        let mut command = program("MQTT_INTEROP_MOSQUITTO_PUB", login);
        command.args([
            "-d",
            "-t",
            &message.topic_name,
            "-q",
            &message.qos.to_string(),
        ]);
        if message.payload.is_empty() {
            command.arg("-n");
        } else {
            command.args(["-m", &message.payload]);
        }
        if message.retain {
            command.arg("-r");
        }
        Running::spawn(&mut command).succeed();
    }

    fn asks_for_will(&self, version: ProtocolVersion) -> bool {
        // A signal makes `mosquitto_sub` send Reason Code 0x04.
        version == ProtocolVersion::V5
    }
}

/// A program with the options both have.
fn program(name: &str, login: &Login) -> Command {
    let mut command = mosquitto_program(name);
    let way = &login.way;
    match way.socket() {
        Some(path) => command.args(["--unix", &path]),
        None => command.args([
            "-h",
            &way.addr.ip().to_string(),
            "-p",
            &way.addr.port().to_string(),
        ]),
    };
    if let Some(authority) = way.authority() {
        command.args(["--cafile", &authority]);
    }
    if let Some((certificate, key)) = way.identity() {
        command.args(["--cert", &certificate, "--key", &key]);
    }
    command.args(["-i", login.client_id, "-V", version_word(login.version)]);
    if login.keeps_session {
        command.arg("-c");
        if login.version == ProtocolVersion::V5 {
            command.args(["-x", &SESSION_EXPIRY_S.to_string()]);
        }
    }
    if let Some(will) = &login.will {
        command.args([
            "--will-topic",
            &will.topic_name,
            "--will-payload",
            &will.payload,
        ]);
        command.args(["--will-qos", &will.qos.to_string()]);
        if will.retain {
            command.arg("--will-retain");
        }
    }
    command
}

const fn version_word(version: ProtocolVersion) -> &'static str {
    match version {
        ProtocolVersion::V31 => "mqttv31",
        ProtocolVersion::V311 => "mqttv311",
        ProtocolVersion::V5 => "mqttv5",
    }
}

/// A running `mosquitto_sub`.
struct Subscriber {
    process: Running,
    granted: Option<u8>,
    /// Came before the welcome.
    messages: VecDeque<Message>,
}

impl Subscriber {
    /// Waits until it has printed that it is subscribed.
    fn await_welcome(&mut self, welcome_topic: &str, has_topic_filter: bool) {
        let (granted, messages) = (&mut self.granted, &mut self.messages);
        self.process.wait_for("the welcome after SUBACK", |line| {
            if let Some((_, codes)) = line.split_once("Subscribed (mid: 1): ") {
                let first = codes.split(", ").next().filter(|_| has_topic_filter);
                *granted = first.map(|code| code.parse().unwrap());
            }
            let message = message_in(line)?;
            if message.topic_name == welcome_topic {
                return Some(());
            }
            messages.push_back(message);
            None
        });
    }
}

impl Connection for Subscriber {
    fn session_present(&self) -> Option<bool> {
        None
    }

    fn granted(&self) -> Option<u8> {
        self.granted
    }

    fn next(&mut self) -> Message {
        self.messages
            .pop_front()
            .unwrap_or_else(|| self.process.wait_for("a message", message_in))
    }

    fn disconnect(mut self: Box<Self>) {
        terminate(&mut self.process);
    }

    fn cut(self: Box<Self>) {
        self.process.kill();
    }
}

/// Has it disconnect and end.
#[cfg(unix)]
fn terminate(process: &mut Running) {
    let pid = process.child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    process.succeed();
}

/// There is no way to ask.
#[cfg(not(unix))]
fn terminate(process: &mut Running) {
    process.child.kill().unwrap();
    process.wait();
}

/// A message as `-F %j` prints it; none for lines about anything else.
fn message_in(line: &str) -> Option<Message> {
    #[derive(Deserialize)]
    struct Printed {
        topic: String,
        qos: u8,
        retain: u8,
        payload: Option<String>,
    }

    if !line.starts_with('{') {
        return None;
    }
    let printed: Printed = serde_json::from_str(line).unwrap();
    Some(Message {
        topic_name: printed.topic,
        payload: printed.payload.unwrap_or_default(),
        qos: printed.qos,
        retain: printed.retain != 0,
    })
}
