//! An Application Message as the broker keeps it: one block of bytes, shared by all who wait for it.

use super::session_cell::{NEVER, SessionKey};
use super::wire::SHARE_FROM;
use bytes::Bytes;
use mqtt_codec::{PacketType, Properties, PropertyScope, QoS, TopicName};
use mqtt_store::StoredMessage;
use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU32, Ordering};

/// A block up to this many bytes is used again for another message.
const REUSED_LEN_MAX: usize = 1024;
/// What a place in a queue takes besides the message; in bytes.
const QUEUE_PLACE: i64 = 32;

/// A message on its way to subscribers.
///
/// Topic Name, v5 properties and payload lie in one block, but for a large payload, which connections share
/// while they write it; a copy of the handle costs a reference count.
#[derive(Debug)]
pub struct Message {
    /// Topic Name, property block, payload, in this order.
    block: Vec<u8>,
    /// The payload if it is large: it is not in `block` then.
    large: Option<Box<Bytes>>,
    topic_len: u32,
    properties_len: u32,
    /// Of a PUBLISH, or of the Will in CONNECT.
    scope: PropertyScope,
    /// As published.
    pub qos: QoS,
    /// As published.
    pub retain: bool,
    /// When its Message Expiry Interval has passed, in milliseconds of the broker's clock; [`NEVER`] without one.
    expires_at_ms: u64,
    /// Who published it, for No Local.
    pub publisher: SessionKey,
    /// Stands for the Client Identifier of the publisher, whose session may be another one by the time that a retained
    /// message is sent; 0 where only the session is known.
    publisher_tag: u64,
    /// Queues that hold it.
    queues: AtomicU32,
}

/// What a message is made of, borrowed from the packet it came in or from a [`Message`].
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Where it was published.
    pub topic_name: TopicName<'a>,
    /// As received.
    pub properties: Properties<'a>,
    /// Where `properties` were received: in a PUBLISH, or in the Will of a CONNECT.
    pub scope: PropertyScope,
    /// The Message Expiry Interval left, when it is not what `properties` says; in seconds.
    pub expiry_left_s: Option<u32>,
    /// The content.
    pub payload: &'a [u8],
}

impl Message {
    /// Copies `source`.
    pub fn new(
        source: &Source<'_>,
        qos: QoS,
        retain: bool,
        expires_at_ms: Option<u64>,
        publisher: SessionKey,
    ) -> Self {
        let mut message = Self::empty();
        let large = source.payload.len() >= SHARE_FROM;
        let large = large.then(|| Bytes::copy_from_slice(source.payload));
        message.fill(source, large, qos, retain, expires_at_ms, publisher);
        message
    }

    /// One without anything in it, to be filled.
    pub(crate) fn empty() -> Self {
        Self {
            block: Vec::new(),
            large: None,
            topic_len: 0,
            properties_len: 0,
            scope: PropertyScope::Packet(PacketType::Publish),
            qos: QoS::AtMostOnce,
            retain: false,
            expires_at_ms: NEVER,
            publisher: SessionKey::BROKER,
            publisher_tag: 0,
            queues: AtomicU32::new(0),
        }
    }

    /// Becomes what [`Message::new`] makes; memory it has is used again.
    ///
    /// `large` is the payload of `source` if that is large, none otherwise.
    #[inline]
    pub(crate) fn fill(
        &mut self,
        source: &Source<'_>,
        large: Option<Bytes>,
        qos: QoS,
        retain: bool,
        expires_at_ms: Option<u64>,
        publisher: SessionKey,
    ) {
        let topic = source.topic_name.as_str().as_bytes();
        let properties = source.properties.raw().unwrap_or_default();
        let payload = match &large {
            None => source.payload,
            Some(_) => &[],
        };
        self.block.clear();
        self.block
            .reserve_exact(topic.len() + properties.len() + payload.len());
        self.block.extend_from_slice(topic);
        self.block.extend_from_slice(properties);
        self.block.extend_from_slice(payload);
        self.large = large.map(Box::new);
        self.topic_len = len_u32(topic);
        self.properties_len = len_u32(properties);
        self.scope = source.scope;
        self.qos = qos;
        self.retain = retain;
        self.expires_at_ms = expires_at_ms.unwrap_or(NEVER);
        self.publisher = publisher;
        self.publisher_tag = 0;
        *self.queues.get_mut() = 0;
    }

    /// It was published by the client with this identifier.
    pub(crate) fn set_published_by(&mut self, client_id: &str) {
        self.publisher_tag = tag_of(client_id);
    }

    /// Whether the client with this session and identifier published it; v5 [MQTT-3.8.3-3].
    pub(crate) fn is_published_by(&self, session: SessionKey, client_id: &str) -> bool {
        match self.publisher_tag {
            0 => self.publisher == session,
            tag => tag == tag_of(client_id),
        }
    }

    /// Whether its memory is worth keeping for another one, as far as that one is known.
    pub(crate) fn is_reusable(&self) -> bool {
        self.large.is_none() && self.block.capacity() <= REUSED_LEN_MAX
    }

    /// Whether its memory fits what is made of `source`: not so large that much of it would be for nothing.
    pub(crate) fn fits(&self, source: &Source<'_>) -> bool {
        let properties = source.properties.raw().unwrap_or_default();
        let len = source.topic_name.as_str().len() + properties.len() + source.payload.len();
        self.block.capacity() <= 64 + len * 2
    }

