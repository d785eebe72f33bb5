//! Which lane serves a connection, and being told to change it.

use super::Batch;
use super::connection::Connection;
use super::session_cell::SessionCell;

/// Subscribers of a topic up to which they follow its publisher to another lane.
const FOLLOWERS_MAX: usize = 4;
/// All of the connections, as a share.
const WHOLE: u16 = 256;

/// The place of a lane among those there are.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Lane(pub(crate) u8);

impl Lane {
    /// Where connections are accepted.
    pub(crate) const FIRST: Self = Self(0);

    /// The lane at a place, the first when there cannot be so many.
    pub(crate) fn nth(nth: usize) -> Self {
        Self(u8::try_from(nth).unwrap_or(0))
    }
}

/// What the connections of a lane are asked: that part of them move to another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Order {
    /// Tells it from others, never 0.
    pub(crate) number: u16,
    pub(crate) to: Lane,
    /// How many are to go, of [`WHOLE`].
    share: u16,
}

impl Order {
    /// `share`, 0 to 1, of the work is to go to `to`.
    pub(crate) fn new(number: u16, to: Lane, share: f32) -> Self {
        let part = (1..WHOLE).rfind(|part| f32::from(*part) <= share * f32::from(WHOLE));
        Self {
            number,
            to,
            share: part.unwrap_or(1),
        }
    }

    /// All are to come back to the first lane.
    pub(crate) const fn gather(number: u16) -> Self {
        Self::gather_on(number, Lane::FIRST)
    }

    /// All are to go to one lane.
    pub(crate) const fn gather_on(number: u16, to: Lane) -> Self {
        Self {
            number,
            to,
            share: WHOLE,
        }
    }

    /// Whether it concerns connections that publish nothing, too.
    pub(crate) const fn is_for_all(self) -> bool {
        self.share == WHOLE
    }

    /// Whether the `nth` connection asked, from 0, is to go: evenly spread over all that are asked.
    pub(crate) fn is_for(self, nth: u32) -> bool {
        let (nth, share) = (u64::from(nth), u64::from(self.share));
        let gone = |count: u64| count * share / u64::from(WHOLE);
        gone(nth + 1) > gone(nth)
    }

    /// As one number, which is not 0.
    pub(crate) fn pack(self) -> u64 {
        u64::from(self.number) << 32 | u64::from(self.share) << 8 | u64::from(self.to.0)
    }

    /// What [`Order::pack`] made; none of 0.
    #[inline]
    pub(crate) fn unpack(packed: u64) -> Option<Self> {
        if packed == 0 {
            return None;
        }
        let [_, _, n1, n0, _, s1, s0, to] = packed.to_be_bytes();
        Some(Self {
            number: u16::from_be_bytes([n1, n0]),
            share: u16::from_be_bytes([s1, s0]),
            to: Lane(to),
        })
    }
}

impl Connection {
    /// Whether it publishes, and so makes work for others.
    pub(crate) fn publishes(&self) -> bool {
        self.open
            .as_ref()
            .is_some_and(|open| open.last_topic.is_used())
    }

    /// This publisher is to leave `from`: few subscribers go with it, many are parted and it stays; whether it goes.
    pub(crate) fn lead(&self, from: Lane, order: Order, batch: &mut Batch) -> bool {
        let Some(last) = self.open.as_ref().and_then(|open| open.last_topic.routes()) else {
            return true;
        };
        let entries = &last.entries;
        let goes = entries.len() <= FOLLOWERS_MAX;
        for (nth, route) in (0..).zip(entries) {
            if goes || order.is_for(nth) {
                tell_to_move(&route.cell, from, order, batch);
            }
        }
        goes
    }

    /// Where its session was told to be served, once.
    pub(crate) fn take_wanted_lane(&mut self) -> Option<Lane> {
        self.wanted_lane.take()
    }
}

/// Tells the connection of a session to move, unless it has been told by the same order before.
fn tell_to_move(cell: &SessionCell, from: Lane, order: Order, batch: &mut Batch) {
    let mut state = cell.state.lock();
    if state.connected && state.lane == from && state.moved_by != order.number {
        state.moved_by = order.number;
        state.wanted_lane = Some(order.to);
        state.wake(batch);
    }
}

#[cfg(test)]
impl super::Core {
    /// Which lane serves a client, as its session knows.
    pub(crate) fn lane_of(&self, client_id: &str) -> Option<Lane> {
        let cell = self.sessions.lock().find(client_id).cloned()?;
        let lane = cell.state.lock().lane;
        Some(lane)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_survives_being_one_number() {
        for order in [
            Order::new(1, Lane(1), 0.5),
            Order::new(65_535, Lane(63), 0.1),
            Order::gather(7),
        ] {
            assert_eq!(Order::unpack(order.pack()), Some(order));
        }
        assert_eq!(Order::unpack(0), None);
    }

    #[test]
    fn a_share_is_spread_evenly() {
        let half = Order::new(1, Lane(1), 0.5);
        let gone: Vec<_> = (0..10).filter(|nth| half.is_for(*nth)).collect();
        assert_eq!(gone, [1, 3, 5, 7, 9]);
        let quarter = Order::new(1, Lane(1), 0.25);
        assert_eq!((0..100).filter(|nth| quarter.is_for(*nth)).count(), 25);
        assert!((0..100).all(|nth| Order::gather(1).is_for(nth)));
    }
}
