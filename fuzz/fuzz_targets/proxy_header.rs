//! The PROXY header ahead of a connection, in any pieces.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mqtt_testkit::io_oracles;

fuzz_target!(|bytes: &[u8]| io_oracles::proxy_header(bytes));
