//! Which properties there are, what each one's value looks like and where it may stand.

use core::fmt;

use crate::{PacketType, PropertySet};

/// The identifier of a property.
///
/// Spec: v5 §2.2.2.2.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub enum PropertyId {
    /// Whether the payload is text. Spec: v5 §3.3.2.3.2.
    PayloadFormatIndicator = 0x01,
    /// How long the message is of use. Unit: seconds. Spec: v5 §3.3.2.3.3.
    MessageExpiryInterval = 0x02,
    /// What the payload is, such as a MIME type. Spec: v5 §3.3.2.3.9.
    ContentType = 0x03,
    /// Where the answer is to be published. Spec: v5 §3.3.2.3.5.
    ResponseTopic = 0x08,
    /// Ties an answer to its request. Spec: v5 §3.3.2.3.6.
    CorrelationData = 0x09,
    /// Names the subscription a message came by. Spec: v5 §3.3.2.3.8.
    SubscriptionIdentifier = 0x0B,
    /// How long the session outlives its connection. Unit: seconds. Spec: v5 §3.1.2.11.2.
    SessionExpiryInterval = 0x11,
    /// The Client Identifier the server chose. Spec: v5 §3.2.2.3.7.
    AssignedClientIdentifier = 0x12,
    /// The Keep Alive the server wants. Unit: seconds. Spec: v5 §3.2.2.3.14.
    ServerKeepAlive = 0x13,
    /// How the peers authenticate. Spec: v5 §3.1.2.11.9.
    AuthenticationMethod = 0x15,
    /// One step of the authentication. Spec: v5 §3.1.2.11.10.
    AuthenticationData = 0x16,
    /// Whether the client wants reasons in words. Spec: v5 §3.1.2.11.7.
    RequestProblemInformation = 0x17,
    /// How long the Will waits. Unit: seconds. Spec: v5 §3.1.3.2.2.
    WillDelayInterval = 0x18,
    /// Whether the client wants Response Information. Spec: v5 §3.1.2.11.6.
    RequestResponseInformation = 0x19,
    /// What to make a Response Topic from. Spec: v5 §3.2.2.3.15.
    ResponseInformation = 0x1A,
    /// Another server to use. Spec: v5 §3.2.2.3.16.
    ServerReference = 0x1C,
    /// The reason in words, for people. Spec: v5 §3.2.2.3.9.
    ReasonString = 0x1F,
    /// How many publications may be in flight. Spec: v5 §3.1.2.11.3.
    ReceiveMaximum = 0x21,
    /// The highest Topic Alias the sender accepts. Spec: v5 §3.1.2.11.5.
    TopicAliasMaximum = 0x22,
    /// A number that stands for a Topic Name. Spec: v5 §3.3.2.3.4.
    TopicAlias = 0x23,
    /// The highest QoS the server accepts. Spec: v5 §3.2.2.3.4.
    MaximumQoS = 0x24,
    /// Whether the server keeps retained messages. Spec: v5 §3.2.2.3.5.
    RetainAvailable = 0x25,
    /// A name and a value of the application. Spec: v5 §3.3.2.3.7.
    UserProperty = 0x26,
    /// The longest packet the sender accepts. Unit: bytes. Spec: v5 §3.1.2.11.4.
    MaximumPacketSize = 0x27,
    /// Whether the server has wildcard subscriptions. Spec: v5 §3.2.2.3.11.
    WildcardSubscriptionAvailable = 0x28,
    /// Whether the server has Subscription Identifiers. Spec: v5 §3.2.2.3.12.
    SubscriptionIdentifiersAvailable = 0x29,
    /// Whether the server has Shared Subscriptions. Spec: v5 §3.2.2.3.13.
    SharedSubscriptionAvailable = 0x2A,
}

