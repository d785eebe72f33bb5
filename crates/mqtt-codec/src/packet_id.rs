//! The Packet Identifier.

use core::num::NonZeroU16;

/// Names a PUBLISH, SUBSCRIBE or UNSUBSCRIBE until its last acknowledgement: 1 to 65 535.
///
/// Spec: v5 §2.2.1, v3.1.1 §2.3.1.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[repr(transparent)]
pub struct PacketId(NonZeroU16);

impl PacketId {
    /// The lowest: 1.
    pub const MIN: Self = Self(NonZeroU16::MIN);
    /// The highest: 65 535.
    pub const MAX: Self = Self(NonZeroU16::MAX);

    /// The Packet Identifier with this value; `None` for 0.
    #[must_use]
    #[inline]
    pub const fn new(value: u16) -> Option<Self> {
        match NonZeroU16::new(value) {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }

    /// Its value, 1 to 65 535.
    #[must_use]
    #[inline]
    pub const fn get(self) -> u16 {
        self.0.get()
    }
}

impl From<NonZeroU16> for PacketId {
    fn from(value: NonZeroU16) -> Self {
        Self(value)
    }
}

impl core::fmt::Display for PacketId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.fmt(f)
    }
}
