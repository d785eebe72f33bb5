//! The first reading: all of the file is checked, and everything but the messages themselves is gathered.

use super::chunk::{Chunk, Chunks, ClientMessage, Subscription};
use super::error::{DbError, DbFault};
use std::collections::{HashMap, HashSet};
use std::io::{Read, Seek};

/// How much a file may hold: what is gathered of it takes memory, about 50 bytes for each message and each entry of a
/// queue, and the texts of sessions and subscriptions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DbLimits {
    /// Messages; default 20,000,000.
    pub messages_max: usize,
    /// Messages that wait for all sessions together; default 50,000,000.
    pub entries_max: usize,
    /// Sessions; default 5,000,000.
    pub sessions_max: usize,
    /// Subscriptions of all sessions together; default 20,000,000.
    pub subscriptions_max: usize,
}

impl Default for DbLimits {
    fn default() -> Self {
        Self {
            messages_max: 20_000_000,
            entries_max: 50_000_000,
            sessions_max: 5_000_000,
            subscriptions_max: 20_000_000,
        }
    }
}

/// What was gathered.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    pub(crate) sessions: Vec<Session>,
    /// Messages, by the order of their names, which is that of their arrival.
    pub(crate) messages: Vec<Found>,
    /// Messages that came by QoS 2 and wait for their PUBREL.
    pub(crate) incoming: Vec<(usize, ClientMessage)>,
    /// Entries whose message is not in the file.
    pub(crate) lost: u64,
}

/// A session with its subscriptions and its queue, in the file's order.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) client_id: String,
    pub(crate) expiry_s: u32,
    pub(crate) detached_s: Option<u64>,
    pub(crate) subscriptions: Vec<Subscription>,
    pub(crate) entries: Vec<Entry>,
}

/// A message that waits for a session, or is under way to it.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Its place in [`Survey::messages`].
    pub(crate) message: usize,
    pub(crate) packet_id: u16,
    pub(crate) qos: u8,
    pub(crate) retain: bool,
    pub(crate) progress: Progress,
    pub(crate) subscription_ids: Box<[u32]>,
}

/// How far a message is on its way to a subscriber.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Progress {
    /// Not sent yet.
    Waits,
    /// Sent under its identifier.
    Sent,
    /// QoS 2: the subscriber has it, PUBREL is under way.
    Confirmed,
}

/// Where a message is.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) id: u64,
    pub(crate) at: u64,
    pub(crate) len: u64,
    pub(crate) is_retained: bool,
}

impl Survey {
    /// Reads all chunks.
    pub(crate) fn take<R: Read + Seek>(
        chunks: &mut Chunks<R>,
        limits: &DbLimits,
    ) -> Result<Self, DbError> {
        let mut gathering = Gathering::default();
        while let Some(chunk) = chunks.next()? {
            let too_many = gathering.take(chunk, limits);
            too_many.map_err(|fault| fault.at(0))?;
        }
        Ok(gathering.end())
    }
}

#[derive(Debug, Default)]
struct Gathering {
    survey: Survey,
    by_client_id: HashMap<String, usize>,
    /// As they come: the messages they name may stand behind them.
    entries: Vec<(usize, ClientMessage)>,
    retained: HashSet<u64>,
    subscriptions: usize,
}

impl Gathering {
    fn take(&mut self, chunk: Chunk, limits: &DbLimits) -> Result<(), DbFault> {
        match chunk {
            Chunk::Client(client) => {
                let at = self.session(&client.client_id, limits)?;
                if let Some(session) = self.survey.sessions.get_mut(at) {
                    session.expiry_s = client.expiry_s;
                    session.detached_s = client.detached_s;
                }
            }
            Chunk::Subscription(subscription) => {
                bounded(
                    self.subscriptions,
                    limits.subscriptions_max,
                    "subscriptions",
                )?;
                self.subscriptions += 1;
                let at = self.session(&subscription.client_id, limits)?;
                if let Some(session) = self.survey.sessions.get_mut(at) {
                    session.subscriptions.push(subscription);
                }
            }
            Chunk::ClientMessage(message) => {
                bounded(self.entries.len(), limits.entries_max, "messages that wait")?;
                let at = self.session(&message.client_id, limits)?;
                // The session says whose it is.
                let message = ClientMessage {
                    client_id: String::new(),
                    ..message
                };
                self.entries.push((at, message));
            }
            Chunk::Message(head) => {
                bounded(self.survey.messages.len(), limits.messages_max, "messages")?;
                self.survey.messages.push(Found {
                    id: head.id,
                    at: head.at,
                    len: head.len,
                    is_retained: false,
                });
            }
            Chunk::Retained { message } => {
                self.retained.insert(message);
            }
            Chunk::Other => {}
        }
        Ok(())
    }

    /// The session's place; one that no chunk has told of stays until its client comes.
    fn session(&mut self, client_id: &str, limits: &DbLimits) -> Result<usize, DbFault> {
        if let Some(at) = self.by_client_id.get(client_id) {
            return Ok(*at);
        }
        let at = self.survey.sessions.len();
        bounded(at, limits.sessions_max, "sessions")?;
        self.by_client_id.insert(client_id.to_owned(), at);
        self.survey.sessions.push(Session {
            client_id: client_id.to_owned(),
            expiry_s: u32::MAX,
            detached_s: None,
            subscriptions: Vec::new(),
            entries: Vec::new(),
        });
        Ok(at)
    }

    fn end(mut self) -> Survey {
        let messages = &mut self.survey.messages;
        messages.sort_by_key(|found| found.id);
        messages.dedup_by_key(|found| found.id);
        for found in messages.iter_mut() {
            found.is_retained = self.retained.contains(&found.id);
        }
        for (session, entry) in self.entries {
            let place = messages.binary_search_by_key(&entry.message, |found| found.id);
            let Ok(message) = place else {
                self.survey.lost += 1;
                continue;
            };
            if entry.is_incoming {
                // Its place stands for its name from here on.
                let message = u64::try_from(message).unwrap_or(u64::MAX);
                let entry = ClientMessage { message, ..entry };
                self.survey.incoming.push((session, entry));
            } else if let Some(session) = self.survey.sessions.get_mut(session) {
                session.entries.push(Entry {
                    message,
                    packet_id: entry.packet_id,
                    qos: entry.qos,
                    retain: entry.retain,
                    progress: progress(entry.state),
                    subscription_ids: entry.subscription_ids,
                });
            }
        }
        self.survey
    }
}

/// What a state of Mosquitto means for a message to a subscriber; one that is none counts as not sent.
const fn progress(state: u8) -> Progress {
    const WAIT_FOR_PUBACK: u8 = 3;
    const WAIT_FOR_PUBREC: u8 = 5;
    const RESEND_PUBREL: u8 = 6;
    const WAIT_FOR_PUBCOMP: u8 = 9;
    match state {
        WAIT_FOR_PUBACK | WAIT_FOR_PUBREC => Progress::Sent,
        RESEND_PUBREL | WAIT_FOR_PUBCOMP => Progress::Confirmed,
        _ => Progress::Waits,
    }
}

const fn bounded(len: usize, max: usize, what: &'static str) -> Result<(), DbFault> {
    match len < max {
        true => Ok(()),
        false => Err(DbFault::TooMany { what, max }),
    }
}
