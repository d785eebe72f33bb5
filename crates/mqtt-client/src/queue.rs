//! Messages between the driver and the application.

use crate::answer::{Acker, Answer, Taken, Unanswered};
use crate::request::Responses;
use crate::{Message, WhenStalled};
use mqtt_codec::QoS;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// A message waiting to be taken, with what taking it answers.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) message: Message,
    /// None at QoS 0, and when it was answered before it was taken.
    pub(crate) answer: Option<Answer>,
}

/// How a queue treats its messages.
#[derive(Clone, Debug)]
pub(crate) struct QueueOptions {
    /// Messages nobody waits for an answer to, that are held, at least 1.
    pub(crate) capacity: usize,
    /// Whether the newest makes room instead of the oldest.
    pub(crate) drop_newest: bool,
    /// Whether the application answers messages itself.
    pub(crate) manual: Option<Unanswered>,
    pub(crate) when_stalled: WhenStalled,
}

impl QueueOptions {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            drop_newest: false,
            manual: None,
            when_stalled: WhenStalled::Wait,
        }
    }
}

/// Messages of one subscription that the application has not taken yet.
///
/// Those the server waits for an answer to are bounded by the Receive Maximum, because they are answered when they are
/// taken or later; the others ("loose") by a capacity of their own, the oldest making room.
#[derive(Debug)]
pub(crate) struct MessageQueue {
    inner: Mutex<Inner>,
    options: QueueOptions,
    /// Where messages go at once instead of waiting.
    responses: Option<Arc<Responses>>,
}

/// One of those who take from a queue, each from one task at a time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Listener(u64);

#[derive(Debug)]
struct Inner {
    waiting: VecDeque<Waiting>,
    /// INVARIANT: messages in `waiting` without an answer to give, at most `capacity`.
    loose: usize,
    capacity: usize,
    drop_newest: bool,
    dropped: u64,
    /// Whether messages are answered as they come, until all are taken.
    overflows: bool,
    when_stalled: WhenStalled,
    /// Who waits: at most one waker for each [`Listener`] there is.
    wakers: Vec<(Listener, Waker)>,
    next_listener: u64,
    closed: bool,
}

impl MessageQueue {
    /// `capacity` in messages, at least 1; taking a message answers it.
    pub(crate) fn new(capacity: usize) -> Self {
        Self::with_options(QueueOptions::new(capacity))
    }

    pub(crate) fn with_options(options: QueueOptions) -> Self {
        let inner = Inner {
            waiting: VecDeque::new(),
            loose: 0,
            capacity: options.capacity.max(1),
            drop_newest: options.drop_newest,
            dropped: 0,
            overflows: false,
            when_stalled: options.when_stalled,
            wakers: Vec::new(),
            next_listener: 0,
            closed: false,
        };
        Self {
            inner: Mutex::new(inner),
            options,
            responses: None,
        }
    }

    /// A queue where nothing waits: each message goes to the request it answers.
    pub(crate) fn of_responses(responses: Arc<Responses>) -> Self {
        Self {
            responses: Some(responses),
            ..Self::new(1)
        }
    }

    /// What is done when a message of it holds up all others for too long.
    pub(crate) const fn when_stalled(&self) -> WhenStalled {
        self.options.when_stalled
    }

    /// The next messages are answered as they come, and those that wait are no longer to be answered by taking them.
    pub(crate) fn begin_overflow(&self) {
        let mut inner = self.lock();
        inner.overflows = true;
        let keeps = inner.when_stalled == WhenStalled::Keep;
        inner.settle(|_| true, keeps);
    }

    /// The connections of the messages before number `first` are gone, and the server has the session still: what it
    /// will send again is forgotten here.
    pub(crate) fn forget_repeated(&self, first: u64) {
        let is_repeated = |waiting: &Waiting| {
            let answer = waiting.answer.as_ref();
            waiting.message.qos() == QoS::AtLeastOnce
                && answer.is_some_and(|answer| answer.serial() < first)
        };
        self.lock().settle(is_repeated, false);
    }

    /// The server has lost the session: the messages before number `first` have nobody to answer.
    pub(crate) fn keep_unanswered(&self, first: u64) {
        let is_earlier = |waiting: &Waiting| {
            let answer = waiting.answer.as_ref();
            answer.is_some_and(|answer| answer.serial() < first)
        };
        self.lock().settle(is_earlier, true);
    }

    /// The Topic Name of message number `serial`, if it waits here.
    pub(crate) fn topic_name_of(&self, serial: u64) -> Option<Arc<str>> {
        let is_it = |waiting: &&Waiting| {
            let answer = waiting.answer.as_ref();
            answer.is_some_and(|answer| answer.serial() == serial)
        };
        let inner = self.lock();
        let found = inner.waiting.iter().find(is_it)?;
        Some(found.message.shared_topic_name())
    }

