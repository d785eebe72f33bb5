//! Messages that wait in the log: what is known of each without reading it, in 16 bytes.

use super::log::MessageId;
use super::message::Message;
use super::queue::Queued;
use super::seldom_vec::SeldomVec;
use super::session_cell::NEVER;
use super::subscription::Via;
use mqtt_codec::QoS;
use std::collections::VecDeque;
use std::sync::Arc;

/// Bytes an entry counts for, with what the log's own index takes for it.
pub(crate) const ENTRY_LEN: i64 = 48;

/// Ways by which the messages of one queue may have come; with more of them messages stay in memory.
const VIAS_MAX: usize = 1023;
/// Bits of a message's name that an entry holds.
const ID_BITS: u32 = 48;

const EXACTLY_ONCE: u16 = 1 << 0;
const RETAIN: u16 = 1 << 1;
const PINNED: u16 = 1 << 2;
const VIA_SHIFT: u32 = 3;

/// Stands for a message of the log, or for one that is kept in memory beside the entries.
#[derive(Clone, Copy, Debug)]
struct Entry {
    id_low: u32,
    id_high: u16,
    /// QoS, RETAIN, pinned, and from [`VIA_SHIFT`] on the place in `vias`, counted from 1; 0 for none.
    flags: u16,
    size: u32,
    /// When it has expired for certain, in seconds of Unix time; `u32::MAX` never.
    expires_s: u32,
}

/// A message of the log that waits, and how it is to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) id: MessageId,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) via: Via,
    /// Bytes it counts for; see [`super::message::Message::size`].
    pub(crate) size: usize,
    /// When it expires, in milliseconds; [`NEVER`] without that.
    pub(crate) expires_at_ms: u64,
}

impl Stored {
    /// With its message, which was read.
    pub(crate) fn with(self, message: Arc<Message>) -> Queued {
        Queued {
            message,
            qos: self.qos,
            retain: self.retain,
            via: self.via,
            id: self.id,
        }
    }
}

/// What is at the front.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Front {
    /// A message of the log.
    Stored(MessageId),
    /// One that is kept in memory.
    Pinned,
}

/// Entries, in the order their messages are to be sent.
#[derive(Debug, Default)]
pub(crate) struct Entries {
    list: VecDeque<Entry>,
    /// With how many entries have each.
    vias: SeldomVec<(Via, u32)>,
}

impl Entry {
    fn id(&self) -> MessageId {
        MessageId(u64::from(self.id_high) << 32 | u64::from(self.id_low))
    }

    const fn is_pinned(&self) -> bool {
        self.flags & PINNED != 0
    }

    fn via_at(&self) -> Option<usize> {
        usize::from(self.flags >> VIA_SHIFT).checked_sub(1)
    }

    fn is_expired(&self, now_ms: u64) -> bool {
        self.expires_s != u32::MAX && u64::from(self.expires_s) * 1000 <= now_ms
    }

    fn size(&self) -> usize {
        usize::try_from(self.size).unwrap_or(usize::MAX)
    }
}

impl Entries {
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Puts a message of the log at the end; `false`: it cannot be told in an entry and has to stay in memory.
    pub(crate) fn push_back(&mut self, stored: &Stored) -> bool {
        let Some(entry) = self.note(stored) else {
            return false;
        };
        self.grow();
        self.list.push_back(entry);
        true
    }

    /// Puts a message of the log before all others; as [`Entries::push_back`].
    pub(crate) fn push_front(&mut self, stored: &Stored) -> bool {
        let Some(entry) = self.note(stored) else {
            return false;
        };
        self.grow();
        self.list.push_front(entry);
        true
    }

    /// Puts an entry for a message in memory at the end.
    pub(crate) fn pin_back(&mut self) {
        self.grow();
        self.list.push_back(Entry::PINNED);
    }

    /// Puts an entry for a message in memory before all others.
    pub(crate) fn pin_front(&mut self) {
        self.grow();
        self.list.push_front(Entry::PINNED);
    }

    /// What comes next.
    pub(crate) fn front(&self) -> Option<Front> {
        let entry = self.list.front()?;
        Some(match entry.is_pinned() {
            true => Front::Pinned,
            false => Front::Stored(entry.id()),
        })
    }

    /// Whether the next message is one of the log that has expired at `now_ms`.
    pub(crate) fn is_front_expired(&self, now_ms: u64) -> bool {
        let front = self.list.front();
        front.is_some_and(|entry| !entry.is_pinned() && entry.is_expired(now_ms))
    }

    /// Takes the next one; none in it for a message in memory.
    pub(crate) fn pop_front(&mut self) -> Option<Option<Stored>> {
        let entry = self.list.pop_front()?;
        let len = self.list.len();
        if self.list.capacity() > 2 * len + 64 {
            self.list.shrink_to(len + len / 4);
        }
        Some(self.read(entry))
    }

    /// The names of the next messages of the log: of `bytes_max` bytes and `len_max` in number, but at least one.
    pub(crate) fn next_ids(
        &self,
        bytes_max: usize,
        len_max: usize,
    ) -> impl Iterator<Item = MessageId> {
        let mut bytes = 0;
        let stored = self.list.iter().take_while(|entry| !entry.is_pinned());
        let fitting = stored.enumerate().take_while(move |(at, entry)| {
            bytes += entry.size();
            *at == 0 || (*at < len_max && bytes <= bytes_max)
        });
        fitting.map(|(_, entry)| entry.id())
    }

    /// Whether some may have come by a Shared Subscription.
    pub(crate) fn has_shared(&self) -> bool {
        self.vias.iter().any(|(via, _)| via.is_shared())
    }

