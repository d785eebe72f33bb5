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

/// A block that has been read and checked, and the properties in it.
#[derive(Clone, Copy)]
pub(crate) struct Received<'a> {
    block: &'a [u8],
    seen: PropertySet,
}

impl<'a> Received<'a> {
    #[inline(always)]
    pub(crate) const fn properties(self) -> Properties<'a> {
        Properties::received(self.block, self.seen)
    }
}

/// Reads a Property Length and the block behind it; nothing where the version has no properties.
///
/// Spec: v5 §2.2.2.
#[inline(always)]
pub(crate) fn decode<'a>(
    reader: &mut Reader<'a>,
    version: ProtocolVersion,
    scope: PropertyScope,
) -> Result<Properties<'a>, DecodeError> {
    receive(reader, version, scope).map(Received::properties)
}

/// As [`decode`], for those who have more to read and would only carry [`Properties`] along.
#[inline(always)]
pub(crate) fn receive<'a>(
    reader: &mut Reader<'a>,
    version: ProtocolVersion,
    scope: PropertyScope,
) -> Result<Received<'a>, DecodeError> {
    if !version.has_properties() || reader.skip(&[0]) {
        return Ok(Received {
            block: &[],
            seen: PropertySet::EMPTY,
        });
    }
    let block = reader.block()?;
    Ok(Received {
        block: block.rest(),
        seen: check(block, scope)?,
    })
}

/// Checks a whole block: known properties, each where it belongs, once, with a value in range.
///
/// Returns which there are.
pub(crate) fn check(
    mut reader: Reader<'_>,
    scope: PropertyScope,
) -> Result<PropertySet, DecodeError> {
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
    Ok(seen)
}

/// Authentication Data needs a method. Spec: v5 §3.1.2.11.10.
fn lacks_method(seen: PropertySet) -> bool {
    seen.contains(PropertyId::AuthenticationData)
        && !seen.contains(PropertyId::AuthenticationMethod)
}

/// An outgoing block that has been checked and measured.
#[derive(Clone, Copy)]
pub(crate) struct Block<'a> {
    properties: &'a Properties<'a>,
    /// Without the length in front. Unit: bytes.
    len: usize,
    form: Form,
}

/// How a block is written.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Form {
    /// Not at all: the version has no properties.
    Absent,
    /// All parts one behind the other, nothing being replaced or left out.
    Plain,
    /// Anything else.
    Entries,
}

impl<'a> Block<'a> {
    /// Not even a length.
    pub(crate) const ABSENT: Self = Self {
        properties: &Properties::EMPTY,
        len: 0,
        form: Form::Absent,
    };

    /// Checks and measures `properties`, which are left out where the version has none.
    #[inline(always)]
    pub(crate) fn new(
        properties: &'a Properties<'a>,
        version: ProtocolVersion,
        scope: PropertyScope,
    ) -> Result<Self, EncodeError> {
        if let Some(block) = Self::plain(properties, version, scope) {
            return Ok(block);
        }
        Ok(Self {
            properties,
            len: block_len(properties, scope)?,
            form: match properties.source() {
                Source::Received { .. } => Form::Plain,
                Source::List(_) => Form::Entries,
            },
        })
    }

    /// As [`Block::new`] for what nearly all properties are; `None` for others, right or wrong.
    #[inline(always)]
    pub(crate) fn plain(
        properties: &'a Properties<'a>,
        version: ProtocolVersion,
        scope: PropertyScope,
    ) -> Option<Self> {
        let (len, form) = match properties.source() {
            _ if !version.has_properties() => (0, Form::Absent),
            Source::Received { block, seen } => {
                let sent_as_it_is = scope.allowed().difference(MAY_REPEAT_ELSEWHERE);
                let wrong = seen.difference(sent_as_it_is.union(scope.repeatable()));
                if !wrong.is_empty() {
                    return None;
                }
                (block.len(), Form::Plain)
            }
            Source::List(list) => (plain_len(list, scope)?, Form::Plain),
        };
        Some(Self {
            properties,
            len,
            form,
        })
    }

    /// Whether nothing but a length of 0 would be written.
    #[inline]
    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes it takes with its length in front.
    #[inline(always)]
    pub(crate) const fn encoded_len(&self) -> usize {
        match self.form {
            Form::Absent => 0,
            _ => write::var_int_len(self.len).saturating_add(self.len),
        }
    }

    #[inline(always)]
    pub(crate) fn write(&self, writer: &mut Writer<'_>) {
        if self.form == Form::Absent {
            return;
        }
        writer.seldom_long_var_int(self.len);
        if self.len == 0 {
            return;
        }
        match self.properties.source() {
            Source::Received { block, .. } => writer.bytes(block),
            Source::List(list) if self.form == Form::Plain => {
                writer.with_rest(|rest| write_list(list, rest));
            }
            Source::List(list) => writer.with_rest(|rest| write_entries(list, rest)),
        }
    }
}

/// What a received block may have more than once, depending on the packet it came in.
const MAY_REPEAT_ELSEWHERE: PropertySet = PropertySet::of(&[PropertyId::SubscriptionIdentifier]);

/// Measures a list in which nothing is replaced, left out or wrong: nearly all lists.
///
/// `None` says that [`block_len`] has to look closer.
fn plain_len(list: &PropertyList<'_>, scope: PropertyScope) -> Option<usize> {
    let Source::Received { block, seen: base } = list.base.source() else {
        return None;
    };
    let several = scope.repeatable();
    let mut len = block.len();
    let mut seen = base;
    let mut repeated = PropertySet::EMPTY;
    for property in list.set {
        let one = PropertySet::one(property.id());
        repeated = repeated.union(seen.intersection(one));
        seen = seen.union(one);
        len = len.saturating_add(property.valid_len()?);
    }
    let id = PropertyId::SubscriptionIdentifier;
    for value in list.subscription_ids {
        let one = PropertySet::one(id);
        repeated = repeated.union(seen.intersection(one));
        seen = seen.union(one);
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
///
/// Takes and returns the writer's rest rather than the writer, which can then be in registers.
#[inline(never)]
fn write_list<'o>(list: &PropertyList<'_>, rest: &'o mut [u8]) -> &'o mut [u8] {
    let mut writer = Writer::at(rest);
    if let Source::Received { block, .. } = list.base.source()
        && !block.is_empty()
    {
        writer.bytes(block);
    }
    for property in list.set {
        property.write(&mut writer);
    }
    for value in list.subscription_ids {
        Property::SubscriptionIdentifier(*value).write(&mut writer);
    }
    writer.rest()
}

/// Writes properties one by one, each looked up where it comes from.
#[cold]
fn write_entries<'o>(list: &PropertyList<'_>, rest: &'o mut [u8]) -> &'o mut [u8] {
    let mut writer = Writer::at(rest);
    for entry in Properties::from(list).entries() {
        match entry {
            Entry::Raw(id, value) => {
                writer.byte(id.get());
                writer.bytes(value);
            }
            Entry::Value(property) => property.write(&mut writer),
        }
    }
    writer.rest()
}

/// Checks and measures properties, without their length in front.
fn block_len(properties: &Properties<'_>, scope: PropertyScope) -> Result<usize, EncodeError> {
    let wrong = properties.ids().difference(scope.allowed());
    if !wrong.is_empty()
        && let Some(property) = wrong.iter().next()
    {
        return Err(EncodeError::PropertyNotAllowed { property });
    }
    match properties.source() {
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
