//! Shared Subscriptions: one group of sessions, each message for one of them.
//!
//! Who gets a message is decided per message, under the group's own lock, and only the group knows its
//! members: sessions that come and go change nothing in the routing table, so cached routes stay right.

use super::limits::Limits;
use super::session_cell::{SessionCell, SessionKey};
use super::standing::Standing;
use super::subscription::{Share, Via};
use mqtt_codec::{SubscriptionIdentifier, SubscriptionOptions};
use parking_lot::Mutex;
use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::Ordering;

#[cfg(test)]
mod tests;

/// Random picks tried before the members that can take a message are counted.
const PROBES: usize = 4;

/// How a message for a Shared Subscription finds its member.
///
/// Whatever the strategy, members with a connection come before those without, and members with room in
/// their queue before those without.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum SharedStrategy {
    /// One after the other, in turn for the whole group.
    #[default]
    RoundRobin,
    /// Any, with equal chances.
    Random,
    /// The one that got the last message, as long as it is connected.
    Sticky,
    /// By the Client Identifier of the publisher: the same one as long as the members stay the same.
    HashClientId,
    /// By the Topic Name: the same one as long as the members stay the same.
    HashTopic,
    /// The one with the fewest messages waiting or not yet acknowledged.
    LeastInflight,
}

/// Names a group for as long as it exists; never given out twice.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct GroupKey(pub(crate) u64);

/// How a message travels whose member is to be picked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sender<'a> {
    /// The publisher's Client Identifier.
    pub(crate) publisher_id: &'a str,
    pub(crate) topic_name: &'a str,
}

/// One session in a group.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) cell: Arc<SessionCell>,
    pub(crate) options: SubscriptionOptions,
    /// Its Subscription Identifier, and the way back to the group.
    pub(crate) via: Via,
}

/// A member that was picked.
#[derive(Debug)]
pub(crate) struct Picked {
    pub(crate) member: Member,
    /// Whether it was connected when it was picked.
    pub(crate) was_connected: bool,
}

impl Picked {
    pub(crate) fn share(&self) -> Share<'_> {
        Share {
            cell: &self.member.cell,
            qos: self.member.options.qos,
            retain_as_published: self.member.options.retain_as_published,
            via: &self.member.via,
        }
    }
}

/// All sessions with the same Shared Subscription.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) key: GroupKey,
    /// The whole Topic Filter, `$share/` and the ShareName with it.
    pub(crate) topic_filter: Arc<str>,
    strategy: SharedStrategy,
    members: Mutex<Members>,
}

#[derive(Debug)]
struct Members {
    list: Vec<Member>,
    /// Whose turn it is, as a place in `list`.
    next: usize,
    sticky: Option<SessionKey>,
    /// State of the random numbers, never 0.
    random: u64,
}

/// What can be given to members without passing the bounds of their queues.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Room {
    messages: usize,
    bytes: usize,
}

impl Room {
    pub(crate) const fn is_none(self) -> bool {
        self.messages == 0 || self.bytes == 0
    }

    /// Takes the place of one message of `size` bytes, if there is one.
    pub(crate) const fn take(&mut self, size: usize) -> bool {
        if self.messages == 0 || self.bytes < size {
            // Nor does a later one go: it would overtake this one.
            self.messages = 0;
            return false;
        }
        self.messages -= 1;
        self.bytes -= size;
        true
    }
}

/// How well a member suits, best first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Class {
    Connected,
    ConnectedFull,
    Away,
    AwayFull,
}

impl Group {
    /// A group without members; `seed` decides what is random about it.
    pub(crate) fn new(
        key: GroupKey,
        topic_filter: &str,
        strategy: SharedStrategy,
        seed: u64,
    ) -> Self {
        Self {
            key,
            topic_filter: topic_filter.into(),
            strategy,
            members: Mutex::new(Members {
                list: Vec::new(),
                next: 0,
                sticky: None,
                random: mix(seed ^ mix(key.0)).max(1),
            }),
        }
    }

