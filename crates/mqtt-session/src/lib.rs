//! What MQTT remembers: QoS flows, Packet Identifiers, quotas, aliases, keep alive and resume.
//!
//! No I/O, no clock, no runtime: packets, time and commands go in as arguments, decisions come out as values.
//! [`Session`] is what outlives a Network Connection, [`Link`] is what dies with it.
#![no_std]
#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

extern crate alloc;

mod ack_queue;
mod alias;
mod client;
mod error;
mod journal;
mod keep_alive;
mod link;
mod negotiated;
mod packet_id_set;
mod quota;
mod receive;
mod send;
mod session;

pub use ack_queue::{AckKind, AckQueue, PendingAck};
pub use alias::InboundAliases;
pub use client::{
    AckToken, ClientConnection, ClientError, ClientEvent, ClientSession, ClientSettings, NotSent,
    NotSentReason, OutgoingMessage, SendRefusal, ServerGrants, UnknownSession,
};
pub use error::ProtocolError;
pub use journal::{
    Barrier, Change, Journal, JournalFull, MemoryJournal, NoJournal, Record, WriteGates,
};
pub use keep_alive::{ClientKeepAlive, ClientKeepAliveStep, ServerKeepAlive};
pub use link::Link;
pub use negotiated::{Negotiated, RefusedPublish, ServerLimits, SessionExpiry};
pub use packet_id_set::PacketIdSet;
pub use quota::{ReceiveQuota, SendQuota};
pub use receive::{ReceiveFlows, Received, Settling};
pub use send::{GivenUp, NotNow, NotNowReason, PubRecOutcome, Resend, SendFlows, UnexpectedAck};
pub use session::Session;
