//! What a fuzz target failed on or starts from, and any bytes, through the oracles of this crate.

use mqtt_testkit::{io_oracles, replay};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Every fuzz target that is a call to one of these oracles.
const TARGETS: [&str; 2] = ["proxy_header", "websocket"];

/// Every file below `tests/it/inputs/<target>` goes through the oracle of that target.
fn replay(target: &str, oracle: fn(&[u8])) {
    for bytes in replay::inputs(env!("CARGO_MANIFEST_DIR"), target).unwrap() {
        oracle(&bytes);
    }
}

#[test]
fn inputs_of_fuzz_targets_pass() {
    let [proxy_header, websocket] = TARGETS;
    replay(proxy_header, io_oracles::proxy_header);
    replay(websocket, io_oracles::websocket);
}

#[test]
fn every_fuzz_target_of_this_crate_is_replayed() {
    let found = replay::targets_of(env!("CARGO_MANIFEST_DIR"), "io_oracles").unwrap();
    assert_eq!(found, BTreeSet::from(TARGETS.map(str::to_owned)));
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
