//! Generators of the models: every packet in every version, with nothing in it that the version does
//! not have.

use core::num::NonZeroU16;

use mqtt_codec::{
    Delivery, PacketId, PacketType, PropertyId, PropertyScope, ProtocolVersion, QoS, ReasonCode,
    RetainHandling, SubscriptionOptions,
};
use proptest::collection::vec;
use proptest::prelude::*;

use super::{
    ConnectModel, PacketModel, PropertyModel, PublishModel, ValueModel, WillModel, number_property,
};

/// A string as MQTT has it: up to 20 characters, rarely 300, without U+0000.
pub fn text() -> impl Strategy<Value = String> {
    let len = prop_oneof![20 => 0..20_usize, 1 => 300..301_usize];
    let character = prop_oneof![3 => proptest::char::range(' ', '~'), 1 => any::<char>()];
    len.prop_flat_map(move |len| vec(character.clone(), len))
        .prop_map(|characters| characters.into_iter().filter(|c| *c != '\0').collect())
}

/// Up to 20 bytes, rarely 300.
pub fn binary() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![20 => vec(any::<u8>(), 0..20), 1 => vec(any::<u8>(), 300)]
}

/// A valid Topic Name, sometimes with empty levels or a leading `$`.
pub fn topic_name() -> impl Strategy<Value = String> {
    levels(prop_oneof![4 => level(), 1 => Just(String::new()), 1 => Just("$x".to_owned())])
}

/// A valid Topic Filter, sometimes a shared one.
pub fn topic_filter() -> impl Strategy<Value = String> {
    let plain = prop_oneof![3 => level(), 1 => Just("+".to_owned()), 1 => Just(String::new())];
    let filter = (levels(plain), any::<bool>()).prop_map(|(levels, multi_level)| {
        if multi_level {
            format!("{levels}/#")
        } else {
            levels
        }
    });
    let unshared = "a filter that is not $share/ by chance";
    let filter = filter.prop_filter(unshared, |filter| !filter.starts_with("$share/"));
    (filter, proptest::option::weighted(0.2, level())).prop_map(|(filter, share_name)| {
        match share_name {
            None => filter,
            Some(share_name) => format!("$share/{share_name}/{filter}"),
        }
    })
}

/// One level, not empty, without wildcards.
fn level() -> impl Strategy<Value = String> {
    let character = prop_oneof![4 => proptest::char::range('a', 'd'), 1 => any::<char>()];
    let plain = "no character with a meaning of its own";
    let character = character.prop_filter(plain, |c| !matches!(c, '\0' | '/' | '+' | '#' | '$'));
    vec(character, 1..6).prop_map(|characters| characters.into_iter().collect())
}

fn levels(level: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    vec(level, 1..5).prop_map(|levels| match levels.join("/") {
        empty if empty.is_empty() => "/".to_owned(),
        levels => levels,
    })
}

/// Any Packet Identifier.
pub fn packet_id() -> impl Strategy<Value = PacketId> {
    any::<NonZeroU16>().prop_map(PacketId::from)
}

/// Any Quality of Service.
pub fn qos() -> impl Strategy<Value = QoS> {
    prop_oneof![
        Just(QoS::AtMostOnce),
        Just(QoS::AtLeastOnce),
        Just(QoS::ExactlyOnce)
    ]
}

/// Properties that may stand in `scope` together; none in a version that has none.
pub fn properties(
    version: ProtocolVersion,
    scope: PropertyScope,
) -> BoxedStrategy<Vec<PropertyModel>> {
    let mut ids = allowed_properties(version, scope);
    let repeated = |ids: &mut Vec<PropertyId>, id| {
        if ids.contains(&id) {
            ids.extend([id, id]);
        }
    };
    repeated(&mut ids, PropertyId::UserProperty);
    if scope == PropertyScope::Packet(PacketType::Publish) {
        repeated(&mut ids, PropertyId::SubscriptionIdentifier);
    }
    let len = ids.len();
    proptest::sample::subsequence(ids, 0..=len)
        .prop_shuffle()
        .prop_map(with_method)
        .prop_flat_map(|ids| ids.into_iter().map(property).collect::<Vec<_>>())
        .boxed()
}

