//! One session of the broker: its flows, its queue and what waits to be written to its connection.

use super::batch::{Batch, Receipt};
use super::cause::{DropCause, EndCause};
use super::lane::Lane;
use super::limits::Limits;
use super::log::{CommitLog, LogPosition, MessageId};
use super::message::{Message, Source};
use super::queue::{Enqueued, Next, Queue};
use super::standing::{AtomicStanding, Standing};
use super::subscription::Via;
use super::subscriptions::Subscriptions;
use super::wire::{AsReceived, Form, Forms, Outbox, Stamp, Wanted};
use crate::access::ClientInfo;
use mqtt_codec::{PacketId, PacketType, ProtocolVersion, QoS};
use mqtt_session::{
    AliasTopic, Negotiated, NotNow, OutboundAliases, ReceiveFlows, Resend, SendFlows, SendQuota,
    TopicForm,
};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64};
use std::task::Waker;

/// Bytes up to which a connection is served from its queue at a time.
const FILL_LEN_MAX: usize = 256 * 1024;

/// A time that does not come, in milliseconds.
pub(crate) const NEVER: u64 = u64::MAX;

/// Names a session for as long as it exists; never given out twice.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SessionKey(pub u64);

impl SessionKey {
    /// Stands for the broker itself as a publisher; no session has it.
    pub const BROKER: Self = Self(0);
    /// Stands for another broker as a publisher; no session has it.
    pub const FABRIC: Self = Self(u64::MAX);
}

/// A message in flight to a subscriber.
#[derive(Debug)]
pub(crate) struct Sent {
    /// Gone after PUBREC, when only the identifier has to be kept.
    pub(crate) message: Option<Arc<Message>>,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) via: Via,
    /// What it is called in the log, if it is there.
    pub(crate) id: MessageId,
    /// Whether `message` has to be read from the log before it is sent again.
    pub(crate) is_stored: bool,
}

/// The Will Message of a connection, with its delay.
#[derive(Debug)]
pub(crate) struct Will {
    pub(crate) message: Arc<Message>,
    pub(crate) delay_s: u32,
    /// The Message Expiry Interval, which begins when the will is published; in seconds.
    pub(crate) expiry_s: Option<u32>,
}

/// What the broker keeps for one Client Identifier.
#[derive(Debug)]
pub(crate) struct SessionCell {
    pub(crate) key: SessionKey,
    pub(crate) client_id: Box<str>,
    /// Under which this broker owns it; see [`crate::Ownership`].
    pub(crate) owner_epoch: AtomicU64,
    /// When its connection last gave a sign of life, in milliseconds.
    pub(crate) last_alive_ms: AtomicU64,
    /// The level of the version its connection speaks, for choosing a wire form without the lock.
    pub(crate) wire_version: AtomicU8,
    /// Whether the broker itself keeps its connection from reading, so that silence proves nothing.
    pub(crate) paused: AtomicBool,
    /// How it stands, for those who choose between sessions.
    pub(crate) standing: AtomicStanding,
    /// QoS 2 messages received; locked by the owning connection only, and before any `state`.
    pub(crate) receive: Mutex<ReceiveFlows>,
    pub(crate) state: Mutex<SessionState>,
}

