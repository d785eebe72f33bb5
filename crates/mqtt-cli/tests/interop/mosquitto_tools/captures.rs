//! Captures of Mosquitto's programs: what `mqtt decode` and tshark say of them.

use super::{VERSIONS, mosquitto_pub, mosquitto_sub, printed, spy::spied};
use crate::{
    brokers::RunningBroker,
    process::{PATIENCE, Running},
    surroundings::variable,
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    net::TcpStream,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// How long one look takes before the next.
const LOOK: Duration = Duration::from_millis(50);

/// The types of packets in the order of their numbers, from 1.
const TYPES: [&str; 15] = [
    "CONNECT",
    "CONNACK",
    "PUBLISH",
    "PUBACK",
    "PUBREC",
    "PUBREL",
    "PUBCOMP",
    "SUBSCRIBE",
    "SUBACK",
    "UNSUBSCRIBE",
    "UNSUBACK",
    "PINGREQ",
    "PINGRESP",
    "DISCONNECT",
    "AUTH",
];

/// What of a packet is compared.
#[derive(Debug, Eq, PartialEq)]
struct Packet {
    name: String,
    packet_id: Option<u64>,
    topics: Vec<String>,
}

/// The packets of each connection in their order, by the client's port.
#[derive(Debug, Default, Eq, PartialEq)]
struct Packets(BTreeMap<u16, Vec<Packet>>);

impl Packets {
    fn add(&mut self, port: u16, packet: Packet) {
        self.0.entry(port).or_default().push(packet);
    }

    fn count(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }
}

fn tshark(name: &str) -> Command {
    let mut command = Command::new(variable(name));
    let libraries = variable("MQTT_INTEROP_TSHARK_LIBRARY_PATH");
    if !libraries.is_empty() {
        command.env("LD_LIBRARY_PATH", libraries);
    }
    command
}

/// What `mqtt decode` finds in a capture, where a broker is at this port.
fn ours(capture: &Path, port: u16) -> Packets {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mqtt"));
    command.args(["decode", "--json", "--port", &port.to_string()]);
    let (stdout, told) = printed(command.arg(capture), 0);
    assert!(told.contains(", 0 of them wrong, "), "{told}");
    let mut packets = Packets::default();
    for line in stdout.lines() {
        let packet: Value = serde_json::from_str(line).unwrap();
        let client = packet["client"].as_str().unwrap();
        let (_, client) = client.rsplit_once(':').unwrap();
        let (mut ids, mut topics) = (Vec::new(), Vec::new());
        leaves(
            &packet["fields"],
            &mut |field| match field["name"].as_str() {
                Some("packet identifier") => ids.extend(field["value"].as_u64()),
                Some("topic name" | "topic filter") => {
                    topics.push(field["value"].as_str().unwrap().to_owned());
                }
                _ => {}
            },
        );
        let packet = Packet {
            name: packet["packet"].as_str().unwrap().to_owned(),
            packet_id: ids.pop(),
            topics,
        };
        packets.add(client.parse().unwrap(), packet);
    }
    packets
}

fn leaves(fields: &Value, take: &mut impl FnMut(&Value)) {
    for field in fields.as_array().into_iter().flatten() {
        take(field);
        leaves(&field["fields"], take);
    }
}

/// What tshark finds in it.
fn theirs(capture: &Path, port: u16) -> Packets {
    let mut command = tshark("MQTT_INTEROP_TSHARK");
    command.arg("-r").arg(capture);
    command.args(["-d", &format!("tcp.port=={port},mqtt"), "-Y", "mqtt"]);
    let (stdout, _) = printed(
        command.args(["-T", "json", "--no-duplicate-keys", "-J", "mqtt tcp"]),
        0,
    );
    let frames: Value = serde_json::from_str(&stdout).unwrap();
    let mut packets = Packets::default();
    for frame in frames.as_array().unwrap() {
        let layers = &frame["_source"]["layers"];
        let ports =
            ["tcp.srcport", "tcp.dstport"].map(|name| number(&layers["tcp"][name]).unwrap());
        let client = ports
            .into_iter()
            .find(|one| *one != u64::from(port))
            .unwrap();
        let client = u16::try_from(client).unwrap();
        for layer in several(&layers["mqtt"]) {
            let kind = number(&layer["mqtt.hdrflags_tree"]["mqtt.msgtype"]).unwrap();
            let kind = usize::try_from(kind).unwrap();
            let topics = several(&layer["mqtt.topic"]).into_iter();
            let packet = Packet {
                name: TYPES[kind - 1].to_owned(),
                packet_id: number(&layer["mqtt.msgid"]),
                topics: topics
                    .map(|topic| topic.as_str().unwrap().to_owned())
                    .collect(),
            };
            packets.add(client, packet);
        }
    }
    packets
}

/// One, or what is in a list.
fn several(value: &Value) -> Vec<&Value> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(values) => values.iter().collect(),
        value => vec![value],
    }
}

