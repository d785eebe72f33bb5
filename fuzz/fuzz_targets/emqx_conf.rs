//! An emqx.conf, converted.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mqtt_testkit::import_oracles;

fuzz_target!(|bytes: &[u8]| import_oracles::emqx_conf_file(bytes));
