//! What is written down: one record for each change of a session, of the retained and of the delayed messages.
//!
//! A message is written once, with a small entry for each recipient. From then on the pair of session and message
//! names the delivery. Names of messages ascend in the order of the log, which a position would not do: a record
//! that is copied to give its segment free has a new position.

use crate::message::StoredMessage;
use crate::wire::{BadRecord, Fields, put_bytes, put_number, put_optional};
use std::borrow::Cow;
use std::num::{NonZeroU8, NonZeroU16};

/// The version of the format that is written, beside each record's kind.
pub(crate) const VERSION: u8 = 1;

/// Names a message; a later one has a higher name.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct MessageId(pub u64);

/// Names a session: never given to another one.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SessionId(pub u64);

/// One session that must get a message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Recipient<'a> {
    /// Which session.
    pub session: SessionId,
    /// The QoS it gets the message with: 1 or 2.
    pub qos: u8,
    /// The RETAIN flag it gets the message with.
    pub retain: bool,
    /// Subscription Identifiers to be sent along.
    pub subscription_ids: Vec<u32>,
    /// The whole Topic Filter of a Shared Subscription it comes by.
    pub shared_filter: Option<Cow<'a, str>>,
}

/// A change to be kept.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Record<'a> {
    /// A session that outlives its connection began, connected.
    SessionStarted {
        /// Its name in all other records.
        session: SessionId,
        /// Whose it is.
        client_id: Cow<'a, str>,
        /// Session Expiry Interval in seconds; `u32::MAX` never.
        expiry_s: u32,
        /// When, in milliseconds of Unix time.
        at_ms: u64,
    },
    /// A connection took the session up again.
    Attached {
        /// Which session.
        session: SessionId,
        /// The new Session Expiry Interval in seconds; with 0 it ends with this connection.
        expiry_s: u32,
        /// When, in milliseconds of Unix time.
        at_ms: u64,
    },
    /// The connection is gone, and the session stays.
    Detached {
        /// Which session.
        session: SessionId,
        /// How long it stays, in seconds.
        expiry_s: u32,
        /// From when on, in milliseconds of Unix time.
        at_ms: u64,
    },
    /// The session is over, with everything that was its.
    SessionEnded {
        /// Which session.
        session: SessionId,
    },
    /// A subscription was made or replaced.
    Subscribed {
        /// Whose it is.
        session: SessionId,
        /// The filter, with `$share/NAME/` where it is shared.
        topic_filter: Cow<'a, str>,
        /// The byte of the subscription options; v5 §3.8.3.1.
        options: u8,
        /// The Subscription Identifier.
        subscription_id: Option<u32>,
    },
    /// A subscription was removed.
    Unsubscribed {
        /// Whose it was.
        session: SessionId,
        /// The filter.
        topic_filter: Cow<'a, str>,
    },
    /// The connection has a Will Message, instead of any before.
    Will {
        /// Whose it is.
        session: SessionId,
        /// What is to be published.
        message: StoredMessage<'a>,
        /// The Will Delay Interval in seconds.
        delay_s: u32,
        /// The Message Expiry Interval in seconds, which begins when it is published.
        expiry_s: Option<u32>,
    },
    /// There is no Will Message any more.
    WillGone {
        /// Whose it was.
        session: SessionId,
    },
    /// A message for some sessions, for the retained store, or both.
    Message {
        /// Its name.
        id: MessageId,
        /// Who must get it.
        recipients: Cow<'a, [Recipient<'a>]>,
        /// Whether it is the retained message of its topic from now on.
        is_retained: bool,
        /// The identifier under which its publisher must find it received until its PUBREL, at QoS 2.
        received: Option<NonZeroU16>,
        /// The message.
        message: StoredMessage<'a>,
    },
    /// The retained message of a topic was removed.
    RetainedRemoved {
        /// The topic.
        topic_name: Cow<'a, str>,
    },
    /// A message was given a Packet Identifier and is about to be sent.
    Begun {
        /// The subscriber.
        session: SessionId,
        /// Which message.
        id: MessageId,
        /// What it is sent as.
        packet_id: NonZeroU16,
    },
    /// The subscriber has a QoS 2 message; from now on only its identifier counts.
    Confirmed {
        /// The subscriber.
        session: SessionId,
        /// Which message.
        id: MessageId,
    },
    /// The subscriber is through with its messages from one to another, whatever became of them.
    Finished {
        /// The subscriber.
        session: SessionId,
        /// The first message.
        first: MessageId,
        /// The last message, the same or a later one.
        last: MessageId,
    },
    /// A QoS 2 message came in and must be known until its PUBREL.
    Received {
        /// The publisher.
        session: SessionId,
        /// The publisher's identifier.
        packet_id: NonZeroU16,
    },
    /// Its PUBREL came.
    Released {
        /// The publisher.
        session: SessionId,
        /// The publisher's identifier.
        packet_id: NonZeroU16,
    },
    /// A message waits for its time.
    Delayed {
        /// Names it.
        id: u64,
        /// When it is to be published, in milliseconds of Unix time.
        due_ms: u64,
        /// The publisher's Client Identifier.
        publisher_id: Cow<'a, str>,
        /// The identifier under which its publisher must find it received until its PUBREL, at QoS 2.
        received: Option<NonZeroU16>,
        /// What is to be published.
        message: StoredMessage<'a>,
    },
    /// A delayed message was published.
    DelayedDone {
        /// Its name.
        id: u64,
    },
}

