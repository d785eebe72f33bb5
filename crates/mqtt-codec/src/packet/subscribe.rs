//! SUBSCRIBE and its Subscription Options.

use core::fmt;

use crate::encode_error::{EncodeError, Field};
use crate::property_block::{self, Block};
use crate::read::Reader;
use crate::write::{self, Writer};
use crate::{
    DecodeError, Frame, Malformed, PacketId, PacketType, Properties, PropertyScope,
    ProtocolVersion, QoS, TopicFilter,
};

const SCOPE: PropertyScope = PropertyScope::Packet(PacketType::Subscribe);
const QOS: u8 = 0x03;
const NO_LOCAL_SHIFT: u8 = 2;
const NO_LOCAL: u8 = 1 << NO_LOCAL_SHIFT;
const RETAIN_AS_PUBLISHED_SHIFT: u8 = 3;
const RETAIN_AS_PUBLISHED: u8 = 1 << RETAIN_AS_PUBLISHED_SHIFT;
const RETAIN_HANDLING_SHIFT: u8 = 4;

/// Subscribe request.
///
/// Spec: v5 §3.8, v3.1.1 §3.8.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Subscribe<'a> {
    /// What the SUBACK answers with. Spec: v5 §3.8.2, v3.1.1 §3.8.2.
    pub packet_id: PacketId,
    /// Its properties. Spec: v5 §3.8.2.1.
    pub properties: Properties<'a>,
    /// What to subscribe to, at least one. Spec: v5 §3.8.3, v3.1.1 §3.8.3.
    pub filters: SubscribeFilters<'a>,
}

/// How a subscription is to be served. Before v5 there is only the QoS.
///
/// Spec: v5 §3.8.3.1.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct SubscriptionOptions {
    /// The highest QoS to be served with. Spec: v5 §3.8.3.1, v3.1.1 §3.8.3.
    pub qos: QoS,
    /// Whether the subscriber's own messages are kept from it. Spec: v5 §3.8.3.1.
    pub no_local: bool,
    /// Whether messages keep the RETAIN flag they were published with. Spec: v5 §3.8.3.1.
    pub retain_as_published: bool,
    /// Whether retained messages are sent when the subscription is made. Spec: v5 §3.8.3.1.
    pub retain_handling: RetainHandling,
}

/// Whether retained messages are sent when a subscription is made.
///
/// Spec: v5 §3.8.3.1.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[repr(u8)]
pub enum RetainHandling {
    /// Always.
    #[default]
    SendAtSubscribe = 0,
    /// If the subscription was not there before.
    SendIfNew = 1,
    /// Never.
    DoNotSend = 2,
}

impl SubscriptionOptions {
    /// The options of a subscription that asks for a QoS and nothing else.
    #[must_use]
    pub const fn new(qos: QoS) -> Self {
        Self {
            qos,
            no_local: false,
            retain_as_published: false,
            retain_handling: RetainHandling::SendAtSubscribe,
        }
    }

    /// The byte on the wire.
    const fn to_byte(self) -> u8 {
        self.qos.get()
            | ((self.no_local as u8) << NO_LOCAL_SHIFT)
            | ((self.retain_as_published as u8) << RETAIN_AS_PUBLISHED_SHIFT)
            | ((self.retain_handling as u8) << RETAIN_HANDLING_SHIFT)
    }

    /// Reads the byte of a version in which the bits of `mask` have a meaning.
    fn from_byte(byte: u8, mask: u8) -> Result<Self, Malformed> {
        if byte & !mask != 0 {
            return Err(Malformed::SubscriptionOptionsReserved);
        }
        let retain_handling = match byte >> RETAIN_HANDLING_SHIFT {
            0 => RetainHandling::SendAtSubscribe,
            1 => RetainHandling::SendIfNew,
            2 => RetainHandling::DoNotSend,
            _ => return Err(Malformed::RetainHandlingInvalid),
        };
        Ok(Self {
            qos: QoS::from_u8(byte & QOS).ok_or(Malformed::SubscriptionQosInvalid)?,
            no_local: byte & NO_LOCAL != 0,
            retain_as_published: byte & RETAIN_AS_PUBLISHED != 0,
            retain_handling,
        })
    }
}

/// Topic Filters and how each is to be served.
///
/// Spec: v5 §3.8.3, v3.1.1 §3.8.3.
#[derive(Clone, Copy)]
pub struct SubscribeFilters<'a>(Source<'a>);

#[derive(Clone, Copy)]
enum Source<'a> {
    /// INVARIANT: `bytes` has been checked and holds `len` filters.
    Received {
        bytes: &'a [u8],
        len: usize,
    },
    List(&'a [(TopicFilter<'a>, SubscriptionOptions)]),
}

