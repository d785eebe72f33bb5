//! `store.*` and `durability`: how what has to survive the broker is kept.

use super::{
    ByteSize, Duration,
    kind::{Choice, Number, Size, Time},
    settings::settings,
};
use crate::core::log::Durability;

/// The words for when something counts as kept.
pub(super) const DURABILITY: Choice<Durability> = Choice(&[
    ("fsync", Durability::Fsync),
    ("os", Durability::Os),
    ("memory", Durability::Memory),
]);

settings! {
    /// `store.*`: the files in the data directory.
    pub struct Store {
        /// bytes of all files of the log; once they are used up, what would have to be kept is refused
        max_log_bytes: ByteSize = ByteSize::from_mb(16 * 1024),
            Size(ByteSize::from_mb(256)..=ByteSize::from_mb(1024 * 1024));
        /// bytes of memory for messages that wait in queues and are in the log as well; the others are read from it
        max_queue_memory: ByteSize = ByteSize::from_mb(256),
            Size(ByteSize::new(0)..=ByteSize::from_mb(1024 * 1024));
        /// records after which a group is synced without waiting for more
        max_group_records: u32 = 1_000, Number(1..=1_000_000);
        /// time after which a group is synced without waiting for more; one that finds the disk idle does not wait
        max_group_delay: Duration = Duration::from_millis(2),
            Time(Duration::from_millis(1)..=Duration::from_secs(1));
        /// time a publisher waits for a disk that is behind; then its message is refused
        behind_timeout: Duration = Duration::from_secs(5),
            Time(Duration::from_millis(1)..=Duration::from_secs(60 * 60));
        /// time between two checkpoints, if anything has changed
        checkpoint_interval: Duration = Duration::from_secs(10),
            Time(Duration::from_secs(1)..=Duration::from_secs(60 * 60));
        /// bytes of log after which a checkpoint is written at once
        checkpoint_bytes: ByteSize = ByteSize::from_mb(64),
            Size(ByteSize::from_mb(1)..=ByteSize::from_mb(16 * 1024));
    }
}
