//! A mosquitto.conf, converted.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mqtt_testkit::import_oracles;

fuzz_target!(|bytes: &[u8]| import_oracles::mosquitto_conf_file(bytes));
