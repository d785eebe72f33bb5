//! One PUBLISH to all who want it: retained store, subscribers, log.

use super::cause::DropCause;
use super::log::{Appended, LogPosition, MessageId};
use super::message::{Message, Source};
use super::queue::{Enqueued, QueueFull, Queued, Taken};
use super::reached::LimitCause;
use super::retained::RetainedFull;
use super::router::Routes;
use super::session_cell::{Outgoing, SessionCell, SessionKey, form_for};
use super::share_group::{Group, Picked, Sender};
use super::subscription::Share;
use super::wire::{AsReceived, SHARE_FROM};
use super::{Batch, Core};
use crate::hooks::{DeliverVerdict, Handover, Interest};
use bytes::Bytes;
use mqtt_codec::{PacketId, ProtocolVersion, QoS, ReasonCode};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Members of a group tried for one message, should they all go while it is on its way.
const PICKS_MAX: usize = 8;

/// What one session made of a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Delivered {
    /// It is on its way, waits, or was dropped and counted.
    Done,
    /// It is of QoS 0 and there is no connection.
    Away,
    /// The session has ended.
    Ended,
}

/// What became of the retained store.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Retention {
    Unchanged,
    Kept,
    Removed,
}

/// A message that was let in.
#[derive(Debug)]
pub(crate) struct Incoming<'a> {
    pub(crate) source: Source<'a>,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) expires_at_ms: Option<u64>,
    pub(crate) publisher: SessionKey,
    /// The publisher's identifier, if it is of QoS 2 and must be known as received after a restart.
    pub(crate) received: Option<PacketId>,
    /// The publisher's Client Identifier, empty when the broker itself publishes.
    pub(crate) publisher_id: &'a str,
    /// The packet it came in, if subscribers may get that.
    pub(crate) as_received: Option<AsReceived<'a>>,
}

/// What became of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Accepted {
    /// The acknowledgement may leave when this is durable.
    pub(crate) position: LogPosition,
    /// Subscribers it went to.
    pub(crate) subscribers: usize,
    /// Whether the log holds it, and what it was received as.
    pub(crate) is_logged: bool,
}

impl Core {
    /// Hands `incoming` to `routes` and to the retained store.
    ///
    /// An error is the Reason Code that refuses the message; nothing has been promised then.
    pub(crate) fn publish(
        &self,
        batch: &mut Batch,
        now_ms: u64,
        incoming: &Incoming<'_>,
        routes: &Routes,
    ) -> Result<Accepted, ReasonCode> {
        if incoming.qos != QoS::AtMostOnce
            && let Some(cause) = self.refusal(routes)
        {
            self.reached.note(cause, incoming.publisher_id, now_ms);
            return Err(ReasonCode::QUOTA_EXCEEDED);
        }
        let mut message = None;
        batch.picked.clear();
        // At QoS 0 only the retained store has anything to keep.
        let may_be_kept = incoming.qos != QoS::AtMostOnce || incoming.retain;
        let appended = match may_be_kept && self.log.keeps_records() {
            true => self.publish_logged(batch, now_ms, incoming, routes, &mut message)?,
            false => {
                self.retain_or_remove(batch, now_ms, incoming, &mut message)?;
                Appended::default()
            }
        };
        if incoming.source.payload.len() >= SHARE_FROM && !routes.is_empty() {
            incoming.message(batch, &mut message);
        }
        batch.forms.begin();
        for route in &routes.entries {
            let (own, share);
            if route.cell.key == incoming.publisher {
                let Some(local) = route.local() else { continue };
                own = local;
                share = own.share(&route.cell);
            } else {
                share = route.share();
            }
            let delivered = self.deliver(batch, now_ms, incoming, share, &mut message, appended.id);
            if delivered == Delivered::Away {
                batch.counts.dropped(DropCause::Offline, 1);
            }
            if batch.counts.watches_drops {
                let topic_name = incoming.source.topic_name.as_str();
                batch.counts.name_drops(Some(&route.cell), topic_name);
            }
        }
        let mut subscribers = routes.entries.len();
        let mut position = appended.position;
        for (at, group) in routes.groups.iter().enumerate() {
            let first = batch.picked.get_mut(at).and_then(Option::take);
            let first = first.map(|(picked, is_named)| (picked, is_named.then_some(appended.id)));
            let delivered =
                self.deliver_shared(batch, now_ms, incoming, group, &mut message, first);
            subscribers += usize::from(delivered.is_some());
            position = position.max(delivered.unwrap_or_default());
        }
        if batch.counts.watches_drops {
            batch
                .counts
                .name_drops(None, incoming.source.topic_name.as_str());
        }
        if let Some(fabric) = &self.fabric
            && incoming.publisher != SessionKey::FABRIC
        {
            fabric.publish(incoming.message(batch, &mut message));
        }
        if let Some(message) = message {
            batch.give_message(message);
        }
        Ok(Accepted {
            position,
            subscribers,
            is_logged: appended.id != MessageId::NONE,
        })
    }

