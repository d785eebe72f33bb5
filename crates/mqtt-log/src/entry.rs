//! What goes into the log, and what comes out.

use crate::{Position, format};
use std::num::NonZeroU8;

/// A record to be appended.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    pub(crate) kind: u8,
    pub(crate) version: u8,
    pub(crate) parts: &'a [&'a [u8]],
    pub(crate) is_held: bool,
    pub(crate) is_freeing: bool,
}

impl<'a> Entry<'a> {
    /// A record of a kind the owner of the log chose; its payload is all `parts` one after the other.
    pub const fn new(kind: NonZeroU8, parts: &'a [&'a [u8]]) -> Self {
        Self {
            kind: kind.get(),
            version: 0,
            parts,
            is_held: false,
            is_freeing: false,
        }
    }

    /// The version of the payload's form; 0 if nothing is said.
    #[must_use]
    pub const fn version(mut self, version: u8) -> Self {
        self.version = version;
        self
    }

    /// Stays until it is released, also behind [`crate::Log::set_replay_from`].
    #[must_use]
    pub const fn held(mut self) -> Self {
        self.is_held = true;
        self
    }

    /// Says that something is done with: it may take the room kept back for such records when the disk is full.
    #[must_use]
    pub const fn freeing(mut self) -> Self {
        self.is_freeing = true;
        self
    }

    /// Bytes of payload.
    pub(crate) fn payload_len(&self) -> usize {
        self.parts
            .iter()
            .fold(0, |len: usize, part| len.saturating_add(part.len()))
    }

    /// Bytes it takes in a group.
    pub(crate) fn stored_len(&self) -> usize {
        self.payload_len().saturating_add(format::RECORD_HEAD_LEN)
    }
}

/// A record that was read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Record<'a> {
    /// Where it stands.
    pub position: Position,
    /// Its kind; never 0.
    pub kind: u8,
    /// The version of the payload's form.
    pub version: u8,
    /// What was given to [`Entry::new`].
    pub payload: &'a [u8],
}
