//! Received property blocks.

use std::num::{NonZeroU16, NonZeroU32};

use mqtt_codec::{
    Malformed, PacketType, PayloadFormat, Properties, Property, PropertyId, PropertyScope,
    PropertySet, QoS, ReasonCode, SubscriptionIdentifier,
};

use crate::support::{V5, answer, block, name, packet, refused, refused_at};

/// One well-formed entry of every property.
const ENTRIES: [(PropertyId, &[u8]); 27] = [
    (PropertyId::PayloadFormatIndicator, &[0x01, 1]),
    (PropertyId::MessageExpiryInterval, &[0x02, 0, 0, 0, 2]),
    (PropertyId::ContentType, b"\x03\0\x01c"),
    (PropertyId::ResponseTopic, b"\x08\0\x01r"),
    (PropertyId::CorrelationData, b"\x09\0\x01d"),
    (PropertyId::SubscriptionIdentifier, &[0x0B, 0x80, 0x01]),
    (
        PropertyId::SessionExpiryInterval,
        &[0x11, 0xFF, 0xFF, 0xFF, 0xFF],
    ),
    (PropertyId::AssignedClientIdentifier, b"\x12\0\x01a"),
    (PropertyId::ServerKeepAlive, &[0x13, 0, 19]),
    (PropertyId::AuthenticationMethod, b"\x15\0\x01m"),
    (PropertyId::AuthenticationData, b"\x16\0\x01\xFF"),
    (PropertyId::RequestProblemInformation, &[0x17, 0]),
    (PropertyId::WillDelayInterval, &[0x18, 0, 0, 0, 24]),
    (PropertyId::RequestResponseInformation, &[0x19, 1]),
    (PropertyId::ResponseInformation, b"\x1A\0\x01i"),
    (PropertyId::ServerReference, b"\x1C\0\x01s"),
    (PropertyId::ReasonString, b"\x1F\0\x01t"),
    (PropertyId::ReceiveMaximum, &[0x21, 0, 33]),
    (PropertyId::TopicAliasMaximum, &[0x22, 0, 0]),
    (PropertyId::TopicAlias, &[0x23, 0, 35]),
    (PropertyId::MaximumQoS, &[0x24, 1]),
    (PropertyId::RetainAvailable, &[0x25, 0]),
    (PropertyId::UserProperty, b"\x26\0\x01n\0\x01v"),
    (PropertyId::MaximumPacketSize, &[0x27, 0, 0, 0, 39]),
    (PropertyId::WildcardSubscriptionAvailable, &[0x28, 0]),
    (PropertyId::SubscriptionIdentifiersAvailable, &[0x29, 0]),
    (PropertyId::SharedSubscriptionAvailable, &[0x2A, 0]),
];

/// Every place that has properties.
fn scopes() -> Vec<PropertyScope> {
    let packets = PacketType::ALL
        .into_iter()
        .filter(|packet_type| !matches!(packet_type, PacketType::PingReq | PacketType::PingResp))
        .map(PropertyScope::Packet);
    packets.chain([PropertyScope::Will]).collect()
}

fn allows(scope: PropertyScope, id: PropertyId) -> bool {
    match scope {
        PropertyScope::Packet(packet_type) => id.allowed_in(packet_type),
        PropertyScope::Will => id.allowed_in_will(),
    }
}

/// What is wrong with `raw` there.
fn wrong(scope: PropertyScope, raw: &[u8]) -> Malformed {
    Properties::try_from_raw(raw, scope).unwrap_err().kind
}

/// A scope that has `id`, and what has to stand beside it there.
fn home(id: PropertyId) -> (PropertyScope, &'static [u8]) {
    let scope = scopes()
        .into_iter()
        .find(|scope| allows(*scope, id))
        .unwrap();
    (
        scope,
        if id == PropertyId::AuthenticationData {
            b"\x15\0\x01m"
        } else {
            &[]
        },
    )
}

