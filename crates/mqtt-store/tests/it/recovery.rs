//! What is found after a restart is what was there.

use crate::model::{Model, Random};
use mqtt_store::{Settings, Store};
use std::time::Duration;

pub(crate) fn settings() -> Settings {
    let mut settings = Settings::default();
    let never = Duration::from_secs(3600);
    settings.segment_len = 64 << 10;
    settings.log_len_max = 64 << 20;
    settings.checkpoint_every = never;
    settings
}

/// Steps and restarts, with and without a last checkpoint, in any order.
fn run(seed: u64) {
    let mut random = Random(seed);
    let dir = tempfile::tempdir().unwrap();
    let mut model = Model::default();
    for round in 0..6 {
        let (store, recovered, _) = Store::open(dir.path(), settings()).unwrap();
        let found = Model::of(recovered, &store);
        let difference = model.difference(&found);
        assert_eq!(difference, None, "seed {seed}, round {round}");
        for _ in 0..random.below(400) {
            match random.below(60) {
                0 => {
                    store.checkpoint().unwrap();
                    store.compact();
                }
                _ => model.step(&mut random, &store),
            }
        }
        if random.below(2) == 0 {
            store.close().unwrap();
        }
    }
}

#[test]
fn a_restart_finds_what_was_there() {
    let from = u64::from(std::process::id()) << 16;
    for seed in from..from + 4 {
        run(seed);
    }
}