/// The properties that may stand in `scope`; none in a version that has none.
pub(super) fn allowed_properties(
    version: ProtocolVersion,
    scope: PropertyScope,
) -> Vec<PropertyId> {
    let is_allowed = |id: &PropertyId| match scope {
        PropertyScope::Packet(packet_type) => id.allowed_in(packet_type),
        PropertyScope::Will => id.allowed_in_will(),
    };
    match version.has_properties() {
        true => PropertyId::ALL.into_iter().filter(is_allowed).collect(),
        false => Vec::new(),
    }
}

fn properties_of(
    packet_type: PacketType,
    version: ProtocolVersion,
) -> BoxedStrategy<Vec<PropertyModel>> {
    properties(version, PropertyScope::Packet(packet_type))
}

/// Authentication Data does not come without an Authentication Method.
fn with_method(mut ids: Vec<PropertyId>) -> Vec<PropertyId> {
    if ids.contains(&PropertyId::AuthenticationData)
        && !ids.contains(&PropertyId::AuthenticationMethod)
    {
        ids.push(PropertyId::AuthenticationMethod);
    }
    ids
}

fn property(id: PropertyId) -> BoxedStrategy<PropertyModel> {
    let value = match id {
        PropertyId::UserProperty => (text(), text())
            .prop_map(|(name, value)| ValueModel::Pair(name, value))
            .boxed(),
        PropertyId::CorrelationData | PropertyId::AuthenticationData => {
            binary().prop_map(ValueModel::Binary).boxed()
        }
        PropertyId::ResponseTopic => topic_name().prop_map(ValueModel::Text).boxed(),
        _ if number_property(id, 1).is_some() => any::<u32>().prop_map(ValueModel::Number).boxed(),
        _ => text().prop_map(ValueModel::Text).boxed(),
    };
    value
        .prop_map(move |value| PropertyModel { id, value })
        .boxed()
}

/// Any packet that `version` has, with nothing in it that the version would leave out.
pub fn packet(version: ProtocolVersion) -> BoxedStrategy<PacketModel> {
    PacketType::ALL
        .into_iter()
        .filter(|packet_type| *packet_type != PacketType::Auth || version.has_auth())
        .map(|packet_type| packet_of(packet_type, version))
        .reduce(|any, one| any.prop_union(one).boxed())
        .unwrap_or_else(|| Just(PacketModel::PingReq).boxed())
}

/// A packet of one type; before v5 a PINGREQ in place of AUTH.
pub fn packet_of(packet_type: PacketType, version: ProtocolVersion) -> BoxedStrategy<PacketModel> {
    match packet_type {
        PacketType::Connect => connect(version).prop_map(PacketModel::Connect).boxed(),
        PacketType::ConnAck => connack(version),
        PacketType::Publish => publish(version).prop_map(PacketModel::Publish).boxed(),
        PacketType::PubAck | PacketType::PubRec | PacketType::PubRel | PacketType::PubComp => {
            ack(packet_type, version)
        }
        PacketType::Subscribe => subscribe(version),
        PacketType::SubAck => suback(version),
        PacketType::Unsubscribe => unsubscribe(version),
        PacketType::UnsubAck => unsuback(version),
        PacketType::Disconnect => disconnect(version),
        PacketType::Auth if version.has_auth() => auth(version),
        PacketType::PingResp => Just(PacketModel::PingResp).boxed(),
        PacketType::PingReq | PacketType::Auth => Just(PacketModel::PingReq).boxed(),
    }
}

