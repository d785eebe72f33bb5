//! What CONNECT and CONNACK agreed on, and every difference between the versions that a session knows.

use crate::Storage;
use core::num::{NonZeroU16, NonZeroU32};
use mqtt_codec::{ConnAck, Connect, PACKET_LEN_MAX, PacketType, ProtocolVersion, ReasonCode};

/// How long Session State outlives the Network Connection.
///
/// Unit: seconds; 0 ends with the connection, [`SessionExpiry::NEVER`] stays. Spec: v5 §3.1.2.11.2.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct SessionExpiry(pub u32);

impl SessionExpiry {
    /// The session ends when the connection does.
    pub const AT_DISCONNECT: Self = Self(0);
    /// The session stays until somebody ends it.
    pub const NEVER: Self = Self(u32::MAX);

    /// When a session that lost its connection at `now_ms` ends; none for never.
    pub fn deadline_ms(self, now_ms: u64) -> Option<u64> {
        (self != Self::NEVER).then(|| now_ms.saturating_add(u64::from(self.0) * 1000))
    }
}

/// What a server grants at most.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ServerLimits {
    /// PUBLISH packets above QoS 0 a client may have unfinished, 1 to 65,535.
    pub receive_maximum: u16,
    /// PUBLISH packets above QoS 0 unfinished towards a client, whatever it would take; 1 to 65,535.
    pub inflight_max: u16,
    /// Topic Aliases a client may set, 0 for none.
    pub topic_alias_maximum: u16,
    /// The largest packet accepted, in bytes.
    pub packet_len_max: u32,
    /// The longest Session Expiry Interval granted.
    pub session_expiry_max: SessionExpiry,
    /// The longest Keep Alive granted, in seconds; none grants any, 0 ("off") included.
    pub keep_alive_max_s: Option<NonZeroU16>,
}

/// How a PUBLISH that a server refuses is answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RefusedPublish {
    /// PUBACK or PUBREC with the Reason Code.
    Reason,
    /// The version has no such answer and a positive one would be a lie: close. Spec: v3.1.1 §3.3.5.
    Close,
}

/// The values in force on one Network Connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Negotiated {
    /// The version CONNECT asked for.
    pub version: ProtocolVersion,
    /// How long the session stays afterwards.
    pub session_expiry: SessionExpiry,
    /// What the peer accepts unfinished, in packets.
    pub peer_receive_maximum: u16,
    /// What we accept unfinished, in packets.
    pub own_receive_maximum: u16,
    /// Topic Aliases we may set, 0 for none.
    pub peer_topic_alias_maximum: u16,
    /// Topic Aliases the peer may set, 0 for none.
    pub own_topic_alias_maximum: u16,
    /// The largest packet the peer accepts, in bytes.
    pub peer_packet_len_max: u32,
    /// The largest packet we accept, in bytes.
    pub own_packet_len_max: u32,
    /// The Keep Alive in force, in seconds; 0 is off.
    pub keep_alive_s: u16,
    /// Whether Reason String and User Properties may accompany acknowledgements; v5 [MQTT-3.1.2-29].
    pub problem_information: bool,
    /// Whether the client asked for Response Information; v5 [MQTT-3.1.2-28].
    pub response_information: bool,
}

impl Negotiated {
    /// The server's view after it decided to accept `connect` under `limits`.
    pub fn of_connect(connect: &Connect<'_>, limits: &ServerLimits) -> Self {
        let asked_expiry = match connect.version {
            ProtocolVersion::V5 => {
                SessionExpiry(connect.properties.session_expiry_interval_s().unwrap_or(0))
            }
            ProtocolVersion::V31 | ProtocolVersion::V311 if connect.clean_start => {
                SessionExpiry::AT_DISCONNECT
            }
            ProtocolVersion::V31 | ProtocolVersion::V311 => SessionExpiry::NEVER,
        };
        let keep_alive_s = match (limits.keep_alive_max_s, connect.version) {
            // Only v5 can be told of another value (Server Keep Alive), so only there it may be lowered.
            (Some(max_s), ProtocolVersion::V5)
                if connect.keep_alive_s == 0 || connect.keep_alive_s > max_s.get() =>
            {
                max_s.get()
            }
            _ => connect.keep_alive_s,
        };
        Self {
            version: connect.version,
            session_expiry: asked_expiry.min(limits.session_expiry_max),
            peer_receive_maximum: receive_maximum(connect.properties.receive_maximum())
                .min(limits.inflight_max),
            own_receive_maximum: own_receive_maximum(connect.version, limits.receive_maximum),
            peer_topic_alias_maximum: connect.properties.topic_alias_maximum().unwrap_or(0),
            own_topic_alias_maximum: limits.topic_alias_maximum,
            peer_packet_len_max: packet_len_max(connect.properties.maximum_packet_size()),
            own_packet_len_max: limits.packet_len_max,
            keep_alive_s,
            problem_information: connect
                .properties
                .request_problem_information()
                .unwrap_or(true),
            response_information: asks_response_information(connect),
        }
    }

