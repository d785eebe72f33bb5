//! The fields of a property block.

use mqtt_codec::PropertyId;

use crate::citation::Sections;
use crate::dissection::UNREAD;
use crate::walk::Walk;
use crate::{Field, Value};

/// Where a block stands, and where the standard speaks of what may be in it.
#[derive(Clone, Copy)]
pub(crate) struct Scope {
    /// What the block is called.
    name: &'static str,
    /// The section on the block. The one on its length is the first below it.
    section: &'static str,
    length: &'static str,
    rows: &'static [(PropertyId, &'static str)],
}

/// A property that does not belong where it is has only the list of all properties.
const ALL_PROPERTIES: &str = "2.2.2.2";

/// Walks through a Property Length and the block behind it; nothing where the version has none.
///
/// What comes after a block is found by its length, so a property that cannot be read ends only
/// the block.
pub(crate) fn walk(walk: &mut Walk<'_>, scope: Scope, fields: &mut Vec<Field>) -> Option<()> {
    if !walk.version().has_properties() {
        return Some(());
    }
    let length = walk.var_int("property length", Sections::new(scope.length, ""))?;
    let len = usize::try_from(length.number()?).ok()?;
    fields.push(length.means("bytes"));
    if len == 0 {
        return Some(());
    }
    let start = walk.at();
    let mut parts = Vec::new();
    walk.block(len, |walk| {
        while !walk.is_at_end() {
            let Some(field) = property(walk, scope) else {
                parts.push(walk.rest(UNREAD, Sections::same("")));
                return;
            };
            parts.push(field);
        }
    });
    let is_whole = walk.at() - start == len;
    let citation = Sections::new(scope.section, "").cite(walk.version());
    let block = Field::new(scope.name, &(start..walk.at()), Value::Group);
    fields.push(block.cited(citation).with(parts));
    is_whole.then_some(())
}

/// One property; `None`, and nothing is taken, when it is unknown or does not fit.
fn property(walk: &mut Walk<'_>, scope: Scope) -> Option<Field> {
    walk.all_or_nothing(|walk| {
        let identifier = walk.number("", 1, Sections::same(""))?;
        let id = PropertyId::from_u8(u8::try_from(identifier.number()?).ok()?)?;
        let row = scope.rows.iter().find(|(known, _)| *known == id);
        let section = row.map_or(ALL_PROPERTIES, |(_, section)| section);
        let mut field = value(walk, id, Sections::new(section, ""))?;
        field.len += field.at - identifier.at;
        field.at = identifier.at;
        Some(match row {
            Some(_) => field,
            None => field.means("does not belong here"),
        })
    })
}

fn value(walk: &mut Walk<'_>, id: PropertyId, sections: Sections) -> Option<Field> {
    let name = id.name();
    Some(match id {
        PropertyId::PayloadFormatIndicator => {
            let field = walk.number(name, 1, sections)?;
            match field.number() {
                Some(0) => field.means("bytes"),
                Some(1) => field.means("UTF-8 text"),
                _ => field.means("not a payload format"),
            }
        }
        PropertyId::RequestProblemInformation
        | PropertyId::RequestResponseInformation
        | PropertyId::RetainAvailable
        | PropertyId::WildcardSubscriptionAvailable
        | PropertyId::SubscriptionIdentifiersAvailable
        | PropertyId::SharedSubscriptionAvailable => flag(walk.number(name, 1, sections)?),
        PropertyId::MaximumQoS => walk.number(name, 1, sections)?,
        PropertyId::ReceiveMaximum | PropertyId::TopicAliasMaximum | PropertyId::TopicAlias => {
            walk.number(name, 2, sections)?
        }
        PropertyId::ServerKeepAlive => walk.number(name, 2, sections)?.means("seconds"),
        PropertyId::MaximumPacketSize => walk.number(name, 4, sections)?.means("bytes"),
        PropertyId::SessionExpiryInterval => {
            let field = walk.number(name, 4, sections)?;
            match field.number() {
                Some(u32::MAX) => field.means("never"),
                _ => field.means("seconds"),
            }
        }
        PropertyId::MessageExpiryInterval | PropertyId::WillDelayInterval => {
            walk.number(name, 4, sections)?.means("seconds")
        }
        PropertyId::SubscriptionIdentifier => walk.var_int(name, sections)?,
        PropertyId::ContentType
        | PropertyId::ResponseTopic
        | PropertyId::AssignedClientIdentifier
        | PropertyId::AuthenticationMethod
        | PropertyId::ResponseInformation
        | PropertyId::ServerReference
        | PropertyId::ReasonString => walk.text(name, sections)?,
        PropertyId::CorrelationData | PropertyId::AuthenticationData => {
            walk.binary(name, sections)?
        }
        PropertyId::UserProperty => {
            let key = walk.text("name", Sections::same(""))?;
            let value = walk.text("value", Sections::same(""))?;
            let span = key.at..walk.at();
            Field::new(name, &span, Value::Group)
                .cited(sections.cite(walk.version()))
                .with(vec![key, value])
        }
    })
}

/// A yes or no; any other number stays what it is.
fn flag(mut field: Field) -> Field {
    match field.value {
        Value::Number(0) => field.value = Value::Flag(false),
        Value::Number(1) => field.value = Value::Flag(true),
        _ => return field.means("neither 0 nor 1"),
    }
    field
}

