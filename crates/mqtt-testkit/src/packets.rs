//! Generated Control Packets: owned models of every packet in every version, made to be lent out as
//! the codec's borrowing types.

use core::num::{NonZeroU16, NonZeroU32};

use mqtt_codec::{
    Ack, Auth, ConnAck, Connect, Delivery, Disconnect, Packet, PacketId, PacketType, PayloadFormat,
    Properties, Property, PropertyId, PropertyList, PropertyScope, ProtocolVersion, Publish, QoS,
    ReasonCode, ReasonCodes, RetainHandling, SubAck, Subscribe, SubscribeFilters,
    SubscriptionIdentifier, SubscriptionOptions, TopicFilter, TopicName, UnsubAck, Unsubscribe,
    UnsubscribeFilters, Will,
};
use proptest::collection::vec;
use proptest::prelude::*;

/// A property that owns its value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PropertyModel {
    /// Which property.
    pub id: PropertyId,
    /// Its value; a number is cut down to the range of the property.
    pub value: ValueModel,
}

/// The value of a [`PropertyModel`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ValueModel {
    /// Any number, and yes or no.
    Number(u32),
    /// A string.
    Text(String),
    /// Bytes.
    Binary(Vec<u8>),
    /// Two strings.
    Pair(String, String),
}

impl PropertyModel {
    /// Lends it out; `None` when the value is of the wrong kind for the property.
    #[must_use]
    pub fn borrow(&self) -> Option<Property<'_>> {
        Some(match &self.value {
            ValueModel::Number(number) => number_property(self.id, *number)?,
            ValueModel::Text(text) => text_property(self.id, text)?,
            ValueModel::Binary(bytes) => match self.id {
                PropertyId::CorrelationData => Property::CorrelationData(bytes),
                PropertyId::AuthenticationData => Property::AuthenticationData(bytes),
                _ => return None,
            },
            ValueModel::Pair(name, value) => Property::UserProperty(name, value),
        })
    }
}

fn number_property(id: PropertyId, number: u32) -> Option<Property<'static>> {
    let flag = number & 1 == 1;
    let short = u16::try_from(number & 0xFFFF).unwrap_or(u16::MAX);
    let non_zero = NonZeroU16::new(short).unwrap_or(NonZeroU16::MIN);
    Some(match id {
        PropertyId::PayloadFormatIndicator if flag => {
            Property::PayloadFormatIndicator(PayloadFormat::Utf8)
        }
        PropertyId::PayloadFormatIndicator => {
            Property::PayloadFormatIndicator(PayloadFormat::Bytes)
        }
        PropertyId::MessageExpiryInterval => Property::MessageExpiryInterval(number),
        PropertyId::SubscriptionIdentifier => {
            Property::SubscriptionIdentifier(SubscriptionIdentifier::new(number & 0x0FFF_FFFF | 1)?)
        }
        PropertyId::SessionExpiryInterval => Property::SessionExpiryInterval(number),
        PropertyId::ServerKeepAlive => Property::ServerKeepAlive(short),
        PropertyId::RequestProblemInformation => Property::RequestProblemInformation(flag),
        PropertyId::WillDelayInterval => Property::WillDelayInterval(number),
        PropertyId::RequestResponseInformation => Property::RequestResponseInformation(flag),
        PropertyId::ReceiveMaximum => Property::ReceiveMaximum(non_zero),
        PropertyId::TopicAliasMaximum => Property::TopicAliasMaximum(short),
        PropertyId::TopicAlias => Property::TopicAlias(non_zero),
        PropertyId::MaximumQoS if flag => Property::MaximumQoS(QoS::AtLeastOnce),
        PropertyId::MaximumQoS => Property::MaximumQoS(QoS::AtMostOnce),
        PropertyId::RetainAvailable => Property::RetainAvailable(flag),
        PropertyId::MaximumPacketSize => {
            Property::MaximumPacketSize(NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN))
        }
        PropertyId::WildcardSubscriptionAvailable => Property::WildcardSubscriptionAvailable(flag),
        PropertyId::SubscriptionIdentifiersAvailable => {
            Property::SubscriptionIdentifiersAvailable(flag)
        }
        PropertyId::SharedSubscriptionAvailable => Property::SharedSubscriptionAvailable(flag),
        _ => return None,
    })
}

fn text_property(id: PropertyId, text: &str) -> Option<Property<'_>> {
    Some(match id {
        PropertyId::ContentType => Property::ContentType(text),
        PropertyId::ResponseTopic => Property::ResponseTopic(TopicName::try_new(text).ok()?),
        PropertyId::AssignedClientIdentifier => Property::AssignedClientIdentifier(text),
        PropertyId::AuthenticationMethod => Property::AuthenticationMethod(text),
        PropertyId::ResponseInformation => Property::ResponseInformation(text),
        PropertyId::ServerReference => Property::ServerReference(text),
        PropertyId::ReasonString => Property::ReasonString(text),
        _ => return None,
    })
}

