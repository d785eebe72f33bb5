//! QoS 1 and 2, and v5, in a steady state: messages and flows are made of memory that was used before.

use crate::{Server, connect, turn};
use mqtt_alloc_count::allocations;
use mqtt_broker::AllowAll;
use mqtt_codec::{ProtocolVersion, QoS};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const ROUNDS: u16 = 200;
/// Messages of a round, sent at once.
const CHUNK: u16 = 50;
/// What timers, counters and the like may take over the whole measurement.
const ALLOWED: u64 = 50;
/// A Message Expiry Interval, a Response Topic and a User Property.
const PROPERTIES: &[u8] = b"\x10\x02\x00\x00\x00\x3C\x08\x00\x01r\x26\x00\x01k\x00\x01v";

/// One client with buffers of its own, which allocates nothing once it is connected.
struct Client {
    stream: TcpStream,
    /// What is sent at once.
    out: Vec<u8>,
    body: Vec<u8>,
}

impl Client {
    fn connect(server: &Server, version: ProtocolVersion, client_id: &str) -> Self {
        let stream = TcpStream::connect(server.addr).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        let mut client = Self {
            stream,
            out: connect(version, client_id),
            body: vec![0; 256],
        };
        client.send();
        assert_eq!(client.packet().0, 0x20);
        client
    }

    fn subscribe(&mut self, version: ProtocolVersion, qos: QoS) {
        let head: &[u8] = match version.has_properties() {
            true => b"\x82\x0B\x00\x01\x00\x00\x05be/ch",
            false => b"\x82\x0A\x00\x01\x00\x05be/ch",
        };
        self.out.extend(head);
        self.out.push(qos.get());
        self.send();
        let (first, body) = self.packet();
        assert_eq!((first, body.last()), (0x90, Some(&qos.get())));
    }

    fn send(&mut self) {
        self.stream.write_all(&self.out).unwrap();
        self.out.clear();
    }

    /// The next packet: its first byte and what is behind the Remaining Length.
    fn packet(&mut self) -> (u8, &[u8]) {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head).unwrap();
        let [first, len] = head;
        assert!(len < 0x80, "packets here are short");
        let body = &mut self.body[..usize::from(len)];
        self.stream.read_exact(body).unwrap();
        (first, body)
    }

    /// Reads a whole chunk of packets of one type and answers each with another type.
    fn answer(&mut self, first: u8, id_at: usize, with: u8) {
        for _ in 0..CHUNK {
            let (found, body) = self.packet();
            assert_eq!(found, first);
            let id = [body[id_at], body[id_at + 1]];
            self.out.extend([with, 2, id[0], id[1]]);
        }
        self.send();
    }

    /// Reads a whole chunk of packets of one type.
    fn expect(&mut self, first: u8) {
        for _ in 0..CHUNK {
            assert_eq!(self.packet().0, first);
        }
    }

    fn publish(&mut self, version: ProtocolVersion, qos: QoS) {
        let properties = match version.has_properties() {
            true => PROPERTIES,
            false => &[],
        };
        let len = 7 + 2 * usize::from(qos != QoS::AtMostOnce) + properties.len() + 64;
        for packet_id in 1..=CHUNK {
            self.out.push(0x30 | qos.get() << 1);
            self.out.push(u8::try_from(len).unwrap());
            self.out.extend(b"\x00\x05be/ch");
            if qos != QoS::AtMostOnce {
                self.out.extend(packet_id.to_be_bytes());
            }
            self.out.extend(properties);
            self.out.extend([b'x'; 64]);
        }
        self.send();
    }
}

/// The allocations of many rounds to some subscribers, after as many that warm up.
fn measured(version: ProtocolVersion, qos: QoS, subscribers: usize) -> u64 {
    let server = Server::start(1, AllowAll, |_| {});
    let mut readers: Vec<_> = (0..subscribers)
        .map(|nth| Client::connect(&server, version, &format!("reader-{nth}")))
        .collect();
    for reader in &mut readers {
        reader.subscribe(version, qos);
    }
    let mut publisher = Client::connect(&server, version, "publisher");
    let first = 0x30 | qos.get() << 1;
    let mut rounds = || {
        for _ in 0..ROUNDS {
            publisher.publish(version, qos);
            for reader in &mut readers {
                match qos {
                    QoS::AtMostOnce => reader.expect(first),
                    QoS::AtLeastOnce => reader.answer(first, 7, 0x40),
                    QoS::ExactlyOnce => {
                        reader.answer(first, 7, 0x50);
                        reader.answer(0x62, 0, 0x70);
                    }
                }
            }
            match qos {
                QoS::AtMostOnce => {}
                QoS::AtLeastOnce => publisher.expect(0x40),
                QoS::ExactlyOnce => {
                    publisher.answer(0x50, 0, 0x62);
                    publisher.expect(0x70);
                }
            }
        }
    };
    rounds();
    let before = allocations();
    rounds();
    allocations() - before
}

fn allocates_nothing(version: ProtocolVersion, qos: QoS, subscribers: usize) {
    let _turn = turn();
    let allocated = measured(version, qos, subscribers);
    let messages = u32::from(ROUNDS) * u32::from(CHUNK);
    assert!(
        allocated <= ALLOWED,
        "{allocated} for {messages} messages at {qos:?} to {subscribers}"
    );
}

#[test]
fn qos_1_allocates_nothing_per_message() {
    allocates_nothing(ProtocolVersion::V311, QoS::AtLeastOnce, 1);
}

#[test]
fn qos_2_allocates_nothing_per_message() {
    allocates_nothing(ProtocolVersion::V311, QoS::ExactlyOnce, 1);
}

#[test]
fn qos_1_to_many_allocates_nothing_per_message() {
    allocates_nothing(ProtocolVersion::V311, QoS::AtLeastOnce, 10);
}

#[test]
fn v5_with_properties_allocates_nothing_per_message() {
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        allocates_nothing(ProtocolVersion::V5, qos, 2);
    }
}