impl<'a> SubscribeFilters<'a> {
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
    pub fn iter(
        &self,
    ) -> impl ExactSizeIterator<Item = (TopicFilter<'a>, SubscriptionOptions)> + Clone + use<'a>
    {
        Iter(self.0)
    }

    /// Checks all of them for a version in which the option bits of `mask` have a meaning.
    ///
    /// Returns the bytes they take.
    #[inline(always)]
    fn measure(&self, mask: u8) -> Result<usize, EncodeError> {
        let mut used = 0;
        let len = match self.0 {
            Source::Received { bytes, .. } => {
                for (_, options) in self.iter() {
                    used |= options.to_byte();
                }
                bytes.len()
            }
            Source::List(list) => {
                let mut len = 0_usize;
                for (topic_filter, options) in list {
                    used |= options.to_byte();
                    len = len.saturating_add(3 + topic_filter.as_str().len());
                }
                len
            }
        };
        if used & !mask != 0 {
            return Err(EncodeError::NotInVersion {
                field: Field::SubscriptionOptions,
            });
        }
        if used & NO_LOCAL != 0 {
            self.check_no_local()?;
        }
        Ok(len)
    }

    /// Spec: v5 [MQTT-3.8.3-4].
    #[cold]
    fn check_no_local(&self) -> Result<(), EncodeError> {
        let wrong = |(topic_filter, options): (TopicFilter<'_>, SubscriptionOptions)| {
            options.no_local && topic_filter.shared().is_some()
        };
        if self.iter().any(wrong) {
            return Err(EncodeError::NoLocalOnShared);
        }
        Ok(())
    }

    #[inline(always)]
    fn write(&self, writer: &mut Writer<'_>) {
        match self.0 {
            Source::Received { bytes, .. } => writer.bytes(bytes),
            Source::List(list) => {
                for (topic_filter, options) in list {
                    writer.field_and_byte(topic_filter.as_str().as_bytes(), options.to_byte());
                }
            }
        }
    }
}

#[derive(Clone)]
struct Iter<'a>(Source<'a>);

impl<'a> Iterator for Iter<'a> {
    type Item = (TopicFilter<'a>, SubscriptionOptions);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Source::List(list) => {
                let (first, rest) = list.split_first()?;
                *list = rest;
                Some(*first)
            }
            Source::Received { bytes, len } => {
                let mut reader = Reader::of_block(bytes);
                let item = read_filter(&mut reader, "", u8::MAX).ok()?;
                *bytes = reader.rest();
                *len = len.saturating_sub(1);
                Some(item)
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = SubscribeFilters(self.0).len();
        (len, Some(len))
    }
}

impl ExactSizeIterator for Iter<'_> {}

impl<'a> Subscribe<'a> {
    /// Reads a SUBSCRIBE.
    ///
    /// # Errors
    /// What is wrong, where, and by which rule.
    pub fn decode(frame: Frame<'a>, version: ProtocolVersion) -> Result<Self, DecodeError> {
        let packet_type = PacketType::Subscribe;
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
            read_filter(&mut reader, text, version.subscribe_option_mask())?;
            len += 1;
        }
        let filters = SubscribeFilters(Source::Received { bytes, len });
        Ok(Self {
            packet_id,
            properties,
            filters,
        })
    }

    /// The bytes [`Subscribe::encode`] writes.
    ///
    /// # Errors
    /// As [`Subscribe::encode`], but never [`EncodeError::BufferTooSmall`].
    pub fn encoded_len(&self, version: ProtocolVersion) -> Result<usize, EncodeError> {
        write::packet_len(self.measure(version)?.remaining)
    }

    /// Writes the packet to the start of `out` and returns its length in bytes.
    ///
    /// # Errors
    /// `out` is too small, or the packet is not one that this version has: before v5 an option
    /// other than the QoS. `out` is untouched.
    #[inline(never)]
    pub fn encode(&self, version: ProtocolVersion, out: &mut [u8]) -> Result<usize, EncodeError> {
        let sizes = self.measure(version)?;
        let first = PacketType::Subscribe.first_byte();
        let (mut writer, len) = Writer::start(first, sizes.remaining, out)?;
        writer.two_byte(self.packet_id.get());
        sizes.block.write(&mut writer);
        self.filters.write(&mut writer);
        Ok(len)
    }

    #[inline(always)]
    fn measure(&self, version: ProtocolVersion) -> Result<Sizes<'_>, EncodeError> {
        if self.filters.is_empty() {
            return Err(EncodeError::Missing {
                field: Field::TopicFilters,
            });
        }
        let block = Block::new(&self.properties, version, SCOPE)?;
        let filters_len = self.filters.measure(version.subscribe_option_mask())?;
        let remaining = block
            .encoded_len()
            .saturating_add(2)
            .saturating_add(filters_len);
        Ok(Sizes { remaining, block })
    }
}

struct Sizes<'a> {
    /// The Remaining Length. Unit: bytes.
    remaining: usize,
    block: Block<'a>,
}

/// One filter with its options, of which the bits of `mask` may be set.
///
/// Spec: v5 §3.8.3.1, v3.1.1 §3.8.3.
#[inline(always)]
fn read_filter<'a>(
    reader: &mut Reader<'a>,
    text: &'a str,
    mask: u8,
) -> Result<(TopicFilter<'a>, SubscriptionOptions), DecodeError> {
    let topic_filter = reader.topic_filter_in(text)?;
    let at = reader.at();
    let options = SubscriptionOptions::from_byte(reader.byte()?, mask)
        .map_err(|kind| DecodeError::new(kind, at))?;
    if options.no_local && topic_filter.shared().is_some() {
        return Err(DecodeError::new(Malformed::NoLocalOnShared, at));
    }
    Ok((topic_filter, options))
}

impl<'a> From<&'a [(TopicFilter<'a>, SubscriptionOptions)]> for SubscribeFilters<'a> {
    fn from(list: &'a [(TopicFilter<'a>, SubscriptionOptions)]) -> Self {
        Self(Source::List(list))
    }
}

impl PartialEq for SubscribeFilters<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for SubscribeFilters<'_> {}

impl fmt::Debug for SubscribeFilters<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
