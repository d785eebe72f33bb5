//! The state besides queues, as rows: what changed since the last checkpoint, and what a row means.
//!
//! A key begins with the kind of thing; all rows of a session stand together, so that they go together.

use crate::message::StoredMessage;
use crate::record::{Record, SessionId};
use crate::wire::{BadRecord, Fields, put_bytes, put_number, put_optional};
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;
use std::ops::Range;

const SESSION: u8 = 1;
const RETAINED: u8 = 2;
const DELAYED: u8 = 3;

const CLIENT_ID: u8 = 0;
const LIFE: u8 = 1;
const WILL: u8 = 2;
const FLOW: u8 = 3;
const SUBSCRIPTION: u8 = 4;
const RECEIVED: u8 = 5;

/// Rows changed since a checkpoint.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    /// None: to be removed.
    pub(crate) changed: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// Sessions to be removed with all their rows. None of them has a row in `changed`.
    pub(crate) ended: BTreeSet<SessionId>,
}

impl Rows {
    /// Notes what `record` changes, but for queues.
    pub(crate) fn apply(&mut self, record: &Record<'_>) {
        match record {
            Record::SessionStarted {
                session,
                client_id,
                expiry_s,
                at_ms,
            } => {
                self.put(key(*session, CLIENT_ID, &[]), client_id.as_bytes().to_vec());
                self.put_life(*session, *expiry_s, *at_ms, true);
            }
            Record::Attached {
                session,
                expiry_s,
                at_ms,
            } => self.put_life(*session, *expiry_s, *at_ms, true),
            Record::Detached {
                session,
                expiry_s,
                at_ms,
            } => self.put_life(*session, *expiry_s, *at_ms, false),
            Record::SessionEnded { session } => self.end(*session),
            Record::Subscribed {
                session,
                topic_filter,
                options,
                subscription_id,
            } => {
                let mut row = vec![*options];
                put_optional(&mut row, subscription_id.map(u64::from));
                self.put(key(*session, SUBSCRIPTION, topic_filter.as_bytes()), row);
            }
            Record::Unsubscribed {
                session,
                topic_filter,
            } => self.remove(*session, SUBSCRIPTION, topic_filter.as_bytes()),
            Record::Will {
                session,
                message,
                delay_s,
                expiry_s,
            } => {
                let mut row = Vec::new();
                put_number(&mut row, u64::from(*delay_s));
                put_optional(&mut row, expiry_s.map(u64::from));
                message.encode(&mut row);
                self.put(key(*session, WILL, &[]), row);
            }
            Record::WillGone { session } => self.remove(*session, WILL, &[]),
            Record::Received { session, packet_id } => {
                let row_key = key(*session, RECEIVED, &packet_id.get().to_be_bytes());
                self.put(row_key, Vec::new());
            }
            Record::Released { session, packet_id } => {
                self.remove(*session, RECEIVED, &packet_id.get().to_be_bytes());
            }
            Record::Message {
                is_retained,
                received,
                message,
                ..
            } => {
                self.put_received(message, *received);
                if *is_retained {
                    let mut row = Vec::new();
                    message.encode(&mut row);
                    self.put(retained_key(message.topic_name()), row);
                }
            }
            Record::RetainedRemoved { topic_name } => {
                self.changed.insert(retained_key(topic_name), None);
            }
            Record::Delayed {
                id,
                due_ms,
                publisher_id,
                received,
                message,
            } => {
                self.put_received(message, *received);
                let mut row = Vec::new();
                put_number(&mut row, *due_ms);
                put_bytes(&mut row, publisher_id.as_bytes());
                message.encode(&mut row);
                self.put(delayed_key(*id), row);
            }
            Record::DelayedDone { id } => {
                self.changed.insert(delayed_key(*id), None);
            }
            Record::Begun { .. } | Record::Confirmed { .. } | Record::Finished { .. } => {}
        }
    }

    /// Takes up what was changed after it.
    pub(crate) fn absorb(&mut self, newer: Self) {
        for session in newer.ended {
            self.end(session);
        }
        self.changed.extend(newer.changed);
    }

    fn end(&mut self, session: SessionId) {
        let mut rest = self.changed.split_off(&span(session).start);
        let mut behind = rest.split_off(&span(session).end);
        self.changed.append(&mut behind);
        self.ended.insert(session);
    }

    /// The flow of a session, for the checkpoint.
    pub(crate) fn put_flow(&mut self, session: SessionId, row: Vec<u8>) {
        self.put(key(session, FLOW, &[]), row);
    }

    fn put_received(&mut self, message: &StoredMessage<'_>, packet_id: Option<NonZeroU16>) {
        if let Some(packet_id) = packet_id {
            let publisher = SessionId(message.publisher);
            self.put(
                key(publisher, RECEIVED, &packet_id.get().to_be_bytes()),
                Vec::new(),
            );
        }
    }

