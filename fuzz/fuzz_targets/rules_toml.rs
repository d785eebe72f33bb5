//! Rules of access in TOML.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mqtt_testkit::rules_oracles;

fuzz_target!(|bytes: &[u8]| rules_oracles::rules_toml(bytes));
