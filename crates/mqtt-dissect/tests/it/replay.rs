//! What a fuzz target failed on or starts from, any bytes, and packets of our own encoder, through the oracles of this
//! crate.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use mqtt_testkit::{dissect_oracles, replay, seeds};
use proptest::prelude::*;

/// Every fuzz target that is a call to one of these oracles.
const TARGETS: [&str; 2] = ["dissect", "capture"];

/// Every file below `tests/it/inputs/<target>` goes through the oracle of that target.
fn replay(target: &str, oracle: fn(&[u8])) {
    for bytes in replay::inputs(env!("CARGO_MANIFEST_DIR"), target).unwrap() {
        oracle(&bytes);
    }
}

#[test]
fn inputs_of_fuzz_targets_pass() {
    let [dissect, capture] = TARGETS;
    replay(dissect, dissect_oracles::dissect);
    replay(capture, dissect_oracles::capture);
}

#[test]
fn every_fuzz_target_of_this_crate_is_replayed() {
    let found = replay::targets_of(env!("CARGO_MANIFEST_DIR"), "dissect_oracles").unwrap();
    assert_eq!(found, BTreeSet::from(TARGETS.map(str::to_owned)));
}

/// A version and packets of all types, right or with single bytes changed.
fn streams() -> &'static [Vec<u8>] {
    static STREAMS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    STREAMS.get_or_init(|| {
        let seeds = seeds::all().into_iter();
        seeds
            .filter(|seed| seed.target == "split")
            .map(|seed| seed.bytes)
            .collect()
    })
}

#[test]
fn packets_of_the_encoder_are_taken_apart_as_the_codec_reads_them() {
    for stream in streams() {
        dissect_oracles::dissect(stream);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_bytes_pass(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        dissect_oracles::dissect(&bytes);
        dissect_oracles::capture(&bytes);
    }

    #[test]
    fn packets_with_a_changed_byte_pass(
        index: prop::sample::Index,
        at: prop::sample::Index,
        byte: u8,
        is_grown: bool,
    ) {
        let mut stream = streams()[index.index(streams().len())].clone();
        let at = at.index(stream.len());
        if is_grown {
            stream.insert(at, byte);
        } else {
            stream[at] = byte;
        }
        dissect_oracles::dissect(&stream);
    }

    #[test]
    fn segments_in_any_order_pass(
        pieces in proptest::collection::vec((any::<u8>(), -4_i8..8, 0..60_usize), 1..20),
    ) {
        let stream = b"\x10\x0D\0\x04MQTT\x04\x02\0\x3C\0\x01c\x32\x0A\0\x03a/b\0\x07hey\xC0\0".repeat(8);
        let mut input = vec![1];
        let mut at = 0;
        for (flags, step, len) in pieces {
            let end = (at + len).min(stream.len());
            input.extend([flags, step.cast_unsigned(), u8::try_from(end - at).unwrap()]);
            input.extend(&stream[at..end]);
            at = end;
        }
        dissect_oracles::capture(&input);
    }
}
