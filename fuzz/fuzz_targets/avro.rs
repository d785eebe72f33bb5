//! Payloads by a schema of Avro.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mqtt_testkit::avro_oracles;

fuzz_target!(|bytes: &[u8]| avro_oracles::avro(bytes));
