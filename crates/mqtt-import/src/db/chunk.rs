//! The chunks of a `mosquitto.db`: formats 2 to 4 of Mosquitto 1.x, 5 and 6 of 1.6 and 2.x.
//!
//! Formats 5 and 6 write the memory of a C structure, with its padding and with 64-bit numbers as the machine has them,
//! and everything else with the highest byte first; the older ones write field by field.

use super::error::{DbError, DbFault};
use super::input::{Fields, Input, PAYLOAD_LEN_MAX, text};
use mqtt_codec::{PacketType, Properties, PropertyScope, TopicFilter, TopicName};
use std::io::{Read, Seek};

/// How the file begins.
const MAGIC: [u8; 15] = *b"\0\xB5\0mosquitto db";
/// The largest chunk besides a message; unit: bytes.
const SMALL_LEN_MAX: u64 = 1 << 20;
/// The largest property block of a message; unit: bytes.
const PROPERTIES_LEN_MAX: u64 = 16 << 20;

const CONFIG: u32 = 1;
const MESSAGE: u32 = 2;
const CLIENT_MESSAGE: u32 = 3;
const RETAINED: u32 = 4;
const SUBSCRIPTION: u32 = 5;
const CLIENT: u32 = 6;

/// What a chunk says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Chunk {
    /// A session.
    Client(Client),
    /// A message that waits for a session, is under way to it, or came from it.
    ClientMessage(ClientMessage),
    /// A message; its payload stays in the file.
    Message(MessageHead),
    /// A message is the retained one of its topic.
    Retained { message: u64 },
    /// A subscription of a session.
    Subscription(Subscription),
    /// Nothing that is needed.
    Other,
}

/// A session.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Client {
    pub(crate) client_id: String,
    /// Session Expiry Interval in seconds; `u32::MAX` never.
    pub(crate) expiry_s: u32,
    /// When its connection ended, in seconds of Unix time; none if that is not known.
    pub(crate) detached_s: Option<u64>,
}

/// A message of a session.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ClientMessage {
    pub(crate) client_id: String,
    pub(crate) message: u64,
    pub(crate) packet_id: u16,
    pub(crate) qos: u8,
    pub(crate) state: u8,
    pub(crate) retain: bool,
    /// Whether it came from the client.
    pub(crate) is_incoming: bool,
    pub(crate) subscription_ids: Box<[u32]>,
}

/// A subscription.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Subscription {
    pub(crate) client_id: String,
    pub(crate) topic_filter: String,
    /// As the byte of the subscription options has it; v5 §3.8.3.1.
    pub(crate) options: u8,
    pub(crate) subscription_id: Option<u32>,
}

/// A message without its payload.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct MessageHead {
    /// Names it in other chunks.
    pub(crate) id: u64,
    /// When it expires, in seconds of Unix time.
    pub(crate) expires_s: Option<u64>,
    pub(crate) publisher_id: String,
    pub(crate) topic_name: String,
    pub(crate) qos: u8,
    pub(crate) retain: bool,
    /// Where the payload begins; unit: bytes.
    pub(crate) payload_at: u64,
    /// Unit: bytes.
    pub(crate) payload_len: u64,
    /// The v5 properties as a block without its length.
    pub(crate) properties: Vec<u8>,
    /// Where the chunk's content begins; unit: bytes.
    pub(crate) at: u64,
    /// The chunk's length; unit: bytes.
    pub(crate) len: u64,
}

/// A `mosquitto.db`, chunk by chunk.
#[derive(Debug)]
pub(crate) struct Chunks<R> {
    input: Input<R>,
    version: u32,
    /// The chunk in hand, but for messages.
    body: Vec<u8>,
}

impl<R: Read + Seek> Chunks<R> {
    /// Reads the head of the file.
    pub(crate) fn open(file: R) -> Result<Self, DbError> {
        let mut input = Input::new(file)?;
        let head = input.array::<15>();
        if head.is_err() || head.is_ok_and(|magic| magic != MAGIC) {
            return Err(DbFault::NotADatabase.at(0));
        }
        let _checksum = input.u32()?;
        let at = input.position();
        let version = input.u32()?;
        match version {
            2..=6 => Ok(Self {
                input,
                version,
                body: Vec::new(),
            }),
            version => Err(DbFault::Version(version).at(at)),
        }
    }

