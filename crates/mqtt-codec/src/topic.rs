//! Topic Names and Topic Filters, checked once when made.

use core::fmt;

use crate::Malformed;
use crate::read;

/// Longest Topic Name or Topic Filter. Unit: bytes. Spec: v5 [MQTT-4.7.3-3].
const LEN_MAX: usize = 65_535;

/// What a Shared Subscription starts with. Spec: v5 §4.8.2.
const SHARE_PREFIX: &str = "$share/";

/// The name a message is published under: 1 to 65 535 bytes, no U+0000, no wildcard.
///
/// Spec: v5 §4.7, v3.1.1 §4.7.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[repr(transparent)]
pub struct TopicName<'a>(&'a str);

impl<'a> TopicName<'a> {
    /// Checks a Topic Name.
    ///
    /// # Errors
    /// Says which rule `text` breaks.
    #[inline]
    pub fn try_new(text: &'a str) -> Result<Self, TopicError> {
        if text.is_empty() {
            return Err(TopicError::Empty);
        }
        if text.len() > LEN_MAX {
            return Err(TopicError::TooLong);
        }
        if read::has_nul_or_wildcard(text.as_bytes()) {
            return Err(if text.as_bytes().contains(&0) {
                TopicError::NullCharacter
            } else {
                TopicError::Wildcard
            });
        }
        Ok(Self(text))
    }

    /// The Topic Name that `text` was found to be.
    #[cfg(feature = "bytes")]
    #[inline(always)]
    pub(crate) const fn of_checked(text: &'a str) -> Self {
        Self(text)
    }

    /// As [`TopicName::try_new`], without saying what is wrong.
    #[inline(always)]
    pub(crate) fn new(text: &'a str) -> Option<Self> {
        let valid = !text.is_empty()
            && text.len() <= LEN_MAX
            && !read::has_nul_or_wildcard(text.as_bytes());
        valid.then_some(Self(text))
    }

    /// The name as it is on the wire.
    #[must_use]
    #[inline]
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// Its levels, first to last; `"a//b"` has an empty one in the middle.
    #[inline]
    pub fn levels(self) -> impl DoubleEndedIterator<Item = &'a str> + Clone + use<'a> {
        self.0.split('/')
    }

    /// How many levels it has, at least 1.
    #[must_use]
    pub fn level_count(self) -> usize {
        level_count(self.0)
    }
}

/// What a subscription asks for: a Topic Name in which levels may be wildcards, or such a filter
/// behind `$share/{ShareName}/`.
///
/// The `$share/` form is checked in every version, although only v5 defines it: brokers offer it
/// to 3.1.1 clients too.
///
/// Spec: v5 §4.7, v5 §4.8.2, v3.1.1 §4.7.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[repr(transparent)]
pub struct TopicFilter<'a>(&'a str);

impl<'a> TopicFilter<'a> {
    /// Checks a Topic Filter.
    ///
    /// # Errors
    /// Says which rule `text` breaks.
    pub fn try_new(text: &'a str) -> Result<Self, TopicError> {
        if text.is_empty() {
            return Err(TopicError::Empty);
        }
        if text.len() > LEN_MAX {
            return Err(TopicError::TooLong);
        }
        let special = read::has_nul_or_wildcard(text.as_bytes());
        if special && read::has_nul(text.as_bytes()) {
            return Err(TopicError::NullCharacter);
        }
        if let Some(shared) = text.strip_prefix(SHARE_PREFIX) {
            check_shared(shared)?;
        } else if special {
            check_levels(text)?;
        }
        Ok(Self(text))
    }

    /// The filter as it is on the wire, with `$share/{ShareName}/` if it has that.
    #[must_use]
    #[inline]
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// Its levels, first to last, `$share` and ShareName among them.
    #[inline]
    pub fn levels(self) -> impl DoubleEndedIterator<Item = &'a str> + Clone + use<'a> {
        self.0.split('/')
    }

    /// How many levels it has, at least 1.
    #[must_use]
    pub fn level_count(self) -> usize {
        level_count(self.0)
    }

    /// Whether `+` or `#` is in it.
    #[must_use]
    pub fn has_wildcard(self) -> bool {
        read::has_nul_or_wildcard(self.0.as_bytes())
    }

    /// The two parts of a Shared Subscription; `None` for an ordinary filter.
    ///
    /// Spec: v5 §4.8.2.
    #[must_use]
    pub fn shared(self) -> Option<SharedFilter<'a>> {
        let (share_name, filter) = self.0.strip_prefix(SHARE_PREFIX)?.split_once('/')?;
        Some(SharedFilter {
            share_name,
            topic_filter: TopicFilter(filter),
        })
    }

    /// Whether a message with this Topic Name is for this subscription.
    ///
    /// A leading wildcard does not match a Topic Name that starts with `$`. Of a Shared
    /// Subscription the filter after the ShareName decides.
    ///
    /// Spec: v5 [MQTT-4.7.2-1], v5 §4.7.1.
    #[must_use]
    pub fn matches(self, topic_name: TopicName<'_>) -> bool {
        let filter = match self.shared() {
            Some(shared) => shared.topic_filter.0,
            None => self.0,
        };
        if topic_name.0.starts_with('$') && filter.starts_with(['+', '#']) {
            return false;
        }
        let mut names = topic_name.levels();
        for level in filter.split('/') {
            if level == "#" {
                return true;
            }
            match names.next() {
                Some(name) if level == "+" || level == name => {}
                _ => return false,
            }
        }
        names.next().is_none()
    }
}

