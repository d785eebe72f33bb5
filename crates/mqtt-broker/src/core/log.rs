//! The seam between "this is accepted" and "its acknowledgement may leave".
//!
//! Whatever a session or the retained store must keep is appended as a record; the acknowledgement that
//! promises it waits until the log reports the record's group durable. The in-memory log is durable at once.

use super::message::Message;
use super::session_cell::SessionKey;
use mqtt_codec::{PacketId, QoS, SubscriptionIdentifier, SubscriptionOptions};
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

/// Names a message in the log; a later one has a higher name.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct MessageId(pub u64);

impl MessageId {
    /// The log holds no such message.
    pub const NONE: Self = Self(0);
}

/// A session that must get a message.
#[derive(Clone, Copy, Debug)]
pub struct Recipient<'a> {
    /// Which session.
    pub session: SessionKey,
    /// The QoS it gets the message with, 1 or 2.
    pub qos: QoS,
    /// The RETAIN flag it gets the message with.
    pub retain: bool,
    /// Subscription Identifiers to be sent along.
    pub subscription_ids: &'a [SubscriptionIdentifier],
    /// The whole Topic Filter of the Shared Subscription it comes by.
    pub shared_filter: Option<&'a str>,
}

/// A message that was appended.
#[derive(Clone, Copy, Debug, Default)]
pub struct Appended {
    /// It is durable with this position.
    pub position: LogPosition,
    /// What it is called in other records.
    pub id: MessageId,
}

/// What is to be kept, besides messages. Times are in milliseconds of Unix time.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum LogRecord<'a> {
    /// A message published to `$delayed` waits for its time.
    Delayed {
        /// Names it until [`LogRecord::DelayedDone`].
        id: u64,
        /// What will be published.
        message: &'a Arc<Message>,
        /// When.
        due_ms: u64,
        /// The publisher's Client Identifier.
        publisher_id: &'a str,
        /// The publisher's identifier for it, under which it must find it received, at QoS 2.
        received: Option<PacketId>,
    },
    /// A delayed message has been published.
    DelayedDone {
        /// Its name.
        id: u64,
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
    /// A message is about to be sent, under an identifier that names it until it is acknowledged.
    Begun {
        /// The subscriber.
        session: SessionKey,
        /// The message.
        id: MessageId,
        /// The broker's identifier.
        packet_id: PacketId,
    },
    /// A subscriber has a QoS 2 message; PUBREL is due.
    Confirmed {
        /// The subscriber.
        session: SessionKey,
        /// The message.
        id: MessageId,
    },
    /// A subscriber is through with a message, or will never get it.
    Finished {
        /// The subscriber.
        session: SessionKey,
        /// The message.
        id: MessageId,
    },
    /// A session that outlives its connection began.
    SessionStarted {
        /// Its key in all other records.
        session: SessionKey,
        /// Whose it is.
        client_id: &'a str,
        /// How long it stays without its connection.
        session_expiry: SessionExpiry,
        /// When.
        at_ms: u64,
    },
    /// A connection took a session up again.
    Attached {
        /// The session.
        session: SessionKey,
        /// How long it stays without this connection.
        session_expiry: SessionExpiry,
        /// When.
        at_ms: u64,
    },
    /// A session has lost its connection and stays.
    Detached {
        /// The session.
        session: SessionKey,
        /// How long it stays.
        session_expiry: SessionExpiry,
        /// From when on.
        at_ms: u64,
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
        /// Whether nobody else may have it.
        is_exclusive: bool,
        /// Whether it is in place of one of the same session, and so has its room.
        is_known: bool,
    },
    /// A subscription was removed.
    Unsubscribed {
        /// The subscriber.
        session: SessionKey,
        /// The filter.
        topic_filter: &'a str,
    },
}

/// A message that was read for one session or more.
#[derive(Clone, Debug)]
pub struct FoundMessage<'a> {
    /// Its places among those that were wanted.
    pub places: &'a [usize],
    /// The message; none where it is lost.
    pub message: Option<Arc<Message>>,
}

/// When an acknowledgement of a publisher or subscriber may leave.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Durability {
    /// When the disk has what it promises: it survives a power cut.
    #[default]
    Fsync,
    /// When the operating system has it: it survives the end of the process, but not that of the machine.
    Os,
    /// At once.
    Memory,
}

/// The log takes nothing more now (disk full); the sender is told Quota exceeded.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the log is full")]
pub struct LogFull;

