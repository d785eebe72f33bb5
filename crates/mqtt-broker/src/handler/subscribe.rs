//! SUBSCRIBE: rights, limits, the routing table, retained messages.

use crate::access::{AccessRequest, Decision};
use crate::core::cause::{EndCause, RequestRefused};
use crate::core::connection::{Connection, HeldAnswer, Open, Step};
use crate::core::log::LogPosition;
use crate::core::reached::LimitCause;
use crate::core::refusals::Reference;
use crate::core::{Batch, Wanted, ask, push};
use crate::extensions::Subscribed;
use mqtt_codec::{
    Packet, PacketId, PacketType, Properties, Property, PropertyList, QoS, ReasonCode, ReasonCodes,
    SubAck, Subscribe, SubscriptionOptions, TopicFilter,
};
use mqtt_session::Negotiated;

impl Connection {
    /// Makes subscriptions, one Reason Code each. Spec: v5 §3.8.4, v3.1.1 §3.8.4.
    pub(crate) fn handle_subscribe(
        &mut self,
        subscribe: &Subscribe<'_>,
        batch: &mut Batch,
        now_ms: u64,
    ) -> Result<Step, EndCause> {
        self.check_answer_len(subscribe.filters.len())?;
        let subscription_id = subscribe.properties.subscription_identifiers().next();
        // All decisions first: until they are there, nothing may have happened.
        let mut all = Vec::with_capacity(subscribe.filters.len());
        for (topic_filter, options) in subscribe.filters.iter() {
            let wanted = |subscribed| Wanted {
                subscribed,
                options,
                subscription_id,
            };
            all.push(match self.may_subscribe(topic_filter, options, now_ms)? {
                None => return Ok(Step::Wait),
                Some(Ok(subscribed)) => Ok(wanted(subscribed)),
                Some(Err(reason)) => Err(reason),
            });
        }
        let Some(open) = &self.open else {
            return Ok(Step::Done);
        };
        let version = open.negotiated.version;
        let refused = all.iter().find_map(|wanted| wanted.as_ref().err());
        if let (Some(reason), false) = (refused, version.has_suback_failure()) {
            return Err(EndCause::SubscribeRefused(*reason));
        }
        let mut position = LogPosition::NONE;
        let mut reasons = Vec::with_capacity(all.len());
        let mut all_made = Vec::new();
        let mut reference = None;
        for (wanted, (topic_filter, options)) in all.into_iter().zip(subscribe.filters.iter()) {
            let made = wanted.and_then(|wanted| {
                let made = self.core.subscribe(&open.cell, &wanted)?;
                Ok((made, wanted))
            });
            reasons.push(match made {
                Err(reason) => {
                    let (client, cause) = (&open.client, RequestRefused::Subscribe(reason));
                    let subscribed = Subscribed::of(topic_filter.as_str());
                    let asked = AccessRequest::Subscribe {
                        client,
                        topic_filter: subscribed.matched(),
                        qos: options.qos,
                    };
                    let (core, filter) = (&self.core, topic_filter.as_str());
                    let noted = core.note_refused(client, filter, cause, Some(&asked), now_ms);
                    reference = reference.or(noted);
                    reason
                }
                Ok((made, wanted)) => {
                    let reason = granted(wanted.options.qos);
                    position = position.max(made.position);
                    all_made.push((made, wanted));
                    reason
                }
            });
        }
        let bytes = suback(&open.negotiated, subscribe.packet_id, &reasons, reference);
        // Retained messages come behind SUBACK, which may have to wait for the log.
        let after = self.leaves_after(position);
        if let Some(open) = &mut self.open {
            for (made, wanted) in all_made {
                let left = self
                    .core
                    .follow_up(&open.cell, &wanted, made, after, batch, now_ms);
                left.into_iter().for_each(|left| open.retained.push(left));
            }
        }
        self.answer(position, HeldAnswer::Bytes(bytes.into()));
        Ok(Step::Done)
    }

