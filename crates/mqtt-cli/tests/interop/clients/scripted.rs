//! Clients of other languages: a script beside this file takes orders and reports, one JSON object
//! a line.

use super::{Client, Connection, Login, Message, SESSION_EXPIRY_S, level};
use crate::{
    process::{Running, shortened},
    surroundings::variable,
};
use mqtt_codec::QoS;
use serde::{Deserialize, Serialize};
use std::{
    cell::RefCell,
    collections::VecDeque,
    io::Write,
    process::{ChildStdin, Command, Stdio},
    rc::Rc,
};

/// A script that drives any number of clients.
pub(crate) struct ScriptedClient(Rc<RefCell<Script>>);

impl ScriptedClient {
    /// Eclipse Paho for Python.
    pub(crate) fn paho() -> Self {
        let mut command = Command::new(variable("MQTT_INTEROP_PYTHON"));
        command.env("PYTHONPATH", variable("MQTT_INTEROP_PYTHONPATH"));
        command.arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/interop/clients/drive_paho.py"
        ));
        Self::spawn(command)
    }

    /// aiomqtt for Python.
    pub(crate) fn aiomqtt() -> Self {
        let mut command = Command::new(variable("MQTT_INTEROP_PYTHON"));
        command.env("PYTHONPATH", variable("MQTT_INTEROP_PYTHONPATH"));
        command.arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/interop/clients/drive_aiomqtt.py"
        ));
        Self::spawn(command)
    }

    /// gmqtt for Python, which has no MQTT 3.1.
    pub(crate) fn gmqtt() -> Self {
        let mut command = Command::new(variable("MQTT_INTEROP_PYTHON"));
        command.env("PYTHONPATH", variable("MQTT_INTEROP_PYTHONPATH"));
        command.arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/interop/clients/drive_gmqtt.py"
        ));
        Self::spawn(command)
    }

    /// The `mqtt` package of npm.
    pub(crate) fn npm() -> Self {
        let mut command = Command::new(variable("MQTT_INTEROP_NODE"));
        command.env("NODE_PATH", variable("MQTT_INTEROP_NODE_PATH"));
        command.arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/interop/clients/drive_npm.js"
        ));
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> Self {
        let mut process = Running::spawn(command.stdin(Stdio::piped()));
        let stdin = process.child.stdin.take().unwrap();
        Self(Rc::new(RefCell::new(Script {
            process,
            stdin,
            messages: VecDeque::new(),
        })))
    }

    fn order(&self, client: &'static str, order: &Order<'_>) -> Report {
        self.0.borrow_mut().order(client, order)
    }

    /// Connects and gives Session Present, if the client shows it.
    fn log_in(&self, login: &Login) -> Option<bool> {
        let report = self.order(
            login.client_id,
            &Order::Connect {
                url: login.way.url(),
                host: login.way.addr.ip().to_string(),
                port: login.way.addr.port(),
                socket: login.way.socket(),
                authority: login.way.authority(),
                identity: login.way.identity(),
                version: level(login.version),
                session_expiry_s: if login.keeps_session {
                    SESSION_EXPIRY_S
                } else {
                    0
                },
                will: login.will.as_ref(),
            },
        );
        match report {
            Report::Connected { session_present } => session_present,
            other => self
                .0
                .borrow()
                .process
                .fail(&format!("{other:?} is no answer to connect")),
        }
    }
}

impl Client for ScriptedClient {
    fn connect(&self, login: &Login, topic_filter: Option<(&str, QoS)>) -> Box<dyn Connection> {
        let session_present = self.log_in(login);
        let granted = topic_filter.map(|(topic_filter, qos)| {
            let order = Order::Subscribe {
                topic_filter,
                qos: qos.get(),
            };
            match self.order(login.client_id, &order) {
                Report::Subscribed { granted } => granted,
                other => self
                    .0
                    .borrow()
                    .process
                    .fail(&format!("{other:?} is no answer to subscribe")),
            }
        });
        Box::new(ScriptedConnection {
            script: Self(Rc::clone(&self.0)),
            client_id: login.client_id,
            session_present,
            granted,
        })
    }

