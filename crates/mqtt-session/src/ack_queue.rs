//! Acknowledgements that may not leave yet, kept in the order the standard demands.

#[cfg(feature = "alloc")]
use crate::Heap;
use crate::Storage;
use crate::storage::Queue;
use core::fmt;
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

    /// `reason` as this packet can say it: 0x80 in place of one that it does not have.
    pub(crate) fn fitting(self, reason: ReasonCode) -> ReasonCode {
        match reason.allowed_in(self.packet_type()) {
            true => reason,
            false => ReasonCode::UNSPECIFIED_ERROR,
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
pub struct AckQueue<
    G,
    #[cfg(feature = "alloc")] A = PendingAck,
    #[cfg(not(feature = "alloc"))] A,
    #[cfg(feature = "alloc")] S: Storage = Heap,
    #[cfg(not(feature = "alloc"))] S: Storage,
> {
    entries: S::Acks<(G, A)>,
}

#[cfg(feature = "alloc")]
impl<G, A> AckQueue<G, A> {
    /// An empty queue; allocates nothing.
    pub const fn new() -> Self {
        Self::with_storage()
    }

    /// Puts `ack` at the end behind `gate`.
    pub fn push(&mut self, gate: G, ack: A) {
        // There is always room.
        let _ = self.try_push(gate, ack);
    }
}

impl<G, A, S: Storage> AckQueue<G, A, S> {
    /// An empty queue; allocates nothing.
    pub const fn with_storage() -> Self {
        Self {
            entries: Queue::EMPTY,
        }
    }

    /// Puts `ack` at the end behind `gate`.
    ///
    /// # Errors
    /// Both, when there is no place.
    pub fn try_push(&mut self, gate: G, ack: A) -> Result<(), (G, A)> {
        self.entries.push_back((gate, ack))
    }

    /// Whether there is no place for one more.
    pub fn is_full(&self) -> bool {
        self.entries.is_full()
    }

    /// Takes the first acknowledgement if `open` says its gate is.
    pub fn pop_if(&mut self, open: impl FnOnce(&G) -> bool) -> Option<A> {
        let first = self.entries.pop_front_if(|(gate, _)| open(gate));
        first.map(|(_, ack)| ack)
    }

    /// The gate and the acknowledgement `ahead` of which wait, to open the one or change the other.
    pub fn get_mut(&mut self, ahead: usize) -> Option<(&mut G, &mut A)> {
        self.entries.get_mut(ahead).map(|(gate, ack)| (gate, ack))
    }

    /// All, from the first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &(G, A)> {
        self.entries.iter()
    }

    /// The same, to open gates or change acknowledgements.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut (G, A)> {
        self.entries.iter_mut()
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
        self.entries = Queue::EMPTY;
    }
}

impl<G, A, S: Storage> Default for AckQueue<G, A, S> {
    fn default() -> Self {
        Self::with_storage()
    }
}

impl<G: Clone, A: Clone, S: Storage> Clone for AckQueue<G, A, S> {
    fn clone(&self) -> Self {
        Self {
            entries: self.entries.duplicate(),
        }
    }
}

impl<G: fmt::Debug, A: fmt::Debug, S: Storage> fmt::Debug for AckQueue<G, A, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.entries.iter()).finish()
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
        for ahead in [2, 1] {
            let (gate, found) = queue.get_mut(ahead).unwrap();
            assert_eq!(*found, acks[ahead]);
            *gate = true;
            assert_eq!(queue.pop_if(|gate| *gate), None, "one before it waits");
        }
        *queue.get_mut(0).unwrap().0 = true;
        for ack in acks {
            assert_eq!(queue.pop_if(|gate| *gate), Some(ack));
        }
        assert!(queue.is_empty() && queue.pop_if(|_| true).is_none());
    }

    #[test]
    fn one_is_found_by_how_many_are_ahead() {
        let mut queue = AckQueue::new();
        for gate in 1..=3 {
            queue.push(gate, ack(AckKind::PubAck, 1));
        }
        queue.pop_if(|_| true).unwrap();
        assert_eq!(queue.get_mut(1).map(|(gate, _)| *gate), Some(3));
        assert!(queue.get_mut(2).is_none());
        assert_eq!((queue.first_gate(), queue.len()), (Some(&2), 2));
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
