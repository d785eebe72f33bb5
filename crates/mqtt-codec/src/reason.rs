//! Reason Codes: the one vocabulary for results in every version.

use core::fmt;

use crate::PacketType;

/// The result of an operation; 0x80 and above is an error.
///
/// Before v5 the return codes of CONNACK and SUBACK are read into these and written back.
///
/// Spec: v5 §2.4.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[repr(transparent)]
pub struct ReasonCode(u8);

impl ReasonCode {
    /// The operation succeeded.
    pub const SUCCESS: Self = Self(0x00);
    /// The connection ends normally and the Will is not published.
    pub const NORMAL_DISCONNECTION: Self = Self(0x00);
    /// The subscription is accepted at QoS 0.
    pub const GRANTED_QOS_0: Self = Self(0x00);
    /// The subscription is accepted at up to QoS 1.
    pub const GRANTED_QOS_1: Self = Self(0x01);
    /// The subscription is accepted at any QoS.
    pub const GRANTED_QOS_2: Self = Self(0x02);
    /// The client leaves and wants its Will published.
    pub const DISCONNECT_WITH_WILL_MESSAGE: Self = Self(0x04);
    /// Accepted, and nobody is subscribed.
    pub const NO_MATCHING_SUBSCRIBERS: Self = Self(0x10);
    /// There was nothing to unsubscribe.
    pub const NO_SUBSCRIPTION_EXISTED: Self = Self(0x11);
    /// One more step of the authentication follows.
    pub const CONTINUE_AUTHENTICATION: Self = Self(0x18);
    /// The client starts a new authentication.
    pub const RE_AUTHENTICATE: Self = Self(0x19);
    /// An error the sender does not name.
    pub const UNSPECIFIED_ERROR: Self = Self(0x80);
    /// The packet cannot be parsed.
    pub const MALFORMED_PACKET: Self = Self(0x81);
    /// The packet breaks a rule of the protocol.
    pub const PROTOCOL_ERROR: Self = Self(0x82);
    /// Valid, but not accepted by this receiver.
    pub const IMPLEMENTATION_SPECIFIC_ERROR: Self = Self(0x83);
    /// The server does not speak this version.
    pub const UNSUPPORTED_PROTOCOL_VERSION: Self = Self(0x84);
    /// The server does not allow this Client Identifier.
    pub const CLIENT_IDENTIFIER_NOT_VALID: Self = Self(0x85);
    /// The credentials are refused.
    pub const BAD_USER_NAME_OR_PASSWORD: Self = Self(0x86);
    /// The client may not do this.
    pub const NOT_AUTHORIZED: Self = Self(0x87);
    /// The server cannot serve.
    pub const SERVER_UNAVAILABLE: Self = Self(0x88);
    /// The server has too much to do; try again later.
    pub const SERVER_BUSY: Self = Self(0x89);
    /// The client is barred by an administrator.
    pub const BANNED: Self = Self(0x8A);
    /// The server is going down.
    pub const SERVER_SHUTTING_DOWN: Self = Self(0x8B);
    /// The Authentication Method is unknown or not the current one.
    pub const BAD_AUTHENTICATION_METHOD: Self = Self(0x8C);
    /// Nothing arrived for one and a half Keep Alives.
    pub const KEEP_ALIVE_TIMEOUT: Self = Self(0x8D);
    /// Another connection uses the same Client Identifier.
    pub const SESSION_TAKEN_OVER: Self = Self(0x8E);
    /// The Topic Filter is not accepted.
    pub const TOPIC_FILTER_INVALID: Self = Self(0x8F);
    /// The Topic Name is not accepted.
    pub const TOPIC_NAME_INVALID: Self = Self(0x90);
    /// The Packet Identifier belongs to another flow.
    pub const PACKET_IDENTIFIER_IN_USE: Self = Self(0x91);
    /// The Packet Identifier belongs to no flow.
    pub const PACKET_IDENTIFIER_NOT_FOUND: Self = Self(0x92);
    /// More publications in flight than the receiver allows.
    pub const RECEIVE_MAXIMUM_EXCEEDED: Self = Self(0x93);
    /// The Topic Alias is 0, too high or not set.
    pub const TOPIC_ALIAS_INVALID: Self = Self(0x94);
    /// The packet is over the receiver's Maximum Packet Size.
    pub const PACKET_TOO_LARGE: Self = Self(0x95);
    /// Data arrives too fast.
    pub const MESSAGE_RATE_TOO_HIGH: Self = Self(0x96);
    /// A limit of the receiver is passed.
    pub const QUOTA_EXCEEDED: Self = Self(0x97);
    /// An administrator closed the connection.
    pub const ADMINISTRATIVE_ACTION: Self = Self(0x98);
    /// The payload is not what its format indicator says.
    pub const PAYLOAD_FORMAT_INVALID: Self = Self(0x99);
    /// The server keeps no retained messages.
    pub const RETAIN_NOT_SUPPORTED: Self = Self(0x9A);
    /// The QoS is above the server's Maximum QoS.
    pub const QOS_NOT_SUPPORTED: Self = Self(0x9B);
    /// Use another server for now.
    pub const USE_ANOTHER_SERVER: Self = Self(0x9C);
    /// Use another server from now on.
    pub const SERVER_MOVED: Self = Self(0x9D);
    /// The server has no Shared Subscriptions.
    pub const SHARED_SUBSCRIPTIONS_NOT_SUPPORTED: Self = Self(0x9E);
    /// Connections come too fast.
    pub const CONNECTION_RATE_EXCEEDED: Self = Self(0x9F);
    /// The connection was open for as long as it may be.
    pub const MAXIMUM_CONNECT_TIME: Self = Self(0xA0);
    /// The server has no Subscription Identifiers.
    pub const SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED: Self = Self(0xA1);
    /// The server has no wildcard subscriptions.
    pub const WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED: Self = Self(0xA2);

