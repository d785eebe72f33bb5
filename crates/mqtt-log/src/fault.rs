//! A disk in memory that fails as real ones do, for tests of whatever stands on a log.
//!
//! Everything is decided by a seed: the same calls on the same seed fail in the same way.

mod inode;

use crate::{Disk, DiskFile, DiskLock, disk::u64_of, format::SECTOR};
use inode::Inode;
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A directory in memory. Clones are the same directory, seen by the same process.
#[derive(Clone, Debug)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
    process: u64,
}

/// How often what fails; unit: of a thousand calls.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Faults {
    /// A write takes only a part.
    pub short_write: u32,
    /// A write, or reserving space, finds no room.
    pub full: u32,
    /// A sync fails and the system forgets what was not written.
    pub failed_sync: u32,
}

/// How often something has happened.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct FaultCounts {
    /// Writes that took only a part.
    pub short_writes: u64,
    /// Writes and reservations without room.
    pub full: u64,
    /// Syncs that failed.
    pub failed_syncs: u64,
    /// Power cuts.
    pub cuts: u64,
    /// Processes that ended while the system went on.
    pub kills: u64,
    /// Sectors that were never written at a power cut.
    pub dropped_sectors: u64,
    /// Sectors that were written at a power cut although nobody asked.
    pub kept_sectors: u64,
    /// Sectors of which a part was written.
    pub torn_sectors: u64,
    /// Sectors that came out as something else.
    pub garbled_sectors: u64,
    /// Files made, renamed or removed for which that was lost.
    pub lost_names: u64,
    /// Files whose length was lost.
    pub lost_lens: u64,
}

#[derive(Debug)]
struct State {
    random: Random,
    inodes: Vec<Inode>,
    names: BTreeMap<String, usize>,
    /// What a power cut leaves of the names.
    durable_names: BTreeMap<String, usize>,
    /// Changes of names since they were synced.
    changes: Vec<BTreeMap<String, usize>>,
    locks: BTreeSet<String>,
    /// Handles of other processes are dead.
    process: u64,
    is_off: bool,
    /// Calls that change something until the power goes off.
    calls_left: Option<u64>,
    /// Bytes all files may take.
    capacity: u64,
    faults: Faults,
    counts: FaultCounts,
}

impl SimDisk {
    /// An empty directory without faults.
    pub fn new(seed: u64) -> Self {
        let state = State {
            random: Random(seed),
            inodes: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            changes: Vec::new(),
            locks: BTreeSet::new(),
            process: 0,
            is_off: false,
            calls_left: None,
            capacity: u64::MAX,
            faults: Faults::default(),
            counts: FaultCounts::default(),
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            process: 0,
        }
    }

