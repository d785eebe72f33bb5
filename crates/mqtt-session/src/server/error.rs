//! What a client did wrong, and what it is told.

use crate::ProtocolError;
use mqtt_codec::{DecodeError, ReasonCode};

/// Why a server ends a Network Connection; the session stays or ends as after any lost connection.
///
/// Spec: v5 §4.13; v3.1.1 §4.8, where the client is not told.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// Its bytes are no Control Packet of the version in use.
    #[error("malformed packet: {0}")]
    Decode(#[from] DecodeError),
    /// A packet at the wrong time.
    #[error("protocol error: {0}")]
    Protocol(#[from] ProtocolError),
    /// The first packet is not CONNECT; v5 [MQTT-3.1.0-1].
    #[error("first packet is not CONNECT")]
    ConnectExpected,
    /// A CONNECT that asks for what the server does not offer; v5 [MQTT-3.2.2-12], [MQTT-3.2.2-13].
    #[error("CONNECT refused: {0}")]
    ConnectRefused(ReasonCode),
    /// No CONNECT in time.
    #[error("no CONNECT in time")]
    ConnectTimeout,
    /// No answer to AUTH in time.
    #[error("no answer to AUTH in time")]
    AuthenticationTimeout,
    /// Nothing came for one and a half times the Keep Alive; v5 [MQTT-3.1.2-22].
    #[error("keep alive timeout")]
    KeepAliveTimeout,
    /// There is no room for what the packet brings about: nothing has happened, give it again later.
    ///
    /// Never with `alloc`, where there always is.
    #[error("no room for what the packet brings about")]
    NoRoom,
    /// A PUBLISH is refused and the version has no answer that says so; v3.1.1 §3.3.5.
    #[error("PUBLISH refused: {0}")]
    PublishRefused(ReasonCode),
    /// A SUBSCRIBE is refused and the version has no answer that says so: 3.1 only.
    #[error("SUBSCRIBE refused: {0}")]
    SubscribeRefused(ReasonCode),
}

impl ServerError {
    /// The Reason Code of the CONNACK or DISCONNECT that tells the client; none where nothing is said.
    ///
    /// What the packet in question cannot say becomes 0x80. Spec: v5 §4.13.1.
    pub fn reason_code(self) -> Option<ReasonCode> {
        match self {
            Self::Decode(error) => Some(error.reason_code()),
            Self::Protocol(error) => Some(error.reason_code()),
            Self::ConnectExpected | Self::ConnectTimeout => None,
            Self::NoRoom => Some(ReasonCode::QUOTA_EXCEEDED),
            Self::ConnectRefused(reason)
            | Self::PublishRefused(reason)
            | Self::SubscribeRefused(reason) => Some(reason),
            Self::AuthenticationTimeout => Some(ReasonCode::NOT_AUTHORIZED),
            Self::KeepAliveTimeout => Some(ReasonCode::KEEP_ALIVE_TIMEOUT),
        }
    }
}
