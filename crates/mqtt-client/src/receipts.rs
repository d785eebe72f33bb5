//! The way back from the driver to those who have published: one table of answers, so that a message takes no block
//! of memory of its own for its answer.

use crate::{PublishError, Published};
use mqtt_codec::ReasonCode;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Places of the table that are kept when nobody waits for anything.
const KEPT_MAX: usize = 64;

/// The answers to the messages of one client that have a [`Receipt`](crate::Receipt).
///
/// Bounded by the messages under way, and by the receipts the application keeps without looking at them.
#[derive(Debug, Default)]
pub(crate) struct Receipts(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    entries: Vec<Entry>,
    /// The first place without a message.
    free: Option<u32>,
    /// INVARIANT: the places with a message.
    used: usize,
    /// Whether nothing is answered any more.
    is_closed: bool,
}

#[derive(Debug)]
enum Entry {
    /// Without a message; the next such place.
    Free(Option<u32>),
    /// Not answered yet, and who waits for that.
    Open(Option<Waker>),
    /// Not answered yet, and nobody will look.
    Abandoned,
    /// Answered with this success and no words.
    Published(ReasonCode),
    Answered(Box<Result<Published, PublishError>>),
}

/// Where the answer to a message goes; the default is for a message whose answer nobody gets.
///
/// Dropped without an answer, its message is answered when the client ends.
#[derive(Debug, Default)]
pub(crate) struct Reply(Option<u32>);

/// Where the answer to a message comes from.
///
/// INVARIANT: its place is that of its message until it is [taken](Receipts::poll_take) or
/// [let go](Receipts::let_go).
#[derive(Debug)]
pub(crate) struct Claim(u32);

impl Receipts {
    /// A message more; none when nothing is answered any more.
    pub(crate) fn begin(&self) -> Option<(Reply, Claim)> {
        let mut table = self.lock();
        if table.is_closed {
            return None;
        }
        let at = table.add()?;
        Some((Reply(Some(at)), Claim(at)))
    }

