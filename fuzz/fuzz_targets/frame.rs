//! Fast framing against slow framing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mqtt_testkit::oracles;

fuzz_target!(|bytes: &[u8]| oracles::frame_as_reference(bytes));
