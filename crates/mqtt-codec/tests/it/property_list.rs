//! Outgoing properties: a received block and changes to it.

use std::num::NonZeroU16;

use mqtt_codec::{
    ConnAck, EncodeError, Field, Packet, PacketType, Properties, Property, PropertyId,
    PropertyList, PropertyScope, PropertySet, Publish, QoS, Subscribe, SubscribeFilters,
    SubscriptionIdentifier, SubscriptionOptions,
};

use crate::support::{V5, V311, decode, encode, filter, name};

/// Message Expiry 9, Topic Alias 1, User Property a=b, Subscription Identifier 5.
const RECEIVED: &[u8] = b"\x02\0\0\0\x09\x23\0\x01\x26\0\x01a\0\x01b\x0B\x05";

fn received() -> Properties<'static> {
    Properties::try_from_raw(RECEIVED, PropertyScope::Packet(PacketType::Publish)).unwrap()
}

fn publish(properties: Properties<'_>) -> Publish<'_> {
    Publish {
        topic_name: Some(name("t")),
        properties,
        ..Publish::default()
    }
}

/// The property block that a PUBLISH with these properties has on the wire.
fn written(properties: Properties<'_>) -> Vec<u8> {
    let bytes = encode(V5, &Packet::Publish(publish(properties)));
    let Ok(Packet::Publish(read)) = decode(V5, &bytes) else {
        panic!()
    };
    assert_eq!(read.properties, properties);
    read.properties.raw().unwrap().to_vec()
}

fn id(value: u32) -> SubscriptionIdentifier {
    SubscriptionIdentifier::new(value).unwrap()
}

#[test]
fn an_unchanged_block_is_copied() {
    assert_eq!(written(received()), RECEIVED);
    let list = PropertyList {
        base: received(),
        ..PropertyList::default()
    };
    assert_eq!(written(Properties::from(&list)), RECEIVED);
    assert_eq!(Properties::from(&list).raw(), None);
}

#[test]
fn properties_are_left_out_replaced_and_added() {
    let set = [
        Property::MessageExpiryInterval(7),
        Property::UserProperty("c", "d"),
        Property::ContentType("x"),
    ];
    let subscription_ids = [id(6), id(300)];
    let list = PropertyList {
        base: received(),
        without: PropertySet::of(&[PropertyId::TopicAlias, PropertyId::SubscriptionIdentifier]),
        set: &set,
        subscription_ids: &subscription_ids,
    };
    let properties = Properties::from(&list);
    let expected = [
        &b"\x26\0\x01a\0\x01b"[..],
        b"\x02\0\0\0\x07\x26\0\x01c\0\x01d\x03\0\x01x",
        b"\x0B\x06\x0B\xAC\x02",
    ];
    assert_eq!(written(properties), expected.concat());
    assert_eq!(properties.message_expiry_interval_s(), Some(7));
    assert_eq!(properties.topic_alias(), None);
    assert!(!properties.has(PropertyId::TopicAlias));
    assert!(properties.user_properties().eq([("a", "b"), ("c", "d")]));
    assert!(properties.subscription_identifiers().eq(subscription_ids));
}

#[test]
fn what_is_left_out_of_the_base_may_be_set() {
    let set = [Property::UserProperty("c", "d")];
    let list = PropertyList {
        base: received(),
        without: PropertySet::of(&[PropertyId::UserProperty]),
        set: &set,
        ..PropertyList::default()
    };
    assert!(Properties::from(&list).user_properties().eq([("c", "d")]));
}

#[test]
fn lists_may_stand_on_lists() {
    let inner_set = [Property::ContentType("x"), Property::UserProperty("c", "d")];
    let inner = PropertyList {
        base: received(),
        set: &inner_set,
        ..PropertyList::default()
    };
    let outer_set = [Property::ContentType("y")];
    let outer_ids = [id(1)];
    let outer = PropertyList {
        base: Properties::from(&inner),
        without: PropertySet::of(&[PropertyId::TopicAlias]),
        set: &outer_set,
        subscription_ids: &outer_ids,
    };
    let expected = [
        &b"\x02\0\0\0\x09\x26\0\x01a\0\x01b\x0B\x05"[..],
        b"\x26\0\x01c\0\x01d",
        b"\x03\0\x01y\x0B\x01",
    ];
    assert_eq!(written(Properties::from(&outer)), expected.concat());
}

#[test]
fn an_empty_list_is_written_as_no_properties() {
    let everything = PropertySet::of(&PropertyId::ALL);
    let list = PropertyList {
        base: received(),
        without: everything,
        ..PropertyList::default()
    };
    assert!(Properties::from(&list).is_empty());
    assert_eq!(written(Properties::from(&list)), [0_u8; 0]);
    let list = PropertyList::new(&[]);
    assert!(Properties::from(&list).is_empty());
}

#[test]
fn properties_of_another_packet_are_not_written() {
    let property = PropertyId::ReceiveMaximum;
    let set = [Property::ReceiveMaximum(NonZeroU16::MIN)];
    let list = PropertyList::new(&set);
    let refused = Err(EncodeError::PropertyNotAllowed { property });
    assert_eq!(publish(Properties::from(&list)).encoded_len(V5), refused);
    let scope = PropertyScope::Packet(PacketType::Connect);
    let block = Properties::try_from_raw(&[0x21, 0, 1], scope).unwrap();
    assert_eq!(publish(block).encoded_len(V5), refused);
    assert!(publish(block).encoded_len(V311).is_ok());
}

#[test]
fn repeated_properties_are_not_written() {
    let set = [Property::ContentType("x"), Property::ContentType("y")];
    let list = PropertyList::new(&set);
    let refused = Err(EncodeError::PropertyRepeated {
        property: PropertyId::ContentType,
    });
    assert_eq!(publish(Properties::from(&list)).encoded_len(V5), refused);

    let property = PropertyId::SubscriptionIdentifier;
    let filters = [(filter("t"), SubscriptionOptions::default())];
    let subscribe = |properties| Subscribe {
        packet_id: mqtt_codec::PacketId::MIN,
        properties,
        filters: SubscribeFilters::from(&filters[..]),
    };
    let ids = [id(1), id(2)];
    let list = PropertyList {
        subscription_ids: &ids,
        ..PropertyList::default()
    };
    let refused = Err(EncodeError::PropertyRepeated { property });
    assert_eq!(subscribe(Properties::from(&list)).encoded_len(V5), refused);
    let scope = PropertyScope::Packet(PacketType::Publish);
    let block = Properties::try_from_raw(&[0x0B, 1, 0x0B, 2], scope).unwrap();
    assert_eq!(subscribe(block).encoded_len(V5), refused);
    assert!(publish(block).encoded_len(V5).is_ok());
}

#[test]
fn values_that_the_wire_cannot_hold_are_not_written() {
    let long = "x".repeat(65_536);
    let field = |property| Field::Property(property);
    let max = 65_535;
    for (property, error) in [
        (
            Property::ContentType(&long),
            EncodeError::TooLong {
                field: field(PropertyId::ContentType),
                max,
            },
        ),
        (
            Property::CorrelationData(long.as_bytes()),
            EncodeError::TooLong {
                field: field(PropertyId::CorrelationData),
                max,
            },
        ),
        (
            Property::UserProperty("n", &long),
            EncodeError::TooLong {
                field: field(PropertyId::UserProperty),
                max,
            },
        ),
        (
            Property::UserProperty("n\0", "v"),
            EncodeError::NullCharacter {
                field: field(PropertyId::UserProperty),
            },
        ),
        (
            Property::ContentType("\0"),
            EncodeError::NullCharacter {
                field: field(PropertyId::ContentType),
            },
        ),
    ] {
        let set = [property];
        let list = PropertyList::new(&set);
        assert_eq!(publish(Properties::from(&list)).encoded_len(V5), Err(error));
    }
}

#[test]
fn maximum_qos_2_is_not_written() {
    let set = [Property::MaximumQoS(QoS::ExactlyOnce)];
    let list = PropertyList::new(&set);
    let connack = ConnAck {
        properties: Properties::from(&list),
        ..ConnAck::default()
    };
    let property = PropertyId::MaximumQoS;
    assert_eq!(
        connack.encoded_len(V5),
        Err(EncodeError::PropertyValueInvalid { property })
    );
}

#[test]
fn authentication_data_alone_is_not_written() {
    let set = [Property::AuthenticationData(b"d")];
    let list = PropertyList::new(&set);
    let connack = ConnAck {
        properties: Properties::from(&list),
        ..ConnAck::default()
    };
    let field = Field::Property(PropertyId::AuthenticationMethod);
    assert_eq!(connack.encoded_len(V5), Err(EncodeError::Missing { field }));
}

/// Covers: v5 [MQTT-3.3.2-8].
#[test]
fn v5_3_3_2_8_topic_alias_0_cannot_be_made() {
    assert_eq!(NonZeroU16::new(0), None);
    let set = [Property::TopicAlias(NonZeroU16::MIN)];
    let list = PropertyList::new(&set);
    assert_eq!(written(Properties::from(&list)), [0x23, 0, 1]);
}

#[test]
fn property_sets_are_sets() {
    let mut set = PropertySet::of(&[PropertyId::TopicAlias, PropertyId::ContentType]);
    assert!(set.contains(PropertyId::TopicAlias) && !set.contains(PropertyId::UserProperty));
    set.insert(PropertyId::UserProperty);
    let other = PropertySet::of(&[PropertyId::UserProperty]);
    assert_eq!(set.difference(other).union(other), set);
    let ids = [
        PropertyId::ContentType,
        PropertyId::TopicAlias,
        PropertyId::UserProperty,
    ];
    assert!(set.iter().eq(ids));
    assert!(PropertySet::EMPTY.is_empty() && PropertySet::EMPTY == PropertySet::default());
    assert_eq!(PropertySet::of(&PropertyId::ALL).iter().count(), 27);
}
