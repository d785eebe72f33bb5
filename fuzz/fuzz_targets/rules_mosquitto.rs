//! Rules of access as in Mosquitto's `acl_file`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mqtt_testkit::rules_oracles;

fuzz_target!(|bytes: &[u8]| rules_oracles::rules_mosquitto(bytes));