/// The sections of a scope, of which all numbers but the last are the same.
macro_rules! scope {
    ($name:literal, $section:literal: $($id:ident $number:literal),*) => {
        Scope {
            name: $name,
            section: $section,
            length: concat!($section, ".1"),
            rows: &[$((PropertyId::$id, concat!($section, ".", $number))),*],
        }
    };
}

impl Scope {
    pub(crate) const CONNECT: Self = scope!("properties", "3.1.2.11":
        SessionExpiryInterval "2", ReceiveMaximum "3", MaximumPacketSize "4",
        TopicAliasMaximum "5", RequestResponseInformation "6", RequestProblemInformation "7",
        UserProperty "8", AuthenticationMethod "9", AuthenticationData "10");
    pub(crate) const WILL: Self = scope!("will properties", "3.1.3.2":
        WillDelayInterval "2", PayloadFormatIndicator "3", MessageExpiryInterval "4",
        ContentType "5", ResponseTopic "6", CorrelationData "7", UserProperty "8");
    pub(crate) const CONN_ACK: Self = scope!("properties", "3.2.2.3":
        SessionExpiryInterval "2", ReceiveMaximum "3", MaximumQoS "4", RetainAvailable "5",
        MaximumPacketSize "6", AssignedClientIdentifier "7", TopicAliasMaximum "8",
        ReasonString "9", UserProperty "10", WildcardSubscriptionAvailable "11",
        SubscriptionIdentifiersAvailable "12", SharedSubscriptionAvailable "13",
        ServerKeepAlive "14", ResponseInformation "15", ServerReference "16",
        AuthenticationMethod "17", AuthenticationData "18");
    pub(crate) const PUBLISH: Self = scope!("properties", "3.3.2.3":
        PayloadFormatIndicator "2", MessageExpiryInterval "3", TopicAlias "4",
        ResponseTopic "5", CorrelationData "6", UserProperty "7", SubscriptionIdentifier "8",
        ContentType "9");
    pub(crate) const PUB_ACK: Self =
        scope!("properties", "3.4.2.2": ReasonString "2", UserProperty "3");
    pub(crate) const PUB_REC: Self =
        scope!("properties", "3.5.2.2": ReasonString "2", UserProperty "3");
    pub(crate) const PUB_REL: Self =
        scope!("properties", "3.6.2.2": ReasonString "2", UserProperty "3");
    pub(crate) const PUB_COMP: Self =
        scope!("properties", "3.7.2.2": ReasonString "2", UserProperty "3");
    pub(crate) const SUBSCRIBE: Self =
        scope!("properties", "3.8.2.1": SubscriptionIdentifier "2", UserProperty "3");
    pub(crate) const SUB_ACK: Self =
        scope!("properties", "3.9.2.1": ReasonString "2", UserProperty "3");
    pub(crate) const UNSUBSCRIBE: Self = scope!("properties", "3.10.2.1": UserProperty "2");
    pub(crate) const UNSUB_ACK: Self =
        scope!("properties", "3.11.2.1": ReasonString "2", UserProperty "3");
    pub(crate) const DISCONNECT: Self = scope!("properties", "3.14.2.2":
        SessionExpiryInterval "2", ReasonString "3", UserProperty "4", ServerReference "5");
    pub(crate) const AUTH: Self = scope!("properties", "3.15.2.2":
        AuthenticationMethod "2", AuthenticationData "3", ReasonString "4", UserProperty "5");
}

#[cfg(test)]
mod tests {
    use mqtt_codec::{PacketType, ProtocolVersion};

    use super::*;

    #[test]
    fn each_scope_has_the_properties_that_may_stand_there() {
        let scopes = [
            (Scope::CONNECT, PacketType::Connect),
            (Scope::CONN_ACK, PacketType::ConnAck),
            (Scope::PUBLISH, PacketType::Publish),
            (Scope::PUB_ACK, PacketType::PubAck),
            (Scope::PUB_REC, PacketType::PubRec),
            (Scope::PUB_REL, PacketType::PubRel),
            (Scope::PUB_COMP, PacketType::PubComp),
            (Scope::SUBSCRIBE, PacketType::Subscribe),
            (Scope::SUB_ACK, PacketType::SubAck),
            (Scope::UNSUBSCRIBE, PacketType::Unsubscribe),
            (Scope::UNSUB_ACK, PacketType::UnsubAck),
            (Scope::DISCONNECT, PacketType::Disconnect),
            (Scope::AUTH, PacketType::Auth),
        ];
        let has = |scope: Scope, id| scope.rows.iter().any(|(known, _)| *known == id);
        for id in PropertyId::ALL {
            for (scope, packet_type) in scopes {
                assert_eq!(
                    has(scope, id),
                    id.allowed_in(packet_type),
                    "{packet_type} {id}"
                );
            }
            assert_eq!(has(Scope::WILL, id), id.allowed_in_will(), "will {id}");
        }
    }

    #[test]
    fn an_unreadable_property_ends_only_its_block() {
        // A length of 3, a Topic Alias cut short, and a byte behind the block.
        let packet = [3, 0x26, 0x00, 0x09, 0xAA];
        let mut place = Walk::new(&packet, 0, ProtocolVersion::V5);
        let mut fields = Vec::new();
        assert_eq!(walk(&mut place, Scope::PUBLISH, &mut fields), Some(()));
        assert_eq!(place.at(), 4);
        assert_eq!(fields[1].fields[0].name, "not read");
        assert_eq!(fields[1].fields[0].value, Value::Bytes(1..4));
    }
}
