//! A value that can be replaced while others read it, at the price of a few loads and without a lock.

use std::fmt;
use std::ops::Deref;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Different values that one can have had.
const VALUES_MAX: usize = 256;

/// Reads as the value that was put last. Values are kept, so that readers need not say when they are done; one that
/// comes again takes no room.
pub(crate) struct Live<T> {
    /// INVARIANT: those up to the last that was put are filled.
    values: Box<[OnceLock<Box<T>>]>,
    first: Box<T>,
    /// The place of the value in `values`, from 1; 0 for `first`.
    now: AtomicUsize,
}

/// No more different values are taken until the next start.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct TooManyValues;

impl<T: PartialEq> Live<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            values: (0..VALUES_MAX).map(|_| OnceLock::new()).collect(),
            first: Box::new(value),
            now: AtomicUsize::new(0),
        }
    }

    /// From now on it reads as `value`.
    pub(crate) fn put(&self, value: T) -> Result<(), TooManyValues> {
        if *self.first == value {
            self.now.store(0, Ordering::Release);
            return Ok(());
        }
        let mut value = Box::new(value);
        for (place, slot) in self.values.iter().enumerate() {
            match slot.get() {
                Some(known) if **known != *value => continue,
                Some(_) => {}
                None => {
                    if let Err(refused) = slot.set(value) {
                        // Somebody else was faster.
                        value = refused;
                        if slot.get().is_none_or(|known| **known != *value) {
                            continue;
                        }
                    }
                }
            }
            self.now.store(place + 1, Ordering::Release);
            return Ok(());
        }
        Err(TooManyValues)
    }
}

impl<T> Deref for Live<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        let place = self.now.load(Ordering::Acquire);
        if place == 0 {
            return &self.first;
        }
        let slot = self.values.get(place - 1);
        slot.and_then(OnceLock::get).unwrap_or(&self.first)
    }
}

impl<T: fmt::Debug> fmt::Debug for Live<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_value_is_read_and_old_ones_come_back_for_nothing() {
        let live = Live::new(0);
        let before = &*live;
        for value in [1, 2, 1, 0, 2] {
            live.put(value).unwrap();
            assert_eq!(*live, value);
        }
        assert_eq!(*before, 0);
        let last = VALUES_MAX;
        for value in 3..=last {
            live.put(value).unwrap();
        }
        assert_eq!(live.put(last + 1), Err(TooManyValues));
        assert_eq!(*live, last, "as it was");
        live.put(1).unwrap();
        assert_eq!(*live, 1);
    }
}