    /// What fails from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.lock_state().faults = faults;
    }

    /// Bytes all files together may take from now on.
    pub fn set_capacity(&self, len: u64) {
        self.lock_state().capacity = len;
    }

    /// Bytes all files take.
    pub fn used(&self) -> u64 {
        self.lock_state().used()
    }

    /// Turns the power off in the midst of the call that comes after so many others that change something.
    pub fn turn_off_after(&self, calls: u64) {
        self.lock_state().calls_left = Some(calls);
    }

    /// Whether the power is off: everything fails.
    pub fn is_off(&self) -> bool {
        self.lock_state().is_off
    }

    /// Cuts the power, if it is not off, and turns it on: what was not synced is there, gone or torn.
    ///
    /// The directory as the next process sees it; all older handles are dead.
    #[must_use]
    pub fn cut(&self) -> Self {
        let mut state = self.lock_state();
        state.cut();
        self.next_process(&mut state)
    }

    /// Ends the process but not the system: everything written is there.
    ///
    /// The directory as the next process sees it; all older handles are dead.
    #[must_use]
    pub fn kill(&self) -> Self {
        let mut state = self.lock_state();
        state.counts.kills = state.counts.kills.saturating_add(1);
        self.next_process(&mut state)
    }

    /// A directory of its own with the same files, as they are now.
    #[must_use]
    pub fn copy(&self) -> Self {
        let state = self.lock_state();
        let copy = Self::new(state.random.0);
        let mut copied = copy.lock_state();
        copied.inodes.clone_from(&state.inodes);
        copied.names.clone_from(&state.names);
        copied.durable_names.clone_from(&state.names);
        for inode in &mut copied.inodes {
            inode.sync();
        }
        drop(copied);
        copy
    }

    /// What has happened so far.
    pub fn counts(&self) -> FaultCounts {
        self.lock_state().counts
    }

    /// The bytes of a file; `None` if there is none.
    pub fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.lock_state();
        let inode = state.inodes.get(*state.names.get(name)?)?;
        Some(inode.content.clone())
    }

    /// Puts a file there, synced; for files of another time.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        let mut state = self.lock_state();
        let index = state.inodes.len();
        state.inodes.push(Inode::with(bytes));
        state.names.insert(name.to_owned(), index);
        state.durable_names.insert(name.to_owned(), index);
    }

    /// Turns one bit of a file over, on the disk and in the cache; says whether it is there.
    pub fn flip(&self, name: &str, offset: usize, bit: u32) -> bool {
        let mut state = self.lock_state();
        let index = state.names.get(name).copied();
        let inode = index.and_then(|index| state.inodes.get_mut(index));
        inode.is_some_and(|inode| inode.flip(offset, bit))
    }

    fn next_process(&self, state: &mut State) -> Self {
        state.process = state.process.saturating_add(1);
        state.locks.clear();
        state.is_off = false;
        state.calls_left = None;
        Self {
            state: self.state.clone(),
            process: state.process,
        }
    }

    fn lock_state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state for a call of this process.
    fn enter(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.lock_state();
        match state.is_off || state.process != self.process {
            true => Err(io::Error::other("the power is off")),
            false => Ok(state),
        }
    }

    /// The state for a call that changes something.
    fn enter_to_change(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.enter()?;
        if !state.goes_off() {
            return Ok(state);
        }
        Err(io::Error::other("the power went off"))
    }

    fn file(&self, inode: usize) -> Arc<dyn DiskFile> {
        Arc::new(SimFile {
            disk: self.clone(),
            inode,
        })
    }
}

impl Disk for SimDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.enter()?.names.keys().cloned().collect())
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let state = self.enter()?;
        let inode = state.names.get(name).copied();
        inode
            .map(|inode| self.file(inode))
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.enter_to_change()?;
        if state.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let index = state.inodes.len();
        state.inodes.push(Inode::default());
        state.change_names(|names| {
            names.insert(name.to_owned(), index);
        });
        Ok(self.file(index))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.enter_to_change()?;
        let inode = state.names.get(from).copied();
        let inode = inode.ok_or(io::ErrorKind::NotFound)?;
        state.change_names(|names| {
            names.remove(from);
            names.insert(to.to_owned(), inode);
        });
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.enter_to_change()?;
        if !state.names.contains_key(name) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.change_names(|names| {
            names.remove(name);
        });
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.enter_to_change()?;
        state.changes.clear();
        state.durable_names = state.names.clone();
        Ok(())
    }

    fn lock(&self, name: &str) -> io::Result<Box<dyn DiskLock>> {
        let mut state = self.enter()?;
        match state.locks.insert(name.to_owned()) {
            true => Ok(Box::new(SimLock {
                disk: self.clone(),
                name: name.to_owned(),
            })),
            false => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn path(&self, name: &str) -> String {
        name.to_owned()
    }
}

#[derive(Debug)]
struct SimLock {
    disk: SimDisk,
    name: String,
}

impl DiskLock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut state = self.disk.lock_state();
        if state.process == self.disk.process {
            state.locks.remove(&self.name);
        }
    }
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    inode: usize,
}

