//! A file in memory: what the system shows of it, and what the disk has.

use super::{FaultCounts, Random, sector_start};
use crate::{disk::u64_of, format::SECTOR};
use std::collections::BTreeSet;

#[derive(Clone, Debug, Default)]
pub(super) struct Inode {
    /// What readers see.
    pub(super) content: Vec<u8>,
    /// What the disk has.
    durable: Vec<u8>,
    /// Sectors written since the last sync.
    dirty: BTreeSet<usize>,
}

impl Inode {
    pub(super) fn with(bytes: &[u8]) -> Self {
        Self {
            content: bytes.to_vec(),
            durable: bytes.to_vec(),
            dirty: BTreeSet::new(),
        }
    }

    pub(super) fn read(&self, bytes: &mut [u8], offset: u64) -> usize {
        let rest = usize::try_from(offset)
            .ok()
            .and_then(|at| self.content.get(at..));
        let rest = rest.unwrap_or_default();
        let len = rest.len().min(bytes.len());
        if let (Some(to), Some(from)) = (bytes.get_mut(..len), rest.get(..len)) {
            to.copy_from_slice(from);
        }
        len
    }

    pub(super) fn write(&mut self, bytes: &[u8], offset: u64) {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let end = start.saturating_add(bytes.len());
        if self.content.len() < end {
            self.content.resize(end, 0);
        }
        if let Some(place) = self.content.get_mut(start..end) {
            place.copy_from_slice(bytes);
        }
        self.dirty.extend(start / SECTOR..end.div_ceil(SECTOR));
    }

    pub(super) fn set_len(&mut self, len: u64) {
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        if len < self.content.len() {
            let last = self.content.len().div_ceil(SECTOR);
            self.dirty.extend(len / SECTOR..last);
        }
        self.content.resize(len, 0);
    }

    pub(super) fn sync(&mut self) {
        self.durable.resize(self.content.len(), 0);
        for sector in std::mem::take(&mut self.dirty) {
            self.keep(sector, SECTOR);
        }
    }

    /// Some sectors reach the disk, and none is thought to be unwritten any more.
    pub(super) fn fail_to_sync(&mut self, random: &mut Random) {
        if self.durable.len() < self.content.len() && random.below(2) == 0 {
            self.durable.resize(self.content.len(), 0);
        }
        for sector in std::mem::take(&mut self.dirty) {
            if random.below(2) == 0 {
                self.keep(sector, SECTOR);
            }
        }
    }

    pub(super) fn forget_cached(&mut self) {
        let written: Vec<_> = self
            .dirty
            .iter()
            .map(|sector| (*sector, sector_of(&self.content, *sector).to_vec()))
            .collect();
        let len = self.content.len();
        self.content.clone_from(&self.durable);
        self.content.resize(len, 0);
        for (sector, bytes) in written {
            let start = sector_start(sector);
            if let Some(place) = self
                .content
                .get_mut(start..start.saturating_add(bytes.len()))
            {
                place.copy_from_slice(&bytes);
            }
        }
    }

    /// What the disk has becomes all there is.
    pub(super) fn cut(&mut self, random: &mut Random, counts: &mut FaultCounts) {
        if self.durable.len() != self.content.len() {
            if random.below(2) == 0 {
                self.durable.resize(self.content.len(), 0);
            } else {
                counts.lost_lens = counts.lost_lens.saturating_add(1);
            }
        }
        for sector in std::mem::take(&mut self.dirty) {
            let count = match random.below(8) {
                0..3 => &mut counts.dropped_sectors,
                3..5 => {
                    self.keep(sector, SECTOR);
                    &mut counts.kept_sectors
                }
                5..7 => {
                    let len = random.below(u64_of(SECTOR));
                    self.keep(sector, usize::try_from(len).unwrap_or(SECTOR));
                    &mut counts.torn_sectors
                }
                _ => {
                    self.garble(sector, random);
                    &mut counts.garbled_sectors
                }
            };
            *count = count.saturating_add(1);
        }
        self.content.clone_from(&self.durable);
    }

    pub(super) fn flip(&mut self, offset: usize, bit: u32) -> bool {
        let mask = 1_u8.checked_shl(bit % 8).unwrap_or(1);
        let mut is_there = false;
        for bytes in [&mut self.content, &mut self.durable] {
            if let Some(byte) = bytes.get_mut(offset) {
                *byte ^= mask;
                is_there = true;
            }
        }
        is_there
    }

    /// The first `len` bytes of a sector reach the disk.
    fn keep(&mut self, sector: usize, len: usize) {
        let start = sector_start(sector);
        let new = sector_of(&self.content, sector);
        let len = len
            .min(new.len())
            .min(self.durable.len().saturating_sub(start));
        let place = self.durable.get_mut(start..start.saturating_add(len));
        if let (Some(place), Some(new)) = (place, new.get(..len)) {
            place.copy_from_slice(new);
        }
    }

    fn garble(&mut self, sector: usize, random: &mut Random) {
        let start = sector_start(sector);
        let place = self.durable.get_mut(start..).unwrap_or_default();
        for byte in place.iter_mut().take(SECTOR) {
            *byte = random.next().to_le_bytes()[0];
        }
    }
}

fn sector_of(bytes: &[u8], sector: usize) -> &[u8] {
    let rest = bytes.get(sector_start(sector)..).unwrap_or_default();
    rest.get(..SECTOR).unwrap_or(rest)
}