/// The part of a session that its publishers and its own connection share.
#[derive(Debug)]
pub(crate) struct SessionState {
    /// As in its [`SessionCell`].
    pub(super) key: SessionKey,
    pub(crate) send: SendFlows<Sent>,
    pub(crate) send_quota: SendQuota,
    pub(crate) negotiated: Negotiated,
    /// Counts its connections; one that holds an older number has been taken over.
    pub(crate) epoch: u32,
    pub(crate) connected: bool,
    /// The session is over; nothing may be added to it.
    pub(crate) ended: bool,
    /// Its connection has been woken and has not looked yet.
    pub(crate) woken: bool,
    /// What its connection is to end with.
    pub(crate) end: Option<Box<EndCause>>,
    pub(crate) outbox: Outbox,
    /// What is in the outbox may leave when this is durable.
    pub(crate) gate: LogPosition,
    /// Topic Aliases set on its connection; none for a client that takes none.
    pub(super) aliases: Option<Box<OutboundAliases>>,
    pub(crate) waker: Option<Waker>,
    pub(crate) queue: Option<Box<Queue>>,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) will: Option<Box<Will>>,
    /// Whether the log knows this session.
    pub(crate) is_logged: bool,
    /// Whether the log holds a Will Message of this session.
    pub(crate) is_will_logged: bool,
    /// Who is connected, or was last.
    pub(crate) client: Option<Arc<ClientInfo>>,
    /// When its last connection was accepted, in milliseconds.
    pub(crate) connected_at_ms: u64,
    /// Messages dropped that waited for it or were too large for it.
    pub(crate) dropped: u64,
    /// When its last connection was lost, in milliseconds.
    pub(crate) lost_at_ms: u64,
    /// When the timers look at it next, in milliseconds; [`NEVER`] if they do not.
    pub(crate) armed_ms: u64,
    /// Which lane serves its connection.
    pub(crate) lane: Lane,
    /// Which lane is to serve it from now on.
    pub(crate) wanted_lane: Option<Lane>,
    /// The last order that moved it.
    pub(crate) moved_by: u16,
}

/// One message to one subscriber.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outgoing<'a> {
    pub(crate) message: &'a Arc<Message>,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) via: &'a Via,
    /// What it is called in the log, if it is there.
    pub(crate) id: MessageId,
}

impl SessionCell {
    pub(crate) fn new(key: SessionKey, client_id: &str, negotiated: Negotiated) -> Self {
        Self {
            key,
            client_id: client_id.into(),
            owner_epoch: AtomicU64::new(0),
            last_alive_ms: AtomicU64::new(0),
            wire_version: AtomicU8::new(negotiated.version.level()),
            paused: AtomicBool::new(false),
            standing: AtomicStanding::default(),
            receive: Mutex::new(ReceiveFlows::new()),
            state: Mutex::new(SessionState {
                key,
                send: SendFlows::new(),
                send_quota: SendQuota::new(negotiated.peer_receive_maximum),
                negotiated,
                epoch: 0,
                connected: false,
                ended: false,
                woken: false,
                end: None,
                outbox: Outbox::default(),
                gate: LogPosition::NONE,
                is_logged: false,
                aliases: None,
                waker: None,
                queue: None,
                subscriptions: Subscriptions::default(),
                will: None,
                is_will_logged: false,
                client: None,
                connected_at_ms: 0,
                dropped: 0,
                lost_at_ms: 0,
                armed_ms: NEVER,
                lane: Lane::FIRST,
                wanted_lane: None,
                moved_by: 0,
            }),
        }
    }
}

impl SessionState {
    /// How it stands.
    pub(crate) fn standing(&self, limits: &Limits) -> Standing {
        let queue = self.queue.as_deref();
        let is_full = queue.is_some_and(|queue| queue.is_full(limits));
        Standing::new(self.connected, self.ended, queue.is_some(), is_full)
            .lasting(self.is_durable())
    }

    /// Messages on their way to the subscriber or waiting for it.
    pub(crate) fn load(&self) -> usize {
        self.send.len() + self.queue.as_ref().map_or(0, |queue| queue.len())
    }

    /// Whether messages for it must survive the broker: it outlives its connection.
    pub(crate) fn is_durable(&self) -> bool {
        self.negotiated.session_expiry != mqtt_session::SessionExpiry::AT_DISCONNECT
    }

    /// Whether retained messages still wait, which newer ones of their topics must not overtake.
    pub(crate) fn holds_at_most_once(&self) -> bool {
        self.queue
            .as_ref()
            .is_some_and(|queue| queue.holds_at_most_once())
    }

    /// A message does not reach the subscriber: counted for all and for this one.
    pub(crate) fn drop_one(&mut self, batch: &mut Batch, cause: DropCause) {
        self.dropped += 1;
        batch.counts.dropped_by(cause, 1, self.key);
    }

