//! A received Application Message.

use crate::MessageProperties;
use crate::answer::Acker;
use bytes::Bytes;
use mqtt_codec::{Delivery, PacketId, Publish, QoS, ReasonCode, TopicName};
use std::num::NonZeroU16;
use std::str::Utf8Error;
use std::sync::{Arc, Mutex, PoisonError};

/// A received Application Message; cheap to clone.
///
/// One of a subscription with [manual acknowledgement](crate::Subscribe::manual_ack) is answered by [`Message::ack`] or
/// [`Message::reject`], once for all clones. Spec: v5 §3.3.
#[derive(Clone, Debug)]
pub struct Message {
    heading: Arc<Heading>,
    payload: Bytes,
    qos: QoS,
    retain: bool,
    dup: bool,
    packet_id: Option<PacketId>,
    /// None where nobody has to answer, and once somebody has.
    acker: Option<Arc<Mutex<Option<Acker>>>>,
}

/// What messages in a row often have in common.
#[derive(Debug, Default)]
pub(crate) struct Heading {
    topic_name: Arc<str>,
    properties: Option<Arc<MessageProperties>>,
    /// Part of the properties as they were received.
    topic_alias: Option<NonZeroU16>,
}

/// What the last message had, as the next one often has the same.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    /// INVARIANT: a Topic Name of at most [`RECENT_LEN_MAX`] bytes, and properties of as many.
    heading: Arc<Heading>,
    /// Its properties as they were received.
    block: Vec<u8>,
}

/// Bytes of a Topic Name, and of properties, that are worth keeping for the next message.
const RECENT_LEN_MAX: usize = 256;

impl Recent {
    /// Topic Name and properties of `publish`.
    fn next(&mut self, publish: &Publish<'_>) -> Arc<Heading> {
        let topic_name = publish.topic_name.map_or("", TopicName::as_str);
        let block = publish.properties.raw();
        let has_topic_name = *self.heading.topic_name == *topic_name;
        let has_properties = block.is_some_and(|block| *self.block == *block);
        if has_topic_name && has_properties {
            return Arc::clone(&self.heading);
        }
        let new = Arc::new(Heading {
            topic_name: match has_topic_name {
                true => Arc::clone(&self.heading.topic_name),
                false => topic_name.into(),
            },
            properties: match has_properties {
                true => self.heading.properties.clone(),
                false => (!publish.properties.is_empty())
                    .then(|| Arc::new(MessageProperties::of(&publish.properties))),
            },
            topic_alias: match has_properties {
                true => self.heading.topic_alias,
                false => publish.properties.topic_alias(),
            },
        });
        if let Some(block) = block
            && block.len().max(topic_name.len()) <= RECENT_LEN_MAX
        {
            self.block.clear();
            self.block.extend_from_slice(block);
            self.heading = Arc::clone(&new);
        }
        new
    }
}

/// What a message without properties answers.
static NO_PROPERTIES: MessageProperties = MessageProperties {
    payload_format: None,
    message_expiry_s: None,
    content_type: None,
    response_topic: None,
    correlation_data: None,
    user_properties: Vec::new(),
    subscription_identifiers: Vec::new(),
};

impl Message {
    #[cfg(test)]
    pub(crate) fn of(publish: &Publish<'_>) -> Self {
        Self::after(&mut Recent::default(), publish, false, None)
    }

    /// The message in `publish`, which came after `recent` with the Topic Name `known`.
    ///
    /// Its bytes are those of `shared`, if there is one.
    pub(crate) fn after(
        recent: &mut Recent,
        publish: &Publish<'_>,
        is_known: bool,
        shared: Option<&Bytes>,
    ) -> Self {
        let heading = match is_known {
            true => Arc::clone(&recent.heading),
            false => recent.next(publish),
        };
        let payload = match shared {
            Some(shared) => shared.slice_ref(publish.payload),
            None => Bytes::copy_from_slice(publish.payload),
        };
        Self {
            heading,
            payload,
            qos: Delivery::qos(publish.delivery),
            retain: publish.retain,
            dup: publish.dup,
            packet_id: Delivery::packet_id(publish.delivery),
            acker: None,
        }
    }

    pub(crate) fn with_acker(mut self, acker: Acker) -> Self {
        self.acker = Some(Arc::new(Mutex::new(Some(acker))));
        self
    }

    /// Acknowledges it; does nothing at QoS 0, without manual acknowledgement, and the second time.
    ///
    /// May be called in any order and from any task: the acknowledgements leave in the order the messages came.
    pub fn ack(&self) {
        if let Some(acker) = self.take_acker() {
            acker.ack();
        }
    }

    /// Refuses it with `reason`, 0x80 or above; does nothing where [`Message::ack`] does nothing.
    ///
    /// Before v5, which has no refusal, it is acknowledged. Spec: v5 §3.4.2.1, §3.5.2.1.
    pub fn reject(&self, reason: ReasonCode) {
        if let Some(acker) = self.take_acker() {
            acker.reject(reason);
        }
    }

    /// Takes the right to answer out of the message, so that the one need not be kept for the other.
    pub fn take_acker(&self) -> Option<Acker> {
        let acker = self.acker.as_ref()?;
        // Nothing panics while it is held.
        acker.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The payload as text.
    ///
    /// # Errors
    /// It is not UTF-8.
    pub fn text(&self) -> Result<&str, Utf8Error> {
        std::str::from_utf8(&self.payload)
    }

    /// Topic Name and properties, to compare by where they lie.
    pub(crate) const fn heading(&self) -> &Arc<Heading> {
        &self.heading
    }

    pub(crate) fn shared_topic_name(&self) -> Arc<str> {
        Arc::clone(&self.heading.topic_name)
    }

    /// The Topic Name it was published under; a Topic Alias is resolved already.
    pub fn topic_name(&self) -> &str {
        &self.heading.topic_name
    }

    /// What was published.
    pub fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// The QoS it was delivered with: the lower of publisher's and subscription's.
    pub fn qos(&self) -> QoS {
        self.qos
    }

    /// Whether the server had it retained (or, with Retain As Published, the publisher asked for that).
    pub fn retain(&self) -> bool {
        self.retain
    }

    /// Whether the server may have sent it before.
    pub fn dup(&self) -> bool {
        self.dup
    }

    /// The Packet Identifier it came with; none at QoS 0, and not the publisher's. Spec: v5 §2.2.1.
    pub fn packet_id(&self) -> Option<u16> {
        self.packet_id.map(PacketId::get)
    }

    /// The Topic Alias the server used for it, which says nothing of what was published. Spec: v5 §3.3.2.3.4.
    pub fn topic_alias(&self) -> Option<u16> {
        self.heading.topic_alias.map(NonZeroU16::get)
    }

    /// Its properties; none before v5.
    pub fn properties(&self) -> &MessageProperties {
        let properties = self.heading.properties.as_deref();
        properties.unwrap_or(&NO_PROPERTIES)
    }
}
