//! The client of `examples/embedded`, which is linked without an allocator, against a server session that loses
//! connections.
#![cfg(target_os = "linux")]

use crate::kit::{Message, OFFER};
use mqtt_codec::{PACKET_LEN_MAX, Properties, QoS, ReasonCode, frame};
use mqtt_session::{
    Acceptance, HandshakeEvent, ServerConnection, ServerEvent, ServerHandshake, ServerSession,
};
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::iter;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Readings that the device publishes, and commands that it gets; QoS 0, 1 and 2 in turn.
const READINGS: u16 = 150;
const COMMANDS: u16 = 60;
/// Packets until each connection is lost; then one stays.
const CUTS: [u32; 24] = [
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 21, 23, 25, 27, 29,
];

/// What the server knows.
#[derive(Default)]
struct Server {
    session: Option<ServerSession<Message, ()>>,
    readings: Vec<u16>,
    echoes: Vec<u16>,
    commands: VecDeque<Message>,
    subscribed: bool,
    resumed: u32,
    done: bool,
}

/// Covers: v5 [MQTT-4.4.0-1], v5 [MQTT-4.3.2-1], v5 [MQTT-4.3.3-1], v5 [MQTT-4.3.3-10], v5 [MQTT-4.6.0-1].
#[test]
fn a_client_without_allocator_goes_on_after_each_lost_connection() {
    let program = built();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let device = Command::new(program)
        .arg(port.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut server = Server {
        commands: (0..COMMANDS).map(command).collect(),
        ..Server::default()
    };
    let serving = std::thread::spawn(move || {
        for cut in CUTS.map(Some).into_iter().chain(iter::repeat(None)) {
            let (stream, _) = listener.accept().unwrap();
            server.serve(stream, cut);
            if server.done {
                break;
            }
        }
        server
    });
    let output = device.wait_with_output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{printed}");
    let server = serving.join().unwrap();
    assert!(server.resumed >= 20, "{} resumed", server.resumed);
    check("reading", &server.readings, READINGS);
    check("echo", &server.echoes, COMMANDS);
    check_memory(&printed);
}

/// At QoS 0 at most once, at QoS 1 at least once, at QoS 2 once, and first arrivals in order.
fn check(name: &str, arrived: &[u16], sent: u16) {
    for qos in 0..3 {
        let of_qos = (0..sent).filter(|number| number % 3 == qos);
        let mut firsts: Vec<u16> = Vec::new();
        for number in arrived.iter().filter(|number| *number % 3 == qos) {
            if !firsts.contains(number) {
                firsts.push(*number);
            } else {
                assert_eq!(qos, 1, "{name} {number} twice");
            }
        }
        assert!(firsts.is_sorted(), "{name}: {firsts:?}");
        assert!(qos == 0 || of_qos.eq(firsts), "{name}: {arrived:?}");
    }
}

/// What the documentation says that the program needs, it needs.
fn check_memory(printed: &str) {
    let number = |name: &str| {
        let line = printed.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("{name} in {printed}")).trim()
    };
    let (state, stack): (usize, usize) = (
        number("state").parse().unwrap(),
        number("stack").parse().unwrap(),
    );
    assert!(stack < 8192, "{stack} bytes of stack");
    if cfg!(target_pointer_width = "64") {
        let text = include_str!("../../README.md");
        let said = format!("{},{:03} bytes", state / 1000, state % 1000);
        assert!(text.contains(&said), "the README does not say {said}");
    }
}

fn command(number: u16) -> Message {
    Message {
        topic_name: "command/echo",
        qos: match number % 3 {
            0 => QoS::AtMostOnce,
            1 => QoS::AtLeastOnce,
            _ => QoS::ExactlyOnce,
        },
        payload: number.to_be_bytes().to_vec(),
        expiry: None,
    }
}

