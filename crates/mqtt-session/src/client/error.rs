//! Whose fault it is when a client cannot go on, or cannot send something.

use crate::ProtocolError;
use mqtt_codec::{DecodeError, EncodeError, PropertyId, QoS, ReasonCode};

/// What a server did wrong; the Network Connection ends. Only [`ClientError::NoRoom`] is this side's.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Its bytes are no Control Packet of the version in use.
    #[error("malformed packet: {0}")]
    Decode(#[from] DecodeError),
    /// A packet at the wrong time.
    #[error("protocol error: {0}")]
    Protocol(#[from] ProtocolError),
    /// Session Present although no session was to be continued; v5 [MQTT-3.2.2-2], [MQTT-3.2.2-4].
    #[error("the server continues a session this client does not have")]
    SessionUnknown,
    /// There is no room for what the packet brings about, and nothing has happened: give it again when output was sent,
    /// or when a message was acknowledged.
    ///
    /// It never happens with `Heap` and a `Vec` for output.
    #[error("no room for what the packet brings about")]
    NoRoom,
    /// No CONNACK by the moment given to `ClientConnection::limit_handshake`.
    #[error("no CONNACK in time")]
    HandshakeTimeout,
    /// No answer to PINGREQ in time; v5 §3.1.2.10.
    #[error("no answer from the server within the keep alive")]
    KeepAliveTimeout,
}

impl ClientError {
    /// The Reason Code for DISCONNECT.
    ///
    /// One that only servers send, as those for Topic Filters and for Keep Alive, is 0x80. Spec: v5 §3.14.2.1.
    pub fn reason_code(self) -> ReasonCode {
        let reason = match self {
            Self::Decode(error) => error.reason_code(),
            Self::Protocol(error) => error.reason_code(),
            Self::SessionUnknown => ReasonCode::PROTOCOL_ERROR,
            Self::NoRoom => ReasonCode::QUOTA_EXCEEDED,
            Self::KeepAliveTimeout | Self::HandshakeTimeout => ReasonCode::UNSPECIFIED_ERROR,
        };
        match is_for_clients(reason) {
            true => reason,
            false => ReasonCode::UNSPECIFIED_ERROR,
        }
    }
}

/// Whether a client may send it in DISCONNECT. Spec: v5 §3.14.2.1.
pub(super) const fn is_for_clients(reason: ReasonCode) -> bool {
    matches!(
        reason,
        ReasonCode::NORMAL_DISCONNECTION
            | ReasonCode::DISCONNECT_WITH_WILL_MESSAGE
            | ReasonCode::UNSPECIFIED_ERROR
            | ReasonCode::MALFORMED_PACKET
            | ReasonCode::PROTOCOL_ERROR
            | ReasonCode::IMPLEMENTATION_SPECIFIC_ERROR
            | ReasonCode::TOPIC_NAME_INVALID
            | ReasonCode::RECEIVE_MAXIMUM_EXCEEDED
            | ReasonCode::TOPIC_ALIAS_INVALID
            | ReasonCode::PACKET_TOO_LARGE
            | ReasonCode::MESSAGE_RATE_TOO_HIGH
            | ReasonCode::QUOTA_EXCEEDED
            | ReasonCode::ADMINISTRATIVE_ACTION
            | ReasonCode::PAYLOAD_FORMAT_INVALID
    )
}

/// Something that was not sent; it comes back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NotSent<T> {
    /// What was to be sent.
    pub item: T,
    /// Why not.
    pub reason: NotSentReason,
}

/// Why something was not sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NotSentReason {
    /// Not now: the server's Receive Maximum is reached, a resume is not through, no identifier or place is free, or the
    /// output is too full.
    Later,
    /// Not on this connection.
    Never(SendRefusal),
}

/// Why something cannot be sent on this connection at all.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SendRefusal {
    /// There is no accepted connection.
    #[error("not connected")]
    NotConnected,
    /// Longer than the server's Maximum Packet Size; v5 [MQTT-3.2.2-15].
    #[error("packet of {len} bytes, the server takes {len_max}")]
    PacketTooLarge {
        /// The whole packet, in bytes.
        len: usize,
        /// The server's Maximum Packet Size, in bytes.
        len_max: u32,
    },
    /// Above the server's Maximum QoS; v5 [MQTT-3.2.2-11].
    #[error("the server takes messages up to QoS {}", u8::from(*.maximum))]
    QoSNotSupported {
        /// The server's Maximum QoS.
        maximum: QoS,
    },
    /// RETAIN, which the server does not offer; v5 [MQTT-3.2.2-14].
    #[error("the server does not retain messages")]
    RetainNotSupported,
    /// A wildcard in a Topic Filter, which the server does not offer; v5 §3.2.2.3.11.
    #[error("the server has no wildcard subscriptions")]
    WildcardsNotSupported,
    /// A Subscription Identifier, which the server does not offer; v5 §3.2.2.3.12.
    #[error("the server has no subscription identifiers")]
    SubscriptionIdentifiersNotSupported,
    /// A Shared Subscription, which the server does not offer; v5 §3.2.2.3.13.
    #[error("the server has no shared subscriptions")]
    SharedSubscriptionsNotSupported,
    /// Another number of Reason Codes than Topic Filters asked for; v5 [MQTT-3.8.4-6], [MQTT-3.11.3-1].
    #[error("{got} reason codes for {wanted} topic filters")]
    ReasonCodeCount {
        /// Topic Filters in the request.
        wanted: usize,
        /// Reason Codes in the answer.
        got: usize,
    },
    /// The peer owes the next step of the authentication, or CONNECT named no Authentication Method.
    ///
    /// Spec: v5 [MQTT-4.12.0-6], [MQTT-4.12.0-7].
    #[error("it is not this side's turn to authenticate")]
    AuthenticationNotDue,
    /// CONNECT left the choice of the Client Identifier to the server, and CONNACK does not say which it is.
    ///
    /// Spec: v5 [MQTT-3.2.2-16].
    #[error("no assigned client identifier")]
    ClientIdentifierNotAssigned,
    /// Its Message Expiry Interval has passed before it could be sent; v5 [MQTT-3.3.2-5].
    #[error("the message has expired")]
    Expired,
    /// DISCONNECT with a Session Expiry Interval although CONNECT had none or 0; v5 §3.14.2.2.2.
    #[error("a session that ends with its connection cannot be kept at the end")]
    SessionExpiryRaised,
    /// DISCONNECT with a Reason Code that only the other side sends; v5 §3.14.2.1.
    #[error("{0} is for the other side to send")]
    ReasonOfOtherSide(ReasonCode),
    /// [`crate::OutgoingMessage::with_publish`] shows no PUBLISH of a message that is to be sent.
    #[error("the message has no body")]
    NoBody,
    /// A Session Expiry Interval in a DISCONNECT from a server; v5 [MQTT-3.14.2-2].
    #[error("a server's DISCONNECT has no session expiry interval")]
    SessionExpiryFromServer,
    /// CONNECT announces more than the session has room for.
    #[error("{property:?} of {announced}, there is room for {room_for}")]
    AnnouncesTooMuch {
        /// Receive Maximum, 65,535 where it is not there, or Topic Alias Maximum.
        property: PropertyId,
        /// Its value.
        announced: u16,
        /// The largest value possible.
        room_for: usize,
    },
    /// The packet cannot be written in the version in use, or not into the output given.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}