    /// Answers one.
    pub(crate) fn answer(&self, reply: Reply, result: Result<Published, PublishError>) {
        let mut table = self.lock();
        let waker = table.answer(reply, Entry::Answered(Box::new(result)));
        drop(table);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Answers all of `replies`, which are none afterwards, each with a success.
    pub(crate) fn publish_all(&self, replies: &mut Vec<(Reply, ReasonCode)>) {
        if replies.is_empty() {
            return;
        }
        let mut wakers = Vec::new();
        let mut table = self.lock();
        for (reply, reason) in replies.drain(..) {
            wakers.extend(table.answer(reply, Entry::Published(reason)));
        }
        drop(table);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// The answer, which is given once; none when there will be none.
    pub(crate) fn poll_take(
        &self,
        answer: &Claim,
        cx: &Context<'_>,
    ) -> Poll<Option<Result<Published, PublishError>>> {
        let mut table = self.lock();
        let is_closed = table.is_closed;
        match table.entry(answer.0) {
            Some(Entry::Open(waker)) if !is_closed => {
                let is_known = |waker: &Waker| waker.will_wake(cx.waker());
                let before = match waker.as_ref().is_some_and(is_known) {
                    true => None,
                    false => waker.replace(cx.waker().clone()),
                };
                drop(table);
                // Unlocked: what goes with a waker is not ours to know.
                drop(before);
                return Poll::Pending;
            }
            Some(Entry::Published(_) | Entry::Answered(_)) => {}
            _ => return Poll::Ready(None),
        }
        let entry = table.remove(answer.0);
        drop(table);
        Poll::Ready(match entry {
            Some(Entry::Published(reason)) => Some(Ok(Published::plain(reason))),
            Some(Entry::Answered(result)) => Some(*result),
            _ => None,
        })
    }

    /// Nobody looks at the answer.
    pub(crate) fn let_go(&self, answer: &Claim) {
        let mut table = self.lock();
        let gone = match table.entry(answer.0) {
            Some(entry @ Entry::Open(_)) => Some(std::mem::replace(entry, Entry::Abandoned)),
            Some(Entry::Published(_) | Entry::Answered(_)) => table.remove(answer.0),
            _ => None,
        };
        drop(table);
        // Unlocked, as above.
        drop(gone);
    }

    /// Nothing is answered any more: those without an answer get none.
    pub(crate) fn close(&self) {
        let mut table = self.lock();
        table.is_closed = true;
        let waiting = table.entries.iter_mut().filter_map(|entry| match entry {
            Entry::Open(waker) => waker.take(),
            _ => None,
        });
        let wakers: Vec<_> = waiting.collect();
        drop(table);
        wakers.into_iter().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// A place for one more; none when there are more than can be counted.
    fn add(&mut self) -> Option<u32> {
        let at = match self.free {
            Some(at) => {
                let place = self.entries.get_mut(usize::try_from(at).ok()?)?;
                if let Entry::Free(next) = *place {
                    self.free = next;
                }
                *place = Entry::Open(None);
                at
            }
            None => {
                let at = u32::try_from(self.entries.len()).ok()?;
                self.entries.push(Entry::Open(None));
                at
            }
        };
        self.used += 1;
        Some(at)
    }

    fn entry(&mut self, at: u32) -> Option<&mut Entry> {
        self.entries.get_mut(usize::try_from(at).ok()?)
    }

    /// Who waits for that.
    fn answer(&mut self, reply: Reply, answer: Entry) -> Option<Waker> {
        let at = reply.0?;
        let entry = self.entry(at)?;
        match entry {
            Entry::Open(waker) => {
                let waker = waker.take();
                *entry = answer;
                waker
            }
            Entry::Abandoned => {
                self.remove(at);
                None
            }
            Entry::Free(_) | Entry::Published(_) | Entry::Answered(_) => None,
        }
    }

    /// Takes out what is at `at`.
    fn remove(&mut self, at: u32) -> Option<Entry> {
        let free = Entry::Free(self.free);
        let removed = std::mem::replace(self.entry(at)?, free);
        self.free = Some(at);
        self.used -= 1;
        if self.used == 0 && self.entries.capacity() > KEPT_MAX {
            self.entries = Vec::new();
            self.free = None;
        }
        Some(removed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::task::Wake;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn take(receipts: &Receipts, answer: &Claim) -> Poll<Option<Result<Published, PublishError>>> {
        receipts.poll_take(answer, &Context::from_waker(Waker::noop()))
    }

    fn publish(receipts: &Receipts, reply: Reply) {
        receipts.publish_all(&mut vec![(reply, ReasonCode::NO_MATCHING_SUBSCRIBERS)]);
    }

    #[test]
    fn an_answer_is_taken_once_by_the_one_it_is_for() {
        let receipts = Receipts::default();
        let (first_reply, first) = receipts.begin().unwrap();
        let (second_reply, second) = receipts.begin().unwrap();
        receipts.answer(second_reply, Err(PublishError::Expired));
        assert!(take(&receipts, &first).is_pending());
        assert!(matches!(
            take(&receipts, &second),
            Poll::Ready(Some(Err(PublishError::Expired)))
        ));
        publish(&receipts, first_reply);
        let Poll::Ready(Some(Ok(published))) = take(&receipts, &first) else {
            panic!("it was answered")
        };
        assert_eq!(published.reason(), ReasonCode::NO_MATCHING_SUBSCRIBERS);
        assert!(matches!(take(&receipts, &first), Poll::Ready(None)));
    }

    #[test]
    fn who_waits_is_woken_and_nobody_else() {
        let receipts = Receipts::default();
        let (first_reply, first) = receipts.begin().unwrap();
        let (second_reply, second) = receipts.begin().unwrap();
        let counts = [Arc::new(Count::default()), Arc::new(Count::default())];
        for (answer, count) in [&first, &second].into_iter().zip(&counts) {
            let waker = Waker::from(Arc::clone(count));
            let cx = Context::from_waker(&waker);
            assert!(receipts.poll_take(answer, &cx).is_pending());
        }
        let woken = || {
            counts
                .each_ref()
                .map(|count| count.0.load(Ordering::Relaxed))
        };
        publish(&receipts, second_reply);
        assert_eq!(woken(), [0, 1]);
        receipts.answer(first_reply, Ok(Published::default()));
        assert_eq!(woken(), [1, 1]);
    }

    /// Whether receipts could be looked at when this went.
    struct LooksAsItGoes(Arc<Receipts>, Arc<AtomicBool>);

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
        let receipts = Arc::new(Receipts::default());
        let (_reply, answer) = receipts.begin().unwrap();
        let ends: [fn(&Receipts, &Claim); 2] = [
            |receipts, answer| assert!(take(receipts, answer).is_pending()),
            Receipts::let_go,
        ];
        for end in ends {
            let was_unlocked = Arc::new(AtomicBool::new(false));
            let looks = LooksAsItGoes(Arc::clone(&receipts), Arc::clone(&was_unlocked));
            let waker = Waker::from(Arc::new(looks));
            let cx = Context::from_waker(&waker);
            assert!(receipts.poll_take(&answer, &cx).is_pending());
            drop(waker);
            end(&receipts, &answer);
            assert!(was_unlocked.load(Ordering::Relaxed));
        }
    }

    #[test]
    fn places_are_used_again_whoever_is_the_last_to_leave() {
        let receipts = Receipts::default();
        for _ in 0..3 {
            let (reply, answer) = receipts.begin().unwrap();
            receipts.let_go(&answer);
            publish(&receipts, reply);
            let (reply, answer) = receipts.begin().unwrap();
            publish(&receipts, reply);
            receipts.let_go(&answer);
        }
        let table = receipts.lock();
        assert_eq!((table.entries.len(), table.used), (1, 0));
    }

    #[test]
    fn a_large_table_is_given_back_when_nobody_waits() {
        let receipts = Receipts::default();
        let begun = (0..2 * KEPT_MAX).map(|_| receipts.begin().unwrap());
        let (replies, answers): (Vec<_>, Vec<_>) = begun.unzip();
        for reply in replies {
            publish(&receipts, reply);
        }
        for answer in &answers {
            assert!(matches!(take(&receipts, answer), Poll::Ready(Some(Ok(_)))));
        }
        assert_eq!(receipts.lock().entries.capacity(), 0);
        assert!(receipts.begin().is_some());
    }

    #[test]
    fn the_end_answers_all_that_wait_and_keeps_what_was_answered() {
        let receipts = Receipts::default();
        let (reply, answered) = receipts.begin().unwrap();
        let (_unanswered, waiting) = receipts.begin().unwrap();
        publish(&receipts, reply);
        publish(&receipts, Reply::default());
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let cx = Context::from_waker(&waker);
        assert!(receipts.poll_take(&waiting, &cx).is_pending());
        receipts.close();
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert!(matches!(
            receipts.poll_take(&waiting, &cx),
            Poll::Ready(None)
        ));
        assert!(matches!(
            take(&receipts, &answered),
            Poll::Ready(Some(Ok(_)))
        ));
        assert!(receipts.begin().is_none());
    }
}
