//! What becomes of a message, an acknowledgement or a resume.

use mqtt_codec::{PacketId, QoS};

/// Why a message cannot be sent now; it comes back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NotNow<M> {
    /// What was to be sent.
    pub message: M,
    /// What is missing.
    pub reason: NotNowReason,
}

/// What is missing to send a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NotNowReason {
    /// The peer's Receive Maximum is reached.
    Quota,
    /// All 65,535 Packet Identifiers are in use.
    PacketIds,
    /// As many flows are open as there is room for.
    Capacity,
    /// The journal of the session cannot keep another message.
    Journal,
}

/// An acknowledgement that names no open flow, or one that waits for something else.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum UnexpectedAck {
    /// No open flow has this Packet Identifier.
    Unknown,
    /// The flow waits for another packet.
    WrongKind,
}

/// What PUBREC brings about.
#[derive(Debug, Eq, PartialEq)]
pub enum PubRecOutcome<'a, M> {
    /// Send PUBREL; the message is only kept for its owner's sake, its body may go.
    Release(&'a mut M),
    /// PUBREC again for a flow already released: send PUBREL again.
    ReleaseAgain,
    /// The peer refused the message: the flow has ended, no PUBREL; v5 [MQTT-4.3.3-4].
    Refused(M),
}

/// One packet to send again after a reconnect.
#[derive(Debug, Eq, PartialEq)]
pub enum Resend<'a, M> {
    /// PUBLISH with DUP, original identifier and QoS; v5 [MQTT-4.4.0-1].
    Publish {
        /// The original identifier.
        packet_id: PacketId,
        /// The original QoS, 1 or 2.
        qos: QoS,
        /// The message as it was given.
        message: &'a mut M,
    },
    /// PUBREL with the original identifier.
    PubRel {
        /// The original identifier.
        packet_id: PacketId,
    },
}
