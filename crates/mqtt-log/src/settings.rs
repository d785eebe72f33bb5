//! How a log behaves: sizes, how groups are made, what durable means.

use crate::{LogFailure, disk::u64_of, error::SettingsError, format};
use std::{fmt, sync::Arc, time::Duration};

/// When a record counts as durable.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Durability {
    /// When its group is synced: it survives a power cut.
    #[default]
    Fsync,
    /// When the operating system has it: it survives the end of the process, but not that of the machine.
    Os,
}

/// How a log behaves.
#[derive(Clone)]
pub struct Settings {
    /// When a record counts as durable.
    pub durability: Durability,
    /// The length of a segment file; unit: bytes, 16 KiB to 1 TiB, default 64 MiB.
    pub segment_len: u64,
    /// Bytes of records that wait for the disk, and of the longest record; at most a quarter of a segment and 1 GiB, default 8 MiB.
    /// Records that give space back may make it twice as many.
    pub buffer_len_max: usize,
    /// All files of the log together; unit: bytes, at least two segments, default 16 GiB.
    pub total_len_max: u64,
    /// Records after which a group waits no longer; default 1,000.
    pub group_records_max: u32,
    /// Time after which a group waits no longer; default 2 ms. A group waits only while another one is written.
    pub group_delay_max: Duration,
    /// Silence after which the end of the log is marked as synced; default 1 s.
    pub mark_after: Duration,
    /// Files of dead segments kept for new ones, besides the one set aside; default 2.
    pub spares_max: usize,
    /// Called by the writer for what its owner must know at once; must not block, nor call the log.
    pub on_event: Option<Arc<dyn Fn(Event) + Send + Sync>>,
}

/// What the owner of a log must know at once.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// Nothing becomes durable any more: the process should end.
    Failed(LogFailure),
    /// No room for more segments; ordinary records will be refused.
    Full,
    /// There is room again.
    Room,
    /// The files take 80 % of what they may; unit: bytes.
    AlarmOn {
        /// What they take.
        on_disk: u64,
        /// What they may take.
        len_max: u64,
    },
    /// They take less than 80 % again.
    AlarmOff,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            durability: Durability::Fsync,
            segment_len: 64 << 20,
            buffer_len_max: 8 << 20,
            total_len_max: 16 << 30,
            group_records_max: 1000,
            group_delay_max: Duration::from_millis(2),
            mark_after: Duration::from_secs(1),
            spares_max: 2,
            on_event: None,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Settings")
            .field("durability", &self.durability)
            .field("segment_len", &self.segment_len)
            .field("buffer_len_max", &self.buffer_len_max)
            .field("total_len_max", &self.total_len_max)
            .field("group_records_max", &self.group_records_max)
            .field("group_delay_max", &self.group_delay_max)
            .finish_non_exhaustive()
    }
}

impl Settings {
    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        if !(SEGMENT_LEN_MIN..=SEGMENT_LEN_MAX).contains(&self.segment_len) {
            return Err(SettingsError::SegmentLen(self.segment_len));
        }
        let sectors = self.segment_len.is_multiple_of(u64_of(format::SECTOR));
        if !sectors {
            return Err(SettingsError::SegmentLen(self.segment_len));
        }
        let buffer_len = u64_of(self.buffer_len_max);
        if buffer_len < BUFFER_LEN_MIN || buffer_len > BUFFER_LEN_MAX.min(self.segment_len / 4) {
            return Err(SettingsError::BufferLen(self.buffer_len_max));
        }
        if self.total_len_max / 2 < self.segment_len {
            return Err(SettingsError::TotalLen(self.total_len_max));
        }
        Ok(())
    }

    /// Bytes of the last segments that ordinary records leave to records that give space back.
    pub(crate) fn headroom(&self) -> u64 {
        self.segment_len / 2
    }

    pub(crate) fn tell(&self, event: Event) {
        if let Some(on_event) = &self.on_event {
            on_event(event);
        }
    }
}

const SEGMENT_LEN_MIN: u64 = 16 << 10;
const SEGMENT_LEN_MAX: u64 = 1 << 40;
const BUFFER_LEN_MIN: u64 = 4 << 10;
/// Lengths of records and groups are 32 bits on disk.
const BUFFER_LEN_MAX: u64 = 1 << 30;
