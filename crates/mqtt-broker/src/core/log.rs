//! The seam between "this is accepted" and "its acknowledgement may leave".
//!
//! Whatever a session or the retained store must keep is appended as a record; the acknowledgement that
//! promises it waits until the log reports the record's group durable. The in-memory log is durable at once.

use super::message::Message;
use super::session_cell::SessionKey;
use mqtt_codec::{PacketId, SubscriptionIdentifier, SubscriptionOptions};
use mqtt_session::SessionExpiry;
use std::sync::Arc;
use std::task::Waker;

/// A place in the log; everything up to a durable position is durable.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct LogPosition(pub u64);

impl LogPosition {
    /// Nothing was written: nothing to wait for.
    pub const NONE: Self = Self(0);
}

/// What is to be kept.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum LogRecord<'a> {
    /// A message published to `$delayed` waits for its time.
    Delayed {
        /// Names it until [`LogRecord::DelayedDone`].
        id: u64,
        /// What will be published.
        message: &'a Arc<Message>,
        /// How long it waits, in seconds.
        seconds: u32,
    },
    /// A delayed message has been published.
    DelayedDone {
        /// Its name.
        id: u64,
    },
    /// A message for the sessions named, and for the retained store if it is retained.
    Message {
        /// The message, its payload once whatever the number of recipients.
        message: &'a Arc<Message>,
        /// Sessions that must get it, each at its own QoS.
        recipients: &'a [SessionKey],
    },
    /// A message of a Shared Subscription goes to another session than the one it was kept for.
    Reassigned {
        /// The message.
        message: &'a Arc<Message>,
        /// Who must get it now.
        session: SessionKey,
    },
    /// A retained message was removed.
    RetainedRemoved {
        /// Of this Topic Name.
        topic_name: &'a str,
    },
    /// A QoS 2 message was received and must be recognised until its PUBREL.
    Received {
        /// The publisher.
        session: SessionKey,
        /// The publisher's identifier.
        packet_id: PacketId,
    },
    /// The PUBREL came.
    Released {
        /// The publisher.
        session: SessionKey,
        /// The publisher's identifier.
        packet_id: PacketId,
    },
    /// A subscriber finished a message.
    Acknowledged {
        /// The subscriber.
        session: SessionKey,
        /// The broker's identifier.
        packet_id: PacketId,
    },
    /// A session that outlives its connection began.
    SessionStarted {
        /// Its key in all other records.
        session: SessionKey,
        /// Whose it is.
        client_id: &'a str,
        /// How long it stays without its connection.
        session_expiry: SessionExpiry,
    },
    /// A connection of a session has a Will Message, instead of any before.
    Will {
        /// Its session.
        session: SessionKey,
        /// What is to be published.
        message: &'a Arc<Message>,
        /// The Will Delay Interval, in seconds.
        delay_s: u32,
        /// Its Message Expiry Interval, which begins when it is published; in seconds.
        expiry_s: Option<u32>,
    },
    /// The Will Message of a session was published, or is not to be: what is left at a restart is due.
    WillGone {
        /// Its session.
        session: SessionKey,
    },
    /// A session ended, its Will Message with it.
    SessionEnded {
        /// Its key.
        session: SessionKey,
    },
    /// A subscription was made or replaced.
    Subscribed {
        /// The subscriber.
        session: SessionKey,
        /// The filter, with `$share/NAME/` where it is shared.
        topic_filter: &'a str,
        /// How it was made.
        options: SubscriptionOptions,
        /// Its Subscription Identifier.
        subscription_id: Option<SubscriptionIdentifier>,
    },
    /// A subscription was removed.
    Unsubscribed {
        /// The subscriber.
        session: SessionKey,
        /// The filter.
        topic_filter: &'a str,
    },
}

/// The log takes nothing more now (disk full); the sender is told Quota exceeded.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the log is full")]
pub struct LogFull;

/// Where records go. Called from connection tasks: [`CommitLog::append`] must not block on the disk.
pub trait CommitLog: Send + Sync + 'static {
    /// Whether records are kept at all; if not, nobody gathers them.
    fn keeps_records(&self) -> bool;

    /// Appends `record` to the current group.
    ///
    /// # Errors
    /// [`LogFull`] when there is no room.
    fn append(&self, record: LogRecord<'_>) -> Result<LogPosition, LogFull>;

    /// The position of the last record appended.
    ///
    /// What repeats an earlier answer must wait for it: the record behind the first answer may be the last one.
    fn appended(&self) -> LogPosition;

    /// The position up to which everything is durable.
    fn durable(&self) -> LogPosition;

    /// Calls `waker` once `position` is durable; at once if it is already.
    fn wake_when_durable(&self, position: LogPosition, waker: &Waker);
}

/// Keeps nothing and is therefore always done: the choice until a durable store is plugged in.
#[derive(Clone, Copy, Debug, Default)]
pub struct MemoryLog;

impl CommitLog for MemoryLog {
    fn keeps_records(&self) -> bool {
        false
    }

    fn append(&self, _record: LogRecord<'_>) -> Result<LogPosition, LogFull> {
        Ok(LogPosition::NONE)
    }

    fn appended(&self) -> LogPosition {
        LogPosition::NONE
    }

    fn durable(&self) -> LogPosition {
        LogPosition(u64::MAX)
    }

    fn wake_when_durable(&self, _position: LogPosition, waker: &Waker) {
        waker.wake_by_ref();
    }
}
