//! The properties of a packet: a checked block as it came in, or a list that is to go out.

use core::fmt;
use core::num::{NonZeroU16, NonZeroU32};

use crate::property::split_entry;
use crate::property_entries::Entries;
use crate::read::Reader;
use crate::{
    DecodeError, PayloadFormat, Property, PropertyId, PropertyList, PropertyScope, PropertySet,
    QoS, SubscriptionIdentifier, TopicName, property_block,
};

/// The properties of a packet; there are none before v5.
///
/// A received block was checked as a whole when the packet was read, so nothing here can fail:
/// asking for a property that is not there is one bit test, and passing the block on is a copy.
///
/// Two are equal when they hold the same properties in the same order.
///
/// Spec: v5 §2.2.2.
#[derive(Clone, Copy)]
pub struct Properties<'a>(Source<'a>);

/// Where properties come from.
#[derive(Clone, Copy)]
pub(crate) enum Source<'a> {
    /// INVARIANT: `block` has been checked, and `seen` are the properties in it.
    Received {
        block: &'a [u8],
        seen: PropertySet,
    },
    List(&'a PropertyList<'a>),
}

impl Default for Properties<'_> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl<'a> Properties<'a> {
    /// No properties.
    pub const EMPTY: Self = Self::received(&[], PropertySet::EMPTY);

    /// A block that has been checked, and the properties in it.
    ///
    /// Where copying is most of the work, no properties are better made by this than copied from
    /// [`Properties::EMPTY`].
    #[inline(always)]
    pub(crate) const fn received(block: &'a [u8], seen: PropertySet) -> Self {
        Self(Source::Received { block, seen })
    }

    /// Where they come from.
    #[inline(always)]
    pub(crate) const fn source(&self) -> Source<'a> {
        self.0
    }

    /// Checks a block that was kept, such as that of a stored message: what [`Properties::raw`]
    /// returned.
    ///
    /// Spec: v5 §2.2.2.
    ///
    /// # Errors
    /// The block is not one that `scope` may have; the offset counts from the start of `block`.
    pub fn try_from_raw(block: &'a [u8], scope: PropertyScope) -> Result<Self, DecodeError> {
        let seen = property_block::check(Reader::of_block(block), scope)?;
        Ok(Self::received(block, seen))
    }

    /// Whether there is no property at all.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        match self.source() {
            Source::Received { block, .. } => block.is_empty(),
            Source::List(_) => self.ids().is_empty(),
        }
    }

    /// Which properties are there.
    #[must_use]
    pub fn ids(&self) -> PropertySet {
        match self.source() {
            Source::Received { seen, .. } => seen,
            Source::List(list) => list
                .base
                .ids()
                .difference(list.hidden())
                .union(list.added()),
        }
    }

    /// Whether `id` is there.
    #[must_use]
    #[inline]
    pub fn has(&self, id: PropertyId) -> bool {
        match self.source() {
            Source::Received { seen, .. } => seen.contains(id),
            Source::List(_) => self.ids().contains(id),
        }
    }

    /// The received block without its length in front; `None` for properties that are to go out.
    #[must_use]
    #[inline]
    pub fn raw(&self) -> Option<&'a [u8]> {
        match self.source() {
            Source::Received { block, .. } => Some(block),
            Source::List(_) => None,
        }
    }

    /// All properties in the order of the wire.
    pub fn iter(&self) -> impl Iterator<Item = Property<'a>> + Clone + use<'a> {
        self.entries().filter_map(|entry| entry.property())
    }

    pub(crate) fn entries(&self) -> Entries<'a> {
        Entries::new(*self)
    }

    /// The first property with this identifier.
    #[inline(always)]
    fn find(&self, id: PropertyId) -> Option<Property<'a>> {
        match self.source() {
            // Mostly there is none, and that is to cost a bit test.
            Source::Received { seen, .. } if !seen.contains(id) => None,
            _ => self.search(id),
        }
    }

    #[inline(never)]
    fn search(&self, id: PropertyId) -> Option<Property<'a>> {
        match self.source() {
            Source::Received { mut block, .. } => loop {
                let (found, value, rest) = split_entry(block)?;
                if found == id {
                    return Property::decode_value(id, &mut Reader::of_block(value)).ok();
                }
                block = rest;
            },
            Source::List(_) => self
                .entries()
                .find(|entry| entry.id() == id)
                .and_then(|entry| entry.property()),
        }
    }
}

/// Getters of properties that appear at most once: name, type, variant and doc line of each.
macro_rules! getters {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $variant:ident;)*) => {
        impl<'a> Properties<'a> {
            $(
                $(#[$doc])*
                #[must_use]
                #[inline]
                pub fn $name(&self) -> Option<$type> {
                    match self.find(PropertyId::$variant)? {
                        Property::$variant(value) => Some(value),
                        _ => None,
                    }
                }
            )*
        }
    };
}

