//! Keys in JSON and PEM, and rules that come with a token.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mqtt_testkit::access_oracles;

fuzz_target!(|bytes: &[u8]| access_oracles::keys_and_rules(bytes));
