//! What a client keeps in memory: while it is idle, and while nobody takes what it receives.

use crate::turn;
use mqtt_alloc_count::live_bytes;
use mqtt_client::{Client, ClientBuilder, QoS, TlsConfig, TlsOptions};
use p12_keystore::{Certificate, KeyStore, KeyStoreEntry, PrivateKey, PrivateKeyChain};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;
use tokio::runtime::Runtime;

/// Clients of the measurement.
const CLIENTS: usize = 64;
/// What one of them may take. Unit: bytes.
const IDLE_MAX: usize = 10 * 1024;
/// What a TLS configuration of its own, with a certificate, may take beside that. Unit: bytes.
const OWN_TLS_MAX: usize = 24 * 1024;
/// Bytes of the payloads nobody takes.
const PAYLOAD_LEN: usize = 1024;
/// Messages the subscription holds that nobody reads.
const CAPACITY: usize = 500;
/// How often so many are sent, and one for the other subscription behind them.
const ROUNDS: usize = 40;
/// A CONNACK of v5 that says yes and no more.
const CONNACK: &[u8] = b"\x20\x03\x00\x00\x00";

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}

/// The next packet: its first byte and what is behind the Remaining Length.
fn packet(stream: &mut TcpStream) -> (u8, Vec<u8>) {
    let mut head = [0; 2];
    stream.read_exact(&mut head).unwrap();
    assert!(head[1] < 0x80, "packets here are short");
    let mut body = vec![0; usize::from(head[1])];
    stream.read_exact(&mut body).unwrap();
    (head[0], body)
}

fn accept(listener: &TcpListener) -> TcpStream {
    let (mut stream, _) = listener.accept().unwrap();
    assert_eq!(packet(&mut stream).0, 0x10);
    stream.write_all(CONNACK).unwrap();
    stream
}

/// What one connected client keeps that does nothing, made with what `choose` sets. Unit: bytes.
fn idle_bytes(choose: impl Fn(ClientBuilder) -> ClientBuilder) -> usize {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("mqtt://{}", listener.local_addr().unwrap());
    let mut accepted = Vec::with_capacity(CLIENTS + 1);
    let mut clients = Vec::with_capacity(CLIENTS + 1);
    let runtime = runtime();
    let mut before = 0;
    for number in 0..=CLIENTS {
        if number == 1 {
            // What all share is there by now.
            before = live_bytes();
        }
        let builder = Client::builder(&address).client_id(format!("idle-{number}"));
        let connecting = runtime.spawn(choose(builder).connect());
        accepted.push(accept(&listener));
        clients.push(runtime.block_on(connecting).unwrap().unwrap());
    }
    live_bytes().saturating_sub(before) / CLIENTS
}

/// A connected client that does nothing takes less than 10 KiB of heap, its buffers and its handle included.
#[test]
fn an_idle_client_takes_little() {
    let _turn = turn();
    let taken = idle_bytes(|builder| builder);
    assert!(taken < IDLE_MAX, "{taken} bytes");
    assert!(taken > 1000, "{taken} bytes: something is not counted");
}

/// A certificate and its key, as a PKCS#12 archive.
fn archive() -> Vec<u8> {
    let made = rcgen::generate_simple_self_signed(["device".to_owned()]).unwrap();
    let certificate = Certificate::from_der(made.cert.der()).unwrap();
    let key = PrivateKey::from_der(&made.signing_key.serialize_der()).unwrap();
    let entry = PrivateKeyChain::new("1", key, vec![certificate]);
    let mut store = KeyStore::new();
    store.add_entry("device", KeyStoreEntry::PrivateKeyChain(entry));
    store.writer("secret").write().unwrap()
}

fn with_certificate(archive: &[u8]) -> TlsConfig {
    let options = TlsOptions::new().identity_pkcs12(archive, "secret");
    let options = options.unwrap().danger_accept_any_certificate();
    options.build().unwrap()
}

/// With a certificate from a PKCS#12 archive, which all clients of the process share, it is no more.
#[test]
fn an_idle_client_that_shares_a_certificate_takes_little() {
    let _turn = turn();
    let shared = with_certificate(&archive());
    let taken = idle_bytes(|builder| builder.tls(shared.clone()));
    assert!(taken < IDLE_MAX, "{taken} bytes");
}

/// With one of its own it has a configuration of rustls of its own; the archive is not kept.
#[test]
fn an_idle_client_with_its_own_certificate_keeps_what_rustls_does() {
    let _turn = turn();
    let archive = archive();
    let taken = idle_bytes(|builder| builder.tls(with_certificate(&archive)));
    assert!(taken < IDLE_MAX + OWN_TLS_MAX, "{taken} bytes");
}

/// The server of the stalled client: a flood, and one message behind it when the client has taken the last one.
fn flood(listener: TcpListener) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut stream = accept(&listener);
        for _ in 0..2 {
            let (first, body) = packet(&mut stream);
            assert_eq!(first, 0x82);
            let suback = [0x90, 4, body[0], body[1], 0, 0];
            stream.write_all(&suback).unwrap();
        }
        let len = u8::try_from((PAYLOAD_LEN + 7) % 128).unwrap() | 0x80;
        let mut message = vec![0x30, len, u8::try_from((PAYLOAD_LEN + 7) / 128).unwrap()];
        message.extend(b"\x00\x04left\x00");
        message.resize(message.len() + PAYLOAD_LEN, b'x');
        let messages = message.repeat(CAPACITY);
        for _ in 0..ROUNDS {
            stream.write_all(&messages).unwrap();
            stream.write_all(b"\x30\x07\x00\x04read\x00").unwrap();
            assert_eq!(packet(&mut stream).0, 0x30, "the client has it");
        }
    })
}

/// A subscription nobody reads holds as many messages as it says, and the other one goes on.
#[test]
fn a_subscription_nobody_reads_takes_what_it_may() {
    let _turn = turn();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("mqtt://{}", listener.local_addr().unwrap());
    let server = flood(listener);
    runtime().block_on(async {
        let client = Client::builder(&address).client_id("stalled");
        let client = client.connect().await.unwrap();
        let left = client.subscribe("left").capacity(CAPACITY).await.unwrap();
        let mut read = client.subscribe("read").await.unwrap();
        let before = live_bytes();
        let mut most = 0;
        for _ in 0..ROUNDS {
            let message = read.next().await.unwrap();
            assert_eq!(message.qos(), QoS::AtMostOnce);
            most = most.max(live_bytes().saturating_sub(before));
            client.publish("on", "").await.unwrap();
        }
        // Twice, for what is around a message and for what is in buffers.
        assert!(most < 2 * CAPACITY * PAYLOAD_LEN, "{most} bytes");
        let dropped = usize::try_from(left.dropped()).unwrap();
        assert_eq!(dropped, (ROUNDS - 1) * CAPACITY);
    });
    server.join().unwrap();
}
