//! One error type per operation, each with the server's Reason Code where there is one.

use crate::properties::owned_pairs;
use crate::reconnect::is_refusal_passing;
use crate::{DialError, EndpointError};
use mqtt_auth::AuthError;
use mqtt_codec::{Disconnect, ReasonCode, TopicError};
use mqtt_session::{ClientError, SendRefusal};
use std::fmt;
use std::io;
use std::sync::Arc;

/// Why connecting failed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The address names no server.
    #[error("server address: {0}")]
    Endpoint(#[from] EndpointError),
    /// The Will's topic or response topic is none.
    #[error("will: {0}")]
    Will(TopicError),
    /// The options cannot be put into a CONNECT of the version.
    #[error("connect packet: {0}")]
    Options(SendRefusal),
    /// The Authentication Method does not go on, or the server has not proven itself.
    #[error("authentication: {0}")]
    Authentication(AuthError),
    /// An Authentication Method is set, and the version in use has no AUTH.
    #[error("authentication: the version in use has none but user name and password")]
    AuthenticationNotSupported,
    /// The SRV records of the domain name no server. Feature `srv`.
    #[cfg(feature = "srv")]
    #[error(transparent)]
    Srv(Arc<mqtt_io::SrvError>),
    /// There is no way to the server; the error names the address and the step that failed.
    #[error(transparent)]
    Dial(Arc<DialError>),
    /// The transport failed.
    #[error("{server}: connection failed: {source}")]
    Io {
        /// The address that was tried.
        server: String,
        /// What the system says.
        source: Arc<io::Error>,
    },
    /// The store cannot be used. Feature `store`.
    #[cfg(feature = "store")]
    #[error(transparent)]
    Store(crate::StoreError),
    /// The function that gives the credentials failed.
    #[error("credentials: {0}")]
    Credentials(Arc<dyn std::error::Error + Send + Sync>),
    /// The server closed the stream without an answer.
    #[error("the server closed the connection without an answer")]
    NoAnswer,
    /// Nothing came within the connect timeout.
    #[error("no answer from the server in time")]
    Timeout,
    /// The server refused.
    #[error("refused by the server: {reason}{}", Words(reason_string))]
    Refused {
        /// Why; return codes before v5 are told in Reason Codes.
        reason: ReasonCode,
        /// The server's words for people.
        reason_string: Option<String>,
        /// Another server to use.
        server_reference: Option<String>,
        /// Names and values of the server's own.
        user_properties: Vec<(String, String)>,
    },
    /// The server's answer broke the protocol.
    #[error(transparent)]
    Protocol(#[from] ClientError),
}

impl ConnectError {
    /// The server's Reason Code, if it gave one.
    pub const fn reason(&self) -> Option<ReasonCode> {
        match self {
            Self::Refused { reason, .. } => Some(*reason),
            _ => None,
        }
    }
}

/// Why a message was not published.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The topic is no Topic Name.
    #[error("topic name: {0}")]
    TopicName(TopicError),
    /// The response topic is no Topic Name.
    #[error("response topic: {0}")]
    ResponseTopic(TopicError),
    /// This server does not take such a message; nothing was sent.
    #[error("not sent: {0}")]
    NotSent(SendRefusal),
    /// The server refused it.
    #[error("refused by the server: {reason}{}", Words(reason_string))]
    Refused {
        /// Why, 0x80 or above.
        reason: ReasonCode,
        /// The server's words for people.
        reason_string: Option<String>,
        /// Names and values of the server's own.
        user_properties: Vec<(String, String)>,
    },
    /// A permit was for a shorter message.
    #[error("{len} bytes, the permit is for {len_max}")]
    LongerThanReserved {
        /// Bytes of Topic Name and payload.
        len: usize,
        /// Bytes reserved.
        len_max: usize,
    },
    /// QoS 0 without a connection, and [`ClientBuilder::refuse_qos0_offline`](crate::ClientBuilder::refuse_qos0_offline)
    /// asks for this.
    #[error("not connected")]
    Offline,
    /// It cannot be kept on disk, so it was not taken. Feature `store`.
    #[cfg(feature = "store")]
    #[error(transparent)]
    Store(#[from] crate::StoreError),
    /// Its Message Expiry Interval passed before it could be sent.
    #[error("expired before it could be sent")]
    Expired,
    /// The connection was lost while a message of QoS 0 was on its way; it may or may not have been published.
    #[error("connection lost before it was sent: {0}")]
    ConnectionLost(CloseReason),
    /// The server has lost the session with the message in it; it may or may not have been published.
    ///
    /// At QoS 2, and at QoS 1 if [`ClientBuilder::fail_lost`](crate::ClientBuilder::fail_lost) asks for it: sending it
    /// again could publish it twice.
    #[error("the server lost the session before it had acknowledged")]
    SessionLost,
    /// The client has ended before the server acknowledged it; it may or may not have been published.
    #[error(transparent)]
    Closed(#[from] ClosedError),
}

impl PublishError {
    /// Whether nothing is wrong but that the disk of a store takes time.
    pub(crate) const fn is_disk_behind(&self) -> bool {
        #[cfg(feature = "store")]
        if matches!(self, Self::Store(crate::StoreError::Busy)) {
            return true;
        }
        false
    }

    /// Whether publishing the same message again may succeed; at QoS 1 and 2 the server may then have it twice.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::TopicName(_)
            | Self::ResponseTopic(_)
            | Self::NotSent(_)
            | Self::LongerThanReserved { .. }
            | Self::Expired => false,
            Self::Refused { reason, .. } => is_refusal_passing(*reason),
            #[cfg(feature = "store")]
            Self::Store(error) => error.is_retryable(),
            Self::Offline | Self::ConnectionLost(_) | Self::SessionLost => true,
            Self::Closed(closed) => closed.reason.is_retryable(),
        }
    }

    /// The server's Reason Code, if it gave one.
    pub const fn reason(&self) -> Option<ReasonCode> {
        match self {
            Self::Refused { reason, .. } => Some(*reason),
            _ => None,
        }
    }
}