    /// The Reason Code with this value, known or not.
    #[must_use]
    #[inline]
    pub const fn new(value: u8) -> Self {
        Self(value)
    }

    /// Its value on the wire.
    #[must_use]
    #[inline]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// Whether it says that the operation failed.
    #[must_use]
    #[inline]
    pub const fn is_error(self) -> bool {
        self.0 >= 0x80
    }

    /// Its name in the standard, in lower case; `"unknown"` for a value the standard does not list.
    ///
    /// 0x00 is `"success"`, also where a DISCONNECT or SUBACK gives it another name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.row() {
            Some((_, name, _)) => name,
            None => "unknown",
        }
    }

    /// Whether the standard lists this value for `packet_type`.
    ///
    /// Spec: v5 §2.4.
    #[must_use]
    pub fn allowed_in(self, packet_type: PacketType) -> bool {
        self.row()
            .is_some_and(|(_, _, packets)| packets & packet_type.bit() != 0)
    }

    fn row(self) -> Option<&'static (ReasonCode, &'static str, u16)> {
        TABLE.iter().find(|(reason, _, _)| *reason == self)
    }
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:02X} {}", self.0, self.name())
    }
}

impl From<ReasonCode> for u8 {
    fn from(reason: ReasonCode) -> Self {
        reason.0
    }
}

const CONN_ACK: u16 = PacketType::ConnAck.bit();
const PUB_ACK: u16 = PacketType::PubAck.bit();
const PUB_REC: u16 = PacketType::PubRec.bit();
const PUB_REL: u16 = PacketType::PubRel.bit();
const PUB_COMP: u16 = PacketType::PubComp.bit();
const UNSUB_ACK: u16 = PacketType::UnsubAck.bit();
const AUTH: u16 = PacketType::Auth.bit();
const SUB_ACK: u16 = PacketType::SubAck.bit();
const DISCONNECT: u16 = PacketType::Disconnect.bit();

