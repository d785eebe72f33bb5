//! What a peer did at the wrong time, and the Reason Code that tells it so.

use mqtt_codec::{DecodeError, Malformed, PacketType, ReasonCode};

/// A packet that is well formed but not allowed now; the Network Connection ends with [`ProtocolError::reason_code`].
///
/// Spec: v5 §4.13.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// More PUBLISH packets above QoS 0 are unacknowledged than our Receive Maximum allows; v5 §3.3.4.
    #[error("more unacknowledged publishes than the receive maximum of {receive_maximum}")]
    ReceiveMaximumExceeded {
        /// The limit we announced, in packets.
        receive_maximum: u16,
    },
    /// A Topic Alias above our Topic Alias Maximum, or one that stands for nothing yet; v5 [MQTT-3.3.2-9], [MQTT-3.3.2-11].
    #[error("topic alias {alias} is above the maximum or not yet set")]
    TopicAliasInvalid {
        /// The alias as received, 1 to 65,535.
        alias: u16,
    },
    /// A Topic Alias whose Topic Name was too long to be remembered; not the peer's fault.
    #[error("the topic name of topic alias {alias} was too long to be remembered")]
    TopicNameTooLong {
        /// The alias as received.
        alias: u16,
    },
    /// An acknowledgement of the wrong kind for the flow its Packet Identifier names; v5 [MQTT-4.3.3-1] ff.
    #[error(
        "acknowledgement {packet_type:?} does not fit the flow of packet identifier {packet_id}"
    )]
    WrongAcknowledgement {
        /// What came.
        packet_type: PacketType,
        /// Which flow it names.
        packet_id: u16,
    },
    /// A packet this role never receives, or not in this phase; v5 §3.1, §4.13.
    #[error("{packet_type:?} is not allowed now")]
    Unexpected {
        /// What came.
        packet_type: PacketType,
    },
    /// SUBACK or UNSUBACK with another number of Reason Codes than filters asked for; v5 §3.9.3.
    #[error("{got} reason codes for {wanted} topic filters")]
    ReasonCodeCount {
        /// Topic Filters in the request.
        wanted: usize,
        /// Reason Codes in the answer.
        got: usize,
    },
    /// A packet that uses what CONNACK said the server does not have; v5 §3.2.2.3.
    #[error("{packet_type:?} uses what the server does not offer: {reason}")]
    NotOffered {
        /// What came.
        packet_type: PacketType,
        /// 0x9A, 0x9B, 0x9E, 0xA1 or 0xA2.
        reason: ReasonCode,
    },
    /// PUBLISH from a client with a Subscription Identifier; v5 [MQTT-3.3.4-6].
    #[error("subscription identifier in a publish from a client")]
    SubscriptionIdentifierFromClient,
    /// DISCONNECT with a Session Expiry Interval although CONNECT had none or 0; v5 §3.14.2.2.2.
    #[error("session expiry interval raised from 0 at the end")]
    SessionExpiryRaised,
    /// AUTH or CONNACK with another Authentication Method than CONNECT; v5 [MQTT-4.12.0-5], [MQTT-4.12.1-1].
    #[error("another authentication method than that of the connection")]
    AuthenticationMethodChanged,
    /// AUTH with a Reason Code that is not the next step; v5 §3.15.2.1, §4.12.
    #[error("AUTH with {reason} is not the next step of the authentication")]
    AuthenticationOutOfTurn {
        /// As received.
        reason: ReasonCode,
    },
}

impl ProtocolError {
    /// The Reason Code for DISCONNECT.
    pub const fn reason_code(self) -> ReasonCode {
        match self {
            Self::ReceiveMaximumExceeded { .. } => ReasonCode::RECEIVE_MAXIMUM_EXCEEDED,
            Self::TopicAliasInvalid { .. } => ReasonCode::TOPIC_ALIAS_INVALID,
            Self::TopicNameTooLong { .. } => ReasonCode::QUOTA_EXCEEDED,
            Self::NotOffered { reason, .. } => reason,
            Self::WrongAcknowledgement { .. }
            | Self::Unexpected { .. }
            | Self::ReasonCodeCount { .. }
            | Self::SubscriptionIdentifierFromClient
            | Self::SessionExpiryRaised
            | Self::AuthenticationMethodChanged
            | Self::AuthenticationOutOfTurn { .. } => ReasonCode::PROTOCOL_ERROR,
        }
    }
}

/// A packet above our Maximum Packet Size; v5 §3.1.2.11.4, §3.2.2.3.6.
pub(crate) const fn too_large() -> DecodeError {
    DecodeError {
        kind: Malformed::PacketTooLarge,
        at: 1,
    }
}