impl Server {
    /// Talks to the device until it is done, or until `cut` packets have come in.
    fn serve(&mut self, mut stream: TcpStream, cut: Option<u32>) {
        let mut handshake = ServerHandshake::new(OFFER, 0);
        let mut connection: Option<ServerConnection<Message, ()>> = None;
        let (mut bytes, mut chunk, mut packets) = (Vec::new(), [0; 512], 0);
        loop {
            let len = stream.read(&mut chunk).unwrap_or(0);
            if len == 0 {
                break;
            }
            bytes.extend_from_slice(chunk.get(..len).unwrap());
            let mut out = Vec::new();
            while let Some(found) = frame(&bytes, PACKET_LEN_MAX).unwrap() {
                packets += 1;
                match &mut connection {
                    Some(connection) => self.handle(connection, found, &mut out),
                    None => {
                        let event = handshake.handle_frame(found, 0).unwrap();
                        assert!(matches!(event, HandshakeEvent::Connect(_)), "{event:?}");
                        let acceptance = Acceptance {
                            found: self.session.take(),
                            will: None,
                            properties: Properties::EMPTY,
                        };
                        let accepted = handshake.accept(acceptance, 0, &mut out).unwrap();
                        self.resumed += u32::from(accepted.session_present);
                        connection = Some(accepted.connection);
                    }
                }
                let handled = found.len;
                bytes.drain(..handled);
                if cut == Some(packets) {
                    break;
                }
            }
            if let Some(connection) = &mut connection {
                self.send(connection, &mut out);
            }
            if cut.is_some_and(|cut| cut <= packets) {
                // Half of the answer arrives, mostly with half a packet at its end.
                let _ = stream.write_all(out.get(..out.len() / 2).unwrap());
                let _ = stream.shutdown(Shutdown::Write);
                let _ = stream.read_to_end(&mut bytes);
                break;
            }
            stream.write_all(&out).unwrap();
        }
        if let Some(connection) = connection {
            self.session = Some(connection.into_session(0).session);
        }
    }

    fn handle(
        &mut self,
        connection: &mut ServerConnection<Message, ()>,
        found: mqtt_codec::Frame<'_>,
        out: &mut Vec<u8>,
    ) {
        match connection.handle_frame(found, 0, out).unwrap() {
            ServerEvent::Message { publish, ack } => {
                let number = publish
                    .payload
                    .first_chunk()
                    .copied()
                    .map(u16::from_be_bytes);
                match publish.topic_name.unwrap().as_str() {
                    "reading" => self.readings.extend(number),
                    "echo" if publish.payload != b"stop" => self.echoes.extend(number),
                    _ => {}
                }
                if let Some(token) = ack {
                    let taken = connection.acknowledge(token, ReasonCode::SUCCESS, out);
                    taken.unwrap();
                }
            }
            ServerEvent::Subscribe { answer, .. } => {
                self.subscribed = true;
                let granted = [ReasonCode::GRANTED_QOS_2];
                let properties = Properties::EMPTY;
                let answered = connection.answer_subscribe(&answer, &granted, properties, out);
                answered.unwrap();
            }
            ServerEvent::Repeated { ack } => {
                connection
                    .acknowledge(ack, ReasonCode::SUCCESS, out)
                    .unwrap();
            }
            ServerEvent::Disconnected(_) => self.done = true,
            _ => {}
        }
    }

    fn send(&mut self, connection: &mut ServerConnection<Message, ()>, out: &mut Vec<u8>) {
        assert!(connection.poll_resend(0, out).is_none());
        let all_echoed =
            (0..COMMANDS).all(|number| number % 3 == 0 || self.echoes.contains(&number));
        if self.subscribed && self.commands.is_empty() && all_echoed {
            let stop = Message {
                payload: b"stop".to_vec(),
                ..command(2)
            };
            self.commands.push_back(stop);
            self.subscribed = false;
        }
        while let Some(command) = self.commands.pop_front() {
            if let Err(not_sent) = connection.publish(command, 0, out) {
                self.commands.push_front(not_sent.item);
                break;
            }
        }
    }
}

/// The program, built in a project of its own.
fn built() -> PathBuf {
    let crate_root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let example = crate_root.join("examples/embedded");
    let project = Path::new(env!("CARGO_TARGET_TMPDIR")).join("embedded");
    std::fs::create_dir_all(&project).unwrap();
    let manifest = std::fs::read_to_string(example.join("Cargo.toml")).unwrap();
    let at = |path: &str| format!("'{}'", crate_root.join(path).display());
    let manifest = manifest
        .replace("\"../../../mqtt-codec\"", &at("../mqtt-codec"))
        .replace("\"../..\"", &at(""))
        .replace("\"src/main.rs\"", &at("examples/embedded/src/main.rs"));
    std::fs::write(project.join("Cargo.toml"), manifest).unwrap();
    let lock = crate_root.join("../../Cargo.lock");
    if lock.exists() {
        std::fs::copy(lock, project.join("Cargo.lock")).unwrap();
    }
    let output = Some(build(&project, &["--offline"]))
        .filter(|output| output.status.success())
        .unwrap_or_else(|| build(&project, &[]));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert!(!errors.contains("warning"), "{errors}");
    project.join("target/release/mqtt-embedded")
}

fn build(project: &Path, options: &[&str]) -> Output {
    Command::new(env!("CARGO"))
        .args(["build", "--release", "--quiet"])
        .args(options)
        .current_dir(project)
        .env("CARGO_TARGET_DIR", project.join("target"))
        // Flags for the tests, such as those that measure coverage, need a standard library.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .output()
        .unwrap()
}
