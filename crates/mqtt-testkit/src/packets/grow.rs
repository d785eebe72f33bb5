//! Packets grown from bytes, for fuzzing: every input makes one, and a small change of the input
//! makes a small change of the packet.

use mqtt_codec::{
    Delivery, PacketId, PacketType, PropertyId, PropertyScope, ProtocolVersion, QoS, ReasonCode,
    RetainHandling, SubscriptionOptions, TopicFilter, TopicName,
};

use super::strategies::{allowed_properties, allowed_reasons};
use super::{
    ConnectModel, PacketModel, PropertyModel, PublishModel, ValueModel, WillModel, number_property,
};

/// Most properties in one block, Topic Filters in one SUBSCRIBE and levels in one topic.
const LIST_LEN_MAX: usize = 8;

/// Length of a field that makes its packet longer than one byte can say. Unit: bytes.
const LONG_LEN: usize = 300;

/// Length of a payload that makes its packet longer than two bytes can say. Unit: bytes.
const PAYLOAD_LEN: usize = 17_000;

/// The packet that `bytes` make, with nothing in it that `version` does not have. The first byte
/// chooses the type.
#[must_use]
pub fn from_bytes(version: ProtocolVersion, bytes: &[u8]) -> PacketModel {
    let mut soil = Soil { bytes, version };
    let packet_type = soil.one_of(&PacketType::ALL).unwrap_or(PacketType::PingReq);
    soil.packet(packet_type)
}

/// The bytes that are left; zeros when there are none.
struct Soil<'a> {
    bytes: &'a [u8],
    version: ProtocolVersion,
}