    /// QoS 0: into the outbox; for a slow reader the oldest make room, and are counted.
    pub(crate) fn deliver_at_most_once(
        &mut self,
        batch: &mut Batch,
        limits: &Limits,
        as_received: Option<&AsReceived<'_>>,
        (form, topic): (Form, TopicForm),
        retain: bool,
        message: Option<&Arc<Message>>,
    ) {
        let packet_len = form.packet_len();
        if self.is_too_large(packet_len) {
            self.drop_one(batch, DropCause::TooLarge);
            return;
        }
        if self.outbox.len() + packet_len > limits.outbox_bytes_max
            && !self.make_room(batch, packet_len, limits.outbox_bytes_max)
        {
            self.drop_one(batch, DropCause::OutboxFull);
            return;
        }
        let stamp = Stamp {
            qos: QoS::AtMostOnce,
            retain,
            dup: false,
            packet_id: None,
            topic,
        };
        let payload = shared_payload(message);
        self.outbox.lend(|| batch.spare());
        self.outbox
            .push(&batch.forms, as_received, form, stamp, payload.as_ref());
        batch.counts.sent += 1;
        self.wake(batch);
    }

    /// Drops what is oldest at QoS 0 in the outbox; `false` when that is not enough.
    #[cold]
    fn make_room(&mut self, batch: &mut Batch, len: usize, len_max: usize) -> bool {
        let dropped = self.outbox.make_room(len, len_max);
        self.dropped += dropped;
        batch
            .counts
            .dropped_by(DropCause::OutboxFull, dropped, self.key);
        batch.counts.unsent += dropped;
        self.outbox.len() + len <= len_max
    }

    /// QoS 1 and 2: sent under a new Packet Identifier, or queued.
    pub(crate) fn deliver_acknowledged(
        &mut self,
        batch: &mut Batch,
        limits: &Limits,
        log: &dyn CommitLog,
        as_received: Option<&AsReceived<'_>>,
        (form, topic): (Form, TopicForm),
        outgoing: Outgoing<'_>,
    ) -> Enqueued {
        // What the next connection takes is not known while there is none.
        if self.connected && self.is_too_large(form.packet_len()) {
            self.drop_logged(batch, DropCause::TooLarge, outgoing.id);
            return Enqueued::Dropped;
        }
        if !self.connected || self.queue.is_some() || self.outbox.len() > limits.outbox_bytes_max {
            return self.enqueue(batch, limits, outgoing);
        }
        let sent = Sent {
            message: Some(Arc::clone(outgoing.message)),
            qos: outgoing.qos,
            retain: outgoing.retain,
            via: outgoing.via.clone(),
            id: outgoing.id,
            is_stored: false,
        };
        match self
            .send
            .begin_publish(&mut self.send_quota, outgoing.qos, sent)
        {
            Ok(packet_id) => {
                self.note_begun(log, outgoing.id, outgoing.qos, packet_id);
                let stamp = Stamp {
                    qos: outgoing.qos,
                    retain: outgoing.retain,
                    dup: false,
                    packet_id: Some(packet_id),
                    topic,
                };
                let payload = shared_payload(Some(outgoing.message));
                self.outbox.lend(|| batch.spare());
                self.outbox
                    .push(&batch.forms, as_received, form, stamp, payload.as_ref());
                batch.counts.sent += 1;
                self.wake(batch);
                Enqueued::Kept
            }
            Err(NotNow { .. }) => self.enqueue(batch, limits, outgoing),
        }
    }

    /// Puts a message at the end of the queue, as far as its bounds and their policy allow.
    pub(crate) fn enqueue(
        &mut self,
        batch: &mut Batch,
        limits: &Limits,
        outgoing: Outgoing<'_>,
    ) -> Enqueued {
        let mut queue = self.queue.take().unwrap_or_default();
        let connected = self.connected;
        let enqueued = queue.push(batch, limits, outgoing, connected, |batch, cause, id| {
            self.drop_logged(batch, cause, id);
        });
        batch.counts.queued += u64::from(enqueued == Enqueued::Kept);
        self.queue = Some(queue).filter(|queue| !queue.is_empty());
        enqueued
    }

    /// Retained messages for a new subscription are about to be looked up, and will be enqueued.
    pub(crate) fn await_retained(&mut self) {
        self.queue.get_or_insert_default().await_retained();
    }

