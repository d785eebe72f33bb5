//! Publishing, asking, subscribing and disconnecting without async.

use super::{Subscription, Thread};
use crate::{
    DisconnectError, Message, MessageProperties, PayloadFormat, PublishError, Published, QoS,
    ReasonCode, RequestError, RetainHandling, SubscribeError, TryEnqueueError, Unanswered,
    UnsubscribeError, WhenStalled,
};
use bytes::Bytes;
use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

/// An operation that is built as the async one and sent here.
macro_rules! operation {
    ($name:ident, $($method:ident($($argument:ident: $type:ty),*);)*) => {
        #[doc = concat!("As [`crate::", stringify!($name), "`].")]
        #[derive(Debug)]
        #[must_use = "nothing happens before it is sent"]
        pub struct $name {
            inner: crate::$name,
            thread: Arc<Thread>,
        }

        impl $name {
            pub(super) fn new(inner: crate::$name, thread: &Arc<Thread>) -> Self {
                let thread = Arc::clone(thread);
                Self { inner, thread }
            }

            $(
                #[doc = concat!("As [`crate::", stringify!($name), "::", stringify!($method), "`].")]
                pub fn $method(self, $($argument: $type),*) -> Self {
                    let inner = self.inner.$method($($argument),*);
                    Self { inner, ..self }
                }
            )*
        }
    };
}

operation! {
    Publish,
    qos(qos: QoS);
    retain();
    properties(properties: MessageProperties);
    content_type(content_type: impl Into<String>);
    response_topic(topic_name: impl Into<String>);
    correlation_data(correlation_data: impl Into<Bytes>);
    user_property(name: impl Into<String>, value: impl Into<String>);
    message_expiry(expiry: Duration);
    payload_format(payload_format: PayloadFormat);
}

operation! {
    Request,
    qos(qos: QoS);
    timeout(timeout: Duration);
    properties(properties: MessageProperties);
}

operation! {
    Subscribe,
    and(topic_filter: impl Into<String>, qos: QoS);
    qos(qos: QoS);
    no_local();
    subscription_identifier(identifier: u32);
    retain_as_published();
    retain_handling(retain_handling: RetainHandling);
    user_property(name: impl Into<String>, value: impl Into<String>);
    capacity(messages: usize);
    drop_newest();
    manual_ack();
    on_unanswered(unanswered: Unanswered);
    when_stalled(when_stalled: WhenStalled);
}

operation! { Unsubscribe, }

operation! {
    Disconnect,
    timeout(timeout: Duration);
    with_will();
    reason(reason: ReasonCode);
    session_expiry(session_expiry: Duration);
    reason_string(reason_string: impl Into<String>);
    user_property(name: impl Into<String>, value: impl Into<String>);
}

impl Publish {
    /// Publishes, and waits as `.await` on [`crate::Publish`] does.
    ///
    /// # Errors
    /// As there.
    pub fn send(self) -> Result<Published, PublishError> {
        self.thread.wait(self.inner.into_future())
    }

    /// As [`crate::Publish::enqueue`].
    ///
    /// # Errors
    /// As there.
    pub fn enqueue(self) -> Result<Receipt, PublishError> {
        let Self { inner, thread } = self;
        let inner = thread.wait(inner.enqueue())?;
        Ok(Receipt { inner, thread })
    }

    /// As [`crate::Publish::try_enqueue`].
    ///
    /// # Errors
    /// As there.
    pub fn try_enqueue(self) -> Result<Receipt, TryEnqueueError> {
        let Self { inner, thread } = self;
        let inner = inner.try_enqueue()?;
        Ok(Receipt { inner, thread })
    }
}

/// As [`crate::Receipt`].
#[derive(Debug)]
#[must_use = "the server's answer is not looked at"]
pub struct Receipt {
    inner: crate::Receipt,
    thread: Arc<Thread>,
}

impl Receipt {
    /// As [`crate::Receipt::stored`].
    ///
    /// # Errors
    /// As there.
    pub fn stored(&self) -> Result<(), PublishError> {
        self.thread.wait(self.inner.stored())
    }

    /// Waits for the server's answer.
    ///
    /// # Errors
    /// As `.await` on [`crate::Receipt`].
    pub fn wait(self) -> Result<Published, PublishError> {
        self.thread.wait(self.inner)
    }
}

/// As [`crate::Restored`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Restored {
    /// Its Topic Name.
    pub topic_name: String,
    /// Its payload.
    pub payload: Bytes,
    /// Its QoS, 1 or 2.
    pub qos: QoS,
    /// Resolves as that of a message published now.
    pub receipt: Receipt,
}

impl Restored {
    pub(super) fn new(inner: crate::Restored, thread: &Arc<Thread>) -> Self {
        Self {
            topic_name: inner.topic_name,
            payload: inner.payload,
            qos: inner.qos,
            receipt: Receipt {
                inner: inner.receipt,
                thread: Arc::clone(thread),
            },
        }
    }
}

impl Request {
    /// Publishes the request, and waits for its response.
    ///
    /// # Errors
    /// As `.await` on [`crate::Request`].
    pub fn send(self) -> Result<Message, RequestError> {
        self.thread.wait(self.inner.into_future())
    }
}

impl Subscribe {
    /// Subscribes, and waits for the server's consent.
    ///
    /// # Errors
    /// As `.await` on [`crate::Subscribe`].
    pub fn send(self) -> Result<Subscription, SubscribeError> {
        let Self { inner, thread } = self;
        let subscription = thread.wait(inner.into_future())?;
        Ok(Subscription::new(subscription, &thread))
    }
}

impl Unsubscribe {
    /// Unsubscribes, and waits for the server's answer.
    ///
    /// # Errors
    /// As `.await` on [`crate::Unsubscribe`].
    pub fn send(self) -> Result<(), UnsubscribeError> {
        self.thread.wait(self.inner.into_future())
    }
}

impl Disconnect {
    /// Ends the client, and waits until it has ended.
    ///
    /// # Errors
    /// As `.await` on [`crate::Disconnect`].
    pub fn send(self) -> Result<(), DisconnectError> {
        self.thread.wait(self.inner.into_future())
    }
}
