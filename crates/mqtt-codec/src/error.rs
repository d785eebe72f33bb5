//! What is wrong with the bytes of a peer, where, and what to answer.

use core::fmt;

use crate::{PacketType, PropertyId, ReasonCode, Rule, rule};

/// Bytes that are not a Control Packet of the version in use.
///
/// The peer is at fault; the connection is to be closed with [`DecodeError::reason_code`].
///
/// Spec: v5 §4.13.1, v3.1.1 §4.8.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct DecodeError {
    /// What is wrong.
    pub kind: Malformed,
    /// Where: the offset of the field, counted from the first byte of the packet. Unit: bytes.
    pub at: u32,
}

impl DecodeError {
    pub(crate) fn new(kind: Malformed, at: usize) -> Self {
        Self {
            kind,
            at: u32::try_from(at).unwrap_or(u32::MAX),
        }
    }

    /// The Reason Code for CONNACK or DISCONNECT: 0x81, 0x82, 0x84, 0x85, 0x8F, 0x90, 0x94 or 0x95.
    ///
    /// Spec: v5 §4.13.
    #[must_use]
    pub const fn reason_code(self) -> ReasonCode {
        self.kind.reason_code()
    }

    /// The statements of the standard that the bytes break; `None` where prose says it.
    #[must_use]
    pub const fn rule(self) -> Option<Rule> {
        self.kind.rule()
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.kind, self.at)?;
        match self.rule() {
            Some(rule) => write!(f, " ({rule})"),
            None => Ok(()),
        }
    }
}

impl core::error::Error for DecodeError {}

