//! What of a message must survive the broker is written down before anybody gets it.

use super::cause::DropCause;
use super::log::{Appended, LogPosition, LogRecord, MessageId, Recipient};
use super::message::Message;
use super::publish::{Incoming, Retention};
use super::router::Routes;
use super::share_group::Picked;
use super::subscription::Share;
use super::{Batch, Core};
use mqtt_codec::{QoS, ReasonCode};
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Core {
    /// Changes the retained store, and writes down what must survive: nothing, when no session that lasts and no
    /// retained slot wants it.
    ///
    /// An error refuses the message: nothing has changed then.
    pub(super) fn publish_logged(
        &self,
        batch: &mut Batch,
        now_ms: u64,
        incoming: &Incoming<'_>,
        routes: &Routes,
        message: &mut Option<Arc<Message>>,
    ) -> Result<Appended, ReasonCode> {
        let topic_name = incoming.source.topic_name.as_str();
        let before = match incoming.retain {
            true => self.retained.find(topic_name),
            false => None,
        };
        let retention = self.retain_or_remove(batch, now_ms, incoming, message)?;
        let logged = self.log_message(batch, incoming, routes, message, retention);
        if logged.is_ok() || retention == Retention::Unchanged {
            return logged;
        }
        // The store is again as it was; that it was full a moment ago does not make it so now.
        match &before {
            Some(before) => drop(self.retained.insert(before)),
            None => drop(self.retained.remove(topic_name)),
        }
        if incoming.qos == QoS::AtMostOnce {
            // Nobody can be told, and those who are there get it all the same.
            batch.counts.dropped(DropCause::RetainedFull, 1);
            return Ok(Appended::default());
        }
        logged
    }

    fn log_message(
        &self,
        batch: &mut Batch,
        incoming: &Incoming<'_>,
        routes: &Routes,
        message: &mut Option<Arc<Message>>,
        retention: Retention,
    ) -> Result<Appended, ReasonCode> {
        let full = |_| {
            self.note_log_full(incoming.publisher_id);
            ReasonCode::QUOTA_EXCEEDED
        };
        let mut removed = LogPosition::NONE;
        if retention == Retention::Removed {
            let topic_name = incoming.source.topic_name.as_str();
            let record = LogRecord::RetainedRemoved { topic_name };
            removed = self.log.append(record).map_err(full)?;
        }
        let mut recipients = Vec::new();
        let mut picked = std::mem::take(&mut batch.picked);
        let mut locals = Vec::new();
        if incoming.qos != QoS::AtMostOnce {
            let members = routes.groups.iter().map(|group| {
                let picked = group.pick(incoming.sender())?;
                Some((picked, true))
            });
            picked.extend(members);
            let own = routes
                .entries
                .iter()
                .filter(|one| one.cell.key == incoming.publisher);
            locals.extend(own.filter_map(|route| Some((&route.cell, route.local()?))));
            let others = routes
                .entries
                .iter()
                .filter(|one| one.cell.key != incoming.publisher);
            let shares = others.map(|route| route.share());
            let locals = locals.iter().map(|(cell, local)| local.share(cell));
            let all = shares.chain(locals);
            recipients.extend(all.filter_map(|share| recipient(incoming, share)));
            for (member, is_named) in picked.iter_mut().flatten() {
                let Some(recipient) = recipient(incoming, member.share()) else {
                    continue;
                };
                // Session and name say which delivery is meant: a second one to a session gets a record of its own.
                *is_named = recipients
                    .iter()
                    .all(|known| known.session != recipient.session);
                if *is_named {
                    recipients.push(recipient);
                }
            }
        }
        let is_retained = retention == Retention::Kept;
        let appended = match recipients.is_empty() && !is_retained {
            true => Ok(Appended::default()),
            false => {
                let message = incoming.message(batch, message);
                {
                    let received = incoming.received;
                    self.log
                        .append_message(message, &recipients, is_retained, received)
                }
            }
        };
        drop(recipients);
        drop(locals);
        batch.picked = picked;
        let mut appended = appended.map_err(full)?;
        appended.position = appended.position.max(removed);
        Ok(appended)
    }

    /// Writes a message down for a member of a group that was picked after it had been written for another.
    pub(super) fn log_for(
        &self,
        batch: &mut Batch,
        picked: &Picked,
        incoming: &Incoming<'_>,
        message: &mut Option<Arc<Message>>,
    ) -> Appended {
        if !self.log.keeps_records() {
            return Appended::default();
        }
        let Some(recipient) = recipient(incoming, picked.share()) else {
            return Appended::default();
        };
        let message = incoming.message(batch, message);
        // Without room the member gets it all the same, as long as the broker runs.
        let appended = self.log.append_message(message, &[recipient], false, None);
        appended.unwrap_or_default()
    }

    /// Writes a message down for a member of a group that gets it instead of another.
    ///
    /// Nobody waits for it: what the first member had is forgotten only after it, or goes with its session.
    pub(super) fn log_moved(&self, share: &Share<'_>, message: &Arc<Message>) -> MessageId {
        let qos = share.qos.min(message.qos);
        let is_durable = share.cell.standing.load(Ordering::Relaxed).is_durable();
        if !is_durable || qos == QoS::AtMostOnce || !self.log.keeps_records() {
            return MessageId::NONE;
        }
        let recipient = Recipient {
            session: share.cell.key,
            qos,
            retain: message.retain && share.retain_as_published,
            subscription_ids: share.via.subscription_ids(),
            shared_filter: share.via.shared_filter(),
        };
        let appended = self.log.append_message(message, &[recipient], false, None);
        appended.unwrap_or_default().id
    }
}

/// How the log names a session that must get `incoming`; none for one that need not be remembered.
fn recipient<'s>(incoming: &Incoming<'_>, share: Share<'s>) -> Option<Recipient<'s>> {
    let qos = share.qos.min(incoming.qos);
    let is_durable = share.cell.standing.load(Ordering::Relaxed).is_durable();
    (is_durable && qos != QoS::AtMostOnce).then(|| Recipient {
        session: share.cell.key,
        qos,
        retain: incoming.retain && share.retain_as_published,
        subscription_ids: share.via.subscription_ids(),
        shared_filter: share.via.shared_filter(),
    })
}