    /// Whether SUBACK or UNSUBACK with so many Reason Codes is one that the client takes; v5 [MQTT-3.1.2-24].
    ///
    /// It must be answered and cannot be, so that its subscriptions would be in doubt.
    pub(super) fn check_answer_len(&self, reasons: usize) -> Result<(), EndCause> {
        let Some(open) = &self.open else {
            return Ok(());
        };
        // Packet Identifier and an empty property block, behind the fixed header.
        let body_len = reasons + 3;
        let header_len = match body_len {
            0..=127 => 2,
            128..=16_383 => 3,
            16_384..=2_097_151 => 4,
            _ => 5,
        };
        let len = header_len + body_len;
        let len_max = usize::try_from(open.negotiated.peer_packet_len_max).unwrap_or(usize::MAX);
        if len <= len_max {
            return Ok(());
        }
        self.core
            .note_limit(LimitCause::AnswerLen, &open.client.client_id);
        Err(EndCause::AnswerTooLarge)
    }

    /// What one filter of a SUBSCRIBE stands for, if the client may have it; none while that is being decided.
    fn may_subscribe<'a>(
        &mut self,
        topic_filter: TopicFilter<'a>,
        options: SubscriptionOptions,
        now_ms: u64,
    ) -> Result<Option<Result<Subscribed<'a>, ReasonCode>>, EndCause> {
        let Self {
            core,
            gate,
            open,
            refusal,
            ..
        } = self;
        let Some(Open { client, .. }) = open.as_deref() else {
            return Ok(None);
        };
        let mut subscribed = match core.subscribed(topic_filter.as_str()) {
            Ok(subscribed) => subscribed,
            Err(reason) => {
                if let Some(cause) = core.limits.of_topic(topic_filter.as_str()) {
                    core.note_limit(cause, &client.client_id);
                }
                return Ok(Some(Err(reason)));
            }
        };
        let request = AccessRequest::Subscribe {
            client,
            topic_filter: subscribed.matched(),
            qos: options.qos,
        };
        match ask(gate, &*core.access, Some(client), &request) {
            None => Ok(None),
            Some(Decision::Disconnect(reason)) => {
                let cause = RequestRefused::Subscribe(reason);
                let filter = topic_filter.as_str();
                *refusal = core.note_refused(client, filter, cause, Some(&request), now_ms);
                Err(EndCause::SubscribeRefused(reason))
            }
            Some(Decision::Deny(reason)) => Ok(Some(Err(reason))),
            Some(Decision::Allow) => {
                let rewritten = core.rewrite_filter(client, &mut subscribed);
                Ok(Some(rewritten.map(|()| subscribed)))
            }
        }
    }
}

/// SUBACK, with what the client may ask about where it was refused something, if it takes that.
fn suback(
    negotiated: &Negotiated,
    packet_id: PacketId,
    reasons: &[ReasonCode],
    reference: Option<Reference>,
) -> Vec<u8> {
    let may_explain =
        negotiated.version.has_properties() && negotiated.may_explain(PacketType::SubAck);
    let words = reference
        .filter(|_| may_explain)
        .map_or_else(String::new, Reference::words);
    let explained = [Property::ReasonString(&words)];
    let list = PropertyList::new(&explained);
    let len_max = usize::try_from(negotiated.peer_packet_len_max).unwrap_or(usize::MAX);
    let all = [Properties::from(&list), Properties::EMPTY];
    let all = all.into_iter().skip(usize::from(words.is_empty()));
    let mut bytes = Vec::new();
    for properties in all {
        bytes.clear();
        let reasons = ReasonCodes::from(reasons);
        let suback = Packet::SubAck(SubAck {
            packet_id,
            properties,
            reasons,
        });
        push(&mut bytes, negotiated.version, &suback);
        // Spec: v5 [MQTT-3.9.2-1].
        if bytes.len() <= len_max {
            break;
        }
    }
    bytes
}

fn granted(qos: QoS) -> ReasonCode {
    match qos {
        QoS::AtMostOnce => ReasonCode::GRANTED_QOS_0,
        QoS::AtLeastOnce => ReasonCode::GRANTED_QOS_1,
        QoS::ExactlyOnce => ReasonCode::GRANTED_QOS_2,
    }
}
