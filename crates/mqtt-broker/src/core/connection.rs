//! One Network Connection without its socket: packets in, bytes and verdicts out.

use super::cause::EndCause;
use super::lane::Lane;
use super::log::{Durability, LogPosition};
use super::pace::{Pace, Passed, Rates};
use super::reached::LimitCause;
use super::refusals::Reference;
use super::seldom_vec::SeldomVec;
use super::session_cell::SessionCell;
use super::topic_cache::LastTopic;
use super::wire::Outbox;
use super::{Batch, Core, Gate, RetainedFor};
use crate::access::ClientInfo;
use crate::config::CertificateField;
use crate::handler::AuthState;
use mqtt_codec::{DecodeError, Disconnect, Frame, Packet, PacketId, PacketType, ReasonCode};
use mqtt_io::{PeerCertificate, Verdict};
use mqtt_session::{AckQueue, InboundAliases, Negotiated, PendingAck, ReceiveQuota};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};

/// What waits for the log before it may leave.
#[derive(Debug)]
pub(crate) enum HeldAnswer {
    /// PUBACK, PUBREC or PUBCOMP.
    Ack(PendingAck),
    /// PUBACK or PUBREC that refuses, with what the client may ask about.
    Refusal(PendingAck, Reference),
    /// PUBREL.
    Release(PacketId, ReasonCode),
    /// CONNACK, SUBACK or UNSUBACK, encoded.
    Bytes(Box<[u8]>),
}

/// What of a client's certificate is its name, whatever CONNECT says.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct TakenFields {
    pub(crate) username: CertificateField,
    pub(crate) client_id: CertificateField,
}

/// A connection whose CONNECT has not been accepted.
pub(crate) struct Arrival {
    pub(crate) peer: SocketAddr,
    /// The name of the listener it came through.
    pub(crate) listener: Arc<str>,
    /// What TLS or a proxy has found out about the client.
    pub(crate) certificate: Option<Arc<PeerCertificate>>,
    /// What of it is the client's name.
    pub(crate) fields: TakenFields,
    /// The Client Identifier of a CONNECT that was refused.
    pub(crate) refused: Option<Box<str>>,
}

/// A connection after its CONNECT was accepted.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) cell: Arc<SessionCell>,
    pub(crate) epoch: u32,
    pub(crate) client: Arc<ClientInfo>,
    pub(crate) negotiated: Negotiated,
    pub(crate) receive_quota: ReceiveQuota,
    /// Made when the client sets its first one.
    pub(crate) aliases: Option<Box<InboundAliases>>,
    pub(crate) last_topic: LastTopic,
    pub(crate) held: AckQueue<LogPosition, HeldAnswer>,
    /// Retained messages that new subscriptions are still to get, one after the other.
    pub(crate) retained: SeldomVec<RetainedFor>,
}

/// How a publisher stands whose message the log would have to take.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum LogWait {
    /// The disk is not behind, or not known to be.
    #[default]
    None,
    /// It is, and the message waits.
    Waits,
    /// It was for too long: the message is refused.
    Over,
}

/// What a handler has done with a packet.
pub(crate) enum Step {
    /// It is through.
    Done,
    /// A decision is pending; nothing was done, offer the packet again.
    Wait,
}

/// The protocol side of one Network Connection.
pub(crate) struct Connection {
    pub(crate) core: Arc<Core>,
    pub(crate) gate: Gate,
    /// When what is promised to this client may be said.
    durability: Durability,
    /// Messages that may leave when a position is durable, before what is in the outbox of the session.
    staged: Option<Box<(LogPosition, Outbox)>>,
    /// Answers to this client, written before what its session has for it.
    pub(crate) out: Vec<u8>,
    pub(crate) open: Option<Box<Open>>,
    /// What is known before CONNECT is accepted; then it is in `open`.
    pub(crate) arrival: Option<Box<Arrival>>,
    /// Enhanced authentication, where CONNECT asked for it.
    pub(crate) auth: Option<Box<AuthState>>,
    /// Control Packets written that are not yet counted.
    pub(crate) answers_sent: u32,
    /// The subscriber whose full queue this publisher waits for.
    pub(crate) waiting_for: Option<Arc<SessionCell>>,
    /// Whether this publisher waits for a disk that is behind.
    pub(crate) log_wait: LogWait,
    /// Which lane serves it.
    pub(crate) lane: Lane,
    /// Which lane is to serve it from now on.
    pub(super) wanted_lane: Option<Lane>,
    /// The last order of its lane that it has seen.
    pub(crate) order_seen: u16,
    /// CONNACK has left; before it nothing else may.
    is_greeted: bool,
    pace: Option<Box<Pace>>,
    end: Option<EndCause>,
    /// What the client may ask about, where its connection ends because it was refused something.
    pub(crate) refusal: Option<Reference>,
}

