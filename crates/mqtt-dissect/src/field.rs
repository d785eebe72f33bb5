//! One field of a packet: where it is, what it is called, what it says.

use std::borrow::Cow;
use std::ops::Range;

use crate::Citation;

/// A field, or a group of fields, of a packet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Field {
    /// Its name in the standard, in lower case.
    pub name: &'static str,
    /// Where it starts, counted from the first byte of the packet. Unit: bytes.
    pub at: usize,
    /// How long it is, its length in front included. Unit: bytes.
    pub len: usize,
    /// The bits it takes of the byte at `at`; `None` when it is not a part of a byte.
    pub mask: Option<u8>,
    /// What it says.
    pub value: Value,
    /// What the value means, in words.
    pub meaning: Option<Cow<'static, str>>,
    /// Where the standard speaks of it.
    pub citation: Option<Citation>,
    /// What it consists of, in the order of the wire.
    pub fields: Vec<Field>,
}

/// What a field says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Value {
    /// Nothing but what its parts say.
    Group,
    /// A bit.
    Flag(bool),
    /// A number; units are in the field's meaning.
    Number(u32),
    /// Text: these bytes of the packet, well-formed UTF-8 or not.
    Text(Range<usize>),
    /// Bytes of no particular meaning: these bytes of the packet.
    Bytes(Range<usize>),
}

impl Field {
    pub(crate) const fn new(name: &'static str, span: &Range<usize>, value: Value) -> Self {
        Self {
            name,
            at: span.start,
            len: span.end.saturating_sub(span.start),
            mask: None,
            value,
            meaning: None,
            citation: None,
            fields: Vec::new(),
        }
    }

    pub(crate) fn means(mut self, meaning: impl Into<Cow<'static, str>>) -> Self {
        self.meaning = Some(meaning.into());
        self
    }

    pub(crate) const fn cited(mut self, citation: Option<Citation>) -> Self {
        self.citation = citation;
        self
    }

    pub(crate) fn with(mut self, fields: Vec<Self>) -> Self {
        self.fields = fields;
        self
    }

    /// This field or the first one in it that is called `name`.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Self> {
        if self.name == name {
            return Some(self);
        }
        self.fields.iter().find_map(|field| field.find(name))
    }

    /// Its number; `None` if it is none.
    #[must_use]
    pub const fn number(&self) -> Option<u32> {
        match self.value {
            Value::Number(number) => Some(number),
            _ => None,
        }
    }

    /// Its bit; `None` if it is none.
    #[must_use]
    pub const fn flag(&self) -> Option<bool> {
        match self.value {
            Value::Flag(flag) => Some(flag),
            _ => None,
        }
    }
}