/// What the files of a log take, and how often they were written since the start.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct LogStats {
    /// All files; unit: bytes.
    pub used: u64,
    /// What they may take; unit: bytes.
    pub max: u64,
    /// They take 80 % of that.
    pub is_alarmed: bool,
    /// There is no room for more: what would have to be kept is refused.
    pub is_full: bool,
    /// Groups of records written.
    pub groups: u64,
    /// Files synced.
    pub syncs: u64,
    /// Bytes written, with everything around the records.
    pub written: u64,
}

/// Where records go. Called from connection tasks: [`CommitLog::append`] must not block on the disk.
pub trait CommitLog: Send + Sync + 'static {
    /// Whether records are kept at all; if not, nobody gathers them.
    fn keeps_records(&self) -> bool;

    /// Appends `record` to the current group. One that gives space back is taken even by a full disk.
    ///
    /// # Errors
    /// [`LogFull`] when there is no room.
    fn append(&self, record: LogRecord<'_>) -> Result<LogPosition, LogFull>;

    /// Appends a message for `recipients`, its payload once whatever their number, and for the retained store if it
    /// `is_retained`. With `received` its publisher must find it received under this identifier, as of the same moment.
    ///
    /// # Errors
    /// [`LogFull`] when there is no room.
    fn append_message(
        &self,
        message: &Arc<Message>,
        recipients: &[Recipient<'_>],
        is_retained: bool,
        received: Option<PacketId>,
    ) -> Result<Appended, LogFull>;

    /// Whether [`CommitLog::read_messages`] gives messages, so that they need not be kept in memory.
    fn gives_messages(&self) -> bool {
        false
    }

    /// Reads messages that sessions have still to be given and gives them to `found`, in any order. May block on the
    /// disk.
    ///
    /// By default all are lost; only a log that [`CommitLog::gives_messages`] is asked.
    fn read_messages(
        &self,
        wanted: &[(SessionKey, MessageId)],
        found: &mut dyn FnMut(FoundMessage<'_>),
    ) {
        let places: Vec<usize> = (0..wanted.len()).collect();
        found(FoundMessage {
            places: &places,
            message: None,
        });
    }

    /// The position of the last record appended.
    ///
    /// What repeats an earlier answer must wait for it: the record behind the first answer may be the last one.
    fn appended(&self) -> LogPosition;

    /// Whether so much waits for the disk that publishers whose messages would be kept should wait.
    fn is_behind(&self) -> bool {
        false
    }

    /// Calls `waker` once the disk is no longer behind; at once if it is not.
    fn wake_when_room(&self, waker: &Waker) {
        waker.wake_by_ref();
    }

    /// What its files take, and how often they were written; none without files.
    fn stats(&self) -> Option<LogStats> {
        None
    }

    /// Nothing more is appended: what is there is written in the form that is quickest to read.
    fn close(&self) {}

    /// The position up to which everything is durable.
    fn durable(&self) -> LogPosition;

    /// The position up to which the operating system has everything; by default what is durable.
    fn written(&self) -> LogPosition {
        self.durable()
    }

    /// Calls `waker` once `position` is durable; at once if it is already.
    fn wake_when_durable(&self, position: LogPosition, waker: &Waker);

    /// Calls `waker` once the operating system has what is at `position`; by default once it is durable.
    fn wake_when_written(&self, position: LogPosition, waker: &Waker) {
        self.wake_when_durable(position, waker);
    }
}

impl Durability {
    /// The position up to which what waits for `self` may leave.
    pub(crate) fn reached(self, log: &dyn CommitLog) -> LogPosition {
        match self {
            Self::Fsync => log.durable(),
            Self::Os => log.written(),
            Self::Memory => LogPosition(u64::MAX),
        }
    }

    /// Calls `waker` once `position` is reached.
    pub(crate) fn wake(self, log: &dyn CommitLog, position: LogPosition, waker: &Waker) {
        match self {
            Self::Fsync => log.wake_when_durable(position, waker),
            Self::Os => log.wake_when_written(position, waker),
            Self::Memory => waker.wake_by_ref(),
        }
    }
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

    fn append_message(
        &self,
        _message: &Arc<Message>,
        _recipients: &[Recipient<'_>],
        _is_retained: bool,
        _received: Option<PacketId>,
    ) -> Result<Appended, LogFull> {
        Ok(Appended::default())
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
