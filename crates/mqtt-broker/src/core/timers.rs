//! Timers for many things that rarely come due: expiry, Keep Alive, Will Delay.
//!
//! A wheel whose slots double in width: slot 0 is due, slot `n` holds what differs from the
//! current tick first in bit `n - 1`. Time passing over a slot's edge deals the slot out to
//! narrower ones, so a timer `2^n` ticks away is moved at most `n` times, a push each.

#[cfg(test)]
mod tests;

/// Slots: one for what is due, one for each bit a tick can differ in.
const SLOTS: usize = 65;

/// Keys with deadlines, due to within one tick and never early.
///
/// There is no way to cancel, and so no cost for it: the owner keeps the deadline that counts
/// with the thing the key names, and when the key comes due looks whether that deadline has
/// passed, inserts it again if it has moved, or drops it if the thing is gone.
/// An owner that only ever postpones need not insert on each change, just once per time it fires.
///
/// An entry takes 16 bytes for a key of 8, plus the slack of growing arrays.
#[derive(Clone, Debug)]
pub(crate) struct TimerWheel<K> {
    /// Unit: milliseconds, at least 1.
    tick_ms: u64,
    /// The current tick; it does not go back.
    now: u64,
    /// INVARIANT: an entry is in `slot_of(now, tick)`.
    slots: [Vec<Entry<K>>; SLOTS],
    len: usize,
}

#[derive(Clone, Debug)]
struct Entry<K> {
    /// The first tick that is not before the deadline.
    tick: u64,
    key: K,
}

impl<K> TimerWheel<K> {
    /// An empty wheel at time 0 with ticks of `tick_ms` milliseconds; 0 is taken as 1.
    pub(crate) fn new(tick_ms: u64) -> Self {
        Self {
            tick_ms: tick_ms.max(1),
            now: 0,
            slots: std::array::from_fn(|_| Vec::new()),
            len: 0,
        }
    }

    /// The number of keys that wait; a key inserted twice counts twice.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Adds a key that comes due at `deadline_ms`, or with the next `advance` if that is past.
    pub(crate) fn insert(&mut self, deadline_ms: u64, key: K) {
        let tick = deadline_ms.div_ceil(self.tick_ms);
        self.place(Entry { tick, key });
        self.len += 1;
    }

    /// Moves the clock to `now_ms` and appends the keys that are due to `due`.
    ///
    /// They come in the order of their deadlines to within one tick; within a tick in any order.
    /// A time before the last one is taken as the last one.
    pub(crate) fn advance(&mut self, now_ms: u64, due: &mut Vec<K>) {
        let now = (now_ms / self.tick_ms).max(self.now);
        let edge = slot_of(self.now, now);
        self.now = now;
        // Up to the edge each slot is in the past as a whole, and the edge itself in part. The
        // slots beyond differ from the new tick in the same bit as from the old one.
        let mut past = Vec::new();
        for slot in self.slots.iter_mut().take(edge) {
            past.append(slot);
        }
        let dealt = self
            .slots
            .get_mut(edge)
            .map(std::mem::take)
            .unwrap_or_default();
        for entry in dealt {
            if entry.tick <= now {
                past.push(entry);
            } else {
                self.place(entry);
            }
        }
        past.sort_by_key(|entry| entry.tick);
        self.len -= past.len();
        due.extend(past.into_iter().map(|entry| entry.key));
    }

    /// Forgets what `is_kept` denies, given each key with its deadline rounded up to a tick, in milliseconds.
    pub(crate) fn retain(&mut self, mut is_kept: impl FnMut(&K, u64) -> bool) {
        self.len = 0;
        for slot in &mut self.slots {
            slot.retain(|entry| is_kept(&entry.key, entry.tick.saturating_mul(self.tick_ms)));
            slot.shrink_to(slot.len() * 2);
            self.len += slot.len();
        }
    }

    /// When to call `advance` next, in milliseconds; `None` if no key waits.
    ///
    /// It is never after the first deadline's tick and may be before it, as the wheel then only
    /// deals out a slot: at most once for each doubling of the time left.
    #[cfg_attr(
        not(test),
        expect(
            dead_code,
            reason = "for owners that sleep until a deadline, not tick by tick"
        )
    )]
    pub(crate) fn next_deadline(&self) -> Option<u64> {
        let slot = self.slots.iter().position(|slot| !slot.is_empty())?;
        let first_tick = match slot.checked_sub(1) {
            // The slot starts where its bit is set and those after it are not.
            Some(bit) => ((self.now >> bit) | 1) << bit,
            None => self.now,
        };
        Some(first_tick.saturating_mul(self.tick_ms))
    }

    fn place(&mut self, entry: Entry<K>) {
        let slot = slot_of(self.now, entry.tick);
        if let Some(slot) = self.slots.get_mut(slot) {
            slot.push(entry);
        }
    }
}

/// The slot for `tick` when the current tick is `now`: 0 if it is not in the future, else one
/// more than the first bit in which the two differ.
fn slot_of(now: u64, tick: u64) -> usize {
    let differing = if tick > now { tick ^ now } else { 0 };
    (u64::BITS - differing.leading_zeros()) as usize
}