    /// Retained messages for a new subscription, sent as the client takes them.
    pub(crate) fn enqueue_retained(&mut self, messages: Vec<Arc<Message>>, qos: QoS, via: Via) {
        let mut queue = self.queue.take().unwrap_or_default();
        queue.push_retained(messages, qos, via);
        self.queue = Some(queue).filter(|queue| !queue.is_empty());
    }

    /// Sends what waits, as far as quota and outbox allow: first what a resume owes, then the queue.
    pub(crate) fn refill(
        &mut self,
        batch: &mut Batch,
        limits: &Limits,
        log: &dyn CommitLog,
        now_ms: u64,
    ) {
        let version = self.negotiated.version;
        if self
            .queue
            .as_ref()
            .is_some_and(|queue| queue.awaits_resends())
        {
            self.ask_to_load(batch, limits);
            return;
        }
        while self.outbox.len() <= limits.outbox_bytes_max {
            match self.send.poll_resend(&mut self.send_quota) {
                Some(Resend::Publish {
                    packet_id,
                    qos,
                    message: sent,
                }) => {
                    let stamp = Stamp {
                        qos,
                        retain: sent.retain,
                        dup: true,
                        packet_id: Some(packet_id),
                        topic: TopicForm::Name,
                    };
                    let Some(message) = &sent.message else {
                        // It could not be read.
                        let id = sent.id;
                        let _ = self.send.cancel(&mut self.send_quota, packet_id);
                        self.drop_logged(batch, DropCause::Unreadable, id);
                        continue;
                    };
                    let Some(source) = message.source_once_sent(now_ms) else {
                        continue;
                    };
                    let payload = shared_payload(Some(message));
                    let (mark, len_before) = (self.outbox.mark(), self.outbox.len());
                    let encoded = self.outbox.encode(
                        &source,
                        version,
                        sent.via.subscription_ids(),
                        stamp,
                        payload.as_ref(),
                    );
                    // The new connection may take less than the one before; v5 [MQTT-3.1.2-24].
                    if encoded.is_err() || self.is_too_large(self.outbox.len() - len_before) {
                        self.outbox.roll_back(mark);
                        let cancelled = self.send.cancel(&mut self.send_quota, packet_id);
                        let id = cancelled.map_or(MessageId::NONE, |sent| sent.id);
                        self.drop_logged(batch, DropCause::TooLarge, id);
                    }
                }
                Some(Resend::PubRel { packet_id }) => self.push_pubrel(packet_id),
                None => break,
            }
        }
        if self.send.is_resuming() {
            return;
        }
        let Some(mut queue) = self.queue.take() else {
            return;
        };
        let fill_max = limits.outbox_bytes_max.min(FILL_LEN_MAX);
        while self.outbox.len() <= fill_max
            && let Some(next) = queue.next()
            && self.send_next(batch, limits, log, next, now_ms)
        {
            queue.pop_next(batch);
        }
        if !queue.is_full(limits) {
            queue.wake_waiters(batch);
        }
        if !queue.is_empty() {
            self.queue = Some(queue);
            self.ask_to_load(batch, limits);
        }
    }

    /// Whether its client may have what one of its subscriptions has brought; none while nobody knows who it is.
    #[cold]
    fn may_receive(&self, receipt: &Receipt, message: &Message) -> Option<bool> {
        let client = self.client.as_ref()?;
        Some(receipt.0.may_receive(client, message.topic_name()))
    }