impl PropertyId {
    /// All identifiers, in the order of their numbers.
    pub const ALL: [Self; 27] = [
        Self::PayloadFormatIndicator,
        Self::MessageExpiryInterval,
        Self::ContentType,
        Self::ResponseTopic,
        Self::CorrelationData,
        Self::SubscriptionIdentifier,
        Self::SessionExpiryInterval,
        Self::AssignedClientIdentifier,
        Self::ServerKeepAlive,
        Self::AuthenticationMethod,
        Self::AuthenticationData,
        Self::RequestProblemInformation,
        Self::WillDelayInterval,
        Self::RequestResponseInformation,
        Self::ResponseInformation,
        Self::ServerReference,
        Self::ReasonString,
        Self::ReceiveMaximum,
        Self::TopicAliasMaximum,
        Self::TopicAlias,
        Self::MaximumQoS,
        Self::RetainAvailable,
        Self::UserProperty,
        Self::MaximumPacketSize,
        Self::WildcardSubscriptionAvailable,
        Self::SubscriptionIdentifiersAvailable,
        Self::SharedSubscriptionAvailable,
    ];

    /// The identifier with this number; `None` if there is none.
    #[must_use]
    #[inline]
    pub const fn from_u8(value: u8) -> Option<Self> {
        Some(match value {
            0x01 => Self::PayloadFormatIndicator,
            0x02 => Self::MessageExpiryInterval,
            0x03 => Self::ContentType,
            0x08 => Self::ResponseTopic,
            0x09 => Self::CorrelationData,
            0x0B => Self::SubscriptionIdentifier,
            0x11 => Self::SessionExpiryInterval,
            0x12 => Self::AssignedClientIdentifier,
            0x13 => Self::ServerKeepAlive,
            0x15 => Self::AuthenticationMethod,
            0x16 => Self::AuthenticationData,
            0x17 => Self::RequestProblemInformation,
            0x18 => Self::WillDelayInterval,
            0x19 => Self::RequestResponseInformation,
            0x1A => Self::ResponseInformation,
            0x1C => Self::ServerReference,
            0x1F => Self::ReasonString,
            0x21 => Self::ReceiveMaximum,
            0x22 => Self::TopicAliasMaximum,
            0x23 => Self::TopicAlias,
            0x24 => Self::MaximumQoS,
            0x25 => Self::RetainAvailable,
            0x26 => Self::UserProperty,
            0x27 => Self::MaximumPacketSize,
            0x28 => Self::WildcardSubscriptionAvailable,
            0x29 => Self::SubscriptionIdentifiersAvailable,
            0x2A => Self::SharedSubscriptionAvailable,
            _ => return None,
        })
    }

    /// Its number on the wire.
    #[must_use]
    #[inline]
    pub const fn get(self) -> u8 {
        self as u8
    }