/// Why a subscription was not made.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// One of the filters is no Topic Filter, or there is none.
    #[error("topic filter: {0}")]
    TopicFilter(TopicError),
    /// This server does not offer it; nothing was sent.
    #[error("not sent: {0}")]
    NotSent(SendRefusal),
    /// The server refused at least one filter; those it granted are unsubscribed again.
    #[error("refused by the server: {}{}", self.reason().unwrap_or_default(), Words(reason_string))]
    Refused {
        /// One for each filter, in order; below 0x80 is the granted QoS.
        reasons: Vec<ReasonCode>,
        /// The server's words for people.
        reason_string: Option<String>,
        /// Names and values of the server's own.
        user_properties: Vec<(String, String)>,
    },
    /// The client ended before the server answered.
    #[error(transparent)]
    Closed(#[from] ClosedError),
}

impl SubscribeError {
    /// Whether asking again may succeed.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::TopicFilter(_) | Self::NotSent(_) => false,
            Self::Refused { .. } => self.reason().is_some_and(is_refusal_passing),
            Self::Closed(closed) => closed.reason.is_retryable(),
        }
    }

    /// The server's first Reason Code that refuses, if it gave one.
    pub fn reason(&self) -> Option<ReasonCode> {
        match self {
            Self::Refused { reasons, .. } => {
                reasons.iter().copied().find(|reason| reason.is_error())
            }
            _ => None,
        }
    }
}

/// Why a subscription may still be there.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnsubscribeError {
    /// The text is no Topic Filter.
    #[error("topic filter: {0}")]
    TopicFilter(TopicError),
    /// The packet cannot be sent to this server.
    #[error("not sent: {0}")]
    NotSent(SendRefusal),
    /// The server refused.
    #[error("refused by the server: {reason}{}", Words(reason_string))]
    Refused {
        /// Why, 0x80 or above.
        reason: ReasonCode,
        /// The server's words for people.
        reason_string: Option<String>,
    },
    /// The client ended before the server answered.
    #[error(transparent)]
    Closed(#[from] ClosedError),
}

