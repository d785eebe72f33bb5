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

#[cfg(test)]
mod tests {
    use super::*;

    fn ack(kind: AckKind, number: u16) -> PendingAck {
        PendingAck {
            kind,
            packet_id: PacketId::new(number).unwrap(),
            reason: ReasonCode::SUCCESS,
        }
    }

    /// Covers: v5 [MQTT-4.6.0-2], v5 [MQTT-4.6.0-3], v3.1.1 [MQTT-4.6.0-2], v3.1.1 [MQTT-4.6.0-3].
    #[test]
    fn v5_4_6_0_2_acknowledgements_leave_in_order_of_arrival() {
        let mut queue = AckQueue::new();
        let acks = [
            ack(AckKind::PubRec, 5),
            ack(AckKind::PubAck, 5),
            ack(AckKind::PubAck, 2),
        ];
        for ack in acks {
            queue.push(false, ack);
        }
        for at in [2, 1] {
            let PendingAck {
                kind, packet_id, ..
            } = acks[at];
            let (gate, found) = queue.find_mut(kind, packet_id).unwrap();
            assert_eq!(*found, acks[at]);
            *gate = true;
            assert_eq!(queue.pop_if(|gate| *gate), None, "one before it waits");
        }
        *queue
            .find_mut(AckKind::PubRec, acks[0].packet_id)
            .unwrap()
            .0 = true;
        for ack in acks {
            assert_eq!(queue.pop_if(|gate| *gate), Some(ack));
        }
        assert!(queue.is_empty() && queue.pop_if(|_| true).is_none());
    }

    #[test]
    fn the_first_of_two_entries_for_one_flow_is_found() {
        let mut queue = AckQueue::new();
        queue.push(1, ack(AckKind::PubAck, 1));
        queue.push(2, ack(AckKind::PubAck, 1));
        let found = queue.find_mut(AckKind::PubAck, PacketId::MIN);
        assert_eq!(found.map(|(gate, _)| *gate), Some(1));
        assert!(queue.find_mut(AckKind::PubRec, PacketId::MIN).is_none());
        assert_eq!((queue.first_gate(), queue.len()), (Some(&1), 2));
        queue.clear();
        assert_eq!((queue.first_gate(), queue.len()), (None, 0));
    }

    #[test]
    fn each_kind_is_a_packet() {
        assert_eq!(AckKind::PubAck.packet_type(), PacketType::PubAck);
        assert_eq!(AckKind::PubRec.packet_type(), PacketType::PubRec);
        assert_eq!(AckKind::PubComp.packet_type(), PacketType::PubComp);
    }
}
