//! Which messages of a publisher are unfinished, and what each still waits for.

use crate::frame::{PUBACK, PUBCOMP, PUBREC};
use crate::scenario::QoS;

/// The acknowledgement a message waits for next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum AwaitedAck {
    None,
    PubAck,
    PubRec,
    PubComp,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    deliveries_left: u32,
    awaited_ack: AwaitedAck,
    /// When the message was sent or due, in nanoseconds of the run.
    since_ns: u64,
}

/// An event that no unfinished message waits for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct NotAwaited;

/// The unfinished messages of one publisher, oldest first, in a ring of fixed size.
///
/// Message `n` has slot `n` modulo the ring's size, and that slot plus one as packet identifier.
#[derive(Debug)]
pub(crate) struct Window {
    /// INVARIANT: the length is a power of two, at least `limit`.
    slots: Vec<Slot>,
    limit: u32,
    deliveries_per_message: u32,
    first_ack: AwaitedAck,
    /// Number of the oldest unfinished message. INVARIANT: `head - tail <= limit`.
    tail: u64,
    /// Number of the next message to send.
    head: u64,
}

impl Window {
    /// At most `limit` messages unfinished, each to be delivered so often.
    pub(crate) fn new(limit: u16, deliveries_per_message: u32, qos: QoS) -> Self {
        let first_ack = match qos {
            QoS::AtMostOnce => AwaitedAck::None,
            QoS::AtLeastOnce => AwaitedAck::PubAck,
            QoS::ExactlyOnce => AwaitedAck::PubRec,
        };
        let empty = Slot {
            deliveries_left: 0,
            awaited_ack: AwaitedAck::None,
            since_ns: 0,
        };
        let slots = vec![empty; usize::from(limit.max(1)).next_power_of_two()];
        let limit = u32::from(limit.max(1));
        Self {
            slots,
            limit,
            deliveries_per_message,
            first_ack,
            tail: 0,
            head: 0,
        }
    }

    /// Lowers the limit to the broker's Receive Maximum.
    pub(crate) fn lower_limit(&mut self, limit: u16) {
        self.limit = self.limit.min(u32::from(limit.max(1)));
    }

    /// Slots in the ring.
    pub(crate) fn ring_len(&self) -> usize {
        self.slots.len()
    }

    /// The slot of a message.
    pub(crate) fn slot_of(&self, number: u64) -> usize {
        // The mask keeps the value below the ring's length.
        usize::try_from(number & self.mask()).unwrap_or(0)
    }

    /// Number of the next message to send.
    pub(crate) fn next_number(&self) -> u64 {
        self.head
    }

    /// Number of the oldest unfinished message.
    pub(crate) fn oldest_number(&self) -> u64 {
        self.tail
    }

    /// Messages not finished.
    pub(crate) fn unfinished(&self) -> u64 {
        self.head - self.tail
    }

    /// Whether one more message may be sent.
    pub(crate) fn has_room(&self) -> bool {
        self.unfinished() < u64::from(self.limit)
    }

    /// Counts the next message as sent and gives its number; `None` when the window is full.
    pub(crate) fn open(&mut self, since_ns: u64) -> Option<u64> {
        if !self.has_room() {
            return None;
        }
        let number = self.head;
        let index = self.slot_of(number);
        let slot = self.slots.get_mut(index)?;
        slot.deliveries_left = self.deliveries_per_message;
        slot.awaited_ack = self.first_ack;
        slot.since_ns = since_ns;
        self.head += 1;
        Some(number)
    }

    /// One delivery of the message whose number ends in these 32 bits. Gives the time the message
    /// was sent or due.
    pub(crate) fn delivered(&mut self, sequence: u32) -> Result<u64, NotAwaited> {
        // The low 32 bits are what the payload carries.
        let oldest = u32::try_from(self.tail & u64::from(u32::MAX)).unwrap_or(0);
        let number = self.tail + u64::from(sequence.wrapping_sub(oldest));
        if number >= self.head {
            return Err(NotAwaited);
        }
        let index = self.slot_of(number);
        let slot = self.slots.get_mut(index).ok_or(NotAwaited)?;
        slot.deliveries_left = slot.deliveries_left.checked_sub(1).ok_or(NotAwaited)?;
        let since_ns = slot.since_ns;
        self.finish_oldest();
        Ok(since_ns)
    }

