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
mod auth;
mod client;
mod error;
mod fitting;
mod held_acks;
mod journal;
mod keep_alive;
mod link;
mod message_expiry;
mod negotiated;
mod outbound_aliases;
mod output;
#[cfg(feature = "alloc")]
mod packet_id_set;
mod quota;
mod receive;
mod seldom;
mod send;
mod server;
mod session;
mod stamp;
mod storage;
mod will;

pub use ack_queue::{AckKind, AckQueue, PendingAck};
pub use alias::InboundAliases;
pub use auth::{AuthExchange, AuthMethod};
pub use client::{
    ClientConnection, ClientError, ClientEvent, ClientSession, ClientSettings, NotSent,
    NotSentReason, OutgoingMessage, Redirect, SendRefusal, ServerGrants, UnknownSession,
};
pub use error::ProtocolError;
pub use held_acks::AckToken;
#[cfg(feature = "alloc")]
pub use journal::{Barrier, MemoryJournal, WriteGates};
pub use journal::{Change, Journal, JournalFull, NoJournal, Record};
pub use keep_alive::{ClientKeepAlive, ClientKeepAliveStep, ServerKeepAlive};
pub use link::Link;
pub use message_expiry::MessageExpiry;
pub use negotiated::{Negotiated, RefusedPublish, ServerLimits, SessionExpiry};
pub use outbound_aliases::{AliasTopic, OUTBOUND_ALIASES_DEFAULT, OutboundAliases, TopicForm};
pub use output::{Output, OutputBuffer};
#[cfg(feature = "alloc")]
pub use packet_id_set::PacketIdSet;
pub use quota::{ReceiveQuota, SendQuota};
pub use receive::{ReceiveFlows, Received, Settling};
pub use send::{
    EndedFlows, GivenUp, NotNow, NotNowReason, PubRecOutcome, Resend, SendFlows, UnexpectedAck,
};
pub use server::{
    Acceptance, Accepted, Closed, EncodedPublish, HandshakeEvent, NotAccepted, RequestToken,
    ServerConnection, ServerError, ServerEvent, ServerHandshake, ServerOffer, ServerSession,
    SessionStep,
};
pub use session::Session;
pub use stamp::Stamp;
#[cfg(feature = "alloc")]
pub use storage::Heap;
pub use storage::{Fixed, PacketIds, Storage};
pub use will::{ConnectionEnd, Will, WillOutcome};
