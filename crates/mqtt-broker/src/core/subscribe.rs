//! Making and ending subscriptions, whoever asks for it: a client, the configuration, an administrator.

use super::cause::DropCause;
use super::log::{LogPosition, LogRecord};
use super::message::Message;
use super::reached::LimitCause;
use super::retained::RetainedLookup;
use super::session_cell::SessionCell;
use super::{Batch, Core, Subscription, Via};
use crate::access::ClientInfo;
use crate::extensions::Subscribed;
use crate::hooks::Interest;
use mqtt_codec::{
    ReasonCode, RetainHandling, SubscriptionIdentifier, SubscriptionOptions, TopicFilter,
};
use std::sync::Arc;

/// Steps of a look-up of retained messages at a time: for so long publishers may have to wait for the store.
const STEPS_PER_PAGE: usize = 4096;

/// A subscription to be made.
#[derive(Clone, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) subscribed: Subscribed<'a>,
    pub(crate) options: SubscriptionOptions,
    pub(crate) subscription_id: Option<SubscriptionIdentifier>,
}

/// Retained messages that a new subscription is still to get.
#[derive(Debug)]
pub(crate) struct RetainedFor {
    lookup: RetainedLookup,
    options: SubscriptionOptions,
    via: Via,
    /// What comes before all that is looked up.
    first: Vec<Arc<Message>>,
    /// Whether newer messages wait already for the next page.
    is_awaited: bool,
    /// Nothing is sent before this is durable, so that SUBACK comes first.
    pub(crate) after: LogPosition,
}

/// A subscription that was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Made {
    /// SUBACK may leave when this is durable.
    pub(crate) position: LogPosition,
    /// Whether retained messages are to follow.
    pub(crate) wants_retained: bool,
    /// Whether it is a new member of a group.
    pub(crate) has_joined: bool,
}

