//! Topic Aliases a peer sets, for the life of one Network Connection.

use crate::ProtocolError;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::num::NonZeroU16;

/// Topic Names the peer gave numbers to.
///
/// Bounded by the Topic Alias Maximum we announced; spec: v5 §3.3.2.3.4.
#[derive(Clone, Debug, Default)]
pub struct InboundAliases {
    topic_names: Vec<Option<Box<str>>>,
    topic_alias_maximum: u16,
}

impl InboundAliases {
    /// No aliases yet, `topic_alias_maximum` allowed; 0 means that none is.
    pub const fn new(topic_alias_maximum: u16) -> Self {
        Self {
            topic_names: Vec::new(),
            topic_alias_maximum,
        }
    }

    /// The Topic Name of a PUBLISH: sets the alias when `topic_name` is there, looks it up when it is not.
    ///
    /// # Errors
    /// [`ProtocolError::TopicAliasInvalid`] for an alias above the maximum or one not set on this connection.
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
            return self
                .topic_names
                .get(at)
                .and_then(Option::as_deref)
                .ok_or(invalid);
        };
        if self.topic_names.len() <= at {
            self.topic_names.resize(at + 1, None);
        }
        if let Some(slot) = self.topic_names.get_mut(at)
            && slot.as_deref() != Some(topic_name)
        {
            *slot = Some(topic_name.into());
        }
        Ok(topic_name)
    }
}
