//! The way from the handles to the driver: many write, one reads all there is at once.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

/// A mailbox that is read by one: bounded by those who write, as [`Command`](crate::command::Command) says.
pub(crate) fn mailbox<T>() -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Mutex::new(Inner {
        items: VecDeque::new(),
        reader: None,
        is_closed: false,
    }));
    (Sender(Arc::clone(&shared)), Receiver(shared))
}

/// One of those who write.
#[derive(Debug)]
pub(crate) struct Sender<T>(Arc<Mutex<Inner<T>>>);

/// The one that reads; what nobody reads any more is refused.
#[derive(Debug)]
pub(crate) struct Receiver<T>(Arc<Mutex<Inner<T>>>);

#[derive(Debug)]
struct Inner<T> {
    items: VecDeque<T>,
    /// Set while the reader has found nothing.
    reader: Option<Waker>,
    is_closed: bool,
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Sender<T> {
    /// Puts `item` at the end.
    ///
    /// # Errors
    /// `item`, when nobody reads any more.
    pub(crate) fn send(&self, item: T) -> Result<(), T> {
        let mut inner = lock(&self.0);
        if inner.is_closed {
            return Err(item);
        }
        inner.items.push_back(item);
        wake(inner);
        Ok(())
    }

    /// Puts what `make` makes at the end, in its place; `false`, and nothing made, when nobody reads any more.
    ///
    /// `make` is called under the lock: it may not use the mailbox, nor drop what does.
    #[inline]
    pub(crate) fn send_made(&self, make: impl FnOnce() -> T) -> bool {
        let mut inner = lock(&self.0);
        if inner.is_closed {
            return false;
        }
        inner.items.push_back(make());
        wake(inner);
        true
    }
}

impl<T> Receiver<T> {
    /// Takes all there is, in place of the nothing in `items`; `false`, and the task woken later, when there is nothing.
    pub(crate) fn poll_take(&self, cx: &Context<'_>, items: &mut VecDeque<T>) -> bool {
        let mut inner = lock(&self.0);
        if inner.items.is_empty() {
            let is_known = |reader: &Waker| reader.will_wake(cx.waker());
            let before = match inner.reader.as_ref().is_some_and(is_known) {
                true => None,
                false => inner.reader.replace(cx.waker().clone()),
            };
            drop(inner);
            // Unlocked: what goes with a waker may write as it goes.
            drop(before);
            return false;
        }
        std::mem::swap(&mut inner.items, items);
        true
    }

    /// Whether there is nothing now.
    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.0).items.is_empty()
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut inner = lock(&self.0);
        inner.is_closed = true;
        let items = std::mem::take(&mut inner.items);
        drop(inner);
        // Unlocked: what is in there may write as it goes.
        drop(items);
    }
}

/// Wakes the reader, unlocked.
fn wake<T>(mut inner: MutexGuard<'_, Inner<T>>) {
    let reader = inner.reader.take();
    drop(inner);
    if let Some(reader) = reader {
        reader.wake();
    }
}

fn lock<T>(shared: &Mutex<Inner<T>>) -> MutexGuard<'_, Inner<T>> {
    // Nothing panics while it is held.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::task::Wake;

    /// Whether the mailbox could be written to when this went.
    struct LooksAsItGoes(Sender<u8>, Arc<AtomicBool>);

    impl Wake for LooksAsItGoes {
        fn wake(self: Arc<Self>) {}
    }

    impl Drop for LooksAsItGoes {
        fn drop(&mut self) {
            self.1.store(self.0.0.try_lock().is_ok(), Ordering::Relaxed);
        }
    }

    #[test]
    fn a_waker_goes_unlocked() {
        let (sender, receiver) = mailbox();
        let was_unlocked = Arc::new(AtomicBool::new(false));
        let looks = LooksAsItGoes(sender, Arc::clone(&was_unlocked));
        let waker = Waker::from(Arc::new(looks));
        let mut items = VecDeque::new();
        assert!(!receiver.poll_take(&Context::from_waker(&waker), &mut items));
        drop(waker);
        assert!(!receiver.poll_take(&Context::from_waker(Waker::noop()), &mut items));
        assert!(was_unlocked.load(Ordering::Relaxed));
    }

    #[test]
    fn everything_is_read_in_order_and_nothing_after_the_end() {
        let (sender, receiver) = mailbox();
        let cx = Context::from_waker(Waker::noop());
        let mut items = VecDeque::new();
        assert!(!receiver.poll_take(&cx, &mut items));
        for item in 1..=3 {
            sender.clone().send(item).unwrap();
        }
        assert!(!receiver.is_empty() && receiver.poll_take(&cx, &mut items));
        assert_eq!(items, [1, 2, 3]);
        assert!(receiver.is_empty());
        assert!(sender.send_made(|| 5));
        items.clear();
        assert!(receiver.poll_take(&cx, &mut items));
        assert_eq!(items, [5]);
        drop(receiver);
        assert_eq!(sender.send(4), Err(4));
        assert!(!sender.send_made(|| panic!("nobody reads it")));
    }
}
