//! What a fuzz target failed on or starts from, and any bytes, through the oracle of this crate.

use std::collections::BTreeSet;

use mqtt_testkit::{payload_oracles, replay};
use proptest::prelude::*;

const TARGET: &str = "payload";

#[test]
fn inputs_of_the_fuzz_target_pass() {
    for bytes in replay::inputs(env!("CARGO_MANIFEST_DIR"), TARGET).unwrap() {
        payload_oracles::payload(&bytes);
    }
}

#[test]
fn every_fuzz_target_of_this_crate_is_replayed() {
    let found = replay::targets_of(env!("CARGO_MANIFEST_DIR"), "payload_oracles").unwrap();
    assert_eq!(found, BTreeSet::from([TARGET.to_owned()]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_bytes_pass(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        payload_oracles::payload(&bytes);
    }

    /// Bytes that are more often the start of something.
    #[test]
    fn bytes_with_structure_pass(
        codec in 0_u8..16,
        bytes in proptest::collection::vec(prop_oneof![
            0x80_u8..=0xA5, 0xC0_u8..=0xDF, Just(0xF9), Just(0xFB), Just(0xFF), Just(b'"'), Just(b'{'), Just(b'['),
            Just(b'}'), Just(b']'), Just(b','), Just(b':'), Just(b'1'), 0_u8..4, 0x60_u8..0x64,
        ], 0..60),
    ) {
        let mut input = vec![codec];
        input.extend(bytes);
        payload_oracles::payload(&input);
    }
}