    /// Puts a message at the end; discards it when the queue is closed.
    pub(crate) fn push(&self, waiting: Waiting) {
        if let Some(responses) = &self.responses {
            if !responses.give(waiting.message) {
                tracing::debug!("a response came that nobody waits for");
            }
            return;
        }
        let mut inner = self.lock();
        if inner.closed {
            return;
        }
        inner.push(waiting);
        wake(inner);
    }

    /// Puts messages at the end, and wakes who waits once.
    pub(crate) fn push_all(&self, messages: &mut Vec<Waiting>) {
        if self.responses.is_some() {
            return messages.drain(..).for_each(|waiting| self.push(waiting));
        }
        let mut inner = self.lock();
        if inner.closed {
            drop(inner);
            return messages.clear();
        }
        for waiting in messages.drain(..) {
            inner.push(waiting);
        }
        wake(inner);
    }

    /// Puts messages that came earlier in front.
    pub(crate) fn push_earlier(&self, mut earlier: VecDeque<Waiting>) {
        let mut inner = self.lock();
        std::mem::swap(&mut inner.waiting, &mut earlier);
        inner.loose = 0;
        let later = std::mem::replace(&mut earlier, std::mem::take(&mut inner.waiting));
        for waiting in earlier.into_iter().chain(later) {
            inner.push(waiting);
        }
        wake(inner);
    }

    /// Somebody who will take messages; [`MessageQueue::remove_listener`] is the end of it.
    pub(crate) fn add_listener(&self) -> Listener {
        let mut inner = self.lock();
        inner.next_listener += 1;
        Listener(inner.next_listener)
    }

    /// `listener` takes no more: its task is not woken again.
    pub(crate) fn remove_listener(&self, listener: Listener) {
        let mut inner = self.lock();
        let mut wakers = inner.wakers.iter();
        let at = wakers.position(|(other, _)| *other == listener);
        let gone = at.map(|at| inner.wakers.swap_remove(at));
        drop(inner);
        // Unlocked, as in `poll_take`.
        drop(gone);
    }

    /// The next message; none when the queue is closed and empty.
    pub(crate) fn poll_take(&self, listener: Listener, cx: &Context<'_>) -> Poll<Option<Message>> {
        let mut inner = self.lock();
        if let Some(waiting) = inner.pop() {
            drop(inner);
            return Poll::Ready(Some(self.hand_over(waiting)));
        }
        if inner.closed {
            return Poll::Ready(None);
        }
        let mut wakers = inner.wakers.iter_mut();
        let before = match wakers.find(|(other, _)| *other == listener) {
            Some((_, waker)) if waker.will_wake(cx.waker()) => None,
            Some((_, waker)) => Some(std::mem::replace(waker, cx.waker().clone())),
            None => {
                inner.wakers.push((listener, cx.waker().clone()));
                None
            }
        };
        drop(inner);
        // Unlocked: what goes with a waker may listen here too.
        drop(before);
        Poll::Pending
    }

    /// The next message, if one is there.
    pub(crate) fn try_take(&self) -> Option<Message> {
        let waiting = self.lock().pop();
        waiting.map(|waiting| self.hand_over(waiting))
    }

    /// Answers the message, or gives it the right to be answered.
    fn hand_over(&self, waiting: Waiting) -> Message {
        match (waiting.answer, self.options.manual) {
            (Some(answer), Some(unanswered)) => {
                answer.set_taken(Taken {
                    topic_name: waiting.message.shared_topic_name(),
                    when_stalled: self.options.when_stalled,
                });
                waiting.message.with_acker(Acker::new(answer, unanswered))
            }
            (_, _) => waiting.message,
        }
    }

    /// Takes out what `wanted` says, in order.
    pub(crate) fn take_if(&self, wanted: impl Fn(&Message) -> bool) -> VecDeque<Waiting> {
        let mut inner = self.lock();
        let all = std::mem::take(&mut inner.waiting);
        inner.loose = 0;
        let (taken, left): (VecDeque<_>, VecDeque<_>) = all
            .into_iter()
            .partition(|waiting| wanted(&waiting.message));
        for waiting in left {
            inner.push(waiting);
        }
        taken
    }

    /// Takes no more; what is there can still be taken.
    pub(crate) fn close(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        wake(inner);
    }

