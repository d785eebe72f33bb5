//! What a fuzz target failed on or starts from, through the oracles of this crate.

use mqtt_testkit::{import_oracles, replay};
use std::collections::BTreeSet;

/// Every fuzz target that is a call to one of these oracles.
const TARGETS: [&str; 3] = ["mosquitto_conf", "mosquitto_db", "emqx_conf"];

/// Every file below `tests/it/inputs/<target>` goes through the oracle of that target, and each of its beginnings.
fn replay(target: &str, oracle: fn(&[u8])) {
    for bytes in replay::inputs(env!("CARGO_MANIFEST_DIR"), target).unwrap() {
        for len in 0..=bytes.len() {
            oracle(bytes.get(..len).unwrap());
        }
    }
}

#[test]
fn inputs_of_fuzz_targets_pass() {
    let [conf, db, emqx] = TARGETS;
    replay(conf, import_oracles::mosquitto_conf_file);
    replay(db, import_oracles::mosquitto_db_file);
    replay(emqx, import_oracles::emqx_conf_file);
}

#[test]
fn every_fuzz_target_of_this_crate_is_replayed() {
    let found = replay::targets_of(env!("CARGO_MANIFEST_DIR"), "import_oracles").unwrap();
    assert_eq!(found, BTreeSet::from(TARGETS.map(str::to_owned)));
}
