//! SUBSCRIBE and UNSUBSCRIBE, and what their answers do.

use super::Core;
use crate::command::{Command, Request, SubscribeRequest, UnsubscribeRequest};
use crate::error::{SubscribeError, UnsubscribeError};
use crate::properties::owned_pairs;
use crate::router::is_for;
use crate::{Client, Subscription};
use mqtt_codec::{Properties, Property, PropertyList, ReasonCode, SubAck, TopicFilter, UnsubAck};
use mqtt_session::{NotSent, NotSentReason, SendRefusal};
use std::sync::Arc;

impl Core {
    /// Sends `request`; gives it back when it has to wait.
    pub(super) fn request(&mut self, request: Request) -> Option<Request> {
        let not_sent = match request {
            Request::Subscribe(request) => self.subscribe(request),
            Request::Unsubscribe(request) => self.unsubscribe(request),
        };
        match not_sent {
            Ok(()) => None,
            Err(NotSent {
                item,
                reason: NotSentReason::Later,
            }) => Some(item),
            Err(NotSent {
                item,
                reason: NotSentReason::Never(refusal),
            }) => {
                refuse_request(item, refusal);
                None
            }
        }
    }

    fn subscribe(&mut self, request: Box<SubscribeRequest>) -> Result<(), NotSent<Request>> {
        let id = match self.connection.grants().subscription_identifiers {
            true => self.router.allocate_id(),
            false => None,
        };
        let topic_filters = Arc::clone(&request.topic_filters);
        let queue = Arc::clone(&request.queue);
        let user_properties = request.user_properties.clone();
        let options = request.options;
        let filters: Vec<_> = topic_filters
            .iter()
            .filter_map(|topic_filter| TopicFilter::try_new(topic_filter).ok())
            .map(|topic_filter| (topic_filter, options))
            .collect();
        let mut list: Vec<_> = id
            .map(Property::SubscriptionIdentifier)
            .into_iter()
            .collect();
        let pairs = user_properties.iter();
        list.extend(pairs.map(|(name, value)| Property::UserProperty(name, value)));
        let list = PropertyList::new(&list);
        self.connection.subscribe(
            &filters,
            Properties::from(&list),
            Request::Subscribe(request),
            self.now_ms,
            &mut self.out,
        )?;
        // Retained messages may come before SUBACK, so the way is prepared now.
        for topic_filter in topic_filters.iter() {
            self.router.add(topic_filter, id, &queue);
        }
        Ok(())
    }

    fn unsubscribe(&mut self, request: UnsubscribeRequest) -> Result<(), NotSent<Request>> {
        let topic_filters = request.topic_filters.clone();
        let is_asked_for = request.reply.is_some();
        let filters: Vec<_> = topic_filters
            .iter()
            .filter_map(|topic_filter| TopicFilter::try_new(topic_filter).ok())
            .collect();
        self.connection.unsubscribe(
            &filters,
            Properties::EMPTY,
            Request::Unsubscribe(request),
            self.now_ms,
            &mut self.out,
        )?;
        // A later subscription to the same filter must not be taken for this one.
        for topic_filter in topic_filters.iter().filter(|_| is_asked_for) {
            self.router.remove_filter(topic_filter);
        }
        Ok(())
    }

    pub(super) fn unsubscribe_silently(&mut self, topic_filters: Vec<Box<str>>) {
        if !topic_filters.is_empty() {
            let request = UnsubscribeRequest {
                topic_filters,
                reply: None,
            };
            self.handle_command(Command::Request(Request::Unsubscribe(request)));
        }
    }

    pub(super) fn handle_subscribed(&mut self, request: SubscribeRequest, answer: SubscribeAnswer) {
        let SubscribeRequest {
            topic_filters,
            client,
            queue,
            reply,
            permit,
            ..
        } = request;
        let granted = topic_filters
            .iter()
            .zip(&answer.reasons)
            .filter(|(_, r)| !r.is_error());
        let granted: Vec<&Box<str>> = granted.map(|(topic_filter, _)| topic_filter).collect();
        let wanted_by = client.upgrade().filter(|_| !reply.is_closed());
        if let Some(handle) = wanted_by
            && granted.len() == topic_filters.len()
        {
            let earlier = self.shared.unclaimed.take_if(|m| is_for(m, &topic_filters));
            queue.push_earlier(earlier);
            drop(permit);
            let client = Client { handle };
            let reasons = answer.reasons;
            let subscription = Subscription::granted(client, queue, topic_filters, reasons);
            // Nobody there any more: the subscription comes back, and dropping it unsubscribes.
            drop(reply.send(Ok(subscription)));
            return;
        }
        queue.close();
        if granted.is_empty() {
            self.router.detach_queue(&queue);
        } else {
            let mut unwanted = self.router.remove_queue(&queue);
            unwanted.retain(|topic_filter| granted.contains(&topic_filter));
            self.unsubscribe_silently(unwanted);
        }
        let SubscribeAnswer {
            reasons,
            reason_string,
            user_properties,
        } = answer;
        let refused = SubscribeError::Refused {
            reasons,
            reason_string,
            user_properties,
        };
        // As with the other answers, nobody may be waiting.
        drop(reply.send(Err(refused)));
    }
}

/// A SUBACK, owned.
pub(super) struct SubscribeAnswer {
    reasons: Vec<ReasonCode>,
    reason_string: Option<String>,
    user_properties: Vec<(String, String)>,
}

impl SubscribeAnswer {
    pub(super) fn of(suback: &SubAck<'_>) -> Self {
        Self {
            reasons: suback.reasons.iter().collect(),
            reason_string: suback.properties.reason_string().map(Into::into),
            user_properties: owned_pairs(&suback.properties),
        }
    }
}

pub(super) fn handle_unsubscribed(request: UnsubscribeRequest, unsuback: &UnsubAck<'_>) {
    let Some(reply) = request.reply else { return };
    let refusal = unsuback.reasons.iter().find(|reason| reason.is_error());
    let answer = match refusal {
        None => Ok(()),
        Some(reason) => {
            let reason_string = unsuback.properties.reason_string().map(Into::into);
            Err(UnsubscribeError::Refused {
                reason,
                reason_string,
            })
        }
    };
    // As with the other answers, nobody may be waiting.
    let _ = reply.sender.send(answer);
}

fn refuse_request(request: Request, refusal: SendRefusal) {
    match request {
        Request::Subscribe(request) => {
            // As with the other answers, nobody may be waiting.
            drop(request.reply.send(Err(SubscribeError::NotSent(refusal))));
        }
        Request::Unsubscribe(UnsubscribeRequest {
            reply: Some(reply), ..
        }) => {
            let _ = reply.sender.send(Err(UnsubscribeError::NotSent(refusal)));
        }
        Request::Unsubscribe(_) => {}
    }
}
