//! Reading any bytes as packets of one version.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mqtt_codec::ProtocolVersion;
use mqtt_testkit::oracles;

fuzz_target!(|bytes: &[u8]| oracles::decode(ProtocolVersion::V31, bytes));
