//! Requests that were refused, each with a reference: clients are told that alone, and the log says what it is about.

use super::Core;
use super::cause::RequestRefused;
use crate::access::{AccessRequest, ClientInfo, Explanation};
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::SystemTime;

/// Refusals that can be looked up; of more the oldest are forgotten.
pub const REFUSALS_MAX: usize = 1024;
/// Refusals that are looked into in a second; of more nobody learns the ground.
const LOOKED_INTO_MAX: u32 = 1000;
/// Lines of the log in ten seconds.
const LINES_MAX: u32 = 20;
/// The time of [`LINES_MAX`], in milliseconds.
const LINES_MS: u64 = 10_000;
/// When the same refusal is worth another line, in milliseconds.
const SAME_MS: u64 = 60_000;

/// Names a refusal: the same client, request and ground have the same one until the broker is restarted.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Reference(NonZeroU32);

impl Reference {
    /// What a client is told that may be told why.
    pub(crate) fn words(self) -> String {
        format!("not authorized (ref {self})")
    }

    /// Reads six hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let number = u32::from_str_radix(text, 16).ok()?;
        let number = NonZeroU32::new(number).filter(|_| text.len() == 6)?;
        Some(Self(number))
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06x}", self.0)
    }
}

/// A request that was refused, once or again and again.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct RefusalView {
    /// What the client was told, if it may be told anything.
    pub reference: Reference,
    /// Who asked.
    pub client_id: Box<str>,
    /// The User Name it had.
    pub username: Option<Box<str>>,
    /// Where it came from, the last time.
    pub peer: SocketAddr,
    /// What it wanted.
    pub request: RequestRefused,
    /// Which Topic Name or Topic Filter it wanted, as it wrote it.
    pub topic: Box<str>,
    /// What decided; with names of files and rules.
    pub ground: Box<str>,
    /// How often.
    pub times: u64,
    /// When, the last time.
    pub at: SystemTime,
}

#[derive(Debug)]
struct Kept {
    view: RefusalView,
    /// When the log tells of it again, in milliseconds.
    next_line_ms: u64,
}

/// The last refusals.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    key: RandomState,
    recent: Mutex<Recent>,
}

#[derive(Debug, Default)]
struct Recent {
    kept: HashMap<Reference, Kept>,
    /// Oldest first.
    order: VecDeque<Reference>,
    looked_into: Allowance,
    lines: Allowance,
}

/// How much of something was used up in a time.
#[derive(Clone, Copy, Debug, Default)]
struct Allowance {
    since_ms: u64,
    used: u32,
}

impl Allowance {
    fn take(&mut self, max: u32, every_ms: u64, now_ms: u64) -> bool {
        if now_ms.saturating_sub(self.since_ms) >= every_ms {
            *self = Self {
                since_ms: now_ms,
                used: 0,
            };
        }
        self.used = self.used.saturating_add(1);
        self.used <= max
    }
}

impl Refusals {
    /// Those that can be looked up, oldest first.
    pub(crate) fn views(&self) -> Vec<RefusalView> {
        let recent = self.recent.lock();
        let views = recent
            .order
            .iter()
            .filter_map(|reference| recent.kept.get(reference));
        views.map(|kept| kept.view.clone()).collect()
    }

    pub(crate) fn find(&self, reference: Reference) -> Option<RefusalView> {
        let recent = self.recent.lock();
        recent.kept.get(&reference).map(|kept| kept.view.clone())
    }

    /// Whether there is time to find out why.
    fn may_look_into(&self, now_ms: u64) -> bool {
        let allowance = &mut self.recent.lock().looked_into;
        allowance.take(LOOKED_INTO_MAX, 1000, now_ms)
    }

    /// Keeps one more; whether the log is to tell of it, and how often it was refused so far.
    fn note(&self, mut view: RefusalView, now_ms: u64) -> (Reference, Option<u64>) {
        let asked = (
            &view.client_id,
            &view.username,
            &view.request,
            &view.topic,
            &view.ground,
        );
        let hash = self.key.hash_one(asked);
        let [a, b, c, ..] = hash.to_le_bytes();
        let number = u32::from_le_bytes([a, b, c, 0]);
        let reference = Reference(NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN));
        view.reference = reference;
        let mut recent = self.recent.lock();
        let recent = &mut *recent;
        if !recent.kept.contains_key(&reference) {
            if recent.order.len() >= REFUSALS_MAX
                && let Some(oldest) = recent.order.pop_front()
            {
                recent.kept.remove(&oldest);
            }
            recent.order.push_back(reference);
        }
        let (peer, at) = (view.peer, view.at);
        let kept = recent.kept.entry(reference).or_insert(Kept {
            view,
            next_line_ms: 0,
        });
        kept.view.times += 1;
        (kept.view.peer, kept.view.at) = (peer, at);
        let is_due = kept.next_line_ms <= now_ms && recent.lines.take(LINES_MAX, LINES_MS, now_ms);
        if is_due {
            kept.next_line_ms = now_ms.saturating_add(SAME_MS);
        }
        (reference, is_due.then_some(kept.view.times))
    }
}

