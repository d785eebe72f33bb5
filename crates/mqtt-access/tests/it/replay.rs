//! What a fuzz target failed on or starts from, and any text, through the oracles of this crate.

use mqtt_testkit::{access_oracles, replay, rules_oracles};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// What is called with each text.
const ORACLES: [fn(&[u8]); 3] = [
    rules_oracles::rules_toml,
    rules_oracles::rules_mosquitto,
    rules_oracles::rules_emqx,
];

/// Every fuzz target that is a call to one of these oracles.
const TARGETS: [&str; 3] = ["rules_toml", "rules_mosquitto", "rules_emqx"];

/// The same for users, tokens and keys.
const ACCESS_ORACLES: [fn(&[u8]); 3] = [
    access_oracles::password_file,
    access_oracles::token,
    access_oracles::keys_and_rules,
];

/// Every fuzz target that is a call to one of these.
const ACCESS_TARGETS: [&str; 3] = ["password_file", "token", "keys_and_rules"];

/// Every file below `tests/it/inputs/<target>` goes through the oracle of that target.
fn replay(target: &str, oracle: fn(&[u8])) {
    for bytes in replay::inputs(env!("CARGO_MANIFEST_DIR"), target).unwrap() {
        oracle(&bytes);
    }
}

#[test]
fn inputs_of_fuzz_targets_pass() {
    for (target, oracle) in TARGETS.into_iter().zip(ORACLES) {
        replay(target, oracle);
    }
    for (target, oracle) in ACCESS_TARGETS.into_iter().zip(ACCESS_ORACLES) {
        replay(target, oracle);
    }
}

#[test]
fn every_fuzz_target_of_this_crate_is_replayed() {
    let found = |oracles| replay::targets_of(env!("CARGO_MANIFEST_DIR"), oracles).unwrap();
    assert_eq!(
        found("rules_oracles"),
        BTreeSet::from(TARGETS.map(str::to_owned))
    );
    assert_eq!(
        found("access_oracles"),
        BTreeSet::from(ACCESS_TARGETS.map(str::to_owned))
    );
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
