//! A commit log: records go in from any thread, become durable in groups, and are found again after a crash.
#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

mod disk;
mod entry;
mod error;
pub mod fault;
mod format;
mod log;
mod position;
mod queue;
mod read;
mod recovery;
mod scan;
mod segment;
mod settings;
mod shared;
mod space;
mod thread;
mod waiters;
mod writer;

pub use disk::{Disk, DiskFile, DiskLock, RealDisk};
pub use entry::{Entry, Record};
pub use error::{
    AppendError, LogFailure, OpenError, Operation, ReadError, ReplayError, Rot, SettingsError,
};
pub use log::Log;
pub use position::Position;
pub use recovery::{Cut, Recovery, RecoveryReport};
pub use settings::{Durability, Event, Settings};
pub use space::{Space, Stats};
pub use writer::{Step, Writer};