/// Lends out a list of properties.
#[must_use]
pub fn borrow_properties(models: &[PropertyModel]) -> Vec<Property<'_>> {
    models.iter().filter_map(PropertyModel::borrow).collect()
}

/// A Control Packet that owns its fields. Texts are valid where they come from the generators here.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PacketModel {
    /// CONNECT.
    Connect(ConnectModel),
    /// CONNACK.
    ConnAck {
        /// Session Present.
        session_present: bool,
        /// Reason Code.
        reason: ReasonCode,
        /// Properties.
        properties: Vec<PropertyModel>,
    },
    /// PUBLISH.
    Publish(PublishModel),
    /// PUBACK, PUBREC, PUBREL or PUBCOMP.
    Ack {
        /// Which of the four.
        packet_type: PacketType,
        /// Packet Identifier.
        packet_id: PacketId,
        /// Reason Code.
        reason: ReasonCode,
        /// Properties.
        properties: Vec<PropertyModel>,
    },
    /// SUBSCRIBE.
    Subscribe {
        /// Packet Identifier.
        packet_id: PacketId,
        /// Properties.
        properties: Vec<PropertyModel>,
        /// Topic Filters with their options.
        filters: Vec<(String, SubscriptionOptions)>,
    },
    /// SUBACK.
    SubAck {
        /// Packet Identifier.
        packet_id: PacketId,
        /// Properties.
        properties: Vec<PropertyModel>,
        /// Reason Codes.
        reasons: Vec<ReasonCode>,
    },
    /// UNSUBSCRIBE.
    Unsubscribe {
        /// Packet Identifier.
        packet_id: PacketId,
        /// Properties.
        properties: Vec<PropertyModel>,
        /// Topic Filters.
        filters: Vec<String>,
    },
    /// UNSUBACK.
    UnsubAck {
        /// Packet Identifier.
        packet_id: PacketId,
        /// Properties.
        properties: Vec<PropertyModel>,
        /// Reason Codes.
        reasons: Vec<ReasonCode>,
    },
    /// PINGREQ.
    PingReq,
    /// PINGRESP.
    PingResp,
    /// DISCONNECT.
    Disconnect {
        /// Reason Code.
        reason: ReasonCode,
        /// Properties.
        properties: Vec<PropertyModel>,
    },
    /// AUTH.
    Auth {
        /// Reason Code.
        reason: ReasonCode,
        /// Properties.
        properties: Vec<PropertyModel>,
    },
}

/// A CONNECT that owns its fields.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConnectModel {
    /// Protocol version.
    pub version: ProtocolVersion,
    /// Clean Start.
    pub clean_start: bool,
    /// Keep Alive. Unit: seconds.
    pub keep_alive_s: u16,
    /// Client Identifier.
    pub client_id: String,
    /// Will.
    pub will: Option<WillModel>,
    /// User Name.
    pub username: Option<String>,
    /// Password.
    pub password: Option<Vec<u8>>,
    /// Properties.
    pub properties: Vec<PropertyModel>,
}

/// A Will that owns its fields.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WillModel {
    /// Will Topic.
    pub topic_name: String,
    /// Will Payload.
    pub payload: Vec<u8>,
    /// Will QoS.
    pub qos: QoS,
    /// Will Retain.
    pub retain: bool,
    /// Will Properties.
    pub properties: Vec<PropertyModel>,
}

/// A PUBLISH that owns its fields.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PublishModel {
    /// DUP.
    pub dup: bool,
    /// RETAIN.
    pub retain: bool,
    /// QoS and Packet Identifier.
    pub delivery: Delivery,
    /// Topic Name.
    pub topic_name: Option<String>,
    /// Properties.
    pub properties: Vec<PropertyModel>,
    /// Application Message.
    pub payload: Vec<u8>,
}