    /// Messages waiting.
    pub(crate) fn len(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Messages that made room for others.
    pub(crate) fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while it is held, and a half-done change would still be a valid queue.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn push(&mut self, mut waiting: Waiting) {
        if self.overflows
            && let Some(answer) = waiting.answer.take()
            && let WhenStalled::Reject(reason) = self.when_stalled
        {
            answer.refuse(reason);
            self.dropped += 1;
            return;
        }
        if waiting.answer.is_none() {
            if self.loose == self.capacity {
                self.dropped += 1;
                if self.drop_newest {
                    return;
                }
                self.drop_oldest_loose();
            }
            self.loose += 1;
        }
        self.waiting.push_back(waiting);
    }

    fn pop(&mut self) -> Option<Waiting> {
        let waiting = self.waiting.pop_front()?;
        if waiting.answer.is_none() {
            self.loose -= 1;
        }
        if self.waiting.is_empty() {
            self.overflows = false;
        }
        Some(waiting)
    }

    /// Lets go of the answers of those `wanted` says; keeps the messages or not.
    fn settle(&mut self, wanted: impl Fn(&Waiting) -> bool, keeps: bool) {
        let all = std::mem::take(&mut self.waiting);
        let overflows = std::mem::take(&mut self.overflows);
        self.loose = 0;
        for mut waiting in all {
            if wanted(&waiting) && waiting.answer.take().is_some() && !keeps {
                continue;
            }
            self.push(waiting);
        }
        self.overflows = overflows;
    }

    fn drop_oldest_loose(&mut self) {
        let is_loose = |waiting: &Waiting| waiting.answer.is_none();
        if let Some(at) = self.waiting.iter().position(is_loose) {
            self.waiting.remove(at);
            self.loose -= 1;
        }
    }
}

/// Wakes all who wait, after unlocking: what a waker does is not ours to know.
fn wake(mut inner: MutexGuard<'_, Inner>) {
    let wakers = std::mem::take(&mut inner.wakers);
    drop(inner);
    for (_, waker) in wakers {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mqtt_codec::{Delivery, PacketId, Properties, Publish, ReasonCode, TopicName};
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::task::Wake;

    fn message(topic_name: &str, qos: QoS) -> Waiting {
        let publish = Publish {
            dup: false,
            retain: false,
            delivery: Delivery::new(qos, (qos != QoS::AtMostOnce).then_some(PacketId::MIN))
                .unwrap(),
            topic_name: Some(TopicName::try_new(topic_name).unwrap()),
            properties: Properties::EMPTY,
            payload: &[],
        };
        Waiting {
            message: Message::of(&publish),
            answer: None,
        }
    }

    /// A message of QoS 1 that came on connection 1, with an answer to give.
    fn held(topic_name: &str) -> Waiting {
        Waiting {
            answer: Some(Answer::spent(1)),
            ..message(topic_name, QoS::AtLeastOnce)
        }
    }

    fn names(queue: &MessageQueue) -> Vec<String> {
        std::iter::from_fn(|| queue.try_take())
            .map(|m| m.topic_name().to_owned())
            .collect()
    }

    /// Whether the queue could be looked at when this went.
    struct LooksAsItGoes(Arc<MessageQueue>, Arc<AtomicBool>);

    impl Wake for LooksAsItGoes {
        fn wake(self: Arc<Self>) {}
    }

    impl Drop for LooksAsItGoes {
        fn drop(&mut self) {
            let is_unlocked = self.0.inner.try_lock().is_ok();
            self.1.store(is_unlocked, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_waker_goes_unlocked() {
        let queue = Arc::new(MessageQueue::new(1));
        let listener = queue.add_listener();
        let poll = |waker: &Waker| {
            let polled = queue.poll_take(listener, &Context::from_waker(waker));
            assert!(polled.is_pending());
        };
        let ends: [&dyn Fn(); 2] = [&|| poll(Waker::noop()), &|| queue.remove_listener(listener)];
        for end in ends {
            let was_unlocked = Arc::new(AtomicBool::new(false));
            let looks = LooksAsItGoes(Arc::clone(&queue), Arc::clone(&was_unlocked));
            let waker = Waker::from(Arc::new(looks));
            poll(&waker);
            drop(waker);
            end();
            assert!(was_unlocked.load(Ordering::Relaxed));
        }
    }

    #[test]
    fn the_oldest_of_qos_0_makes_room_and_is_counted() {
        let queue = MessageQueue::new(2);
        queue.push(held("kept"));
        for topic_name in ["a", "b", "c", "d"] {
            queue.push(message(topic_name, QoS::AtMostOnce));
        }
        assert_eq!(queue.dropped(), 2);
        assert_eq!(names(&queue), ["kept", "c", "d"]);
    }

    #[test]
    fn the_newest_makes_room_where_that_is_asked_for() {
        let mut options = QueueOptions::new(2);
        options.drop_newest = true;
        let queue = MessageQueue::with_options(options);
        for topic_name in ["a", "b", "c"] {
            queue.push(message(topic_name, QoS::AtMostOnce));
        }
        assert_eq!(
            (queue.dropped(), names(&queue)),
            (1, vec!["a".into(), "b".into()])
        );
    }

    #[test]
    fn an_overflow_keeps_what_the_capacity_allows_until_all_is_taken() {
        let mut options = QueueOptions::new(3);
        options.when_stalled = WhenStalled::Keep;
        let queue = MessageQueue::with_options(options);
        for topic_name in ["a", "b", "c", "d"] {
            queue.push(held(topic_name));
        }
        assert_eq!((queue.len(), queue.dropped()), (4, 0));
        queue.begin_overflow();
        assert_eq!((queue.len(), queue.dropped()), (3, 1));
        queue.push(held("e"));
        assert_eq!(queue.dropped(), 2);
        assert_eq!(names(&queue), ["c", "d", "e"]);
        for topic_name in ["f", "g", "h", "i"] {
            queue.push(held(topic_name));
        }
        assert_eq!(
            (queue.len(), queue.dropped()),
            (4, 2),
            "the overflow is over"
        );
    }

    #[test]
    fn an_overflow_may_reject() {
        let mut options = QueueOptions::new(3);
        options.when_stalled = WhenStalled::Reject(ReasonCode::QUOTA_EXCEEDED);
        let queue = MessageQueue::with_options(options);
        queue.push(held("a"));
        queue.push(message("quick", QoS::AtMostOnce));
        queue.begin_overflow();
        queue.push(held("b"));
        assert_eq!(names(&queue), ["quick"]);
        queue.push(held("c"));
        assert_eq!(names(&queue), ["c"]);
    }

    #[test]
    fn what_comes_again_is_forgotten_and_what_does_not_is_kept() {
        let queue = MessageQueue::new(1);
        for topic_name in ["a", "b"] {
            queue.push(held(topic_name));
        }
        queue.forget_repeated(1);
        assert_eq!(queue.len(), 2, "of this connection");
        queue.keep_unanswered(2);
        assert_eq!(
            (queue.len(), queue.dropped()),
            (1, 1),
            "nobody sends it again"
        );
        queue.push(held("c"));
        queue.forget_repeated(2);
        assert_eq!(names(&queue), ["b"]);
    }

    #[test]
    fn earlier_messages_go_in_front() {
        let unclaimed = MessageQueue::new(9);
        for topic_name in ["a/1", "b/1", "a/2"] {
            unclaimed.push(message(topic_name, QoS::AtLeastOnce));
        }
        let queue = MessageQueue::new(9);
        queue.push(message("a/3", QoS::AtLeastOnce));
        queue.push_earlier(unclaimed.take_if(|message| message.topic_name().starts_with('a')));
        assert_eq!(names(&queue), ["a/1", "a/2", "a/3"]);
        assert_eq!(names(&unclaimed), ["b/1"]);
    }

    #[test]
    fn a_closed_queue_gives_what_it_has_and_takes_nothing() {
        let queue = MessageQueue::new(9);
        queue.push(message("a", QoS::AtMostOnce));
        queue.close();
        queue.push(message("b", QoS::AtMostOnce));
        let (listener, cx) = (queue.add_listener(), Context::from_waker(Waker::noop()));
        let take = || queue.poll_take(listener, &cx);
        assert!(matches!(take(), Poll::Ready(Some(_))));
        assert!(matches!(take(), Poll::Ready(None)));
    }

    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Every task that ever waited on a quiet topic was kept until a message came.
    #[test]
    fn regress_a_listener_that_moves_leaves_no_waker_behind() {
        let queue = MessageQueue::new(9);
        let (moving, gone) = (queue.add_listener(), queue.add_listener());
        let tasks: Vec<_> = (0..100)
            .map(|_| Arc::new(Count(AtomicUsize::new(0))))
            .collect();
        for task in &tasks {
            let waker = Waker::from(Arc::clone(task));
            let cx = Context::from_waker(&waker);
            assert!(queue.poll_take(moving, &cx).is_pending());
            assert!(queue.poll_take(gone, &cx).is_pending());
        }
        queue.remove_listener(gone);
        queue.push(message("a", QoS::AtMostOnce));
        let woken: Vec<_> = tasks
            .iter()
            .map(|task| task.0.load(Ordering::Relaxed))
            .collect();
        assert_eq!(woken.iter().sum::<usize>(), 1);
        assert_eq!(woken.last(), Some(&1));
    }
}
