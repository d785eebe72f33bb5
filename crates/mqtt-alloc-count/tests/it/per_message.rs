//! QoS 0 in a steady state: from socket to socket without an allocation.

use crate::{Server, connect, turn};
use mqtt_alloc_count::allocations;
use mqtt_broker::{Access, AccessRequest, AllowAll, Answer, Decision};
use mqtt_codec::ProtocolVersion;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const MESSAGES: usize = 10_000;
/// Messages sent at once; they and their answers fit any socket buffer.
const CHUNK: usize = 50;
/// What timers, counters and the like may take over the whole measurement.
const ALLOWED: u64 = 50;

/// PUBLISH to `bench/1` with 16 bytes, in 3.1.1.
const PUBLISH: [u8; 27] = *b"\x30\x19\x00\x07bench/1abcdefghijklmnop";

/// Looks at what is asked before it says yes, and says so at once.
struct Ready;

impl Access for Ready {
    fn decide(&self, request: &AccessRequest<'_>) -> Answer {
        Answer::Ready(match request {
            AccessRequest::Publish { client, .. } if client.client_id.is_empty() => {
                Decision::Deny(mqtt_codec::ReasonCode::NOT_AUTHORIZED)
            }
            _ => Decision::Allow,
        })
    }
}

/// A connected 3.1.1 client that has been told so.
fn client(server: &Server, client_id: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.addr).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    stream
        .write_all(&connect(ProtocolVersion::V311, client_id))
        .unwrap();
    let mut connack = [0; 4];
    stream.read_exact(&mut connack).unwrap();
    assert_eq!(connack, [0x20, 2, 0, 0]);
    stream
}

/// A client that gets everything `client` publishes.
fn reader(server: &Server, client_id: &str) -> TcpStream {
    let mut stream = client(server, client_id);
    stream
        .write_all(b"\x82\x0C\x00\x01\x00\x07bench/#\x00")
        .unwrap();
    let mut suback = [0; 5];
    stream.read_exact(&mut suback).unwrap();
    assert_eq!(suback, [0x90, 3, 0, 1, 0]);
    stream
}

/// Publishes chunk after chunk, each when all readers have the one before.
fn pump(publisher: &mut TcpStream, readers: &mut [TcpStream], chunk: usize, buffer: &mut [u8]) {
    let sent: Vec<u8> = PUBLISH.repeat(chunk);
    let buffer = &mut buffer[..sent.len()];
    for _ in 0..MESSAGES / chunk {
        publisher.write_all(&sent).unwrap();
        for reader in &mut *readers {
            reader.read_exact(buffer).unwrap();
            assert_eq!(buffer[..], sent[..]);
        }
    }
}

/// The allocations of 10,000 messages, after as many that warm up.
fn measured(access: impl Access, readers: usize, chunk: usize) -> u64 {
    let server = Server::start(1, access, |_| {});
    let mut readers: Vec<_> = (0..readers)
        .map(|nth| reader(&server, &format!("reader-{nth}")))
        .collect();
    let mut publisher = client(&server, "publisher");
    let mut buffer = vec![0; PUBLISH.len() * chunk];
    pump(&mut publisher, &mut readers, chunk, &mut buffer);
    let before = allocations();
    pump(&mut publisher, &mut readers, chunk, &mut buffer);
    allocations() - before
}

#[test]
fn qos_0_in_chunks_allocates_nothing_per_message() {
    let _turn = turn();
    let allocated = measured(AllowAll, 1, CHUNK);
    assert!(allocated <= ALLOWED, "{allocated} for {MESSAGES} messages");
}

#[test]
fn qos_0_one_by_one_allocates_nothing_per_message() {
    let _turn = turn();
    let allocated = measured(AllowAll, 1, 1);
    assert!(allocated <= ALLOWED, "{allocated} for {MESSAGES} messages");
}

#[test]
fn qos_0_to_many_allocates_nothing_per_message() {
    let _turn = turn();
    let allocated = measured(AllowAll, 10, CHUNK);
    assert!(allocated <= ALLOWED, "{allocated} for {MESSAGES} messages");
}

#[test]
fn a_ready_answer_costs_no_allocation() {
    let _turn = turn();
    let allocated = measured(Ready, 1, CHUNK);
    assert!(allocated <= ALLOWED, "{allocated} for {MESSAGES} messages");
}

#[test]
fn a_message_for_nobody_allocates_nothing() {
    let _turn = turn();
    let server = Server::start(1, AllowAll, |_| {});
    let mut publisher = client(&server, "publisher");
    let sent = PUBLISH.repeat(CHUNK);
    let mut pump = || {
        for _ in 0..MESSAGES / CHUNK {
            publisher.write_all(&sent).unwrap();
            publisher.write_all(&[0xC0, 0]).unwrap();
            let mut pingresp = [0; 2];
            publisher.read_exact(&mut pingresp).unwrap();
            assert_eq!(pingresp, [0xD0, 0]);
        }
    };
    pump();
    let before = allocations();
    pump();
    let allocated = allocations() - before;
    // Each PINGRESP takes a buffer; the messages in front of it take none.
    let pings = u64::try_from(MESSAGES / CHUNK).unwrap();
    assert!(
        allocated <= ALLOWED + pings,
        "{allocated} for {MESSAGES} messages"
    );
}