    /// Why a message above QoS 0 cannot be taken, if somebody would have to keep it who cannot.
    fn refusal(&self, routes: &Routes) -> Option<LimitCause> {
        let rejects = self.limits.queue_full == QueueFull::Reject;
        let strain = self.strain.cause();
        if !rejects && strain.is_none() {
            return None;
        }
        let cells = routes
            .entries
            .iter()
            .filter(|route| route.qos != QoS::AtMostOnce)
            .map(|route| route.cell.standing.load(Ordering::Relaxed));
        let groups = routes.groups.iter().filter_map(|group| group.best());
        let mut standings = cells.chain(groups).filter(|standing| !standing.is_ended());
        standings.find_map(|standing| match strain {
            Some(cause) if standing.makes_wait() => Some(cause),
            _ if rejects && standing.is_full() => Some(LimitCause::Queue),
            _ => None,
        })
    }

    /// A connected subscriber whose queue is full, for which publishers are to wait.
    pub(crate) fn stuck(&self, qos: QoS, routes: &Routes) -> Option<Arc<SessionCell>> {
        if self.limits.queue_full != QueueFull::Backpressure || qos == QoS::AtMostOnce {
            return None;
        }
        let is_stuck = |cell: &Arc<SessionCell>| {
            let standing = cell.standing.load(Ordering::Relaxed);
            standing.is_connected() && standing.is_full() && !standing.is_ended()
        };
        let routes_above_0 = routes
            .entries
            .iter()
            .filter(|route| route.qos != QoS::AtMostOnce);
        let mut cells = routes_above_0.map(|route| &route.cell);
        cells
            .find(|cell| is_stuck(cell))
            .cloned()
            .or_else(|| routes.groups.iter().find_map(|group| group.stuck()))
    }

    /// Hands `incoming` to one session.
    #[inline(always)]
    fn deliver(
        &self,
        batch: &mut Batch,
        now_ms: u64,
        incoming: &Incoming<'_>,
        share: Share<'_>,
        message: &mut Option<Arc<Message>>,
        id: MessageId,
    ) -> Delivered {
        let Share { cell, via, .. } = share;
        let qos = share.qos.min(incoming.qos);
        let retain = incoming.retain && share.retain_as_published;
        if self.hub.wants(Interest::OF_DELIVERY)
            && let Some(cause) = self.withheld(cell, &incoming.source, qos, retain)
        {
            batch.counts.dropped(cause, 1);
            self.give_up(batch, cell, id);
            return Delivered::Done;
        }
        let level = cell.wire_version.load(Ordering::Relaxed);
        let Some(version) = ProtocolVersion::from_level(level) else {
            return Delivered::Done;
        };
        let as_received = incoming.as_received.as_ref();
        let source = &incoming.source;
        let Some(form) = form_for(&mut batch.forms, source, as_received, version, qos, via) else {
            batch.counts.dropped(DropCause::TooLarge, 1);
            self.give_up(batch, cell, id);
            return Delivered::Done;
        };
        if qos == QoS::AtMostOnce {
            let mut state = cell.state.lock();
            if !state.connected || state.negotiated.version != version {
                return Delivered::Away;
            }
            if state.holds_at_most_once() {
                let message = incoming.message(batch, message);
                let outgoing = Outgoing {
                    message,
                    qos,
                    retain,
                    via,
                    id: MessageId::NONE,
                };
                state.enqueue(batch, &self.limits, outgoing);
            } else {
                let (limits, source) = (&self.limits, &incoming.source);
                let named = state.named(batch, limits, form, source, qos, via);
                let len_before = state.outbox.len();
                let message = message.as_ref();
                state.deliver_at_most_once(batch, limits, as_received, named, retain, message);
                state.note_sent(len_before, source, named.1);
            }
            return Delivered::Done;
        }
        let message = incoming.message(batch, message);
        let mut state = cell.state.lock();
        if state.ended {
            return Delivered::Ended;
        }
        let id = if state.is_durable() {
            id
        } else {
            MessageId::NONE
        };
        let outgoing = Outgoing {
            message,
            qos,
            retain,
            via,
            id,
        };
        let had_queue = state.queue.is_some();
        // A reconnect in another version since `form` was chosen: let the queue encode it.
        let enqueued = match state.negotiated.version == version {
            true => {
                let (limits, source) = (&self.limits, &incoming.source);
                let named = state.named(batch, limits, form, source, qos, via);
                let len_before = state.outbox.len();
                let enqueued = state.deliver_acknowledged(
                    batch,
                    limits,
                    &*self.log,
                    as_received,
                    named,
                    outgoing,
                );
                state.note_sent(len_before, source, named.1);
                enqueued
            }
            false => {
                let enqueued = state.enqueue(batch, &self.limits, outgoing);
                state.refill(batch, &self.limits, &*self.log, now_ms);
                state.wake(batch);
                enqueued
            }
        };
        if had_queue || state.queue.is_some() {
            self.tell(cell, &state);
        }
        if enqueued == Enqueued::Overflow {
            state.drop_one(batch, DropCause::QueueFull);
            batch.overflowed.push(Arc::clone(cell));
        }
        Delivered::Done
    }