#[test]
fn each_property_stands_where_the_table_says() {
    // Number of places for each property, in the order of the table: v5 §2.2.2.2.
    let places = [
        2, 2, 2, 2, 2, 2, 3, 1, 1, 3, 3, 1, 1, 1, 1, 2, 9, 2, 2, 1, 1, 1, 14, 2, 1, 1, 1,
    ];
    for ((id, entry), places) in ENTRIES.into_iter().zip(places) {
        assert_eq!(PropertyId::from_u8(entry[0]), Some(id));
        assert_eq!((id.get(), PropertyId::ALL.contains(&id)), (entry[0], true));
        let raw = [home(id).1, entry].concat();
        let mut count = 0;
        for scope in scopes() {
            if allows(scope, id) {
                count += 1;
                assert!(Properties::try_from_raw(&raw, scope).unwrap().has(id));
            } else {
                let kind = wrong(scope, entry);
                assert_eq!(kind, Malformed::PropertyNotAllowed { property: id });
                assert_eq!(kind.reason_code(), ReasonCode::MALFORMED_PACKET);
            }
        }
        assert_eq!(count, places, "{id}");
    }
}

#[test]
fn a_property_that_may_appear_once_is_refused_the_second_time() {
    for (id, entry) in ENTRIES {
        for scope in scopes().into_iter().filter(|scope| allows(*scope, id)) {
            let raw = [home(id).1, entry, entry].concat();
            let may_repeat = id == PropertyId::UserProperty
                || (id == PropertyId::SubscriptionIdentifier
                    && scope == PropertyScope::Packet(PacketType::Publish));
            if may_repeat {
                assert_eq!(
                    Properties::try_from_raw(&raw, scope)
                        .unwrap()
                        .iter()
                        .count(),
                    2
                );
            } else {
                let kind = wrong(scope, &raw);
                assert_eq!(kind, Malformed::PropertyRepeated { property: id });
                assert_eq!(kind.reason_code(), ReasonCode::PROTOCOL_ERROR);
            }
        }
    }
}

#[test]
fn unknown_properties_are_refused() {
    for identifier in (0..0x80).filter(|id| PropertyId::from_u8(*id).is_none()) {
        for scope in scopes() {
            let kind = wrong(scope, &[identifier, 0, 0, 0, 0]);
            assert_eq!(kind, Malformed::PropertyUnknown { identifier });
        }
    }
    let scope = PropertyScope::Will;
    let unknown = Malformed::PropertyUnknown { identifier: 0x80 };
    assert_eq!(wrong(scope, &[0x80, 0x01, 0]), unknown);
    assert_eq!(wrong(scope, &[0x81, 0x00, 0]), Malformed::VarIntNotMinimal);
    assert_eq!(
        wrong(scope, &[0x80, 0x80, 0x80, 0x80, 1]),
        Malformed::VarIntTooLong
    );
}

#[test]
fn values_out_of_range_are_refused() {
    for bad in [
        &[0x01, 2][..],
        &[0x17, 2],
        &[0x19, 0xFF],
        &[0x24, 2],
        &[0x25, 2],
        &[0x28, 2],
        &[0x29, 2],
        &[0x2A, 2],
        &[0x0B, 0],
        &[0x21, 0, 0],
        &[0x23, 0, 0],
        &[0x27, 0, 0, 0, 0],
        b"\x08\0\0",
        b"\x08\0\x01#",
    ] {
        let property = PropertyId::from_u8(bad[0]).unwrap();
        let kind = wrong(home(property).0, bad);
        assert_eq!(
            kind,
            Malformed::PropertyValueInvalid { property },
            "{property}"
        );
    }
    let longest = [0x0B, 0xFF, 0xFF, 0xFF, 0x7F];
    assert!(Properties::try_from_raw(&longest, PropertyScope::Packet(PacketType::Publish)).is_ok());
}

#[test]
fn values_cut_short_are_refused() {
    for (id, entry) in ENTRIES {
        let (scope, beside) = home(id);
        for len in 1..entry.len() {
            let raw = [beside, &entry[..len]].concat();
            assert_eq!(
                wrong(scope, &raw),
                Malformed::Truncated,
                "{id} of {len} bytes"
            );
        }
    }
}

#[test]
fn authentication_data_needs_a_method() {
    for packet_type in [PacketType::Connect, PacketType::ConnAck, PacketType::Auth] {
        let kind = wrong(PropertyScope::Packet(packet_type), b"\x16\0\0");
        assert_eq!(kind, Malformed::AuthenticationMethodMissing);
    }
}