/// The ways in which a packet can be wrong.
///
/// Spec: v5 §4.13.1, v3.1.1 §4.8.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// Control Packet type 0. Spec: v5 §2.1.2, v3.1.1 §2.2.1.
    #[error("reserved packet type")]
    PacketTypeReserved,
    /// A type that this version does not have: AUTH before v5. Spec: v3.1.1 §2.2.1.
    #[error("{packet_type} does not exist in this version")]
    PacketTypeNotInVersion {
        /// The type in the fixed header.
        packet_type: PacketType,
    },
    /// A packet of another type than the one to be read.
    /// Spec: v5 [MQTT-3.1.0-1], v3.1.1 [MQTT-3.1.0-1].
    #[error("unexpected {packet_type}")]
    PacketTypeUnexpected {
        /// The type in the fixed header.
        packet_type: PacketType,
    },
    /// Reserved flags in the fixed header are not as listed.
    /// Spec: v5 [MQTT-2.1.3-1], v3.1.1 [MQTT-2.2.2-2].
    #[error("wrong fixed header flags in {packet_type}")]
    FlagsReserved {
        /// The type in the fixed header.
        packet_type: PacketType,
    },
    /// Both QoS bits of a PUBLISH are set. Spec: v5 [MQTT-3.3.1-4], v3.1.1 [MQTT-3.3.1-4].
    #[error("quality of service 3")]
    QosInvalid,
    /// DUP is set at QoS 0. Spec: v5 [MQTT-3.3.1-2], v3.1.1 [MQTT-3.3.1-2].
    #[error("dup set at quality of service 0")]
    DupAtQos0,
    /// A Variable Byte Integer has a fifth byte. Spec: v5 §1.5.5, v3.1.1 §2.2.3.
    #[error("variable byte integer of more than four bytes")]
    VarIntTooLong,
    /// A Variable Byte Integer uses more bytes than its value needs. Spec: v5 [MQTT-1.5.5-1].
    #[error("variable byte integer not in its shortest form")]
    VarIntNotMinimal,
    /// The packet is longer than the receiver accepts. Spec: v5 §3.1.2.11.4, v5 §3.2.2.3.6.
    #[error("packet too large")]
    PacketTooLarge,
    /// A field runs past the end of the packet or of the property block.
    /// Spec: v5 §4.13.1, v3.1.1 §4.8.
    #[error("field runs past the end")]
    Truncated,
    /// Bytes are left after the last field. Spec: v5 §4.13.1, v3.1.1 §4.8.
    #[error("bytes after the last field")]
    TrailingBytes,
    /// A string is not well-formed UTF-8. Spec: v5 [MQTT-1.5.4-1], v3.1.1 [MQTT-1.5.3-1].
    #[error("ill-formed utf-8")]
    Utf8Invalid,
    /// A string contains U+0000. Spec: v5 [MQTT-1.5.4-2], v3.1.1 [MQTT-1.5.3-2].
    #[error("null character in a string")]
    NullCharacter,
    /// A Packet Identifier is 0. Spec: v5 [MQTT-2.2.1-3], v3.1.1 [MQTT-2.3.1-1].
    #[error("packet identifier 0")]
    PacketIdZero,
    /// A Topic Name is empty, and no Topic Alias stands in for it.
    /// Spec: v5 [MQTT-4.7.3-1], v3.1.1 [MQTT-4.7.3-1].
    #[error("empty topic name")]
    TopicNameEmpty,
    /// A Topic Name contains `+` or `#`. Spec: v5 [MQTT-3.3.2-2], v3.1.1 [MQTT-3.3.2-2].
    #[error("wildcard in a topic name")]
    TopicNameWildcard,
    /// A Topic Filter is empty. Spec: v5 [MQTT-4.7.3-1], v3.1.1 [MQTT-4.7.3-1].
    #[error("empty topic filter")]
    TopicFilterEmpty,
    /// `#` is not the last level of a Topic Filter, or shares its level.
    /// Spec: v5 [MQTT-4.7.1-1], v3.1.1 [MQTT-4.7.1-2].
    #[error("misplaced multi-level wildcard in a topic filter")]
    MultiLevelWildcard,
    /// `+` shares its level of a Topic Filter with other characters.
    /// Spec: v5 [MQTT-4.7.1-2], v3.1.1 [MQTT-4.7.1-3].
    #[error("misplaced single-level wildcard in a topic filter")]
    SingleLevelWildcard,
    /// A filter starts with `$share/` and is not `$share/{ShareName}/{filter}`.
    /// Spec: v5 [MQTT-4.8.2-1], v5 [MQTT-4.8.2-2].
    #[error("ill-formed shared subscription")]
    SharedFilterInvalid,
    /// No Local is set on a Shared Subscription. Spec: v5 [MQTT-3.8.3-4].
    #[error("no local on a shared subscription")]
    NoLocalOnShared,
    /// SUBSCRIBE or UNSUBSCRIBE without a Topic Filter.
    /// Spec: v5 [MQTT-3.8.3-2], v5 [MQTT-3.10.3-2], v3.1.1 §3.8.3, v3.1.1 §3.10.3.
    #[error("no topic filter in {packet_type}")]
    FiltersEmpty {
        /// The type in the fixed header.
        packet_type: PacketType,
    },
    /// SUBACK or UNSUBACK without a Reason Code. Spec: v5 §3.9.3, v5 §3.11.3, v3.1.1 §3.9.3.
    #[error("no reason code in {packet_type}")]
    ReasonCodesEmpty {
        /// The type in the fixed header.
        packet_type: PacketType,
    },
    /// Reserved bits of a Subscription Options byte are set.
    /// Spec: v5 [MQTT-3.8.3-5], v3.1.1 [MQTT-3.8.3-4].
    #[error("reserved subscription options bits set")]
    SubscriptionOptionsReserved,
    /// The Maximum QoS of a Subscription Options byte is 3.
    /// Spec: v5 §3.8.3.1, v3.1.1 [MQTT-3.8.3-4].
    #[error("subscription with quality of service 3")]
    SubscriptionQosInvalid,
    /// The Retain Handling of a Subscription Options byte is 3. Spec: v5 §3.8.3.1.
    #[error("retain handling 3")]
    RetainHandlingInvalid,
    /// A Reason Code that the standard does not list for this packet.
    /// Spec: v5 §2.4, v3.1.1 §3.2.2.3, v3.1.1 §3.9.3.
    #[error("reason code 0x{reason:02X} is not one of {packet_type}")]
    ReasonNotAllowed {
        /// The type in the fixed header.
        packet_type: PacketType,
        /// The byte on the wire.
        reason: u8,
    },
    /// A Property Identifier that does not exist. Spec: v5 §2.2.2.2.
    #[error("unknown property 0x{identifier:02X}")]
    PropertyUnknown {
        /// Its first byte on the wire.
        identifier: u8,
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
    /// A property with a value outside its range, such as 2 for a yes or no. Spec: v5 §2.2.2.2.
    #[error("value of property {property} out of range")]
    PropertyValueInvalid {
        /// The property.
        property: PropertyId,
    },
    /// Authentication Data without Authentication Method, or AUTH without either.
    /// Spec: v5 §3.1.2.11.10, v5 §3.15.2.2.2.
    #[error("authentication method missing")]
    AuthenticationMethodMissing,
    /// The Protocol Name of CONNECT is not one of the known ones.
    /// Spec: v5 [MQTT-3.1.2-1], v3.1.1 [MQTT-3.1.2-1].
    #[error("unknown protocol name")]
    ProtocolNameUnknown,
    /// The Protocol Version of CONNECT is not one of the known ones, or not of this name.
    /// Spec: v5 [MQTT-3.1.2-2], v3.1.1 [MQTT-3.1.2-2].
    #[error("unsupported protocol level {level}")]
    ProtocolLevelUnsupported {
        /// The byte on the wire.
        level: u8,
    },
    /// Bit 0 of the Connect Flags is set. Spec: v5 [MQTT-3.1.2-3], v3.1.1 [MQTT-3.1.2-3].
    #[error("reserved connect flag set")]
    ConnectFlagsReserved,
    /// Will QoS or Will Retain is set without the Will Flag.
    /// Spec: v5 [MQTT-3.1.2-11], v5 [MQTT-3.1.2-13], v3.1.1 [MQTT-3.1.2-11].
    #[error("will flags set without a will")]
    WillFlagsWithoutWill,
    /// The Will QoS is 3. Spec: v5 [MQTT-3.1.2-12], v3.1.1 [MQTT-3.1.2-14].
    #[error("will with quality of service 3")]
    WillQosInvalid,
    /// A Password comes without a User Name, before v5. Spec: v3.1.1 [MQTT-3.1.2-22].
    #[error("password without user name")]
    PasswordWithoutUserName,
    /// A Client Identifier is empty where the version needs one. Spec: v3.1.1 [MQTT-3.1.3-8].
    #[error("empty client identifier")]
    ClientIdEmpty,
    /// A Client Identifier of more than 23 characters, in 3.1; v3.1.1 §3.1.3.1 has no such bound.
    #[error("client identifier too long")]
    ClientIdTooLong,
    /// Bits 7 to 1 of the Connect Acknowledge Flags are set.
    /// Spec: v5 [MQTT-3.2.2-1], v3.1.1 §3.2.2.1.
    #[error("reserved connect acknowledge flags set")]
    ConnAckFlagsReserved,
    /// Session Present is set in a CONNACK that refuses the connection.
    /// Spec: v5 [MQTT-3.2.2-6], v3.1.1 [MQTT-3.2.2-4].
    #[error("session present in a refusal")]
    SessionPresentWithError,
}