    /// Why a session does not get a message that one of its subscriptions brings, if so.
    #[inline(never)]
    fn withheld(
        &self,
        cell: &SessionCell,
        source: &Source<'_>,
        qos: QoS,
        retain: bool,
    ) -> Option<DropCause> {
        let topic_name = source.topic_name.as_str();
        if self.hub.wants(Interest::RECEIPT) {
            let state = cell.state.lock();
            let (client, connected) = (state.client.clone(), state.connected);
            drop(state);
            let may_receive = match client {
                Some(client) => self.access.may_receive(&client, topic_name),
                // Who a session belongs to is not known from a restart to when its client comes back; then what has
                // waited for it is asked about.
                None => !connected,
            };
            if !may_receive {
                return Some(DropCause::Withheld);
            }
        }
        let handover = Handover {
            client_id: &cell.client_id,
            topic_name,
            payload: source.payload,
            qos,
            retain,
        };
        match self.hub.deliver(&handover) {
            DeliverVerdict::Withhold => Some(DropCause::Hook),
            DeliverVerdict::Pass => None,
        }
    }

    /// A session that is in the log as a recipient of a message does not get it.
    #[cold]
    fn give_up(&self, batch: &mut Batch, cell: &SessionCell, id: MessageId) {
        if id != MessageId::NONE {
            batch.finished.push((cell.key, id));
        }
    }

    /// Hands `incoming` to one member of `group`, `first` to the one that was picked when it was logged, with its name
    /// if it was logged for it: when the
    /// acknowledgement may leave because of that; none when the group has no member.
    ///
    /// Spec: v5 §4.8.2, [MQTT-4.8.2-3].
    fn deliver_shared(
        &self,
        batch: &mut Batch,
        now_ms: u64,
        incoming: &Incoming<'_>,
        group: &Group,
        message: &mut Option<Arc<Message>>,
        mut first: Option<(Picked, Option<MessageId>)>,
    ) -> Option<LogPosition> {
        for _ in 0..PICKS_MAX {
            let mut position = LogPosition::NONE;
            let (picked, id) = match first.take() {
                Some(first) => first,
                None => (group.pick(incoming.sender())?, None),
            };
            let id = id.unwrap_or_else(|| {
                let appended = self.log_for(batch, &picked, incoming, message);
                position = appended.position;
                appended.id
            });
            let share = picked.share();
            match self.deliver(batch, now_ms, incoming, share, message, id) {
                Delivered::Done => return Some(position),
                // It was there when it was picked; another one may still be.
                Delivered::Away if picked.was_connected => {}
                // Another one that is away may keep it, where this one is subscribed at QoS 0.
                Delivered::Away if incoming.qos != QoS::AtMostOnce => {}
                Delivered::Away => break,
                Delivered::Ended => {}
            }
        }
        batch.counts.dropped(DropCause::Offline, 1);
        Some(LogPosition::NONE)
    }

    /// Gives messages of Shared Subscriptions that one member will not deliver to other members.
    ///
    /// A queue that is full does not end its session here: one full queue must not empty into the next.
    pub(crate) fn reassign(
        &self,
        from: SessionKey,
        moving: Vec<Taken>,
        batch: &mut Batch,
        now_ms: u64,
    ) {
        self.for_each_taken(from, moving, batch, |batch, queued| {
            let group = queued.via.to_group();
            if !group.is_some_and(|group| self.reassign_one(&group, &queued, batch, now_ms)) {
                batch.counts.dropped(DropCause::ShareEnded, 1);
            }
        });
    }

