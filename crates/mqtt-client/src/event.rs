//! What happens to a client, as a stream.

use crate::limits::EVENT_CAPACITY;
use crate::{CloseReason, ConnAckInfo, ConnectError, WhenStalled};
use futures_core::Stream;
use mqtt_codec::ReasonCode;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// How a client stands to its server.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum State {
    /// There is no connection, and the client tries to get one.
    Connecting,
    /// The server has accepted the connection.
    Connected(Arc<ConnAckInfo>),
    /// There is no connection, and there will be none.
    Closed,
}

/// Something that happened to a client; by [`Client::events`](crate::Client::events).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The server accepted a connection.
    Connected {
        /// Its address.
        server: String,
        /// What it said.
        connack: Arc<ConnAckInfo>,
    },
    /// An attempt at connecting failed.
    ConnectFailed {
        /// The address that was tried.
        server: String,
        /// Why.
        error: ConnectError,
        /// When the next attempt follows; none if there is no other.
        retry_in: Option<Duration>,
    },
    /// A connection was lost.
    Disconnected {
        /// Why.
        reason: CloseReason,
        /// When the next attempt follows; none if there is no other.
        retry_in: Option<Duration>,
    },
    /// The server sent the client elsewhere.
    Redirected {
        /// The address that is tried next.
        to: String,
        /// Whether it takes the place of the old one for good.
        permanent: bool,
    },
    /// A connection was made again, and the server had forgotten the session.
    SessionLost {
        /// Topic Filters that are subscribed anew.
        resubscribed: usize,
        /// Messages of QoS 1 that are published anew.
        republished: usize,
        /// Messages whose receipts ended with [`PublishError::SessionLost`](crate::PublishError::SessionLost).
        failed: usize,
    },
    /// A server that had lost the session did not grant a subscription again; its stream ends.
    ResubscribeRefused {
        /// The Topic Filter.
        topic_filter: String,
        /// Why.
        reason: ReasonCode,
    },
    /// As many messages as the server may send wait behind one that is not acknowledged.
    Stalled {
        /// The Topic Name of the one they wait for.
        topic_name: String,
        /// What is done, as its subscription says.
        action: WhenStalled,
    },
    /// The client has ended.
    Closed {
        /// Why.
        reason: CloseReason,
    },
}

/// What happens to a client, from the moment this was made; by [`Client::events`](crate::Client::events).
///
/// The stream ends with the client. It holds [`EVENT_CAPACITY`](crate::limits::EVENT_CAPACITY) events for a slow
/// reader; the oldest make room and are counted by [`Events::missed`]. It keeps no client alive.
#[derive(Debug)]
pub struct Events {
    queue: Arc<Mutex<EventQueue>>,
}

#[derive(Debug, Default)]
struct EventQueue {
    /// INVARIANT: at most [`EVENT_CAPACITY`].
    waiting: VecDeque<Event>,
    missed: u64,
    waker: Option<Waker>,
    is_closed: bool,
}

impl Events {
    /// The next event; none when the client has ended.
    ///
    /// Cancel safety: a dropped call takes no event.
    pub async fn next(&mut self) -> Option<Event> {
        poll_fn(|cx| self.poll_take(cx)).await
    }

    /// Events that had to make room because nobody took them.
    pub fn missed(&self) -> u64 {
        lock(&self.queue).missed
    }

    fn poll_take(&self, cx: &Context<'_>) -> Poll<Option<Event>> {
        let mut queue = lock(&self.queue);
        if let Some(event) = queue.waiting.pop_front() {
            return Poll::Ready(Some(event));
        }
        if queue.is_closed {
            return Poll::Ready(None);
        }
        queue.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.poll_take(cx)
    }
}

/// Where events go: to every [`Events`] there is.
#[derive(Debug, Default)]
pub(crate) struct EventHub {
    readers: Mutex<Readers>,
}

#[derive(Debug, Default)]
struct Readers {
    queues: Vec<Weak<Mutex<EventQueue>>>,
    is_closed: bool,
}

impl EventHub {
    pub(crate) fn subscribe(&self) -> Events {
        let mut readers = lock(&self.readers);
        let queue = EventQueue {
            is_closed: readers.is_closed,
            ..EventQueue::default()
        };
        let queue = Arc::new(Mutex::new(queue));
        readers.queues.retain(|reader| reader.strong_count() != 0);
        readers.queues.push(Arc::downgrade(&queue));
        Events { queue }
    }

    pub(crate) fn send(&self, event: &Event) {
        self.for_each(|queue| {
            if queue.waiting.len() == EVENT_CAPACITY {
                queue.waiting.pop_front();
                queue.missed += 1;
            }
            queue.waiting.push_back(event.clone());
        });
    }

    /// No more events follow.
    pub(crate) fn close(&self) {
        lock(&self.readers).is_closed = true;
        self.for_each(|queue| queue.is_closed = true);
    }

    fn for_each(&self, change: impl Fn(&mut EventQueue)) {
        let queues: Vec<_> = {
            let mut readers = lock(&self.readers);
            readers.queues.retain(|reader| reader.strong_count() != 0);
            readers.queues.iter().filter_map(Weak::upgrade).collect()
        };
        for queue in queues {
            let mut queue = lock(&queue);
            change(&mut queue);
            let waker = queue.waker.take();
            drop(queue);
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it is held, and a half-done change would still be valid.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed() -> Event {
        let reason = CloseReason::Disconnected;
        Event::Closed { reason }
    }

    #[test]
    fn the_oldest_makes_room_and_is_counted() {
        let hub = EventHub::default();
        let events = hub.subscribe();
        let late = (0..EVENT_CAPACITY + 3).map(|_| hub.send(&closed())).count();
        hub.close();
        let cx = Context::from_waker(Waker::noop());
        let taken = std::iter::from_fn(|| match events.poll_take(&cx) {
            Poll::Ready(event) => event,
            Poll::Pending => None,
        });
        assert_eq!((taken.count(), late), (EVENT_CAPACITY, EVENT_CAPACITY + 3));
        assert_eq!(events.missed(), 3);
        assert!(matches!(hub.subscribe().poll_take(&cx), Poll::Ready(None)));
    }
}
