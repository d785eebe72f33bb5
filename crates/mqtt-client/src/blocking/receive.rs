//! Messages and events without async.

use super::Thread;
use crate::{Event, Message, QoS, ReasonCode};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// Something that gives items one after the other, here by blocking.
macro_rules! receiver {
    ($name:ident, $item:ty) => {
        #[doc = concat!("As [`crate::", stringify!($name), "`]; an iterator that blocks.")]
        #[derive(Debug)]
        pub struct $name {
            // The order matters: it goes before its thread.
            inner: crate::$name,
            thread: Arc<Thread>,
        }

        impl $name {
            pub(super) fn new(inner: crate::$name, thread: &Arc<Thread>) -> Self {
                let thread = Arc::clone(thread);
                Self { inner, thread }
            }

            /// The next one if it comes in time; none also when the stream has ended.
            pub fn next_timeout(&mut self, limit: Duration) -> Option<$item> {
                let Self { inner, thread } = self;
                thread.wait(async { timeout(limit, inner.next()).await.unwrap_or(None) })
            }
        }

        impl Iterator for $name {
            type Item = $item;

            fn next(&mut self) -> Option<$item> {
                let Self { inner, thread } = self;
                thread.wait(inner.next())
            }
        }
    };
}

receiver!(Subscription, Message);
receiver!(Unclaimed, Message);
receiver!(Events, Event);

impl Subscription {
    /// As [`crate::Subscription::try_next`].
    pub fn try_next(&mut self) -> Option<Message> {
        self.inner.try_next()
    }

    /// As [`crate::Subscription::granted_qos`].
    pub fn granted_qos(&self) -> QoS {
        self.inner.granted_qos()
    }

    /// As [`crate::Subscription::reasons`].
    pub fn reasons(&self) -> &[ReasonCode] {
        self.inner.reasons()
    }

    /// As [`crate::Subscription::topic_filters`].
    pub fn topic_filters(&self) -> impl ExactSizeIterator<Item = &str> {
        self.inner.topic_filters()
    }

    /// As [`crate::Subscription::len`].
    pub fn len(&self) -> usize {
        self.inner.len()
    }

    /// As [`crate::Subscription::is_empty`].
    pub fn is_empty(&self) -> bool {
        self.inner.is_empty()
    }

    /// As [`crate::Subscription::dropped`].
    pub fn dropped(&self) -> u64 {
        self.inner.dropped()
    }

    /// As [`crate::Subscription::detach`].
    pub fn detach(self) {
        let Self { inner, thread } = self;
        inner.detach();
        drop(thread);
    }
}

impl Unclaimed {
    /// As [`crate::Unclaimed::try_next`].
    pub fn try_next(&mut self) -> Option<Message> {
        self.inner.try_next()
    }

    /// As [`crate::Unclaimed::dropped`].
    pub fn dropped(&self) -> u64 {
        self.inner.dropped()
    }
}

impl Events {
    /// As [`crate::Events::missed`].
    pub fn missed(&self) -> u64 {
        self.inner.missed()
    }
}
