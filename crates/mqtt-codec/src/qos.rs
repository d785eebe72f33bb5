//! Quality of Service, alone and together with the Packet Identifier it requires.

use crate::PacketId;

/// Quality of Service.
///
/// Spec: v5 §4.3, v3.1.1 §4.3.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub enum QoS {
    /// Sent once, not acknowledged.
    #[default]
    AtMostOnce = 0,
    /// Sent until acknowledged; may arrive twice.
    AtLeastOnce = 1,
    /// Arrives once.
    ExactlyOnce = 2,
}

impl QoS {
    /// The QoS with this number; `None` for anything above 2.
    #[must_use]
    #[inline]
    pub const fn from_u8(value: u8) -> Option<Self> {
        match value {
            0 => Some(Self::AtMostOnce),
            1 => Some(Self::AtLeastOnce),
            2 => Some(Self::ExactlyOnce),
            _ => None,
        }
    }

    /// Its number: 0, 1 or 2.
    #[must_use]
    #[inline]
    pub const fn get(self) -> u8 {
        match self {
            Self::AtMostOnce => 0,
            Self::AtLeastOnce => 1,
            Self::ExactlyOnce => 2,
        }
    }
}

impl From<QoS> for u8 {
    fn from(qos: QoS) -> Self {
        qos.get()
    }
}

/// How a PUBLISH is delivered: a Packet Identifier is there exactly when the QoS needs one.
///
/// Spec: v5 [MQTT-2.2.1-2], v3.1.1 [MQTT-2.3.1-5].
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Delivery {
    /// QoS 0.
    #[default]
    AtMostOnce,
    /// QoS 1, ended by PUBACK.
    AtLeastOnce(PacketId),
    /// QoS 2, ended by PUBCOMP.
    ExactlyOnce(PacketId),
}

impl Delivery {
    /// Joins a QoS and a Packet Identifier; `None` when one is there without the other.
    #[must_use]
    #[inline]
    pub const fn new(qos: QoS, packet_id: Option<PacketId>) -> Option<Self> {
        match (qos, packet_id) {
            (QoS::AtMostOnce, None) => Some(Self::AtMostOnce),
            (QoS::AtLeastOnce, Some(packet_id)) => Some(Self::AtLeastOnce(packet_id)),
            (QoS::ExactlyOnce, Some(packet_id)) => Some(Self::ExactlyOnce(packet_id)),
            _ => None,
        }
    }

    /// Its Quality of Service.
    #[must_use]
    #[inline]
    pub const fn qos(self) -> QoS {
        match self {
            Self::AtMostOnce => QoS::AtMostOnce,
            Self::AtLeastOnce(_) => QoS::AtLeastOnce,
            Self::ExactlyOnce(_) => QoS::ExactlyOnce,
        }
    }

    /// Its Packet Identifier; `None` at QoS 0.
    #[must_use]
    #[inline]
    pub const fn packet_id(self) -> Option<PacketId> {
        match self {
            Self::AtMostOnce => None,
            Self::AtLeastOnce(packet_id) | Self::ExactlyOnce(packet_id) => Some(packet_id),
        }
    }
}
