//! A checkpoint whose bits turn over is never believed.

use crate::model::{Model, Random};
use crate::power::Memory;
use crate::recovery::settings;
use mqtt_log::fault::SimDisk;
use mqtt_store::Store;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Flips in one run.
const FLIPS: u64 = 300;

#[test]
fn no_bit_that_turns_over_in_a_checkpoint_is_believed() {
    let seed = u64::from(std::process::id());
    let mut random = Random(seed);
    let disk = SimDisk::new(seed);
    let memory = Memory::default();
    let mut model = Model::default();
    let (store, _, _) = Store::open_on(disk.clone(), memory.database(), settings()).unwrap();
    for _ in 0..600 {
        model.step(&mut random, &store);
    }
    store.close().unwrap();
    drop(store);
    let bytes = memory.0.lock().unwrap().clone();
    let used: Vec<_> = (0..bytes.len()).filter(|at| bytes[*at] != 0).collect();
    let (mut refused, mut harmless) = (0, 0);
    for _ in 0..FLIPS {
        let at = used[usize::try_from(random.below(used.len() as u64)).unwrap()];
        let flipped = memory.copy();
        flipped.0.lock().unwrap()[at] ^= 1 << random.below(8);
        let disk = disk.copy();
        // The store does the same with a file: the database panics where its own structures are damaged.
        let Ok(Ok(database)) = catch_unwind(AssertUnwindSafe(|| flipped.try_database())) else {
            refused += 1;
            continue;
        };
        match Store::open_on(disk, database, settings()) {
            Err(_) => refused += 1,
            Ok((store, recovered, _)) => {
                let difference = model.difference(&Model::of(recovered, &store));
                assert_eq!(difference, None, "seed {seed}: byte {at}");
                harmless += 1;
            }
        }
    }
    assert!(refused > 0, "refused {refused}, harmless {harmless}");
}
