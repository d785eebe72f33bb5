//! What a fuzz target failed on or starts from, and any text, through the oracles of rules.

use mqtt_testkit::rules_oracles;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// What is called with each text.
const ORACLES: [fn(&[u8]); 3] = [
    rules_oracles::rules_toml,
    rules_oracles::rules_mosquitto,
    rules_oracles::rules_emqx,
];

/// Every fuzz target that is a call to one of these oracles.
const TARGETS: [&str; 3] = ["rules_toml", "rules_mosquitto", "rules_emqx"];

/// Every file below `tests/it/inputs/<target>` goes through the oracle of that target.
fn replay(target: &str, oracle: fn(&[u8])) {
    let inputs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/inputs");
    let mut count = 0;
    for entry in fs::read_dir(inputs.join(target)).unwrap() {
        oracle(&fs::read(entry.unwrap().path()).unwrap());
        count += 1;
    }
    assert!(count > 0, "no input for {target}");
}

#[test]
fn inputs_of_fuzz_targets_pass() {
    for (target, oracle) in TARGETS.into_iter().zip(ORACLES) {
        replay(target, oracle);
    }
}

#[test]
fn every_fuzz_target_of_rules_is_replayed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/fuzz_targets");
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let source = fs::read_to_string(&path).unwrap();
        if source.contains("use mqtt_testkit::rules_oracles;") {
            found.insert(path.file_stem().unwrap().to_str().unwrap().to_owned());
        }
    }
    let known = TARGETS.map(str::to_owned);
    assert_eq!(found, BTreeSet::from(known));
}

/// Pieces that mean something in one of the forms.
const PIECES: [&str; 36] = [
    "\n",
    " ",
    "user ",
    "topic ",
    "pattern ",
    "read ",
    "write ",
    "deny ",
    "allow",
    "%c",
    "%u",
    "a",
    "/",
    "+",
    "#",
    "$SYS",
    "[[rules]]\n",
    "permission = \"allow\"\n",
    "topics = [\"",
    "\"]\n",
    "{",
    "}",
    "[",
    "]",
    ",",
    ".",
    "\"",
    "{re, \"",
    "{'or', [",
    "all",
    "{allow, all}.\n",
    "${clientid}",
    "${",
    "eq ",
    "username = \"alice\"\n",
    "qos",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_pieces_pass(pieces in proptest::collection::vec(0..PIECES.len(), 0..24)) {
        let text: String = pieces.into_iter().map(|piece| PIECES[piece]).collect();
        for oracle in ORACLES {
            oracle(text.as_bytes());
        }
    }

    #[test]
    fn any_text_passes(text in ".{0,60}") {
        for oracle in ORACLES {
            oracle(text.as_bytes());
        }
    }
}