    /// The next chunk; none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Chunk>, DbError> {
        let start = self.input.position();
        if self.input.left() == 0 {
            return Ok(None);
        }
        let kind = match self.is_old() {
            true => u32::from(self.input.u16()?),
            false => self.input.u32()?,
        };
        let len = u64::from(self.input.u32()?);
        if len > self.input.left() {
            return Err(DbFault::Truncated.at(start));
        }
        let at = self.input.position();
        let chunk = match kind {
            MESSAGE => {
                let head = self.message(at, len)?;
                let end = at + len;
                self.input.skip(end.saturating_sub(self.input.position()))?;
                return Ok(Some(Chunk::Message(head)));
            }
            CONFIG | CLIENT_MESSAGE | RETAINED | SUBSCRIPTION | CLIENT => {
                let mut body = std::mem::take(&mut self.body);
                self.input.read_into(&mut body, len, SMALL_LEN_MAX)?;
                let chunk = self.small(kind, Fields::new(&body, at));
                self.body = body;
                chunk?
            }
            kind => {
                let value = u64::from(kind);
                return Err(DbFault::Value {
                    what: "the kind of a chunk",
                    value,
                }
                .at(start));
            }
        };
        Ok(Some(chunk))
    }

    /// A message that was found before, with Topic Name, properties and payload behind one another in `block`.
    pub(crate) fn read_message(
        &mut self,
        at: u64,
        len: u64,
        block: &mut Vec<u8>,
    ) -> Result<MessageHead, DbError> {
        self.input.go_to(at)?;
        let head = self.message(at, len)?;
        block.clear();
        block.extend_from_slice(head.topic_name.as_bytes());
        block.extend_from_slice(&head.properties);
        self.input.go_to(head.payload_at)?;
        self.input
            .append_to(block, head.payload_len, PAYLOAD_LEN_MAX)?;
        Ok(head)
    }

    const fn is_old(&self) -> bool {
        self.version < 5
    }

    fn small(&self, kind: u32, fields: Fields<'_>) -> Result<Chunk, DbError> {
        Ok(match (kind, self.version) {
            (CLIENT, 2..=4) => Chunk::Client(old_client(fields, self.version)?),
            (CLIENT, version) => Chunk::Client(client(fields, version)?),
            (CLIENT_MESSAGE, 2..=4) => Chunk::ClientMessage(old_client_message(fields)?),
            (CLIENT_MESSAGE, _) => Chunk::ClientMessage(client_message(fields)?),
            (SUBSCRIPTION, 2..=4) => Chunk::Subscription(old_subscription(fields)?),
            (SUBSCRIPTION, _) => Chunk::Subscription(subscription(fields)?),
            (RETAINED, _) => retained(fields)?,
            _ => Chunk::Other,
        })
    }

    /// Reads a message's chunk but for the payload.
    fn message(&mut self, at: u64, len: u64) -> Result<MessageHead, DbError> {
        let head = match self.is_old() {
            true => self.old_message(at, len)?,
            false => self.new_message(at, len)?,
        };
        if TopicName::try_new(&head.topic_name).is_err() {
            return Err(DbFault::Topic.at(at));
        }
        let scope = PropertyScope::Packet(PacketType::Publish);
        if Properties::try_from_raw(&head.properties, scope).is_err() {
            return Err(DbFault::Properties.at(at));
        }
        if head.qos > 2 {
            let value = u64::from(head.qos);
            return Err(DbFault::Value {
                what: "a QoS",
                value,
            }
            .at(at));
        }
        Ok(head)
    }

    fn new_message(&mut self, at: u64, len: u64) -> Result<MessageHead, DbError> {
        let fixed: [u8; 32] = self.input.array()?;
        let mut fields = Fields::new(&fixed, at);
        let (id, expires_s) = (fields.native_u64()?, fields.native_i64()?);
        let payload_len = u64::from(fields.u32()?);
        let _packet_id = fields.u16()?;
        let (id_len, username_len, topic_len) = (fields.u16()?, fields.u16()?, fields.u16()?);
        let _port = fields.u16()?;
        let (qos, retain) = (fields.u8()?, fields.u8()? != 0);
        let publisher_id = self.text(id_len)?;
        self.input.skip(u64::from(username_len))?;
        let topic_name = self.text(topic_len)?;
        let payload_at = self.input.position();
        self.input.skip(payload_len)?;
        let left = (at + len).checked_sub(self.input.position());
        let left = left.ok_or_else(|| DbFault::Length.at(at))?;
        let mut properties = Vec::new();
        self.input
            .read_into(&mut properties, left, PROPERTIES_LEN_MAX)?;
        let properties = without_len(&properties, at)?.to_vec();
        Ok(MessageHead {
            id,
            expires_s: u64::try_from(expires_s).ok().filter(|at| *at > 0),
            publisher_id,
            topic_name,
            qos,
            retain,
            payload_at,
            payload_len,
            properties,
            at,
            len,
        })
    }

    fn old_message(&mut self, at: u64, len: u64) -> Result<MessageHead, DbError> {
        let id = u64::from_le_bytes(self.input.array()?);
        let id_len = self.input.u16()?;
        let publisher_id = self.text(id_len)?;
        if self.version == 4 {
            let username_len = self.input.u16()?;
            self.input.skip(u64::from(username_len) + 2)?;
        }
        let _packet_ids: [u8; 4] = self.input.array()?;
        let topic_len = self.input.u16()?;
        let topic_name = self.text(topic_len)?;
        let [qos, retain] = self.input.array()?;
        let payload_len = u64::from(self.input.u32()?);
        let payload_at = self.input.position();
        if payload_at.checked_add(payload_len) != at.checked_add(len) {
            return Err(DbFault::Length.at(at));
        }
        Ok(MessageHead {
            id,
            expires_s: None,
            publisher_id,
            topic_name,
            qos,
            retain: retain != 0,
            payload_at,
            payload_len,
            properties: Vec::new(),
            at,
            len,
        })
    }

    fn text(&mut self, len: u16) -> Result<String, DbError> {
        let at = self.input.position();
        let mut body = std::mem::take(&mut self.body);
        self.input
            .read_into(&mut body, u64::from(len), u64::from(u16::MAX))?;
        let text = text(&body, at);
        self.body = body;
        text
    }
}

