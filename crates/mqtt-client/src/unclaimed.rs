//! Messages no subscription of this client asked for.

use crate::queue::{Listener, MessageQueue};
use crate::{Client, Message};
use futures_core::Stream;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The messages that came without a subscription of this client asking for them, made by [`Client::unclaimed`].
///
/// They come when the server continues a session: for subscriptions of an earlier run, or detached ones. Nothing is
/// acknowledged until it is taken here or by a later subscription that matches. Since acknowledgements keep the
/// order of arrival, one message left here holds back those of all later messages.
///
/// Several of these share the messages. Of QoS 0 no more than
/// [`UNCLAIMED_CAPACITY`](crate::limits::UNCLAIMED_CAPACITY) are held, and the oldest makes room.
#[derive(Debug)]
pub struct Unclaimed {
    client: Client,
    listener: Listener,
}

impl Unclaimed {
    pub(crate) fn new(client: Client) -> Self {
        let listener = client.handle.shared.unclaimed.add_listener();
        Self { client, listener }
    }

    fn queue(&self) -> &MessageQueue {
        &self.client.handle.shared.unclaimed
    }

    /// The next message; none when the connection has ended.
    ///
    /// Cancel safety: a dropped call takes no message.
    pub async fn next(&mut self) -> Option<Message> {
        poll_fn(|cx| self.queue().poll_take(self.listener, cx)).await
    }

    /// The next message if it is here already.
    pub fn try_next(&mut self) -> Option<Message> {
        self.queue().try_take()
    }

    /// Messages waiting.
    pub fn len(&self) -> usize {
        self.queue().len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Messages of QoS 0 that had to make room for later ones.
    pub fn dropped(&self) -> u64 {
        self.queue().dropped()
    }
}

impl Stream for Unclaimed {
    type Item = Message;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        self.queue().poll_take(self.listener, cx)
    }
}

impl Drop for Unclaimed {
    fn drop(&mut self) {
        self.queue().remove_listener(self.listener);
    }
}