impl DiskFile for SimFile {
    fn len(&self) -> io::Result<u64> {
        let state = self.disk.enter()?;
        Ok(u64_of(state.inode(self.inode)?.content.len()))
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.disk.enter()?;
        Ok(state.inode(self.inode)?.read(bytes, offset))
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.enter()?;
        let goes_off = state.goes_off();
        let end = offset.saturating_add(u64_of(bytes.len()));
        let is_full = !goes_off && state.is_full(self.inode, end)?;
        if is_full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let is_short = bytes.len() > 1 && (goes_off || state.happens(|faults| faults.short_write));
        let len = match is_short {
            true => state.random.below(u64_of(bytes.len())).max(1),
            false => u64_of(bytes.len()),
        };
        let taken = bytes
            .get(..usize::try_from(len).unwrap_or(usize::MAX))
            .unwrap_or(bytes);
        state.inode_mut(self.inode)?.write(taken, offset);
        if goes_off {
            return Err(io::Error::other("the power went off"));
        }
        if is_short {
            state.counts.short_writes = state.counts.short_writes.saturating_add(1);
        }
        Ok(taken.len())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.enter_to_change()?;
        if state.happens(|faults| faults.failed_sync) {
            state.counts.failed_syncs = state.counts.failed_syncs.saturating_add(1);
            let mut random = state.random;
            state.inode_mut(self.inode)?.fail_to_sync(&mut random);
            state.random = random;
            return Err(io::Error::other("input/output error"));
        }
        state.inode_mut(self.inode)?.sync();
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.disk.enter_to_change()?;
        if state.has_no_room(self.inode, len)? {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.inode_mut(self.inode)?.set_len(len);
        Ok(())
    }

    fn reserve(&self, len: u64) -> io::Result<()> {
        let mut state = self.disk.enter_to_change()?;
        if state.is_full(self.inode, len)? {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let inode = state.inode_mut(self.inode)?;
        if u64_of(inode.content.len()) < len {
            inode.set_len(len);
        }
        Ok(())
    }

    fn forget_cached(&self) {
        if let Ok(mut state) = self.disk.enter()
            && let Ok(inode) = state.inode_mut(self.inode)
        {
            inode.forget_cached();
        }
    }
}

impl State {
    fn inode(&self, index: usize) -> io::Result<&Inode> {
        self.inodes
            .get(index)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn inode_mut(&mut self, index: usize) -> io::Result<&mut Inode> {
        self.inodes
            .get_mut(index)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn used(&self) -> u64 {
        let indexes: BTreeSet<_> = self.names.values().collect();
        let inodes = indexes
            .into_iter()
            .filter_map(|index| self.inodes.get(*index));
        inodes.map(|inode| u64_of(inode.content.len())).sum()
    }

    fn change_names(&mut self, change: impl FnOnce(&mut BTreeMap<String, usize>)) {
        change(&mut self.names);
        self.changes.push(self.names.clone());
    }

    fn happens(&mut self, rate: impl FnOnce(&Faults) -> u32) -> bool {
        let per_mille = rate(&self.faults);
        per_mille > 0 && self.random.below(1000) < u64::from(per_mille)
    }

    /// Counts a call that changes something, and turns the power off when it is its turn.
    fn goes_off(&mut self) -> bool {
        match self.calls_left {
            Some(0) => self.is_off = true,
            Some(left) => self.calls_left = left.checked_sub(1),
            None => {}
        }
        self.is_off
    }

    /// Whether there is no room for this file to have this length.
    fn is_full(&mut self, index: usize, len: u64) -> io::Result<bool> {
        let is_full = self.has_no_room(index, len)? || self.happens(|faults| faults.full);
        if is_full {
            self.counts.full = self.counts.full.saturating_add(1);
        }
        Ok(is_full)
    }

    fn has_no_room(&self, index: usize, len: u64) -> io::Result<bool> {
        let now = u64_of(self.inode(index)?.content.len());
        let needed = self.used().saturating_add(len.saturating_sub(now));
        Ok(needed > self.capacity && len > now)
    }

    fn cut(&mut self) {
        self.counts.cuts = self.counts.cuts.saturating_add(1);
        // A journal keeps changes of names in order: the first of them are there, the others are not.
        let changes = u64_of(self.changes.len());
        let kept = self.random.below(changes.saturating_add(1));
        let index = usize::try_from(kept)
            .ok()
            .and_then(|kept| kept.checked_sub(1));
        if let Some(names) = index.and_then(|index| self.changes.get(index)) {
            self.durable_names.clone_from(names);
        }
        self.counts.lost_names = self
            .counts
            .lost_names
            .saturating_add(changes.saturating_sub(kept));
        self.names = self.durable_names.clone();
        self.changes.clear();
        let used: BTreeSet<_> = self.names.values().copied().collect();
        for (index, inode) in self.inodes.iter_mut().enumerate() {
            match used.contains(&index) {
                true => inode.cut(&mut self.random, &mut self.counts),
                false => *inode = Inode::default(),
            }
        }
    }
}

/// Numbers that follow from a seed (SplitMix64).
#[derive(Clone, Copy, Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not 0.
    fn below(&mut self, end: u64) -> u64 {
        self.next().checked_rem(end).unwrap_or(0)
    }
}

/// Where a sector starts in its file.
fn sector_start(sector: usize) -> usize {
    sector.saturating_mul(SECTOR)
}
