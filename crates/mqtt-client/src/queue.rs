//! Messages between the driver and the application.

use crate::Message;
use crate::command::Command;
use mqtt_codec::QoS;
use mqtt_session::AckToken;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use tokio::sync::mpsc;

/// A message waiting to be taken, with what taking it acknowledges.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) message: Message,
    /// Only kept: letting go of it acknowledges.
    pub(crate) _ack: Option<Arc<AckOnDrop>>,
}

/// Acknowledges when the last subscription that got the message lets go of it.
#[derive(Debug)]
pub(crate) struct AckOnDrop {
    token: Option<AckToken>,
    commands: mpsc::UnboundedSender<Command>,
}

impl AckOnDrop {
    pub(crate) fn new(token: AckToken, commands: mpsc::UnboundedSender<Command>) -> Self {
        Self {
            token: Some(token),
            commands,
        }
    }
}

impl Drop for AckOnDrop {
    fn drop(&mut self) {
        if let Some(token) = self.token.take() {
            // When the connection is gone there is nobody left to tell.
            let _ = self.commands.send(Command::Acknowledge(token));
        }
    }
}

/// Messages of one subscription that the application has not taken yet.
///
/// Messages of QoS 0 are bounded by a capacity of their own, the oldest making room; those of QoS 1 and 2 by the
/// Receive Maximum, because they are acknowledged when they are taken.
#[derive(Debug)]
pub(crate) struct MessageQueue {
    inner: Mutex<Inner>,
}

/// One of those who take from a queue, each from one task at a time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Listener(u64);

#[derive(Debug)]
struct Inner {
    waiting: VecDeque<Waiting>,
    /// INVARIANT: messages of QoS 0 in `waiting`, at most `qos0_capacity`.
    qos0: usize,
    qos0_capacity: usize,
    dropped: u64,
    /// Who waits: at most one waker for each [`Listener`] there is.
    wakers: Vec<(Listener, Waker)>,
    next_listener: u64,
    closed: bool,
}

impl MessageQueue {
    /// `qos0_capacity` in messages, at least 1.
    pub(crate) fn new(qos0_capacity: usize) -> Self {
        let inner = Inner {
            waiting: VecDeque::new(),
            qos0: 0,
            qos0_capacity: qos0_capacity.max(1),
            dropped: 0,
            wakers: Vec::new(),
            next_listener: 0,
            closed: false,
        };
        Self {
            inner: Mutex::new(inner),
        }
    }

    /// Puts a message at the end; discards it when the queue is closed.
    pub(crate) fn push(&self, waiting: Waiting) {
        let mut inner = self.lock();
        if inner.closed {
            return;
        }
        inner.push(waiting);
        wake(inner);
    }

    /// Puts messages that came earlier in front.
    pub(crate) fn push_earlier(&self, mut earlier: VecDeque<Waiting>) {
        let mut inner = self.lock();
        std::mem::swap(&mut inner.waiting, &mut earlier);
        inner.qos0 = 0;
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
        self.lock().wakers.retain(|(other, _)| *other != listener);
    }

    /// The next message; none when the queue is closed and empty.
    pub(crate) fn poll_take(&self, listener: Listener, cx: &Context<'_>) -> Poll<Option<Message>> {
        let mut inner = self.lock();
        if let Some(waiting) = inner.pop() {
            drop(inner);
            return Poll::Ready(Some(waiting.message));
        }
        if inner.closed {
            return Poll::Ready(None);
        }
        let mut wakers = inner.wakers.iter_mut();
        match wakers.find(|(other, _)| *other == listener) {
            Some((_, waker)) => waker.clone_from(cx.waker()),
            None => inner.wakers.push((listener, cx.waker().clone())),
        }
        Poll::Pending
    }

    /// The next message, if one is there.
    pub(crate) fn try_take(&self) -> Option<Message> {
        let waiting = self.lock().pop();
        waiting.map(|waiting| waiting.message)
    }

    /// Takes out what `wanted` says, in order.
    pub(crate) fn take_if(&self, wanted: impl Fn(&Message) -> bool) -> VecDeque<Waiting> {
        let mut inner = self.lock();
        let all = std::mem::take(&mut inner.waiting);
        inner.qos0 = 0;
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

    /// Messages of QoS 0 that made room for others.
    pub(crate) fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while it is held, and a half-done change would still be a valid queue.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn push(&mut self, waiting: Waiting) {
        if waiting.message.qos() == QoS::AtMostOnce {
            if self.qos0 == self.qos0_capacity {
                self.drop_oldest_qos0();
            }
            self.qos0 += 1;
        }
        self.waiting.push_back(waiting);
    }

    fn pop(&mut self) -> Option<Waiting> {
        let waiting = self.waiting.pop_front()?;
        if waiting.message.qos() == QoS::AtMostOnce {
            self.qos0 -= 1;
        }
        Some(waiting)
    }

    fn drop_oldest_qos0(&mut self) {
        let is_qos0 = |waiting: &Waiting| waiting.message.qos() == QoS::AtMostOnce;
        if let Some(at) = self.waiting.iter().position(is_qos0) {
            self.waiting.remove(at);
            self.qos0 -= 1;
            self.dropped += 1;
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
    use mqtt_codec::{Delivery, PacketId, Properties, Publish, TopicName};
    use std::sync::atomic::{AtomicUsize, Ordering};
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
            _ack: None,
        }
    }

    fn names(queue: &MessageQueue) -> Vec<String> {
        std::iter::from_fn(|| queue.try_take())
            .map(|m| m.topic_name().to_owned())
            .collect()
    }

    #[test]
    fn the_oldest_of_qos_0_makes_room_and_is_counted() {
        let queue = MessageQueue::new(2);
        queue.push(message("kept", QoS::AtLeastOnce));
        for topic_name in ["a", "b", "c", "d"] {
            queue.push(message(topic_name, QoS::AtMostOnce));
        }
        assert_eq!(queue.dropped(), 2);
        assert_eq!(names(&queue), ["kept", "c", "d"]);
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
