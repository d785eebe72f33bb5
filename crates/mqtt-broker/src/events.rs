//! What happens in a broker as a stream: bounded, and a reader that is too slow is told how much it missed.

use crate::access::ClientInfo;
use crate::core::Core;
use crate::core::cause::{DropCause, EndCause, RequestRefused, SessionEnd};
use crate::hooks::{Dropped, Hooks, Interest};
use mqtt_codec::SubscriptionOptions;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{Receiver, Sender, channel};

/// Events that wait for a slow reader unless [`crate::Builder::event_capacity`] says otherwise.
pub(crate) const EVENT_CAPACITY: usize = 1024;

/// Something that happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A client's CONNECT was accepted.
    Connected {
        /// The client.
        client: ClientInfo,
        /// Whether its session was there before.
        session_present: bool,
    },
    /// The connection of a client that was accepted is over.
    Disconnected {
        /// The client.
        client: ClientInfo,
        /// Why.
        cause: EndCause,
    },
    /// A connection ended before a client was accepted.
    Refused {
        /// Where it came from.
        peer: SocketAddr,
        /// The Client Identifier of its CONNECT; empty when it sent none.
        client_id: Box<str>,
        /// Why.
        cause: EndCause,
    },
    /// A session began.
    SessionStarted {
        /// Whose.
        client_id: Box<str>,
    },
    /// A session ended.
    SessionEnded {
        /// Whose.
        client_id: Box<str>,
        /// Why.
        cause: SessionEnd,
    },
    /// A subscription was made or replaced.
    Subscribed {
        /// Whose.
        client_id: Box<str>,
        /// To what.
        topic_filter: Box<str>,
        /// How.
        options: SubscriptionOptions,
    },
    /// A client unsubscribed.
    Unsubscribed {
        /// Whose.
        client_id: Box<str>,
        /// From what.
        topic_filter: Box<str>,
    },
    /// A client that is connected was refused something.
    RequestRefused {
        /// Whom.
        client_id: Box<str>,
        /// The Topic Name or Topic Filter, as the client wrote it.
        topic: Box<str>,
        /// What, and why.
        cause: RequestRefused,
    },
    /// Messages were dropped.
    Dropped {
        /// Whom they do not reach, where that is one client.
        client_id: Option<Box<str>>,
        /// Where they were published; empty when many are dropped at once with their session.
        topic_name: Box<str>,
        /// Why.
        cause: DropCause,
        /// How many.
        messages: u64,
    },
}

/// Reads the events of a broker from the moment it was made.
pub struct Events {
    receiver: Option<Receiver<Event>>,
    /// What all readers missed.
    all_missed: Arc<AtomicU64>,
    core: Weak<Core>,
    missed: u64,
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("missed", &self.missed)
            .finish_non_exhaustive()
    }
}

impl Events {
    /// The next event; none once the broker is gone.
    ///
    /// A reader that falls behind by more than the capacity misses the oldest ones, which [`Events::missed`] counts.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            match self.receiver.as_mut()?.recv().await {
                Ok(event) => return Some(event),
                Err(RecvError::Lagged(missed)) => {
                    self.missed += missed;
                    self.all_missed.fetch_add(missed, Ordering::Relaxed);
                }
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// Events this reader was too slow for.
    pub const fn missed(&self) -> u64 {
        self.missed
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.receiver = None;
        if let Some(core) = self.core.upgrade() {
            core.hub.refresh();
        }
    }
}

/// Where events come from; makes none while nobody reads.
pub(crate) struct EventSource {
    sender: Sender<Event>,
    missed: Arc<AtomicU64>,
}

impl EventSource {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            sender: channel(capacity.max(1)).0,
            missed: Arc::default(),
        }
    }

    /// Events that readers were too slow for, all of them together.
    pub(crate) fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }

    pub(crate) fn events(&self, core: &Arc<Core>) -> Events {
        let events = Events {
            receiver: Some(self.sender.subscribe()),
            all_missed: Arc::clone(&self.missed),
            core: Arc::downgrade(core),
            missed: 0,
        };
        core.hub.refresh();
        events
    }

    fn send(&self, event: Event) {
        // Nobody reads any more: nothing is lost.
        let _ = self.sender.send(event);
    }
}

/// The source as a hook, since hooks are values of their own.
pub(crate) struct EventHooks(pub(crate) Arc<EventSource>);

impl Hooks for EventHooks {
    fn interest(&self) -> Interest {
        match self.0.sender.receiver_count() {
            0 => Interest::NONE,
            _ => Interest::CLIENTS
                .and(Interest::SESSIONS)
                .and(Interest::SUBSCRIPTIONS)
                .and(Interest::REFUSALS)
                .and(Interest::DROPPED),
        }
    }

    fn dropped(&self, dropped: &Dropped<'_>) {
        self.0.send(Event::Dropped {
            client_id: dropped.client_id.map(Into::into),
            topic_name: dropped.topic_name.into(),
            cause: dropped.cause,
            messages: dropped.messages,
        });
    }

    fn connected(&self, client: &ClientInfo, session_present: bool) {
        self.0.send(Event::Connected {
            client: client.clone(),
            session_present,
        });
    }

    fn disconnected(&self, client: &ClientInfo, cause: EndCause) {
        self.0.send(Event::Disconnected {
            client: client.clone(),
            cause,
        });
    }

    fn refused(&self, peer: SocketAddr, client_id: &str, cause: EndCause) {
        self.0.send(Event::Refused {
            peer,
            client_id: client_id.into(),
            cause,
        });
    }

    fn subscribed(&self, client_id: &str, topic_filter: &str, options: SubscriptionOptions) {
        self.0.send(Event::Subscribed {
            client_id: client_id.into(),
            topic_filter: topic_filter.into(),
            options,
        });
    }

    fn unsubscribed(&self, client_id: &str, topic_filter: &str) {
        self.0.send(Event::Unsubscribed {
            client_id: client_id.into(),
            topic_filter: topic_filter.into(),
        });
    }

    fn request_refused(&self, client: &ClientInfo, topic: &str, cause: RequestRefused) {
        self.0.send(Event::RequestRefused {
            client_id: client.client_id.clone(),
            topic: topic.into(),
            cause,
        });
    }

    fn session_started(&self, client_id: &str) {
        self.0.send(Event::SessionStarted {
            client_id: client_id.into(),
        });
    }

    fn session_ended(&self, client_id: &str, cause: SessionEnd) {
        self.0.send(Event::SessionEnded {
            client_id: client_id.into(),
            cause,
        });
    }
}
