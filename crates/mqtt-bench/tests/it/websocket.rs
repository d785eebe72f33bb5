//! Fleets over WebSocket, at a server that pings and closes.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use mqtt_bench::{Fleet, FleetReport, Over, Stop, Verdict, run_fleet};

use crate::Served;
use crate::fleet::pairs;

/// What clients said beside their messages.
#[derive(Default)]
struct Heard {
    pings: u64,
    pongs: u64,
    /// What a PONG was that belongs to no PING.
    strange: Vec<Vec<u8>>,
    /// The payloads of closing frames.
    closes: Vec<Vec<u8>>,
}

/// A server of WebSocket before one of TCP; it lives as long as the test's process.
struct Gate {
    addr: SocketAddr,
    heard: Arc<Mutex<Heard>>,
}

impl Gate {
    /// Passes on to `behind`, with a PING before everything that comes from there; without `behind` it closes each
    /// WebSocket once a frame has come.
    fn start(behind: Option<SocketAddr>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let addr = listener.local_addr().unwrap();
        let heard = Arc::new(Mutex::new(Heard::default()));
        let shared = Arc::clone(&heard);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let heard = Arc::clone(&shared);
                thread::spawn(move || serve(stream, behind, &heard));
            }
        });
        Self { addr, heard }
    }

    fn run(&self, count: u32) -> FleetReport {
        let over = Over {
            ws_path: Some("/mqtt".to_owned()),
            ..Over::default()
        };
        let fleet = Fleet {
            over,
            ..pairs(self.addr.port(), count, 500)
        };
        run_fleet(fleet, &Stop::default(), |_| {}).unwrap()
    }
}

fn serve(mut client: TcpStream, behind: Option<SocketAddr>, heard: &Arc<Mutex<Heard>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";
    client.write_all(answer).unwrap();
    let mut server = behind.map(|addr| {
        let server = TcpStream::connect(addr).unwrap();
        let (from, to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
        let heard = Arc::clone(heard);
        thread::spawn(move || answer_with(from, to, &heard));
        server
    });
    while let Some((opcode, payload)) = next_frame(&mut client) {
        match (opcode, &mut server) {
            (0x2, Some(server)) => server.write_all(&payload).unwrap(),
            (0x2, None) => client.write_all(b"\x88\x06\x03\xE9away").unwrap(),
            (0xA, _) => {
                let mut heard = heard.lock().unwrap();
                heard.pongs += 1;
                if payload != b"there?" {
                    heard.strange.push(payload);
                }
            }
            (0x8, _) => return heard.lock().unwrap().closes.push(payload),
            (opcode, _) => panic!("a frame of kind {opcode}"),
        }
    }
}

/// What the server says, as frames.
fn answer_with(mut server: TcpStream, mut client: TcpStream, heard: &Mutex<Heard>) {
    let mut buffer = [0; 4096];
    while let Ok(len @ 1..) = server.read(&mut buffer) {
        heard.lock().unwrap().pings += 1;
        let mut frames = b"\x89\x06there?".to_vec();
        for payload in buffer[..len].chunks(100) {
            frames.extend([0x82, u8::try_from(payload.len()).unwrap()]);
            frames.extend(payload);
        }
        if client.write_all(&frames).is_err() {
            return;
        }
    }
}

/// The kind and the payload of a client's next frame; `None` at the end.
fn next_frame(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let mut head = [0; 2];
    stream.read_exact(&mut head).ok()?;
    assert_eq!(head[1] & 0x80, 0x80, "a client masks");
    let len = match head[1] & 0x7F {
        126 => {
            let mut len = [0; 2];
            stream.read_exact(&mut len).ok()?;
            usize::from(u16::from_be_bytes(len))
        }
        127 => panic!("nobody says so much at once here"),
        len => usize::from(len),
    };
    let mut mask = [0; 4];
    stream.read_exact(&mut mask).ok()?;
    let mut payload = vec![0; len];
    stream.read_exact(&mut payload).ok()?;
    for (byte, mask) in payload.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
    Some((head[0] & 0x0F, payload))
}

/// A ping of the server ended the client.
#[test]
fn regress_pings_of_the_server_are_answered_and_the_end_is_said() {
    let relay = Served::start();
    let gate = Gate::start(Some(relay.address));
    let report = gate.run(2);
    assert_eq!(report.verdict(), Verdict::Clean, "{}", report.table());
    assert!(report.counts.received > 0);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        let heard = gate.heard.lock().unwrap();
        if heard.closes.len() == 4 {
            // Of several that come at once the last alone needs an answer.
            assert!((1..=heard.pings).contains(&heard.pongs));
            assert!(heard.strange.is_empty(), "{:?}", heard.strange);
            assert!(heard.closes.iter().all(|payload| payload == b"\x03\xE8"));
            return;
        }
        assert!(std::time::Instant::now() < deadline, "{:?}", heard.closes);
        drop(heard);
        thread::yield_now();
    }
}

#[test]
fn a_websocket_that_the_server_closes_is_a_lost_connection() {
    let gate = Gate::start(None);
    let report = gate.run(1);
    assert_eq!(report.counts.connect_failures, 2, "{}", report.table());
    let faults = format!("{:?}", report.faults);
    assert!(faults.contains("closed by the broker"), "{faults}");
    let heard = gate.heard.lock().unwrap();
    assert!(heard.closes.iter().all(|payload| payload == b"\x03\xE9"));
}