    fn grow(&mut self) {
        let len = self.list.len();
        if len == self.list.capacity() {
            // Twice as many places would be more memory than the entries may take.
            self.list.reserve_exact(len / 4 + 4);
        }
    }

    fn note(&mut self, stored: &Stored) -> Option<Entry> {
        let id = stored.id.0;
        if stored.id == MessageId::NONE || id >> ID_BITS != 0 {
            return None;
        }
        let low = u32::try_from(id & u64::from(u32::MAX)).ok()?;
        let high = u16::try_from(id >> 32).ok()?;
        let size = u32::try_from(stored.size).ok()?;
        let mut flags = u16::try_from(self.keep_via(&stored.via)? << VIA_SHIFT).ok()?;
        if stored.qos == QoS::ExactlyOnce {
            flags |= EXACTLY_ONCE;
        }
        if stored.retain {
            flags |= RETAIN;
        }
        let expires_s = match stored.expires_at_ms {
            NEVER => u32::MAX,
            at_ms => u32::try_from(at_ms.div_ceil(1000)).unwrap_or(u32::MAX),
        };
        Some(Entry {
            id_low: low,
            id_high: high,
            flags,
            size,
            expires_s,
        })
    }

    /// The place of an equal one, counted from 1; 0 where there is nothing to keep.
    fn keep_via(&mut self, via: &Via) -> Option<usize> {
        if via.is_none() {
            return Some(0);
        }
        let mut free = None;
        for (at, (known, count)) in self.vias.iter_mut().enumerate() {
            if *count == 0 {
                free = Some(at);
            } else if known.is_same(via) {
                *count = count.checked_add(1)?;
                return Some(at + 1);
            }
        }
        if let Some(place) = free.and_then(|at| self.vias.get_mut(at)) {
            *place = (via.clone(), 1);
            return free.map(|at| at + 1);
        }
        let len = self.vias.len();
        (len < VIAS_MAX).then(|| {
            self.vias.push((via.clone(), 1));
            len + 1
        })
    }

    fn read(&mut self, entry: Entry) -> Option<Stored> {
        if entry.is_pinned() {
            return None;
        }
        let mut via = Via::default();
        if let Some((known, count)) = entry.via_at().and_then(|at| self.vias.get_mut(at)) {
            via = known.clone();
            *count -= 1;
            if *count == 0 {
                *known = Via::default();
            }
        }
        Some(Stored {
            id: entry.id(),
            qos: match entry.flags & EXACTLY_ONCE {
                0 => QoS::AtLeastOnce,
                _ => QoS::ExactlyOnce,
            },
            retain: entry.flags & RETAIN != 0,
            via,
            size: entry.size(),
            expires_at_ms: match entry.expires_s {
                u32::MAX => NEVER,
                s => u64::from(s) * 1000,
            },
        })
    }
}

impl Entry {
    /// Stands for a message in memory.
    const PINNED: Self = Self {
        id_low: 0,
        id_high: 0,
        flags: PINNED,
        size: 0,
        expires_s: u32::MAX,
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use mqtt_codec::SubscriptionIdentifier;

    fn stored(id: u64, via: &Via) -> Stored {
        Stored {
            id: MessageId(id),
            qos: QoS::ExactlyOnce,
            retain: true,
            via: via.clone(),
            size: 300,
            expires_at_ms: 5_500,
        }
    }

    #[test]
    fn an_entry_takes_16_bytes() {
        assert_eq!(size_of::<Entry>(), 16);
    }

    #[test]
    fn what_was_put_in_comes_out() {
        let via = Via::one(SubscriptionIdentifier::new(7));
        let mut entries = Entries::default();
        let id = (1 << ID_BITS) - 1;
        assert!(entries.push_back(&stored(id, &via)));
        entries.pin_back();
        assert!(!entries.push_back(&stored(1 << ID_BITS, &via)));
        assert!(!entries.push_back(&stored(0, &via)));
        assert_eq!(entries.front(), Some(Front::Stored(MessageId(id))));
        assert!(!entries.is_front_expired(5_500), "only for certain");
        assert!(entries.is_front_expired(6_000));
        let found = entries.pop_front().unwrap().unwrap();
        assert_eq!((found.id, found.qos), (MessageId(id), QoS::ExactlyOnce));
        assert!(found.retain && found.via.is_same(&via));
        assert_eq!((found.size, found.expires_at_ms), (300, 6_000));
        assert_eq!(entries.front(), Some(Front::Pinned));
        assert!(entries.pop_front().unwrap().is_none());
        assert!(entries.pop_front().is_none());
    }

    #[test]
    fn ways_are_kept_once_and_no_more_than_there_are_places() {
        let via = |id: u32| Via::one(SubscriptionIdentifier::new(id));
        let mut entries = Entries::default();
        for id in 1..=u32::try_from(VIAS_MAX).unwrap() {
            assert!(entries.push_back(&stored(u64::from(id), &via(id))));
            assert!(entries.push_back(&stored(u64::from(id), &via(id))));
        }
        let one_more = stored(1, &via(100_000));
        assert!(!entries.push_back(&one_more));
        entries.pop_front();
        assert!(!entries.push_back(&one_more));
        entries.pop_front();
        assert!(entries.push_back(&one_more));
    }

    #[test]
    fn a_batch_ends_with_its_bytes_but_has_something() {
        let mut entries = Entries::default();
        for id in 1..=10 {
            assert!(entries.push_back(&stored(id, &Via::default())));
        }
        let count = |bytes_max, len_max| entries.next_ids(bytes_max, len_max).count();
        assert_eq!(count(0, 100), 1);
        assert_eq!(count(900, 100), 3);
        assert_eq!(count(9_000, 4), 4);
        assert_eq!(count(9_000, 100), 10);
    }
}
