//! What a peer did at the wrong time, and the Reason Code that tells it so.

use mqtt_codec::{PacketType, ReasonCode};

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
}

impl ProtocolError {
    /// The Reason Code for DISCONNECT.
    pub const fn reason_code(self) -> ReasonCode {
        match self {
            Self::ReceiveMaximumExceeded { .. } => ReasonCode::RECEIVE_MAXIMUM_EXCEEDED,
            Self::TopicAliasInvalid { .. } => ReasonCode::TOPIC_ALIAS_INVALID,
            Self::WrongAcknowledgement { .. }
            | Self::Unexpected { .. }
            | Self::ReasonCodeCount { .. } => ReasonCode::PROTOCOL_ERROR,
        }
    }
}
