//! Recordings of messages.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mqtt_testkit::record_oracles;

fuzz_target!(|bytes: &[u8]| record_oracles::recording(bytes));