    /// Its name in the standard, in lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PayloadFormatIndicator => "payload format indicator",
            Self::MessageExpiryInterval => "message expiry interval",
            Self::ContentType => "content type",
            Self::ResponseTopic => "response topic",
            Self::CorrelationData => "correlation data",
            Self::SubscriptionIdentifier => "subscription identifier",
            Self::SessionExpiryInterval => "session expiry interval",
            Self::AssignedClientIdentifier => "assigned client identifier",
            Self::ServerKeepAlive => "server keep alive",
            Self::AuthenticationMethod => "authentication method",
            Self::AuthenticationData => "authentication data",
            Self::RequestProblemInformation => "request problem information",
            Self::WillDelayInterval => "will delay interval",
            Self::RequestResponseInformation => "request response information",
            Self::ResponseInformation => "response information",
            Self::ServerReference => "server reference",
            Self::ReasonString => "reason string",
            Self::ReceiveMaximum => "receive maximum",
            Self::TopicAliasMaximum => "topic alias maximum",
            Self::TopicAlias => "topic alias",
            Self::MaximumQoS => "maximum qos",
            Self::RetainAvailable => "retain available",
            Self::UserProperty => "user property",
            Self::MaximumPacketSize => "maximum packet size",
            Self::WildcardSubscriptionAvailable => "wildcard subscription available",
            Self::SubscriptionIdentifiersAvailable => "subscription identifiers available",
            Self::SharedSubscriptionAvailable => "shared subscription available",
        }
    }

    /// Whether it may stand in a packet of this type, outside a Will. Spec: v5 §2.2.2.2.
    #[must_use]
    pub const fn allowed_in(self, packet_type: PacketType) -> bool {
        self.scopes() & packet_type.bit() != 0
    }

    /// Whether it may stand among the properties of a Will. Spec: v5 §3.1.3.2.
    #[must_use]
    pub const fn allowed_in_will(self) -> bool {
        self.scopes() & WILL != 0
    }

    /// Whether it may appear more than once there.
    ///
    /// Spec: v5 §3.3.2.3.8, v5 §3.8.2.1.2.
    pub(crate) const fn may_repeat(self, scope: PropertyScope) -> bool {
        match self {
            Self::UserProperty => true,
            Self::SubscriptionIdentifier => scope.bit() == PUBLISH,
            _ => false,
        }
    }

    /// The data type of its value. Spec: v5 §2.2.2.2.
    #[inline]
    pub(crate) const fn shape(self) -> Shape {
        match self {
            Self::PayloadFormatIndicator
            | Self::RequestProblemInformation
            | Self::RequestResponseInformation
            | Self::MaximumQoS
            | Self::RetainAvailable
            | Self::WildcardSubscriptionAvailable
            | Self::SubscriptionIdentifiersAvailable
            | Self::SharedSubscriptionAvailable => Shape::Byte,
            Self::ServerKeepAlive
            | Self::ReceiveMaximum
            | Self::TopicAliasMaximum
            | Self::TopicAlias => Shape::TwoByte,
            Self::MessageExpiryInterval
            | Self::SessionExpiryInterval
            | Self::WillDelayInterval
            | Self::MaximumPacketSize => Shape::FourByte,
            Self::SubscriptionIdentifier => Shape::VarInt,
            Self::ContentType
            | Self::ResponseTopic
            | Self::CorrelationData
            | Self::AssignedClientIdentifier
            | Self::AuthenticationMethod
            | Self::AuthenticationData
            | Self::ResponseInformation
            | Self::ServerReference
            | Self::ReasonString => Shape::Field,
            Self::UserProperty => Shape::Pair,
        }
    }

    /// This property as one bit of a [`crate::PropertySet`].
    #[inline]
    pub(crate) const fn bit(self) -> u32 {
        match self {
            Self::PayloadFormatIndicator => 1 << 0,
            Self::MessageExpiryInterval => 1 << 1,
            Self::ContentType => 1 << 2,
            Self::ResponseTopic => 1 << 3,
            Self::CorrelationData => 1 << 4,
            Self::SubscriptionIdentifier => 1 << 5,
            Self::SessionExpiryInterval => 1 << 6,
            Self::AssignedClientIdentifier => 1 << 7,
            Self::ServerKeepAlive => 1 << 8,
            Self::AuthenticationMethod => 1 << 9,
            Self::AuthenticationData => 1 << 10,
            Self::RequestProblemInformation => 1 << 11,
            Self::WillDelayInterval => 1 << 12,
            Self::RequestResponseInformation => 1 << 13,
            Self::ResponseInformation => 1 << 14,
            Self::ServerReference => 1 << 15,
            Self::ReasonString => 1 << 16,
            Self::ReceiveMaximum => 1 << 17,
            Self::TopicAliasMaximum => 1 << 18,
            Self::TopicAlias => 1 << 19,
            Self::MaximumQoS => 1 << 20,
            Self::RetainAvailable => 1 << 21,
            Self::UserProperty => 1 << 22,
            Self::MaximumPacketSize => 1 << 23,
            Self::WildcardSubscriptionAvailable => 1 << 24,
            Self::SubscriptionIdentifiersAvailable => 1 << 25,
            Self::SharedSubscriptionAvailable => 1 << 26,
        }
    }

    /// Where it may stand: one bit for each packet type, and one for the Will.
    #[inline]
    const fn scopes(self) -> u16 {
        match self {
            Self::PayloadFormatIndicator
            | Self::MessageExpiryInterval
            | Self::ContentType
            | Self::ResponseTopic
            | Self::CorrelationData => WILL | PUBLISH,
            Self::SubscriptionIdentifier => PUBLISH | SUBSCRIBE,
            Self::SessionExpiryInterval => CONNECT | CONN_ACK | DISCONNECT,
            Self::AssignedClientIdentifier
            | Self::ServerKeepAlive
            | Self::ResponseInformation
            | Self::MaximumQoS
            | Self::RetainAvailable
            | Self::WildcardSubscriptionAvailable
            | Self::SubscriptionIdentifiersAvailable
            | Self::SharedSubscriptionAvailable => CONN_ACK,
            Self::AuthenticationMethod | Self::AuthenticationData => CONNECT | CONN_ACK | AUTH,
            Self::RequestProblemInformation | Self::RequestResponseInformation => CONNECT,
            Self::WillDelayInterval => WILL,
            Self::ServerReference => CONN_ACK | DISCONNECT,
            Self::ReasonString => {
                CONN_ACK
                    | PUB_ACK
                    | PUB_REC
                    | PUB_REL
                    | PUB_COMP
                    | SUB_ACK
                    | UNSUB_ACK
                    | DISCONNECT
                    | AUTH
            }
            Self::ReceiveMaximum | Self::TopicAliasMaximum | Self::MaximumPacketSize => {
                CONNECT | CONN_ACK
            }
            Self::TopicAlias => PUBLISH,
            Self::UserProperty => {
                WILL | CONNECT
                    | CONN_ACK
                    | PUBLISH
                    | PUB_ACK
                    | PUB_REC
                    | PUB_REL
                    | PUB_COMP
                    | SUBSCRIBE
                    | SUB_ACK
                    | UNSUBSCRIBE
                    | UNSUB_ACK
                    | DISCONNECT
                    | AUTH
            }
        }
    }
}

