//! One PUBLISH to all who want it: retained store, subscribers, log.

use super::cause::DropCause;
use super::log::{LogPosition, LogRecord};
use super::message::{Message, Source};
use super::router::Routes;
use super::session_cell::{Outgoing, SessionKey, form_for};
use super::subscription::Route;
use super::wire::SHARE_FROM;
use super::{Batch, Core};
use mqtt_codec::{ProtocolVersion, QoS, ReasonCode};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A message that was let in.
#[derive(Debug)]
pub(crate) struct Incoming<'a> {
    pub(crate) source: Source<'a>,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) expires_at_ms: Option<u64>,
    pub(crate) publisher: SessionKey,
}

/// What became of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Accepted {
    /// The acknowledgement may leave when this is durable.
    pub(crate) position: LogPosition,
    /// Subscribers it went to.
    pub(crate) subscribers: usize,
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
        let mut message = None;
        let mut removed = false;
        if incoming.retain {
            if incoming.source.payload.is_empty() {
                removed = self.retained.remove(incoming.source.topic_name.as_str());
            } else {
                self.retain(batch, incoming, &mut message)?;
            }
        }
        if incoming.source.payload.len() >= SHARE_FROM && !routes.entries.is_empty() {
            incoming.message(&mut message);
        }
        batch.forms.begin();
        batch.recipients.clear();
        let keeps_records = self.log.keeps_records();
        for route in &routes.entries {
            self.deliver(batch, now_ms, incoming, route, &mut message, keeps_records);
        }
        let position = match keeps_records {
            true => self.append(batch, incoming, removed, message.as_ref())?,
            false => LogPosition::NONE,
        };
        Ok(Accepted {
            position,
            subscribers: routes.entries.len(),
        })
    }

    fn deliver(
        &self,
        batch: &mut Batch,
        now_ms: u64,
        incoming: &Incoming<'_>,
        route: &Route,
        message: &mut Option<Arc<Message>>,
        keeps_records: bool,
    ) {
        let cell = &route.cell;
        let own;
        let (wanted, retain_as_published, ids) = if cell.key == incoming.publisher {
            let Some(share) = route.local() else { return };
            own = share.subscription_ids;
            (share.qos, share.retain_as_published, &own)
        } else {
            let ids = &route.subscription_ids;
            (route.qos, route.retain_as_published, ids)
        };
        let qos = wanted.min(incoming.qos);
        let retain = incoming.retain && retain_as_published;
        let level = cell.wire_version.load(Ordering::Relaxed);
        let Some(version) = ProtocolVersion::from_level(level) else {
            return;
        };
        let Some(form) = form_for(&mut batch.forms, &incoming.source, version, qos, ids) else {
            batch.counts.dropped(DropCause::TooLarge, 1);
            return;
        };
        if qos == QoS::AtMostOnce {
            let mut state = cell.state.lock();
            if state.connected && state.has_queued_at_most_once() {
                let message = incoming.message(message);
                let outgoing = Outgoing {
                    message,
                    qos,
                    retain,
                    subscription_ids: ids,
                };
                if !state.enqueue(batch, &self.limits, outgoing) {
                    batch.overflowed.push(Arc::clone(cell));
                }
            } else if state.negotiated.version == version {
                state.deliver_at_most_once(batch, &self.limits, form, retain, message.as_ref());
            } else {
                batch.counts.dropped(DropCause::Offline, 1);
            }
            return;
        }
        let message = incoming.message(message);
        let outgoing = Outgoing {
            message,
            qos,
            retain,
            subscription_ids: ids,
        };
        let mut state = cell.state.lock();
        if state.ended {
            return;
        }
        // A reconnect in another version since `form` was chosen: let the queue encode it.
        let fits = match state.negotiated.version == version {
            true => state.deliver_acknowledged(batch, &self.limits, form, outgoing),
            false => {
                let fits = state.enqueue(batch, &self.limits, outgoing);
                state.refill(batch, &self.limits, now_ms);
                state.wake(batch);
                fits
            }
        };
        if !fits {
            batch.counts.dropped(DropCause::QueueFull, 1);
            batch.overflowed.push(Arc::clone(cell));
        } else if keeps_records && state.is_durable() {
            batch.recipients.push(cell.key);
        }
    }

    fn retain(
        &self,
        batch: &mut Batch,
        incoming: &Incoming<'_>,
        message: &mut Option<Arc<Message>>,
    ) -> Result<(), ReasonCode> {
        let kept = self
            .retained
            .insert(incoming.message(message), &self.limits);
        if kept.is_ok() {
            return Ok(());
        }
        batch.counts.dropped(DropCause::RetainedFull, 1);
        match incoming.qos {
            QoS::AtMostOnce => Ok(()),
            QoS::AtLeastOnce | QoS::ExactlyOnce => Err(ReasonCode::QUOTA_EXCEEDED),
        }
    }

    /// Writes down what must survive: nothing, when no durable session and no retained slot wants it.
    fn append(
        &self,
        batch: &Batch,
        incoming: &Incoming<'_>,
        removed: bool,
        message: Option<&Arc<Message>>,
    ) -> Result<LogPosition, ReasonCode> {
        let full = |_| ReasonCode::QUOTA_EXCEEDED;
        let topic_name = incoming.source.topic_name.as_str();
        let mut position = LogPosition::NONE;
        if removed {
            position = self
                .log
                .append(LogRecord::RetainedRemoved { topic_name })
                .map_err(full)?;
        }
        let is_kept = incoming.retain && !incoming.source.payload.is_empty();
        if let Some(message) = message
            && (is_kept || !batch.recipients.is_empty())
        {
            let record = LogRecord::Message {
                message,
                recipients: &batch.recipients,
            };
            position = self.log.append(record).map_err(full)?;
        }
        Ok(position)
    }
}

impl Incoming<'_> {
    /// The message as one shared block, made when first needed.
    fn message<'m>(&self, made: &'m mut Option<Arc<Message>>) -> &'m Arc<Message> {
        made.get_or_insert_with(|| {
            Arc::new(Message::new(
                &self.source,
                self.qos,
                self.retain,
                self.expires_at_ms,
                self.publisher,
            ))
        })
    }
}
