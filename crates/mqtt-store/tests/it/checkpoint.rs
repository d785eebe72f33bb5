//! A checkpoint whose bits turn over is never believed.

use crate::model::{Model, Random};
use crate::recovery::settings;
use mqtt_store::fault::SimDisk;
use mqtt_store::{OpenError, Record, Store, StoredMessage, check};
use std::time::Duration;

/// The unit in which the database writes; unit: bytes.
const PAGE: usize = 4096;
/// Flips in each page that holds what the database says of itself, or a copy of that.
const FLIPS_IN_HEAD: u64 = 50;
/// Flips in each other page.
const FLIPS_IN_PAGE: u64 = 6;

#[derive(Debug, Default)]
struct Facts {
    refused: u32,
    harmless: u32,
}

/// Opens the store with one bit turned over: it is refused, or nothing is different.
fn flip(disk: &SimDisk, model: &Model, place: (&str, usize, u32), facts: &mut Facts) {
    let disk = disk.copy();
    let (file, at, bit) = place;
    assert!(disk.flip(file, at, bit));
    match Store::open_all_on(disk, settings()) {
        Err(OpenError::Checkpoint(_) | OpenError::CheckpointDamaged | OpenError::Format { .. }) => {
            facts.refused += 1;
        }
        Err(error) => panic!("{place:?}: {error}"),
        Ok((store, recovered, _)) => {
            let difference = model.difference(&Model::of(recovered, &store));
            assert_eq!(difference, None, "{place:?}");
            facts.harmless += 1;
        }
    }
}

#[test]
fn no_bit_that_turns_over_in_a_checkpoint_is_believed() {
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    let mut random = Random(seed);
    let disk = SimDisk::new(seed);
    let mut model = Model::default();
    let (store, _, _) = Store::open_all_on(disk.clone(), settings()).unwrap();
    for _ in 0..600 {
        model.step(&mut random, &store);
    }
    store.close().unwrap();
    drop(store);
    let (mut heads, mut rows) = (Facts::default(), Facts::default());
    let mut pages = 0;
    for file in ["checkpoint.redb", "checkpoint.head"] {
        let bytes = disk.bytes(file).unwrap();
        for (number, page) in bytes.chunks(PAGE).enumerate() {
            let used: Vec<_> = (0..page.len()).filter(|at| page[*at] != 0).collect();
            let (flips, facts) = match (file, number, used.len()) {
                (_, _, 0) => continue,
                ("checkpoint.redb", 1.., _) => (FLIPS_IN_PAGE, &mut rows),
                _ => (FLIPS_IN_HEAD, &mut heads),
            };
            pages += 1;
            for _ in 0..flips {
                let at = used[usize::try_from(random.below(used.len() as u64)).unwrap()];
                let bit = u32::try_from(random.below(8)).unwrap();
                flip(&disk, &model, (file, number * PAGE + at, bit), facts);
            }
        }
    }
    println!("{pages} pages; heads {heads:?}, rows {rows:?}");
    assert!(
        pages >= 5 && rows.refused > 0,
        "{pages} pages, rows {rows:?}"
    );
    // The head is kept three times: one that is damaged is made whole.
    assert_eq!(heads.refused, 0);
}

/// A retained message of one topic that expires at `at_ms`.
fn retain(store: &Store, topic: &str, at_ms: Option<u64>) {
    let message = StoredMessage {
        topic_len: u32::try_from(topic.len()).unwrap(),
        expires_at_ms: at_ms,
        block: topic.as_bytes().into(),
        qos: 1,
        retain: true,
        is_of_will: false,
        publisher: 0,
        publisher_tag: 0,
        properties_len: 0,
    };
    store
        .append_message(message, Vec::new(), true, None)
        .unwrap();
}

#[test]
fn retained_messages_that_have_expired_leave_the_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = settings();
    let (store, _, _) = Store::open(dir.path(), settings.clone()).unwrap();
    retain(&store, "past", Some(1));
    retain(&store, "later", Some(u64::MAX - 1));
    retain(&store, "never", None);
    store.close().unwrap();
    drop(store);
    assert_eq!(check(dir.path()).unwrap().rows, 3);
    settings.purge_every = Duration::ZERO;
    let (store, _, _) = Store::open(dir.path(), settings).unwrap();
    store
        .append(&Record::RetainedRemoved {
            topic_name: "other".into(),
        })
        .unwrap();
    store.close().unwrap();
    drop(store);
    let report = check(dir.path()).unwrap();
    assert!(report.is_sound() && report.rows == 2, "{report:?}");
}