    /// `false`: not now, there is no room in flight.
    fn send_next(
        &mut self,
        batch: &mut Batch,
        limits: &Limits,
        log: &dyn CommitLog,
        next: Next<'_>,
        now_ms: u64,
    ) -> bool {
        let Next {
            message,
            qos,
            retain,
            via,
            mut id,
        } = next;
        let Some(source) = message.source(now_ms) else {
            self.drop_logged(batch, DropCause::Expired, id);
            batch.counts.name_topic(message.topic_name());
            return true;
        };
        if let Some(receipt) = &batch.receipt {
            match self.may_receive(receipt, message) {
                // It is not known yet who has come back to the session.
                None => return false,
                Some(true) => {}
                Some(false) => {
                    self.drop_logged(batch, DropCause::Withheld, id);
                    batch.counts.name_topic(message.topic_name());
                    return true;
                }
            }
        }
        let mut stamp = Stamp {
            qos,
            retain,
            dup: false,
            packet_id: None,
            topic: TopicForm::Name,
        };
        if qos != QoS::AtMostOnce {
            if self.send_quota.left() == 0 {
                return false;
            }
            if id == MessageId::NONE && self.is_durable() && log.keeps_records() {
                id = self.log_retained(log, &next);
            }
            let sent = Sent {
                message: Some(Arc::clone(message)),
                qos,
                retain,
                via: via.clone(),
                id,
                is_stored: false,
            };
            match self.send.begin_publish(&mut self.send_quota, qos, sent) {
                Ok(packet_id) => {
                    self.note_begun(log, id, qos, packet_id);
                    stamp.packet_id = Some(packet_id);
                }
                Err(NotNow { .. }) => return false,
            }
        }
        let (mark, len_before) = (self.outbox.mark(), self.outbox.len());
        let payload = shared_payload(Some(message));
        self.outbox.lend(|| batch.spare());
        let version = self.negotiated.version;
        let topic = AliasTopic::new(source.topic_name.as_str());
        stamp.topic = self.plan_topic(limits, topic);
        loop {
            let encoded = self.outbox.encode(
                &source,
                version,
                via.subscription_ids(),
                stamp,
                payload.as_ref(),
            );
            if encoded.is_ok() && !self.is_too_large(self.outbox.len() - len_before) {
                self.note_topic(topic, stamp.topic);
                batch.counts.sent += 1;
                return true;
            }
            if stamp.topic == TopicForm::Name {
                break;
            }
            // Without the alias it may fit.
            self.outbox.roll_back(mark);
            stamp.topic = TopicForm::Name;
        }
        // As if it had been delivered and acknowledged; v5 [MQTT-3.1.2-25].
        self.drop_logged(batch, DropCause::TooLarge, id);
        batch.counts.name_topic(message.topic_name());
        self.outbox.roll_back(mark);
        if let Some(packet_id) = stamp.packet_id {
            let _ = self.send.cancel(&mut self.send_quota, packet_id);
        }
        true
    }

    pub(crate) fn push_pubrel(&mut self, packet_id: PacketId) {
        super::answers::push_ack(
            self.outbox.bytes_mut(),
            self.negotiated.version,
            PacketType::PubRel,
            packet_id,
            mqtt_codec::ReasonCode::SUCCESS,
        );
    }

    /// Asks the connection to look at its outbox, once until it has.
    pub(crate) fn wake(&mut self, batch: &mut Batch) {
        if !self.woken
            && let Some(waker) = &self.waker
        {
            self.woken = true;
            batch.wakes.push(waker.clone());
        }
    }

    /// Tells the connection to end; it may have been woken for less and wait for its socket since.
    pub(crate) fn end_connection(&mut self, cause: EndCause, batch: &mut Batch) {
        self.end = Some(Box::new(cause));
        self.woken = true;
        batch.wakes.extend(self.waker.clone());
    }

    pub(super) fn is_too_large(&self, packet_len: usize) -> bool {
        u32::try_from(packet_len).map_or(true, |len| len > self.negotiated.peer_packet_len_max)
    }
}

/// The payload as a shared handle when it is large enough to be shared.
fn shared_payload(message: Option<&Arc<Message>>) -> Option<bytes::Bytes> {
    message.and_then(|message| message.large_payload())
}

/// The form of one message for a receiver, from the forms of `batch`.
#[inline]
pub(crate) fn form_for(
    forms: &mut Forms,
    source: &Source<'_>,
    as_received: Option<&AsReceived<'_>>,
    version: ProtocolVersion,
    qos: QoS,
    via: &Via,
) -> Option<Form> {
    let with_packet_id = qos != QoS::AtMostOnce;
    let ids = via.subscription_ids();
    match ids.is_empty() || !version.has_properties() {
        true => forms.shared(source, as_received, version, with_packet_id),
        false => {
            let wanted = Wanted {
                version,
                with_packet_id,
                topic: TopicForm::Name,
                subscription_ids: ids,
            };
            forms.own(source, wanted)
        }
    }
    .ok()
}
