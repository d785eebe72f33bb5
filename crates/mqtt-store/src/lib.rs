//! The durable state of a broker: sessions, subscriptions, queued and retained messages.
//!
//! Every change is a [`Record`] in a commit log, and is durable when its group is synced. What the records add up to
//! is written to a checkpoint now and then, so that the log can be given free, and a restart need not read all of it.
#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

mod backend;
mod background;
mod checkpoint;
mod error;
mod files;
mod flow;
mod inspect;
mod json;
mod ledger;
mod message;
mod number_map;
mod record;
mod recovered;
mod replay;
mod rows;
mod settings;
mod store;
mod wire;

pub use error::{OpenError, ReadError, StoreFull};
pub use inspect::{CheckReport, SalvageReport, check, dump_json, salvage};
pub use message::StoredMessage;
pub use mqtt_log::{Disk, DiskFile, DiskLock, Durability, Position, fault};
pub use record::{MessageId, Recipient, Record, SessionId};
pub use recovered::{
    Recovered, RecoveredDelayed, RecoveredEntry, RecoveredSession, RecoveredSubscription,
    RecoveredWill,
};
pub use settings::{Event, Settings};
pub use store::{Report, Sizes, Store};
pub use wire::BadRecord;
