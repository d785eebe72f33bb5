//! A password file, read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mqtt_testkit::access_oracles;

fuzz_target!(|bytes: &[u8]| access_oracles::password_file(bytes));
