//! Topic Aliases this side sets: which topics are worth one, for the life of one Network Connection.

use crate::stamp::append_publish_within;
use crate::{Negotiated, Output, SendRefusal, Stamp};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::num::NonZeroU16;
use mqtt_codec::{Publish, TopicName};

/// Aliases this side sets on one connection unless it is told otherwise.
pub const OUTBOUND_ALIASES_DEFAULT: u16 = 16;
/// Shorter Topic Names are sent in full: the alias would save next to nothing. Unit: bytes.
const NAME_LEN_MIN: usize = 8;
/// Longer Topic Names are sent in full, so that the table is bounded in bytes too.
const NAME_LEN_MAX: usize = 1024;
/// Sightings remembered of topics without an alias, per alias there is.
const SIGHTINGS_PER_ALIAS: u16 = 2;

/// A Topic Name with its hash, which one who sends to many computes once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AliasTopic<'a> {
    name: &'a str,
    hash: u32,
}

impl<'a> AliasTopic<'a> {
    /// Of `topic_name`, as PUBLISH would carry it.
    pub fn new(topic_name: &'a str) -> Self {
        // FNV-1a: names are short, and a collision costs a comparison only.
        let hash = topic_name.bytes().fold(0x811C_9DC5_u32, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        });
        Self {
            name: topic_name,
            hash,
        }
    }

    fn is_worth_one(self) -> bool {
        (NAME_LEN_MIN..=NAME_LEN_MAX).contains(&self.name.len())
    }
}

/// How a PUBLISH names its topic.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TopicForm {
    /// By its Topic Name.
    Name,
    /// By its Topic Name, which from now on this alias stands for.
    NameAndAlias(NonZeroU16),
    /// By an alias the peer knows; the Topic Name is empty.
    Alias(NonZeroU16),
}

impl TopicForm {
    /// The Topic Alias to write, if one is.
    pub const fn topic_alias(self) -> Option<NonZeroU16> {
        match self {
            Self::Name => None,
            Self::NameAndAlias(alias) | Self::Alias(alias) => Some(alias),
        }
    }

    /// Whether the Topic Name is written.
    pub const fn has_name(self) -> bool {
        !matches!(self, Self::Alias(_))
    }
}

#[derive(Clone, Debug)]
struct Entry {
    name: Box<str>,
    hash: u32,
    /// When it was sent last, in PUBLISH packets.
    used: u32,
}

/// A topic without an alias that was sent not long ago.
#[derive(Clone, Copy, Debug, Default)]
struct Sighting {
    hash: u32,
    /// When, in PUBLISH packets; 0 for never.
    seen: u32,
}

/// The aliases of one Network Connection.
///
/// A topic gets one the second time it is sent. When all are taken, it replaces the one unused for longest, but only
/// if that has not been sent since the topic was: topics that come round in a circle too large for the table leave
/// it as it is. Spec: v5 §3.3.2.3.4; a PUBLISH sent again on another connection has its Topic Name.
#[derive(Clone, Debug)]
pub struct OutboundAliases {
    /// INVARIANT: the alias of an entry is its place from 1; at most `maximum`.
    entries: Vec<Entry>,
    /// INVARIANT: empty or `maximum * SIGHTINGS_PER_ALIAS`; a topic is at its hash modulo the length.
    sightings: Vec<Sighting>,
    /// PUBLISH packets so far; wraps, which at worst costs an alias.
    sent: u32,
    maximum: u16,
}

impl OutboundAliases {
    /// None yet, of at most `own_max` that this side cares for and the peer's Topic Alias Maximum.
    ///
    /// Spec: v5 [MQTT-3.1.2-26], [MQTT-3.1.2-27], [MQTT-3.2.2-17], [MQTT-3.2.2-18].
    pub const fn new(own_max: u16, peer_topic_alias_maximum: u16) -> Self {
        Self {
            entries: Vec::new(),
            sightings: Vec::new(),
            sent: 0,
            maximum: match own_max < peer_topic_alias_maximum {
                true => own_max,
                false => peer_topic_alias_maximum,
            },
        }
    }

    /// The most aliases there will be.
    pub const fn maximum(&self) -> u16 {
        self.maximum
    }

