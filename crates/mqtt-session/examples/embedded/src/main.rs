//! An MQTT 5.0 client of QoS 0, 1 and 2 that goes on after lost connections, in memory of fixed size.
//!
//! Run it with the port of a server on this machine: `mqtt-embedded 1883`. It publishes readings, answers commands,
//! and ends when a command says `stop`; then it prints the memory it needed.
//! `device` is the part for every board, `board` stands for one.
#![no_std]
#![no_main]

mod board;
mod device;
mod message;

use core::ffi::{CStr, c_char, c_int};
use mqtt_session::Fixed;

use board::Socket;
use device::{Device, Failure};

/// Four flows of its own, a Receive Maximum of two, two Topic Aliases of up to 16 bytes.
const FLOWS: usize = 4;
const RECEIVE: usize = 2;
const ALIASES: usize = 2;
const NAME_LEN: usize = 16;
/// The largest packet that is taken. Unit: bytes.
const INPUT_LEN: usize = 128;
/// What may wait to be sent. Unit: bytes.
const OUTPUT_LEN: usize = 128;
/// Connections before it gives up.
const CONNECTIONS_MAX: usize = 1000;

#[unsafe(no_mangle)]
extern "C" fn main(arguments_len: c_int, arguments: *const *const c_char) -> c_int {
    if arguments_len != 2 {
        return 2;
    }
    // SAFETY: the C library gives as many arguments as it says, each with a zero at its end.
    let port = unsafe { CStr::from_ptr(*arguments.add(1)) };
    let Some(port) = port.to_str().ok().and_then(|port| port.parse().ok()) else {
        return 2;
    };
    let Some((done, stack)) = board::measured(run, port) else {
        return 3;
    };
    let device = size_of::<Device<'_, Fixed<FLOWS, RECEIVE, ALIASES, NAME_LEN>>>();
    board::print(b"state", device + INPUT_LEN + OUTPUT_LEN);
    board::print(b"stack", stack);
    c_int::from(done == 0)
}

/// Connects to `port` until there is nothing left to do: 1 when there is nothing, 0 when it gave up.
fn run(port: usize) -> usize {
    let (mut input, mut output) = ([0; INPUT_LEN], [0; OUTPUT_LEN]);
    let mut device =
        Device::<Fixed<FLOWS, RECEIVE, ALIASES, NAME_LEN>>::new(&mut input, &mut output);
    let Ok(port) = u16::try_from(port) else {
        return 0;
    };
    for _ in 0..CONNECTIONS_MAX {
        let talked = Socket::connect(port).map(|socket| talk(&socket, &mut device));
        match talked {
            Some(Err(Failure::Server(error))) => {
                board::print(b"failed", usize::from(u8::from(error.reason_code())));
            }
            Some(Err(Failure::Connect | Failure::TooManyCommands)) => return 0,
            Some(Ok(())) | None => {}
        }
        device.handle_lost();
        if device.is_done() {
            return 1;
        }
    }
    0
}

/// Talks until the connection is over.
fn talk(
    socket: &Socket,
    device: &mut Device<'_, Fixed<FLOWS, RECEIVE, ALIASES, NAME_LEN>>,
) -> Result<(), Failure> {
    device.connect(board::now_ms())?;
    loop {
        while !device.output().is_empty() {
            let Some(len) = socket.write(device.output()) else {
                return Ok(());
            };
            device.handle_sent(len);
            device.handle_input(0, board::now_ms())?;
        }
        if device.is_done() {
            return Ok(());
        }
        let now_ms = board::now_ms();
        let left_ms = device
            .next_deadline_ms()
            .map(|at_ms| at_ms.saturating_sub(now_ms));
        let mut len = 0;
        if socket.wait(left_ms) {
            match socket.read(device.input()) {
                Some(read) => len = read,
                None => return Ok(()),
            }
        }
        device.handle_input(len, board::now_ms())?;
    }
}
