//! A commit log: records go in from any thread, become durable in groups, and are found again after a crash.
#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

mod compact;
mod disk;
mod entry;
mod error;
pub mod fault;
mod format;
mod inspect;
mod log;
mod position;
mod queue;
mod read;
mod recovery;
mod salvage;
mod scan;
mod segment;
mod settings;
mod shared;
mod space;
mod thread;
mod waiters;
mod writer;

pub use compact::{CompactError, Compacted, SegmentInfo};
pub use disk::{Disk, DiskFile, DiskLock, RealDisk};
pub use entry::{Entry, Record};
pub use error::{
    AppendError, LogFailure, OpenError, Operation, ReadError, ReplayError, Rot, SettingsError,
};
pub use inspect::{CheckReport, Damage, DamageKind, DumpItem, check, dump};
pub use log::Log;
pub use position::Position;
pub use recovery::{Cut, Recovery, RecoveryReport};
pub use salvage::{SalvageReport, salvage};
pub use settings::{Durability, Event, Settings};
pub use space::{Space, Stats};
pub use writer::{Step, Writer};
