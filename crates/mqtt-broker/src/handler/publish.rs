//! PUBLISH from a client.

use super::prepare::{self, Fate, Goes};
use crate::access::{AccessRequest, Decision};
use crate::core::cause::{DropCause, EndCause, RequestRefused};
use crate::core::connection::{Connection, HeldAnswer, LogWait, Open, Step};
use crate::core::log::{LogPosition, LogRecord};
use crate::core::message::Source;
use crate::core::reached::LimitCause;
use crate::core::{AsReceived, Batch, CachedTopic, Core, Incoming, LastRight, Routes, ask};
use mqtt_codec::{
    Delivery, Frame, PacketId, PacketType, PropertyId, PropertyScope, Publish, QoS, ReasonCode,
    TopicName,
};
use mqtt_session::{
    AckKind, InboundAliases, PendingAck, ProtocolError, Received, RefusedPublish, Settling,
};
use std::sync::atomic::Ordering;

impl Connection {
    /// Lets a message in, hands it on and acknowledges it when that may be said. Spec: v5 §3.3.4, §4.3.
    pub(crate) fn handle_publish(
        &mut self,
        frame: Frame<'_>,
        batch: &mut Batch,
        now_ms: u64,
    ) -> Result<Step, EndCause> {
        let Some(open) = &mut self.open else {
            return Ok(Step::Done);
        };
        let mut last = open.last_topic.take();
        let step = self.handle_publish_after(last.as_deref_mut(), frame, batch, now_ms);
        if let Some(open) = &mut self.open {
            open.last_topic.put(last, &mut batch.topics);
        }
        step
    }

