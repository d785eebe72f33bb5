//! Who may connect, publish and subscribe. An answer may be pending: only that client waits.

mod admission;
mod authn;
mod authorizer;
mod expiries;
mod explainer;
mod guard;
#[cfg(feature = "http")]
mod http_client;
#[cfg(feature = "http")]
mod http_source;
mod identity;
mod policy;
mod template;

pub use admission::{Admission, AdmissionGround, AuthenticatorAnswer};
pub use authn::{AuthenticationCounts, UserStore, UserStoreError, UserView};
pub use authorizer::Authorizer;
pub(crate) use expiries::Expiries;
pub use explainer::{AccessAnswer, AccessQuestion, Explainer};
pub use guard::{Guard, UserLoss};
pub use identity::Identity;
pub(crate) use policy::Policy;
pub use policy::{Explanation, Ground, RULE_FILE_LEN_MAX};

use crate::config::LostRight;
use async_trait::async_trait;
use mqtt_access::Rules;
use mqtt_codec::{ProtocolVersion, QoS, ReasonCode};
use mqtt_io::PeerCertificate;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;

/// A decision on one request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Decision {
    /// Go on.
    Allow,
    /// Refuse with this Reason Code; one that the answer cannot carry becomes Not authorized.
    Deny(ReasonCode),
    /// Refuse and end the connection; a v5 client is told this Reason Code by DISCONNECT, or CONNACK if it connects.
    Disconnect(ReasonCode),
}

/// A decision, or the promise of one.
pub enum Answer {
    /// Known now; costs no allocation.
    Ready(Decision),
    /// Known later: the client's input pauses, its order is kept, nobody else waits.
    Pending(Pin<Box<dyn Future<Output = Decision> + Send>>),
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready(decision) => f.debug_tuple("Ready").field(decision).finish(),
            Self::Pending(_) => f.write_str("Pending"),
        }
    }
}

/// Who asks.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ClientInfo {
    /// The Client Identifier, as sent or as assigned.
    pub client_id: Box<str>,
    /// The User Name of CONNECT, or the one that authentication gave instead.
    pub username: Option<Box<str>>,
    /// The address the connection comes from.
    pub peer: SocketAddr,
    /// The version it speaks.
    pub version: ProtocolVersion,
    /// The name of the listener it came through.
    pub listener: Arc<str>,
    /// Whether it may do everything, so that nobody asks.
    pub superuser: bool,
    /// What authentication knows about it; none when that is nothing.
    pub attributes: Option<Arc<BTreeMap<Box<str>, Box<str>>>>,
    /// Rules of its own, which came with its token or from the service that knows it.
    pub rules: Option<Arc<Rules>>,
    /// How it proved who it is; none for one that nobody asked.
    pub identity: Option<Arc<Identity>>,
    /// The certificate it showed and the listener accepted, or the name a trusted proxy took from one.
    pub certificate: Option<Arc<PeerCertificate>>,
}

impl ClientInfo {
    /// One of its attributes.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let attributes = self.attributes.as_deref()?;
        attributes.get(name).map(|value| &**value)
    }
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum AccessRequest<'a> {
    /// To connect.
    Connect {
        /// As sent; empty when the broker is to assign one.
        client_id: &'a str,
        /// As sent.
        username: Option<&'a str>,
        /// As sent.
        password: Option<&'a [u8]>,
        /// The address the connection comes from.
        peer: SocketAddr,
    },
    /// To publish, or to have a Will Message published.
    Publish {
        /// By whom.
        client: &'a ClientInfo,
        /// Where to.
        topic_name: &'a str,
        /// As published.
        qos: QoS,
        /// As published.
        retain: bool,
    },
    /// To subscribe.
    Subscribe {
        /// By whom.
        client: &'a ClientInfo,
        /// What topics are matched with: as written, without `$share/NAME/`, `$queue/` and `$exclusive/`.
        topic_filter: &'a str,
        /// As asked for.
        qos: QoS,
    },
}

