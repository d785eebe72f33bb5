//! Power cuts and kills at any moment: what is found is what was there at some moment since the last durable one.

use crate::model::{Model, Random};
use crate::recovery::settings;
use mqtt_log::fault::SimDisk;
use mqtt_store::Store;
use redb::{Database, StorageBackend};
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};

/// The file of the checkpoint, which outlives the process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory(pub(crate) Arc<Mutex<Vec<u8>>>);

impl Memory {
    /// As the next process finds it.
    pub(crate) fn copy(&self) -> Self {
        Self(Arc::new(Mutex::new(self.0.lock().unwrap().clone())))
    }

    pub(crate) fn database(&self) -> Database {
        self.try_database().unwrap()
    }

    pub(crate) fn try_database(&self) -> Result<Database, redb::DatabaseError> {
        Database::builder().create_with_backend(self.clone())
    }
}

impl StorageBackend for Memory {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset).unwrap();
        out.copy_from_slice(&self.0.lock().unwrap()[start..start + out.len()]);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0
            .lock()
            .unwrap()
            .resize(usize::try_from(len).unwrap(), 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let start = usize::try_from(offset).unwrap();
        self.0.lock().unwrap()[start..start + data.len()].copy_from_slice(data);
        Ok(())
    }
}

/// Steps and crashes; how many cuts lost something that was not durable.
fn run(seed: u64) -> u32 {
    let mut random = Random(seed);
    let mut disk = SimDisk::new(seed);
    let mut memory = Memory::default();
    let mut model = Model::default();
    let mut cuts = 0;
    for round in 0..6 {
        let opened = Store::open_on(disk.clone(), memory.database(), settings());
        let (store, recovered, _) = opened.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let found = Model::of(recovered, &store);
        let difference = model.difference(&found);
        assert_eq!(difference, None, "seed {seed}, round {round}");
        // What is found again may be the state after any of these, the first at least.
        let mut states = VecDeque::from([(store.durable(), model.clone())]);
        for _ in 0..random.below(150) {
            match random.below(40) {
                0 => {
                    store.checkpoint().unwrap();
                    store.compact();
                }
                _ => model.step(&mut random, &store),
            }
            store.flush();
            states.push_back((store.appended(), model.clone()));
            let durable = store.durable();
            while states
                .get(1)
                .is_some_and(|(position, _)| *position < durable)
            {
                states.pop_front();
            }
        }
        let durable = store.durable();
        while states
            .get(1)
            .is_some_and(|(position, _)| *position < durable)
        {
            states.pop_front();
        }
        disk = match random.flag() {
            true => disk.cut(),
            false => disk.kill(),
        };
        memory = memory.copy();
        drop(store);
        // Which of the states it is only the next process can say.
        let (store, recovered, _) =
            Store::open_on(disk.copy(), memory.copy().database(), settings()).unwrap();
        let found = Model::of(recovered, &store);
        let same = states
            .iter()
            .rposition(|(_, state)| state.difference(&found).is_none());
        let Some(same) = same else {
            let differences: Vec<_> = states
                .iter()
                .map(|(position, state)| (position, state.difference(&found)))
                .collect();
            panic!("seed {seed}, round {round}, durable {durable}: {differences:?}");
        };
        cuts += u32::from(same + 1 < states.len());
        model = states[same].1.clone();
    }
    cuts
}

#[test]
fn a_crash_loses_nothing_that_was_durable() {
    let from = u64::from(std::process::id()) << 16;
    let cuts: u32 = (from..from + 8).map(run).sum();
    assert!(cuts > 0, "seed {from}: no crash lost anything");
}