impl Core {
    /// `client` was refused something about `topic`, a Topic Name or Topic Filter: what it may be told to ask about.
    ///
    /// `asked` is what rights were asked about, where they were what refused it.
    #[cold]
    pub(crate) fn note_refused(
        &self,
        client: &ClientInfo,
        topic: &str,
        request: RequestRefused,
        asked: Option<&AccessRequest<'_>>,
        now_ms: u64,
    ) -> Option<Reference> {
        self.counters.refused(request);
        self.hub.request_refused(client, topic, request);
        let looks = asked.filter(|_| self.refusals.may_look_into(now_ms));
        let explanation = looks.and_then(|asked| self.access.explain(asked));
        let explanation = explanation.filter(|explanation| !explanation.is_allowed);
        let Some(Explanation { ground, .. }) = explanation else {
            self.tell_of_refusal(client, topic, request, now_ms);
            return None;
        };
        self.counters.denied(ground.label());
        let view = RefusalView {
            reference: Reference(NonZeroU32::MIN),
            client_id: client.client_id.clone(),
            username: client.username.clone(),
            peer: client.peer,
            request,
            topic: topic.into(),
            ground: ground.to_string().into(),
            times: 0,
            at: SystemTime::now(),
        };
        let (reference, times) = self.refusals.note(view, now_ms);
        if let Some(times) = times {
            let (client_id, username) = (&*client.client_id, client.username.as_deref());
            let peer = client.peer;
            tracing::info!(%reference, %request, client_id, username, %peer, topic, %ground, times, "request refused");
        }
        Some(reference)
    }

    fn tell_of_refusal(
        &self,
        client: &ClientInfo,
        topic: &str,
        request: RequestRefused,
        now_ms: u64,
    ) {
        let [publishes, subscribes] = &self.refusal_notices;
        let notice = match request {
            RequestRefused::Publish(_) => publishes,
            RequestRefused::Subscribe(_) => subscribes,
        };
        if let Some(times) = notice.due(1, now_ms) {
            let client_id = &*client.client_id;
            tracing::info!(cause = %request, client_id, topic, times, "request refused");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mqtt_codec::ReasonCode;

    fn view(topic: &str) -> RefusalView {
        RefusalView {
            reference: Reference(NonZeroU32::MIN),
            client_id: "c".into(),
            username: None,
            peer: "127.0.0.1:1".parse().unwrap(),
            request: RequestRefused::Publish(ReasonCode::NOT_AUTHORIZED),
            topic: topic.into(),
            ground: "acl:1".into(),
            times: 0,
            at: SystemTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn the_same_refusal_has_the_same_reference_and_one_line() {
        let refusals = Refusals::default();
        let (first, told) = refusals.note(view("a"), 5);
        assert_eq!(told, Some(1));
        let (again, told) = refusals.note(view("a"), 6);
        assert_eq!((again, told), (first, None));
        let (other, told) = refusals.note(view("b"), 6);
        assert!(other != first && told == Some(1));
        assert_eq!(refusals.note(view("a"), 5 + SAME_MS), (first, Some(3)));
        let text = first.to_string();
        assert_eq!(Reference::parse(&text), Some(first));
        assert_eq!(refusals.find(first).unwrap().times, 3);
        for wrong in ["", "12345", "1234567", "000000", "zzzzzz"] {
            assert_eq!(Reference::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn there_are_not_too_many_of_anything() {
        let refusals = Refusals::default();
        let lines = (0..2000).filter(|nth| {
            let topic = nth.to_string();
            refusals.note(view(&topic), 5).1.is_some()
        });
        assert_eq!(lines.count(), 20);
        assert_eq!(refusals.views().len(), REFUSALS_MAX);
        let looked_into = (0..3000).filter(|_| refusals.may_look_into(5));
        assert_eq!(looked_into.count(), 1000);
        assert!(refusals.may_look_into(1005));
    }
}
