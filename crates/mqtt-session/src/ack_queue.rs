//! Acknowledgements that may not leave yet, kept in the order the standard demands.

use alloc::collections::VecDeque;
use mqtt_codec::{PacketId, PacketType, ReasonCode};

/// The acknowledgements a receiver of PUBLISH sends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AckKind {
    /// Ends QoS 1.
    PubAck,
    /// First answer at QoS 2.
    PubRec,
    /// Last answer at QoS 2.
    PubComp,
}

impl AckKind {
    /// The Control Packet that carries it.
    pub const fn packet_type(self) -> PacketType {
        match self {
            Self::PubAck => PacketType::PubAck,
            Self::PubRec => PacketType::PubRec,
            Self::PubComp => PacketType::PubComp,
        }
    }
}

/// One acknowledgement to send.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PendingAck {
    /// Which packet.
    pub kind: AckKind,
    /// Which flow.
    pub packet_id: PacketId,
    /// With which answer.
    pub reason: ReasonCode,
}

/// Acknowledgements in arrival order, each behind a gate; the first closed gate holds all behind it.
///
/// A broker's gate is the position in its log that must be durable, a client's is whether the application is done.
/// Its length is bounded by the Receive Maximum, which bounds what may be unfinished.
/// Spec: v5 [MQTT-4.6.0-2], [MQTT-4.6.0-3]: PUBACK and PUBREC leave in the order of their PUBLISH packets.
#[derive(Clone, Debug)]
pub struct AckQueue<G, A = PendingAck> {
    entries: VecDeque<(G, A)>,
}

impl<G, A> Default for AckQueue<G, A> {
    fn default() -> Self {
        Self::new()
    }
}

impl<G, A> AckQueue<G, A> {
    /// An empty queue; allocates nothing.
    pub const fn new() -> Self {
        Self {
            entries: VecDeque::new(),
        }
    }

    /// Puts `ack` at the end behind `gate`.
    pub fn push(&mut self, gate: G, ack: A) {
        self.entries.push_back((gate, ack));
    }

    /// Takes the first acknowledgement if `open` says its gate is.
    pub fn pop_if(&mut self, open: impl FnOnce(&G) -> bool) -> Option<A> {
        if !open(&self.entries.front()?.0) {
            return None;
        }
        self.entries.pop_front().map(|(_, ack)| ack)
    }

    /// The gate of the first acknowledgement.
    pub fn first_gate(&self) -> Option<&G> {
        self.entries.front().map(|(gate, _)| gate)
    }

    /// Acknowledgements waiting.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Forgets all: the Network Connection they belong to is gone, the peer will send again.
    pub fn clear(&mut self) {
        self.entries = VecDeque::new();
    }
}

impl<G> AckQueue<G> {
    /// Finds the first entry of `kind` and `packet_id`, to open its gate or change its answer.
    pub fn find_mut(
        &mut self,
        kind: AckKind,
        packet_id: PacketId,
    ) -> Option<(&mut G, &mut PendingAck)> {
        self.entries
            .iter_mut()
            .find(|(_, ack)| ack.kind == kind && ack.packet_id == packet_id)
            .map(|(gate, ack)| (gate, ack))
    }
}
