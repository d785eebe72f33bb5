//! Rights that may have been lost: of those who come back to a session, and of everybody when rules have changed.

use super::cause::{EndCause, RequestRefused};
use super::session_cell::SessionCell;
use super::{Batch, Core};
use crate::access::{Access, AccessRequest, Answer, ClientInfo, Decision};
use crate::authenticate::Authenticate;
use crate::config::LostRight;
use crate::extensions::{AutoSubscriptions, Subscribed};
use mqtt_codec::{QoS, ReasonCode};
use std::fmt;
use std::future::Future;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What a client was allowed to publish to the topic it published to last, as long as that holds.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct LastRight(u32);

/// Topic Filters that a client has no right to any more, of those that were asked about.
#[derive(Clone, Debug)]
pub(crate) enum Lost {
    These(Vec<Box<str>>),
    /// There was no answer in time.
    All,
}

/// The same, or the promise of it.
pub(crate) enum LostAnswer {
    Ready(Lost),
    Pending(Pin<Box<dyn Future<Output = Lost> + Send>>),
}

impl fmt::Debug for LostAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LostAnswer")
    }
}

/// A subscription to be asked about.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    topic_filter: Box<str>,
    qos: QoS,
}

impl LastRight {
    /// Nothing is known.
    pub(crate) const NONE: Self = Self(0);

    /// The right to publish so, given now; [`LastRight::NONE`] where each PUBLISH is asked about.
    #[inline]
    pub(crate) fn now(access: &dyn Access, qos: QoS, retain: bool) -> Self {
        access
            .generation()
            .map_or(Self::NONE, |generation| Self::of(generation, qos, retain))
    }

    pub(super) const fn of(generation: NonZeroU32, qos: QoS, retain: bool) -> Self {
        let qos = match qos {
            QoS::AtMostOnce => 0,
            QoS::AtLeastOnce => 1,
            QoS::ExactlyOnce => 2,
        };
        let retain = if retain { 4 } else { 0 };
        Self(generation.get().wrapping_shl(3) | retain | qos)
    }

    /// Whether it is the right to publish so, and holds.
    #[inline]
    pub(crate) fn holds(self, access: &dyn Access, qos: QoS, retain: bool) -> bool {
        self != Self::NONE && self == Self::now(access, qos, retain)
    }
}

/// Who is asked about clients that are in.
#[derive(Clone, Copy)]
pub(crate) struct Judges<'a> {
    pub(crate) access: &'a dyn Access,
    pub(crate) authenticate: Option<&'a dyn Authenticate>,
    pub(crate) auto_subscriptions: &'a AutoSubscriptions,
}

impl Lost {
    fn take(self, asked: Vec<Asked>) -> Vec<Box<str>> {
        match self {
            Self::These(lost) => lost,
            Self::All => asked.into_iter().map(|asked| asked.topic_filter).collect(),
        }
    }
}

impl Core {
    /// Looks again what [`Access`] says of itself: rights may be of another kind now.
    pub(crate) fn note_access(&self) {
        self.hub.set_on_receipt(self.access.decides_on_receipt());
        let holds = self.access.generation().is_some();
        self.rights_hold.store(holds, Ordering::Relaxed);
    }

    /// Who is asked now.
    pub(crate) fn judges(&self) -> Judges<'_> {
        Judges {
            access: &*self.access,
            authenticate: self.authenticate.as_deref(),
            auto_subscriptions: &self.extensions.auto_subscriptions,
        }
    }

    /// The subscriptions of a session that are to be asked about for `client`, which has come back to it.
    pub(crate) fn to_ask_again(&self, client: &ClientInfo) -> Vec<Asked> {
        let found = match self.access.on_lost_right() {
            Some(_) if !client.superuser => self.session(&client.client_id),
            _ => None,
        };
        found.map_or_else(Vec::new, |cell| self.judges().asked_of(&cell, client))
    }

    /// Which of these subscriptions `client` may not have any more.
    pub(crate) fn ask_again(&self, client: &ClientInfo, all: &[Asked]) -> LostAnswer {
        self.judges().ask_again(client, all)
    }

    /// Ends the subscriptions of a session that its client has no right to; how many there were.
    pub(crate) fn lose(
        &self,
        cell: &Arc<SessionCell>,
        client: &ClientInfo,
        lost: Lost,
        asked: Vec<Asked>,
        now_ms: u64,
    ) -> u64 {
        let mut removed = 0;
        for topic_filter in lost.take(asked) {
            let (was_there, _) = self.unsubscribe(cell, &topic_filter);
            if was_there {
                removed += 1;
                let cause = RequestRefused::Subscribe(ReasonCode::NOT_AUTHORIZED);
                let subscribed = Subscribed::of(&topic_filter);
                let request = AccessRequest::Subscribe {
                    client,
                    topic_filter: subscribed.matched(),
                    qos: QoS::AtMostOnce,
                };
                self.note_refused(client, &topic_filter, cause, Some(&request), now_ms);
            }
        }
        removed
    }

    /// Takes away what was lost.
    pub(crate) fn settle_recheck(
        &self,
        cell: &Arc<SessionCell>,
        settled: Settled,
        batch: &mut Batch,
        now_ms: u64,
    ) -> Outcome {
        let Settled {
            client,
            is_valid,
            may_leave_will,
            asked,
            lost,
        } = settled;
        let mut outcome = Outcome::default();
        if !may_leave_will {
            let mut state = cell.state.lock();
            outcome.wills_removed = u64::from(state.will.take().is_some());
            drop(state);
            self.note_will_gone(cell);
        }
        outcome.subscriptions_removed = self.lose(cell, &client, lost, asked, now_ms);
        let ends = match self.access.on_lost_right() {
            _ if !is_valid => true,
            Some(LostRight::Disconnect) => outcome.subscriptions_removed > 0,
            _ => false,
        };
        if ends && cell.state.lock().connected {
            outcome.clients_disconnected = 1;
            self.end_connection(cell, EndCause::RightLost, batch);
        }
        outcome
    }
}

