//! What is found after a restart is what was there.

use crate::model::{Model, Random};
use mqtt_store::{MessageId, ReadError, SessionId, Settings, Store};
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

/// Messages of all sessions, in an order that is not that of the log, and one that nobody has.
fn check_batch(model: &Model, store: &Store) {
    let sessions = model.sessions.iter().rev();
    let mut wanted: Vec<_> = sessions
        .flat_map(|(session, found)| found.queue.keys().map(|id| (*session, *id)))
        .collect();
    wanted.push((SessionId(u64::MAX), MessageId(1)));
    let mut found: Vec<Option<Vec<u8>>> = vec![None; wanted.len()];
    let mut calls = 0;
    store.read_batch(&wanted, |places, read| {
        calls += 1;
        for at in places {
            match &read {
                Ok(message) => {
                    assert!(found[*at].replace(message.block.to_vec()).is_none(), "once");
                }
                Err(error) => {
                    assert!(matches!(error, ReadError::Gone), "{error}");
                    assert_eq!(*at, wanted.len() - 1);
                }
            }
        }
    });
    assert!(calls <= wanted.len());
    for ((session, id), found) in wanted.iter().zip(found) {
        let queued = model.sessions.get(session).map(|one| &one.queue[id].block);
        assert_eq!(found.as_ref(), queued);
    }
}

#[test]
fn a_batch_gives_what_waits_wherever_it_was_copied_to() {
    let from = u64::from(std::process::id()) << 16;
    for seed in from..from + 4 {
        println!("seed {seed}");
        let mut random = Random(seed);
        let dir = tempfile::tempdir().unwrap();
        let (store, ..) = Store::open(dir.path(), settings()).unwrap();
        let mut model = Model::default();
        for _ in 0..20 {
            for _ in 0..100 {
                model.step(&mut random, &store);
            }
            check_batch(&model, &store);
            store.checkpoint().unwrap();
            store.compact();
            check_batch(&model, &store);
        }
    }
}
