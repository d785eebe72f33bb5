//! Connections whose CONNECT has not come: one list for all of them instead of a timer for each.
//!
//! All have the same time, so the list is in the order of their deadlines as it is in that of their arrival.

use parking_lot::Mutex;
use std::task::Waker;

/// The number that no place has.
const NONE: u32 = u32::MAX;
/// Places that are kept when the last connection leaves.
const PLACES_KEPT: usize = 1024;

/// Connections that wait to be told that their time is over; bounded by the number of connections.
#[derive(Debug, Default)]
pub(crate) struct Arrivals(Mutex<List>);

/// A connection's place in the list; to be given back.
#[derive(Debug)]
pub(crate) struct Arrival(u32);

#[derive(Debug)]
struct List {
    places: Vec<Place>,
    free: Vec<u32>,
    first: u32,
    last: u32,
}

/// INVARIANT: linked from `first` to `last`, unless it is in `free`. Deadlines do not descend.
#[derive(Debug)]
struct Place {
    deadline_ms: u64,
    waker: Waker,
    before: u32,
    after: u32,
}

impl Arrivals {
    /// A connection has so long, or as long as those that came before it.
    pub(crate) fn enter(&self, deadline_ms: u64, waker: &Waker) -> Arrival {
        self.0.lock().push(deadline_ms, waker)
    }

    /// The connection has sent its CONNECT, or is gone.
    pub(crate) fn leave(&self, arrival: Arrival) {
        let waker = self.0.lock().remove(arrival.0);
        // It may be the last thing that holds a task, which must not be dropped under the lock.
        drop(waker);
    }

    /// Whether its time is over at `now_ms`.
    pub(crate) fn is_over(&self, arrival: &Arrival, now_ms: u64) -> bool {
        let list = self.0.lock();
        let place = list.place(arrival.0);
        place.is_some_and(|place| place.deadline_ms <= now_ms)
    }

    /// Wakes those whose time is over at `now_ms`, in milliseconds of the broker's clock.
    pub(crate) fn tick(&self, now_ms: u64) {
        self.wake(|place| place.deadline_ms <= now_ms);
    }

    /// Wakes all: the broker stops.
    pub(crate) fn wake_all(&self) {
        self.wake(|_| true);
    }

    fn wake(&self, is_meant: impl Fn(&Place) -> bool) {
        let list = self.0.lock();
        let mut wakers = Vec::new();
        let mut next = list.first;
        while let Some(place) = list.place(next).filter(|place| is_meant(place)) {
            wakers.push(place.waker.clone());
            next = place.after;
        }
        drop(list);
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl List {
    fn push(&mut self, deadline_ms: u64, waker: &Waker) -> Arrival {
        // After the time has been made shorter, the first ones still have as long as those before them.
        let last = self.place(self.last).map_or(0, |last| last.deadline_ms);
        let deadline_ms = deadline_ms.max(last);
        let place = Place {
            deadline_ms,
            waker: waker.clone(),
            before: self.last,
            after: NONE,
        };
        let number = match self.free.pop() {
            Some(number) => {
                if let Some(free) = self.place_mut(number) {
                    *free = place;
                }
                number
            }
            None => {
                self.places.push(place);
                u32::try_from(self.places.len() - 1).unwrap_or(NONE)
            }
        };
        match self.place_mut(self.last) {
            Some(last) => last.after = number,
            None => self.first = number,
        }
        self.last = number;
        Arrival(number)
    }

    fn remove(&mut self, number: u32) -> Option<Waker> {
        let place = self.place_mut(number)?;
        let (before, after) = (place.before, place.after);
        let waker = std::mem::replace(&mut place.waker, Waker::noop().clone());
        match self.place_mut(before) {
            Some(before) => before.after = after,
            None => self.first = after,
        }
        match self.place_mut(after) {
            Some(after) => after.before = before,
            None => self.last = before,
        }
        self.free.push(number);
        if self.free.len() == self.places.len() && self.places.len() > PLACES_KEPT {
            *self = Self::default();
        }
        Some(waker)
    }

    fn place(&self, number: u32) -> Option<&Place> {
        self.places.get(usize::try_from(number).ok()?)
    }

    fn place_mut(&mut self, number: u32) -> Option<&mut Place> {
        self.places.get_mut(usize::try_from(number).ok()?)
    }
}

impl Default for List {
    fn default() -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
            first: NONE,
            last: NONE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn those_are_woken_whose_time_is_over_and_who_have_not_left() {
        let arrivals = Arrivals::default();
        let woken: Vec<Arc<Woken>> = (0..5).map(|_| Arc::default()).collect();
        let enter = |nth: usize| {
            let deadline_ms = 100 * u64::try_from(nth).unwrap();
            arrivals.enter(deadline_ms, &Waker::from(Arc::clone(&woken[nth])))
        };
        let mut entered: Vec<Option<Arrival>> = (0..5).map(|nth| Some(enter(nth))).collect();
        for left in [1, 4] {
            arrivals.leave(entered[left].take().unwrap());
        }
        arrivals.tick(250);
        let times = || -> Vec<usize> {
            let times = woken.iter().map(|woken| woken.0.load(Ordering::Relaxed));
            times.collect()
        };
        assert_eq!(times(), [1, 0, 1, 0, 0]);
        assert!(arrivals.is_over(entered[2].as_ref().unwrap(), 250));
        assert!(!arrivals.is_over(entered[3].as_ref().unwrap(), 250));
        entered[4] = Some(enter(4));
        arrivals.wake_all();
        assert_eq!(times(), [2, 0, 2, 1, 1]);
        for arrival in entered.into_iter().flatten() {
            arrivals.leave(arrival);
        }
        arrivals.wake_all();
        assert_eq!(times(), [2, 0, 2, 1, 1]);
        let kept = woken.iter().all(|woken| Arc::strong_count(woken) == 1);
        assert!(kept, "who has left is not held");
    }
}