    /// The same, after one to the topic `last`.
    #[inline(always)]
    fn handle_publish_after(
        &mut self,
        last: Option<&mut CachedTopic>,
        frame: Frame<'_>,
        batch: &mut Batch,
        now_ms: u64,
    ) -> Result<Step, EndCause> {
        let Some(open) = self.open.as_deref_mut() else {
            return Ok(Step::Done);
        };
        let (known, mut of_known, holder) = match last {
            None => (None, None, None),
            Some(CachedTopic {
                topic_name,
                routes,
                right,
                holder,
                ..
            }) => {
                let known = Some(topic_name.as_topic_name());
                (known, Some((routes, right)), Some(*holder))
            }
        };
        let version = open.negotiated.version;
        let publish = Publish::decode_known(frame, version, known).map_err(EndCause::Malformed)?;
        let Open {
            client,
            aliases,
            last_topic,
            receive_quota,
            cell,
            negotiated,
            ..
        } = open;
        if publish.properties.has(PropertyId::SubscriptionIdentifier) {
            // Only a server says by which subscription a message comes; v5 [MQTT-3.3.4-6].
            let packet_type = PacketType::Publish;
            return Err(EndCause::Protocol(ProtocolError::Unexpected {
                packet_type,
            }));
        }
        let written = publish.topic_name.map(TopicName::as_str);
        let topic_name = match (publish.properties.topic_alias(), publish.topic_name) {
            (None, Some(topic_name)) => topic_name,
            (None, None) => return Err(unknown_alias(0)),
            (Some(alias), _) => {
                let maximum = negotiated.own_topic_alias_maximum;
                let aliases = aliases.get_or_insert_with(|| Box::new(InboundAliases::new(maximum)));
                let resolved = aliases
                    .resolve(alias, written)
                    .map_err(EndCause::Protocol)?;
                match known.filter(|known| known.as_str() == resolved) {
                    Some(known) => known,
                    None => TopicName::try_new(resolved).map_err(|_| unknown_alias(alias.get()))?,
                }
            }
        };
        let delivery = publish.delivery;
        // Only names that begin so can mean more than they say.
        let is_special = topic_name.as_str().starts_with('$');
        let of_rights = match is_special {
            true => {
                let delays = self.core.extensions.delayed.is_enabled();
                prepare::topic_of_rights(delays, topic_name.as_str())
            }
            false => Ok(topic_name.as_str()),
        };
        let request = AccessRequest::Publish {
            client,
            topic_name: of_rights.unwrap_or(topic_name.as_str()),
            qos: delivery.qos(),
            retain: publish.retain,
        };
        let offer = &self.core.offer;
        if delivery.qos() > offer.qos_max {
            // Spec: v5 §3.3.1.2: what CONNACK did not offer is not for the asking.
            return Err(EndCause::PublishRefused(ReasonCode::QOS_NOT_SUPPORTED));
        }
        if publish.retain && !offer.retain {
            // Spec: v5 §3.3.1.3.
            return Err(EndCause::PublishRefused(ReasonCode::RETAIN_NOT_SUPPORTED));
        }
        let (access, qos) = (&*self.core.access, delivery.qos());
        let remembered = match (&of_known, holder) {
            (Some((_, right)), _) if is_same(known, topic_name) => **right,
            (_, Some(holder)) if self.core.rights_hold.load(Ordering::Relaxed) => {
                last_topic.right(&mut batch.topics, &self.core.router, topic_name, holder)
            }
            _ => LastRight::NONE,
        };
        let has_right = remembered.holds(access, qos, publish.retain);
        let decision = match of_rights {
            Err(reason) => Some(Decision::Deny(reason)),
            Ok(_) if has_right => Some(Decision::Allow),
            Ok(_) => ask(&mut self.gate, access, Some(client), &request),
        };
        let denied = match decision {
            None => return Ok(Step::Wait),
            Some(Decision::Disconnect(reason)) => {
                let cause = RequestRefused::Publish(reason);
                self.refusal = self.core.note_refused(
                    client,
                    topic_name.as_str(),
                    cause,
                    Some(&request),
                    now_ms,
                );
                return Err(EndCause::PublishRefused(reason));
            }
            Some(Decision::Deny(reason)) => Some(reason),
            Some(Decision::Allow) => {
                let passed = self.core.limits.of_topic(topic_name.as_str());
                passed.map(|cause| {
                    self.core.note_limit(cause, &client.client_id);
                    ReasonCode::TOPIC_NAME_INVALID
                })
            }
        };
        let written = Goes {
            topic_name,
            payload: publish.payload,
            qos: delivery.qos(),
            retain: publish.retain,
            delay_s: None,
            fate: Fate::Publish,
        };
        let changed = match denied.is_none() && (is_special || prepare::is_needed(&self.core)) {
            false => None,
            true => {
                let properties = publish.properties;
                match prepare::prepare(&self.core, &mut self.gate, client, written, properties) {
                    None => return Ok(Step::Wait),
                    prepared => prepared,
                }
            }
        };
        let goes = match &changed {
            None => written,
            Some(prepared) => prepared.goes(written),
        };
        let denied = match goes.fate {
            Fate::Refuse(reason) => Some(reason),
            Fate::Publish | Fate::Discard => denied,
        };
        let is_published = denied.is_none() && goes.fate == Fate::Publish && goes.delay_s.is_none();
        // What it has become is not what was asked about.
        let right = match changed.is_none() && self.core.rights_hold.load(Ordering::Relaxed) {
            true if !has_right => LastRight::now(&*self.core.access, qos, publish.retain),
            _ => LastRight::NONE,
        };
        let routes = match (is_published, &mut of_known) {
            (true, Some((routes, known_right))) if is_same(known, goes.topic_name) => {
                if !has_right {
                    **known_right = right;
                }
                routes.refresh(&self.core.router, goes.topic_name.as_str());
                Some(&**routes)
            }
            (true, _) => Some(last_topic.other(
                &mut batch.topics,
                &self.core.router,
                goes.topic_name,
                right,
                holder,
            )),
            (false, _) => None,
        };
        if let Some(cell) = routes.and_then(|routes| self.core.stuck(goes.qos, routes)) {
            self.waiting_for = Some(cell);
            return Ok(Step::Wait);
        }
        let is_late = match is_behind_for(&self.core, &goes, routes) {
            false => {
                self.log_wait = LogWait::None;
                false
            }
            // It has waited, and is refused.
            true if std::mem::take(&mut self.log_wait) == LogWait::Over => true,
            true => {
                self.log_wait = LogWait::Waits;
                return Ok(Step::Wait);
            }
        };
        batch.counts.received += 1;
        let received = match delivery {
            Delivery::AtMostOnce => Received::Deliver,
            Delivery::AtLeastOnce(_) => {
                receive_quota.begin().map_err(EndCause::Protocol)?;
                Received::Deliver
            }
            Delivery::ExactlyOnce(_) => cell
                .receive
                .lock()
                .handle_publish(receive_quota, delivery)
                .map_err(EndCause::Protocol)?,
        };
        // Written down together with the message, or it might be there after a crash, and sent again be another one.
        let mut to_be_known = match (delivery, received) {
            (Delivery::ExactlyOnce(packet_id), Received::Deliver)
                if self.core.log.keeps_records() && cell.state.lock().is_logged =>
            {
                Some(packet_id)
            }
            _ => None,
        };
        let (position, reason) = match (received, denied) {
            (Received::Duplicate, _) => (self.core.log.appended(), ReasonCode::SUCCESS),
            (Received::Deliver, Some(reason)) => (LogPosition::NONE, reason),
            (Received::Deliver, None) if is_late => {
                self.core
                    .note_limit(LimitCause::LogBehind, &client.client_id);
                (LogPosition::NONE, ReasonCode::QUOTA_EXCEEDED)
            }
            (Received::Deliver, None) if goes.fate == Fate::Discard => {
                batch.counts.dropped(DropCause::Hook, 1);
                batch.counts.name_drops(None, topic_name.as_str());
                (LogPosition::NONE, ReasonCode::SUCCESS)
            }
            (Received::Deliver, None) => {
                let incoming = Incoming {
                    source: Source {
                        topic_name: goes.topic_name,
                        properties: publish.properties,
                        scope: PropertyScope::Packet(PacketType::Publish),
                        expiry_left_s: None,
                        payload: goes.payload,
                    },
                    qos: goes.qos,
                    retain: goes.retain,
                    expires_at_ms: publish
                        .properties
                        .message_expiry_interval_s()
                        .map(|s| now_ms.saturating_add(u64::from(s) * 1000)),
                    publisher: cell.key,
                    publisher_id: &client.client_id,
                    received: to_be_known,
                    as_received: match changed {
                        None => AsReceived::of(frame, &publish, version),
                        Some(_) => None,
                    },
                };
                match (routes, goes.delay_s) {
                    (Some(routes), _) => {
                        match self.core.publish(batch, now_ms, &incoming, routes) {
                            Err(reason) => (LogPosition::NONE, reason),
                            Ok(accepted) => {
                                to_be_known = to_be_known.filter(|_| !accepted.is_logged);
                                let reason = match accepted.subscribers {
                                    0 => ReasonCode::NO_MATCHING_SUBSCRIBERS,
                                    _ => ReasonCode::SUCCESS,
                                };
                                (accepted.position, reason)
                            }
                        }
                    }
                    (None, delay_s) => {
                        let seconds = delay_s.unwrap_or(0);
                        match self.core.delay(batch, now_ms, &incoming, seconds) {
                            Err(reason) => (LogPosition::NONE, reason),
                            Ok(position) => {
                                let is_logged = position != LogPosition::NONE;
                                to_be_known = to_be_known.filter(|_| !is_logged);
                                (position, ReasonCode::SUCCESS)
                            }
                        }
                    }
                }
            }
        };
        let mut reference = None;
        if reason.is_error() {
            let cause = RequestRefused::Publish(reason);
            let asked = denied.map(|_| &request);
            let topic_name = topic_name.as_str();
            reference = self
                .core
                .note_refused(client, topic_name, cause, asked, now_ms);
        }
        let Some(settling) = Settling::of(delivery) else {
            if reason.is_error() {
                batch.counts.dropped(DropCause::Denied, 1);
                batch.counts.name_drops(None, topic_name.as_str());
            }
            return Ok(Step::Done);
        };
        if reason.is_error() && negotiated.refused_publish() == RefusedPublish::Close {
            // Sent again on the next connection, it must not be taken for a duplicate.
            cell.receive.lock().settle(receive_quota, settling, reason);
            self.refusal = reference;
            return Err(EndCause::PublishRefused(reason));
        }
        if let (true, Delivery::ExactlyOnce(packet_id)) = (reason.is_error(), delivery) {
            // The answer may have to wait for others, and its connection end before it leaves.
            cell.receive.lock().refuse(packet_id);
        }
        let position = match reason.is_error() {
            true => position,
            false => position.max(self.keep_received(to_be_known)),
        };
        let reason = match reason.is_error() || self.says_no_subscribers() {
            true => reason,
            false => ReasonCode::SUCCESS,
        };
        let ack = PendingAck {
            kind: settling.kind,
            packet_id: settling.packet_id,
            reason,
        };
        let answer = match reference {
            None => HeldAnswer::Ack(ack),
            Some(reference) => HeldAnswer::Refusal(ack, reference),
        };
        self.answer(position, answer);
        Ok(Step::Done)
    }