mod kind {
    pub(super) const SESSION_STARTED: u8 = 1;
    pub(super) const ATTACHED: u8 = 2;
    pub(super) const DETACHED: u8 = 3;
    pub(super) const SESSION_ENDED: u8 = 4;
    pub(super) const SUBSCRIBED: u8 = 5;
    pub(super) const UNSUBSCRIBED: u8 = 6;
    pub(super) const WILL: u8 = 7;
    pub(super) const WILL_GONE: u8 = 8;
    pub(super) const MESSAGE: u8 = 9;
    pub(super) const RETAINED_MESSAGE: u8 = 10;
    pub(super) const RETAINED_REMOVED: u8 = 11;
    pub(super) const BEGUN: u8 = 12;
    pub(super) const CONFIRMED: u8 = 13;
    pub(super) const FINISHED: u8 = 14;
    pub(super) const RECEIVED: u8 = 15;
    pub(super) const RELEASED: u8 = 16;
    pub(super) const DELAYED: u8 = 17;
    pub(super) const DELAYED_DONE: u8 = 18;
}

impl Record<'_> {
    /// Appends the record to `out`, but for the block of a message, which [`Record::block`] gives; its kind.
    pub(crate) fn encode_head(&self, out: &mut Vec<u8>) -> NonZeroU8 {
        let kind = self.put_head(out);
        NonZeroU8::new(kind).unwrap_or(NonZeroU8::MIN)
    }

    fn put_head(&self, out: &mut Vec<u8>) -> u8 {
        match self {
            Self::SessionStarted {
                session,
                client_id,
                expiry_s,
                at_ms,
            } => {
                put_numbers(out, [session.0, u64::from(*expiry_s), *at_ms]);
                out.extend_from_slice(client_id.as_bytes());
                kind::SESSION_STARTED
            }
            Self::Attached {
                session,
                expiry_s,
                at_ms,
            } => {
                put_numbers(out, [session.0, u64::from(*expiry_s), *at_ms]);
                kind::ATTACHED
            }
            Self::Detached {
                session,
                expiry_s,
                at_ms,
            } => {
                put_numbers(out, [session.0, u64::from(*expiry_s), *at_ms]);
                kind::DETACHED
            }
            Self::SessionEnded { session } => {
                put_number(out, session.0);
                kind::SESSION_ENDED
            }
            Self::Subscribed {
                session,
                topic_filter,
                options,
                subscription_id,
            } => {
                put_number(out, session.0);
                out.push(*options);
                put_optional(out, subscription_id.map(u64::from));
                out.extend_from_slice(topic_filter.as_bytes());
                kind::SUBSCRIBED
            }
            Self::Unsubscribed {
                session,
                topic_filter,
            } => {
                put_number(out, session.0);
                out.extend_from_slice(topic_filter.as_bytes());
                kind::UNSUBSCRIBED
            }
            Self::Will {
                session,
                message,
                delay_s,
                expiry_s,
            } => {
                put_numbers(out, [session.0, u64::from(*delay_s)]);
                put_optional(out, expiry_s.map(u64::from));
                message.encode_head(out);
                kind::WILL
            }
            Self::WillGone { session } => {
                put_number(out, session.0);
                kind::WILL_GONE
            }
            Self::Message {
                id,
                recipients,
                is_retained,
                received,
                message,
            } => {
                put_number(out, id.0);
                put_optional(out, received.map(|packet_id| u64::from(packet_id.get())));
                put_recipients(out, recipients);
                message.encode_head(out);
                match is_retained {
                    true => kind::RETAINED_MESSAGE,
                    false => kind::MESSAGE,
                }
            }
            Self::RetainedRemoved { topic_name } => {
                out.extend_from_slice(topic_name.as_bytes());
                kind::RETAINED_REMOVED
            }
            Self::Begun {
                session,
                id,
                packet_id,
            } => {
                put_numbers(out, [session.0, id.0, u64::from(packet_id.get())]);
                kind::BEGUN
            }
            Self::Confirmed { session, id } => {
                put_numbers(out, [session.0, id.0]);
                kind::CONFIRMED
            }
            Self::Finished {
                session,
                first,
                last,
            } => {
                put_numbers(out, [session.0, first.0, last.0.saturating_sub(first.0)]);
                kind::FINISHED
            }
            Self::Received { session, packet_id } => {
                put_numbers(out, [session.0, u64::from(packet_id.get())]);
                kind::RECEIVED
            }
            Self::Released { session, packet_id } => {
                put_numbers(out, [session.0, u64::from(packet_id.get())]);
                kind::RELEASED
            }
            Self::Delayed {
                id,
                due_ms,
                publisher_id,
                received,
                message,
            } => {
                put_numbers(out, [*id, *due_ms]);
                put_optional(out, received.map(|packet_id| u64::from(packet_id.get())));
                put_bytes(out, publisher_id.as_bytes());
                message.encode_head(out);
                kind::DELAYED
            }
            Self::DelayedDone { id } => {
                put_number(out, *id);
                kind::DELAYED_DONE
            }
        }
    }
}