impl UnsubscribeError {
    /// The server's Reason Code, if it gave one.
    pub const fn reason(&self) -> Option<ReasonCode> {
        match self {
            Self::Refused { reason, .. } => Some(*reason),
            _ => None,
        }
    }

    /// Whether asking again may succeed.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::TopicFilter(_) | Self::NotSent(_) => false,
            Self::Refused { reason, .. } => is_refusal_passing(*reason),
            Self::Closed(closed) => closed.reason.is_retryable(),
        }
    }
}

/// Why a disconnect was not clean.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DisconnectError {
    /// DISCONNECT was sent, but not everything before it had been acknowledged in time.
    #[error("{unfinished} publishes or requests without acknowledgement")]
    TimedOut {
        /// Publishes and requests that were queued or in flight.
        unfinished: usize,
    },
    /// The DISCONNECT packet cannot be sent in the version in use; the connection is closed without it.
    #[error("not sent: {0}")]
    NotSent(SendRefusal),
    /// The connection had ended before.
    #[error(transparent)]
    Closed(#[from] ClosedError),
}

/// The client has ended: there is no connection, and there will be none.
#[derive(Clone, Debug, thiserror::Error)]
#[error("connection closed: {reason}")]
pub struct ClosedError {
    /// Why.
    pub reason: CloseReason,
}

/// Why a connection ended.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// This side disconnected, or dropped the last handle.
    #[error("disconnected")]
    Disconnected,
    /// It never came about.
    #[error("{0}")]
    ConnectFailed(Arc<ConnectError>),
    /// The server said so.
    #[error("{0}")]
    ServerDisconnected(ServerDisconnect),
    /// The server closed the stream without a word.
    #[error("the server closed the connection")]
    EndOfStream,
    /// The transport failed.
    #[error("connection lost: {0}")]
    Io(Arc<io::Error>),
    /// The server did not answer PINGREQ in time.
    #[error("no answer from the server within the keep alive")]
    KeepAliveTimeout,
    /// The server broke the protocol.
    #[error("{0}")]
    Protocol(ClientError),
    /// All messages the server may send waited for one that was not acknowledged, and its subscription has
    /// [`WhenStalled::Disconnect`](crate::WhenStalled::Disconnect).
    #[error("a message was not acknowledged and held up all others")]
    Stalled,
    /// The disk of the store failed, so that nothing more can be promised. Feature `store`.
    #[cfg(feature = "store")]
    #[error(transparent)]
    Store(crate::StoreError),
    /// The driver was dropped before the connection ended.
    #[error("the driver was dropped")]
    DriverDropped,
}

/// The server's DISCONNECT.
///
/// Spec: v5 §3.14.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ServerDisconnect {
    /// Why.
    pub reason: ReasonCode,
    /// The server's words for people.
    pub reason_string: Option<String>,
    /// Another server to use.
    pub server_reference: Option<String>,
    /// Names and values of the server's own.
    pub user_properties: Vec<(String, String)>,
}

impl ServerDisconnect {
    pub(crate) fn of(disconnect: &Disconnect<'_>) -> Self {
        let properties = &disconnect.properties;
        Self {
            reason: disconnect.reason,
            reason_string: properties.reason_string().map(Into::into),
            server_reference: properties.server_reference().map(Into::into),
            user_properties: owned_pairs(properties),
        }
    }
}

impl fmt::Display for ServerDisconnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "disconnected by the server: {}{}",
            self.reason,
            Words(&self.reason_string)
        )
    }
}

/// The server's words in brackets, if it gave any.
struct Words<'a>(&'a Option<String>);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(words) => write!(f, " ({words})"),
            None => Ok(()),
        }
    }
}
