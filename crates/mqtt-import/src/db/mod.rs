//! `mosquitto.db`: what a Mosquitto has kept, into a store of ours.

mod chunk;
mod error;
mod input;
mod order;
mod survey;
mod target;
mod write;

pub use error::{DbError, DbFault};
pub use survey::DbLimits;
pub use target::{ImportError, Replace, import_db};

use chunk::Chunks;
use std::fmt;
use std::io::{Read, Seek};
use survey::Survey;

/// What was found in a `mosquitto.db`, and what became of it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct DbReport {
    /// Sessions.
    pub sessions: u64,
    /// Their subscriptions.
    pub subscriptions: u64,
    /// Messages that wait for sessions, or are under way to them; one for two sessions counts twice.
    pub queued: u64,
    /// Of these, those that were sent and not acknowledged.
    pub under_way: u64,
    /// QoS 2 messages from clients, whose PUBREL has not come.
    pub incoming: u64,
    /// Retained messages.
    pub retained: u64,
    /// Sessions that are over: their time has passed, or they end with their connection.
    pub sessions_expired: u64,
    /// Messages whose time has passed.
    pub messages_expired: u64,
    /// QoS 0 messages that waited (`queue_qos0_messages`): this broker has no queue for them.
    pub qos0_dropped: u64,
    /// Entries of queues whose message is not in the file.
    pub entries_lost: u64,
}

impl fmt::Display for DbReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} retained messages, {} sessions with {} subscriptions, {} queued messages ({} under way)",
            self.retained, self.sessions, self.subscriptions, self.queued, self.under_way
        )?;
        for (count, what) in [
            (self.incoming, "QoS 2 messages from clients"),
            (self.sessions_expired, "sessions that are over, left out"),
            (
                self.messages_expired,
                "messages that have expired, left out",
            ),
            (self.qos0_dropped, "queued QoS 0 messages, left out"),
            (
                self.entries_lost,
                "queued messages that are not in the file",
            ),
        ] {
            if count > 0 {
                write!(f, "; {count} {what}")?;
            }
        }
        Ok(())
    }
}

/// Reads a `mosquitto.db` to its end and says what is in it, without writing anything.
///
/// # Errors
/// [`DbError`]: it is none, damaged, or larger than `limits`.
pub fn check_db(file: impl Read + Seek, limits: &DbLimits) -> Result<DbReport, DbError> {
    let mut chunks = Chunks::open(file)?;
    let survey = Survey::take(&mut chunks, limits)?;
    let count = |len: usize| u64::try_from(len).unwrap_or(u64::MAX);
    let subscriptions = survey.sessions.iter().map(|one| one.subscriptions.len());
    let queued = survey.sessions.iter().map(|one| one.entries.len());
    let retained = survey.messages.iter().filter(|found| found.is_retained);
    Ok(DbReport {
        sessions: count(survey.sessions.len()),
        subscriptions: count(subscriptions.sum()),
        queued: count(queued.sum()),
        retained: count(retained.count()),
        incoming: count(survey.incoming.len()),
        entries_lost: survey.lost,
        ..DbReport::default()
    })
}