impl Connection {
    pub(crate) fn new(
        core: Arc<Core>,
        peer: SocketAddr,
        listener: Arc<str>,
        rates: Rates,
        durability: Durability,
        now_ms: u64,
    ) -> Self {
        core.counters
            .connections_opened
            .fetch_add(1, Ordering::Relaxed);
        Self {
            core,
            gate: Gate::default(),
            durability,
            staged: None,
            out: Vec::new(),
            open: None,
            arrival: Some(Box::new(Arrival {
                peer,
                listener,
                certificate: None,
                fields: TakenFields::default(),
                refused: None,
            })),
            auth: None,
            answers_sent: 0,
            waiting_for: None,
            log_wait: LogWait::None,
            lane: Lane::FIRST,
            wanted_lane: None,
            order_seen: 0,
            is_greeted: false,
            pace: Pace::new(rates, now_ms),
            end: None,
            refusal: None,
        }
    }

    /// What the handshakes before CONNECT have found out about the client, and what of it is its name.
    pub(crate) fn set_certificate(
        &mut self,
        certificate: Option<PeerCertificate>,
        fields: TakenFields,
    ) {
        if let Some(arrival) = &mut self.arrival {
            arrival.certificate = certificate.map(Arc::new);
            arrival.fields = fields;
        }
    }

    /// Ends a connection that begins with something else than CONNECT; what it may be the beginning of need not come.
    pub(crate) fn look_at_first(&mut self, bytes: &[u8], now_ms: u64) {
        let is_connect = bytes.first().is_none_or(|first| first >> 4 == 1);
        if !is_connect && self.end.is_none() && !self.is_authenticating() {
            self.note_mistake(bytes, now_ms);
            self.end_with(EndCause::ConnectExpected);
        }
    }

    /// Says so when what came instead of CONNECT shows what the client mistakes this listener for.
    pub(crate) fn note_mistake(&self, bytes: &[u8], now_ms: u64) {
        let what = match bytes {
            [0x16, 0x03, ..] => {
                "a client that speaks TLS at a listener without; it belongs to an `ssl` listener"
            }
            [b'G', b'E', b'T', b' ', ..] => {
                "an HTTP or WebSocket client at a listener without; it belongs to a `ws` listener"
            }
            b"PROXY "
            | [b'P', b'R', b'O', b'X', b'Y', b' ', ..]
            | [b'\r', b'\n', b'\r', b'\n', 0, ..] => {
                "a header of the PROXY protocol at a listener without `proxy_protocol = true`"
            }
            _ => return,
        };
        if let Some((peer, listener)) = self.origin() {
            self.core.reached.note_mistake(what, listener, peer, now_ms);
        }
    }

    /// The address of the client and the name of the listener it came through.
    pub(crate) fn origin(&self) -> Option<(SocketAddr, &Arc<str>)> {
        match (&self.arrival, &self.open) {
            (Some(arrival), _) => Some((arrival.peer, &arrival.listener)),
            (None, Some(open)) => Some((open.client.peer, &open.client.listener)),
            (None, None) => None,
        }
    }

    /// Takes one packet; [`Verdict::Pause`] when it has to be offered again.
    pub(crate) fn handle_frame(
        &mut self,
        frame: Frame<'_>,
        batch: &mut Batch,
        now_ms: u64,
    ) -> Verdict {
        if self.end.is_some() {
            return Verdict::Stop;
        }
        if self.is_paused(now_ms) {
            return Verdict::Pause;
        }
        self.gate.begin();
        batch.counts.packets_received += 1;
        match self.dispatch(frame, batch, now_ms) {
            Ok(Step::Wait) => {
                // It is offered again and must not be counted twice.
                batch.counts.packets_received -= 1;
                Verdict::Pause
            }
            Ok(Step::Done) => {
                self.gate.done();
                if self.pace.is_some() {
                    self.keep_pace(frame, now_ms);
                }
                if self.end.is_some() {
                    Verdict::Stop
                } else {
                    Verdict::Continue
                }
            }
            Err(cause) => {
                self.end_with(cause);
                Verdict::Stop
            }
        }
    }

