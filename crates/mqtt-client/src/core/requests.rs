//! SUBSCRIBE and UNSUBSCRIBE, and what their answers do.

use super::{Core, Link};
use crate::command::{Command, Request, SubscribeRequest, UnsubscribeRequest};
use crate::error::{SubscribeError, UnsubscribeError};
use crate::event::Event;
use crate::properties::owned_pairs;
use crate::router::is_for;
use crate::{Client, Subscription};
use mqtt_codec::{
    Properties, Property, PropertyList, ReasonCode, SubAck, SubscriptionIdentifier, TopicFilter,
    UnsubAck,
};
use mqtt_session::{NotSent, NotSentReason, SendRefusal};
use std::sync::Arc;

impl Core {
    /// Sends `request`; gives it back when it has to wait.
    pub(super) fn request(&mut self, request: Request) -> Option<Request> {
        if !self.is_accepted {
            return Some(request);
        }
        let not_sent = match request {
            Request::Subscribe(request) => self.subscribe(request),
            Request::Unsubscribe(request) => self.unsubscribe(request),
            Request::Resubscribe(topic_filters) => self.subscribe_again(topic_filters),
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
                self.refuse_request(item, refusal);
                None
            }
        }
    }

    /// The server has forgotten every subscription: asks for them anew. How many there are.
    pub(super) fn resubscribe(&mut self) -> usize {
        // Nothing to take back from a server that has nothing.
        self.waiting_requests.retain(|request| match request {
            Request::Subscribe(_) => true,
            Request::Unsubscribe(request) => request.reply.is_some(),
            Request::Resubscribe(_) => false,
        });
        let parts = self.router.filters_by_id();
        let count = parts.iter().map(Vec::len).sum();
        for topic_filters in parts.into_iter().rev() {
            self.waiting_requests
                .push_front(Request::Resubscribe(topic_filters));
        }
        count
    }

    fn subscribe_again(&mut self, topic_filters: Vec<Box<str>>) -> Result<(), NotSent<Request>> {
        let Link::Here(connection) = &mut self.link else {
            return later(Request::Resubscribe(topic_filters));
        };
        let has_ids = connection.grants().subscription_identifiers;
        let gives_ids = self.options.identifies_subscriptions;
        // Meanwhile some may have been unsubscribed.
        let mut topic_filters = topic_filters;
        topic_filters.retain(|topic_filter| self.router.subscribed(topic_filter).is_some());
        let Some(first) = topic_filters.first() else {
            return Ok(());
        };
        let id = self.router.subscribed(first).and_then(|(_, id)| id);
        let id = match id.and_then(SubscriptionIdentifier::new) {
            _ if !has_ids => None,
            None if gives_ids => {
                let id = self.router.allocate_id();
                for topic_filter in topic_filters.iter().filter(|_| id.is_some()) {
                    if let Some(id) = id {
                        self.router.set_id(topic_filter, id);
                    }
                }
                id
            }
            id => id,
        };
        let filters: Vec<_> = topic_filters
            .iter()
            .filter_map(|topic_filter| {
                let (options, _) = self.router.subscribed(topic_filter)?;
                Some((TopicFilter::try_new(topic_filter).ok()?, options))
            })
            .collect();
        let list: Vec<_> = id
            .map(Property::SubscriptionIdentifier)
            .into_iter()
            .collect();
        let list = PropertyList::new(&list);
        connection.subscribe(
            &filters,
            Properties::from(&list),
            Request::Resubscribe(topic_filters.clone()),
            self.now_ms,
            &mut self.out,
        )
    }

    fn subscribe(&mut self, request: Box<SubscribeRequest>) -> Result<(), NotSent<Request>> {
        let Link::Here(connection) = &mut self.link else {
            return later(Request::Subscribe(request));
        };
        let id = match connection.grants().subscription_identifiers {
            true if self.options.identifies_subscriptions => self.router.allocate_id(),
            true => request.identifier,
            false => None,
        };
        let topic_filters = Arc::clone(&request.topic_filters);
        let queue = Arc::clone(&request.queue);
        let user_properties = request.user_properties.clone();
        let options = request.options.clone();
        let filters: Vec<_> = topic_filters
            .iter()
            .zip(&options)
            .filter_map(|(topic_filter, options)| {
                Some((TopicFilter::try_new(topic_filter).ok()?, *options))
            })
            .collect();
        let mut list: Vec<_> = id
            .map(Property::SubscriptionIdentifier)
            .into_iter()
            .collect();
        let pairs = user_properties.iter();
        list.extend(pairs.map(|(name, value)| Property::UserProperty(name, value)));
        let list = PropertyList::new(&list);
        connection.subscribe(
            &filters,
            Properties::from(&list),
            Request::Subscribe(request),
            self.now_ms,
            &mut self.out,
        )?;
        // Retained messages may come before SUBACK, so the way is prepared now.
        for (topic_filter, options) in topic_filters.iter().zip(options) {
            self.router.add((topic_filter, options), id, &queue);
        }
        Ok(())
    }

    fn unsubscribe(&mut self, request: UnsubscribeRequest) -> Result<(), NotSent<Request>> {
        let Link::Here(connection) = &mut self.link else {
            return later(Request::Unsubscribe(request));
        };
        let topic_filters = request.topic_filters.clone();
        let user_properties = request.user_properties.clone();
        let is_asked_for = request.reply.is_some();
        let filters: Vec<_> = topic_filters
            .iter()
            .filter_map(|topic_filter| TopicFilter::try_new(topic_filter).ok())
            .collect();
        let pairs = user_properties.iter();
        let list: Vec<_> = pairs
            .map(|(name, value)| Property::UserProperty(name, value))
            .collect();
        let list = PropertyList::new(&list);
        connection.unsubscribe(
            &filters,
            Properties::from(&list),
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
                user_properties: Vec::new(),
                reply: None,
            };
            self.handle_command(Command::Request(Request::Unsubscribe(request)));
        }
    }

    pub(super) fn handle_subscribed(&mut self, request: Request, answer: SubscribeAnswer) {
        let request = match request {
            Request::Subscribe(request) => *request,
            Request::Resubscribe(topic_filters) => {
                let reasons = answer.reasons.into_iter();
                for (topic_filter, reason) in topic_filters.iter().zip(reasons) {
                    if reason.is_error() {
                        self.end_subscription(topic_filter, reason);
                    }
                }
                return;
            }
            Request::Unsubscribe(_) => return,
        };
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

/// An UNSUBACK, owned.
pub(super) struct UnsubscribeAnswer(Result<(), UnsubscribeError>);

impl UnsubscribeAnswer {
    pub(super) fn of(unsuback: &UnsubAck<'_>) -> Self {
        let refusal = unsuback.reasons.iter().find(|reason| reason.is_error());
        Self(match refusal {
            None => Ok(()),
            Some(reason) => {
                let reason_string = unsuback.properties.reason_string().map(Into::into);
                Err(UnsubscribeError::Refused {
                    reason,
                    reason_string,
                })
            }
        })
    }

    pub(super) fn give(self, request: UnsubscribeRequest) {
        if let Some(reply) = request.reply {
            // As with the other answers, nobody may be waiting.
            let _ = reply.sender.send(self.0);
        }
    }
}

impl Core {
    fn refuse_request(&mut self, request: Request, refusal: SendRefusal) {
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
            Request::Resubscribe(topic_filters) => {
                tracing::warn!(%refusal, "cannot subscribe again");
                for topic_filter in &topic_filters {
                    self.end_subscription(topic_filter, ReasonCode::IMPLEMENTATION_SPECIFIC_ERROR);
                }
            }
        }
    }

    /// A subscription is not granted again.
    fn end_subscription(&mut self, topic_filter: &str, reason: ReasonCode) {
        self.router.remove_filter(topic_filter);
        tracing::warn!(topic_filter, %reason, "not subscribed again");
        self.event(&Event::ResubscribeRefused {
            topic_filter: topic_filter.into(),
            reason,
        });
    }
}

fn later(item: Request) -> Result<(), NotSent<Request>> {
    let reason = NotSentReason::Later;
    Err(NotSent { item, reason })
}