fn number(value: &Value) -> Option<u64> {
    value.as_str()?.parse().ok()
}

#[test]
fn tshark_reads_what_spy_writes() {
    for version in VERSIONS {
        let dir = tempfile::tempdir().unwrap();
        let capture = dir.path().join("spied.pcapng");
        let lines = spied(version, &capture);
        // In the file each server is at the usual port.
        let (ours, theirs) = (ours(&capture, 1883), theirs(&capture, 1883));
        assert_eq!(ours, theirs, "{version}");
        let shown = lines.iter().filter(|line| line.contains(" #")).count();
        assert_eq!((ours.count(), ours.0.len()), (shown, 4), "{version}");
    }
}

/// A dumpcap that captures what goes to and from a broker.
struct Dump(std::process::Child);

impl Dump {
    /// When this returns, what happens from now on is captured.
    fn start(capture: &Path, port: u16) -> Self {
        let mut command = tshark("MQTT_INTEROP_DUMPCAP");
        command.args(["-i", "lo", "-f", &format!("tcp port {port}"), "-w"]);
        let dump = Self(command.arg(capture).stderr(Stdio::null()).spawn().unwrap());
        let empty = TcpStream::connect(("127.0.0.1", port)).unwrap();
        drop(empty);
        // It has begun once such a connection is in the file.
        wait_until("dumpcap captures nothing", || {
            drop(TcpStream::connect(("127.0.0.1", port)).unwrap());
            let begun = std::fs::metadata(capture).map(|file| file.len());
            begun.unwrap_or(0) > 500
        });
        dump
    }
}

impl Drop for Dump {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[track_caller]
fn wait_until(otherwise: &str, mut is_there: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_there() {
        assert!(Instant::now() < deadline, "{otherwise}");
        thread::park_timeout(LOOK);
    }
}

/// Mosquitto's clients at a broker, captured from the network.
fn captured(broker: &RunningBroker) {
    let port = broker.way.addr.port();
    let dir = tempfile::tempdir().unwrap();
    let capture = dir.path().join("captured.pcapng");
    let dump = Dump::start(&capture, port);
    for version in VERSIONS {
        // What is retained shows that it is subscribed, and is enough.
        for qos in ["0", "1", "2"] {
            let mut publisher = mosquitto_pub(port);
            publisher.args(["-V", version, "-q", qos, "-r", "-m", "payload"]);
            Running::spawn(publisher.args(["-t", &format!("{version}/{qos}")])).succeed();
        }
        let filter = format!("{version}/#");
        let mut subscriber = mosquitto_sub(port);
        subscriber.args(["-V", version, "-t", &filter, "-t", "other", "-U", "other"]);
        Running::spawn(subscriber.args(["-q", "2", "-C", "3"])).succeed();
    }
    let is_whole = || {
        let disconnects = ours(&capture, port).0.into_values().flatten();
        let disconnects = disconnects.filter(|packet| packet.name == "DISCONNECT");
        disconnects.count() == VERSIONS.len() * 4
    };
    wait_until("dumpcap has not written everything", is_whole);
    drop(dump);
    assert_eq!(ours(&capture, port), theirs(&capture, port));
}

#[test]
fn tshark_and_decode_say_the_same_of_mosquitto() {
    captured(&RunningBroker::mosquitto());
}

#[test]
fn tshark_and_decode_say_the_same_of_our_broker() {
    captured(&RunningBroker::ours());
}
