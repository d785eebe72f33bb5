//! Why a connection, a session or a message came to its end: one typed cause for log, counter and hook.

use mqtt_codec::{DecodeError, ReasonCode};
use mqtt_session::ProtocolError;

/// Why a Network Connection ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EndCause {
    /// The client sent DISCONNECT.
    #[error("client disconnected")]
    ClientDisconnect,
    /// The client sent DISCONNECT and wants its Will Message published (0x04, or an error of its own).
    #[error("client disconnected with its will")]
    ClientDisconnectWithWill,
    /// The client closed, or the transport failed, without DISCONNECT.
    #[error("connection lost")]
    ConnectionLost,
    /// Nothing came for one and a half times the Keep Alive.
    #[error("keep alive timeout")]
    KeepAliveTimeout,
    /// No CONNECT within the time allowed.
    #[error("no CONNECT in time")]
    ConnectTimeout,
    /// The first packet was not CONNECT.
    #[error("first packet is not CONNECT")]
    ConnectExpected,
    /// Another connection took the Client Identifier over.
    #[error("session taken over")]
    SessionTakenOver,
    /// The broker is stopping.
    #[error("server shutting down")]
    ServerShuttingDown,
    /// Bytes that are no packet.
    #[error("malformed packet: {0}")]
    Malformed(DecodeError),
    /// A packet at the wrong time.
    #[error("protocol error: {0}")]
    Protocol(ProtocolError),
    /// CONNECT was refused.
    #[error("CONNECT refused: {0}")]
    ConnectRefused(ReasonCode),
    /// A re-authentication failed.
    #[error("authentication failed: {0}")]
    AuthenticationFailed(ReasonCode),
    /// A PUBLISH was refused and the version has no answer for that.
    #[error("PUBLISH refused: {0}")]
    PublishRefused(ReasonCode),
    /// A SUBSCRIBE was refused and the version has no answer for that.
    #[error("SUBSCRIBE refused: {0}")]
    SubscribeRefused(ReasonCode),
    /// SUBACK or UNSUBACK would be larger than the client's Maximum Packet Size.
    #[error("answer larger than the client takes")]
    AnswerTooLarge,
    /// Too many messages wait for this session, which has been ended.
    #[error("queue limit reached, session ended")]
    QueueFull,
    /// The client, or one of its subscriptions, was allowed and is so no more.
    #[error("right lost")]
    RightLost,
    /// An administrator or an embedding program ended it.
    #[error("ended by administrator")]
    Administrative,
    /// Its listener is not in the configuration any more.
    #[error("listener closed")]
    ListenerClosed,
    /// Code of this connection panicked.
    #[error("internal error in this connection")]
    Panicked,
}

impl DropCause {
    /// The causes an operator should hear of; the others are what the protocol is meant to do.
    pub(crate) const LOUD: [Self; 6] = [
        Self::OutboxFull,
        Self::TooLarge,
        Self::QueueFull,
        Self::ShareEnded,
        Self::RetainedFull,
        Self::Unreadable,
    ];
}

impl EndCause {
    /// The Reason Code of the DISCONNECT that tells the client, where one is sent at all.
    pub const fn reason_code(self) -> Option<ReasonCode> {
        match self {
            Self::ClientDisconnect
            | Self::ClientDisconnectWithWill
            | Self::ConnectionLost
            | Self::ConnectTimeout
            | Self::ConnectExpected
            | Self::ConnectRefused(_) => None,
            Self::KeepAliveTimeout => Some(ReasonCode::KEEP_ALIVE_TIMEOUT),
            Self::SessionTakenOver => Some(ReasonCode::SESSION_TAKEN_OVER),
            Self::ServerShuttingDown => Some(ReasonCode::SERVER_SHUTTING_DOWN),
            Self::Malformed(error) => Some(error.reason_code()),
            Self::Protocol(error) => Some(error.reason_code()),
            Self::AuthenticationFailed(reason)
            | Self::PublishRefused(reason)
            | Self::SubscribeRefused(reason) => Some(reason),
            Self::AnswerTooLarge => Some(ReasonCode::PACKET_TOO_LARGE),
            Self::QueueFull => Some(ReasonCode::QUOTA_EXCEEDED),
            Self::RightLost => Some(ReasonCode::NOT_AUTHORIZED),
            Self::Administrative | Self::ListenerClosed => Some(ReasonCode::ADMINISTRATIVE_ACTION),
            Self::Panicked => Some(ReasonCode::UNSPECIFIED_ERROR),
        }
    }