impl Record<'_> {
    /// What stands behind the head: Topic Name, properties and payload of a message.
    pub(crate) fn block(&self) -> &[u8] {
        match self {
            Self::Message { message, .. }
            | Self::Will { message, .. }
            | Self::Delayed { message, .. } => &message.block,
            _ => &[],
        }
    }

    /// The session it is about, which has to be there for it to mean anything.
    pub(crate) const fn session(&self) -> Option<SessionId> {
        match self {
            Self::Attached { session, .. }
            | Self::Detached { session, .. }
            | Self::SessionEnded { session }
            | Self::Subscribed { session, .. }
            | Self::Unsubscribed { session, .. }
            | Self::Will { session, .. }
            | Self::WillGone { session }
            | Self::Begun { session, .. }
            | Self::Confirmed { session, .. }
            | Self::Finished { session, .. }
            | Self::Received { session, .. }
            | Self::Released { session, .. } => Some(*session),
            Self::SessionStarted { .. }
            | Self::Message { .. }
            | Self::RetainedRemoved { .. }
            | Self::Delayed { .. }
            | Self::DelayedDone { .. } => None,
        }
    }

    /// Whether it gives space back, or is needed for that: a full disk takes it all the same.
    pub(crate) const fn is_freeing(&self) -> bool {
        !matches!(
            self,
            Self::SessionStarted { .. }
                | Self::Subscribed { .. }
                | Self::Will { .. }
                | Self::Message { .. }
                | Self::Delayed { .. }
        )
    }
}

impl<'a> Record<'a> {
    /// Reads one record, all of `bytes`.
    ///
    /// # Errors
    /// [`BadRecord`] when it is none of this kind and version.
    pub fn decode(kind: u8, version: u8, bytes: &'a [u8]) -> Result<Self, BadRecord> {
        let mut fields = Fields::new(bytes);
        if version != VERSION {
            return Err(BadRecord);
        }
        if kind == kind::RETAINED_REMOVED {
            let topic_name = rest_as_text(fields)?;
            return Ok(Self::RetainedRemoved { topic_name });
        }
        let number = fields.number()?;
        let session = SessionId(number);
        let record = match kind {
            kind::SESSION_STARTED => {
                let (expiry_s, at_ms) = (fields.number_u32()?, fields.number()?);
                let client_id = rest_as_text(fields)?;
                return Ok(Self::SessionStarted {
                    session,
                    client_id,
                    expiry_s,
                    at_ms,
                });
            }
            kind::ATTACHED => Self::Attached {
                session,
                expiry_s: fields.number_u32()?,
                at_ms: fields.number()?,
            },
            kind::DETACHED => Self::Detached {
                session,
                expiry_s: fields.number_u32()?,
                at_ms: fields.number()?,
            },
            kind::SESSION_ENDED => Self::SessionEnded { session },
            kind::SUBSCRIBED => {
                let (options, subscription_id) = (fields.byte()?, fields.optional_u32()?);
                let topic_filter = rest_as_text(fields)?;
                return Ok(Self::Subscribed {
                    session,
                    topic_filter,
                    options,
                    subscription_id,
                });
            }
            kind::UNSUBSCRIBED => {
                let topic_filter = rest_as_text(fields)?;
                return Ok(Self::Unsubscribed {
                    session,
                    topic_filter,
                });
            }
            kind::WILL => {
                return Ok(Self::Will {
                    session,
                    delay_s: fields.number_u32()?,
                    expiry_s: fields.optional_u32()?,
                    message: StoredMessage::decode(fields)?,
                });
            }
            kind::WILL_GONE => Self::WillGone { session },
            kind::MESSAGE | kind::RETAINED_MESSAGE => {
                return Ok(Self::Message {
                    id: MessageId(number),
                    received: received(&mut fields)?,
                    recipients: recipients(&mut fields)?,
                    is_retained: kind == kind::RETAINED_MESSAGE,
                    message: StoredMessage::decode(fields)?,
                });
            }
            kind::BEGUN => Self::Begun {
                session,
                id: MessageId(fields.number()?),
                packet_id: packet_id(&mut fields)?,
            },
            kind::CONFIRMED => Self::Confirmed {
                session,
                id: MessageId(fields.number()?),
            },
            kind::FINISHED => {
                let first = fields.number()?;
                let last = first.checked_add(fields.number()?).ok_or(BadRecord)?;
                Self::Finished {
                    session,
                    first: MessageId(first),
                    last: MessageId(last),
                }
            }
            kind::RECEIVED => Self::Received {
                session,
                packet_id: packet_id(&mut fields)?,
            },
            kind::RELEASED => Self::Released {
                session,
                packet_id: packet_id(&mut fields)?,
            },
            kind::DELAYED => {
                return Ok(Self::Delayed {
                    id: number,
                    due_ms: fields.number()?,
                    received: received(&mut fields)?,
                    publisher_id: fields.text()?.into(),
                    message: StoredMessage::decode(fields)?,
                });
            }
            kind::DELAYED_DONE => Self::DelayedDone { id: number },
            _ => return Err(BadRecord),
        };
        fields.end()?;
        Ok(record)
    }
}

