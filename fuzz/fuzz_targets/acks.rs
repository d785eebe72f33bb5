//! The fast reader of the four acknowledgements against a slow one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mqtt_testkit::oracles;

fuzz_target!(|bytes: &[u8]| oracles::ack_as_reference(bytes));