    fn reassign_one(&self, group: &Group, queued: &Queued, batch: &mut Batch, now_ms: u64) -> bool {
        let message = &queued.message;
        let sender = Sender {
            publisher_id: "",
            topic_name: message.topic_name(),
        };
        for _ in 0..PICKS_MAX {
            let Some(picked) = group.pick(sender) else {
                return false;
            };
            let share = picked.share();
            let outgoing = Outgoing {
                message,
                qos: share.qos.min(message.qos),
                retain: message.retain && share.retain_as_published,
                via: share.via,
                id: self.log_moved(&share, message),
            };
            let mut state = share.cell.state.lock();
            if state.ended {
                continue;
            }
            if !state.connected && outgoing.qos == QoS::AtMostOnce {
                state.drop_one(batch, DropCause::Offline);
            } else if state.enqueue(batch, &self.limits, outgoing) == Enqueued::Overflow {
                state.drop_one(batch, DropCause::QueueFull);
                self.give_up(batch, share.cell, outgoing.id);
            }
            if state.connected {
                state.refill(batch, &self.limits, &*self.log, now_ms);
                state.wake(batch);
            }
            self.tell(share.cell, &state);
            return true;
        }
        false
    }

    /// Changes the retained store, if `incoming` is retained.
    pub(super) fn retain_or_remove(
        &self,
        batch: &mut Batch,
        now_ms: u64,
        incoming: &Incoming<'_>,
        message: &mut Option<Arc<Message>>,
    ) -> Result<Retention, ReasonCode> {
        if !incoming.retain {
            return Ok(Retention::Unchanged);
        }
        if !incoming.source.payload.is_empty() {
            return self.retain(batch, incoming, message, now_ms);
        }
        match self.retained.remove(incoming.source.topic_name.as_str()) {
            true => Ok(Retention::Removed),
            false => Ok(Retention::Unchanged),
        }
    }

    fn retain(
        &self,
        batch: &mut Batch,
        incoming: &Incoming<'_>,
        message: &mut Option<Arc<Message>>,
        now_ms: u64,
    ) -> Result<Retention, ReasonCode> {
        let kept = match self.strain.cause() {
            None => self.retained.insert(incoming.message(batch, message)),
            Some(cause) => Err(RetainedFull(cause)),
        };
        let Err(RetainedFull(cause)) = kept else {
            return Ok(Retention::Kept);
        };
        self.reached.note(cause, incoming.publisher_id, now_ms);
        batch.counts.dropped(DropCause::RetainedFull, 1);
        match incoming.qos {
            QoS::AtMostOnce => Ok(Retention::Unchanged),
            QoS::AtLeastOnce | QoS::ExactlyOnce => Err(ReasonCode::QUOTA_EXCEEDED),
        }
    }
}

impl Incoming<'_> {
    pub(super) fn sender(&self) -> Sender<'_> {
        Sender {
            publisher_id: self.publisher_id,
            topic_name: self.source.topic_name.as_str(),
        }
    }

    /// The message as one shared block, made when first needed.
    pub(super) fn message<'m>(
        &self,
        batch: &mut Batch,
        made: &'m mut Option<Arc<Message>>,
    ) -> &'m Arc<Message> {
        made.get_or_insert_with(|| self.make(batch))
    }

    #[inline(never)]
    fn make(&self, batch: &mut Batch) -> Arc<Message> {
        let (source, payload) = (&self.source, self.source.payload);
        let large = (payload.len() >= SHARE_FROM).then(|| {
            let kept = batch.payload_of_packet(payload);
            kept.unwrap_or_else(|| Bytes::copy_from_slice(payload))
        });
        // What is retained stays for long, and gets no more memory than it needs.
        let spare = match self.retain || large.is_some() {
            true => None,
            false => batch.spare_message(source),
        };
        let mut message = spare.unwrap_or_else(|| Arc::new(Message::empty()));
        // Nobody else has a new one, or one that was given back.
        if let Some(message) = Arc::get_mut(&mut message) {
            let (expires_at_ms, publisher) = (self.expires_at_ms, self.publisher);
            message.fill(
                source,
                large,
                self.qos,
                self.retain,
                expires_at_ms,
                publisher,
            );
            if self.retain {
                message.set_published_by(self.publisher_id);
            }
        }
        message
    }
}
