//! Walking through properties, received or outgoing, without allocation.

use crate::properties::{Properties, Source};
use crate::property::split_entry;
use crate::read::Reader;
use crate::{Property, PropertyId, PropertyList, SubscriptionIdentifier};

/// A property as bytes of a checked block or as a value to be sent.
#[derive(Clone, Copy)]
pub(crate) enum Entry<'a> {
    Raw(PropertyId, &'a [u8]),
    Value(Property<'a>),
}

impl<'a> Entry<'a> {
    pub(crate) const fn id(&self) -> PropertyId {
        match self {
            Self::Raw(id, _) => *id,
            Self::Value(property) => property.id(),
        }
    }

    /// The value; always `Some`, because a block is checked when it is made.
    pub(crate) fn property(&self) -> Option<Property<'a>> {
        match *self {
            Self::Raw(id, value) => Property::decode_value(id, &mut Reader::of_block(value)).ok(),
            Self::Value(property) => Some(property),
        }
    }
}

/// Yields entries in the order of the wire.
///
/// Lists may stand on lists. The innermost has its block yielded first, then its own additions;
/// then the next one outwards. Each entry passes the filters of all lists around it.
#[derive(Clone)]
pub(crate) struct Entries<'a> {
    top: Properties<'a>,
    /// How many lists are around the one whose additions are being yielded.
    depth: usize,
    /// What is left of the innermost block.
    block: &'a [u8],
    set: &'a [Property<'a>],
    subscription_ids: &'a [SubscriptionIdentifier],
}

impl<'a> Entries<'a> {
    pub(crate) fn new(top: Properties<'a>) -> Self {
        let mut depth = 0;
        let mut properties = top;
        let block = loop {
            match properties.source() {
                Source::Received { block, .. } => break block,
                Source::List(list) => {
                    depth += 1;
                    properties = list.base;
                }
            }
        };
        Self {
            top,
            depth,
            block,
            set: &[],
            subscription_ids: &[],
        }
    }

    /// The next entry before any filter.
    fn next_unfiltered(&mut self) -> Option<Entry<'a>> {
        loop {
            if let Some((id, value, rest)) = split_entry(self.block) {
                self.block = rest;
                return Some(Entry::Raw(id, value));
            }
            if let [property, rest @ ..] = self.set {
                self.set = rest;
                return Some(Entry::Value(*property));
            }
            if let [id, rest @ ..] = self.subscription_ids {
                self.subscription_ids = rest;
                return Some(Entry::Value(Property::SubscriptionIdentifier(*id)));
            }
            self.depth = self.depth.checked_sub(1)?;
            let list = self.lists().nth(self.depth)?;
            self.set = list.set;
            self.subscription_ids = list.subscription_ids;
        }
    }

    /// All lists, outermost first.
    fn lists(&self) -> impl Iterator<Item = &'a PropertyList<'a>> + use<'a> {
        let mut properties = self.top;
        core::iter::from_fn(move || match properties.source() {
            Source::Received { .. } => None,
            Source::List(list) => {
                properties = list.base;
                Some(list)
            }
        })
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        loop {
            let entry = self.next_unfiltered()?;
            let id = entry.id();
            if !self
                .lists()
                .take(self.depth)
                .any(|list| list.hidden().contains(id))
            {
                return Some(entry);
            }
        }
    }
}
