//! UNSUBSCRIBE.

use core::fmt;

use crate::encode_error::{EncodeError, Field};
use crate::property_block::{self, Block};
use crate::read::Reader;
use crate::write::{self, Writer};
use crate::{
    DecodeError, Frame, Malformed, PacketId, PacketType, Properties, PropertyScope,
    ProtocolVersion, TopicFilter,
};

const SCOPE: PropertyScope = PropertyScope::Packet(PacketType::Unsubscribe);

/// Unsubscribe request.
///
/// Spec: v5 §3.10, v3.1.1 §3.10.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Unsubscribe<'a> {
    /// What the UNSUBACK answers with. Spec: v5 §3.10.2, v3.1.1 §3.10.2.
    pub packet_id: PacketId,
    /// Its properties. Spec: v5 §3.10.2.1.
    pub properties: Properties<'a>,
    /// What to unsubscribe from, at least one. Spec: v5 §3.10.3, v3.1.1 §3.10.3.
    pub filters: UnsubscribeFilters<'a>,
}

/// Topic Filters.
///
/// Spec: v5 §3.10.3, v3.1.1 §3.10.3.
#[derive(Clone, Copy)]
pub struct UnsubscribeFilters<'a>(Source<'a>);

#[derive(Clone, Copy)]
enum Source<'a> {
    /// INVARIANT: `bytes` has been checked and holds `len` filters.
    Received {
        bytes: &'a [u8],
        len: usize,
    },
    List(&'a [TopicFilter<'a>]),
}

impl<'a> UnsubscribeFilters<'a> {
    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        match self.0 {
            Source::Received { len, .. } => len,
            Source::List(list) => list.len(),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = TopicFilter<'a>> + Clone + use<'a> {
        Iter(self.0)
    }
}

#[derive(Clone)]
struct Iter<'a>(Source<'a>);

impl<'a> Iterator for Iter<'a> {
    type Item = TopicFilter<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Source::List(list) => {
                let (first, rest) = list.split_first()?;
                *list = rest;
                Some(*first)
            }
            Source::Received { bytes, len } => {
                let mut reader = Reader::of_block(bytes);
                let topic_filter = reader.topic_filter().ok()?;
                *bytes = reader.rest();
                *len = len.saturating_sub(1);
                Some(topic_filter)
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = UnsubscribeFilters(self.0).len();
        (len, Some(len))
    }
}

impl ExactSizeIterator for Iter<'_> {}

impl<'a> Unsubscribe<'a> {
    /// Reads an UNSUBSCRIBE.
    ///
    /// # Errors
    /// What is wrong, where, and by which rule.
    pub fn decode(frame: Frame<'a>, version: ProtocolVersion) -> Result<Self, DecodeError> {
        let packet_type = PacketType::Unsubscribe;
        super::expect_maybe_dup(frame, packet_type, version)?;
        let mut reader = Reader::new(frame);
        let packet_id = reader.packet_id()?;
        let properties = property_block::decode(&mut reader, version, SCOPE)?;
        let bytes = reader.rest();
        if bytes.is_empty() {
            return Err(reader.error(Malformed::FiltersEmpty { packet_type }));
        }
        let mut len = 0;
        let text = reader.rest_as_text();
        while !reader.is_empty() {
            reader.topic_filter_in(text)?;
            len += 1;
        }
        let filters = UnsubscribeFilters(Source::Received { bytes, len });
        Ok(Self {
            packet_id,
            properties,
            filters,
        })
    }

    /// The bytes [`Unsubscribe::encode`] writes.
    ///
    /// # Errors
    /// As [`Unsubscribe::encode`], but never [`EncodeError::BufferTooSmall`].
    pub fn encoded_len(&self, version: ProtocolVersion) -> Result<usize, EncodeError> {
        let block = self.measure(version)?;
        write::packet_len(self.remaining_len(block))
    }

    /// Writes the packet to the start of `out` and returns its length in bytes.
    ///
    /// # Errors
    /// `out` is too small, or the packet is not one that this version has. `out` is untouched.
    pub fn encode(&self, version: ProtocolVersion, out: &mut [u8]) -> Result<usize, EncodeError> {
        let block = self.measure(version)?;
        let first = PacketType::Unsubscribe.first_byte();
        let (mut writer, len) = Writer::start(first, self.remaining_len(block), out)?;
        writer.two_byte(self.packet_id.get());
        block.write(&mut writer);
        for topic_filter in self.filters.iter() {
            writer.field(topic_filter.as_str().as_bytes());
        }
        Ok(len)
    }

    fn remaining_len(&self, block: Block<'_>) -> usize {
        let head = block.encoded_len().saturating_add(2);
        self.filters.iter().fold(head, |len, topic_filter| {
            len.saturating_add(2 + topic_filter.as_str().len())
        })
    }

    fn measure(&self, version: ProtocolVersion) -> Result<Block<'_>, EncodeError> {
        if self.filters.is_empty() {
            return Err(EncodeError::Missing {
                field: Field::TopicFilters,
            });
        }
        Block::new(&self.properties, version, SCOPE)
    }
}

impl<'a> From<&'a [TopicFilter<'a>]> for UnsubscribeFilters<'a> {
    fn from(list: &'a [TopicFilter<'a>]) -> Self {
        Self(Source::List(list))
    }
}

impl PartialEq for UnsubscribeFilters<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for UnsubscribeFilters<'_> {}

impl fmt::Debug for UnsubscribeFilters<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
