//! SUBSCRIBE: rights, limits, the routing table, retained messages.

use crate::access::{AccessRequest, Decision};
use crate::core::cause::EndCause;
use crate::core::connection::{Connection, HeldAnswer, Open, Step};
use crate::core::log::{LogPosition, LogRecord};
use crate::core::{Batch, Core, Subscription, Via, ask, push};
use mqtt_codec::{
    Packet, Properties, QoS, ReasonCode, ReasonCodes, RetainHandling, SubAck, Subscribe,
    SubscriptionIdentifier, SubscriptionOptions, TopicFilter,
};

impl Connection {
    /// Makes subscriptions, one Reason Code each. Spec: v5 §3.8.4, v3.1.1 §3.8.4.
    pub(crate) fn handle_subscribe(
        &mut self,
        subscribe: &Subscribe<'_>,
        batch: &mut Batch,
        now_ms: u64,
    ) -> Result<Step, EndCause> {
        let Some(open) = &self.open else {
            return Ok(Step::Done);
        };
        // All decisions first: until they are there, nothing may have happened.
        let mut reasons = Vec::with_capacity(subscribe.filters.len());
        for (topic_filter, options) in subscribe.filters.iter() {
            let reason = match refusal(&self.core, topic_filter) {
                Some(reason) => reason,
                None => {
                    let request = AccessRequest::Subscribe {
                        client: &open.client,
                        topic_filter: topic_filter.as_str(),
                        qos: options.qos,
                    };
                    match ask(
                        &mut self.gate,
                        &*self.core.access,
                        Some(&open.client),
                        &request,
                    ) {
                        None => return Ok(Step::Wait),
                        Some(Decision::Disconnect(reason)) => {
                            return Err(EndCause::SubscribeRefused(reason));
                        }
                        Some(Decision::Deny(reason)) => reason,
                        Some(Decision::Allow) => granted(options.qos),
                    }
                }
            };
            reasons.push(reason);
        }
        let version = open.negotiated.version;
        let refused = reasons.iter().copied().find(|reason| reason.is_error());
        if let (Some(reason), false) = (refused, version.has_suback_failure()) {
            return Err(EndCause::SubscribeRefused(reason));
        }
        let subscription_id = subscribe.properties.subscription_identifiers().next();
        let mut position = LogPosition::NONE;
        let mut retained_for = Vec::new();
        for ((topic_filter, options), reason) in subscribe.filters.iter().zip(&mut reasons) {
            if reason.is_error() {
                continue;
            }
            let made = subscribe_one(&self.core, open, topic_filter, options, subscription_id);
            match made {
                Err(refusal) => *reason = refusal,
                Ok((is_new, written)) => {
                    position = position.max(written);
                    let wants_retained = match options.retain_handling {
                        // Nobody in particular has asked for them; v5 §4.8.2.
                        _ if topic_filter.shared().is_some() => false,
                        RetainHandling::SendAtSubscribe => true,
                        RetainHandling::SendIfNew => is_new,
                        RetainHandling::DoNotSend => false,
                    };
                    if wants_retained {
                        retained_for.push((topic_filter, options));
                    }
                }
            }
        }
        let suback = Packet::SubAck(SubAck {
            packet_id: subscribe.packet_id,
            properties: Properties::EMPTY,
            reasons: ReasonCodes::from(reasons.as_slice()),
        });
        let mut bytes = Vec::new();
        push(&mut bytes, version, &suback);
        for (topic_filter, options) in retained_for {
            send_retained(
                &self.core,
                open,
                topic_filter,
                options,
                subscription_id,
                batch,
                now_ms,
            );
        }
        self.answer(position, HeldAnswer::Bytes(bytes.into()));
        Ok(Step::Done)
    }
}

fn granted(qos: QoS) -> ReasonCode {
    match qos {
        QoS::AtMostOnce => ReasonCode::GRANTED_QOS_0,
        QoS::AtLeastOnce => ReasonCode::GRANTED_QOS_1,
        QoS::ExactlyOnce => ReasonCode::GRANTED_QOS_2,
    }
}

fn refusal(core: &Core, topic_filter: TopicFilter<'_>) -> Option<ReasonCode> {
    // `$share` and the ShareName are no levels of the filter.
    let matched = topic_filter
        .shared()
        .map_or(topic_filter, |shared| shared.topic_filter);
    (matched.level_count() > core.limits.topic_levels_max)
        .then_some(ReasonCode::TOPIC_FILTER_INVALID)
}

/// Makes one subscription: whether it is new, and what has to be durable before SUBACK.
fn subscribe_one(
    core: &Core,
    open: &Open,
    topic_filter: TopicFilter<'_>,
    options: SubscriptionOptions,
    subscription_id: Option<SubscriptionIdentifier>,
) -> Result<(bool, LogPosition), ReasonCode> {
    let text = topic_filter.as_str();
    let cell = &open.cell;
    let mut state = cell.state.lock();
    let is_known = state
        .subscriptions
        .iter()
        .any(|held| *held.topic_filter == *text);
    if !is_known {
        if state.subscriptions.len() >= core.limits.subscriptions_max {
            return Err(ReasonCode::QUOTA_EXCEEDED);
        }
        state.subscriptions.push(Subscription {
            topic_filter: text.into(),
        });
    }
    let is_durable = state.is_durable();
    drop(state);
    let mut position = LogPosition::NONE;
    if is_durable && core.log.keeps_records() {
        let record = LogRecord::Subscribed {
            session: cell.key,
            topic_filter: text,
        };
        position = core.log.append(record).map_err(|_| {
            if !is_known {
                let mut state = cell.state.lock();
                state
                    .subscriptions
                    .retain(|held| *held.topic_filter != *text);
            }
            ReasonCode::QUOTA_EXCEEDED
        })?;
    }
    core.router.subscribe(text, cell, options, subscription_id);
    // The session may have ended meanwhile, with what was in its list; then this one must go too.
    if cell.state.lock().ended {
        core.router.unsubscribe(text, cell.key);
    }
    Ok((!is_known, position))
}

/// Spec: v5 [MQTT-3.3.1-9], [MQTT-3.3.1-6]; v3.1.1 [MQTT-3.3.1-6].
fn send_retained(
    core: &Core,
    open: &Open,
    topic_filter: TopicFilter<'_>,
    options: SubscriptionOptions,
    subscription_id: Option<SubscriptionIdentifier>,
    batch: &mut Batch,
    now_ms: u64,
) {
    let mut found = core.retained.matching(topic_filter.as_str(), now_ms);
    if options.no_local {
        found.retain(|message| message.publisher != open.cell.key);
    }
    if found.is_empty() {
        return;
    }
    let mut state = open.cell.state.lock();
    state.enqueue_retained(found, options.qos, Via::one(subscription_id));
    state.refill(batch, &core.limits, now_ms);
    core.tell(&open.cell, &state);
    state.wake(batch);
}
