//! Topic Aliases a peer sets, for the life of one Network Connection.

#[cfg(feature = "alloc")]
use crate::Heap;
use crate::storage::{TopicNameAt, TopicNames};
use crate::{ProtocolError, Storage};
use core::num::NonZeroU16;

/// Topic Names the peer gave numbers to.
///
/// Bounded by the Topic Alias Maximum we announced; spec: v5 §3.3.2.3.4.
#[derive(Clone, Debug)]
pub struct InboundAliases<
    #[cfg(feature = "alloc")] S: Storage = Heap,
    #[cfg(not(feature = "alloc"))] S: Storage,
> {
    topic_names: S::TopicNames,
    topic_alias_maximum: u16,
}

#[cfg(feature = "alloc")]
impl InboundAliases {
    /// No aliases yet, `topic_alias_maximum` allowed; 0 means that none is.
    pub const fn new(topic_alias_maximum: u16) -> Self {
        Self::with_storage(topic_alias_maximum)
    }
}

impl<S: Storage> InboundAliases<S> {
    /// As `new`, with its table in `S`.
    pub const fn with_storage(topic_alias_maximum: u16) -> Self {
        Self {
            topic_names: TopicNames::EMPTY,
            topic_alias_maximum,
        }
    }

    /// The Topic Name of a PUBLISH: sets the alias when `topic_name` is there, looks it up when it is not.
    ///
    /// # Errors
    /// [`ProtocolError::TopicAliasInvalid`] for an alias above the maximum or one not set on this connection;
    /// [`ProtocolError::TopicNameTooLong`] for one whose Topic Name found no room.
    pub fn resolve<'a>(
        &'a mut self,
        alias: NonZeroU16,
        topic_name: Option<&'a str>,
    ) -> Result<&'a str, ProtocolError> {
        let invalid = ProtocolError::TopicAliasInvalid { alias: alias.get() };
        if alias.get() > self.topic_alias_maximum {
            return Err(invalid);
        }
        let at = usize::from(alias.get() - 1);
        let Some(topic_name) = topic_name else {
            return match self.topic_names.get(at) {
                TopicNameAt::Name(topic_name) => Ok(topic_name),
                TopicNameAt::Nothing => Err(invalid),
                TopicNameAt::TooLong => Err(ProtocolError::TopicNameTooLong { alias: alias.get() }),
            };
        };
        if self.topic_names.get(at) != TopicNameAt::Name(topic_name) {
            self.topic_names.set(at, topic_name);
        }
        Ok(topic_name)
    }
}

impl<S: Storage> Default for InboundAliases<S> {
    fn default() -> Self {
        Self::with_storage(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alias(number: u16) -> NonZeroU16 {
        NonZeroU16::new(number).unwrap()
    }

    fn invalid(alias: u16) -> ProtocolError {
        ProtocolError::TopicAliasInvalid { alias }
    }

    /// Covers: v5 [MQTT-3.3.2-10], v5 [MQTT-3.3.2-12].
    #[test]
    fn v5_3_3_2_12_every_alias_up_to_the_maximum_is_understood() {
        let mut aliases = InboundAliases::new(3);
        for (number, name) in [(3, "c"), (1, "a"), (2, "b")] {
            assert_eq!(aliases.resolve(alias(number), Some(name)), Ok(name));
        }
        for (number, name) in [(1, "a"), (2, "b"), (3, "c")] {
            assert_eq!(aliases.resolve(alias(number), None), Ok(name));
        }
    }

    #[test]
    fn one_above_the_maximum_is_an_error_and_takes_no_memory() {
        for maximum in [0, 1, 3, 65_534] {
            let mut aliases = InboundAliases::new(maximum);
            let above = maximum + 1;
            assert_eq!(
                aliases.resolve(alias(above), Some("a")),
                Err(invalid(above))
            );
            assert_eq!(aliases.resolve(alias(above), None), Err(invalid(above)));
            assert!(aliases.topic_names.is_untouched());
        }
        let error = invalid(1).reason_code();
        assert_eq!(error, mqtt_codec::ReasonCode::TOPIC_ALIAS_INVALID);
    }

    #[test]
    fn an_alias_that_stands_for_nothing_is_an_error() {
        let mut aliases = InboundAliases::new(10);
        assert_eq!(aliases.resolve(alias(5), None), Err(invalid(5)));
        assert_eq!(aliases.resolve(alias(5), Some("a")), Ok("a"));
        assert_eq!(aliases.resolve(alias(4), None), Err(invalid(4)));
        assert_eq!(aliases.resolve(alias(6), None), Err(invalid(6)));
    }

    #[test]
    fn an_alias_can_be_set_anew() {
        let mut aliases = InboundAliases::new(u16::MAX);
        assert_eq!(aliases.resolve(alias(u16::MAX), Some("a")), Ok("a"));
        assert_eq!(aliases.resolve(alias(u16::MAX), Some("b")), Ok("b"));
        assert_eq!(aliases.resolve(alias(u16::MAX), None), Ok("b"));
    }
}
