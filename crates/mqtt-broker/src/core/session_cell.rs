//! One session of the broker: its flows, its queue and what waits to be written to its connection.

use super::batch::Batch;
use super::cause::{DropCause, EndCause};
use super::limits::Limits;
use super::message::Message;
use super::subscription::{Subscription, SubscriptionIds};
use super::wire::{Form, Forms, Outbox, SHARE_FROM, Stamp};
use mqtt_codec::{PacketId, PacketType, ProtocolVersion, QoS};
use mqtt_session::{Negotiated, NotNow, ReceiveFlows, Resend, SendFlows, SendQuota};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64};
use std::task::Waker;

/// Names a session for as long as it exists; never given out twice.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SessionKey(pub u64);

/// A message in flight to a subscriber.
#[derive(Debug)]
pub(crate) struct Sent {
    /// Gone after PUBREC, when only the identifier has to be kept.
    pub(crate) message: Option<Arc<Message>>,
    pub(crate) retain: bool,
    pub(crate) subscription_ids: SubscriptionIds,
}

/// A message waiting for the connection, or for room in flight.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) message: Arc<Message>,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) subscription_ids: SubscriptionIds,
}

/// Messages waiting, bounded by [`Limits::queue_len_max`] and [`Limits::queue_bytes_max`].
#[derive(Debug, Default)]
pub(crate) struct Queue {
    entries: VecDeque<Queued>,
    bytes: usize,
    /// Entries at QoS 0: retained messages on their way to a new subscription.
    at_most_once: usize,
}

impl Queue {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
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
    /// When its connection last gave a sign of life, in milliseconds.
    pub(crate) last_alive_ms: AtomicU64,
    /// The level of the version its connection speaks, for choosing a wire form without the lock.
    pub(crate) wire_version: AtomicU8,
    /// Whether the broker itself keeps its connection from reading, so that silence proves nothing.
    pub(crate) paused: AtomicBool,
    /// QoS 2 messages received; locked by the owning connection only, and before any `state`.
    pub(crate) receive: Mutex<ReceiveFlows>,
    pub(crate) state: Mutex<SessionState>,
}

/// The part of a session that its publishers and its own connection share.
#[derive(Debug)]
pub(crate) struct SessionState {
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
    pub(crate) end: Option<EndCause>,
    pub(crate) outbox: Outbox,
    pub(crate) waker: Option<Waker>,
    pub(crate) queue: Option<Box<Queue>>,
    pub(crate) subscriptions: Vec<Subscription>,
    pub(crate) will: Option<Box<Will>>,
    /// When its last connection was lost, in milliseconds.
    pub(crate) lost_at_ms: u64,
    /// When the timers look at it next, in milliseconds.
    pub(crate) armed_ms: Option<u64>,
}

/// One message to one subscriber.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outgoing<'a> {
    pub(crate) message: &'a Arc<Message>,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) subscription_ids: &'a SubscriptionIds,
}

impl SessionCell {
    pub(crate) fn new(key: SessionKey, client_id: &str, negotiated: Negotiated) -> Self {
        Self {
            key,
            client_id: client_id.into(),
            last_alive_ms: AtomicU64::new(0),
            wire_version: AtomicU8::new(negotiated.version.level()),
            paused: AtomicBool::new(false),
            receive: Mutex::new(ReceiveFlows::new()),
            state: Mutex::new(SessionState {
                send: SendFlows::new(),
                send_quota: SendQuota::new(negotiated.peer_receive_maximum),
                negotiated,
                epoch: 0,
                connected: false,
                ended: false,
                woken: false,
                end: None,
                outbox: Outbox::default(),
                waker: None,
                queue: None,
                subscriptions: Vec::new(),
                will: None,
                lost_at_ms: 0,
                armed_ms: None,
            }),
        }
    }
}

impl SessionState {
    /// Whether messages for it must survive the broker: it outlives its connection.
    pub(crate) fn is_durable(&self) -> bool {
        self.negotiated.session_expiry != mqtt_session::SessionExpiry::AT_DISCONNECT
    }

