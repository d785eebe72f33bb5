//! A set of property identifiers.

use crate::PropertyId;

/// A set of property identifiers, one bit each.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[repr(transparent)]
pub struct PropertySet(u32);

impl PropertySet {
    /// No property.
    pub const EMPTY: Self = Self(0);

    /// The set of these properties.
    #[must_use]
    pub const fn of(mut ids: &[PropertyId]) -> Self {
        let mut set = Self::EMPTY;
        while let [id, rest @ ..] = ids {
            set.0 |= id.bit();
            ids = rest;
        }
        set
    }

    /// The set of this property alone.
    #[inline(always)]
    pub(crate) const fn one(id: PropertyId) -> Self {
        Self(id.bit())
    }

    /// Whether it has no property.
    #[must_use]
    #[inline]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether `id` is in it.
    #[must_use]
    #[inline]
    pub const fn contains(self, id: PropertyId) -> bool {
        self.0 & id.bit() != 0
    }

    /// Adds `id`.
    #[inline]
    pub const fn insert(&mut self, id: PropertyId) {
        self.0 |= id.bit();
    }

    /// What is in either.
    #[must_use]
    #[inline]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in both.
    #[inline]
    pub(crate) const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What is in this one and not in the other.
    #[must_use]
    #[inline]
    pub const fn difference(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Its properties, in the order of their numbers.
    pub fn iter(self) -> impl Iterator<Item = PropertyId> {
        PropertyId::ALL
            .into_iter()
            .filter(move |id| self.contains(*id))
    }
}
