//! Topics with their routes: the one each connection published to last, and many that a worker keeps for all its
//! connections.
//!
//! A topic that is found here costs the same however many other subscriptions there are.

use super::rights::LastRight;
use super::router::{Router, Routes};
use mqtt_codec::{OwnedTopicName, TopicName};
use std::sync::atomic::{AtomicU64, Ordering};

/// Sets of places, a power of two; a topic belongs to one of them.
const SETS: usize = 2048;
/// Places of a set.
const WAYS: usize = 4;
/// Routes that all topics of a worker may have together.
const ROUTES_MAX: usize = 64 * 1024;
/// Room for routes that is kept for the next topic, in routes.
const SPARE_ROUTES_MAX: usize = 1024;

/// The number of the next [`Holder`].
static NEXT_HOLDER: AtomicU64 = AtomicU64::new(1);

/// A connection with the rights it has now; another one when these are in doubt. Its number is never used again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Holder(u64);

impl Holder {
    /// One there has not been.
    fn next() -> Self {
        Self(NEXT_HOLDER.fetch_add(1, Ordering::Relaxed))
    }
}

/// A Topic Name with its routes.
#[derive(Debug)]
pub(crate) struct CachedTopic {
    pub(crate) topic_name: OwnedTopicName,
    pub(crate) routes: Routes,
    /// The right of `holder` to publish to it.
    pub(crate) right: LastRight,
    /// The connection that published to it last.
    pub(crate) holder: Holder,
    /// [`Router::hash`] of its name.
    hash: u64,
}

/// The topic a connection published to last.
///
/// It is taken out while a packet is handled: its name saves reading the next one, and is borrowed meanwhile.
#[derive(Debug, Default)]
pub(crate) struct LastTopic {
    last: Option<Box<CachedTopic>>,
    /// Another topic, of the packet in hand.
    used: Option<Box<CachedTopic>>,
}

/// The topics of a worker that are not the last of any connection.
///
/// Its places are in sets of four. A topic that finds its set full gets a place when it comes for the second time
/// in a row, so that topics that are all different do not push out those that come again.
#[derive(Debug, Default)]
pub(crate) struct TopicCache {
    /// None until there is a topic to keep.
    sets: Vec<Set>,
    /// [`WAYS`] for each set.
    places: Vec<Option<Box<CachedTopic>>>,
    /// Routes of all places together.
    routes: usize,
    /// One that found no place, for its memory.
    spare: Option<Box<CachedTopic>>,
    /// The generation of the router that `to_check` is about.
    generation: u64,
    /// Sets that may have places of an older generation.
    to_check: usize,
}

#[derive(Clone, Debug, Default)]
struct Set {
    /// A part of the hash of what is in each place; 0 where nothing is.
    tags: [u16; WAYS],
    /// The tag of the last topic that found no place.
    candidate: u16,
    /// Whose turn it is to make room.
    next: u16,
}

impl LastTopic {
    /// The topic that the next packet is most likely for, to be given back by [`LastTopic::put`].
    #[inline(always)]
    pub(crate) fn take(&mut self) -> Option<Box<CachedTopic>> {
        self.last.take()
    }

    /// Gives back what [`LastTopic::take`] took, in favour of a topic that was asked for since.
    #[inline(always)]
    pub(crate) fn put(&mut self, last: Option<Box<CachedTopic>>, cache: &mut TopicCache) {
        self.last = match self.used.take() {
            None => last,
            Some(used) => {
                cache.give(last);
                Some(used)
            }
        };
    }

    /// Whether anything was published yet.
    pub(crate) fn is_used(&self) -> bool {
        self.last.is_some()
    }

    /// The routes of the topic that was published to last.
    pub(crate) fn routes(&self) -> Option<&Routes> {
        self.last.as_ref().map(|last| &last.routes)
    }

    /// The client is to be asked about again.
    pub(crate) fn forget_right(&mut self) {
        let holder = Holder::next();
        for topic in self.last.iter_mut().chain(&mut self.used) {
            topic.right = LastRight::NONE;
            topic.holder = holder;
        }
    }

    /// The right of `holder` to publish to a topic that is not the one taken out, as far as it is remembered.
    #[inline(never)]
    pub(crate) fn right(
        &mut self,
        cache: &mut TopicCache,
        router: &Router,
        topic_name: TopicName<'_>,
        holder: Holder,
    ) -> LastRight {
        let hash = router.hash(topic_name.as_str());
        let Some(found) = cache.find(hash, topic_name) else {
            return LastRight::NONE;
        };
        if found.holder != holder {
            let mut found = found;
            found.right = LastRight::NONE;
            found.holder = holder;
            self.used = Some(found);
            return LastRight::NONE;
        }
        self.used.insert(found).right
    }