fn connack(version: ProtocolVersion) -> BoxedStrategy<PacketModel> {
    (
        any::<bool>(),
        reason(PacketType::ConnAck, version),
        properties_of(PacketType::ConnAck, version),
    )
        .prop_map(move |(present, reason, properties)| PacketModel::ConnAck {
            session_present: present && !reason.is_error() && version.has_session_present(),
            reason,
            properties,
        })
        .boxed()
}

fn ack(packet_type: PacketType, version: ProtocolVersion) -> BoxedStrategy<PacketModel> {
    (
        packet_id(),
        reason(packet_type, version),
        properties_of(packet_type, version),
    )
        .prop_map(move |(packet_id, reason, properties)| PacketModel::Ack {
            packet_type,
            packet_id,
            reason,
            properties,
        })
        .boxed()
}

fn subscribe(version: ProtocolVersion) -> BoxedStrategy<PacketModel> {
    let filters = vec((topic_filter(), subscription_options(version)), 1..5);
    (
        packet_id(),
        properties_of(PacketType::Subscribe, version),
        filters,
    )
        .prop_map(|(packet_id, properties, mut filters)| {
            for (filter, options) in &mut filters {
                options.no_local &= !filter.starts_with("$share/");
            }
            PacketModel::Subscribe {
                packet_id,
                properties,
                filters,
            }
        })
        .boxed()
}

fn suback(version: ProtocolVersion) -> BoxedStrategy<PacketModel> {
    let reasons = vec(reason(PacketType::SubAck, version), 1..6);
    (
        packet_id(),
        properties_of(PacketType::SubAck, version),
        reasons,
    )
        .prop_map(|(packet_id, properties, reasons)| PacketModel::SubAck {
            packet_id,
            properties,
            reasons,
        })
        .boxed()
}

fn unsubscribe(version: ProtocolVersion) -> BoxedStrategy<PacketModel> {
    let filters = vec(topic_filter(), 1..5);
    (
        packet_id(),
        properties_of(PacketType::Unsubscribe, version),
        filters,
    )
        .prop_map(
            |(packet_id, properties, filters)| PacketModel::Unsubscribe {
                packet_id,
                properties,
                filters,
            },
        )
        .boxed()
}

fn unsuback(version: ProtocolVersion) -> BoxedStrategy<PacketModel> {
    let len = if version.has_unsuback_reasons() {
        1..6
    } else {
        0..1
    };
    let reasons = vec(reason(PacketType::UnsubAck, version), len);
    (
        packet_id(),
        properties_of(PacketType::UnsubAck, version),
        reasons,
    )
        .prop_map(|(packet_id, properties, reasons)| PacketModel::UnsubAck {
            packet_id,
            properties,
            reasons,
        })
        .boxed()
}

fn disconnect(version: ProtocolVersion) -> BoxedStrategy<PacketModel> {
    if !version.disconnect_has_body() {
        let reason = ReasonCode::NORMAL_DISCONNECTION;
        return Just(PacketModel::Disconnect {
            reason,
            properties: Vec::new(),
        })
        .boxed();
    }
    (
        reason(PacketType::Disconnect, version),
        properties_of(PacketType::Disconnect, version),
    )
        .prop_map(|(reason, properties)| PacketModel::Disconnect { reason, properties })
        .boxed()
}

fn auth(version: ProtocolVersion) -> BoxedStrategy<PacketModel> {
    (
        reason(PacketType::Auth, version),
        properties_of(PacketType::Auth, version),
        text(),
    )
        .prop_map(|(reason, mut properties, method)| {
            let id = PropertyId::AuthenticationMethod;
            if !properties.iter().any(|model| model.id == id) {
                properties.push(PropertyModel {
                    id,
                    value: ValueModel::Text(method),
                });
            }
            PacketModel::Auth { reason, properties }
        })
        .boxed()
}