    /// How to name `topic` now; call [`OutboundAliases::sent`] if the packet does leave so.
    pub fn plan(&self, topic: AliasTopic<'_>) -> TopicForm {
        if self.maximum == 0 || !topic.is_worth_one() {
            return TopicForm::Name;
        }
        if let Some(alias) = self.find(topic) {
            return TopicForm::Alias(alias);
        }
        let Some(age) = self.sighting_age(topic.hash) else {
            return TopicForm::Name;
        };
        match self.free(age) {
            Some(alias) => TopicForm::NameAndAlias(alias),
            None => TopicForm::Name,
        }
    }

    /// A PUBLISH to `topic` has been written as `form` says, which [`OutboundAliases::plan`] gave.
    pub fn sent(&mut self, topic: AliasTopic<'_>, form: TopicForm) {
        if self.maximum == 0 || !topic.is_worth_one() {
            return;
        }
        self.sent = self.sent.wrapping_add(1);
        let used = self.sent;
        match form {
            TopicForm::Name => self.see(topic.hash),
            TopicForm::Alias(alias) => {
                if let Some(entry) = self.entries.get_mut(place(alias)) {
                    entry.used = used;
                }
            }
            TopicForm::NameAndAlias(alias) => {
                let entry = Entry {
                    name: topic.name.into(),
                    hash: topic.hash,
                    used,
                };
                match self.entries.get_mut(place(alias)) {
                    Some(replaced) => *replaced = entry,
                    None => self.entries.push(entry),
                }
            }
        }
    }

    /// Encodes a first PUBLISH to the end of `out` as `stamp` says, by an alias if one is worth it and has room.
    pub(crate) fn append(
        &mut self,
        publish: &Publish<'_>,
        mut stamp: Stamp,
        negotiated: &Negotiated,
        out: &mut impl Output,
    ) -> Result<(), SendRefusal> {
        let topic = AliasTopic::new(publish.topic_name.map_or("", TopicName::as_str));
        stamp.topic = self.plan(topic);
        let mut write = |stamp: &Stamp| {
            stamp.show(publish, &[], |shown| {
                append_publish_within(shown, negotiated, out)
            })
        };
        let mut written = write(&stamp);
        if written.is_err() && matches!(stamp.topic, TopicForm::NameAndAlias(_)) {
            stamp.topic = TopicForm::Name;
            written = write(&stamp);
        }
        if written.is_ok() {
            self.sent(topic, stamp.topic);
        }
        written
    }

    fn find(&self, topic: AliasTopic<'_>) -> Option<NonZeroU16> {
        let found = self
            .entries
            .iter()
            .position(|entry| entry.hash == topic.hash && *entry.name == *topic.name)?;
        alias_at(found)
    }

    /// A place for a topic last sent `age` packets ago: a new one, or that of a topic unused for longer.
    fn free(&self, age: u32) -> Option<NonZeroU16> {
        if self.entries.len() < usize::from(self.maximum) {
            return alias_at(self.entries.len());
        }
        let unused_for = |entry: &Entry| self.sent.wrapping_sub(entry.used);
        let (at, oldest) = self
            .entries
            .iter()
            .enumerate()
            .max_by_key(|(_, entry)| unused_for(entry))?;
        (unused_for(oldest) > age).then(|| alias_at(at)).flatten()
    }

    /// How many packets ago a topic of this hash was sent without an alias.
    fn sighting_age(&self, hash: u32) -> Option<u32> {
        let sighting = self.sightings.get(self.sighting_at(hash)?)?;
        (sighting.hash == hash && sighting.seen != 0).then(|| self.sent.wrapping_sub(sighting.seen))
    }

    fn see(&mut self, hash: u32) {
        if self.sightings.is_empty() {
            let len = usize::from(self.maximum) * usize::from(SIGHTINGS_PER_ALIAS);
            self.sightings = alloc::vec![Sighting::default(); len];
        }
        let seen = self.sent;
        let at = self.sighting_at(hash);
        if let Some(sighting) = at.and_then(|at| self.sightings.get_mut(at)) {
            *sighting = Sighting { hash, seen };
        }
    }

    fn sighting_at(&self, hash: u32) -> Option<usize> {
        usize::try_from(hash)
            .ok()?
            .checked_rem(self.sightings.len())
    }
}

fn place(alias: NonZeroU16) -> usize {
    usize::from(alias.get()) - 1
}

fn alias_at(place: usize) -> Option<NonZeroU16> {
    u16::try_from(place + 1).ok().and_then(NonZeroU16::new)
}
