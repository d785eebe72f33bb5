//! What a fuzz target failed on or starts from, and any bytes, through the oracles of this crate.

use mqtt_testkit::io_oracles;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Every fuzz target that is a call to one of these oracles.
const TARGETS: [&str; 2] = ["proxy_header", "websocket"];

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
    let [proxy_header, websocket] = TARGETS;
    replay(proxy_header, io_oracles::proxy_header);
    replay(websocket, io_oracles::websocket);
}

#[test]
fn every_fuzz_target_of_this_crate_is_replayed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/fuzz_targets");
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let source = fs::read_to_string(&path).unwrap();
        if source.contains("use mqtt_testkit::io_oracles;") {
            found.insert(path.file_stem().unwrap().to_str().unwrap().to_owned());
        }
    }
    let known = TARGETS.map(str::to_owned);
    assert_eq!(found, BTreeSet::from(known));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_behind_a_good_beginning_pass(
        step: u8,
        start in 0..3_usize,
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let header = [&b"PROXY TCP4 "[..], b"\r\n\r\n\0\r\nQUIT\n\x21\x11", b""][start];
        let input = [&[step], header, &bytes].concat();
        io_oracles::proxy_header(&input);
        io_oracles::websocket(&input);
        let frames = [&[step | 0x80], bytes.as_slice()].concat();
        io_oracles::websocket(&frames);
    }
}