    /// What a v5 client is told in words, beyond the Reason Code; none where that says it all.
    pub(crate) const fn words(self) -> Option<&'static str> {
        match self {
            Self::QueueFull => Some("too many messages waited, the session has ended"),
            Self::ListenerClosed => Some("this listener is closed"),
            Self::PublishRefused(_) => Some("a PUBLISH was refused"),
            Self::SubscribeRefused(_) => Some("a SUBSCRIBE was refused"),
            Self::AnswerTooLarge => Some("the answer is larger than the Maximum Packet Size"),
            _ => None,
        }
    }

    /// Whether the Will Message is to be published; v5 [MQTT-3.1.2-8], [MQTT-3.14.4-3].
    pub const fn publishes_will(self) -> bool {
        !matches!(self, Self::ClientDisconnect)
    }

    /// A short stable word for counters.
    pub const fn label(self) -> &'static str {
        match self {
            Self::ClientDisconnect => "client_disconnect",
            Self::ClientDisconnectWithWill => "client_disconnect_with_will",
            Self::ConnectionLost => "connection_lost",
            Self::KeepAliveTimeout => "keep_alive_timeout",
            Self::ConnectTimeout => "connect_timeout",
            Self::ConnectExpected => "connect_expected",
            Self::SessionTakenOver => "session_taken_over",
            Self::ServerShuttingDown => "server_shutting_down",
            Self::Malformed(_) => "malformed_packet",
            Self::Protocol(_) => "protocol_error",
            Self::ConnectRefused(_) => "connect_refused",
            Self::AuthenticationFailed(_) => "authentication_failed",
            Self::PublishRefused(_) => "publish_refused",
            Self::SubscribeRefused(_) => "subscribe_refused",
            Self::AnswerTooLarge => "answer_too_large",
            Self::QueueFull => "queue_full",
            Self::RightLost => "right_lost",
            Self::Administrative => "administrative",
            Self::ListenerClosed => "listener_closed",
            Self::Panicked => "panicked",
        }
    }
}

/// What a connected client asked for and did not get, with the Reason Code of the answer as its cause.
///
/// A version without such an answer ends with the connection instead, see [`EndCause`]; this is counted all the same.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, thiserror::Error)]
#[non_exhaustive]
pub enum RequestRefused {
    /// A PUBLISH; at QoS 0 nobody is told, and it counts as [`DropCause::Denied`] too.
    #[error("PUBLISH refused: {0}")]
    Publish(ReasonCode),
    /// A Topic Filter of a SUBSCRIBE.
    #[error("SUBSCRIBE refused: {0}")]
    Subscribe(ReasonCode),
}

/// Why a session ends.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum SessionEnd {
    /// It ends with its connection: Session Expiry Interval 0, or Clean Session before v5.
    Disconnected,
    /// Its Session Expiry Interval has passed.
    Expired,
    /// Its client began anew: Clean Start, or the session would have ended with the connection taken over.
    CleanStart,
    /// Too many messages waited for it.
    QueueFull,
    /// An administrator or an embedding program ended it.
    Administrative,
    /// It goes on at another broker.
    Moved,
}

impl SessionEnd {
    /// A short stable word for counters.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Disconnected => "disconnected",
            Self::Expired => "expired",
            Self::CleanStart => "clean_start",
            Self::QueueFull => "queue_full",
            Self::Administrative => "administrative",
            Self::Moved => "moved",
        }
    }
}

/// Why a message did not reach a subscriber; counted, never silent.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum DropCause {
    /// QoS 0 for a session without a connection.
    Offline,
    /// QoS 0 past the bytes that may wait for a slow reader.
    OutboxFull,
    /// Its Message Expiry Interval has passed.
    Expired,
    /// Larger than the subscriber's Maximum Packet Size; v5 [MQTT-3.1.2-25].
    TooLarge,
    /// The session's queue was full, so the session was ended.
    QueueFull,
    /// Its Shared Subscription ended before a member took it.
    ShareEnded,
    /// The retained store was full.
    RetainedFull,
    /// The publisher may not publish there, and QoS 0 has no answer to say so.
    Denied,
    /// A hook discarded it or withheld it from a subscriber.
    Hook,
    /// Too many messages published to `$delayed` wait for their time.
    DelayedFull,
    /// It waited in the log, where it is damaged or cannot be read.
    Unreadable,
    /// Its subscriber may subscribe to more than it may have, and may not have this one.
    Withheld,
}

impl DropCause {
    /// Every cause.
    pub const ALL: [Self; 12] = [
        Self::Offline,
        Self::OutboxFull,
        Self::Expired,
        Self::TooLarge,
        Self::QueueFull,
        Self::ShareEnded,
        Self::RetainedFull,
        Self::Denied,
        Self::Hook,
        Self::DelayedFull,
        Self::Unreadable,
        Self::Withheld,
    ];

    /// Its place in [`DropCause::ALL`].
    pub(crate) const fn slot(self) -> usize {
        match self {
            Self::Offline => 0,
            Self::OutboxFull => 1,
            Self::Expired => 2,
            Self::TooLarge => 3,
            Self::QueueFull => 4,
            Self::ShareEnded => 5,
            Self::RetainedFull => 6,
            Self::Denied => 7,
            Self::Hook => 8,
            Self::DelayedFull => 9,
            Self::Unreadable => 10,
            Self::Withheld => 11,
        }
    }

    /// A short stable word for counters.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Offline => "offline",
            Self::OutboxFull => "outbox_full",
            Self::Expired => "expired",
            Self::TooLarge => "too_large",
            Self::QueueFull => "queue_full",
            Self::ShareEnded => "share_ended",
            Self::RetainedFull => "retained_full",
            Self::Denied => "denied",
            Self::Hook => "hook",
            Self::DelayedFull => "delayed_full",
            Self::Unreadable => "unreadable",
            Self::Withheld => "withheld",
        }
    }
}