/// Decides; called on the connection's task, so it must not block.
pub trait Access: Send + Sync + 'static {
    /// The answer to `request`.
    fn decide(&self, request: &AccessRequest<'_>) -> Answer;

    /// A number that becomes another one when what was decided about publishing may be decided otherwise.
    ///
    /// While it stays the same a client need not be asked about again that publishes to a topic as it did before.
    /// None, the default: every PUBLISH is asked about.
    fn generation(&self) -> Option<NonZeroU32> {
        None
    }

    /// What becomes of a client without a right to one of its subscriptions, which are asked about again when a client
    /// comes back to its session, and by [`Manager::recheck`](crate::Manager::recheck).
    ///
    /// None, the default: they are not asked about again.
    fn on_lost_right(&self) -> Option<LostRight> {
        None
    }

    /// Whether [`may_receive`](Self::may_receive) has anything to say; asked when the broker starts and by
    /// [`Manager::recheck`](crate::Manager::recheck).
    fn decides_on_receipt(&self) -> bool {
        false
    }

    /// Whether a client gets a message that one of its subscriptions brings; called for each delivery, where
    /// [`decides_on_receipt`](Self::decides_on_receipt) says so.
    fn may_receive(&self, _client: &ClientInfo, _topic_name: &str) -> bool {
        true
    }

    /// Why `request` is decided as it is, for the log; none by default.
    fn explain(&self, _request: &AccessRequest<'_>) -> Option<Explanation> {
        None
    }
}

/// Everybody may do everything: the choice for loopback and for `allow_anonymous`.
#[derive(Clone, Copy, Debug, Default)]
pub struct AllowAll;

impl Access for AllowAll {
    fn decide(&self, _request: &AccessRequest<'_>) -> Answer {
        Answer::Ready(Decision::Allow)
    }
}

/// A request that can be kept while an answer is fetched.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum OwnedAccessRequest {
    /// To connect.
    Connect {
        /// As sent; empty when the broker is to assign one.
        client_id: Box<str>,
        /// As sent.
        username: Option<Box<str>>,
        /// As sent.
        password: Option<Box<[u8]>>,
        /// The address the connection comes from.
        peer: SocketAddr,
    },
    /// To publish.
    Publish {
        /// By whom.
        client: ClientInfo,
        /// Where to.
        topic_name: Box<str>,
        /// As published.
        qos: QoS,
        /// As published.
        retain: bool,
    },
    /// To subscribe.
    Subscribe {
        /// By whom.
        client: ClientInfo,
        /// To what.
        topic_filter: Box<str>,
        /// As asked for.
        qos: QoS,
    },
}

impl From<&AccessRequest<'_>> for OwnedAccessRequest {
    fn from(request: &AccessRequest<'_>) -> Self {
        match *request {
            AccessRequest::Connect {
                client_id,
                username,
                password,
                peer,
            } => Self::Connect {
                client_id: client_id.into(),
                username: username.map(Into::into),
                password: password.map(Into::into),
                peer,
            },
            AccessRequest::Publish {
                client,
                topic_name,
                qos,
                retain,
            } => Self::Publish {
                client: client.clone(),
                topic_name: topic_name.into(),
                qos,
                retain,
            },
            AccessRequest::Subscribe {
                client,
                topic_filter,
                qos,
            } => Self::Subscribe {
                client: client.clone(),
                topic_filter: topic_filter.into(),
                qos,
            },
        }
    }
}

impl OwnedAccessRequest {
    /// The same without a copy.
    #[must_use]
    pub fn borrowed(&self) -> AccessRequest<'_> {
        match self {
            Self::Connect {
                client_id,
                username,
                password,
                peer,
            } => AccessRequest::Connect {
                client_id,
                username: username.as_deref(),
                password: password.as_deref(),
                peer: *peer,
            },
            Self::Publish {
                client,
                topic_name,
                qos,
                retain,
            } => AccessRequest::Publish {
                client,
                topic_name,
                qos: *qos,
                retain: *retain,
            },
            Self::Subscribe {
                client,
                topic_filter,
                qos,
            } => AccessRequest::Subscribe {
                client,
                topic_filter,
                qos: *qos,
            },
        }
    }
}

/// Decides by waiting for something: an HTTP service, a database.
#[async_trait]
pub trait AsyncAccess: Send + Sync + 'static {
    /// An answer known without waiting, from a cache for example; none by default.
    fn decide_now(&self, _request: &AccessRequest<'_>) -> Option<Decision> {
        None
    }

    /// The answer to `request`.
    async fn decide(&self, request: OwnedAccessRequest) -> Decision;
}

/// Makes an [`AsyncAccess`] an [`Access`].
#[derive(Debug)]
pub struct Deferred<A>(Arc<A>);

impl<A: AsyncAccess> Deferred<A> {
    /// Answers from `access`.
    pub fn new(access: A) -> Self {
        Self(Arc::new(access))
    }
}

impl<A: AsyncAccess> Access for Deferred<A> {
    fn decide(&self, request: &AccessRequest<'_>) -> Answer {
        if let Some(decision) = self.0.decide_now(request) {
            return Answer::Ready(decision);
        }
        let (access, request) = (Arc::clone(&self.0), OwnedAccessRequest::from(request));
        Answer::Pending(Box::pin(async move { access.decide(request).await }))
    }
}