    fn put(&mut self, key: Vec<u8>, row: Vec<u8>) {
        self.changed.insert(key, Some(row));
    }

    fn put_life(&mut self, session: SessionId, expiry_s: u32, at_ms: u64, is_connected: bool) {
        let mut row = vec![u8::from(is_connected)];
        put_number(&mut row, u64::from(expiry_s));
        put_number(&mut row, at_ms);
        self.put(key(session, LIFE, &[]), row);
    }

    fn remove(&mut self, session: SessionId, kind: u8, suffix: &[u8]) {
        self.changed.insert(key(session, kind, suffix), None);
    }
}

/// What a row says.
#[derive(Debug)]
pub(crate) enum Row<'a> {
    ClientId(SessionId, &'a str),
    Life {
        session: SessionId,
        is_connected: bool,
        expiry_s: u32,
        at_ms: u64,
    },
    Will {
        session: SessionId,
        delay_s: u32,
        expiry_s: Option<u32>,
        message: StoredMessage<'a>,
    },
    Flow(SessionId, &'a [u8]),
    Subscription {
        session: SessionId,
        topic_filter: &'a str,
        options: u8,
        subscription_id: Option<u32>,
    },
    Received(SessionId, u16),
    Retained(StoredMessage<'a>),
    Delayed {
        id: u64,
        due_ms: u64,
        publisher_id: &'a str,
        message: StoredMessage<'a>,
    },
}

impl<'a> Row<'a> {
    pub(crate) fn decode(key: &'a [u8], row: &'a [u8]) -> Result<Self, BadRecord> {
        let (mut key, mut row) = (Fields::new(key), Fields::new(row));
        Ok(match key.byte()? {
            RETAINED => Self::Retained(StoredMessage::decode(row)?),
            DELAYED => Self::Delayed {
                id: big_endian(key.take(8)?),
                due_ms: row.number()?,
                publisher_id: row.text()?,
                message: StoredMessage::decode(row)?,
            },
            SESSION => {
                let session = SessionId(big_endian(key.take(8)?));
                match key.byte()? {
                    CLIENT_ID => Self::ClientId(session, text(row.rest())?),
                    LIFE => Self::Life {
                        session,
                        is_connected: row.byte()? != 0,
                        expiry_s: row.number_u32()?,
                        at_ms: row.number()?,
                    },
                    WILL => Self::Will {
                        session,
                        delay_s: row.number_u32()?,
                        expiry_s: row.optional_u32()?,
                        message: StoredMessage::decode(row)?,
                    },
                    FLOW => Self::Flow(session, row.rest()),
                    SUBSCRIPTION => Self::Subscription {
                        session,
                        topic_filter: text(key.rest())?,
                        options: row.byte()?,
                        subscription_id: row.optional_u32()?,
                    },
                    RECEIVED => {
                        let packet_id = big_endian(key.take(2)?);
                        let packet_id = u16::try_from(packet_id).map_err(|_| BadRecord)?;
                        Self::Received(session, packet_id)
                    }
                    _ => return Err(BadRecord),
                }
            }
            _ => return Err(BadRecord),
        })
    }
}

/// The keys of a session's rows.
pub(crate) fn span(session: SessionId) -> Range<Vec<u8>> {
    let start = session_prefix(session);
    let end = match session.0.checked_add(1) {
        Some(next) => session_prefix(SessionId(next)),
        None => vec![SESSION + 1],
    };
    start..end
}

/// The session a row belongs to, if it belongs to one.
pub(crate) fn session_of(key: &[u8]) -> Option<SessionId> {
    let id = key.strip_prefix(&[SESSION])?.get(..8)?;
    Some(SessionId(big_endian(id)))
}

/// The keys of all retained messages.
pub(crate) fn retained_span() -> Range<Vec<u8>> {
    vec![RETAINED]..vec![RETAINED + 1]
}

/// The key of a topic's retained message.
pub(crate) fn retained_key(topic_name: &str) -> Vec<u8> {
    let mut key = vec![RETAINED];
    key.extend_from_slice(topic_name.as_bytes());
    key
}

fn delayed_key(id: u64) -> Vec<u8> {
    let mut key = vec![DELAYED];
    key.extend_from_slice(&id.to_be_bytes());
    key
}

fn session_prefix(session: SessionId) -> Vec<u8> {
    let mut key = vec![SESSION];
    key.extend_from_slice(&session.0.to_be_bytes());
    key
}

fn key(session: SessionId, kind: u8, suffix: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(10 + suffix.len());
    key.push(SESSION);
    key.extend_from_slice(&session.0.to_be_bytes());
    key.push(kind);
    key.extend_from_slice(suffix);
    key
}

fn big_endian(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn text(bytes: &[u8]) -> Result<&str, BadRecord> {
    std::str::from_utf8(bytes).map_err(|_| BadRecord)
}
