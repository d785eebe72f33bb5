//! What the driver does with packets, commands and time, apart from reading and writing.

mod drain;
mod requests;

use crate::command::{Command, Control, Outgoing, Request};
use crate::error::{DisconnectError, PublishError};
use crate::handshake::millis;
use crate::queue::{AckOnDrop, Waiting};
use crate::router::{Routed, Router};
use crate::shared::Shared;
use crate::{CloseReason, Message, Published, ServerDisconnect, limits};
use drain::Drain;
use mqtt_codec::{Frame, PacketType, QoS, ReasonCode};
use mqtt_io::Verdict;
use mqtt_session::{ClientConnection, ClientError, ClientEvent, NotSent, NotSentReason};
use requests::{SubscribeAnswer, handle_unsubscribed};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

/// The two QoS bits in the flags of PUBLISH; v5 §3.3.1.
const QOS_FLAGS: u8 = 0b0110;

/// What the driver does with packets, commands and time, apart from reading and writing.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) connection: ClientConnection<Outgoing, Request>,
    router: Router,
    shared: Arc<Shared>,
    commands: mpsc::UnboundedSender<Command>,
    /// Encoded and not yet in the write queue.
    pub(crate) out: Vec<u8>,
    /// Bytes that left `out` for the write queue since the connection began.
    pub(crate) pushed: u64,
    pub(crate) now_ms: u64,
    /// Messages of QoS 1 and 2 that wait for the send quota.
    waiting: VecDeque<Outgoing>,
    /// Requests that wait for a Packet Identifier.
    waiting_requests: VecDeque<Request>,
    /// Messages of QoS 0, with the count of `pushed` at which they are handed to the transport.
    unsent: VecDeque<Unsent>,
    /// Messages of QoS 1 and 2 held for the application at which nothing more is read.
    hold_max: usize,
    drain: Option<Drain>,
    pub(crate) ending: Option<Ending>,
}

#[derive(Debug)]
struct Unsent {
    until: u64,
    reply: oneshot::Sender<Result<Published, PublishError>>,
    _permit: OwnedSemaphorePermit,
}

/// How the connection ends, and who waits for that.
#[derive(Debug)]
pub(crate) struct Ending {
    pub(crate) reason: CloseReason,
    pub(crate) disconnected: Result<(), DisconnectError>,
    pub(crate) replies: Vec<oneshot::Sender<Result<(), DisconnectError>>>,
}

impl Core {
    pub(crate) fn new(
        connection: ClientConnection<Outgoing, Request>,
        router: Router,
        shared: Arc<Shared>,
        commands: mpsc::UnboundedSender<Command>,
        hold_max: usize,
    ) -> Self {
        Self {
            connection,
            router,
            shared,
            commands,
            out: Vec::new(),
            pushed: 0,
            now_ms: 0,
            waiting: VecDeque::new(),
            waiting_requests: VecDeque::new(),
            unsent: VecDeque::new(),
            hold_max,
            drain: None,
            ending: None,
        }
    }

    /// Takes one packet, unless the application must take messages first.
    pub(crate) fn handle_frame(&mut self, frame: Frame<'_>) -> Verdict {
        if self.ending.is_some() {
            return Verdict::Stop;
        }
        let is_acknowledged =
            frame.packet_type() == Some(PacketType::Publish) && frame.flags() & QOS_FLAGS != 0;
        if is_acknowledged && !self.may_hold_more() {
            return Verdict::Pause;
        }
        match self
            .connection
            .handle_frame(frame, self.now_ms, &mut self.out)
        {
            Ok(ClientEvent::Message { publish, ack }) => {
                let ack = ack.map(|token| Arc::new(AckOnDrop::new(token, self.commands.clone())));
                let waiting = Waiting {
                    message: Message::of(&publish),
                    _ack: ack,
                };
                deliver(&self.router, &self.shared, waiting);
            }
            Ok(ClientEvent::Acknowledged { message, ack }) => {
                // The caller may have lost interest; the message counts all the same.
                let _ = message.reply.send(Published::of(&ack));
            }
            Ok(ClientEvent::Subscribed {
                request: Request::Subscribe(request),
                suback,
            }) => {
                let answer = SubscribeAnswer::of(&suback);
                self.handle_subscribed(*request, answer);
            }
            Ok(ClientEvent::Unsubscribed {
                request: Request::Unsubscribe(request),
                unsuback,
            }) => {
                handle_unsubscribed(request, &unsuback);
            }
            Ok(ClientEvent::Disconnected(disconnect)) => {
                let disconnect = ServerDisconnect::of(&disconnect);
                self.end(CloseReason::ServerDisconnected(disconnect));
            }
            Ok(_) => {}
            Err(error) => self.fail(error),
        }
        if self.ending.is_some() {
            return Verdict::Stop;
        }
        self.send_waiting();
        Verdict::Continue
    }

    /// Whether a message of QoS 1 or 2 may be received.
    ///
    /// A server of v5 knows the Receive Maximum; one that exceeds it breaks the protocol and is not waited for.
    pub(crate) fn may_hold_more(&self) -> bool {
        let server_knows =
            usize::from(self.connection.negotiated().own_receive_maximum) <= self.hold_max;
        server_knows || self.connection.unacknowledged() < self.hold_max
    }

