//! A stream cut into pieces against the stream as a whole.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mqtt_testkit::oracles;

fuzz_target!(|bytes: &[u8]| oracles::split(bytes));
