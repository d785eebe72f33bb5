//! What is wrong with a packet our own caller wants to send.

use core::fmt;

use crate::{PacketType, PropertyId, ReasonCode};

/// A packet that cannot be written; the output buffer is untouched.
///
/// The caller is at fault, never the network.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The output buffer is too small.
    #[error("buffer too small, {needed} bytes needed")]
    BufferTooSmall {
        /// What the whole output needs. Unit: bytes.
        needed: usize,
    },
    /// A field whose loss would change the meaning, in a version that cannot carry it.
    #[error("{field} does not exist in this version")]
    NotInVersion {
        /// The field.
        field: Field,
    },
    /// A field is longer than its length prefix can say. Spec: v5 §1.5.4, v5 §1.5.6, v3.1.1 §1.5.3.
    #[error("{field} of more than {max} bytes")]
    TooLong {
        /// The field.
        field: Field,
        /// The most it may have. Unit: bytes.
        max: usize,
    },
    /// A string contains U+0000. Spec: v5 [MQTT-1.5.4-2], v3.1.1 [MQTT-1.5.3-2].
    #[error("null character in {field}")]
    NullCharacter {
        /// The field.
        field: Field,
    },
    /// A field that this packet or version needs is empty or absent.
    #[error("{field} missing")]
    Missing {
        /// The field.
        field: Field,
    },
    /// DUP on a PUBLISH at QoS 0. Spec: v5 [MQTT-3.3.1-2], v3.1.1 [MQTT-3.3.1-2].
    #[error("dup set at quality of service 0")]
    DupAtQos0,
    /// A Reason Code that the standard does not list for this packet. Spec: v5 §2.4.
    #[error("reason code {reason} is not one of {packet_type}")]
    ReasonNotAllowed {
        /// The packet.
        packet_type: PacketType,
        /// The Reason Code.
        reason: ReasonCode,
    },
    /// A property that does not belong into this packet. Spec: v5 §2.2.2.2.
    #[error("property {property} not allowed here")]
    PropertyNotAllowed {
        /// The property.
        property: PropertyId,
    },
    /// A property that may appear once appears again. Spec: v5 §2.2.2.2.
    #[error("property {property} repeated")]
    PropertyRepeated {
        /// The property.
        property: PropertyId,
    },
    /// A property with a value outside its range: Maximum QoS 2. Spec: v5 §3.2.2.3.4.
    #[error("value of property {property} out of range")]
    PropertyValueInvalid {
        /// The property.
        property: PropertyId,
    },
    /// No Local on a Shared Subscription. Spec: v5 [MQTT-3.8.3-4].
    #[error("no local on a shared subscription")]
    NoLocalOnShared,
    /// Session Present in a CONNACK that refuses the connection.
    /// Spec: v5 [MQTT-3.2.2-6], v3.1.1 [MQTT-3.2.2-4].
    #[error("session present in a refusal")]
    SessionPresentWithError,
    /// An acknowledgement is asked to be a packet of another type.
    #[error("{packet_type} is not an acknowledgement of a publish")]
    NotAnAck {
        /// The type asked for.
        packet_type: PacketType,
    },
}

/// A field that an [`EncodeError`] is about.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Field {
    /// The Control Packet as a whole.
    Packet,
    /// Its type.
    PacketType(PacketType),
    /// The Client Identifier of CONNECT.
    ClientId,
    /// The User Name of CONNECT.
    UserName,
    /// The Password of CONNECT.
    Password,
    /// The payload of a Will.
    WillPayload,
    /// The bridge bit of the protocol level.
    BridgeBit,
    /// The Topic Name of a PUBLISH.
    TopicName,
    /// The Topic Filters of a SUBSCRIBE or UNSUBSCRIBE.
    TopicFilters,
    /// The Reason Code.
    ReasonCode,
    /// The Reason Codes of a SUBACK or UNSUBACK.
    ReasonCodes,
    /// The Subscription Options beyond the QoS.
    SubscriptionOptions,
    /// A property.
    Property(PropertyId),
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Packet => "packet",
            Self::PacketType(packet_type) => packet_type.name(),
            Self::ClientId => "client identifier",
            Self::UserName => "user name",
            Self::Password => "password",
            Self::WillPayload => "will payload",
            Self::BridgeBit => "bridge bit",
            Self::TopicName => "topic name",
            Self::TopicFilters => "topic filter",
            Self::ReasonCode => "reason code",
            Self::ReasonCodes => "list of reason codes",
            Self::SubscriptionOptions => "subscription option",
            Self::Property(property) => property.name(),
        })
    }
}