impl Malformed {
    /// The Reason Code that tells the peer. Spec: v5 §4.13.
    #[must_use]
    pub const fn reason_code(self) -> ReasonCode {
        match self {
            Self::PacketTooLarge => ReasonCode::PACKET_TOO_LARGE,
            Self::ProtocolNameUnknown | Self::ProtocolLevelUnsupported { .. } => {
                ReasonCode::UNSUPPORTED_PROTOCOL_VERSION
            }
            Self::ClientIdEmpty | Self::ClientIdTooLong => ReasonCode::CLIENT_IDENTIFIER_NOT_VALID,
            Self::TopicNameWildcard => ReasonCode::TOPIC_NAME_INVALID,
            Self::TopicFilterEmpty
            | Self::MultiLevelWildcard
            | Self::SingleLevelWildcard
            | Self::SharedFilterInvalid => ReasonCode::TOPIC_FILTER_INVALID,
            Self::PropertyValueInvalid {
                property: PropertyId::TopicAlias,
            } => ReasonCode::TOPIC_ALIAS_INVALID,
            Self::PacketTypeUnexpected { .. }
            | Self::PacketIdZero
            | Self::TopicNameEmpty
            | Self::NoLocalOnShared
            | Self::FiltersEmpty { .. }
            | Self::ReasonCodesEmpty { .. }
            | Self::SubscriptionQosInvalid
            | Self::RetainHandlingInvalid
            | Self::ReasonNotAllowed { .. }
            | Self::PropertyRepeated { .. }
            | Self::PropertyValueInvalid { .. }
            | Self::AuthenticationMethodMissing
            | Self::PasswordWithoutUserName
            | Self::SessionPresentWithError => ReasonCode::PROTOCOL_ERROR,
            _ => ReasonCode::MALFORMED_PACKET,
        }
    }

    /// The statements of the standard that this breaks; `None` where prose says it.
    #[must_use]
    pub const fn rule(self) -> Option<Rule> {
        rule::of(self)
    }
}