    /// Adds a member or replaces its options; `true` when it is new.
    ///
    /// Spec: v5 §4.8.2: a second SUBSCRIBE does not make a session a member twice.
    pub(crate) fn join(
        self: &Arc<Self>,
        cell: &Arc<SessionCell>,
        options: SubscriptionOptions,
        subscription_id: Option<SubscriptionIdentifier>,
    ) -> bool {
        let member = Member {
            cell: Arc::clone(cell),
            options,
            via: Via::group(self, subscription_id),
        };
        let mut members = self.members.lock();
        let known = members
            .list
            .iter_mut()
            .find(|known| known.cell.key == cell.key);
        match known {
            Some(known) => {
                *known = member;
                false
            }
            None => {
                members.list.push(member);
                true
            }
        }
    }

    /// Removes a member; `false` when it was none.
    pub(crate) fn leave(&self, key: SessionKey) -> bool {
        let mut members = self.members.lock();
        let Some(at) = members.list.iter().position(|one| one.cell.key == key) else {
            return false;
        };
        members.list.remove(at);
        if at < members.next {
            members.next -= 1;
        }
        true
    }

    /// Members.
    pub(crate) fn len(&self) -> usize {
        self.members.lock().list.len()
    }

    /// How much the members that are connected can still be given.
    pub(crate) fn room(&self, limits: &Limits) -> Room {
        let mut room = Room::default();
        for cell in self.cells(|standing| standing.is_connected() && !standing.is_full()) {
            let state = cell.state.lock();
            if state.connected && !state.ended {
                let (messages, bytes) = match &state.queue {
                    None => (limits.queue_len_max, limits.queue_bytes_max),
                    Some(queue) => queue.room(limits),
                };
                room.messages = room.messages.saturating_add(messages);
                // The last message may find its member a little too full.
                room.bytes = room.bytes.saturating_add(bytes / 2);
            }
        }
        room
    }

    /// Members without a connection for whom messages wait.
    pub(crate) fn laden(&self) -> Vec<Arc<SessionCell>> {
        self.cells(|standing| standing.is_offline() && standing.makes_wait())
    }

    fn cells(&self, is_wanted: impl Fn(Standing) -> bool) -> Vec<Arc<SessionCell>> {
        let members = self.members.lock();
        let cells = members.list.iter().map(|member| &member.cell);
        let wanted = cells.filter(|cell| is_wanted(cell.standing.load(Ordering::Relaxed)));
        wanted.cloned().collect()
    }

    /// How the member stands that suits best.
    pub(crate) fn best(&self) -> Option<Standing> {
        let members = self.members.lock();
        let (at, _) = members.classes().min_by_key(|(_, class)| *class)?;
        let member = members.list.get(at)?;
        Some(member.cell.standing.load(Ordering::Relaxed))
    }

    /// A connected member, when all that are connected have full queues.
    pub(crate) fn stuck(&self) -> Option<Arc<SessionCell>> {
        let members = self.members.lock();
        let (at, class) = members.classes().min_by_key(|(_, class)| *class)?;
        let member = members.list.get(at)?;
        (class == Class::ConnectedFull).then(|| Arc::clone(&member.cell))
    }

    /// The member that gets the next message; none when there is no member.
    ///
    /// Spec: v5 §4.8.2.
    pub(crate) fn pick(&self, sender: Sender<'_>) -> Option<Picked> {
        let mut members = self.members.lock();
        let (at, class) = match self.strategy {
            SharedStrategy::RoundRobin => members.in_turn(),
            SharedStrategy::Random => members.at_random(),
            SharedStrategy::Sticky => members.as_before(),
            SharedStrategy::HashClientId => members.by_hash(hash_of(sender.publisher_id)),
            SharedStrategy::HashTopic => members.by_hash(hash_of(sender.topic_name)),
            SharedStrategy::LeastInflight => members.least_loaded(),
        }?;
        let member = members.list.get(at)?;
        Some(Picked {
            member: member.clone(),
            was_connected: class < Class::Away,
        })
    }
}

impl Members {
    fn classes(&self) -> impl Iterator<Item = (usize, Class)> {
        let classes = self.list.iter().map(class).enumerate();
        classes.filter_map(|(at, class)| Some((at, class?)))
    }

    fn class_at(&self, at: usize) -> Option<Class> {
        self.list.get(at).and_then(class)
    }