/// Value, name and packets of every Reason Code. Spec: v5 §2.4, table 2-6.
#[rustfmt::skip]
const TABLE: [(ReasonCode, &str, u16); 43] = [
    (ReasonCode::SUCCESS, "success", CONN_ACK | PUB_ACK | PUB_REC | PUB_REL | PUB_COMP | UNSUB_ACK | AUTH | SUB_ACK | DISCONNECT),
    (ReasonCode::GRANTED_QOS_1, "granted qos 1", SUB_ACK),
    (ReasonCode::GRANTED_QOS_2, "granted qos 2", SUB_ACK),
    (ReasonCode::DISCONNECT_WITH_WILL_MESSAGE, "disconnect with will message", DISCONNECT),
    (ReasonCode::NO_MATCHING_SUBSCRIBERS, "no matching subscribers", PUB_ACK | PUB_REC),
    (ReasonCode::NO_SUBSCRIPTION_EXISTED, "no subscription existed", UNSUB_ACK),
    (ReasonCode::CONTINUE_AUTHENTICATION, "continue authentication", AUTH),
    (ReasonCode::RE_AUTHENTICATE, "re-authenticate", AUTH),
    (ReasonCode::UNSPECIFIED_ERROR, "unspecified error", CONN_ACK | PUB_ACK | PUB_REC | SUB_ACK | UNSUB_ACK | DISCONNECT),
    (ReasonCode::MALFORMED_PACKET, "malformed packet", CONN_ACK | DISCONNECT),
    (ReasonCode::PROTOCOL_ERROR, "protocol error", CONN_ACK | DISCONNECT),
    (ReasonCode::IMPLEMENTATION_SPECIFIC_ERROR, "implementation specific error", CONN_ACK | PUB_ACK | PUB_REC | SUB_ACK | UNSUB_ACK | DISCONNECT),
    (ReasonCode::UNSUPPORTED_PROTOCOL_VERSION, "unsupported protocol version", CONN_ACK),
    (ReasonCode::CLIENT_IDENTIFIER_NOT_VALID, "client identifier not valid", CONN_ACK),
    (ReasonCode::BAD_USER_NAME_OR_PASSWORD, "bad user name or password", CONN_ACK),
    (ReasonCode::NOT_AUTHORIZED, "not authorized", CONN_ACK | PUB_ACK | PUB_REC | SUB_ACK | UNSUB_ACK | DISCONNECT),
    (ReasonCode::SERVER_UNAVAILABLE, "server unavailable", CONN_ACK),
    (ReasonCode::SERVER_BUSY, "server busy", CONN_ACK | DISCONNECT),
    (ReasonCode::BANNED, "banned", CONN_ACK),
    (ReasonCode::SERVER_SHUTTING_DOWN, "server shutting down", DISCONNECT),
    (ReasonCode::BAD_AUTHENTICATION_METHOD, "bad authentication method", CONN_ACK | DISCONNECT),
    (ReasonCode::KEEP_ALIVE_TIMEOUT, "keep alive timeout", DISCONNECT),
    (ReasonCode::SESSION_TAKEN_OVER, "session taken over", DISCONNECT),
    (ReasonCode::TOPIC_FILTER_INVALID, "topic filter invalid", SUB_ACK | UNSUB_ACK | DISCONNECT),
    (ReasonCode::TOPIC_NAME_INVALID, "topic name invalid", CONN_ACK | PUB_ACK | PUB_REC | DISCONNECT),
    (ReasonCode::PACKET_IDENTIFIER_IN_USE, "packet identifier in use", PUB_ACK | PUB_REC | SUB_ACK | UNSUB_ACK),
    (ReasonCode::PACKET_IDENTIFIER_NOT_FOUND, "packet identifier not found", PUB_REL | PUB_COMP),
    (ReasonCode::RECEIVE_MAXIMUM_EXCEEDED, "receive maximum exceeded", DISCONNECT),
    (ReasonCode::TOPIC_ALIAS_INVALID, "topic alias invalid", DISCONNECT),
    (ReasonCode::PACKET_TOO_LARGE, "packet too large", CONN_ACK | DISCONNECT),
    (ReasonCode::MESSAGE_RATE_TOO_HIGH, "message rate too high", DISCONNECT),
    (ReasonCode::QUOTA_EXCEEDED, "quota exceeded", CONN_ACK | PUB_ACK | PUB_REC | SUB_ACK | DISCONNECT),
    (ReasonCode::ADMINISTRATIVE_ACTION, "administrative action", DISCONNECT),
    (ReasonCode::PAYLOAD_FORMAT_INVALID, "payload format invalid", CONN_ACK | PUB_ACK | PUB_REC | DISCONNECT),
    (ReasonCode::RETAIN_NOT_SUPPORTED, "retain not supported", CONN_ACK | DISCONNECT),
    (ReasonCode::QOS_NOT_SUPPORTED, "qos not supported", CONN_ACK | DISCONNECT),
    (ReasonCode::USE_ANOTHER_SERVER, "use another server", CONN_ACK | DISCONNECT),
    (ReasonCode::SERVER_MOVED, "server moved", CONN_ACK | DISCONNECT),
    (ReasonCode::SHARED_SUBSCRIPTIONS_NOT_SUPPORTED, "shared subscriptions not supported", SUB_ACK | DISCONNECT),
    (ReasonCode::CONNECTION_RATE_EXCEEDED, "connection rate exceeded", CONN_ACK | DISCONNECT),
    (ReasonCode::MAXIMUM_CONNECT_TIME, "maximum connect time", DISCONNECT),
    (ReasonCode::SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED, "subscription identifiers not supported", SUB_ACK | DISCONNECT),
    (ReasonCode::WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED, "wildcard subscriptions not supported", SUB_ACK | DISCONNECT),
];
