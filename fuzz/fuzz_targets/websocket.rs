//! The WebSocket handshake and frames, in any pieces.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mqtt_testkit::io_oracles;

fuzz_target!(|bytes: &[u8]| io_oracles::websocket(bytes));
