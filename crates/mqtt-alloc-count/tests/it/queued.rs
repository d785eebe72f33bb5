//! What a message takes that waits in the log for a client that is away.

use crate::{Server, encoded, turn};
use mqtt_alloc_count::live_bytes;
use mqtt_broker::{Broker, Config, Durable};
use mqtt_codec::{Connect, Packet, ProtocolVersion};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const V311: ProtocolVersion = ProtocolVersion::V311;
/// PUBLISH packets unacknowledged at a time.
const WINDOW: usize = 1000;
/// What one queued message may take, with everything that is kept for it.
const ENTRY_LEN_MAX: usize = 64;
/// What the log and its checkpoint may have in memory at any time, whatever waits.
const STORE_LEN_MAX: usize = 8 << 20;

/// A broker that keeps its state in a directory.
fn durable() -> (Server, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let durable = Durable::open(dir.path(), &Config::default(), |_| {}).unwrap();
    let mut config = Config::default();
    config.listen_only_on(["127.0.0.1:0".parse().unwrap()]);
    let builder = Broker::builder().config(config).durable(durable);
    (Server::built(2, builder), dir)
}

/// A connection with a session that stays.
fn connect(server: &Server, client_id: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.addr).unwrap();
    stream.set_nodelay(true).unwrap();
    let time = Some(Duration::from_secs(20));
    stream.set_read_timeout(time).unwrap();
    let connect = Connect {
        clean_start: false,
        ..Connect::new(V311, client_id)
    };
    let bytes = encoded(V311, &Packet::Connect(connect));
    stream.write_all(&bytes).unwrap();
    expect(&mut stream, 0x20, 2);
    stream
}

/// A packet of this type and length must come next.
fn expect(stream: &mut TcpStream, first: u8, len: usize) {
    let mut head = [0; 2];
    stream.read_exact(&mut head).unwrap();
    assert_eq!((head[0], usize::from(head[1])), (first, len));
    let mut body = [0; 8];
    stream.read_exact(&mut body[..len]).unwrap();
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
    out.extend(text.as_bytes());
}

/// Clients that have subscribed to a topic each, `q/0` and so on, and are away.
fn away(server: &Server, clients: usize) {
    for number in 0..clients {
        let mut stream = connect(server, &format!("away-{number}"));
        let mut body = vec![0, 1];
        text(&mut body, &format!("q/{number}"));
        body.push(1);
        let mut packet = vec![0x82, u8::try_from(body.len()).unwrap()];
        packet.extend(body);
        // And DISCONNECT, once it is granted.
        stream.write_all(&packet).unwrap();
        expect(&mut stream, 0x90, 3);
        stream.write_all(&[0xE0, 0]).unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    }
}

/// Publishes so many messages at QoS 1, to each topic in turn.
fn publish(server: &Server, topics: usize, messages: usize, payload_len: usize) {
    let mut stream = connect(server, "publisher");
    let mut out = Vec::new();
    for first in (0..messages).step_by(WINDOW) {
        out.clear();
        for number in first..first + WINDOW {
            let mut body = Vec::with_capacity(payload_len + 16);
            text(&mut body, &format!("q/{}", number % topics));
            let packet_id = u16::try_from(number % WINDOW + 1).unwrap();
            body.extend(packet_id.to_be_bytes());
            body.resize(body.len() + payload_len, 0x55);
            out.push(0x32);
            let len = u8::try_from(body.len() % 128).unwrap();
            out.push(len | 0x80);
            out.push(u8::try_from(body.len() / 128).unwrap());
            out.extend(&body);
        }
        let mut reader = stream.try_clone().unwrap();
        let acks = std::thread::spawn(move || {
            for _ in 0..WINDOW {
                expect(&mut reader, 0x40, 2);
            }
        });
        stream.write_all(&out).unwrap();
        acks.join().unwrap();
    }
}

/// The bytes that `messages` queued messages have made of memory, once nothing else is under way.
fn growth(server: &Server, before: usize, messages: usize, allowed: usize) -> usize {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let grown = live_bytes().saturating_sub(before);
        let is_there = server.broker.sizes().queued_in_log == messages;
        if (is_there && grown <= allowed) || Instant::now() > deadline {
            assert!(is_there, "all wait in the log");
            return grown;
        }
        std::thread::yield_now();
    }
}

#[test]
fn a_queued_message_takes_64_bytes_at_most() {
    const MESSAGES: usize = 100_000;
    const CLIENTS: usize = 100;
    let _turn = turn();
    let (server, _dir) = durable();
    away(&server, CLIENTS);
    // Whatever the store needs to work at all is there by then.
    publish(&server, CLIENTS, 20_000, 256);
    let before = live_bytes();
    publish(&server, CLIENTS, MESSAGES, 256);
    let allowed = MESSAGES * ENTRY_LEN_MAX;
    let grown = growth(&server, before, 20_000 + MESSAGES, allowed);
    println!("{} bytes for each message", grown / MESSAGES);
    assert!(grown <= allowed, "{grown} bytes for {MESSAGES} messages");
}

#[test]
fn a_backlog_of_200_mb_is_not_in_memory() {
    const MESSAGES: usize = 200_000;
    let _turn = turn();
    let (server, _dir) = durable();
    away(&server, 1);
    let before = live_bytes();
    publish(&server, 1, MESSAGES, 1024);
    let allowed = MESSAGES * ENTRY_LEN_MAX + STORE_LEN_MAX;
    let grown = growth(&server, before, MESSAGES, allowed);
    println!("{grown} bytes for {MESSAGES} messages of 1 KiB");
    assert!(grown <= allowed, "{grown} bytes");
}
