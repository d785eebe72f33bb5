//! A property block in any place.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mqtt_testkit::oracles;

fuzz_target!(|bytes: &[u8]| oracles::properties(bytes));
