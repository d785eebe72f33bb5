//! A Topic Name that outlives the packet it was read from.

use alloc::boxed::Box;

use crate::TopicName;

/// A Topic Name on the heap, checked when it was read; only with the feature `bytes`.
///
/// Made for who keeps the names a client publishes to: see [`Publish::decode_known`].
///
/// ```
/// # use mqtt_codec::{OwnedTopicName, TopicName};
/// let kept = OwnedTopicName::from(TopicName::try_new("a/b")?);
/// assert_eq!(kept.as_topic_name().as_str(), "a/b");
/// # Ok::<(), mqtt_codec::TopicError>(())
/// ```
///
/// [`Publish::decode_known`]: crate::Publish::decode_known
///
/// Spec: v5 §4.7, v3.1.1 §4.7.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct OwnedTopicName(
    /// INVARIANT: was a [`TopicName`].
    Box<str>,
);

impl OwnedTopicName {
    /// The name, not checked again.
    #[must_use]
    #[inline(always)]
    pub fn as_topic_name(&self) -> TopicName<'_> {
        TopicName::of_checked(&self.0)
    }
}

impl From<TopicName<'_>> for OwnedTopicName {
    fn from(topic_name: TopicName<'_>) -> Self {
        Self(topic_name.as_str().into())
    }
}
