//! The three protocol versions, and every question the codec asks about their differences.

use crate::{PacketType, ReasonCode};

/// A version of the protocol.
///
/// It may be passed anywhere; this file is the one place of the codec that looks inside.
///
/// Spec: v5 §3.1.2.2, v3.1.1 §3.1.2.2.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum ProtocolVersion {
    /// MQTT 3.1, named `MQIsdp` on the wire.
    V31,
    /// MQTT 3.1.1.
    V311,
    /// MQTT 5.0.
    V5,
}

use ProtocolVersion::{V5, V31, V311};

/// Longest Client Identifier of MQTT 3.1. Unit: characters.
const CLIENT_ID_LEN_MAX_V31: usize = 23;

/// CONNACK return codes before v5 and the Reason Code that says the same.
///
/// Spec: v3.1.1 §3.2.2.3.
const CONNACK_CODES: [(u8, ReasonCode); 6] = [
    (0, ReasonCode::SUCCESS),
    (1, ReasonCode::UNSUPPORTED_PROTOCOL_VERSION),
    (2, ReasonCode::CLIENT_IDENTIFIER_NOT_VALID),
    (3, ReasonCode::SERVER_UNAVAILABLE),
    (4, ReasonCode::BAD_USER_NAME_OR_PASSWORD),
    (5, ReasonCode::NOT_AUTHORIZED),
];

impl ProtocolVersion {
    /// All versions, oldest first.
    pub const ALL: [Self; 3] = [V31, V311, V5];

    /// The Protocol Version byte of CONNECT: 3, 4 or 5.
    #[must_use]
    pub const fn level(self) -> u8 {
        match self {
            V31 => 3,
            V311 => 4,
            V5 => 5,
        }
    }

    /// The version with this Protocol Version byte; `None` for any but 3, 4 and 5.
    #[must_use]
    pub const fn from_level(level: u8) -> Option<Self> {
        match level {
            3 => Some(V31),
            4 => Some(V311),
            5 => Some(V5),
            _ => None,
        }
    }

    /// The version named `MQTT` with this Protocol Version byte.
    #[inline]
    pub(crate) const fn named_mqtt(level: u8) -> Option<Self> {
        match level {
            4 => Some(V311),
            5 => Some(V5),
            _ => None,
        }
    }

