//! One flow: what it waits for, and its place in the cycle of identifiers.

use super::PACKET_IDS;
use mqtt_codec::{PacketId, QoS};

/// What a flow waits for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stage {
    PubAck,
    PubRec,
    PubComp,
    Answer,
    /// It ended without its last acknowledgement, and its message has not been taken.
    Lost,
    Ended,
}

/// How a flow stands to the connection in force.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Standing {
    /// Its packet has to be sent again and has not been.
    Due,
    /// It holds none of the send quota.
    Free,
    /// It holds one of the send quota.
    Counted,
}

#[derive(Clone, Debug)]
pub(super) struct Flow<M> {
    pub(super) packet_id: PacketId,
    pub(super) stage: Stage,
    pub(super) standing: Standing,
    /// Position among the PUBREC packets received, for the order of PUBREL; v5 [MQTT-4.6.0-4].
    pub(super) released: u32,
    pub(super) message: Option<M>,
}

/// A packet that a resume owes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Due {
    pub(super) packet_id: PacketId,
    /// That of the flow.
    pub(super) released: u32,
}

impl Stage {
    /// The QoS of the PUBLISH that a resume sends again at this stage; none for PUBREL.
    pub(super) const fn resent_as(self) -> Option<QoS> {
        match self {
            Self::PubAck => Some(QoS::AtLeastOnce),
            Self::PubRec => Some(QoS::ExactlyOnce),
            Self::PubComp | Self::Answer | Self::Lost | Self::Ended => None,
        }
    }
}

impl<M> Flow<M> {
    pub(super) fn is_open(&self) -> bool {
        !matches!(self.stage, Stage::Lost | Stage::Ended)
    }
}

impl Due {
    pub(super) const fn of<M>(flow: &Flow<M>) -> Self {
        Self {
            packet_id: flow.packet_id,
            released: flow.released,
        }
    }
}

pub(super) const fn following(packet_id: u16) -> u16 {
    match packet_id {
        PACKET_IDS => 1,
        _ => packet_id + 1,
    }
}

/// Steps from `from` to `to` in the cycle 1, 2, .. 65,535, 1.
pub(super) const fn distance(from: u16, to: u16) -> u16 {
    if to >= from {
        to - from
    } else {
        PACKET_IDS - (from - to)
    }
}