    fn dispatch(
        &mut self,
        frame: Frame<'_>,
        batch: &mut Batch,
        now_ms: u64,
    ) -> Result<Step, EndCause> {
        let Some(open) = &self.open else {
            return match frame.packet_type() {
                Some(PacketType::Connect) if !self.is_authenticating() => {
                    self.handle_connect(frame, batch, now_ms)
                }
                Some(PacketType::Auth) if self.is_authenticating() => {
                    self.handle_first_auth(frame, batch, now_ms)
                }
                Some(PacketType::Disconnect) if self.is_authenticating() => {
                    Err(EndCause::ClientDisconnect)
                }
                _ => Err(EndCause::ConnectExpected),
            };
        };
        if frame.packet_type() == Some(PacketType::Publish) {
            return self.handle_publish(frame, batch, now_ms);
        }
        let version = open.negotiated.version;
        let packet = Packet::decode(frame, version).map_err(EndCause::Malformed)?;
        match &packet {
            Packet::Subscribe(subscribe) => return self.handle_subscribe(subscribe, batch, now_ms),
            Packet::PubAck(ack) => self.handle_puback(ack, batch, now_ms)?,
            Packet::PubRec(ack) => self.handle_pubrec(ack, batch, now_ms)?,
            Packet::PubRel(ack) => self.handle_pubrel(ack)?,
            Packet::PubComp(ack) => self.handle_pubcomp(ack, batch, now_ms)?,
            Packet::Unsubscribe(unsubscribe) => self.handle_unsubscribe(unsubscribe)?,
            Packet::PingReq => {
                super::push(&mut self.out, version, &Packet::PingResp);
                self.answers_sent += 1;
            }
            Packet::Auth(auth) if version.has_auth() => return self.handle_auth(auth),
            Packet::Disconnect(disconnect) => self.handle_disconnect(disconnect)?,
            Packet::Connect(_)
            | Packet::Publish(_)
            | Packet::ConnAck(_)
            | Packet::SubAck(_)
            | Packet::UnsubAck(_)
            | Packet::PingResp
            | Packet::Auth(_) => {
                return Err(EndCause::Protocol(
                    mqtt_session::ProtocolError::Unexpected {
                        packet_type: packet.packet_type(),
                    },
                ));
            }
        }
        Ok(Step::Done)
    }

    /// Bytes came that are no packet.
    pub(crate) fn handle_malformed(&mut self, error: DecodeError) {
        self.end_with(EndCause::Malformed(error));
    }

    /// The connection has to end; the client is told where its version can be.
    pub(crate) fn end_with(&mut self, cause: EndCause) {
        if self.end.is_some() {
            return;
        }
        self.end = Some(cause);
        let (Some(open), Some(reason)) = (&self.open, cause.reason_code()) else {
            return;
        };
        let version = open.negotiated.version;
        if self.is_greeted && version.server_may_disconnect() {
            let referred = self.refusal.map(Reference::words);
            let words = referred.as_deref().or(cause.words());
            super::push_fitting(&mut self.out, &open.negotiated, &[], words, |properties| {
                Packet::Disconnect(Disconnect { reason, properties })
            });
            self.answers_sent += 1;
        }
    }

    /// Why the connection has to end, once its output is written.
    pub(crate) fn end(&self) -> Option<EndCause> {
        self.end
    }

    /// Whether CONNECT was accepted.
    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Whether a decision is pending, which the caller may bound in time.
    pub(crate) fn is_deciding(&self) -> bool {
        self.gate.is_pending()
    }

    /// No answer in time counts as a refusal.
    pub(crate) fn give_up_deciding(&mut self) {
        self.gate.give_up();
    }

    /// Takes what came from the client's allowance.
    fn keep_pace(&mut self, frame: Frame<'_>, now_ms: u64) {
        let Some(pace) = &mut self.pace else { return };
        let messages = u64::from(frame.packet_type() == Some(PacketType::Publish));
        let cause = match pace.take(messages, frame.len, now_ms) {
            None => return,
            Some(Passed::Messages) => LimitCause::MessageRate,
            Some(Passed::Bytes) => LimitCause::ByteRate,
        };
        let who = self.open.as_ref().map_or("", |open| &open.client.client_id);
        self.core.reached.note(cause, who, now_ms);
    }

    /// The client gave a sign of life at `now_ms`.
    pub(crate) fn note_alive(&self, now_ms: u64) {
        if let Some(open) = &self.open {
            open.cell.last_alive_ms.store(now_ms, Ordering::Relaxed);
        }
    }

