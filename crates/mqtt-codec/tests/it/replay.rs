//! Inputs that a fuzz target once failed on, or that reach far into it.

use std::path::Path;

use mqtt_testkit::oracles;

/// Every file below `tests/it/inputs/<target>` goes through the oracle of that target.
fn replay(target: &str, oracle: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/inputs")
        .join(target);
    let mut count = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let input = std::fs::read(&path).unwrap();
        oracle(&input);
        count += 1;
    }
    assert!(count > 0, "no input in {}", folder.display());
}

#[test]
fn decode() {
    replay("decode", oracles::decode_any);
}

#[test]
fn split() {
    replay("split", oracles::split);
}

#[test]
fn reencode() {
    replay("reencode", oracles::reencode);
}

#[test]
fn properties() {
    replay("properties", oracles::properties);
}

#[test]
fn topic_match() {
    replay("topic_match", oracles::topic_match);
}

#[test]
fn publish() {
    replay("publish", oracles::publish_as_reference);
}
