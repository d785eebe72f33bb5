//! Capture files and the connections in them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mqtt_testkit::dissect_oracles;

fuzz_target!(|bytes: &[u8]| dissect_oracles::capture(bytes));
