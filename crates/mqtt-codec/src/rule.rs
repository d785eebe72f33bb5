//! Which statements of the standard a refusal rests on.

use core::fmt;

use crate::{Malformed, PacketType, PropertyId};

/// The labels of one rule in both standards.
///
/// The same label means different things in the two, so each is kept beside its version.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Rule {
    /// Its label in MQTT 5.0, such as `MQTT-2.2.1-3`; `None` where v5 has no such statement.
    pub v5: Option<&'static str>,
    /// Its label in MQTT 3.1.1; `None` where 3.1.1 has no such statement.
    pub v311: Option<&'static str>,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.v5, self.v311) {
            (Some(v5), Some(v311)) => write!(f, "v5 [{v5}], v3.1.1 [{v311}]"),
            (Some(v5), None) => write!(f, "v5 [{v5}]"),
            (None, Some(v311)) => write!(f, "v3.1.1 [{v311}]"),
            (None, None) => Ok(()),
        }
    }
}

const fn both(v5: &'static str, v311: &'static str) -> Option<Rule> {
    Some(Rule {
        v5: Some(v5),
        v311: Some(v311),
    })
}

const fn v5(label: &'static str) -> Option<Rule> {
    Some(Rule {
        v5: Some(label),
        v311: None,
    })
}

const fn v311(label: &'static str) -> Option<Rule> {
    Some(Rule {
        v5: None,
        v311: Some(label),
    })
}

/// The rule behind `kind`.
pub(crate) const fn of(kind: Malformed) -> Option<Rule> {
    match kind {
        Malformed::FlagsReserved { packet_type } => flags(packet_type),
        Malformed::FiltersEmpty { packet_type } => filters(packet_type),
        Malformed::ReasonCodesEmpty { packet_type } => reasons(packet_type),
        Malformed::ReasonNotAllowed { packet_type, .. } => reason(packet_type),
        Malformed::PropertyValueInvalid {
            property: PropertyId::TopicAlias,
        } => v5("MQTT-3.3.2-8"),
        Malformed::PropertyValueInvalid {
            property: PropertyId::ResponseTopic,
        } => v5("MQTT-3.3.2-14"),
        Malformed::PacketTypeUnexpected { .. } => both("MQTT-3.1.0-1", "MQTT-3.1.0-1"),
        Malformed::QosInvalid => both("MQTT-3.3.1-4", "MQTT-3.3.1-4"),
        Malformed::DupAtQos0 => both("MQTT-3.3.1-2", "MQTT-3.3.1-2"),
        Malformed::VarIntNotMinimal => v5("MQTT-1.5.5-1"),
        Malformed::Utf8Invalid => both("MQTT-1.5.4-1", "MQTT-1.5.3-1"),
        Malformed::NullCharacter => both("MQTT-1.5.4-2", "MQTT-1.5.3-2"),
        Malformed::PacketIdZero => both("MQTT-2.2.1-3", "MQTT-2.3.1-1"),
        Malformed::TopicNameEmpty | Malformed::TopicFilterEmpty => {
            both("MQTT-4.7.3-1", "MQTT-4.7.3-1")
        }
        Malformed::TopicNameWildcard => both("MQTT-3.3.2-2", "MQTT-3.3.2-2"),
        Malformed::MultiLevelWildcard => both("MQTT-4.7.1-1", "MQTT-4.7.1-2"),
        Malformed::SingleLevelWildcard => both("MQTT-4.7.1-2", "MQTT-4.7.1-3"),
        Malformed::SharedFilterInvalid => v5("MQTT-4.8.2-1"),
        Malformed::NoLocalOnShared => v5("MQTT-3.8.3-4"),
        Malformed::SubscriptionOptionsReserved => both("MQTT-3.8.3-5", "MQTT-3.8.3-4"),
        Malformed::SubscriptionQosInvalid => v311("MQTT-3.8.3-4"),
        Malformed::ProtocolNameUnknown => both("MQTT-3.1.2-1", "MQTT-3.1.2-1"),
        Malformed::ProtocolLevelUnsupported { .. } => both("MQTT-3.1.2-2", "MQTT-3.1.2-2"),
        Malformed::ConnectFlagsReserved => both("MQTT-3.1.2-3", "MQTT-3.1.2-3"),
        Malformed::WillFlagsWithoutWill => both("MQTT-3.1.2-11", "MQTT-3.1.2-11"),
        Malformed::WillQosInvalid => both("MQTT-3.1.2-12", "MQTT-3.1.2-14"),
        Malformed::PasswordWithoutUserName => v311("MQTT-3.1.2-22"),
        Malformed::ClientIdEmpty => v311("MQTT-3.1.3-8"),
        Malformed::ConnAckFlagsReserved => v5("MQTT-3.2.2-1"),
        Malformed::SessionPresentWithError => both("MQTT-3.2.2-6", "MQTT-3.2.2-4"),
        _ => None,
    }
}

const fn flags(packet_type: PacketType) -> Option<Rule> {
    match packet_type {
        PacketType::PubRel => both("MQTT-3.6.1-1", "MQTT-3.6.1-1"),
        PacketType::Subscribe => both("MQTT-3.8.1-1", "MQTT-3.8.1-1"),
        PacketType::Unsubscribe => both("MQTT-3.10.1-1", "MQTT-3.10.1-1"),
        PacketType::Disconnect => both("MQTT-3.14.1-1", "MQTT-3.14.1-1"),
        PacketType::Auth => v5("MQTT-3.15.1-1"),
        _ => both("MQTT-2.1.3-1", "MQTT-2.2.2-1"),
    }
}

const fn filters(packet_type: PacketType) -> Option<Rule> {
    match packet_type {
        PacketType::Subscribe => both("MQTT-3.8.3-2", "MQTT-3.8.3-3"),
        _ => both("MQTT-3.10.3-2", "MQTT-3.10.3-2"),
    }
}

const fn reasons(packet_type: PacketType) -> Option<Rule> {
    match packet_type {
        PacketType::SubAck => both("MQTT-3.8.4-6", "MQTT-3.8.4-5"),
        _ => v5("MQTT-3.11.3-2"),
    }
}

const fn reason(packet_type: PacketType) -> Option<Rule> {
    match packet_type {
        PacketType::ConnAck => v5("MQTT-3.2.2-8"),
        PacketType::PubAck => v5("MQTT-3.4.2-1"),
        PacketType::PubRec => v5("MQTT-3.5.2-1"),
        PacketType::PubRel => v5("MQTT-3.6.2-1"),
        PacketType::PubComp => v5("MQTT-3.7.2-1"),
        PacketType::SubAck => both("MQTT-3.9.3-2", "MQTT-3.9.3-2"),
        PacketType::UnsubAck => v5("MQTT-3.11.3-2"),
        PacketType::Disconnect => v5("MQTT-3.14.2-1"),
        PacketType::Auth => v5("MQTT-3.15.2-1"),
        _ => None,
    }
}
