//! What MQTT remembers: QoS flows, Packet Identifiers, quotas, aliases, keep alive and resume.
//!
//! No I/O, no clock, no runtime: packets, time and commands go in as arguments, decisions come out as values.
//! [`Session`] is what outlives a Network Connection, [`Link`] is what dies with it.
#![no_std]
#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

#[cfg(feature = "alloc")]
extern crate alloc;

mod ack_queue;
mod alias;
mod client;
mod error;
mod journal;
mod keep_alive;
mod link;
mod negotiated;
mod output;
#[cfg(feature = "alloc")]
mod packet_id_set;
mod quota;
mod receive;
mod send;
mod session;
mod storage;

pub use ack_queue::{AckKind, AckQueue, PendingAck};
pub use alias::InboundAliases;
pub use client::{
    AckToken, ClientConnection, ClientError, ClientEvent, ClientSession, ClientSettings, NotSent,
    NotSentReason, OutgoingMessage, SendRefusal, ServerGrants, UnknownSession,
};
pub use error::ProtocolError;
#[cfg(feature = "alloc")]
pub use journal::{Barrier, MemoryJournal, WriteGates};
pub use journal::{Change, Journal, JournalFull, NoJournal, Record};
pub use keep_alive::{ClientKeepAlive, ClientKeepAliveStep, ServerKeepAlive};
pub use link::Link;
pub use negotiated::{Negotiated, RefusedPublish, ServerLimits, SessionExpiry};
pub use output::{Output, OutputBuffer};
#[cfg(feature = "alloc")]
pub use packet_id_set::PacketIdSet;
pub use quota::{ReceiveQuota, SendQuota};
pub use receive::{ReceiveFlows, Received, Settling};
pub use send::{
    EndedFlows, GivenUp, NotNow, NotNowReason, PubRecOutcome, Resend, SendFlows, UnexpectedAck,
};
pub use session::Session;
#[cfg(feature = "alloc")]
pub use storage::Heap;
pub use storage::{Fixed, PacketIds, Storage};
