//! What the driver does with packets, commands and time, apart from reading, writing and connecting.

mod authenticate;
mod connection;
mod drain;
mod held;
mod publish;
mod receive;
mod requests;

use crate::command::{Command, Control, Outgoing, Request};
use crate::connack::ConnAckWords;
use crate::earlier::Earlier;
use crate::error::{DisconnectError, PublishError};
use crate::event::Event;
use crate::limits::STORE_RETRY;
use crate::mailbox;
use crate::message::Recent;
use crate::options::Options;
use crate::out::Out;
use crate::place::{Room, Spot};
use crate::queue::Waiting;
use crate::receipts::Reply;
use crate::router::Router;
use crate::shared::Shared;
use crate::store::KeeperJournal;
use crate::time::millis;
use crate::{CloseReason, Message, ServerDisconnect};
use authenticate::Exchange;
use bytes::Bytes;
use drain::Drain;
use held::Held;
use mqtt_codec::{Delivery, Frame, KnownHead, PacketType, QoS, ReasonCode};
use mqtt_io::Verdict;
use mqtt_session::{AckToken, ClientConnection, ClientError, ClientEvent, ClientSession, Heap};
use publish::{not_published, publish_answer};
use receive::is_same_text;
use requests::{SubscribeAnswer, UnsubscribeAnswer};
use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::oneshot;

/// The two QoS bits in the flags of PUBLISH; v5 §3.3.1.
const QOS_FLAGS: u8 = 0b0110;

/// What the driver does with packets, commands and time, apart from reading, writing and connecting.
#[derive(Debug)]
pub(crate) struct Core {
    link: Link,
    /// The address of the server of the connection in use.
    server: String,
    /// Whether the server has accepted the connection in use.
    pub(crate) is_accepted: bool,
    /// Whether a server has ever accepted a connection.
    pub(crate) was_accepted: bool,
    /// Whether a server has accepted the session in an earlier process.
    is_restored: bool,
    /// The Client Identifier a server has assigned.
    assigned_client_id: Option<String>,
    options: Arc<Options>,
    router: Router,
    shared: Arc<Shared>,
    /// Encoded and not yet in the write queue.
    pub(crate) out: Out,
    /// Whether the transport writes several pieces at once, so that they need not be put together.
    pub(crate) is_vectored: bool,
    /// Bytes that left `out` for the write queue since the connection began.
    pub(crate) pushed: u64,
    pub(crate) now_ms: u64,
    /// Messages that wait for a connection, or at QoS 1 and 2 for the send quota.
    waiting: VecDeque<Outgoing>,
    /// Whether some of `waiting` may be of QoS 0, which wait for a connection only.
    qos0_waits: bool,
    /// When the first of `waiting` expires, or earlier.
    expiry_ms: Option<u64>,
    /// Requests that wait for a connection or a Packet Identifier.
    waiting_requests: VecDeque<Request>,
    /// Places of messages that have ended, to be given back together.
    room: Room,
    /// Of messages that were published, to be answered together.
    published: Vec<(Reply, ReasonCode)>,
    /// Messages of QoS 0, with the count of `pushed` at which they are handed to the transport.
    unsent: VecDeque<Unsent>,
    /// What the application has to answer on this connection.
    held: Held,
    recent: Recent,
    /// The head of the last message of the connection in use, which is likely to be that of the next.
    ///
    /// INVARIANT: with the Topic Name and properties in `recent`.
    known: KnownHead,
    /// The next one, while `known` is in use.
    next_known: KnownHead,
    /// Messages for where the last one before them went; empty between two reads.
    delivered: Vec<Waiting>,
    /// Whether the application has got messages it has not had time to look at.
    pub(crate) has_delivered: bool,
    /// Answers to messages of earlier connections, for the next one.
    late_answers: Vec<(AckToken, ReasonCode)>,
    /// Where PINGREQ ends in the bytes of the connection, until it is handed to the transport.
    ping_until: Option<u64>,
    exchange: Exchange,
    drain: Option<Drain>,
    /// Who waits until nothing is under way.
    idle_waiters: Vec<oneshot::Sender<()>>,
    /// When the store is tried again, for which there was no room.
    store_retry_ms: Option<u64>,
    pub(crate) ending: Option<Ending>,
}

/// The session, on a Network Connection or without one.
#[derive(Debug)]
enum Link {
    Away(ClientSession<Outgoing, Request, Heap, KeeperJournal>),
    Here(Box<ClientConnection<Outgoing, Request, Heap, KeeperJournal>>),
}

#[derive(Debug)]
struct Unsent {
    until: u64,
    reply: Reply,
    spot: Spot,
}

/// How a connection, or the client, ends.
#[derive(Debug)]
pub(crate) struct Ending {
    pub(crate) reason: CloseReason,
    /// What this side wanted; then nothing follows, and those who wait for it are told.
    pub(crate) disconnected: Option<Disconnected>,
}

/// How a disconnect went, and who waits for that.
#[derive(Debug)]
pub(crate) struct Disconnected {
    pub(crate) result: Result<(), DisconnectError>,
    pub(crate) replies: Vec<oneshot::Sender<Result<(), DisconnectError>>>,
}

