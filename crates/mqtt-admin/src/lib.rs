//! Looking into a running broker and changing it: the requests, who answers them, and a unix socket that carries them.
#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

#[cfg(unix)]
mod channel;
#[cfg(unix)]
mod client;
mod host;
mod log_file;
mod log_lines;
mod metrics;
mod people;
mod protocol;
mod refusals;
mod service;

#[cfg(unix)]
pub use channel::{Channel, ChannelError};
#[cfg(unix)]
pub use client::{CallError, Client};
pub use host::Host;
pub use log_file::{LogFile, Reopen, Rotation};
pub use log_lines::{LostLines, Undisturbed};
pub use metrics::metrics;
pub use protocol::{
    BanEntry, BannedEntry, ChangeEntry, ClientEntry, ClientFilter, Counters, Fault, FaultKind,
    ForecastEntry, LIST_MAX, List, LoserEntry, LossEntry, RefusalEntry, ReloadEntry, Request,
    Secret, Status, SubscriptionEntry, UserEntry,
};
pub use service::Service;

/// The name of the socket in a broker's data directory.
pub const SOCKET_FILE: &str = "admin.sock";