    /// The client's view after the server accepted its `connect` with `connack`.
    pub fn of_connack(connect: &Connect<'_>, connack: &ConnAck<'_>) -> Self {
        let asked_expiry = match connect.version {
            ProtocolVersion::V5 => connect.properties.session_expiry_interval_s().unwrap_or(0),
            ProtocolVersion::V31 | ProtocolVersion::V311 if connect.clean_start => 0,
            ProtocolVersion::V31 | ProtocolVersion::V311 => u32::MAX,
        };
        let granted = &connack.properties;
        Self {
            version: connect.version,
            session_expiry: SessionExpiry(
                granted.session_expiry_interval_s().unwrap_or(asked_expiry),
            ),
            peer_receive_maximum: receive_maximum(granted.receive_maximum()),
            own_receive_maximum: own_receive_maximum(
                connect.version,
                receive_maximum(connect.properties.receive_maximum()),
            ),
            peer_topic_alias_maximum: granted.topic_alias_maximum().unwrap_or(0),
            own_topic_alias_maximum: connect.properties.topic_alias_maximum().unwrap_or(0),
            peer_packet_len_max: packet_len_max(granted.maximum_packet_size()),
            own_packet_len_max: packet_len_max(connect.properties.maximum_packet_size()),
            keep_alive_s: granted
                .server_keep_alive_s()
                .unwrap_or(connect.keep_alive_s),
            problem_information: true,
            response_information: asks_response_information(connect),
        }
    }

    /// Announces no more to the peer than `S` has room for; a peer before v5 is told nothing and held to nothing.
    pub(crate) fn limit_to_room<S: Storage>(&mut self) {
        let room = |len: usize| u16::try_from(len).unwrap_or(u16::MAX);
        self.own_topic_alias_maximum = self
            .own_topic_alias_maximum
            .min(room(S::TOPIC_ALIAS_MAXIMUM));
        if self.version.has_properties() {
            // 0 cannot be announced.
            self.own_receive_maximum = self
                .own_receive_maximum
                .min(room(S::RECEIVE_MAXIMUM))
                .max(1);
        }
    }

    /// `reason` as an acknowledgement in a QoS flow can say it: before v5 there is only success.
    pub const fn ack_reason(&self, reason: ReasonCode) -> ReasonCode {
        match self.version {
            ProtocolVersion::V5 => reason,
            ProtocolVersion::V31 | ProtocolVersion::V311 => ReasonCode::SUCCESS,
        }
    }

    /// Whether Reason String and User Properties may be in a packet of this type; v5 [MQTT-3.1.2-29].
    ///
    /// The client can forbid them to the server, and not in PUBLISH, CONNACK and DISCONNECT.
    pub const fn may_explain(&self, packet_type: PacketType) -> bool {
        self.problem_information
            || matches!(
                packet_type,
                PacketType::Publish | PacketType::ConnAck | PacketType::Disconnect
            )
    }

    /// How a server answers a PUBLISH it refuses.
    pub const fn refused_publish(&self) -> RefusedPublish {
        match self.version {
            ProtocolVersion::V5 => RefusedPublish::Reason,
            ProtocolVersion::V31 | ProtocolVersion::V311 => RefusedPublish::Close,
        }
    }

    /// Applies the Session Expiry Interval of a DISCONNECT; `false` when the client may not set one any more.
    ///
    /// `max` is the longest the server grants; where it grants none, 0 in force does not mean that CONNECT said 0.
    /// Spec: v5 §3.14.2.2.2: what CONNECT put at 0 stays at 0.
    pub fn override_session_expiry(&mut self, asked: SessionExpiry, max: SessionExpiry) -> bool {
        let was_zero = self.session_expiry == SessionExpiry::AT_DISCONNECT
            && max != SessionExpiry::AT_DISCONNECT;
        if was_zero && asked != SessionExpiry::AT_DISCONNECT {
            return false;
        }
        self.session_expiry = asked.min(max);
        true
    }
}

/// In which version's words a CONNECT that cannot be read is refused; none where nothing is said.
///
/// `asked` is the version it is for, if it is for one of ours. Before v5 only two mistakes have an answer: another
/// version, and a Client Identifier that will not do.
/// Spec: v5 §4.13.1; v3.1.1 [MQTT-3.1.2-2], [MQTT-3.1.3-8], [MQTT-3.1.4-1].
pub(crate) fn refusal_version(
    reason: ReasonCode,
    asked: Option<ProtocolVersion>,
) -> Option<ProtocolVersion> {
    match reason {
        // Every version reads this one; what an unknown version reads is anybody's guess.
        ReasonCode::UNSUPPORTED_PROTOCOL_VERSION => Some(ProtocolVersion::V311),
        ReasonCode::CLIENT_IDENTIFIER_NOT_VALID => asked,
        _ => asked.filter(|version| *version == ProtocolVersion::V5),
    }
}

fn asks_response_information(connect: &Connect<'_>) -> bool {
    connect
        .properties
        .request_response_information()
        .unwrap_or(false)
}

fn receive_maximum(property: Option<NonZeroU16>) -> u16 {
    property.map_or(u16::MAX, NonZeroU16::get)
}

/// A peer before v5 cannot be told of a limit, so none can be held against it.
const fn own_receive_maximum(version: ProtocolVersion, receive_maximum: u16) -> u16 {
    match version {
        ProtocolVersion::V5 => receive_maximum,
        ProtocolVersion::V31 | ProtocolVersion::V311 => u16::MAX,
    }
}

fn packet_len_max(property: Option<NonZeroU32>) -> u32 {
    property
        .map_or(PACKET_LEN_MAX, NonZeroU32::get)
        .min(PACKET_LEN_MAX)
}

#[cfg(test)]
mod tests;