impl Core {
    /// What a Topic Filter written by a client stands for, before rules of rewriting.
    pub(crate) fn subscribed<'a>(&self, written: &'a str) -> Result<Subscribed<'a>, ReasonCode> {
        let subscribed = Subscribed::of(written);
        let filter = TopicFilter::try_new(&subscribed.topic_filter);
        let filter = filter.map_err(|_| ReasonCode::TOPIC_FILTER_INVALID)?;
        if subscribed.is_exclusive && !self.offer.exclusive {
            return Err(ReasonCode::TOPIC_FILTER_INVALID);
        }
        if filter.shared().is_some() && !self.offer.shared {
            return Err(ReasonCode::SHARED_SUBSCRIPTIONS_NOT_SUPPORTED);
        }
        self.check_matched(&subscribed)?;
        Ok(subscribed)
    }

    /// Applies the rules of rewriting.
    pub(crate) fn rewrite_filter(
        &self,
        client: &ClientInfo,
        subscribed: &mut Subscribed<'_>,
    ) -> Result<(), ReasonCode> {
        let rewriter = &self.extensions.rewriter;
        let rewritten = rewriter.subscribe(client, subscribed.matched());
        if let Some(other) = rewritten.map_err(|_| ReasonCode::TOPIC_FILTER_INVALID)? {
            subscribed.replace(&other);
            self.check_matched(subscribed)?;
        }
        Ok(())
    }

    fn check_matched(&self, subscribed: &Subscribed<'_>) -> Result<(), ReasonCode> {
        let matched = TopicFilter::try_new(subscribed.matched());
        let matched = matched.map_err(|_| ReasonCode::TOPIC_FILTER_INVALID)?;
        // `$share` and the ShareName are no levels of the filter.
        if self.limits.of_topic(subscribed.matched()).is_some() {
            return Err(ReasonCode::TOPIC_FILTER_INVALID);
        }
        // Spec: v3.1.1 [MQTT-3.8.3-2].
        match matched.has_wildcard() && !self.offer.wildcards {
            true => Err(ReasonCode::WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED),
            false => Ok(()),
        }
    }

    /// Makes one subscription, or replaces it.
    pub(crate) fn subscribe(
        &self,
        cell: &Arc<SessionCell>,
        wanted: &Wanted<'_>,
    ) -> Result<Made, ReasonCode> {
        let Wanted {
            subscribed,
            options,
            subscription_id,
        } = wanted;
        let text = &*subscribed.topic_filter;
        let exclusive = &self.extensions.exclusive;
        if subscribed.is_exclusive && !exclusive.acquire(text, cell.key) {
            return Err(ReasonCode::QUOTA_EXCEEDED);
        }
        let give_back = || {
            if subscribed.is_exclusive {
                exclusive.release(text, cell.key);
            }
            ReasonCode::QUOTA_EXCEEDED
        };
        let mut state = cell.state.lock();
        if state.ended {
            drop(state);
            give_back();
            return Err(ReasonCode::UNSPECIFIED_ERROR);
        }
        let queue = state.queue.as_ref();
        let backlog = queue.map_or(0, |queue| queue.retained_len());
        if backlog >= self.limits.queue_len_max {
            drop(state);
            self.note_limit(LimitCause::RetainedBacklog, &cell.client_id);
            return Err(give_back());
        }
        let all = &mut state.subscriptions;
        let before = all.get(text).cloned();
        let is_known = before.is_some();
        if !is_known && all.len() >= self.limits.subscriptions_max {
            drop(state);
            self.note_limit(LimitCause::Subscriptions, &cell.client_id);
            return Err(give_back());
        }
        let made = Subscription {
            topic_filter: text.into(),
            options: *options,
            subscription_id: *subscription_id,
        };
        // Clients that come back subscribe again, also while nothing more can be written.
        let is_written = !self.offer.exclusive && before.as_ref() == Some(&made);
        all.insert(made);
        let is_logged = state.is_logged;
        drop(state);
        let mut position = LogPosition::NONE;
        if is_logged && is_written {
            // What was written before may not be durable yet.
            position = self.log.appended();
        } else if is_logged {
            let record = LogRecord::Subscribed {
                session: cell.key,
                topic_filter: text,
                options: *options,
                subscription_id: *subscription_id,
                is_exclusive: subscribed.is_exclusive,
                is_known,
            };
            position = self.log.append(record).map_err(|_| {
                self.note_log_full(&cell.client_id);
                let mut state = cell.state.lock();
                if let Some(before) = before {
                    state.subscriptions.insert(before);
                    return ReasonCode::QUOTA_EXCEEDED;
                }
                state.subscriptions.remove(text);
                drop(state);
                give_back()
            })?;
        }
        self.router
            .subscribe(text, cell, *options, *subscription_id);
        if let (Some(fabric), false) = (&self.fabric, is_known) {
            fabric.subscribed(text);
        }
        // The session may have ended meanwhile, with what was in its list; then this one must go too.
        if cell.state.lock().ended {
            self.router.unsubscribe(text, cell.key);
            self.forget_subscription(text, cell);
        }
        self.hub.subscribed(&cell.client_id, text, *options);
        let is_shared = subscribed.matched().len() != text.len();
        let wants_retained = match options.retain_handling {
            // Nobody in particular has asked for them; v5 §4.8.2.
            _ if is_shared => false,
            RetainHandling::SendAtSubscribe => true,
            RetainHandling::SendIfNew => !is_known,
            RetainHandling::DoNotSend => false,
        };
        Ok(Made {
            position,
            wants_retained,
            has_joined: is_shared && !is_known,
        })
    }

    /// Ends one subscription: whether there was one, and what has to be durable before UNSUBACK.
    pub(crate) fn unsubscribe(
        &self,
        cell: &Arc<SessionCell>,
        topic_filter: &str,
    ) -> (bool, LogPosition) {
        let mut state = cell.state.lock();
        state.subscriptions.remove(topic_filter);
        let is_logged = state.is_logged;
        drop(state);
        if !self.router.unsubscribe(topic_filter, cell.key) {
            return (false, LogPosition::NONE);
        }
        self.forget_subscription(topic_filter, cell);
        self.hub.unsubscribed(&cell.client_id, topic_filter);
        let mut position = LogPosition::NONE;
        if is_logged {
            let record = LogRecord::Unsubscribed {
                session: cell.key,
                topic_filter,
            };
            position = self.log.append(record).unwrap_or_default();
        }
        (true, position)
    }

    /// Tells those beside the router that a subscription is gone.
    pub(crate) fn forget_subscription(&self, topic_filter: &str, cell: &SessionCell) {
        self.extensions.exclusive.release(topic_filter, cell.key);
        if let Some(fabric) = &self.fabric {
            fabric.unsubscribed(topic_filter);
        }
    }

    /// What a subscription brings that was there before it: retained messages, or what waits in its group.
    /// Retained messages that are still to be looked up are left to be done, all of them where `after` is not
    /// [`LogPosition::NONE`].
    pub(crate) fn follow_up(
        &self,
        cell: &Arc<SessionCell>,
        wanted: &Wanted<'_>,
        made: Made,
        after: LogPosition,
        batch: &mut Batch,
        now_ms: u64,
    ) -> Option<RetainedFor> {
        let left = match made.wants_retained {
            true => self.send_retained(cell, wanted, after, batch, now_ms),
            false => None,
        };
        if made.has_joined {
            self.relieve(&wanted.subscribed.topic_filter, batch, now_ms);
        }
        left
    }

    /// Begins to send what is retained to a new subscription; what is left to be done.
    ///
    /// Spec: v5 [MQTT-3.3.1-9], [MQTT-3.3.1-6]; v3.1.1 [MQTT-3.3.1-6].
    fn send_retained(
        &self,
        cell: &Arc<SessionCell>,
        wanted: &Wanted<'_>,
        after: LogPosition,
        batch: &mut Batch,
        now_ms: u64,
    ) -> Option<RetainedFor> {
        let topic_filter = &*wanted.subscribed.topic_filter;
        let first = self.sys_matching(topic_filter, now_ms);
        if first.is_empty() && self.retained.is_empty() {
            return None;
        }
        let mut asked = RetainedFor {
            lookup: RetainedLookup::new(topic_filter),
            options: wanted.options,
            via: Via::one(wanted.subscription_id),
            first,
            is_awaited: false,
            after,
        };
        if after == LogPosition::NONE {
            let is_more = self.send_more_retained(cell, &mut asked, batch, now_ms);
            return is_more.then_some(asked);
        }
        let mut state = cell.state.lock();
        if state.ended {
            return None;
        }
        state.await_retained();
        asked.is_awaited = true;
        Some(asked)
    }

    /// Goes on with what [`send_retained`](Self::send_retained) began; whether there is more.
    ///
    /// Does not wait for the client: what it has not taken is in its queue.
    pub(crate) fn send_more_retained(
        &self,
        cell: &Arc<SessionCell>,
        asked: &mut RetainedFor,
        batch: &mut Batch,
        now_ms: u64,
    ) -> bool {
        let RetainedFor {
            lookup,
            options,
            via,
            first,
            is_awaited,
            ..
        } = asked;
        let mut found = std::mem::take(first);
        let mut state = cell.state.lock();
        if state.ended {
            return false;
        }
        // What is published from here on is newer than what will be found, and must not overtake it.
        if !std::mem::take(is_awaited) {
            state.await_retained();
        }
        drop(state);
        let is_more = self.retained.page(lookup, STEPS_PER_PAGE, &mut |message| {
            if !message.is_expired(now_ms) {
                found.push(Arc::clone(message));
            }
        });
        if options.no_local {
            found.retain(|message| !message.is_published_by(cell.key, &cell.client_id));
        }
        let client = cell.state.lock().client.clone();
        if let (true, Some(client)) = (self.hub.wants(Interest::RECEIPT), client) {
            found.retain(|message| {
                let may_receive = self.access.may_receive(&client, message.topic_name());
                batch
                    .counts
                    .dropped(DropCause::Withheld, u64::from(!may_receive));
                may_receive
            });
        }
        let mut state = cell.state.lock();
        if state.ended {
            return false;
        }
        state.enqueue_retained(found, options.qos, via.clone());
        if state.connected {
            state.refill(batch, &self.limits, &*self.log, now_ms);
            batch.counts.name_drops(Some(cell), "");
        }
        self.tell(cell, &state);
        state.wake(batch);
        is_more
    }
}