fn put_numbers<const N: usize>(out: &mut Vec<u8>, numbers: [u64; N]) {
    for number in numbers {
        put_number(out, number);
    }
}

const RECIPIENT_QOS: u8 = 0b11;
const RECIPIENT_RETAIN: u8 = 1 << 2;
const RECIPIENT_HAS_IDS: u8 = 1 << 3;
const RECIPIENT_IS_SHARED: u8 = 1 << 4;

fn put_recipients(out: &mut Vec<u8>, recipients: &[Recipient<'_>]) {
    put_number(out, u64::try_from(recipients.len()).unwrap_or(u64::MAX));
    for recipient in recipients {
        put_number(out, recipient.session.0);
        let mut flags = recipient.qos & RECIPIENT_QOS;
        if recipient.retain {
            flags |= RECIPIENT_RETAIN;
        }
        if !recipient.subscription_ids.is_empty() {
            flags |= RECIPIENT_HAS_IDS;
        }
        if recipient.shared_filter.is_some() {
            flags |= RECIPIENT_IS_SHARED;
        }
        out.push(flags);
        if !recipient.subscription_ids.is_empty() {
            let count = recipient.subscription_ids.len();
            put_number(out, u64::try_from(count).unwrap_or(u64::MAX));
            for id in &recipient.subscription_ids {
                put_number(out, u64::from(*id));
            }
        }
        if let Some(filter) = &recipient.shared_filter {
            put_bytes(out, filter.as_bytes());
        }
    }
}

fn recipients<'a>(fields: &mut Fields<'a>) -> Result<Cow<'a, [Recipient<'a>]>, BadRecord> {
    let count = fields.count()?;
    let mut all = Vec::with_capacity(count);
    for _ in 0..count {
        let session = SessionId(fields.number()?);
        let flags = fields.byte()?;
        let mut subscription_ids = Vec::new();
        if flags & RECIPIENT_HAS_IDS != 0 {
            for _ in 0..fields.count()? {
                subscription_ids.push(fields.number_u32()?);
            }
        }
        let shared_filter = match flags & RECIPIENT_IS_SHARED {
            0 => None,
            _ => Some(fields.text()?.into()),
        };
        all.push(Recipient {
            session,
            qos: flags & RECIPIENT_QOS,
            retain: flags & RECIPIENT_RETAIN != 0,
            subscription_ids,
            shared_filter,
        });
    }
    Ok(all.into())
}

fn packet_id(fields: &mut Fields<'_>) -> Result<NonZeroU16, BadRecord> {
    let number = u16::try_from(fields.number()?).map_err(|_| BadRecord)?;
    NonZeroU16::new(number).ok_or(BadRecord)
}

fn received(fields: &mut Fields<'_>) -> Result<Option<NonZeroU16>, BadRecord> {
    match fields.optional()? {
        None => Ok(None),
        Some(number) => {
            let number = u16::try_from(number).map_err(|_| BadRecord)?;
            NonZeroU16::new(number).map(Some).ok_or(BadRecord)
        }
    }
}

fn rest_as_text(fields: Fields<'_>) -> Result<Cow<'_, str>, BadRecord> {
    std::str::from_utf8(fields.rest())
        .map(Cow::Borrowed)
        .map_err(|_| BadRecord)
}