impl Soil<'_> {
    fn packet(&mut self, packet_type: PacketType) -> PacketModel {
        match packet_type {
            PacketType::Connect => PacketModel::Connect(self.connect()),
            PacketType::ConnAck => {
                let reason = self.reason(packet_type);
                let session_present = self.flag();
                PacketModel::ConnAck {
                    session_present: session_present
                        && !reason.is_error()
                        && self.version.has_session_present(),
                    reason,
                    properties: self.properties_of(packet_type),
                }
            }
            PacketType::Publish => PacketModel::Publish(self.publish()),
            PacketType::PubAck | PacketType::PubRec | PacketType::PubRel | PacketType::PubComp => {
                PacketModel::Ack {
                    packet_type,
                    packet_id: self.packet_id(),
                    reason: self.reason(packet_type),
                    properties: self.properties_of(packet_type),
                }
            }
            PacketType::Subscribe => PacketModel::Subscribe {
                packet_id: self.packet_id(),
                properties: self.properties_of(packet_type),
                filters: self.list(1, Self::subscription),
            },
            PacketType::SubAck => PacketModel::SubAck {
                packet_id: self.packet_id(),
                properties: self.properties_of(packet_type),
                reasons: self.list(1, |soil| soil.reason(packet_type)),
            },
            PacketType::Unsubscribe => PacketModel::Unsubscribe {
                packet_id: self.packet_id(),
                properties: self.properties_of(packet_type),
                filters: self.list(1, Self::topic_filter),
            },
            PacketType::UnsubAck => PacketModel::UnsubAck {
                packet_id: self.packet_id(),
                properties: self.properties_of(packet_type),
                reasons: match self.version.has_unsuback_reasons() {
                    true => self.list(1, |soil| soil.reason(packet_type)),
                    false => Vec::new(),
                },
            },
            PacketType::PingResp => PacketModel::PingResp,
            PacketType::Disconnect => PacketModel::Disconnect {
                reason: self.reason(packet_type),
                properties: self.properties_of(packet_type),
            },
            PacketType::Auth if self.version.has_auth() => self.auth(),
            PacketType::PingReq | PacketType::Auth => PacketModel::PingReq,
        }
    }

    fn connect(&mut self) -> ConnectModel {
        let version = self.version;
        let clean_start = self.flag();
        let keep_alive_s = self.two_byte();
        let text = self.text();
        let len_max = version.client_id_len_max().unwrap_or(usize::MAX);
        let mut client_id: String = text.chars().take(len_max).collect();
        if client_id.is_empty() && !version.allows_empty_client_id(clean_start) {
            client_id.push('c');
        }
        let username = self.flag().then(|| self.text());
        let has_password = self.flag() && (username.is_some() || version.allows_password_alone());
        ConnectModel {
            version,
            clean_start,
            keep_alive_s,
            client_id,
            username,
            password: has_password.then(|| self.binary()),
            will: self.flag().then(|| self.will()),
            properties: self.properties_of(PacketType::Connect),
        }
    }

    fn will(&mut self) -> WillModel {
        WillModel {
            topic_name: self.topic_name(),
            payload: self.binary(),
            qos: self.qos(),
            retain: self.flag(),
            properties: self.properties(PropertyScope::Will),
        }
    }

    fn publish(&mut self) -> PublishModel {
        let (dup, retain, short) = (self.flag(), self.flag(), self.flag());
        let qos = self.qos();
        let packet_id = self.packet_id();
        let properties = self.properties_of(PacketType::Publish);
        let is_alias = |model: &PropertyModel| model.id == PropertyId::TopicAlias;
        let topic_name = match short && properties.iter().any(is_alias) {
            true => None,
            false => Some(self.topic_name()),
        };
        PublishModel {
            dup: dup && qos != QoS::AtMostOnce,
            retain,
            delivery: match qos {
                QoS::AtMostOnce => Delivery::AtMostOnce,
                QoS::AtLeastOnce => Delivery::AtLeastOnce(packet_id),
                QoS::ExactlyOnce => Delivery::ExactlyOnce(packet_id),
            },
            topic_name,
            properties,
            payload: match self.byte() {
                u8::MAX => vec![0xA5; PAYLOAD_LEN],
                _ => self.binary(),
            },
        }
    }

    fn auth(&mut self) -> PacketModel {
        let reason = self.reason(PacketType::Auth);
        let mut properties = self.properties_of(PacketType::Auth);
        self.add_method(&mut properties);
        PacketModel::Auth { reason, properties }
    }

    fn subscription(&mut self) -> (String, SubscriptionOptions) {
        let filter = self.topic_filter();
        let qos = self.qos();
        if !self.version.has_properties() {
            return (filter, SubscriptionOptions::new(qos));
        }
        let handling = [
            RetainHandling::SendAtSubscribe,
            RetainHandling::SendIfNew,
            RetainHandling::DoNotSend,
        ];
        let options = SubscriptionOptions {
            qos,
            no_local: self.flag() && !filter.starts_with("$share/"),
            retain_as_published: self.flag(),
            retain_handling: self
                .one_of(&handling)
                .unwrap_or(RetainHandling::SendAtSubscribe),
        };
        (filter, options)
    }

    fn properties_of(&mut self, packet_type: PacketType) -> Vec<PropertyModel> {
        self.properties(PropertyScope::Packet(packet_type))
    }

    fn properties(&mut self, scope: PropertyScope) -> Vec<PropertyModel> {
        let allowed = allowed_properties(self.version, scope);
        if allowed.is_empty() {
            return Vec::new();
        }
        let repeats = |id| match id {
            PropertyId::UserProperty => true,
            PropertyId::SubscriptionIdentifier => {
                scope == PropertyScope::Packet(PacketType::Publish)
            }
            _ => false,
        };
        let mut models: Vec<PropertyModel> = Vec::new();
        for id in self
            .list(0, |soil| soil.one_of(&allowed))
            .into_iter()
            .flatten()
        {
            if repeats(id) || models.iter().all(|model| model.id != id) {
                let value = self.value(id);
                models.push(PropertyModel { id, value });
            }
        }
        let is_data = |model: &PropertyModel| model.id == PropertyId::AuthenticationData;
        if models.iter().any(is_data) {
            self.add_method(&mut models);
        }
        models
    }

    fn value(&mut self, id: PropertyId) -> ValueModel {
        match id {
            PropertyId::UserProperty => ValueModel::Pair(self.text(), self.text()),
            PropertyId::CorrelationData | PropertyId::AuthenticationData => {
                ValueModel::Binary(self.binary())
            }
            PropertyId::ResponseTopic => ValueModel::Text(self.topic_name()),
            _ if number_property(id, 1).is_some() => {
                let (high, low) = (self.two_byte(), self.two_byte());
                ValueModel::Number(u32::from(high) << 16 | u32::from(low))
            }
            _ => ValueModel::Text(self.text()),
        }
    }

    fn add_method(&mut self, models: &mut Vec<PropertyModel>) {
        let id = PropertyId::AuthenticationMethod;
        if models.iter().all(|model| model.id != id) {
            let value = ValueModel::Text(self.text());
            models.push(PropertyModel { id, value });
        }
    }

    fn topic_name(&mut self) -> String {
        let name: String = self
            .text()
            .chars()
            .filter(|c| !matches!(c, '+' | '#'))
            .collect();
        match TopicName::try_new(&name) {
            Ok(_) => name,
            Err(_) => "t".to_owned(),
        }
    }

    fn topic_filter(&mut self) -> String {
        let mut levels = self.list(1, |soil| match soil.byte() % 4 {
            0 => "+".to_owned(),
            _ => soil.topic_name(),
        });
        if self.flag() {
            levels.push("#".to_owned());
        }
        let mut filter = levels.join("/");
        if self.flag() {
            filter = format!("$share/g/{filter}");
        }
        match TopicFilter::try_new(&filter) {
            Ok(_) => filter,
            Err(_) => "t".to_owned(),
        }
    }

    fn reason(&mut self, packet_type: PacketType) -> ReasonCode {
        self.one_of(&allowed_reasons(packet_type, self.version))
            .unwrap_or(ReasonCode::SUCCESS)
    }

    fn qos(&mut self) -> QoS {
        QoS::from_u8(self.byte() % 3).unwrap_or_default()
    }

    fn packet_id(&mut self) -> PacketId {
        PacketId::new(self.two_byte()).unwrap_or(PacketId::MIN)
    }

    /// A string as MQTT has it; what is no UTF-8 becomes a replacement character.
    fn text(&mut self) -> String {
        String::from_utf8_lossy(&self.binary()).replace('\0', "0")
    }

    fn binary(&mut self) -> Vec<u8> {
        let len = match self.byte() {
            u8::MAX => return vec![self.byte(); LONG_LEN],
            len => usize::from(len),
        };
        let (taken, rest) = self.bytes.split_at(len.min(self.bytes.len()));
        self.bytes = rest;
        taken.to_vec()
    }

    fn list<T>(&mut self, len_min: usize, mut item: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let len = usize::from(self.byte()) % LIST_LEN_MAX;
        (0..len.max(len_min)).map(|_| item(self)).collect()
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        let index = usize::from(self.byte()).checked_rem(all.len())?;
        all.get(index).copied()
    }

    fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    fn two_byte(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    fn byte(&mut self) -> u8 {
        match self.bytes.split_first() {
            Some((byte, rest)) => {
                self.bytes = rest;
                *byte
            }
            None => 0,
        }
    }
}
