//! What a program that embeds the broker can see and change: publications, deliveries, and what happens to clients.
//!
//! Hooks run on the connection's task, so they must not block. A kind of call that no hook is interested in
//! costs one test of a bit.

use crate::access::ClientInfo;
use crate::core::cause::{DropCause, EndCause, RequestRefused, SessionEnd};
use bytes::Bytes;
use mqtt_codec::{Properties, QoS, ReasonCode, SubscriptionOptions};
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;

/// Kinds of calls a hook wants; combined by [`Interest::and`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Interest(pub(crate) u16);

impl Interest {
    /// No call.
    pub const NONE: Self = Self(0);
    /// [`Hooks::publish`].
    pub const PUBLISH: Self = Self(1);
    /// [`Hooks::deliver`].
    pub const DELIVER: Self = Self(1 << 1);
    /// [`Hooks::acked`].
    pub const ACKED: Self = Self(1 << 2);
    /// [`Hooks::dropped`].
    pub const DROPPED: Self = Self(1 << 3);
    /// [`Hooks::connected`], [`Hooks::disconnected`] and [`Hooks::refused`].
    pub const CLIENTS: Self = Self(1 << 4);
    /// [`Hooks::subscribed`] and [`Hooks::unsubscribed`].
    pub const SUBSCRIPTIONS: Self = Self(1 << 5);
    /// [`Hooks::session_started`] and [`Hooks::session_ended`].
    pub const SESSIONS: Self = Self(1 << 6);
    /// [`Hooks::request_refused`].
    pub const REFUSALS: Self = Self(1 << 7);
    /// Every call.
    pub const ALL: Self = Self((1 << 8) - 1);
    /// No call of a hook: [`Access::may_receive`](crate::Access::may_receive).
    pub(crate) const RECEIPT: Self = Self(1 << 8);
    /// What has a say in whether a message is delivered.
    pub(crate) const OF_DELIVERY: Self = Self::DELIVER.and(Self::RECEIPT);

    /// Both kinds.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether any kind of `other` is among these.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// A message a client is allowed to publish, before anything was done with it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Publication<'a> {
    /// Who publishes; none for Will Messages and for what the embedding program publishes.
    pub client: Option<&'a ClientInfo>,
    /// Where to, Topic Aliases resolved and rewriting rules applied.
    pub topic_name: &'a str,
    /// The content.
    pub payload: &'a [u8],
    /// As published.
    pub qos: QoS,
    /// As published.
    pub retain: bool,
    /// As published; empty before v5.
    pub properties: Properties<'a>,
}

/// What becomes of a publication.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum PublishVerdict {
    /// It goes on as it is.
    #[default]
    Pass,
    /// It goes on changed.
    Change(Box<Changes>),
    /// It is acknowledged as if all were well and goes nowhere; counted as [`DropCause::Hook`].
    Discard,
    /// It is refused with this Reason Code; the connection of a version that cannot say so is closed.
    Refuse(ReasonCode),
}

/// What a hook changes in a publication; none of it by default.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Changes {
    /// Another Topic Name; one that is not valid counts as [`PublishVerdict::Refuse`] with Topic Name invalid.
    pub topic_name: Option<String>,
    /// Another content.
    pub payload: Option<Bytes>,
    /// Another QoS for delivery; the publisher's acknowledgements stay as they are.
    pub qos: Option<QoS>,
    /// Another retain flag.
    pub retain: Option<bool>,
}

/// A verdict, or the promise of one.
pub enum PublishAnswer {
    /// Known now; costs no allocation.
    Ready(PublishVerdict),
    /// Known later: the client's input pauses, its order is kept, nobody else waits.
    Pending(Pin<Box<dyn Future<Output = PublishVerdict> + Send>>),
}

impl fmt::Debug for PublishAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready(verdict) => f.debug_tuple("Ready").field(verdict).finish(),
            Self::Pending(_) => f.write_str("Pending"),
        }
    }
}

/// A message on its way to one subscriber, before it is encoded for it or queued.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Handover<'a> {
    /// The subscriber.
    pub client_id: &'a str,
    /// Where it was published.
    pub topic_name: &'a str,
    /// The content.
    pub payload: &'a [u8],
    /// As it will be delivered.
    pub qos: QoS,
    /// As it will be delivered.
    pub retain: bool,
}

/// Whether one subscriber gets one message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DeliverVerdict {
    /// It does.
    Pass,
    /// It does not, which is counted as [`DropCause::Hook`].
    Withhold,
}

/// A subscriber has taken responsibility for a message: PUBACK, or PUBREC at QoS 2.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Acked<'a> {
    /// The subscriber.
    pub client_id: &'a str,
    /// Where it was published.
    pub topic_name: &'a str,
    /// The content.
    pub payload: &'a [u8],
    /// As published.
    pub qos: QoS,
}

/// A message that does not reach a subscriber, or nobody at all.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Dropped<'a> {
    /// Why.
    pub cause: DropCause,
    /// Whom it does not reach; none when it was dropped before anybody was looked up.
    pub client_id: Option<&'a str>,
    /// Where it was published; empty when many are dropped at once with their session.
    pub topic_name: &'a str,
    /// How many messages; more than 1 only when many are dropped at once.
    pub messages: u64,
}

/// Called as things happen; each method does nothing unless it is written.
///
/// [`Hooks::interest`] says which are called at all. With several hooks each sees what the one before it made of a
/// publication. A `publish` that was answered at once is asked again when a later hook's answer came late.
pub trait Hooks: Send + Sync + 'static {
    /// Which of the methods are to be called; asked for often, so it must be cheap.
    fn interest(&self) -> Interest;

    /// A client publishes something it is allowed to.
    fn publish(&self, _publication: &Publication<'_>) -> PublishAnswer {
        PublishAnswer::Ready(PublishVerdict::Pass)
    }

    /// A message goes to one subscriber. Retained messages on their way to a new subscription are not asked for.
    fn deliver(&self, _handover: &Handover<'_>) -> DeliverVerdict {
        DeliverVerdict::Pass
    }

    /// A subscriber acknowledged a message of QoS 1 or 2.
    fn acked(&self, _acked: &Acked<'_>) {}

    /// A message was dropped.
    fn dropped(&self, _dropped: &Dropped<'_>) {}

    /// A client's CONNECT was accepted.
    fn connected(&self, _client: &ClientInfo, _session_present: bool) {}

    /// The connection of a client that was accepted is over.
    fn disconnected(&self, _client: &ClientInfo, _cause: EndCause) {}

    /// A connection ended before a client was accepted; `client_id` is empty when its CONNECT did not come so far.
    fn refused(&self, _peer: SocketAddr, _client_id: &str, _cause: EndCause) {}

    /// A subscription was made or replaced; the filter is as the client wrote it, after rewriting.
    fn subscribed(&self, _client_id: &str, _topic_filter: &str, _options: SubscriptionOptions) {}

    /// A client unsubscribed; not called for the subscriptions that end with their session.
    fn unsubscribed(&self, _client_id: &str, _topic_filter: &str) {}

    /// A client that is connected was refused a PUBLISH, or a Topic Filter of a SUBSCRIBE; `topic` is as it wrote it.
    fn request_refused(&self, _client: &ClientInfo, _topic: &str, _cause: RequestRefused) {}

    /// A session began.
    fn session_started(&self, _client_id: &str) {}

    /// A session ended.
    fn session_ended(&self, _client_id: &str, _cause: SessionEnd) {}
}
