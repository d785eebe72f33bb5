//! A broker that does what a test tells it to: it passes messages of QoS 0 on to all subscribers, except that it loses
//! some, sends some twice and holds some back.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What goes wrong; message numbers count from 1 in the order they come.
#[derive(Clone, Copy, Default)]
pub(crate) struct Faults {
    /// Every so-manyth message is lost; 0 for none.
    pub(crate) lose: u64,
    /// Every so-manyth is sent twice.
    pub(crate) repeat: u64,
    /// Every so-manyth is sent after the one behind it.
    pub(crate) hold: u64,
    /// Return code of CONNACK.
    pub(crate) refuse: u8,
    /// Before message `.0` it stands still for `.1`.
    pub(crate) stall: (u64, Duration),
    /// The first so many connections are closed after their CONNECT was accepted.
    pub(crate) close: u32,
}

#[derive(Default)]
struct State {
    subscribers: Vec<TcpStream>,
    seen: u64,
    held: Option<Vec<u8>>,
    closed: u32,
}

/// The broker; it lives as long as the test's process.
pub(crate) struct Faulty(pub(crate) SocketAddr);

impl Faulty {
    pub(crate) fn start(faults: Faults) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&state);
                thread::spawn(move || serve(stream, &state, faults));
            }
        });
        Self(address)
    }
}

fn serve(mut stream: TcpStream, state: &Mutex<State>, faults: Faults) {
    while let Some((first, packet)) = next_packet(&mut stream) {
        let mut state = state.lock().unwrap();
        match first >> 4 {
            1 => {
                stream.write_all(&[0x20, 2, 0, faults.refuse]).unwrap();
                if state.closed < faults.close {
                    state.closed += 1;
                    return;
                }
            }
            8 => {
                state.subscribers.push(stream.try_clone().unwrap());
                stream.write_all(&[0x90, 3, 0, 1, 0]).unwrap();
            }
            3 => pass_on(&mut state, packet, faults),
            12 => stream.write_all(&[0xD0, 0]).unwrap(),
            _ => return,
        }
    }
}

fn pass_on(state: &mut State, packet: Vec<u8>, faults: Faults) {
    state.seen += 1;
    let is_every = |every: u64| every > 0 && state.seen.is_multiple_of(every);
    if state.seen == faults.stall.0 {
        thread::sleep(faults.stall.1);
    }
    let mut out = Vec::new();
    if is_every(faults.lose) {
        return;
    }
    if is_every(faults.hold) {
        state.held = Some(packet);
        return;
    }
    out.extend(&packet);
    if is_every(faults.repeat) {
        out.extend(&packet);
    }
    out.extend(state.held.take().unwrap_or_default());
    for subscriber in &mut state.subscribers {
        subscriber.write_all(&out).unwrap();
    }
}

/// The first byte and all bytes of the next packet; `None` at the end.
fn next_packet(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let mut packet = vec![0; 2];
    stream.read_exact(&mut packet).ok()?;
    let mut len = usize::from(packet[1] & 0x7F);
    let mut shift = 7;
    while packet.last().unwrap() & 0x80 != 0 {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        packet.push(byte[0]);
        len |= usize::from(byte[0] & 0x7F) << shift;
        shift += 7;
    }
    let at = packet.len();
    packet.resize(at + len, 0);
    stream.read_exact(&mut packet[at..]).ok()?;
    Some((packet[0], packet))
}