    fn best(&self) -> Option<Class> {
        self.classes().map(|(_, class)| class).min()
    }

    fn in_turn(&mut self) -> Option<(usize, Class)> {
        let len = self.list.len();
        if self.next >= len {
            self.next = 0;
        }
        let mut found = None;
        if self.class_at(self.next) == Some(Class::Connected) {
            found = Some((self.next, Class::Connected));
        } else {
            // From the one whose turn it is, so that equals come in turn.
            for at in (self.next..len).chain(0..self.next) {
                let Some(class) = self.class_at(at) else {
                    continue;
                };
                if found.is_none_or(|(_, best)| class < best) {
                    found = Some((at, class));
                }
                if class == Class::Connected {
                    break;
                }
            }
        }
        self.next = found?.0 + 1;
        found
    }

    fn at_random(&mut self) -> Option<(usize, Class)> {
        let len = self.list.len();
        if len == 0 {
            return None;
        }
        for _ in 0..PROBES {
            let at = self.below(len);
            if self.class_at(at) == Some(Class::Connected) {
                return Some((at, Class::Connected));
            }
        }
        let best = self.best()?;
        let equals = self.classes().filter(|(_, class)| *class == best).count();
        let nth = self.below(equals);
        self.classes().filter(|(_, class)| *class == best).nth(nth)
    }

    fn as_before(&mut self) -> Option<(usize, Class)> {
        let at = self.sticky.and_then(|sticky| {
            let place = self.list.iter().position(|one| one.cell.key == sticky);
            place.filter(|at| self.class_at(*at) == Some(Class::Connected))
        });
        if let Some(at) = at {
            return Some((at, Class::Connected));
        }
        let best = self.best()?;
        let stays = self.classes().find(|(at, class)| {
            let key = self.list.get(*at).map(|member| member.cell.key);
            *class == best && key == self.sticky
        });
        let found = match stays {
            Some(stays) => Some(stays),
            None => self.at_random(),
        };
        self.sticky = found
            .and_then(|(at, _)| self.list.get(at))
            .map(|member| member.cell.key);
        found
    }

    /// The member that draws the highest number for `hash`: when one leaves, only its share moves.
    fn by_hash(&self, hash: u64) -> Option<(usize, Class)> {
        let draw = |at: usize| {
            let key = self.list.get(at).map_or(0, |member| member.cell.key.0);
            mix(hash ^ mix(key))
        };
        let best = |(at, class): &(usize, Class)| (*class, std::cmp::Reverse(draw(*at)));
        self.classes().min_by_key(best)
    }

    fn least_loaded(&mut self) -> Option<(usize, Class)> {
        let len = self.list.len();
        let start = if self.next >= len { 0 } else { self.next };
        let mut found: Option<(usize, Class, usize)> = None;
        for at in (start..len).chain(0..start) {
            let (Some(class), Some(member)) = (self.class_at(at), self.list.get(at)) else {
                continue;
            };
            if found.is_some_and(|(_, best, _)| class > best) {
                continue;
            }
            let load = member.cell.state.lock().load();
            if found.is_none_or(|(_, best, least)| class < best || load < least) {
                found = Some((at, class, load));
            }
        }
        let (at, class, _) = found?;
        self.next = at + 1;
        Some((at, class))
    }

    /// A random number below `bound`, 0 when there is none.
    fn below(&mut self, bound: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let bound = u64::try_from(bound).unwrap_or(u64::MAX).max(1);
        usize::try_from(mix(self.random) % bound).unwrap_or(0)
    }
}

/// How well a member suits; none when its session has ended.
fn class(member: &Member) -> Option<Class> {
    let standing = member.cell.standing.load(Ordering::Relaxed);
    if standing.is_ended() {
        return None;
    }
    Some(match (standing.is_connected(), standing.is_full()) {
        (true, false) => Class::Connected,
        (true, true) => Class::ConnectedFull,
        (false, false) => Class::Away,
        (false, true) => Class::AwayFull,
    })
}

/// A number the broker's groups are seeded with when nobody asks for a certain one.
pub(crate) fn any_seed() -> u64 {
    RandomState::new().hash_one(0)
}

fn hash_of(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// Spreads every bit of a number over all of it.
const fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