    /// Whether retained messages at QoS 0 still wait, which newer ones of their topics must not overtake.
    pub(crate) fn has_queued_at_most_once(&self) -> bool {
        self.queue
            .as_ref()
            .is_some_and(|queue| queue.at_most_once > 0)
    }

    /// QoS 0: into the outbox, or dropped and counted.
    pub(crate) fn deliver_at_most_once(
        &mut self,
        batch: &mut Batch,
        limits: &Limits,
        form: Form,
        retain: bool,
        message: Option<&Arc<Message>>,
    ) {
        if !self.connected {
            batch.counts.dropped(DropCause::Offline, 1);
        } else if self.is_too_large(form.packet_len()) {
            batch.counts.dropped(DropCause::TooLarge, 1);
        } else if self.outbox.len() + form.packet_len() > limits.outbox_bytes_max {
            batch.counts.dropped(DropCause::OutboxFull, 1);
        } else {
            let stamp = Stamp {
                qos: QoS::AtMostOnce,
                retain,
                dup: false,
                packet_id: None,
            };
            let payload = shared_payload(message);
            self.outbox.lend(|| batch.spare());
            self.outbox
                .push(&batch.forms, form, stamp, payload.as_ref());
            batch.counts.sent += 1;
            self.wake(batch);
        }
    }

    /// QoS 1 and 2: sent under a new Packet Identifier, or queued. `false`: the queue is full.
    pub(crate) fn deliver_acknowledged(
        &mut self,
        batch: &mut Batch,
        limits: &Limits,
        form: Form,
        outgoing: Outgoing<'_>,
    ) -> bool {
        // What the next connection takes is not known while there is none.
        if self.connected && self.is_too_large(form.packet_len()) {
            batch.counts.dropped(DropCause::TooLarge, 1);
            return true;
        }
        if !self.connected || self.queue.is_some() || self.outbox.len() > limits.outbox_bytes_max {
            return self.enqueue(batch, limits, outgoing);
        }
        let sent = Sent {
            message: Some(Arc::clone(outgoing.message)),
            retain: outgoing.retain,
            subscription_ids: outgoing.subscription_ids.clone(),
        };
        match self
            .send
            .begin_publish(&mut self.send_quota, outgoing.qos, sent)
        {
            Ok(packet_id) => {
                let stamp = Stamp {
                    qos: outgoing.qos,
                    retain: outgoing.retain,
                    dup: false,
                    packet_id: Some(packet_id),
                };
                let payload = shared_payload(Some(outgoing.message));
                self.outbox.lend(|| batch.spare());
                self.outbox
                    .push(&batch.forms, form, stamp, payload.as_ref());
                batch.counts.sent += 1;
                self.wake(batch);
                true
            }
            Err(NotNow { .. }) => self.enqueue(batch, limits, outgoing),
        }
    }

    /// Puts a message at the end of the queue. `false`: the queue is full.
    pub(crate) fn enqueue(
        &mut self,
        batch: &mut Batch,
        limits: &Limits,
        outgoing: Outgoing<'_>,
    ) -> bool {
        let size = outgoing.message.size();
        let queue = self.queue.get_or_insert_default();
        if queue.entries.len() >= limits.queue_len_max
            || queue.bytes + size > limits.queue_bytes_max
        {
            return false;
        }
        queue.bytes += size;
        queue.at_most_once += usize::from(outgoing.qos == QoS::AtMostOnce);
        queue.entries.push_back(Queued {
            message: Arc::clone(outgoing.message),
            qos: outgoing.qos,
            retain: outgoing.retain,
            subscription_ids: outgoing.subscription_ids.clone(),
        });
        batch.counts.queued += 1;
        true
    }

