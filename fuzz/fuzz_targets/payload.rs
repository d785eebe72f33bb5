//! Payloads decoded by any codec.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mqtt_testkit::payload_oracles;

fuzz_target!(|bytes: &[u8]| payload_oracles::payload(bytes));
