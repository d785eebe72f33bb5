//! Property blocks on the wire: checking what comes in, measuring and writing what goes out.

use crate::encode_error::{EncodeError, Field};
use crate::properties::{Properties, Source};
use crate::property::{Property, decode_id};
use crate::property_entries::Entry;
use crate::read::Reader;
use crate::write::{self, Writer};
use crate::{
    DecodeError, Malformed, PropertyId, PropertyList, PropertyScope, PropertySet, ProtocolVersion,
};

/// Reads a Property Length and the block behind it; nothing where the version has no properties.
///
/// Spec: v5 §2.2.2.
#[inline(always)]
pub(crate) fn decode<'a>(
    reader: &mut Reader<'a>,
    version: ProtocolVersion,
    scope: PropertyScope,
) -> Result<Properties<'a>, DecodeError> {
    if !version.has_properties() {
        return Ok(Properties::empty());
    }
    if reader.skip(&[0]) {
        return Ok(Properties::empty());
    }
    check(reader.block()?, scope)
}

/// Checks a whole block: known properties, each where it belongs, once, with a value in range.
pub(crate) fn check<'a>(
    mut reader: Reader<'a>,
    scope: PropertyScope,
) -> Result<Properties<'a>, DecodeError> {
    let block = reader.rest();
    let start = reader.at();
    let allowed = scope.allowed();
    let mut seen = PropertySet::EMPTY;
    while !reader.is_empty() {
        let at = reader.at();
        let property = decode_id(&mut reader)?;
        if !allowed.contains(property) {
            return Err(DecodeError::new(
                Malformed::PropertyNotAllowed { property },
                at,
            ));
        }
        if seen.contains(property) && !property.may_repeat(scope) {
            return Err(DecodeError::new(
                Malformed::PropertyRepeated { property },
                at,
            ));
        }
        seen.insert(property);
        Property::decode_value_inline(property, &mut reader)?;
    }
    if lacks_method(seen) {
        return Err(DecodeError::new(
            Malformed::AuthenticationMethodMissing,
            start,
        ));
    }
    Ok(Properties(Source::Received { block, seen }))
}

/// Authentication Data needs a method. Spec: v5 §3.1.2.11.10.
fn lacks_method(seen: PropertySet) -> bool {
    seen.contains(PropertyId::AuthenticationData)
        && !seen.contains(PropertyId::AuthenticationMethod)
}

/// An outgoing block that has been measured.
#[derive(Clone, Copy)]
pub(crate) struct Block<'a> {
    properties: &'a Properties<'a>,
    /// The block without its length in front; `None` where the version has no properties.
    len: Option<usize>,
    /// Whether all parts of a list are sent one behind the other, nothing being replaced.
    plain: bool,
}

impl<'a> Block<'a> {
    /// Checks and measures `properties`, which are left out where the version has none.
    #[inline]
    pub(crate) fn new(
        properties: &'a Properties<'a>,
        version: ProtocolVersion,
        scope: PropertyScope,
    ) -> Result<Self, EncodeError> {
        let mut plain = false;
        let len = match properties.0 {
            _ if !version.has_properties() => None,
            Source::Received { block: [], .. } => Some(0),
            Source::Received { .. } => Some(block_len(properties, scope)?),
            Source::List(list) => {
                let len = plain_len(list, scope);
                plain = len.is_some();
                match len {
                    None => Some(block_len(properties, scope)?),
                    len => len,
                }
            }
        };
        Ok(Self {
            properties,
            len,
            plain,
        })
    }

    /// Whether nothing but a length of 0 would be written.
    #[inline]
    pub(crate) const fn is_empty(&self) -> bool {
        matches!(self.len, None | Some(0))
    }

    /// The bytes it takes with its length in front.
    #[inline]
    pub(crate) const fn encoded_len(&self) -> usize {
        match self.len {
            None => 0,
            Some(len) => write::var_int_len(len).saturating_add(len),
        }
    }

    #[inline]
    pub(crate) fn write(&self, writer: &mut Writer<'_>) {
        match self.len {
            None => {}
            Some(0) => writer.byte(0),
            Some(len) => {
                writer.var_int(u32::try_from(len).unwrap_or(crate::frame::VAR_INT_MAX));
                writer.with_rest(|rest| self.write_content(rest));
            }
        }
    }