    /// Sends what waits, as far as quota and outbox allow: first what a resume owes, then the queue.
    pub(crate) fn refill(&mut self, batch: &mut Batch, limits: &Limits, now_ms: u64) {
        let version = self.negotiated.version;
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
                    };
                    let Some(message) = &sent.message else {
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
                        sent.subscription_ids.as_slice(),
                        stamp,
                        payload.as_ref(),
                    );
                    // The new connection may take less than the one before; v5 [MQTT-3.1.2-24].
                    if encoded.is_err() || self.is_too_large(self.outbox.len() - len_before) {
                        self.outbox.roll_back(mark);
                        let _ = self.send.cancel(&mut self.send_quota, packet_id);
                        batch.counts.dropped(DropCause::TooLarge, 1);
                    }
                }
                Some(Resend::PubRel { packet_id }) => self.push_pubrel(packet_id),
                None => break,
            }
        }
        if self.send.is_resuming() {
            return;
        }
        while self.outbox.len() <= limits.outbox_bytes_max {
            let Some(queued) = self.pop_queued() else {
                return;
            };
            if !self.send_queued(batch, version, queued, now_ms) {
                return;
            }
        }
    }

    fn pop_queued(&mut self) -> Option<Queued> {
        let queue = self.queue.as_mut()?;
        let Some(queued) = queue.entries.pop_front() else {
            self.queue = None;
            return None;
        };
        queue.bytes -= queued.message.size();
        queue.at_most_once -= usize::from(queued.qos == QoS::AtMostOnce);
        Some(queued)
    }

    /// `false`: it had to go back to the head of the queue.
    fn send_queued(
        &mut self,
        batch: &mut Batch,
        version: ProtocolVersion,
        queued: Queued,
        now_ms: u64,
    ) -> bool {
        let message = Arc::clone(&queued.message);
        let Some(source) = message.source(now_ms) else {
            batch.counts.dropped(DropCause::Expired, 1);
            return true;
        };
        let ids = queued.subscription_ids.clone();
        let mut stamp = Stamp {
            qos: queued.qos,
            retain: queued.retain,
            dup: false,
            packet_id: None,
        };
        let (mark, len_before) = (self.outbox.mark(), self.outbox.len());
        if queued.qos != QoS::AtMostOnce {
            let sent = Sent {
                message: Some(queued.message),
                retain: queued.retain,
                subscription_ids: queued.subscription_ids,
            };
            match self
                .send
                .begin_publish(&mut self.send_quota, queued.qos, sent)
            {
                Ok(packet_id) => stamp.packet_id = Some(packet_id),
                Err(NotNow { message: sent, .. }) => {
                    self.put_back(sent, queued.qos);
                    return false;
                }
            }
        }
        let payload = shared_payload(Some(&message));
        let encoded = self
            .outbox
            .encode(&source, version, ids.as_slice(), stamp, payload.as_ref());
        if encoded.is_ok() && !self.is_too_large(self.outbox.len() - len_before) {
            batch.counts.sent += 1;
            return true;
        }
        // As if it had been delivered and acknowledged; v5 [MQTT-3.1.2-25].
        batch.counts.dropped(DropCause::TooLarge, 1);
        self.outbox.roll_back(mark);
        if let Some(packet_id) = stamp.packet_id {
            let _ = self.send.cancel(&mut self.send_quota, packet_id);
        }
        true
    }

    fn put_back(&mut self, sent: Sent, qos: QoS) {
        let Some(message) = sent.message else { return };
        let queue = self.queue.get_or_insert_default();
        queue.bytes += message.size();
        queue.entries.push_front(Queued {
            message,
            qos,
            retain: sent.retain,
            subscription_ids: sent.subscription_ids,
        });
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

    fn is_too_large(&self, packet_len: usize) -> bool {
        u32::try_from(packet_len).map_or(true, |len| len > self.negotiated.peer_packet_len_max)
    }
}

/// The payload as a shared handle when it is large enough to be shared.
fn shared_payload(message: Option<&Arc<Message>>) -> Option<bytes::Bytes> {
    message
        .filter(|message| message.payload().len() >= SHARE_FROM)
        .map(|message| message.payload_shared())
}

/// The form of one message for a receiver, from the forms of `batch`.
pub(crate) fn form_for(
    forms: &mut Forms,
    source: &super::message::Source<'_>,
    version: ProtocolVersion,
    qos: QoS,
    subscription_ids: &SubscriptionIds,
) -> Option<Form> {
    let with_packet_id = qos != QoS::AtMostOnce;
    let ids = subscription_ids.as_slice();
    match ids.is_empty() || !version.has_properties() {
        true => forms.shared(source, version, with_packet_id),
        false => forms.own(source, version, with_packet_id, ids),
    }
    .ok()
}