impl Core {
    pub(crate) fn new(
        options: Arc<Options>,
        shared: Arc<Shared>,
        commands: mailbox::Sender<Command>,
        earlier: Earlier,
    ) -> Self {
        let journal = KeeperJournal(shared.keeper.clone());
        let mut session = ClientSession::with_journal(journal);
        for record in earlier.session {
            // The heap has room for all.
            let _ = session.replay(record);
        }
        if let Some(outlives_connection) = earlier.established {
            session.restore_established(outlives_connection);
        }
        let mut core = Self {
            link: Link::Away(session),
            is_restored: earlier.established.is_some(),
            server: String::new(),
            is_accepted: false,
            was_accepted: false,
            assigned_client_id: None,
            options,
            router: Router::new(1),
            shared,
            held: Held::new(commands),
            out: Out::default(),
            is_vectored: false,
            pushed: 0,
            now_ms: 0,
            waiting: VecDeque::new(),
            qos0_waits: false,
            expiry_ms: None,
            waiting_requests: VecDeque::new(),
            room: Room::default(),
            published: Vec::new(),
            unsent: VecDeque::new(),
            recent: Recent::default(),
            known: KnownHead::default(),
            next_known: KnownHead::default(),
            delivered: Vec::new(),
            has_delivered: false,
            late_answers: Vec::new(),
            ping_until: None,
            exchange: Exchange::default(),
            drain: None,
            idle_waiters: Vec::new(),
            store_retry_ms: None,
            ending: None,
        };
        for outgoing in earlier.failed {
            not_published(&core.shared, outgoing, PublishError::SessionLost);
        }
        for outgoing in earlier.waiting {
            core.wait(outgoing);
        }
        core
    }