    pub(crate) fn handle_command(&mut self, command: Command) {
        match command {
            Command::Publish(outgoing) => {
                let is_behind = outgoing.qos != QoS::AtMostOnce && !self.waiting.is_empty();
                let unsent = if is_behind {
                    Some(outgoing)
                } else {
                    self.publish(outgoing)
                };
                self.waiting.extend(unsent);
            }
            Command::Request(request) => {
                let unsent = self.request(request);
                self.waiting_requests.extend(unsent);
            }
            Command::Acknowledge(token) => {
                let success = ReasonCode::SUCCESS;
                self.connection
                    .acknowledge(token, success, self.now_ms, &mut self.out);
            }
            Command::Drop(queue) => {
                let topic_filters = self.router.remove_queue(&queue);
                self.unsubscribe_silently(topic_filters);
            }
            Command::Detach(queue) => {
                self.router.detach_queue(&queue);
                for waiting in queue.take_if(|_| true) {
                    self.shared.unclaimed.push(waiting);
                }
            }
        }
    }

    pub(crate) fn handle_control(&mut self, control: Control) {
        match control {
            Control::Disconnect(request) => self.begin_drain(request),
            Control::Release => {
                let deadline_ms = self
                    .now_ms
                    .saturating_add(millis(limits::DISCONNECT_TIMEOUT));
                self.drain.get_or_insert_with(|| Drain {
                    deadline_ms,
                    reason: ReasonCode::NORMAL_DISCONNECTION,
                    replies: Vec::new(),
                });
            }
        }
    }

    /// Whether the application has asked to end.
    pub(crate) const fn is_draining(&self) -> bool {
        self.drain.is_some()
    }

    /// When [`Core::handle_timeout`] has something to do.
    pub(crate) fn next_deadline_ms(&self) -> Option<u64> {
        let drain = self.drain.as_ref().map(|drain| drain.deadline_ms);
        self.connection
            .next_deadline_ms()
            .into_iter()
            .chain(drain)
            .min()
    }

    pub(crate) fn handle_timeout(&mut self) {
        if let Err(error) = self.connection.handle_timeout(self.now_ms, &mut self.out) {
            self.fail(error);
        }
        if self
            .drain
            .as_ref()
            .is_some_and(|drain| drain.deadline_ms <= self.now_ms)
        {
            self.finish_drain();
        }
    }

    /// Ends a disconnect that has nothing to wait for any more; `is_written` when no command and no byte waits.
    pub(crate) fn check_drain(&mut self, is_written: bool) {
        if self.drain.is_some() && is_written && self.out.is_empty() && self.unfinished() == 0 {
            self.finish_drain();
        }
    }

    /// Bytes were handed to the transport: `handed` since the connection began.
    pub(crate) fn handle_handed(&mut self, handed: u64) {
        while let Some(unsent) = self.unsent.pop_front_if(|unsent| unsent.until <= handed) {
            // As with the other answers, nobody may be waiting.
            let _ = unsent.reply.send(Ok(Published::default()));
        }
    }

    /// Ends the connection because the server broke the protocol.
    pub(crate) fn fail(&mut self, error: ClientError) {
        self.connection.fail(error, &mut self.out);
        self.end(match error {
            ClientError::KeepAliveTimeout => CloseReason::KeepAliveTimeout,
            error => CloseReason::Protocol(error),
        });
    }

    /// Ends the connection; the first reason counts.
    pub(crate) fn end(&mut self, reason: CloseReason) {
        if self.ending.is_none() {
            let closed = crate::ClosedError {
                reason: reason.clone(),
            };
            let replies = self
                .drain
                .take()
                .map(|drain| drain.replies)
                .unwrap_or_default();
            self.ending = Some(Ending {
                reason,
                disconnected: Err(closed.into()),
                replies,
            });
        }
    }

    /// Publishes and requests that were queued or are in flight.
    fn unfinished(&self) -> usize {
        self.waiting.len()
            + self.waiting_requests.len()
            + self.unsent.len()
            + self.connection.inflight()
    }

    /// Sends `outgoing`; gives it back when it has to wait.
    fn publish(&mut self, outgoing: Outgoing) -> Option<Outgoing> {
        match self
            .connection
            .publish(outgoing, self.now_ms, &mut self.out)
        {
            Ok(None) => None,
            Ok(Some(Outgoing { reply, permit, .. })) => {
                let until = self.pushed + count(self.out.len());
                self.unsent.push_back(Unsent {
                    until,
                    reply,
                    _permit: permit,
                });
                None
            }
            Err(NotSent {
                item,
                reason: NotSentReason::Later,
            }) => Some(item),
            Err(NotSent {
                item,
                reason: NotSentReason::Never(refusal),
            }) => {
                // As with the other answers, nobody may be waiting.
                let _ = item.reply.send(Err(PublishError::NotSent(refusal)));
                None
            }
        }
    }

    /// Sends again what a resume owes, then what waits for quota or identifiers.
    fn send_waiting(&mut self) {
        while let Some((message, refusal)) = self.connection.poll_resend(self.now_ms, &mut self.out)
        {
            // As with the other answers, nobody may be waiting.
            let _ = message.reply.send(Err(PublishError::NotSent(refusal)));
        }
        while let Some(outgoing) = self.waiting.pop_front() {
            if let Some(unsent) = self.publish(outgoing) {
                self.waiting.push_front(unsent);
                break;
            }
        }
        while let Some(request) = self.waiting_requests.pop_front() {
            if let Some(unsent) = self.request(request) {
                self.waiting_requests.push_front(unsent);
                break;
            }
        }
    }
}

fn deliver(router: &Router, shared: &Shared, waiting: Waiting) {
    match router.route(&waiting) {
        // What is left of a retired one is acknowledged by dropping it.
        Routed::Delivered | Routed::Retired => {}
        Routed::Unclaimed => {
            tracing::debug!(
                topic_name = waiting.message.topic_name(),
                "message is unclaimed"
            );
            shared.unclaimed.push(waiting);
        }
    }
}

/// A length as a count of bytes since the connection began.
pub(crate) fn count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