    /// A durable publisher's QoS 2 identifier must be known after a restart, or its resend would be a duplicate.
    fn keep_received(&self, packet_id: Option<PacketId>) -> LogPosition {
        let (Some(packet_id), Some(open)) = (packet_id, &self.open) else {
            return LogPosition::NONE;
        };
        let session = open.cell.key;
        let record = LogRecord::Received { session, packet_id };
        // A log that takes not even this has failed.
        let appended = self.core.log.append(record);
        appended.unwrap_or(LogPosition(u64::MAX))
    }

    fn says_no_subscribers(&self) -> bool {
        self.open
            .as_ref()
            .is_some_and(|open| open.negotiated.version.has_ack_reason())
    }
}

/// An acknowledgement has left: quota and identifier are free as the standard says.
#[inline]
pub(crate) fn settled(open: &mut Open, ack: PendingAck) {
    match ack.kind {
        AckKind::PubAck => open.receive_quota.answered(),
        AckKind::PubRec => settled_at_exactly_once(open, ack),
        AckKind::PubComp => {}
    }
}

/// PUBREC has left, of whose message the session keeps the identifier.
fn settled_at_exactly_once(open: &mut Open, ack: PendingAck) {
    let settling = Settling {
        kind: ack.kind,
        packet_id: ack.packet_id,
    };
    open.cell
        .receive
        .lock()
        .settle(&mut open.receive_quota, settling, ack.reason);
}

/// Whether the disk is behind and would have to take a message that `goes` this way.
///
/// At QoS 0 nobody waits: what is retained is kept as long as there is room.
fn is_behind_for(core: &Core, goes: &Goes<'_>, routes: Option<&Routes>) -> bool {
    goes.qos != QoS::AtMostOnce && core.log.is_behind() && must_be_kept(goes, routes)
}

#[cold]
fn must_be_kept(goes: &Goes<'_>, routes: Option<&Routes>) -> bool {
    match routes {
        Some(routes) => goes.retain || routes.has_durable(),
        None => goes.fate == Fate::Publish && goes.delay_s.is_some(),
    }
}

/// Whether both are one name at one place in memory.
fn is_same(known: Option<TopicName<'_>>, topic_name: TopicName<'_>) -> bool {
    known.is_some_and(|known| std::ptr::eq(known.as_str(), topic_name.as_str()))
}

fn unknown_alias(alias: u16) -> EndCause {
    EndCause::Protocol(ProtocolError::TopicAliasInvalid { alias })
}
