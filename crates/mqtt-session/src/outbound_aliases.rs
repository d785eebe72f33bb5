//! Topic Aliases this side sets: which topics are worth one, for the life of one Network Connection.

#[cfg(feature = "alloc")]
use crate::Heap;
use crate::stamp::{append_publish_within, check_len};
use crate::storage::{Queue, TopicNameAt, TopicNames};
use crate::{Negotiated, Output, SendRefusal, Stamp, Storage};
use core::fmt;
use core::num::NonZeroU16;
use mqtt_codec::{AliasedHead, Delivery, EncodeError, Publish, TopicName};

/// Aliases this side sets on one connection unless it is told otherwise.
pub const OUTBOUND_ALIASES_DEFAULT: u16 = 16;
/// The most aliases this side sets on one connection: each PUBLISH looks through all.
const ALIASES_MAX: u16 = 256;
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

    fn is_worth_one<S: Storage>(self) -> bool {
        let len_max = NAME_LEN_MAX.min(S::TopicNames::NAME_LEN_MAX);
        (NAME_LEN_MIN..=len_max).contains(&self.name.len())
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

/// A topic with an alias.
#[derive(Clone, Copy, Debug)]
struct Entry {
    hash: u32,
    /// When it was sent last, in PUBLISH packets.
    used: u32,
}

/// A topic without an alias that was sent not long ago.
#[derive(Clone, Copy, Debug)]
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
pub struct OutboundAliases<
    #[cfg(feature = "alloc")] S: Storage = Heap,
    #[cfg(not(feature = "alloc"))] S: Storage,
> {
    /// INVARIANT: the alias of an entry is its place from 1; at most `maximum`.
    entries: S::Aliases<Entry>,
    /// INVARIANT: those of `entries`, each at the same place.
    names: S::TopicNames,
    /// INVARIANT: empty, or as long as it will be; a topic is at its hash modulo the length.
    sightings: S::Sightings<Sighting>,
    /// PUBLISH packets so far; wraps, which at worst costs an alias.
    sent: u32,
    maximum: u16,
    /// The alias that was sent last, alone; whose name comes next is likely to be the same.
    last: Option<NonZeroU16>,
}

#[cfg(feature = "alloc")]
impl OutboundAliases {
    /// None yet, of at most `own_max` that this side cares for (256 is the most) and the peer's Topic Alias Maximum.
    ///
    /// Spec: v5 [MQTT-3.1.2-26], [MQTT-3.1.2-27], [MQTT-3.2.2-17], [MQTT-3.2.2-18].
    pub fn new(own_max: u16, peer_topic_alias_maximum: u16) -> Self {
        Self::with_storage(own_max, peer_topic_alias_maximum)
    }
}

impl<S: Storage> OutboundAliases<S> {
    /// As `new`, with its tables in `S`, which may have room for fewer.
    pub fn with_storage(own_max: u16, peer_topic_alias_maximum: u16) -> Self {
        let room = u16::try_from(S::TOPIC_ALIAS_MAXIMUM).unwrap_or(u16::MAX);
        let maximum = own_max.min(peer_topic_alias_maximum);
        Self {
            entries: Queue::EMPTY,
            names: TopicNames::EMPTY,
            sightings: Queue::EMPTY,
            sent: 0,
            maximum: maximum.min(ALIASES_MAX).min(room),
            last: None,
        }
    }

    /// The most aliases there will be.
    pub const fn maximum(&self) -> u16 {
        self.maximum
    }

    /// How to name `topic` now; call [`OutboundAliases::sent`] if the packet does leave so.
    pub fn plan(&self, topic: AliasTopic<'_>) -> TopicForm {
        if self.maximum == 0 || !topic.is_worth_one::<S>() {
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
        if self.maximum == 0 || !topic.is_worth_one::<S>() {
            return;
        }
        self.sent = self.sent.wrapping_add(1);
        let entry = Entry {
            hash: topic.hash,
            used: self.sent,
        };
        match form {
            TopicForm::Name => self.see(topic.hash),
            TopicForm::Alias(alias) => {
                if let Some(known) = self.entries.get_mut(place(alias)) {
                    *known = entry;
                }
                self.last = Some(alias);
            }
            TopicForm::NameAndAlias(alias) => {
                let is_kept = match self.entries.get_mut(place(alias)) {
                    Some(replaced) => {
                        *replaced = entry;
                        true
                    }
                    None => self.entries.push_back(entry).is_ok(),
                };
                if is_kept {
                    self.names.set(place(alias), topic.name);
                }
            }
        }
    }

    /// Forgets all: a packet that set one has not left after all. What the peer knows is set anew.
    pub fn forget(&mut self) {
        self.entries = Queue::EMPTY;
        self.names = TopicNames::EMPTY;
    }

    /// Encodes a first PUBLISH to the end of `out` as `stamp` says, by an alias if one is worth it and has room.
    pub(crate) fn append(
        &mut self,
        publish: &Publish<'_>,
        mut stamp: Stamp,
        negotiated: &Negotiated,
        out: &mut impl Output,
    ) -> Result<(), SendRefusal> {
        let topic_name = publish.topic_name.map_or("", TopicName::as_str);
        let is_plain = stamp.expiry_left_s.is_none() && !stamp.dup && publish.properties.is_empty();
        if is_plain && let Some(alias) = self.again(topic_name.as_bytes()) {
            let (delivery, retain) = (stamp.delivery, publish.retain);
            let head = AliasedHead::new(delivery, retain, alias, publish.payload.len())?;
            return self.append_again(&head, alias, publish.payload, negotiated, out);
        }
        let topic = AliasTopic::new(topic_name);
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

    /// The alias of `topic_name`, if it was the last one sent: found without its hash.
    fn again(&self, topic_name: &[u8]) -> Option<NonZeroU16> {
        let is_it = |alias: &NonZeroU16| match self.names.get(place(*alias)) {
            TopicNameAt::Name(name) => name.as_bytes() == topic_name,
            _ => false,
        };
        self.last.filter(is_it)
    }

    /// Encodes a first PUBLISH of QoS 0 without properties to the end of `out`, if it goes where the last one went by
    /// its alias; whether that was done.
    pub(crate) fn append_plain(
        &mut self,
        topic_name: &[u8],
        retain: bool,
        payload: &[u8],
        negotiated: &Negotiated,
        out: &mut impl Output,
    ) -> bool {
        let Some(alias) = self.again(topic_name) else {
            return false;
        };
        let head = AliasedHead::new(Delivery::AtMostOnce, retain, alias, payload.len());
        head.is_ok_and(|head| {
            let written = self.append_again(&head, alias, payload, negotiated, out);
            written.is_ok()
        })
    }

    /// Encodes a PUBLISH without properties that goes where the last one went.
    fn append_again(
        &mut self,
        head: &AliasedHead,
        alias: NonZeroU16,
        payload: &[u8],
        negotiated: &Negotiated,
        out: &mut impl Output,
    ) -> Result<(), SendRefusal> {
        let at = out.len();
        let needed = head.packet_len();
        check_len(needed, negotiated)?;
        let has_room = out.room() >= needed;
        if !has_room || !out.extend_from(head.as_bytes()) || !out.extend_from(payload) {
            out.truncate(at);
            return Err(EncodeError::BufferTooSmall { needed }.into());
        }
        self.sent = self.sent.wrapping_add(1);
        if let Some(entry) = self.entries.get_mut(place(alias)) {
            entry.used = self.sent;
        }
        Ok(())
    }

    fn find(&self, topic: AliasTopic<'_>) -> Option<NonZeroU16> {
        let mut entries = self.entries.iter().enumerate();
        let (found, _) = entries.find(|(at, entry)| {
            entry.hash == topic.hash && self.names.get(*at) == TopicNameAt::Name(topic.name)
        })?;
        alias_at(found)
    }

    /// A place for a topic last sent `age` packets ago: a new one, or that of a topic unused for longer.
    fn free(&self, age: u32) -> Option<NonZeroU16> {
        if self.entries.len() < usize::from(self.maximum) {
            return alias_at(self.entries.len());
        }
        let unused_for = |entry: &Entry| self.sent.wrapping_sub(entry.used);
        let entries = self.entries.iter().enumerate();
        let (at, oldest) = entries.max_by_key(|(_, entry)| unused_for(entry))?;
        match unused_for(oldest) > age {
            true => alias_at(at),
            false => None,
        }
    }

    /// How many packets ago a topic of this hash was sent without an alias.
    fn sighting_age(&self, hash: u32) -> Option<u32> {
        let sighting = self.sightings.get(self.sighting_at(hash)?)?;
        (sighting.hash == hash && sighting.seen != 0).then(|| self.sent.wrapping_sub(sighting.seen))
    }

    fn see(&mut self, hash: u32) {
        let len = usize::from(self.maximum) * usize::from(SIGHTINGS_PER_ALIAS);
        let nothing = Sighting { hash: 0, seen: 0 };
        while self.sightings.len() < len && self.sightings.push_back(nothing).is_ok() {}
        let seen = self.sent;
        let at = self.sighting_at(hash);
        if let Some(sighting) = at.and_then(|at| self.sightings.get_mut(at)) {
            *sighting = Sighting { hash, seen };
        }
    }

    fn sighting_at(&self, hash: u32) -> Option<usize> {
        let len = self.sightings.len();
        usize::try_from(hash).ok()?.checked_rem(len)
    }
}

impl<S: Storage> Clone for OutboundAliases<S> {
    fn clone(&self) -> Self {
        Self {
            entries: self.entries.duplicate(),
            names: self.names.clone(),
            sightings: self.sightings.duplicate(),
            ..*self
        }
    }
}

impl<S: Storage> fmt::Debug for OutboundAliases<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboundAliases")
            .field("len", &self.entries.len())
            .field("maximum", &self.maximum)
            .finish_non_exhaustive()
    }
}

fn place(alias: NonZeroU16) -> usize {
    usize::from(alias.get()) - 1
}

fn alias_at(place: usize) -> Option<NonZeroU16> {
    u16::try_from(place + 1).ok().and_then(NonZeroU16::new)
}