    /// Looks at everything that may have changed since the last look: decisions, log, session.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut Batch,
        now_ms: u64,
    ) -> Poll<()> {
        let decided = self.gate.poll(cx);
        self.release_held(cx.waker());
        self.send_more_retained(cx.waker(), batch, now_ms);
        let has_room = self.poll_waiting(cx.waker());
        let has_log = self.poll_log(cx.waker());
        if let Some(open) = &self.open {
            let is_paused = self.is_paused(now_ms);
            open.cell.paused.store(is_paused, Ordering::Relaxed);
        }
        match has_room.is_ready() && has_log.is_ready() {
            true => decided,
            false => Poll::Pending,
        }
    }

    /// One more page of retained messages; `waker` is to come back for the next.
    fn send_more_retained(&mut self, waker: &Waker, batch: &mut Batch, now_ms: u64) {
        let Some(Open { cell, retained, .. }) = self.open.as_deref_mut() else {
            return;
        };
        let Some(asked) = retained.first_mut() else {
            return;
        };
        let log = &*self.core.log;
        if asked.after > self.durability.reached(log) {
            self.durability.wake(log, asked.after, waker);
            return;
        }
        if !self.core.send_more_retained(cell, asked, batch, now_ms) {
            retained.remove(0);
            if retained.is_empty() {
                retained.take();
            }
        }
        waker.wake_by_ref();
    }

    fn release_held(&mut self, waker: &Waker) {
        let Some(open) = &mut self.open else { return };
        if open.held.is_empty() {
            return;
        }
        let log = &*self.core.log;
        let durable = self.durability.reached(log);
        while let Some(answer) = open.held.pop_if(|position| *position <= durable) {
            self.is_greeted |= output::push_held(&mut self.out, open, answer);
            self.answers_sent += 1;
        }
        if let Some(position) = open.held.first_gate() {
            self.durability.wake(log, *position, waker);
        }
    }

    /// What has to be durable until an answer that waits for `position` is out; nothing when it leaves at once.
    pub(crate) fn leaves_after(&self, position: LogPosition) -> LogPosition {
        let log = &*self.core.log;
        let is_first = self.open.as_ref().is_some_and(|open| open.held.is_empty());
        match is_first && position <= self.durability.reached(log) {
            true => LogPosition::NONE,
            false => log.appended(),
        }
    }

    /// Lets `answer` leave when `position` is durable: now, or behind what already waits.
    #[inline]
    pub(crate) fn answer(&mut self, position: LogPosition, answer: HeldAnswer) {
        let Some(open) = &mut self.open else { return };
        let is_durable =
            position == LogPosition::NONE || position <= self.durability.reached(&*self.core.log);
        if is_durable && open.held.is_empty() {
            self.is_greeted |= output::push_held(&mut self.out, open, answer);
            self.answers_sent += 1;
        } else {
            open.held.push(position, answer);
        }
    }

    /// Looks whether the session wants the connection to end, while its output waits for the socket.
    pub(crate) fn look_for_end(&mut self) {
        let Some(open) = &self.open else { return };
        let state = open.cell.state.lock();
        let ended = match state.epoch == open.epoch {
            true => state.end.as_deref().copied(),
            false => Some(EndCause::SessionTakenOver),
        };
        drop(state);
        if let Some(cause) = ended {
            self.end_with(cause);
        }
    }

    /// The socket is gone: the session stays or ends, the will is published or not.
    pub(crate) fn close(&mut self, cause: EndCause, batch: &mut Batch, now_ms: u64) {
        let cause = self.end.unwrap_or(cause);
        self.core.counters.ended(cause);
        self.core
            .counters
            .connections_closed
            .fetch_add(1, Ordering::Relaxed);
        let client_id = self
            .open
            .as_ref()
            .map_or("", |open| &*open.client.client_id);
        let peer = self.origin().map(|(peer, _)| tracing::field::display(peer));
        match cause {
            EndCause::ClientDisconnect
            | EndCause::ClientDisconnectWithWill
            | EndCause::ConnectionLost => {
                tracing::debug!(peer, client_id, %cause, "connection closed");
            }
            EndCause::ConnectRefused(_) => {
                tracing::info!(peer, client_id, %cause, "connection closed");
            }
            // Anybody can have these written.
            _ if self.arrival.is_some() => {
                if let Some(times) = self.core.strangers.due(1, now_ms) {
                    let listener = self.origin().map(|(_, listener)| &**listener);
                    tracing::info!(listener, peer, %cause, times, "connection closed before CONNECT");
                }
            }
            _ => tracing::info!(peer, client_id, %cause, "connection closed"),
        }
        if let Some(arrival) = &self.arrival {
            let client_id = arrival.refused.as_deref().unwrap_or_default();
            self.core.hub.refused(arrival.peer, client_id, cause);
        }
        if let Some(mut open) = self.open.take() {
            self.core.hub.disconnected(&open.client, cause);
            if cause != EndCause::ServerShuttingDown
                && let Some(ban_ms) = self.core.bans.note_gone(&open.client.client_id, now_ms)
            {
                let client_id = &*open.client.client_id;
                tracing::warn!(client_id, ban_ms, "banned: it came and went too often");
            }
            self.core
                .tell_sys_disconnected(&open.client, cause, batch, now_ms);
            self.core
                .detach(&open.cell, open.epoch, cause, batch, now_ms);
            // A session that stays is still to get what it has subscribed to.
            for mut asked in open.retained.take() {
                let core = &self.core;
                while core.send_more_retained(&open.cell, &mut asked, batch, now_ms) {}
            }
        }
        self.core.finish(batch, now_ms);
    }
}

mod output;
mod waiting;
