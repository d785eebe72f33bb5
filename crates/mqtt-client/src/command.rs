//! What handles tell the driver.

use crate::authenticate::ReauthenticateError;
use crate::client::Handle;
use crate::error::{DisconnectError, SubscribeError, UnsubscribeError};
use crate::place::Spot;
use crate::queue::MessageQueue;
use crate::receipts::Reply;
use crate::text::Text;
use crate::{MessageProperties, Published, Subscription};
use bytes::Bytes;
use mqtt_codec::{
    Ack, Delivery, Properties, PropertyList, Publish, QoS, ReasonCode, SubscriptionIdentifier,
    SubscriptionOptions, TopicName,
};
use mqtt_session::{MessageExpiry, OutgoingMessage};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// What handles tell the driver.
///
/// The mailbox itself has no bound; what is in it has: publishes and requests hold a place, one word tells
/// of all acknowledgements, and the rest comes once per subscription.
#[derive(Debug)]
pub(crate) enum Command {
    Publish(Outgoing),
    Request(Request),
    /// Received messages were answered.
    Answers,
    /// The subscription was dropped.
    Drop(Arc<MessageQueue>),
    /// The subscription stays on the server, nobody listens here.
    Detach(Arc<MessageQueue>),
}

/// How handles tell the driver to end; by a way of its own, so that no command that waits for the server is before it.
#[derive(Debug)]
pub(crate) enum Control {
    /// Boxed, for the others are short.
    Disconnect(Box<DisconnectRequest>),
    /// Tell when nothing is under way any more.
    Drain(oneshot::Sender<()>),
    Reauthenticate(oneshot::Sender<Result<(), ReauthenticateError>>),
    /// The last handle was dropped.
    Release,
}

/// A message on its way to the server.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) topic_name: Text,
    pub(crate) payload: Bytes,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) properties: Option<Box<MessageProperties>>,
    pub(crate) reply: Reply,
    pub(crate) expiry: Option<MessageExpiry>,
    /// What PUBREC said.
    pub(crate) received: ReasonCode,
    /// Given back when the message needs no place any more.
    pub(crate) spot: Spot,
    pub(crate) notes: Option<Box<Notes>>,
}

/// What only some messages have.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// What PUBREC said, if it did so in words.
    received: Option<Published>,
    /// Its number in the store, if it is kept there.
    kept: Option<u64>,
}

// It is moved several times on its way, and more would be moved by a call.
const _: () = assert!(size_of::<Command>() <= 128, "a command is short");

impl Notes {
    /// Of a message that is kept in the store under this number.
    #[cfg(feature = "store")]
    pub(crate) fn kept(serial: u64) -> Box<Self> {
        Box::new(Self {
            received: None,
            kept: Some(serial),
        })
    }
}

impl Outgoing {
    /// Its number in the store, if it is kept there.
    pub(crate) fn kept(&self) -> Option<u64> {
        self.notes.as_ref().and_then(|notes| notes.kept)
    }

    /// What PUBREC said, if it did so in words.
    pub(crate) fn take_received_words(&mut self) -> Option<Published> {
        self.notes.as_mut().and_then(|notes| notes.received.take())
    }

    /// Whether it has no more than a topic and a payload, and no answer.
    pub(crate) fn is_plain(&self) -> bool {
        self.qos == QoS::AtMostOnce && self.properties.is_none() && self.expiry.is_none()
    }
}

impl OutgoingMessage for Outgoing {
    fn qos(&self) -> QoS {
        self.qos
    }

    fn with_publish<T>(
        &self,
        dup: bool,
        delivery: Delivery,
        use_publish: impl FnOnce(&Publish<'_>) -> T,
    ) -> Option<T> {
        let set = self
            .properties
            .as_deref()
            .map(MessageProperties::to_list)
            .unwrap_or_default();
        let list = PropertyList::new(&set);
        let publish = Publish {
            dup,
            retain: self.retain,
            delivery,
            topic_name: Some(TopicName::try_new(&self.topic_name).ok()?),
            properties: if set.is_empty() {
                Properties::EMPTY
            } else {
                Properties::from(&list)
            },
            payload: &self.payload,
        };
        Some(use_publish(&publish))
    }

    fn expiry(&self) -> Option<MessageExpiry> {
        self.expiry
    }

    fn forget_body(&mut self) {
        self.payload = Bytes::new();
        self.properties = None;
    }

    fn note_received(&mut self, pubrec: &Ack<'_>) {
        self.received = pubrec.reason;
        if !pubrec.properties.is_empty() {
            let notes = self.notes.get_or_insert_default();
            notes.received = Published::of(pubrec).ok();
        }
    }
}

/// A SUBSCRIBE or UNSUBSCRIBE on its way to the server, or waiting for its answer.
#[derive(Debug)]
pub(crate) enum Request {
    Subscribe(Box<SubscribeRequest>),
    Unsubscribe(UnsubscribeRequest),
    /// What the server had granted and has lost with the session.
    Resubscribe(Vec<Box<str>>),
}

#[derive(Debug)]
pub(crate) struct SubscribeRequest {
    pub(crate) topic_filters: Arc<[Box<str>]>,
    /// One for each filter.
    pub(crate) options: Vec<SubscriptionOptions>,
    pub(crate) user_properties: Vec<(String, String)>,
    /// Of the application's choice.
    pub(crate) identifier: Option<SubscriptionIdentifier>,
    /// For the handle in the subscription; a request keeps no client alive that nobody has any more.
    pub(crate) client: Weak<Handle>,
    pub(crate) queue: Arc<MessageQueue>,
    pub(crate) reply: oneshot::Sender<Result<Subscription, SubscribeError>>,
    pub(crate) permit: OwnedSemaphorePermit,
}

#[derive(Debug)]
pub(crate) struct UnsubscribeRequest {
    pub(crate) topic_filters: Vec<Box<str>>,
    pub(crate) user_properties: Vec<(String, String)>,
    /// None when a dropped subscription is cleared away, which nobody waits for.
    pub(crate) reply: Option<UnsubscribeReply>,
}

#[derive(Debug)]
pub(crate) struct UnsubscribeReply {
    pub(crate) sender: oneshot::Sender<Result<(), UnsubscribeError>>,
    /// Given back with the answer.
    pub(crate) _permit: OwnedSemaphorePermit,
}

#[derive(Debug)]
pub(crate) struct DisconnectRequest {
    pub(crate) timeout: Duration,
    pub(crate) reason: ReasonCode,
    /// How long the server keeps the session, in seconds; none for as long as CONNECT said.
    pub(crate) session_expiry_s: Option<u32>,
    pub(crate) reason_string: Option<String>,
    pub(crate) user_properties: Vec<(String, String)>,
    pub(crate) reply: oneshot::Sender<Result<(), DisconnectError>>,
}
