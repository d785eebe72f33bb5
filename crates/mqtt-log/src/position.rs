//! Places in the log.

use std::fmt;

/// A byte address in the log as if it were one endless file; it only ever grows.
///
/// What stands at a position never changes, and no position is given twice, also not after old segments are gone.
/// No record has position 0.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Position(u64);

impl Position {
    /// Before everything.
    pub const ZERO: Self = Self(0);

    /// The position with this number; numbers come from [`Position::number`].
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number, to be kept somewhere else.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The position so many bytes further.
    pub(crate) const fn plus(self, len: u64) -> Self {
        Self(self.0.saturating_add(len))
    }

    /// Bytes from `start` to here; 0 if `start` is behind.
    pub(crate) const fn since(self, start: Self) -> u64 {
        self.0.saturating_sub(start.0)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}