    fn publish(&self, login: &Login, message: &Message) {
        self.log_in(login);
        self.order(login.client_id, &Order::Publish(message));
        self.order(login.client_id, &Order::Disconnect);
    }
}

/// What a script is asked to do; each order is answered by one report.
#[derive(Serialize)]
#[serde(tag = "order", rename_all = "snake_case")]
enum Order<'a> {
    Connect {
        /// Its beginning says which transport it is.
        url: String,
        host: String,
        port: u16,
        /// The path of a unix socket.
        socket: Option<String>,
        /// The files of TLS: the authority, the client's certificate and its key.
        authority: Option<String>,
        identity: Option<(String, String)>,
        version: u8,
        /// Zero for a session that neither continues another nor outlives its connection.
        session_expiry_s: u32,
        will: Option<&'a Message>,
    },
    Subscribe {
        topic_filter: &'a str,
        qos: u8,
    },
    Publish(&'a Message),
    Disconnect,
    Cut,
}

/// What a script says.
#[derive(Debug, Deserialize)]
#[serde(tag = "report", rename_all = "snake_case")]
enum Report {
    Connected { session_present: Option<bool> },
    Subscribed { granted: u8 },
    Done,
    Message(Message),
    Failed { reason: String },
}

/// A report or an order, and whose it is.
#[derive(Deserialize, Serialize)]
struct Addressed<T> {
    client: String,
    #[serde(flatten)]
    content: T,
}

/// A running script.
struct Script {
    process: Running,
    stdin: ChildStdin,
    /// Came while something else was waited for; with the client each is for.
    messages: VecDeque<(String, Message)>,
}

impl Script {
    /// Gives an order and waits for its answer.
    fn order(&mut self, client: &str, order: &Order<'_>) -> Report {
        let addressed = Addressed {
            client: client.to_owned(),
            content: order,
        };
        let line = serde_json::to_string(&addressed).unwrap();
        if let Err(error) = writeln!(self.stdin, "{line}").and_then(|()| self.stdin.flush()) {
            self.process
                .fail(&format!("cannot be given an order: {error}"));
        }
        let awaited = format!("the answer to {}", shortened(&line));
        loop {
            match self.report(client, &awaited) {
                Report::Message(message) => self.messages.push_back((client.to_owned(), message)),
                report => return report,
            }
        }
    }

    /// The next message of `client`.
    fn next_message(&mut self, client: &str) -> Message {
        if let Some(at) = self.messages.iter().position(|(whose, _)| whose == client) {
            return self.messages.remove(at).unwrap().1;
        }
        match self.report(client, &format!("a message for {client}")) {
            Report::Message(message) => message,
            other => self.process.fail(&format!("{other:?} came unasked")),
        }
    }

    /// The next report about `client`. Messages for others are kept.
    fn report(&mut self, client: &str, awaited: &str) -> Report {
        loop {
            let Some(line) = self.process.next_line(awaited) else {
                self.process.fail(&format!("it ended before {awaited}"));
            };
            let report: Addressed<Report> = match serde_json::from_str(&line) {
                Ok(report) => report,
                Err(error) => self.process.fail(&format!("no report: {error}")),
            };
            match report.content {
                Report::Failed { reason } => {
                    self.process
                        .fail(&format!("{}: {reason}, before {awaited}", report.client));
                }
                content if report.client == client => return content,
                Report::Message(message) => self.messages.push_back((report.client, message)),
                other => self.process.fail(&format!("{other:?} came unasked")),
            }
        }
    }
}

/// One of the script's clients.
struct ScriptedConnection {
    script: ScriptedClient,
    client_id: &'static str,
    session_present: Option<bool>,
    granted: Option<u8>,
}

impl Connection for ScriptedConnection {
    fn session_present(&self) -> Option<bool> {
        self.session_present
    }

    fn granted(&self) -> Option<u8> {
        self.granted
    }

    fn next(&mut self) -> Message {
        self.script.0.borrow_mut().next_message(self.client_id)
    }

    fn disconnect(self: Box<Self>) {
        self.script.order(self.client_id, &Order::Disconnect);
    }

    fn cut(self: Box<Self>) {
        self.script.order(self.client_id, &Order::Cut);
    }
}
