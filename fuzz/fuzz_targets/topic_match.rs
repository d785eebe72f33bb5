//! Topic Filters and Topic Names against a slow matcher.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mqtt_testkit::oracles;

fuzz_target!(|bytes: &[u8]| oracles::topic_match(bytes));
