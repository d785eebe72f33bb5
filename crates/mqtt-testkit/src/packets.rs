//! Owned models of every Control Packet, made to be lent out as the codec's borrowing types, and
//! generators of them.

mod grow;
mod strategies;

use core::num::{NonZeroU16, NonZeroU32};

use mqtt_codec::{
    Ack, Auth, ConnAck, Connect, Delivery, Disconnect, Packet, PacketId, PacketType, PayloadFormat,
    Properties, Property, PropertyId, PropertyList, ProtocolVersion, Publish, QoS, ReasonCode,
    ReasonCodes, SubAck, Subscribe, SubscribeFilters, SubscriptionIdentifier, SubscriptionOptions,
    TopicFilter, TopicName, UnsubAck, Unsubscribe, UnsubscribeFilters, Will,
};

pub use grow::from_bytes;
pub use strategies::{
    binary, connect, packet, packet_id, packet_of, properties, publish, qos, text, topic_filter,
    topic_name,
};

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
