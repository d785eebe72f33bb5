//! Outgoing properties: what was received, changed where it must be, without copying it.

use crate::{Properties, Property, PropertyId, PropertySet, SubscriptionIdentifier};

/// Properties to send, made of a received block and changes to it.
///
/// Order on the wire: what is left of `base`, then `set`, then `subscription_ids`.
///
/// Spec: v5 §2.2.2.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct PropertyList<'a> {
    /// What to start from: usually the block of the packet that is passed on.
    pub base: Properties<'a>,
    /// Properties of `base` to leave out.
    pub without: PropertySet,
    /// Properties to send. One that may appear only once replaces that of `base`; User Properties
    /// and Subscription Identifiers are added to those of `base`.
    pub set: &'a [Property<'a>],
    /// Subscription Identifiers to add, for a broker that has a list of them.
    pub subscription_ids: &'a [SubscriptionIdentifier],
}

impl<'a> PropertyList<'a> {
    /// Sends exactly these properties.
    #[must_use]
    pub const fn new(set: &'a [Property<'a>]) -> Self {
        Self {
            base: Properties::EMPTY,
            without: PropertySet::EMPTY,
            set,
            subscription_ids: &[],
        }
    }

    /// What of `base` is not sent: left out or replaced.
    pub(crate) fn hidden(&self) -> PropertySet {
        let mut hidden = self.without;
        for property in self.set {
            let id = property.id();
            if !matches!(
                id,
                PropertyId::UserProperty | PropertyId::SubscriptionIdentifier
            ) {
                hidden.insert(id);
            }
        }
        hidden
    }

    /// What is added to `base`.
    pub(crate) fn added(&self) -> PropertySet {
        let mut added = PropertySet::EMPTY;
        for property in self.set {
            added.insert(property.id());
        }
        if !self.subscription_ids.is_empty() {
            added.insert(PropertyId::SubscriptionIdentifier);
        }
        added
    }
}