impl PacketModel {
    /// Lends it out as the packet of the codec.
    ///
    /// # Panics
    /// When a topic of a model made by hand is not valid.
    pub fn with<R>(&self, use_packet: impl FnOnce(&Packet<'_>) -> R) -> R {
        match self {
            Self::Connect(model) => model.with(use_packet),
            Self::Publish(model) => model.with(|publish| use_packet(&Packet::Publish(*publish))),
            Self::Subscribe {
                packet_id,
                properties,
                filters,
            } => {
                let filters: Vec<_> = filters
                    .iter()
                    .map(|(text, options)| (filter(text), *options))
                    .collect();
                with_properties(properties, |properties| {
                    use_packet(&Packet::Subscribe(Subscribe {
                        packet_id: *packet_id,
                        properties,
                        filters: SubscribeFilters::from(filters.as_slice()),
                    }))
                })
            }
            Self::Unsubscribe {
                packet_id,
                properties,
                filters,
            } => {
                let filters: Vec<_> = filters.iter().map(|text| filter(text)).collect();
                with_properties(properties, |properties| {
                    use_packet(&Packet::Unsubscribe(Unsubscribe {
                        packet_id: *packet_id,
                        properties,
                        filters: UnsubscribeFilters::from(filters.as_slice()),
                    }))
                })
            }
            Self::ConnAck { properties, .. }
            | Self::Ack { properties, .. }
            | Self::SubAck { properties, .. }
            | Self::UnsubAck { properties, .. }
            | Self::Disconnect { properties, .. }
            | Self::Auth { properties, .. } => with_properties(properties, |properties| {
                use_packet(&self.answer(properties))
            }),
            Self::PingReq | Self::PingResp => use_packet(&self.answer(Properties::EMPTY)),
        }
    }

    /// The packets that borrow nothing but their properties and Reason Codes.
    fn answer<'a>(&'a self, properties: Properties<'a>) -> Packet<'a> {
        match self {
            Self::ConnAck {
                session_present,
                reason,
                ..
            } => Packet::ConnAck(ConnAck {
                session_present: *session_present,
                reason: *reason,
                properties,
            }),
            Self::Ack {
                packet_type,
                packet_id,
                reason,
                ..
            } => {
                let ack = Ack {
                    packet_id: *packet_id,
                    reason: *reason,
                    properties,
                };
                match packet_type {
                    PacketType::PubAck => Packet::PubAck(ack),
                    PacketType::PubRec => Packet::PubRec(ack),
                    PacketType::PubRel => Packet::PubRel(ack),
                    _ => Packet::PubComp(ack),
                }
            }
            Self::SubAck {
                packet_id, reasons, ..
            } => Packet::SubAck(SubAck {
                packet_id: *packet_id,
                properties,
                reasons: ReasonCodes::from(reasons.as_slice()),
            }),
            Self::UnsubAck {
                packet_id, reasons, ..
            } => Packet::UnsubAck(UnsubAck {
                packet_id: *packet_id,
                properties,
                reasons: ReasonCodes::from(reasons.as_slice()),
            }),
            Self::Disconnect { reason, .. } => Packet::Disconnect(Disconnect {
                reason: *reason,
                properties,
            }),
            Self::Auth { reason, .. } => Packet::Auth(Auth {
                reason: *reason,
                properties,
            }),
            Self::PingResp => Packet::PingResp,
            _ => Packet::PingReq,
        }
    }
}

impl ConnectModel {
    fn with<R>(&self, use_packet: impl FnOnce(&Packet<'_>) -> R) -> R {
        let will_properties = self.will.as_ref().map_or(&[][..], |will| &will.properties);
        with_properties(&self.properties, |properties| {
            with_properties(will_properties, |will_properties| {
                use_packet(&Packet::Connect(Connect {
                    version: self.version,
                    bridge: false,
                    clean_start: self.clean_start,
                    keep_alive_s: self.keep_alive_s,
                    client_id: &self.client_id,
                    will: self.will.as_ref().map(|will| Will {
                        topic_name: name(&will.topic_name),
                        payload: &will.payload,
                        qos: will.qos,
                        retain: will.retain,
                        properties: will_properties,
                    }),
                    username: self.username.as_deref(),
                    password: self.password.as_deref(),
                    properties,
                }))
            })
        })
    }
}

impl PublishModel {
    /// Lends it out as the PUBLISH of the codec.
    ///
    /// # Panics
    /// When the topic of a model made by hand is not valid.
    pub fn with<R>(&self, use_publish: impl FnOnce(&Publish<'_>) -> R) -> R {
        with_properties(&self.properties, |properties| {
            use_publish(&Publish {
                dup: self.dup,
                retain: self.retain,
                delivery: self.delivery,
                topic_name: self.topic_name.as_deref().map(name),
                properties,
                payload: &self.payload,
            })
        })
    }
}

fn with_properties<R>(
    models: &[PropertyModel],
    use_properties: impl FnOnce(Properties<'_>) -> R,
) -> R {
    let set = borrow_properties(models);
    let list = PropertyList::new(&set);
    use_properties(Properties::from(&list))
}

#[expect(
    clippy::expect_used,
    reason = "generated topics are valid; a test may panic"
)]
fn name(text: &str) -> TopicName<'_> {
    TopicName::try_new(text).expect("a valid topic name")
}

#[expect(
    clippy::expect_used,
    reason = "generated topics are valid; a test may panic"
)]
fn filter(text: &str) -> TopicFilter<'_> {
    TopicFilter::try_new(text).expect("a valid topic filter")
}

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
    if !version.has_properties() {
        return Just(Vec::new()).boxed();
    }
    let mut ids: Vec<PropertyId> = PropertyId::ALL
        .into_iter()
        .filter(|id| match scope {
            PropertyScope::Packet(packet_type) => id.allowed_in(packet_type),
            PropertyScope::Will => id.allowed_in_will(),
        })
        .collect();
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
    let properties = properties(version, PropertyScope::Packet(packet_type));
    match packet_type {
        PacketType::Connect => connect(version).prop_map(PacketModel::Connect).boxed(),
        PacketType::ConnAck => (any::<bool>(), connack_reason(version), properties)
            .prop_map(move |(present, reason, properties)| PacketModel::ConnAck {
                session_present: present && !reason.is_error() && version.has_session_present(),
                reason,
                properties,
            })
            .boxed(),
        PacketType::Publish => publish(version).prop_map(PacketModel::Publish).boxed(),
        PacketType::PubAck | PacketType::PubRec | PacketType::PubRel | PacketType::PubComp => {
            (packet_id(), ack_reason(packet_type, version), properties)
                .prop_map(move |(packet_id, reason, properties)| PacketModel::Ack {
                    packet_type,
                    packet_id,
                    reason,
                    properties,
                })
                .boxed()
        }
        PacketType::Subscribe => {
            let filter = (topic_filter(), subscription_options(version));
            (packet_id(), properties, vec(filter, 1..5))
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
        PacketType::SubAck => (packet_id(), properties, vec(suback_reason(version), 1..6))
            .prop_map(|(packet_id, properties, reasons)| PacketModel::SubAck {
                packet_id,
                properties,
                reasons,
            })
            .boxed(),
        PacketType::Unsubscribe => (packet_id(), properties, vec(topic_filter(), 1..5))
            .prop_map(
                |(packet_id, properties, filters)| PacketModel::Unsubscribe {
                    packet_id,
                    properties,
                    filters,
                },
            )
            .boxed(),
        PacketType::UnsubAck => {
            let len = if version.has_unsuback_reasons() {
                1..6
            } else {
                0..1
            };
            (
                packet_id(),
                properties,
                vec(reason(PacketType::UnsubAck), len),
            )
                .prop_map(|(packet_id, properties, reasons)| PacketModel::UnsubAck {
                    packet_id,
                    properties,
                    reasons,
                })
                .boxed()
        }
        PacketType::Disconnect if version.disconnect_has_body() => {
            (reason(PacketType::Disconnect), properties)
                .prop_map(|(reason, properties)| PacketModel::Disconnect { reason, properties })
                .boxed()
        }
        PacketType::Disconnect => {
            let reason = ReasonCode::NORMAL_DISCONNECTION;
            Just(PacketModel::Disconnect {
                reason,
                properties: Vec::new(),
            })
            .boxed()
        }
        PacketType::Auth if version.has_auth() => auth(properties),
        PacketType::PingResp => Just(PacketModel::PingResp).boxed(),
        PacketType::PingReq | PacketType::Auth => Just(PacketModel::PingReq).boxed(),
    }
}