fn client(mut fields: Fields<'_>, version: u32) -> Result<Client, DbError> {
    let all = fields.len();
    let (expires_s, expiry_s) = (fields.native_i64()?, fields.u32()?);
    let _last_packet_id = fields.u16()?;
    let id_len = fields.u16()?;
    let mut username_len = 0;
    if version > 5 {
        let _port = fields.u16()?;
        username_len = fields.u16()?;
    }
    // The structure's end is padded on machines that align 64-bit numbers.
    let texts = usize::from(id_len) + usize::from(username_len);
    let before = all - fields.len();
    let padding = all.checked_sub(before + texts);
    match padding {
        Some(padding @ (0 | 4)) => fields.take(padding)?,
        _ => return Err(fields.error(DbFault::Length)),
    };
    let client_id = fields.text(id_len)?;
    let _username = fields.take(usize::from(username_len))?;
    fields.end()?;
    let expires_s = u64::try_from(expires_s).ok().filter(|at| *at > 0);
    Ok(Client {
        client_id,
        expiry_s,
        detached_s: expires_s.and_then(|at| at.checked_sub(u64::from(expiry_s))),
    })
}

fn old_client(mut fields: Fields<'_>, version: u32) -> Result<Client, DbError> {
    let client_id = fields.counted_text()?;
    let _last_packet_id = fields.u16()?;
    let detached_s = match (version, fields.len()) {
        (2, _) => None,
        // The time of the machine that wrote it has 64 bits, or 32.
        (_, 8) => u64::try_from(fields.native_i64()?).ok(),
        (_, 4) => Some(u64::from(u32::from_le_bytes(fields.array()?))),
        _ => return Err(fields.error(DbFault::Length)),
    };
    fields.end()?;
    Ok(Client {
        client_id,
        expiry_s: u32::MAX,
        detached_s: detached_s.filter(|at| *at > 0),
    })
}

