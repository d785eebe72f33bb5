//! What a fuzz target failed on or starts from, through the oracles of this crate.

use mqtt_testkit::import_oracles;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Every fuzz target that is a call to one of these oracles.
const TARGETS: [&str; 3] = ["mosquitto_conf", "mosquitto_db", "emqx_conf"];

/// Every file below `tests/it/inputs/<target>` goes through the oracle of that target, and each of its beginnings.
fn replay(target: &str, oracle: fn(&[u8])) {
    let inputs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/inputs");
    let mut count = 0;
    for entry in fs::read_dir(inputs.join(target)).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        for len in 0..=bytes.len() {
            oracle(bytes.get(..len).unwrap());
        }
        count += 1;
    }
    assert!(count > 0, "no input for {target}");
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
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/fuzz_targets");
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let source = fs::read_to_string(&path).unwrap();
        if source.contains("use mqtt_testkit::import_oracles;") {
            found.insert(path.file_stem().unwrap().to_str().unwrap().to_owned());
        }
    }
    assert_eq!(found, BTreeSet::from(TARGETS.map(str::to_owned)));
}