/// A Shared Subscription taken apart.
///
/// Spec: v5 §4.8.2.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct SharedFilter<'a> {
    /// Which group of subscribers: at least one character, none of `/`, `+` and `#`.
    pub share_name: &'a str,
    /// What the group subscribes to.
    pub topic_filter: TopicFilter<'a>,
}

/// Why a text is no Topic Name or Topic Filter.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TopicError {
    /// Nothing there. Spec: v5 [MQTT-4.7.3-1].
    #[error("empty topic")]
    Empty,
    /// More than 65 535 bytes. Spec: v5 [MQTT-4.7.3-3].
    #[error("topic of more than 65535 bytes")]
    TooLong,
    /// Contains U+0000. Spec: v5 [MQTT-4.7.3-2].
    #[error("null character in a topic")]
    NullCharacter,
    /// `+` or `#` in a Topic Name. Spec: v5 [MQTT-4.7.0-1].
    #[error("wildcard in a topic name")]
    Wildcard,
    /// `#` not alone in the last level. Spec: v5 [MQTT-4.7.1-1].
    #[error("misplaced multi-level wildcard")]
    MultiLevelWildcard,
    /// `+` not alone in its level. Spec: v5 [MQTT-4.7.1-2].
    #[error("misplaced single-level wildcard")]
    SingleLevelWildcard,
    /// Not of the form `$share/{ShareName}/{filter}`. Spec: v5 [MQTT-4.8.2-1], v5 [MQTT-4.8.2-2].
    #[error("ill-formed shared subscription")]
    Shared,
}

impl TopicError {
    pub(crate) const fn in_topic_name(self) -> Malformed {
        match self {
            Self::Empty => Malformed::TopicNameEmpty,
            _ => self.in_topic_filter(),
        }
    }

    pub(crate) const fn in_topic_filter(self) -> Malformed {
        match self {
            Self::Empty => Malformed::TopicFilterEmpty,
            Self::NullCharacter => Malformed::NullCharacter,
            Self::Wildcard => Malformed::TopicNameWildcard,
            Self::MultiLevelWildcard => Malformed::MultiLevelWildcard,
            Self::SingleLevelWildcard => Malformed::SingleLevelWildcard,
            Self::Shared => Malformed::SharedFilterInvalid,
            // A length prefix cannot announce more, so this does not come from the wire.
            Self::TooLong => Malformed::Truncated,
        }
    }
}

impl fmt::Display for TopicName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Display for TopicFilter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// What stands behind `$share/`. Spec: v5 [MQTT-4.8.2-1], v5 [MQTT-4.8.2-2].
fn check_shared(shared: &str) -> Result<(), TopicError> {
    let (share_name, filter) = shared.split_once('/').ok_or(TopicError::Shared)?;
    let bad_name = share_name.is_empty() || share_name.contains(['+', '#']);
    if bad_name || filter.is_empty() {
        return Err(TopicError::Shared);
    }
    check_levels(filter)
}

/// Wildcards occupy whole levels, `#` the last one. Spec: v5 [MQTT-4.7.1-1], v5 [MQTT-4.7.1-2].
fn check_levels(filter: &str) -> Result<(), TopicError> {
    let bytes = filter.as_bytes();
    for (index, byte) in bytes.iter().enumerate() {
        if !matches!(byte, b'+' | b'#') {
            continue;
        }
        let before = index.checked_sub(1).and_then(|index| bytes.get(index));
        let after = bytes.get(index + 1);
        let alone = matches!((before, after), (None | Some(b'/'), None | Some(b'/')));
        if *byte == b'#' && !(alone && after.is_none()) {
            return Err(TopicError::MultiLevelWildcard);
        }
        if !alone {
            return Err(wrong_level(bytes.get(index..).unwrap_or_default()));
        }
    }
    Ok(())
}

/// What is wrong with a level in which `+` is not alone, from there on.
#[cold]
fn wrong_level(rest: &[u8]) -> TopicError {
    match rest.split(|byte| *byte == b'/').next() {
        Some(level) if level.contains(&b'#') => TopicError::MultiLevelWildcard,
        _ => TopicError::SingleLevelWildcard,
    }
}

fn level_count(text: &str) -> usize {
    1 + text.bytes().filter(|byte| *byte == b'/').count()
}