getters! {
    /// Whether the payload is text. Spec: v5 §3.3.2.3.2.
    payload_format_indicator: PayloadFormat = PayloadFormatIndicator;
    /// How long the message is of use. Unit: seconds. Spec: v5 §3.3.2.3.3.
    message_expiry_interval_s: u32 = MessageExpiryInterval;
    /// What the payload is. Spec: v5 §3.3.2.3.9.
    content_type: &'a str = ContentType;
    /// Where the answer is to be published. Spec: v5 §3.3.2.3.5.
    response_topic: TopicName<'a> = ResponseTopic;
    /// Ties an answer to its request. Spec: v5 §3.3.2.3.6.
    correlation_data: &'a [u8] = CorrelationData;
    /// How long the session outlives its connection. Unit: seconds; `u32::MAX` is for ever.
    /// Spec: v5 §3.1.2.11.2.
    session_expiry_interval_s: u32 = SessionExpiryInterval;
    /// The Client Identifier the server chose. Spec: v5 §3.2.2.3.7.
    assigned_client_identifier: &'a str = AssignedClientIdentifier;
    /// The Keep Alive the server wants. Unit: seconds. Spec: v5 §3.2.2.3.14.
    server_keep_alive_s: u16 = ServerKeepAlive;
    /// How the peers authenticate. Spec: v5 §3.1.2.11.9.
    authentication_method: &'a str = AuthenticationMethod;
    /// One step of the authentication. Spec: v5 §3.1.2.11.10.
    authentication_data: &'a [u8] = AuthenticationData;
    /// Whether the client wants reasons in words. Spec: v5 §3.1.2.11.7.
    request_problem_information: bool = RequestProblemInformation;
    /// How long the Will waits. Unit: seconds. Spec: v5 §3.1.3.2.2.
    will_delay_interval_s: u32 = WillDelayInterval;
    /// Whether the client wants Response Information. Spec: v5 §3.1.2.11.6.
    request_response_information: bool = RequestResponseInformation;
    /// What to make a Response Topic from. Spec: v5 §3.2.2.3.15.
    response_information: &'a str = ResponseInformation;
    /// Another server to use. Spec: v5 §3.2.2.3.16.
    server_reference: &'a str = ServerReference;
    /// The reason in words, for people. Spec: v5 §3.2.2.3.9.
    reason_string: &'a str = ReasonString;
    /// How many publications may be in flight. Spec: v5 §3.1.2.11.3.
    receive_maximum: NonZeroU16 = ReceiveMaximum;
    /// The highest Topic Alias the sender accepts. Spec: v5 §3.1.2.11.5.
    topic_alias_maximum: u16 = TopicAliasMaximum;
    /// A number that stands for a Topic Name. Spec: v5 §3.3.2.3.4.
    topic_alias: NonZeroU16 = TopicAlias;
    /// The highest QoS the server accepts: 0 or 1. Spec: v5 §3.2.2.3.4.
    maximum_qos: QoS = MaximumQoS;
    /// Whether the server keeps retained messages. Spec: v5 §3.2.2.3.5.
    retain_available: bool = RetainAvailable;
    /// The longest packet the sender accepts. Unit: bytes. Spec: v5 §3.1.2.11.4.
    maximum_packet_size: NonZeroU32 = MaximumPacketSize;
    /// Whether the server has wildcard subscriptions. Spec: v5 §3.2.2.3.11.
    wildcard_subscription_available: bool = WildcardSubscriptionAvailable;
    /// Whether the server has Subscription Identifiers. Spec: v5 §3.2.2.3.12.
    subscription_identifiers_available: bool = SubscriptionIdentifiersAvailable;
    /// Whether the server has Shared Subscriptions. Spec: v5 §3.2.2.3.13.
    shared_subscription_available: bool = SharedSubscriptionAvailable;
}

impl<'a> Properties<'a> {
    /// The subscriptions a message came by. Spec: v5 §3.3.2.3.8.
    pub fn subscription_identifiers(
        &self,
    ) -> impl Iterator<Item = SubscriptionIdentifier> + Clone + use<'a> {
        self.repeated(PropertyId::SubscriptionIdentifier)
            .filter_map(|property| match property {
                Property::SubscriptionIdentifier(id) => Some(id),
                _ => None,
            })
    }

    /// Names and values of the application, in order. Spec: v5 §3.3.2.3.7.
    pub fn user_properties(&self) -> impl Iterator<Item = (&'a str, &'a str)> + Clone + use<'a> {
        self.repeated(PropertyId::UserProperty)
            .filter_map(|property| match property {
                Property::UserProperty(name, value) => Some((name, value)),
                _ => None,
            })
    }

    fn repeated(&self, id: PropertyId) -> impl Iterator<Item = Property<'a>> + Clone + use<'a> {
        let source = if self.has(id) { *self } else { Self::EMPTY };
        source
            .entries()
            .filter(move |entry| entry.id() == id)
            .filter_map(|entry| entry.property())
    }
}

impl<'a> From<&'a PropertyList<'a>> for Properties<'a> {
    fn from(list: &'a PropertyList<'a>) -> Self {
        Self(Source::List(list))
    }
}

impl PartialEq for Properties<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Properties<'_> {}

impl fmt::Debug for Properties<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