impl fmt::Display for PropertyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The data type of a property's value. Spec: v5 §1.5.
#[derive(Clone, Copy)]
pub(crate) enum Shape {
    Byte,
    TwoByte,
    FourByte,
    VarInt,
    /// A string or binary data: two bytes of length in front.
    Field,
    Pair,
}

/// Where a property block stands. Spec: v5 §2.2.2.2.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum PropertyScope {
    /// Among the properties of a packet.
    Packet(PacketType),
    /// Among the properties of the Will in a CONNECT.
    Will,
}

impl PropertyScope {
    #[inline]
    const fn bit(self) -> u16 {
        match self {
            Self::Packet(packet_type) => packet_type.bit(),
            Self::Will => WILL,
        }
    }

    /// What may stand there more than once, as [`PropertyId::may_repeat`].
    #[inline]
    pub(crate) const fn repeatable(self) -> PropertySet {
        if self.bit() == PUBLISH {
            const { PropertySet::of(&[PropertyId::UserProperty, PropertyId::SubscriptionIdentifier]) }
        } else {
            const { PropertySet::of(&[PropertyId::UserProperty]) }
        }
    }

    /// What may stand there.
    #[inline]
    pub(crate) fn allowed(self) -> PropertySet {
        let index = match self {
            Self::Packet(packet_type) => packet_type.get(),
            Self::Will => 0,
        };
        ALLOWED.get(usize::from(index)).copied().unwrap_or_default()
    }
}

/// What may stand in a Will (0) and in each packet type (1 to 15).
const ALLOWED: [PropertySet; 16] = {
    let mut allowed = [PropertySet::EMPTY; 16];
    let mut scopes: &mut [PropertySet] = &mut allowed;
    let mut bit: u16 = WILL;
    while let [scope, rest @ ..] = scopes {
        let mut ids: &[PropertyId] = &PropertyId::ALL;
        while let [id, others @ ..] = ids {
            if id.scopes() & bit != 0 {
                scope.insert(*id);
            }
            ids = others;
        }
        bit = bit.wrapping_shl(1);
        scopes = rest;
    }
    allowed
};

/// Bit 0 is free, because no packet has type 0.
const WILL: u16 = 1;
const CONNECT: u16 = PacketType::Connect.bit();
const CONN_ACK: u16 = PacketType::ConnAck.bit();
const PUBLISH: u16 = PacketType::Publish.bit();
const PUB_ACK: u16 = PacketType::PubAck.bit();
const PUB_REC: u16 = PacketType::PubRec.bit();
const PUB_REL: u16 = PacketType::PubRel.bit();
const PUB_COMP: u16 = PacketType::PubComp.bit();
const SUBSCRIBE: u16 = PacketType::Subscribe.bit();
const SUB_ACK: u16 = PacketType::SubAck.bit();
const UNSUBSCRIBE: u16 = PacketType::Unsubscribe.bit();
const UNSUB_ACK: u16 = PacketType::UnsubAck.bit();
const DISCONNECT: u16 = PacketType::Disconnect.bit();
const AUTH: u16 = PacketType::Auth.bit();