#[test]
fn a_property_length_ends_inside_the_packet() {
    let connack = |tail: &[u8]| packet(0x20, &[&[0, 0], tail].concat());
    assert_eq!(refused_at(V5, &connack(&[1])), (Malformed::Truncated, 5));
    assert_eq!(
        refused(V5, &connack(&[5, 0x21, 0, 1])),
        Malformed::Truncated
    );
    assert_eq!(
        refused(V5, &connack(&[0xFF, 0xFF, 0xFF, 0x7F])),
        Malformed::Truncated
    );
    // A property may not run past the block, even where the packet goes on.
    let publish = packet(0x30, b"\0\x01t\x02\x01\x01\x01");
    assert!(crate::support::decode(V5, &publish).is_ok());
    let publish = packet(0x30, b"\0\x01t\x01\x01\x01\x01");
    assert_eq!(refused_at(V5, &publish), (Malformed::Truncated, 7));
}

/// Covers: v5 [MQTT-1.5.5-1].
#[test]
fn v5_1_5_5_1_padded_integers_are_refused() {
    let publish = |tail: &[u8]| packet(0x30, &[b"\0\x01t", tail].concat());
    assert_eq!(
        refused_at(V5, &publish(&[0x80, 0])),
        (Malformed::VarIntNotMinimal, 5)
    );
    let padded = block(&[0x0B, 0x81, 0x00]);
    assert_eq!(
        refused_at(V5, &publish(&padded)),
        (Malformed::VarIntNotMinimal, 7)
    );
    assert_eq!(answer(V5, &publish(&padded)), ReasonCode::MALFORMED_PACKET);
    let too_long = publish(&[0x80, 0x80, 0x80, 0x80, 0x01]);
    assert_eq!(refused(V5, &too_long), Malformed::VarIntTooLong);
}

/// All properties that a CONNACK may have, and a User Property twice.
fn connack() -> Vec<u8> {
    let allowed = |entry: &&(PropertyId, &[u8])| entry.0.allowed_in(PacketType::ConnAck);
    let mut raw: Vec<u8> = ENTRIES
        .iter()
        .filter(allowed)
        .flat_map(|(_, entry)| entry.to_vec())
        .collect();
    raw.extend(b"\x26\0\0\0\0");
    raw
}

#[test]
fn getters_of_connack_find_their_property() {
    let raw = connack();
    let scope = PropertyScope::Packet(PacketType::ConnAck);
    let found = Properties::try_from_raw(&raw, scope).unwrap();
    assert_eq!(found.raw(), Some(raw.as_slice()));
    assert_eq!(found.session_expiry_interval_s(), Some(u32::MAX));
    assert_eq!(found.assigned_client_identifier(), Some("a"));
    assert_eq!(found.server_keep_alive_s(), Some(19));
    assert_eq!(found.authentication_method(), Some("m"));
    assert_eq!(found.authentication_data(), Some(&[0xFF][..]));
    assert_eq!(found.response_information(), Some("i"));
    assert_eq!(found.server_reference(), Some("s"));
    assert_eq!(found.reason_string(), Some("t"));
    assert_eq!(found.receive_maximum(), NonZeroU16::new(33));
    assert_eq!(found.topic_alias_maximum(), Some(0));
    assert_eq!(found.maximum_qos(), Some(QoS::AtLeastOnce));
    assert_eq!(found.retain_available(), Some(false));
    assert_eq!(found.maximum_packet_size(), NonZeroU32::new(39));
    assert_eq!(found.wildcard_subscription_available(), Some(false));
    assert_eq!(found.subscription_identifiers_available(), Some(false));
    assert_eq!(found.shared_subscription_available(), Some(false));
    assert!(found.user_properties().eq([("n", "v"), ("", "")]));
    assert_eq!((found.topic_alias(), found.content_type()), (None, None));
    assert_eq!(found.subscription_identifiers().count(), 0);
}