    /// Takes and returns the writer's rest rather than the writer, which can then be in registers.
    #[inline(never)]
    fn write_content<'o>(&self, rest: &'o mut [u8]) -> &'o mut [u8] {
        let mut writer = Writer::at(rest);
        match self.properties.0 {
            Source::Received { block, .. } => writer.bytes(block),
            Source::List(list) if self.plain => write_plain(list, &mut writer),
            Source::List(_) => {
                for entry in self.properties.entries() {
                    match entry {
                        Entry::Raw(id, value) => {
                            writer.byte(id.get());
                            writer.bytes(value);
                        }
                        Entry::Value(property) => writer.with_rest(|rest| property.write(rest)),
                    }
                }
            }
        }
        writer.rest()
    }
}

/// Measures a list in which nothing is replaced, left out or wrong: nearly all lists.
///
/// `None` says that [`block_len`] has to look closer.
fn plain_len(list: &PropertyList<'_>, scope: PropertyScope) -> Option<usize> {
    let Source::Received { block, seen: base } = list.base.0 else {
        return None;
    };
    let several = scope.repeatable();
    let mut len = block.len();
    let mut seen = base;
    let mut repeated = PropertySet::EMPTY;
    for property in list.set {
        let id = property.id();
        repeated = repeated.union(seen.intersection(PropertySet::of(&[id])));
        seen.insert(id);
        len = len.saturating_add(property.valid_len()?);
    }
    let id = PropertyId::SubscriptionIdentifier;
    for value in list.subscription_ids {
        repeated = repeated.union(seen.intersection(PropertySet::of(&[id])));
        seen.insert(id);
        len = len.saturating_add(Property::SubscriptionIdentifier(*value).valid_len()?);
    }
    // A received block may have come in a packet where it may repeat.
    if base.contains(id) {
        repeated.insert(id);
    }
    let plain = repeated.difference(several).is_empty()
        && base.intersection(list.without).is_empty()
        && seen.difference(scope.allowed()).is_empty()
        && !lacks_method(seen);
    plain.then_some(len)
}

/// Writes a list that [`plain_len`] has measured.
#[inline(always)]
fn write_plain(list: &PropertyList<'_>, writer: &mut Writer<'_>) {
    if let Source::Received { block, .. } = list.base.0 {
        writer.bytes(block);
    }
    for property in list.set {
        writer.with_rest(|rest| property.write(rest));
    }
    for value in list.subscription_ids {
        writer.with_rest(|rest| Property::SubscriptionIdentifier(*value).write(rest));
    }
}

/// Checks and measures properties, without their length in front.
fn block_len(properties: &Properties<'_>, scope: PropertyScope) -> Result<usize, EncodeError> {
    let wrong = properties.ids().difference(scope.allowed());
    if !wrong.is_empty()
        && let Some(property) = wrong.iter().next()
    {
        return Err(EncodeError::PropertyNotAllowed { property });
    }
    match properties.0 {
        Source::Received { block, seen } => {
            let property = PropertyId::SubscriptionIdentifier;
            let once = seen.contains(property) && !property.may_repeat(scope);
            if once && properties.subscription_identifiers().nth(1).is_some() {
                return Err(EncodeError::PropertyRepeated { property });
            }
            Ok(block.len())
        }
        Source::List(_) => list_len(properties, scope),
    }
}

fn list_len(properties: &Properties<'_>, scope: PropertyScope) -> Result<usize, EncodeError> {
    let mut seen = PropertySet::EMPTY;
    let mut len = 0_usize;
    for entry in properties.entries() {
        let property = entry.id();
        if seen.contains(property) && !property.may_repeat(scope) {
            return Err(EncodeError::PropertyRepeated { property });
        }
        seen.insert(property);
        len = len.saturating_add(match entry {
            Entry::Raw(_, value) => 1 + value.len(),
            Entry::Value(property) => property.encoded_len()?,
        });
    }
    if lacks_method(seen) {
        let field = Field::Property(PropertyId::AuthenticationMethod);
        return Err(EncodeError::Missing { field });
    }
    Ok(len)
}
