//! Lists in pages.

use crate::core::session_cell::SessionKey;

/// The most entries of a page; more are given as if so many had been asked for.
pub const PAGE_MAX: usize = 10_000;

/// A part of a list.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Page<T> {
    /// Its entries; a page may have more than were asked for where they cannot be divided.
    pub items: Vec<T>,
    /// Where the next page begins; none after the last one.
    pub next: Option<Cursor>,
}

/// A place in a list, for the next page of the same list.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Cursor {
    /// Behind this session.
    Session(SessionKey),
    /// At this place of the retained store.
    Place(u32),
}