#[test]
fn getters_of_publish_connect_and_will_find_their_property() {
    let of = |ids: &[PropertyId]| -> Vec<u8> {
        let wanted = ENTRIES.iter().filter(|(id, _)| ids.contains(id));
        wanted.flat_map(|(_, entry)| entry.to_vec()).collect()
    };
    let publish: Vec<_> = PropertyId::ALL
        .into_iter()
        .filter(|id| id.allowed_in(PacketType::Publish))
        .collect();
    let mut raw = of(&publish);
    raw.extend([0x0B, 2]);
    let scope = PropertyScope::Packet(PacketType::Publish);
    let found = Properties::try_from_raw(&raw, scope).unwrap();
    assert_eq!(found.payload_format_indicator(), Some(PayloadFormat::Utf8));
    assert_eq!(found.message_expiry_interval_s(), Some(2));
    assert_eq!(found.content_type(), Some("c"));
    assert_eq!(found.response_topic(), Some(name("r")));
    assert_eq!(found.correlation_data(), Some(&b"d"[..]));
    assert_eq!(found.topic_alias(), NonZeroU16::new(35));
    let ids = [128, 2].map(|id| SubscriptionIdentifier::new(id).unwrap());
    assert!(found.subscription_identifiers().eq(ids));
    assert_eq!(found.ids(), PropertySet::of(&publish));

    let connect = [
        PropertyId::RequestProblemInformation,
        PropertyId::RequestResponseInformation,
    ];
    let raw = of(&connect);
    let scope = PropertyScope::Packet(PacketType::Connect);
    let found = Properties::try_from_raw(&raw, scope).unwrap();
    assert_eq!(found.request_problem_information(), Some(false));
    assert_eq!(found.request_response_information(), Some(true));

    let raw = of(&[PropertyId::WillDelayInterval]);
    let found = Properties::try_from_raw(&raw, PropertyScope::Will).unwrap();
    assert_eq!(found.will_delay_interval_s(), Some(24));
}

/// Covers: v5 [MQTT-1.5.7-1].
#[test]
fn v5_1_5_7_1_both_strings_of_a_pair_are_strings() {
    let scope = PropertyScope::Packet(PacketType::Subscribe);
    assert!(Properties::try_from_raw(b"\x26\0\x01n\0\x01v", scope).is_ok());
    for (raw, kind) in [
        (b"\x26\0\x01\xFF\0\x01v", Malformed::Utf8Invalid),
        (b"\x26\0\x01n\0\x01\xFF", Malformed::Utf8Invalid),
        (b"\x26\0\x01\0\0\x01v", Malformed::NullCharacter),
        (b"\x26\0\x01n\0\x01\0", Malformed::NullCharacter),
    ] {
        assert_eq!(wrong(scope, raw), kind);
    }
}

#[test]
fn no_properties_at_all() {
    for empty in [Properties::EMPTY, Properties::default()] {
        assert!(empty.is_empty() && empty.ids().is_empty());
        assert_eq!((empty.iter().count(), empty.raw()), (0, Some(&[][..])));
        assert_eq!(empty.reason_string(), None);
        assert_eq!(format!("{empty:?}"), "[]");
    }
}

#[test]
fn properties_are_three_words_and_equal_by_content() {
    assert!(size_of::<Properties<'_>>() <= 24);
    let scope = PropertyScope::Packet(PacketType::PubAck);
    let read = |raw| Properties::try_from_raw(raw, scope).unwrap();
    let a = read(b"\x26\0\x01a\0\x01b\x26\0\x01c\0\x01d");
    let b = read(b"\x26\0\x01c\0\x01d\x26\0\x01a\0\x01b");
    assert_eq!(a, a);
    assert_ne!(a, b);
    assert_eq!(a.iter().next(), Some(Property::UserProperty("a", "b")));
    assert_eq!(
        format!("{a:?}"),
        r#"[UserProperty("a", "b"), UserProperty("c", "d")]"#
    );
}

#[test]
fn subscription_identifiers_have_a_range() {
    for (value, valid) in [
        (0, false),
        (1, true),
        (268_435_455, true),
        (268_435_456, false),
    ] {
        assert_eq!(
            SubscriptionIdentifier::new(value).map(|id| id.get()),
            valid.then_some(value)
        );
    }
}