    /// The Protocol Name of CONNECT.
    ///
    /// Spec: v5 [MQTT-3.1.2-1], v3.1.1 §3.1.2.1.
    #[must_use]
    pub const fn protocol_name(self) -> &'static str {
        match self {
            V31 => "MQIsdp",
            V311 | V5 => "MQTT",
        }
    }

    /// Whether packets and the Will carry properties. Spec: v5 §2.2.2.
    #[must_use]
    #[inline]
    pub const fn has_properties(self) -> bool {
        matches!(self, V5)
    }

    /// Whether PUBACK, PUBREC, PUBREL and PUBCOMP may carry a Reason Code. Spec: v5 §3.4.2.1.
    #[must_use]
    #[inline]
    pub const fn has_ack_reason(self) -> bool {
        matches!(self, V5)
    }

    /// Whether the AUTH packet exists. Spec: v5 §3.15.
    #[must_use]
    pub const fn has_auth(self) -> bool {
        matches!(self, V5)
    }

    /// Whether UNSUBACK carries Reason Codes. Spec: v5 §3.11.3.
    #[must_use]
    pub const fn has_unsuback_reasons(self) -> bool {
        matches!(self, V5)
    }

    /// Whether SUBACK can say that a subscription failed; 3.1 can only grant a QoS.
    ///
    /// Spec: v3.1.1 §3.9.3.
    #[must_use]
    pub const fn has_suback_failure(self) -> bool {
        matches!(self, V311 | V5)
    }

    /// Whether CONNACK tells the client if a session was found; 3.1 leaves the byte unused.
    ///
    /// Spec: v3.1.1 §3.2.2.2.
    #[must_use]
    pub const fn has_session_present(self) -> bool {
        matches!(self, V311 | V5)
    }

    /// Whether DISCONNECT may carry a Reason Code and properties. Spec: v5 §3.14.2.
    #[must_use]
    pub const fn disconnect_has_body(self) -> bool {
        matches!(self, V5)
    }

    /// Whether a server may send DISCONNECT. Spec: v5 §3.14, v3.1.1 §3.14.
    #[must_use]
    pub const fn server_may_disconnect(self) -> bool {
        matches!(self, V5)
    }

    /// Whether a Password may come without a User Name.
    ///
    /// Spec: v5 §3.1.2.9, v3.1.1 [MQTT-3.1.2-22].
    #[must_use]
    pub const fn allows_password_alone(self) -> bool {
        matches!(self, V5)
    }

    /// Whether User Name and Password may be missing although their flags are set.
    ///
    /// MQTT 3.1 lets the Remaining Length win over the flags, for the sake of older clients.
    #[must_use]
    pub const fn allows_missing_credentials(self) -> bool {
        matches!(self, V31)
    }

    /// Whether a client may leave the choice of its Client Identifier to the server.
    ///
    /// Spec: v5 [MQTT-3.1.3-6], v3.1.1 [MQTT-3.1.3-7].
    #[must_use]
    pub const fn allows_empty_client_id(self, clean_start: bool) -> bool {
        match self {
            V31 => false,
            V311 => clean_start,
            V5 => true,
        }
    }

    /// The longest Client Identifier, in characters; `None` where only the wire format bounds it.
    #[must_use]
    pub const fn client_id_len_max(self) -> Option<usize> {
        match self {
            V31 => Some(CLIENT_ID_LEN_MAX_V31),
            V311 | V5 => None,
        }
    }

    /// Whether brokers may set the top bit of the protocol level to say that they are a bridge.
    ///
    /// A private habit of brokers, in no version of the standard; v5 has No Local instead.
    #[must_use]
    pub const fn allows_bridge_bit(self) -> bool {
        matches!(self, V31 | V311)
    }

    /// Whether PUBLISH may leave out the Topic Name in favour of a Topic Alias.
    ///
    /// Spec: v5 §3.3.2.1.
    #[must_use]
    #[inline]
    pub const fn allows_empty_topic_name(self) -> bool {
        matches!(self, V5)
    }

    /// The bits of a Subscription Options byte that have a meaning.
    ///
    /// Spec: v5 §3.8.3.1, v3.1.1 §3.8.3.
    #[must_use]
    pub const fn subscribe_option_mask(self) -> u8 {
        match self {
            V31 | V311 => 0x03,
            V5 => 0x3F,
        }
    }

    /// Whether a peer may send a packet again while connected, with the DUP bit also on
    /// SUBSCRIBE, UNSUBSCRIBE and PUBREL. Only 3.1 peers do.
    #[must_use]
    pub const fn may_resend_while_connected(self) -> bool {
        matches!(self, V31)
    }

    /// The CONNACK byte that says `reason`.
    ///
    /// Before v5 there are five refusals; every other error becomes the nearest of them:
    /// 5 (not authorized) for what the client may not do, 3 (server unavailable) for the rest.
    ///
    /// Spec: v5 §3.2.2.2, v3.1.1 §3.2.2.3.
    #[must_use]
    pub fn connack_code(self, reason: ReasonCode) -> u8 {
        if self.has_properties() {
            return reason.get();
        }
        if let Some((code, _)) = CONNACK_CODES.iter().find(|(_, same)| *same == reason) {
            return *code;
        }
        match reason {
            ReasonCode::BANNED | ReasonCode::BAD_AUTHENTICATION_METHOD => 5,
            _ if reason.is_error() => 3,
            _ => 0,
        }
    }

    /// The Reason Code a CONNACK byte stands for; `None` for a reserved value.
    ///
    /// Spec: v5 §3.2.2.2, v3.1.1 §3.2.2.3.
    #[must_use]
    pub fn connack_reason(self, code: u8) -> Option<ReasonCode> {
        if self.has_properties() {
            let reason = ReasonCode::new(code);
            return reason.allowed_in(PacketType::ConnAck).then_some(reason);
        }
        CONNACK_CODES
            .iter()
            .find(|(same, _)| *same == code)
            .map(|(_, reason)| *reason)
    }

    /// The SUBACK byte that says `reason`; before v5 every error is 0x80.
    ///
    /// Spec: v5 §3.9.3, v3.1.1 §3.9.3.
    #[must_use]
    pub const fn suback_code(self, reason: ReasonCode) -> u8 {
        match self {
            V31 | V311 if reason.is_error() => 0x80,
            V31 | V311 | V5 => reason.get(),
        }
    }

    /// Whether `code` is a SUBACK byte of this version. Spec: v3.1.1 [MQTT-3.9.3-2].
    pub(crate) fn has_suback_code(self, code: u8) -> bool {
        match self {
            V31 => code <= 2,
            V311 => code <= 2 || code == 0x80,
            V5 => ReasonCode::new(code).allowed_in(PacketType::SubAck),
        }
    }
}