fn client_message(mut fields: Fields<'_>) -> Result<ClientMessage, DbError> {
    let message = fields.native_u64()?;
    let (packet_id, id_len) = (fields.u16()?, fields.u16()?);
    let [qos, state, retain_dup, direction] = fields.array()?;
    let client_id = fields.text(id_len)?;
    let properties = without_len(fields.rest(), fields.offset())?;
    Ok(ClientMessage {
        client_id,
        message,
        packet_id,
        qos,
        state,
        retain: retain_dup & 0xF0 != 0,
        is_incoming: direction == 0,
        subscription_ids: subscription_ids(properties)
            .ok_or_else(|| fields.error(DbFault::Properties))?,
    })
}

fn old_client_message(mut fields: Fields<'_>) -> Result<ClientMessage, DbError> {
    let client_id = fields.counted_text()?;
    let message = fields.native_u64()?;
    let packet_id = fields.u16()?;
    let [qos, retain, direction, state, _dup] = fields.array()?;
    fields.end()?;
    Ok(ClientMessage {
        client_id,
        message,
        packet_id,
        qos,
        state,
        retain: retain != 0,
        is_incoming: direction == 0,
        subscription_ids: Box::default(),
    })
}

fn subscription(mut fields: Fields<'_>) -> Result<Subscription, DbError> {
    let identifier = fields.u32()?;
    let (id_len, filter_len) = (fields.u16()?, fields.u16()?);
    let (qos, options) = (fields.u8()?, fields.u8()?);
    let _padding: [u8; 2] = fields.array()?;
    let client_id = fields.text(id_len)?;
    let topic_filter = fields.text(filter_len)?;
    subscribed(fields, client_id, topic_filter, qos, options, identifier)
}

fn old_subscription(mut fields: Fields<'_>) -> Result<Subscription, DbError> {
    let client_id = fields.counted_text()?;
    let topic_filter = fields.counted_text()?;
    let qos = fields.u8()?;
    subscribed(fields, client_id, topic_filter, qos, 0, 0)
}

fn subscribed(
    fields: Fields<'_>,
    client_id: String,
    topic_filter: String,
    qos: u8,
    options: u8,
    identifier: u32,
) -> Result<Subscription, DbError> {
    fields.end()?;
    if qos > 2 {
        let value = u64::from(qos);
        return Err(fields.error(DbFault::Value {
            what: "a QoS",
            value,
        }));
    }
    if TopicFilter::try_new(&topic_filter).is_err() {
        return Err(fields.error(DbFault::Topic));
    }
    Ok(Subscription {
        client_id,
        topic_filter,
        // No Local and Retain As Published stand at the same bits.
        options: qos | options & 0b1100,
        subscription_id: (identifier != 0).then_some(identifier),
    })
}

fn retained(mut fields: Fields<'_>) -> Result<Chunk, DbError> {
    let message = fields.native_u64()?;
    fields.end()?;
    Ok(Chunk::Retained { message })
}

/// A block of properties behind its length, which is all there is; none if nothing is there.
fn without_len(bytes: &[u8], offset: u64) -> Result<&[u8], DbError> {
    let Some((len, block)) = variable(bytes) else {
        return match bytes.is_empty() {
            true => Ok(bytes),
            false => Err(DbFault::Properties.at(offset)),
        };
    };
    match usize::try_from(len) == Ok(block.len()) {
        true => Ok(block),
        false => Err(DbFault::Length.at(offset)),
    }
}

/// The Subscription Identifiers of a block that has nothing else.
fn subscription_ids(mut block: &[u8]) -> Option<Box<[u32]>> {
    const SUBSCRIPTION_IDENTIFIER: u8 = 0x0B;
    let mut ids = Vec::new();
    while let Some((&SUBSCRIPTION_IDENTIFIER, rest)) = block.split_first() {
        let (id, rest) = variable(rest)?;
        ids.push(id);
        block = rest;
    }
    block.is_empty().then_some(ids.into())
}

/// A Variable Byte Integer and what stands behind it; v5 §1.5.5.
fn variable(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let mut value = 0;
    let mut rest = bytes;
    for shift in [0, 7, 14, 21] {
        let (byte, behind) = rest.split_first()?;
        rest = behind;
        value |= u32::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Some((value, rest));
        }
    }
    None
}