    /// An acknowledgement, by its first byte without flags. After a PUBREC the message waits for
    /// PUBCOMP: the caller sends PUBREL. Gives the time the message was sent or due.
    pub(crate) fn acknowledged(&mut self, kind: u8, packet_id: u16) -> Result<u64, NotAwaited> {
        let index = usize::from(packet_id).checked_sub(1).ok_or(NotAwaited)?;
        let slot = self.slots.get_mut(index).ok_or(NotAwaited)?;
        slot.awaited_ack = match (slot.awaited_ack, kind) {
            (AwaitedAck::PubAck, PUBACK) | (AwaitedAck::PubComp, PUBCOMP) => AwaitedAck::None,
            (AwaitedAck::PubRec, PUBREC) => AwaitedAck::PubComp,
            _ => return Err(NotAwaited),
        };
        let since_ns = slot.since_ns;
        self.finish_oldest();
        Ok(since_ns)
    }

    /// What the oldest unfinished message waits for, in words.
    pub(crate) fn awaited(&self) -> String {
        let number = self.tail;
        let Some(slot) = self.slots.get(self.slot_of(number)) else {
            return String::new();
        };
        let packet_id = self.slot_of(number) + 1;
        let deliveries = slot.deliveries_left;
        match slot.awaited_ack {
            AwaitedAck::None => format!("{deliveries} deliveries of message {number}"),
            ack => format!(
                "{ack:?} of packet identifier {packet_id} and {deliveries} deliveries of message {number}"
            ),
        }
    }

    fn mask(&self) -> u64 {
        u64::try_from(self.slots.len()).unwrap_or(1) - 1
    }

    fn finish_oldest(&mut self) {
        while self.tail < self.head {
            let open = self.slots.get(self.slot_of(self.tail)).is_some_and(|slot| {
                slot.deliveries_left > 0 || slot.awaited_ack != AwaitedAck::None
            });
            if open {
                break;
            }
            self.tail += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_bounds_what_is_unfinished() {
        let mut window = Window::new(3, 2, QoS::AtMostOnce);
        assert_eq!(
            (window.open(1), window.open(2), window.open(3)),
            (Some(0), Some(1), Some(2))
        );
        assert_eq!(window.open(4), None);
        assert_eq!(window.delivered(0), Ok(1));
        assert_eq!(window.open(4), None, "one of two deliveries is missing");
        assert_eq!(window.delivered(0), Ok(1));
        assert_eq!(window.open(4), Some(3));
        assert_eq!(window.unfinished(), 3);
    }

    #[test]
    fn a_message_finished_early_waits_for_older_ones() {
        let mut window = Window::new(2, 1, QoS::AtMostOnce);
        window.open(0);
        window.open(0);
        assert!(window.delivered(1).is_ok());
        assert!(!window.has_room());
        assert!(window.delivered(0).is_ok());
        assert_eq!(window.unfinished(), 0);
    }

    #[test]
    fn deliveries_and_acknowledgements_are_both_needed() {
        let mut window = Window::new(1, 1, QoS::ExactlyOnce);
        window.open(0);
        assert!(window.delivered(0).is_ok());
        assert_eq!(window.acknowledged(PUBCOMP, 1), Err(NotAwaited));
        assert!(window.acknowledged(PUBREC, 1).is_ok());
        assert!(window.awaited().contains("PubComp"));
        assert!(!window.has_room());
        assert!(window.acknowledged(PUBCOMP, 1).is_ok());
        assert!(window.has_room());
    }

    #[test]
    fn a_second_delivery_and_foreign_identifiers_are_refused() {
        let mut window = Window::new(4, 1, QoS::AtLeastOnce);
        window.open(0);
        window.open(0);
        assert!(window.delivered(1).is_ok());
        assert_eq!(window.delivered(1), Err(NotAwaited));
        assert_eq!(window.delivered(2), Err(NotAwaited));
        assert_eq!(window.acknowledged(PUBACK, 0), Err(NotAwaited));
        assert_eq!(window.acknowledged(PUBACK, 4), Err(NotAwaited));
        assert_eq!(window.acknowledged(PUBACK, 5), Err(NotAwaited));
        assert!(window.delivered(0).is_ok());
        assert!(window.acknowledged(PUBACK, 1).is_ok());
        assert_eq!(
            window.delivered(0),
            Err(NotAwaited),
            "the message is finished"
        );
    }

    #[test]
    fn numbers_past_32_bits_are_found_again() {
        let mut window = Window::new(2, 1, QoS::AtMostOnce);
        window.tail = u64::from(u32::MAX);
        window.head = window.tail;
        window.open(5);
        window.open(6);
        assert_eq!(window.delivered(u32::MAX), Ok(5));
        assert_eq!(window.delivered(0), Ok(6));
        assert_eq!(window.next_number(), u64::from(u32::MAX) + 2);
        assert_eq!(window.unfinished(), 0);
    }
}