/// Any PUBLISH.
pub fn publish(version: ProtocolVersion) -> impl Strategy<Value = PublishModel> {
    let properties = properties(version, PropertyScope::Packet(PacketType::Publish));
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
    let properties = properties(version, PropertyScope::Packet(PacketType::Connect));
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

fn auth(properties: BoxedStrategy<Vec<PropertyModel>>) -> BoxedStrategy<PacketModel> {
    (reason(PacketType::Auth), properties, text())
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

/// Any Reason Code that `packet_type` may have in v5.
fn reason(packet_type: PacketType) -> impl Strategy<Value = ReasonCode> {
    reasons(move |reason| reason.allowed_in(packet_type))
}

fn reasons(allowed: impl Fn(ReasonCode) -> bool) -> impl Strategy<Value = ReasonCode> {
    let all: Vec<_> = (0..=u8::MAX)
        .map(ReasonCode::new)
        .filter(|reason| allowed(*reason))
        .collect();
    proptest::sample::select(all)
}

fn connack_reason(version: ProtocolVersion) -> impl Strategy<Value = ReasonCode> {
    reasons(move |reason| {
        reason.allowed_in(PacketType::ConnAck)
            && version.connack_reason(version.connack_code(reason)) == Some(reason)
    })
}

fn ack_reason(
    packet_type: PacketType,
    version: ProtocolVersion,
) -> impl Strategy<Value = ReasonCode> {
    reasons(move |reason| {
        reason.allowed_in(packet_type)
            && (version.has_ack_reason() || reason == ReasonCode::SUCCESS)
    })
}

fn suback_reason(version: ProtocolVersion) -> impl Strategy<Value = ReasonCode> {
    reasons(move |reason| {
        reason.allowed_in(PacketType::SubAck)
            && version.suback_code(reason) == reason.get()
            && (version.has_suback_failure() || !reason.is_error())
    })
}
