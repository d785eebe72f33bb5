//! Power cuts, kills and failing disks at any moment, in the midst of a checkpoint above all: what is found is what was
//! there at some moment since the last durable one.

use crate::model::{Model, Random};
use crate::recovery::settings;
use mqtt_store::fault::{FaultCounts, Faults, SimDisk};
use mqtt_store::{Position, Store};
use std::collections::VecDeque;

/// Runs, and crashes in each.
const RUNS: u64 = 80;
const CRASHES: u32 = 6;

/// What the runs went through.
#[derive(Debug, Default)]
struct Facts {
    crashes: u32,
    /// Crashes that lost something that was not durable.
    losses: u32,
    /// Checkpoints in which the power went off, and of those the ones that are there all the same.
    cut_checkpoints: u32,
    /// Checkpoints a disk without room did not take.
    postponed: u32,
    /// Checkpoints that failed for good.
    failed: u32,
    finished: u32,
}

/// The states that may be found: the first is the last one that is durable.
struct States(VecDeque<(Position, Model)>);

impl States {
    fn drop_older(&mut self, durable: Position) {
        let is_older =
            |state: Option<&(Position, Model)>| state.is_some_and(|(at, _)| *at < durable);
        while is_older(self.0.get(1)) {
            self.0.pop_front();
        }
    }
}

/// A checkpoint on a disk that may fail in the midst of it; whether the store goes on.
fn checkpoint(random: &mut Random, disk: &SimDisk, store: &Store, facts: &mut Facts) -> bool {
    let way = random.below(8);
    let full_before = disk.counts().full;
    match way {
        0..5 => disk.turn_off_after(random.below(40)),
        5 => disk.set_faults(Faults {
            failed_sync: 300,
            ..Faults::default()
        }),
        6 => disk.set_faults(Faults {
            full: 300,
            ..Faults::default()
        }),
        _ => disk.set_faults(Faults {
            short_write: 300,
            ..Faults::default()
        }),
    }
    let written = store.checkpoint();
    disk.set_faults(Faults::default());
    disk.turn_off_after(u64::MAX);
    let is_off = disk.is_off();
    facts.cut_checkpoints += u32::from(is_off);
    facts.failed += u32::from(written.is_err() && !is_off);
    facts.postponed += u32::from(written.is_ok() && disk.counts().full > full_before);
    facts.finished += u32::from(written.is_ok());
    // A sync that failed may have been one of the log, which takes nothing more then.
    written.is_ok() && !is_off && way != 5
}

/// Steps and crashes.
fn run(seed: u64, facts: &mut Facts) -> FaultCounts {
    let mut random = Random(seed);
    let mut disk = SimDisk::new(seed);
    let mut model = Model::default();
    for crash in 0..CRASHES {
        let opened = Store::open_all_on(disk.clone(), settings());
        let (store, recovered, _) = opened.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let found = Model::of(recovered, &store);
        let difference = model.difference(&found);
        assert_eq!(difference, None, "seed {seed}, crash {crash}");
        // What is found again may be the state after any of these, the first at least.
        let mut states = States(VecDeque::from([(store.durable(), model.clone())]));
        let mut goes_on = true;
        for _ in 0..random.below(60) {
            match random.below(30) {
                0 => {
                    goes_on = checkpoint(&mut random, &disk, &store, facts);
                    if !goes_on {
                        break;
                    }
                    store.compact();
                }
                _ => model.step(&mut random, &store),
            }
            store.flush();
            states.0.push_back((store.appended(), model.clone()));
            states.drop_older(store.durable());
        }
        if goes_on && random.below(4) > 0 {
            checkpoint(&mut random, &disk, &store, facts);
        }
        states.drop_older(store.durable());
        let durable = store.durable();
        disk = match disk.is_off() || random.flag() {
            true => disk.cut(),
            false => disk.kill(),
        };
        drop(store);
        facts.crashes += 1;
        // Which of the states it is only the next process can say.
        let opened = Store::open_all_on(disk.copy(), settings());
        let (store, recovered, _) =
            opened.unwrap_or_else(|error| panic!("seed {seed}, crash {crash}: {error}"));
        let found = Model::of(recovered, &store);
        let all = &states.0;
        let same = all
            .iter()
            .rposition(|(_, state)| state.difference(&found).is_none());
        let Some(same) = same else {
            let differences: Vec<_> = all
                .iter()
                .map(|(position, state)| (position, state.difference(&found)))
                .collect();
            panic!("seed {seed}, crash {crash}, durable {durable}: {differences:?}");
        };
        facts.losses += u32::from(same + 1 < all.len());
        model = all[same].1.clone();
    }
    disk.counts()
}

#[test]
fn a_crash_loses_nothing_that_was_durable() {
    let from = u64::from(std::process::id()) << 16;
    let mut facts = Facts::default();
    let mut total = FaultCounts::default();
    for seed in from..from + RUNS {
        let counts = run(seed, &mut facts);
        total.cuts += counts.cuts;
        total.kills += counts.kills;
        total.full += counts.full;
        total.failed_syncs += counts.failed_syncs;
        total.short_writes += counts.short_writes;
        total.dropped_sectors += counts.dropped_sectors;
        total.torn_sectors += counts.torn_sectors;
        total.garbled_sectors += counts.garbled_sectors;
    }
    println!("seed {from}: {facts:?}\n{total:?}");
    assert!(
        total.cuts >= 200 && total.kills >= 50,
        "seed {from}: {total:?}"
    );
    let sectors = [
        total.dropped_sectors,
        total.torn_sectors,
        total.garbled_sectors,
    ];
    assert!(
        sectors.iter().all(|count| *count >= 100),
        "seed {from}: {total:?}"
    );
    let Facts {
        crashes,
        losses,
        cut_checkpoints,
        postponed,
        failed,
        finished,
    } = facts;
    assert!(crashes >= 480 && losses >= 50, "seed {from}: {facts:?}");
    assert!(
        cut_checkpoints >= 100 && finished >= 50,
        "seed {from}: {facts:?}"
    );
    assert!(postponed >= 5 && failed >= 5, "seed {from}: {facts:?}");
}