/// Any PUBLISH.
pub fn publish(version: ProtocolVersion) -> impl Strategy<Value = PublishModel> {
    let properties = properties_of(PacketType::Publish, version);
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    (
        flags,
        qos(),
        packet_id(),
        topic_name(),
        properties,
        binary(),
    )
        .prop_map(
            |((dup, retain, short), qos, packet_id, topic_name, properties, payload)| {
                let delivery = match qos {
                    QoS::AtMostOnce => Delivery::AtMostOnce,
                    QoS::AtLeastOnce => Delivery::AtLeastOnce(packet_id),
                    QoS::ExactlyOnce => Delivery::ExactlyOnce(packet_id),
                };
                let aliased = properties
                    .iter()
                    .any(|model| model.id == PropertyId::TopicAlias);
                PublishModel {
                    dup: dup && qos != QoS::AtMostOnce,
                    retain,
                    delivery,
                    topic_name: if short && aliased {
                        None
                    } else {
                        Some(topic_name)
                    },
                    properties,
                    payload,
                }
            },
        )
}

/// Any CONNECT.
pub fn connect(version: ProtocolVersion) -> impl Strategy<Value = ConnectModel> {
    let properties = properties_of(PacketType::Connect, version);
    let credentials = (proptest::option::of(text()), proptest::option::of(binary()));
    let will = proptest::option::of(will(version));
    (
        any::<bool>(),
        any::<u16>(),
        text(),
        will,
        credentials,
        properties,
    )
        .prop_map(
            move |(clean_start, keep_alive_s, text, will, (username, password), properties)| {
                let len_max = version.client_id_len_max().unwrap_or(usize::MAX);
                let mut client_id: String = text.chars().take(len_max).collect();
                if client_id.is_empty() && !version.allows_empty_client_id(clean_start) {
                    client_id.push('c');
                }
                let password =
                    password.filter(|_| username.is_some() || version.allows_password_alone());
                ConnectModel {
                    version,
                    clean_start,
                    keep_alive_s,
                    client_id,
                    will,
                    username,
                    password,
                    properties,
                }
            },
        )
}

fn will(version: ProtocolVersion) -> impl Strategy<Value = WillModel> {
    let properties = properties(version, PropertyScope::Will);
    (topic_name(), binary(), qos(), any::<bool>(), properties).prop_map(
        |(topic_name, payload, qos, retain, properties)| WillModel {
            topic_name,
            payload,
            qos,
            retain,
            properties,
        },
    )
}

fn subscription_options(version: ProtocolVersion) -> impl Strategy<Value = SubscriptionOptions> {
    let handling = prop_oneof![
        Just(RetainHandling::SendAtSubscribe),
        Just(RetainHandling::SendIfNew),
        Just(RetainHandling::DoNotSend)
    ];
    let all = version.has_properties();
    (qos(), any::<bool>(), any::<bool>(), handling).prop_map(
        move |(qos, no_local, retain_as_published, retain_handling)| match all {
            true => SubscriptionOptions {
                qos,
                no_local,
                retain_as_published,
                retain_handling,
            },
            false => SubscriptionOptions::new(qos),
        },
    )
}

fn reason(packet_type: PacketType, version: ProtocolVersion) -> impl Strategy<Value = ReasonCode> {
    proptest::sample::select(allowed_reasons(packet_type, version))
}

/// The Reason Codes that `packet_type` may have and that `version` writes as they are; never empty
/// where the packet has one.
pub(super) fn allowed_reasons(
    packet_type: PacketType,
    version: ProtocolVersion,
) -> Vec<ReasonCode> {
    let is_written = |reason: &ReasonCode| match packet_type {
        PacketType::ConnAck => {
            version.connack_reason(version.connack_code(*reason)) == Some(*reason)
        }
        PacketType::SubAck => {
            version.suback_code(*reason) == reason.get()
                && (version.has_suback_failure() || !reason.is_error())
        }
        _ => version.has_ack_reason() || *reason == ReasonCode::SUCCESS,
    };
    (0..=u8::MAX)
        .map(ReasonCode::new)
        .filter(|reason| reason.allowed_in(packet_type))
        .filter(is_written)
        .collect()
}
