//! A relay between a program and the broker, which keeps what the program sends.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::mpsc::{self, Receiver, Sender},
    thread,
};

use mqtt_codec::{Connect, PACKET_LEN_MAX, Packet, Properties, Property, ProtocolVersion, frame};

use crate::process::PATIENCE;

/// The first byte of whoever asks for what was kept; no packet begins with it.
const ASKS: u8 = 0;

/// Connections one after the other, each to a new one of the broker.
pub(super) struct Relay {
    addr: SocketAddr,
    kept: Receiver<Vec<u8>>,
}

impl Relay {
    pub(super) fn to(broker: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let (sender, kept) = mpsc::channel();
        // It ends with the test's process.
        thread::spawn(move || relay(&listener, broker, &sender));
        Self { addr, kept }
    }

    pub(super) fn port(&self) -> String {
        self.addr.port().to_string()
    }

    /// The packets that programs have sent since the last call, once the broker has seen all of them.
    pub(super) fn sent(&self) -> Vec<String> {
        let mut asking = TcpStream::connect(self.addr).unwrap();
        asking.write_all(&[ASKS]).unwrap();
        packets(&self.kept.recv_timeout(PATIENCE).unwrap())
    }
}

fn relay(listener: &TcpListener, broker: SocketAddr, sender: &Sender<Vec<u8>>) {
    let mut kept = Vec::new();
    for stream in listener.incoming() {
        let mut program = stream.unwrap();
        let mut first = [0];
        let len = program.read(&mut first);
        // Whoever has connected and gone has sent nothing.
        if !matches!(len, Ok(1)) {
            continue;
        }
        if first == [ASKS] {
            // Whoever asked may have given up.
            let _ = sender.send(std::mem::take(&mut kept));
        } else {
            kept.push(first[0]);
            forward(program, first[0], broker, &mut kept);
        }
    }
}

/// Forwards both ways until both have ended: the broker's end is behind the last packet.
fn forward(mut program: TcpStream, first: u8, broker: SocketAddr, kept: &mut Vec<u8>) {
    let mut broker = TcpStream::connect(broker).unwrap();
    let (mut from, mut to) = (broker.try_clone().unwrap(), program.try_clone().unwrap());
    let answers = thread::spawn(move || {
        // Whoever goes away first ends it.
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
    let mut buffer = vec![0; 1 << 16];
    let mut written = broker.write_all(&[first]);
    while written.is_ok() {
        let Ok(len @ 1..) = program.read(&mut buffer) else {
            break;
        };
        let bytes = buffer.get(..len).unwrap();
        kept.extend_from_slice(bytes);
        written = broker.write_all(bytes);
    }
    let _ = broker.shutdown(Shutdown::Write);
    answers.join().unwrap();
}

/// The packets in words.
fn packets(bytes: &[u8]) -> Vec<String> {
    let mut version = ProtocolVersion::V311;
    let mut rest = bytes;
    let mut packets = Vec::new();
    let mut releases = Vec::new();
    while let Ok(Some(frame)) = frame(rest, PACKET_LEN_MAX) {
        let packet = Packet::decode(frame, version);
        packets.push(match packet {
            Ok(Packet::Connect(connect)) => {
                version = connect.version;
                connect_in_words(&connect)
            }
            // When the broker's answers come is not up to the program.
            Ok(Packet::PubRel(release)) => {
                releases.push(format!("{release:?}"));
                rest = rest.get(frame.len..).unwrap();
                continue;
            }
            packet => format!("{packet:?}"),
        });
        rest = rest.get(frame.len..).unwrap();
    }
    packets.append(&mut releases);
    if !rest.is_empty() {
        packets.push(format!("no packet: {}", rest.escape_ascii()));
    }
    packets
}

/// Without what differs by design: random names, process ids, the order of properties, and what a program offers of
/// itself when nothing is said.
fn connect_in_words(connect: &Connect<'_>) -> String {
    let client_id = connect.client_id;
    let client_id = match client_id
        .strip_prefix("mosq-")
        .or(client_id.strip_prefix("mqtt-"))
    {
        Some(_) => "at random",
        None => client_id.trim_end_matches(|letter: char| letter.is_ascii_digit()),
    };
    let properties = connect.properties.iter().filter(|property| match property {
        // Theirs is not above the count of `-C`.
        Property::ReceiveMaximum(max) => max.get() > 20 && max.get() != 1024,
        Property::MaximumPacketSize(max) => max.get() != PACKET_LEN_MAX,
        Property::TopicAliasMaximum(max) => *max != 16,
        _ => true,
    });
    let mut properties: Vec<_> = properties.map(|property| format!("{property:?}")).collect();
    properties.sort_unstable();
    let rest = Connect {
        client_id,
        properties: Properties::default(),
        ..*connect
    };
    format!("{rest:?} {properties:?}")
}
