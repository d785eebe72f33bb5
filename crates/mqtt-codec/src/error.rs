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
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// Control Packet type 0.
    #[error("reserved packet type")]
    PacketTypeReserved,
    /// A type that this version does not have: AUTH before v5.
    #[error("{packet_type} does not exist in this version")]
    PacketTypeNotInVersion {
        /// The type in the fixed header.
        packet_type: PacketType,
    },
    /// A packet of another type than the one to be read.
    #[error("unexpected {packet_type}")]
    PacketTypeUnexpected {
        /// The type in the fixed header.
        packet_type: PacketType,
    },
    /// Reserved flags in the fixed header are not as listed.
    #[error("wrong fixed header flags in {packet_type}")]
    FlagsReserved {
        /// The type in the fixed header.
        packet_type: PacketType,
    },
    /// Both QoS bits of a PUBLISH are set.
    #[error("quality of service 3")]
    QosInvalid,
    /// DUP is set at QoS 0.
    #[error("dup set at quality of service 0")]
    DupAtQos0,
    /// A Variable Byte Integer has a fifth byte.
    #[error("variable byte integer of more than four bytes")]
    VarIntTooLong,
    /// A Variable Byte Integer uses more bytes than its value needs.
    #[error("variable byte integer not in its shortest form")]
    VarIntNotMinimal,
    /// The packet is longer than the receiver accepts.
    #[error("packet too large")]
    PacketTooLarge,
    /// A field runs past the end of the packet or of the property block.
    #[error("field runs past the end")]
    Truncated,
    /// Bytes are left after the last field.
    #[error("bytes after the last field")]
    TrailingBytes,
    /// A string is not well-formed UTF-8.
    #[error("ill-formed utf-8")]
    Utf8Invalid,
    /// A string contains U+0000.
    #[error("null character in a string")]
    NullCharacter,
    /// A Packet Identifier is 0.
    #[error("packet identifier 0")]
    PacketIdZero,
    /// A Topic Name is empty, and no Topic Alias stands in for it.
    #[error("empty topic name")]
    TopicNameEmpty,
    /// A Topic Name contains `+` or `#`.
    #[error("wildcard in a topic name")]
    TopicNameWildcard,
    /// A Topic Filter is empty.
    #[error("empty topic filter")]
    TopicFilterEmpty,
    /// `#` is not the last level of a Topic Filter, or shares its level.
    #[error("misplaced multi-level wildcard in a topic filter")]
    MultiLevelWildcard,
    /// `+` shares its level of a Topic Filter with other characters.
    #[error("misplaced single-level wildcard in a topic filter")]
    SingleLevelWildcard,
    /// A filter starts with `$share/` and is not `$share/{ShareName}/{filter}`.
    #[error("ill-formed shared subscription")]
    SharedFilterInvalid,
    /// No Local is set on a Shared Subscription.
    #[error("no local on a shared subscription")]
    NoLocalOnShared,
    /// SUBSCRIBE or UNSUBSCRIBE without a Topic Filter.
    #[error("no topic filter in {packet_type}")]
    FiltersEmpty {
        /// The type in the fixed header.
        packet_type: PacketType,
    },
    /// SUBACK or UNSUBACK without a Reason Code.
    #[error("no reason code in {packet_type}")]
    ReasonCodesEmpty {
        /// The type in the fixed header.
        packet_type: PacketType,
    },
    /// Reserved bits of a Subscription Options byte are set.
    #[error("reserved subscription options bits set")]
    SubscriptionOptionsReserved,
    /// The Maximum QoS of a Subscription Options byte is 3.
    #[error("subscription with quality of service 3")]
    SubscriptionQosInvalid,
    /// The Retain Handling of a Subscription Options byte is 3.
    #[error("retain handling 3")]
    RetainHandlingInvalid,
    /// A Reason Code that the standard does not list for this packet.
    #[error("reason code 0x{reason:02X} is not one of {packet_type}")]
    ReasonNotAllowed {
        /// The type in the fixed header.
        packet_type: PacketType,
        /// The byte on the wire.
        reason: u8,
    },
    /// A Property Identifier that does not exist.
    #[error("unknown property 0x{identifier:02X}")]
    PropertyUnknown {
        /// Its first byte on the wire.
        identifier: u8,
    },
    /// A property that does not belong into this packet.
    #[error("property {property} not allowed here")]
    PropertyNotAllowed {
        /// The property.
        property: PropertyId,
    },
    /// A property that may appear once appears again.
    #[error("property {property} repeated")]
    PropertyRepeated {
        /// The property.
        property: PropertyId,
    },
    /// A property with a value outside its range, such as 2 for a yes or no.
    #[error("value of property {property} out of range")]
    PropertyValueInvalid {
        /// The property.
        property: PropertyId,
    },
    /// Authentication Data without Authentication Method, or AUTH without either.
    #[error("authentication method missing")]
    AuthenticationMethodMissing,
    /// The Protocol Name of CONNECT is not one of the known ones.
    #[error("unknown protocol name")]
    ProtocolNameUnknown,
    /// The Protocol Version of CONNECT is not one of the known ones, or not of this name.
    #[error("unsupported protocol level {level}")]
    ProtocolLevelUnsupported {
        /// The byte on the wire.
        level: u8,
    },
    /// Bit 0 of the Connect Flags is set.
    #[error("reserved connect flag set")]
    ConnectFlagsReserved,
    /// Will QoS or Will Retain is set without the Will Flag.
    #[error("will flags set without a will")]
    WillFlagsWithoutWill,
    /// The Will QoS is 3.
    #[error("will with quality of service 3")]
    WillQosInvalid,
    /// A Password comes without a User Name, before v5.
    #[error("password without user name")]
    PasswordWithoutUserName,
    /// A Client Identifier is empty where the version needs one.
    #[error("empty client identifier")]
    ClientIdEmpty,
    /// A Client Identifier of more than 23 characters, in 3.1.
    #[error("client identifier too long")]
    ClientIdTooLong,
    /// Bits 7 to 1 of the Connect Acknowledge Flags are set.
    #[error("reserved connect acknowledge flags set")]
    ConnAckFlagsReserved,
    /// Session Present is set in a CONNACK that refuses the connection.
    #[error("session present in a refusal")]
    SessionPresentWithError,
}

impl Malformed {
    /// The Reason Code that tells the peer.
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