    /// The routes of a topic that is not the one taken out; `right` to publish to it is new, if there is one.
    #[inline(never)]
    pub(crate) fn other(
        &mut self,
        cache: &mut TopicCache,
        router: &Router,
        topic_name: TopicName<'_>,
        right: LastRight,
        holder: Option<Holder>,
    ) -> &Routes {
        let used = match self.used.take() {
            Some(mut found) if found.topic_name.as_topic_name() == topic_name => {
                cache.check_some(router);
                found.routes.refresh(router, topic_name.as_str());
                if right != LastRight::NONE {
                    found.right = right;
                }
                found
            }
            found => {
                cache.give(found);
                let mut used = cache.take(router, topic_name);
                used.right = right;
                used.holder = holder.unwrap_or_else(Holder::next);
                used
            }
        };
        &self.used.insert(used).routes
    }
}

impl TopicCache {
    /// A topic with its routes as they are now.
    fn take(&mut self, router: &Router, topic_name: TopicName<'_>) -> Box<CachedTopic> {
        self.check_some(router);
        let hash = router.hash(topic_name.as_str());
        if let Some(mut found) = self.find(hash, topic_name) {
            found.routes.refresh(router, topic_name.as_str());
            return found;
        }
        match self.spare.take() {
            Some(mut spare) => {
                spare.topic_name = topic_name.into();
                spare.hash = hash;
                router.look_up(topic_name.as_str(), hash, &mut spare.routes);
                spare
            }
            None => {
                let mut routes = Routes::default();
                router.look_up(topic_name.as_str(), hash, &mut routes);
                Box::new(CachedTopic {
                    topic_name: topic_name.into(),
                    routes,
                    right: LastRight::NONE,
                    holder: Holder(0),
                    hash,
                })
            }
        }
    }

    /// Takes a topic out of its place.
    fn find(&mut self, hash: u64, topic_name: TopicName<'_>) -> Option<Box<CachedTopic>> {
        let at = set_of(hash);
        let set = self.sets.get_mut(at)?;
        let places = self.places.get_mut(at * WAYS..)?;
        for (tag, place) in set.tags.iter_mut().zip(places) {
            let is_it =
                |topic: &mut Box<CachedTopic>| topic.topic_name.as_topic_name() == topic_name;
            if *tag == tag_of(hash)
                && let Some(found) = place.take_if(is_it)
            {
                *tag = 0;
                self.routes -= found.routes.len();
                return Some(found);
            }
        }
        None
    }

    /// Keeps a topic, if there is a place for it.
    fn give(&mut self, topic: Option<Box<CachedTopic>>) {
        let Some(topic) = topic else { return };
        if self.sets.is_empty() {
            self.sets = vec![Set::default(); SETS];
            self.places.resize_with(SETS * WAYS, || None);
        }
        let (at, tag) = (set_of(topic.hash), tag_of(topic.hash));
        let Some(set) = self.sets.get_mut(at) else {
            return;
        };
        let way = match set.tags.iter().position(|tag| *tag == 0) {
            _ if self.routes + topic.routes.len() > ROUTES_MAX => None,
            Some(free) => Some(free),
            None if set.candidate == tag => {
                set.next = set.next.wrapping_add(1);
                Some(usize::from(set.next) % WAYS)
            }
            None => None,
        };
        let place = way.and_then(|way| {
            let place = self.places.get_mut(at * WAYS + way)?;
            Some((place, set.tags.get_mut(way)?))
        });
        set.candidate = tag;
        let without = match place {
            None => Some(topic),
            Some((place, place_tag)) => {
                *place_tag = tag;
                self.routes += topic.routes.len();
                place.replace(topic).inspect(|before| {
                    self.routes -= before.routes.len();
                })
            }
        };
        if let Some(mut without) = without
            && without.routes.capacity() <= SPARE_ROUTES_MAX
        {
            without.routes.clear();
            self.spare = Some(without);
        }
    }

    /// Frees places of topics whose routes have changed, some at a time: they may be the last to hold a session.
    #[inline(always)]
    fn check_some(&mut self, router: &Router) {
        let generation = router.generation();
        if self.generation != generation {
            self.generation = generation;
            self.to_check = self.sets.len();
        }
        if self.to_check > 0 {
            self.check_one();
        }
    }

    #[cold]
    fn check_one(&mut self) {
        self.to_check -= 1;
        let at = self.to_check;
        let Some(set) = self.sets.get_mut(at) else {
            return;
        };
        let places = self.places.get_mut(at * WAYS..).unwrap_or_default();
        for (tag, place) in set.tags.iter_mut().zip(places) {
            let is_old = |topic: &mut Box<CachedTopic>| !topic.routes.is_of(self.generation);
            if let Some(old) = place.take_if(is_old) {
                *tag = 0;
                self.routes -= old.routes.len();
            }
        }
    }
}

fn set_of(hash: u64) -> usize {
    usize::try_from(hash).unwrap_or(usize::MAX) % SETS
}

/// Of bits that do not choose the set; not 0.
fn tag_of(hash: u64) -> u16 {
    let [high, low, ..] = hash.to_be_bytes();
    u16::from_be_bytes([high, low]) | 1
}

#[cfg(test)]
mod tests;
