//! What a fuzz target failed on or starts from, through the oracles of this crate.

use mqtt_testkit::{record_oracles, replay};
use std::collections::BTreeSet;

/// Every fuzz target that is a call to one of these oracles.
const TARGETS: [&str; 1] = ["recording"];

#[test]
fn inputs_of_fuzz_targets_pass() {
    let [recording] = TARGETS;
    for bytes in replay::inputs(env!("CARGO_MANIFEST_DIR"), recording).unwrap() {
        for len in 0..=bytes.len() {
            record_oracles::recording(&bytes[..len]);
        }
    }
}

#[test]
fn every_fuzz_target_of_this_crate_is_replayed() {
    let found = replay::targets_of(env!("CARGO_MANIFEST_DIR"), "record_oracles").unwrap();
    assert_eq!(found, BTreeSet::from(TARGETS.map(str::to_owned)));
}