impl Judges<'_> {
    /// What there is to be asked about a session whose client is known.
    pub(crate) fn to_recheck(self, cell: &Arc<SessionCell>) -> Option<ToRecheck> {
        let state = cell.state.lock();
        let client = state.client.clone()?;
        let will = state.will.as_ref();
        let will = will.map(|will| Arc::clone(&will.message));
        drop(state);
        let is_valid = self
            .authenticate
            .is_none_or(|authenticate| authenticate.still_valid(&client));
        let asks = self.access.on_lost_right().is_some() && !client.superuser;
        let will = will.filter(|_| asks && is_valid).map(|message| {
            let request = AccessRequest::Publish {
                client: &client,
                topic_name: message.topic_name(),
                qos: message.qos,
                retain: message.retain,
            };
            self.access.decide(&request)
        });
        let asked = match asks && is_valid {
            true => self.asked_of(cell, &client),
            false => Vec::new(),
        };
        let lost = self.ask_again(&client, &asked);
        Some(ToRecheck {
            client,
            is_valid,
            will,
            asked,
            lost,
        })
    }

    fn asked_of(self, cell: &SessionCell, client: &ClientInfo) -> Vec<Asked> {
        // Nobody was asked about these.
        let auto = match self.auto_subscriptions.is_empty() {
            true => Vec::new(),
            false => self.auto_subscriptions.of(client),
        };
        let state = cell.state.lock();
        let asked = state.subscriptions.iter().map(|subscription| Asked {
            topic_filter: subscription.topic_filter.clone(),
            qos: subscription.options.qos,
        });
        let is_asked = |asked: &Asked| {
            auto.iter()
                .all(|(filter, _)| **filter != *asked.topic_filter)
        };
        asked.filter(is_asked).collect()
    }

    fn ask_again(self, client: &ClientInfo, all: &[Asked]) -> LostAnswer {
        let mut lost = Vec::new();
        let mut pending = Vec::new();
        for asked in all {
            let subscribed = Subscribed::of(&asked.topic_filter);
            let request = AccessRequest::Subscribe {
                client,
                topic_filter: subscribed.matched(),
                qos: asked.qos,
            };
            match self.access.decide(&request) {
                Answer::Ready(Decision::Allow) => {}
                Answer::Ready(_) => lost.push(asked.topic_filter.clone()),
                Answer::Pending(promise) => pending.push((asked.topic_filter.clone(), promise)),
            }
        }
        if pending.is_empty() {
            return LostAnswer::Ready(Lost::These(lost));
        }
        LostAnswer::Pending(Box::pin(async move {
            for (topic_filter, promise) in pending {
                if promise.await != Decision::Allow {
                    lost.push(topic_filter);
                }
            }
            Lost::These(lost)
        }))
    }
}

/// A session with what was asked about it.
pub(crate) struct ToRecheck {
    client: Arc<ClientInfo>,
    /// Whether its client is still who it proved to be.
    is_valid: bool,
    /// Whether its Will Message may be published; none where it has none.
    will: Option<Answer>,
    asked: Vec<Asked>,
    lost: LostAnswer,
}

/// The same with all answers.
pub(crate) struct Settled {
    client: Arc<ClientInfo>,
    is_valid: bool,
    may_leave_will: bool,
    asked: Vec<Asked>,
    lost: Lost,
}

impl Settled {
    /// Whether its client is still who it proved to be.
    pub(crate) const fn is_valid(&self) -> bool {
        self.is_valid
    }

    /// Whether a Will Message it has may be published.
    pub(crate) const fn may_leave_will(&self) -> bool {
        self.may_leave_will
    }

    /// Whose session it is, and the Topic Filters that client has no right to.
    pub(crate) fn into_lost(self) -> (Arc<ClientInfo>, Vec<Box<str>>) {
        (self.client, self.lost.take(self.asked))
    }
}

/// What was taken away.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) clients_disconnected: u64,
    pub(crate) subscriptions_removed: u64,
    pub(crate) wills_removed: u64,
}

impl ToRecheck {
    /// Waits for the answers that were not there at once; none when nothing is lost.
    pub(crate) async fn settle(self) -> Option<Settled> {
        let may_leave_will = match self.will {
            None => self.is_valid,
            Some(Answer::Ready(decision)) => decision == Decision::Allow,
            Some(Answer::Pending(promise)) => promise.await == Decision::Allow,
        };
        let lost = match self.lost {
            LostAnswer::Ready(lost) => lost,
            LostAnswer::Pending(promise) => promise.await,
        };
        let is_kept = matches!(&lost, Lost::These(lost) if lost.is_empty());
        if self.is_valid && may_leave_will && is_kept {
            return None;
        }
        Some(Settled {
            client: self.client,
            is_valid: self.is_valid,
            may_leave_will,
            asked: self.asked,
            lost,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_is_one_to_publish_just_so() {
        let one = NonZeroU32::MIN;
        let two = one.saturating_add(1);
        let all = [one, two].into_iter().flat_map(|generation| {
            let qos = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];
            qos.into_iter().flat_map(move |qos| {
                [false, true].map(|retain| LastRight::of(generation, qos, retain))
            })
        });
        let mut all: Vec<_> = all.map(|right| right.0).collect();
        assert!(!all.contains(&LastRight::NONE.0));
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 12);
    }
}
