//! What a broker finds again after a restart.

use crate::message::StoredMessage;
use crate::record::{MessageId, SessionId};
use std::num::NonZeroU16;

/// Everything that was kept.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Recovered {
    /// Sessions, oldest first.
    pub sessions: Vec<RecoveredSession>,
    /// Retained messages, at most one for a topic.
    pub retained: Vec<StoredMessage<'static>>,
    /// Messages that wait for their time.
    pub delayed: Vec<RecoveredDelayed>,
    /// The highest name a session has ever had.
    pub last_session: SessionId,
    /// Until when the broker is known to have run, in milliseconds of Unix time; 0 if that is not known.
    pub alive_ms: u64,
}

/// A session.
#[derive(Debug)]
#[non_exhaustive]
pub struct RecoveredSession {
    /// Its name.
    pub session: SessionId,
    /// Whose it is.
    pub client_id: String,
    /// Session Expiry Interval in seconds; `u32::MAX` never.
    pub expiry_s: u32,
    /// Whether its connection ended with the process.
    pub was_connected: bool,
    /// When its connection began, or ended; in milliseconds of Unix time.
    pub at_ms: u64,
    /// The Will Message that has not been published.
    pub will: Option<RecoveredWill>,
    /// Subscriptions, by filter.
    pub subscriptions: Vec<RecoveredSubscription>,
    /// QoS 2 messages it published and has not released.
    pub received: Vec<NonZeroU16>,
    /// Messages that wait or are under way, oldest first.
    pub queued: Vec<RecoveredEntry>,
    /// Of `queued`, those under way, in the order they were first sent.
    pub begun: Vec<(MessageId, NonZeroU16)>,
    /// QoS 2 messages that arrived and are not released, in the order of their PUBREC.
    pub confirmed: Vec<(MessageId, NonZeroU16)>,
}

/// A Will Message.
#[derive(Debug)]
pub struct RecoveredWill {
    /// What is to be published.
    pub message: StoredMessage<'static>,
    /// The Will Delay Interval in seconds.
    pub delay_s: u32,
    /// The Message Expiry Interval in seconds, which begins when it is published.
    pub expiry_s: Option<u32>,
}

/// A subscription.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RecoveredSubscription {
    /// The filter, with `$share/NAME/` where it is shared.
    pub topic_filter: String,
    /// The byte of the subscription options; v5 §3.8.3.1.
    pub options: u8,
    /// The Subscription Identifier.
    pub subscription_id: Option<u32>,
}

/// A message for a session; [`crate::Store::read`] gives the message itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RecoveredEntry {
    /// Its name.
    pub id: MessageId,
    /// The QoS the session gets it with: 1 or 2.
    pub qos: u8,
    /// The RETAIN flag the session gets it with.
    pub retain: bool,
    /// Bytes of Topic Name, properties and payload.
    pub len: u32,
    /// When it expires, in milliseconds of Unix time.
    pub expires_at_ms: Option<u64>,
    /// Subscription Identifiers to be sent along.
    pub subscription_ids: Vec<u32>,
    /// The whole Topic Filter of a Shared Subscription it comes by.
    pub shared_filter: Option<Box<str>>,
}

/// A message that waits for its time.
#[derive(Debug)]
pub struct RecoveredDelayed {
    /// Its name.
    pub id: u64,
    /// When it is to be published, in milliseconds of Unix time.
    pub due_ms: u64,
    /// The publisher's Client Identifier.
    pub publisher_id: String,
    /// What is to be published.
    pub message: StoredMessage<'static>,
}