    /// As it is stored.
    pub(crate) fn stored(&self) -> StoredMessage<'_> {
        let mut block = Cow::Borrowed(self.block.as_slice());
        if let Some(large) = &self.large {
            block.to_mut().extend_from_slice(large);
        }
        StoredMessage {
            qos: self.qos.get(),
            retain: self.retain,
            is_of_will: self.scope == PropertyScope::Will,
            expires_at_ms: self.expires_at_ms(),
            publisher: self.publisher.0,
            publisher_tag: self.publisher_tag,
            topic_len: self.topic_len,
            properties_len: self.properties_len,
            block,
        }
    }

    /// As it was stored; none if it was written by something else.
    pub(crate) fn of_stored(stored: &StoredMessage<'_>) -> Option<Self> {
        let scope = match stored.is_of_will {
            true => PropertyScope::Will,
            false => PropertyScope::Packet(PacketType::Publish),
        };
        let source = Source {
            topic_name: TopicName::try_new(stored.topic_name()).ok()?,
            properties: Properties::try_from_raw(stored.properties(), scope).ok()?,
            scope,
            expiry_left_s: None,
            payload: stored.payload(),
        };
        let qos = QoS::from_u8(stored.qos)?;
        let publisher = SessionKey(stored.publisher);
        let expires_at_ms = stored.expires_at_ms;
        let message = Self::new(&source, qos, stored.retain, expires_at_ms, publisher);
        Some(Self {
            publisher_tag: stored.publisher_tag,
            ..message
        })
    }

    /// Where it was published.
    pub fn topic_name(&self) -> &str {
        self.block
            .get(..self.properties_at())
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
            .unwrap_or_default()
    }

    fn properties_at(&self) -> usize {
        self.topic_len as usize
    }

    fn payload_at(&self) -> usize {
        self.topic_len as usize + self.properties_len as usize
    }

    /// The content.
    pub fn payload(&self) -> &[u8] {
        match &self.large {
            Some(large) => large,
            None => self.block.get(self.payload_at()..).unwrap_or_default(),
        }
    }

    /// The content as a handle: a large one is shared, a small one copied.
    pub fn payload_shared(&self) -> Bytes {
        match &self.large {
            Some(large) => Bytes::clone(large),
            None => Bytes::copy_from_slice(self.payload()),
        }
    }

    /// The content, if it is large enough to be shared.
    pub(crate) fn large_payload(&self) -> Option<Bytes> {
        self.large.as_deref().cloned()
    }

    /// The v5 properties it was published with.
    pub fn properties(&self) -> Properties<'_> {
        if self.properties_len == 0 {
            return Properties::EMPTY;
        }
        self.block
            .get(self.properties_at()..self.payload_at())
            .and_then(|block| Properties::try_from_raw(block, self.scope).ok())
            .unwrap_or_default()
    }

    /// Bytes it occupies, for limits.
    pub fn size(&self) -> usize {
        let large_len = self.large.as_ref().map_or(0, |large| large.len());
        self.block.len() + large_len + size_of::<Self>()
    }

    /// [`Message::size`] of a stored one, of which the block has so many bytes.
    pub(crate) fn size_of_stored(block_len: u32) -> usize {
        usize::try_from(block_len)
            .unwrap_or(usize::MAX)
            .saturating_add(size_of::<Self>())
    }

    /// One more queue holds it: the bytes by which all queues together have grown.
    pub(crate) fn enter_queue(&self) -> i64 {
        match self.queues.fetch_add(1, Ordering::Relaxed) {
            0 => QUEUE_PLACE + self.size_signed(),
            _ => QUEUE_PLACE,
        }
    }

    /// One queue less holds it: the bytes by which all queues together have shrunk.
    pub(crate) fn leave_queue(&self) -> i64 {
        match self.queues.fetch_sub(1, Ordering::Relaxed) {
            1 => QUEUE_PLACE + self.size_signed(),
            _ => QUEUE_PLACE,
        }
    }

    fn size_signed(&self) -> i64 {
        i64::try_from(self.size()).unwrap_or(i64::MAX)
    }

    /// Its parts for encoding at `now_ms`; none when it has expired.
    pub(crate) fn source(&self, now_ms: u64) -> Option<Source<'_>> {
        match self.is_expired(now_ms) {
            true => None,
            false => self.source_once_sent(now_ms),
        }
    }

    /// Its parts for encoding again at `now_ms`, expired or not: what was begun is finished; v5 [MQTT-4.3.3-7].
    pub(crate) fn source_once_sent(&self, now_ms: u64) -> Option<Source<'_>> {
        let expiry_left_s = self.expires_at_ms().map(|expires_at_ms| {
            let left_ms = expires_at_ms.saturating_sub(now_ms);
            u32::try_from(left_ms.div_ceil(1000)).unwrap_or(u32::MAX)
        });
        Some(Source {
            topic_name: TopicName::try_new(self.topic_name()).ok()?,
            properties: self.properties(),
            scope: self.scope,
            expiry_left_s,
            payload: self.payload(),
        })
    }

    /// Whether its Message Expiry Interval has passed at `now_ms`, in milliseconds of the broker's clock.
    pub fn is_expired(&self, now_ms: u64) -> bool {
        self.expires_at_ms <= now_ms
    }

    /// When its Message Expiry Interval has passed, in milliseconds of the broker's clock.
    pub fn expires_at_ms(&self) -> Option<u64> {
        Some(self.expires_at_ms).filter(|at_ms| *at_ms != NEVER)
    }
}

/// A number for a Client Identifier; 0 for none.
fn tag_of(client_id: &str) -> u64 {
    if client_id.is_empty() {
        return 0;
    }
    let mut hasher = DefaultHasher::new();
    client_id.hash(&mut hasher);
    hasher.finish().max(1)
}

/// Both fit: they came in a Control Packet, of 256 MB at most.
fn len_u32(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}
