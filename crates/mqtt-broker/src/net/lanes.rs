//! Lanes: the runtimes that serve connections, and which connection is served by which.
//!
//! All begin on the first lane, where one connection wakes another without a system call. When its thread is
//! full and a core is free, a part of the work moves to another lane; when there is little to do it comes back.

use super::balance::{Advice, Balance};
use crate::core::lane::{Lane, Order};
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// Lanes there can be.
const LANES_MAX: usize = 64;

/// The runtimes of a broker, the one that accepts first.
#[derive(Debug)]
pub(crate) struct Lanes {
    /// INVARIANT: 1 to [`LANES_MAX`].
    places: Vec<Place>,
    balance: Mutex<Watched>,
}

#[derive(Debug)]
struct Place {
    runtime: Handle,
    /// The [`Order`] in force for its connections.
    order: AtomicU64,
    /// Connections that the order has been put to.
    asked: AtomicU32,
}

/// What the lanes were seen to do last.
#[derive(Debug)]
struct Watched {
    balance: Balance,
    at: Instant,
    /// Of each lane the time it had been busy for.
    busy: Vec<Duration>,
    /// How busy each was since, 0 to 1.
    loads: Vec<f32>,
    orders: u16,
}

impl Lanes {
    /// `first` is where connections are accepted.
    pub(crate) fn new(first: Handle, others: Vec<Handle>) -> Self {
        let places: Vec<_> = std::iter::once(first)
            .chain(others)
            .take(LANES_MAX)
            .map(|runtime| Place {
                runtime,
                order: AtomicU64::new(0),
                asked: AtomicU32::new(0),
            })
            .collect();
        let watched = Watched {
            balance: Balance::default(),
            at: Instant::now(),
            busy: places.iter().map(Place::busy).collect(),
            loads: vec![0.0; places.len()],
            orders: 0,
        };
        Self {
            places,
            balance: Mutex::new(watched),
        }
    }

    /// The runtime of a lane.
    pub(crate) fn runtime(&self, lane: Lane) -> Option<&Handle> {
        Some(&self.place(lane)?.runtime)
    }

    /// Where a new connection is to be served.
    pub(crate) fn for_new(&self) -> Lane {
        if self.places.len() == 1 {
            return Lane::FIRST;
        }
        let watched = self.balance.lock();
        watched.balance.for_new(&watched.loads)
    }

    /// What a connection of `lane` is asked to do that has seen the order `seen`, if it is another one.
    #[inline]
    pub(crate) fn order(&self, lane: Lane, seen: u16) -> Option<Order> {
        let place = self.place(lane)?;
        let order = Order::unpack(place.order.load(Ordering::Relaxed))?;
        (order.number != seen).then_some(order)
    }

    /// Whether the next connection that asks is one of those the order is meant for.
    pub(crate) fn is_meant(&self, lane: Lane, order: Order) -> bool {
        let Some(place) = self.place(lane) else {
            return false;
        };
        order.is_for(place.asked.fetch_add(1, Ordering::Relaxed))
    }

    /// Looks at what the lanes do, and moves work if it should.
    pub(crate) fn look(&self) {
        if self.places.len() == 1 {
            return;
        }
        let mut watched = self.balance.lock();
        let watched = &mut *watched;
        let now = Instant::now();
        let passed = now.duration_since(watched.at).as_secs_f32().max(0.001);
        watched.at = now;
        let lanes = watched.busy.iter_mut().zip(&mut watched.loads);
        for (place, (busy, load)) in self.places.iter().zip(lanes) {
            let busy_now = place.busy();
            *load = busy_now.saturating_sub(*busy).as_secs_f32() / passed;
            *busy = busy_now;
        }
        match watched.balance.advise(&watched.loads, now) {
            None => {}
            Some(Advice::Share { from, to, share }) => {
                watched.orders = watched.orders.wrapping_add(1).max(1);
                self.give(to, None);
                self.give(from, Some(Order::new(watched.orders, to, share)));
            }
            Some(Advice::Gather) => {
                watched.orders = watched.orders.wrapping_add(1).max(1);
                let order = Order::gather(watched.orders);
                for nth in 1..self.places.len() {
                    self.give(Lane::nth(nth), Some(order));
                }
                self.give(Lane::FIRST, None);
            }
        }
    }

    fn give(&self, lane: Lane, order: Option<Order>) {
        if let Some(place) = self.place(lane) {
            place.asked.store(0, Ordering::Relaxed);
            let packed = order.map_or(0, Order::pack);
            place.order.store(packed, Ordering::Relaxed);
        }
    }

    #[inline]
    fn place(&self, lane: Lane) -> Option<&Place> {
        self.places.get(usize::from(lane.0))
    }
}

impl Place {
    /// For how long its threads have been busy, on average.
    fn busy(&self) -> Duration {
        let metrics = self.runtime.metrics();
        let workers = metrics.num_workers();
        let busy: Duration = (0..workers)
            .map(|worker| metrics.worker_total_busy_duration(worker))
            .sum();
        busy / u32::try_from(workers).unwrap_or(1).max(1)
    }
}

#[cfg(test)]
mod tests;