    /// Takes one packet, unless the application must take messages first.
    ///
    /// The bytes of `frame` are those of `shared`, if there is one.
    pub(crate) fn handle_frame(&mut self, frame: Frame<'_>, shared: Option<&Bytes>) -> Verdict {
        if self.ending.is_some() {
            return Verdict::Stop;
        }
        let is_acknowledged =
            frame.packet_type() == Some(PacketType::Publish) && frame.flags() & QOS_FLAGS != 0;
        if is_acknowledged && !self.may_hold_more() {
            return Verdict::Pause;
        }
        if frame.packet_type() != Some(PacketType::Publish) {
            // What else comes may change where messages go.
            self.hand_over();
        }
        let Link::Here(connection) = &mut self.link else {
            return Verdict::Stop;
        };
        let (version, head) = (connection.negotiated().version, self.known.head());
        match connection.handle_frame_known(frame, head, self.now_ms, &mut self.out) {
            Ok(ClientEvent::Message { publish, ack }) => {
                let is_known = is_same_text(publish.topic_name, head);
                let message = Message::after(&mut self.recent, &publish, is_known, shared);
                debug_assert_eq!(
                    ack.is_some(),
                    Delivery::packet_id(publish.delivery).is_some()
                );
                if !is_known {
                    self.next_known.set(frame, version, &publish);
                    mem::swap(&mut self.known, &mut self.next_known);
                }
                self.deliver(message, ack);
                // It has made room for nothing that waits.
                return match self.ending {
                    Some(_) => Verdict::Stop,
                    None => Verdict::Continue,
                };
            }
            Ok(ClientEvent::Acknowledged { mut message, ack }) => {
                let answer = publish_answer(&mut message, &ack);
                message.spot.give_back(&mut self.room);
                self.answer(message.reply, answer);
            }
            Ok(ClientEvent::Subscribed { request, suback }) => {
                let answer = SubscribeAnswer::of(&suback);
                self.handle_subscribed(request, answer);
            }
            Ok(ClientEvent::Unsubscribed {
                request: Request::Unsubscribe(request),
                unsuback,
            }) => {
                UnsubscribeAnswer::of(&unsuback).give(request);
            }
            Ok(ClientEvent::Connected { connack }) => {
                let words = ConnAckWords::of(&connack);
                let data = connack.properties.authentication_data();
                match self.exchange.finish(data) {
                    Ok(()) => self.accept(words),
                    Err(error) => self.end_unauthenticated(error),
                }
            }
            Ok(ClientEvent::Authenticate(auth)) => {
                let data = auth.properties.authentication_data();
                let data = data.unwrap_or_default().to_vec();
                self.answer_challenge(data);
            }
            Ok(ClientEvent::Authenticated(auth)) => {
                let data = auth.properties.authentication_data().map(Into::into);
                self.finish_again(data);
            }
            Ok(ClientEvent::Refused(connack)) => {
                let refused = connection::refused(&connack);
                self.end(CloseReason::ConnectFailed(Arc::new(refused)));
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

    pub(crate) fn handle_command(&mut self, mut command: Command) {
        if let Command::Publish(outgoing) = &mut command
            && self.publish_again(outgoing)
        {
            return;
        }
        match command {
            Command::Publish(outgoing) => {
                let is_behind = outgoing.qos != QoS::AtMostOnce && !self.waiting.is_empty();
                let unsent = if is_behind {
                    Some(outgoing)
                } else {
                    self.publish(outgoing)
                };
                if let Some(outgoing) = unsent {
                    self.wait(outgoing);
                }
            }
            Command::Request(request) => {
                let unsent = self.request(request);
                self.waiting_requests.extend(unsent);
            }
            Command::Answers => self.handle_answers(),
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
            Control::Disconnect(request) => self.begin_drain(*request),
            Control::Reauthenticate(reply) => self.reauthenticate(reply),
            Control::Drain(reply) => self.idle_waiters.push(reply),
            Control::Release => self.begin_release(),
        }
    }

    /// When [`Core::handle_timeout`] has something to do.
    pub(crate) fn next_deadline_ms(&self) -> Option<u64> {
        let connection = match &self.link {
            Link::Here(connection) => connection.next_deadline_ms(),
            Link::Away(_) => None,
        };
        let drain = self.drain.as_ref().map(|drain| drain.deadline_ms);
        let expiry = self.expiry_ms.filter(|_| !self.waiting.is_empty());
        let stall = self.held.stall_at_ms();
        let deadlines = [connection, drain, expiry, stall, self.store_retry_ms];
        deadlines.into_iter().flatten().min()
    }

    pub(crate) fn handle_timeout(&mut self) {
        if let Link::Here(connection) = &mut self.link {
            let before = self.out.len();
            let done = connection.handle_timeout(self.now_ms, &mut self.out);
            if self.out.len() > before {
                self.ping_until = Some(self.pushed + count(self.out.len()));
            }
            if let Err(error) = done {
                self.fail(error);
            }
        }
        self.drop_expired();
        if self
            .store_retry_ms
            .take_if(|at_ms| *at_ms <= self.now_ms)
            .is_some()
        {
            self.send_waiting();
        }
        self.act_on_stall();
        self.check_drain_deadline();
    }

    /// The server took bytes: `handed` since the connection began.
    pub(crate) fn handle_handed(&mut self, handed: u64) {
        while let Some(unsent) = self.unsent.pop_front_if(|unsent| unsent.until <= handed) {
            self.published.push((unsent.reply, ReasonCode::SUCCESS));
            unsent.spot.give_back(&mut self.room);
        }
        if self.ping_until.is_some()
            && let Link::Here(connection) = &mut self.link
        {
            // It was behind what was taken just now, so its answer cannot be late yet.
            connection.put_off_ping_answer(self.now_ms);
            self.ping_until = self.ping_until.filter(|until| *until > handed);
        }
    }

    /// Up to where the store is durable; none without a store.
    pub(crate) fn store_reached(&self) -> Option<u64> {
        self.shared.keeper.as_ref().map(|keeper| keeper.reached())
    }

    /// What has to be durable before what is in `out` may leave.
    pub(crate) fn barrier(&self) -> u64 {
        match &self.link {
            Link::Here(connection) => connection.barrier(),
            Link::Away(_) => 0,
        }
    }

    /// Looks after the store, and ends everything when its disk has failed.
    pub(crate) fn poll_store(&mut self, cx: &Context<'_>) {
        let Some(keeper) = &self.shared.keeper else {
            return;
        };
        if let Poll::Ready(reason) = keeper.poll(cx)
            && self.ending.is_none()
        {
            tracing::error!(%reason, "the client ends");
            self.ending = Some(Ending {
                reason,
                disconnected: None,
            });
        } else if keeper.take_trouble() {
            let at_ms = self.now_ms.saturating_add(millis(STORE_RETRY));
            self.store_retry_ms.get_or_insert(at_ms);
        }
    }

    /// Bytes came from the server.
    pub(crate) fn handle_received(&mut self, len: usize) {
        self.shared.counters.bytes_received.add(count(len));
        if let Link::Here(connection) = &mut self.link {
            connection.handle_received(self.now_ms);
        }
    }

    /// Ends the connection because the server broke the protocol.
    pub(crate) fn fail(&mut self, error: ClientError) {
        if let Link::Here(connection) = &mut self.link {
            connection.fail(error, &mut self.out);
        }
        self.end(match error {
            ClientError::KeepAliveTimeout => CloseReason::KeepAliveTimeout,
            error => CloseReason::Protocol(error),
        });
    }

    /// Ends the connection; the first reason counts.
    pub(crate) fn end(&mut self, reason: CloseReason) {
        if self.ending.is_some() {
            return;
        }
        let reason = match self.is_accepted {
            true => reason,
            false => connection::before_connack(reason, &self.server),
        };
        self.ending = Some(Ending {
            reason,
            disconnected: None,
        });
    }

    /// Publishes and requests that were queued or are in flight.
    fn unfinished(&self) -> usize {
        let inflight = match &self.link {
            Link::Here(connection) => connection.inflight(),
            Link::Away(session) => session.inflight(),
        };
        self.waiting.len() + self.waiting_requests.len() + self.unsent.len() + inflight
    }

    fn event(&self, event: &Event) {
        self.shared.events.send(event);
    }
}

/// A length as a count of bytes since the connection began.
pub(crate) fn count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
