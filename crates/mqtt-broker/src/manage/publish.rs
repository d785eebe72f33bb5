//! Publishing from the embedding program.

use super::Manager;
use crate::core::Incoming;
use crate::core::log::{CommitLog, LogPosition};
use crate::core::message::{Message, Source};
use crate::core::session_cell::SessionKey;
use mqtt_codec::{
    Delivery, Packet, PacketType, Properties, Property, PropertyList, PropertyScope,
    ProtocolVersion, Publish, QoS, ReasonCode, TopicName, frame,
};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

/// A message to be published; made with `Post { retain: true, ..Post::new("topic", b"payload") }`.
#[derive(Clone, Copy, Debug)]
pub struct Post<'a> {
    /// Where to.
    pub topic_name: &'a str,
    /// The content.
    pub payload: &'a [u8],
    /// At which QoS subscribers get it at most.
    pub qos: QoS,
    /// Whether it is kept for later subscribers.
    pub retain: bool,
    /// What v5 subscribers get with it: any property that PUBLISH has, but for Topic Alias and Subscription Identifier.
    pub properties: &'a [Property<'a>],
}

impl<'a> Post<'a> {
    /// A message of QoS 0 that is not retained.
    pub const fn new(topic_name: &'a str, payload: &'a [u8]) -> Self {
        Self {
            topic_name,
            payload,
            qos: QoS::AtMostOnce,
            retain: false,
            properties: &[],
        }
    }
}

/// What became of a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Published {
    /// Clients and groups of a Shared Subscription it went to.
    pub subscribers: usize,
}

/// Why a message was not published: the Reason Code a client would have got.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not published: {0}")]
pub struct NotPublished(pub ReasonCode);

impl Manager {
    /// Publishes without asking [`crate::Access`]; hooks are asked. Returns when what must survive is durable.
    ///
    /// # Errors
    /// [`NotPublished`]: no valid topic, the retained store or the log is full, or a hook refused.
    pub async fn publish(&self, post: &Post<'_>) -> Result<Published, NotPublished> {
        let invalid = NotPublished(ReasonCode::TOPIC_NAME_INVALID);
        let topic_name = TopicName::try_new(post.topic_name).map_err(|_| invalid)?;
        let properties = encode(post.properties)?;
        let (position, subscribers) = self.act(|core, batch, now_ms| {
            let source = Source {
                topic_name,
                properties: Properties::try_from_raw(&properties, SCOPE).unwrap_or_default(),
                scope: SCOPE,
                expiry_left_s: None,
                payload: post.payload,
            };
            let expiry_s = source.properties.message_expiry_interval_s();
            let incoming = Incoming {
                source,
                qos: post.qos,
                retain: post.retain,
                expires_at_ms: expiry_s.map(|s| now_ms.saturating_add(u64::from(s) * 1000)),
                publisher: SessionKey::BROKER,
                publisher_id: "",
                as_received: None,
                received: None,
            };
            core.publish_own(batch, now_ms, &incoming)
                .map_err(NotPublished)
        })?;
        self.durable(position).await;
        Ok(Published { subscribers })
    }

    /// Hands a message that was published at another broker to the clients here, and to nobody else.
    ///
    /// How many it went to. See [`crate::Fabric`].
    pub fn deliver_here(&self, message: &Arc<Message>) -> usize {
        self.act(|core, batch, now_ms| {
            let Some(source) = message.source(now_ms) else {
                return 0;
            };
            let incoming = Incoming {
                source,
                qos: message.qos,
                retain: message.retain,
                expires_at_ms: message.expires_at_ms(),
                publisher: SessionKey::FABRIC,
                publisher_id: "",
                as_received: None,
                received: None,
            };
            let routes = core.router.routes(message.topic_name());
            let accepted = core.publish(batch, now_ms, &incoming, &routes);
            accepted.map_or(0, |accepted| accepted.subscribers)
        })
    }

    async fn durable(&self, position: LogPosition) {
        let log: &Arc<dyn CommitLog> = &self.core.log;
        if position == LogPosition::NONE {
            return;
        }
        poll_fn(|cx| {
            if log.durable() >= position {
                return Poll::Ready(());
            }
            log.wake_when_durable(position, cx.waker());
            match log.durable() >= position {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
    }
}

const SCOPE: PropertyScope = PropertyScope::Packet(PacketType::Publish);

/// The properties as a block, the way a packet carries them.
fn encode(properties: &[Property<'_>]) -> Result<Vec<u8>, NotPublished> {
    let refused = NotPublished(ReasonCode::PAYLOAD_FORMAT_INVALID);
    let is_own = |property: &Property<'_>| {
        matches!(
            property,
            Property::TopicAlias(_) | Property::SubscriptionIdentifier(_)
        )
    };
    if properties.is_empty() {
        return Ok(Vec::new());
    }
    if properties.iter().any(is_own) {
        return Err(refused);
    }
    // Encoded as part of a packet and read again, so that only what a packet can carry is taken.
    let version = ProtocolVersion::from_level(5).ok_or(refused)?;
    let list = PropertyList::new(properties);
    let publish = Packet::Publish(Publish {
        dup: false,
        delivery: Delivery::AtMostOnce,
        retain: false,
        topic_name: Some(TopicName::try_new("a").map_err(|_| refused)?),
        properties: Properties::from(&list),
        payload: b"",
    });
    let len = publish.encoded_len(version).map_err(|_| refused)?;
    let mut bytes = vec![0; len];
    publish.encode(version, &mut bytes).map_err(|_| refused)?;
    let whole = frame(&bytes, u32::MAX).ok().flatten().ok_or(refused)?;
    match Packet::decode(whole, version) {
        Ok(Packet::Publish(publish)) => Ok(publish.properties.raw().unwrap_or_default().to_vec()),
        _ => Err(refused),
    }
}
