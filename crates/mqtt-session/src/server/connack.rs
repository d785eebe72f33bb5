//! What CONNACK says: what is granted where it differs from what was asked for, or why not.

use super::ServerOffer;
use crate::fitting::append_fitting;
use crate::{Negotiated, Output, SendRefusal, SessionExpiry};
use core::num::{NonZeroU16, NonZeroU32};
use mqtt_codec::{
    ConnAck, Connect, PACKET_LEN_MAX, Packet, PacketType, Properties, Property, PropertyId,
    PropertyList, PropertySet, QoS, ReasonCode,
};

/// What is in force, and so not for the owner to say.
const SAID_BY_SESSION: PropertySet = PropertySet::of(&[
    PropertyId::SessionExpiryInterval,
    PropertyId::ReceiveMaximum,
    PropertyId::MaximumQoS,
    PropertyId::RetainAvailable,
    PropertyId::MaximumPacketSize,
    PropertyId::TopicAliasMaximum,
    PropertyId::WildcardSubscriptionAvailable,
    PropertyId::SubscriptionIdentifiersAvailable,
    PropertyId::SharedSubscriptionAvailable,
    PropertyId::ServerKeepAlive,
]);

/// What CONNECT said, for CONNACK.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) negotiated: Negotiated,
    pub(super) clean_start: bool,
    has_client_id: bool,
    keep_alive_s: u16,
    expiry: SessionExpiry,
    pub(super) will_delay_s: Option<u32>,
}

impl Asked {
    pub(super) fn of(connect: &Connect<'_>, offer: &ServerOffer) -> Self {
        let asked = connect.properties.session_expiry_interval_s().unwrap_or(0);
        Self {
            negotiated: Negotiated::of_connect(connect, &offer.limits),
            clean_start: connect.clean_start,
            has_client_id: !connect.client_id.is_empty(),
            keep_alive_s: connect.keep_alive_s,
            expiry: SessionExpiry(asked),
            will_delay_s: connect
                .will
                .as_ref()
                .map(|will| will.properties.will_delay_interval_s().unwrap_or(0)),
        }
    }
}

/// CONNACK 0x00; `given` is from the owner, `method` the Authentication Method of CONNECT.
///
/// Spec: v5 §3.2.2.3, [MQTT-3.2.2-16], [MQTT-3.1.2-28], [MQTT-4.12.0-5], [MQTT-4.12.0-6].
pub(super) fn write_acceptance(
    asked: &Asked,
    offer: &ServerOffer,
    session_present: bool,
    given: Properties<'_>,
    method: Option<&str>,
    out: &mut impl Output,
) -> Result<(), SendRefusal> {
    let mut without = SAID_BY_SESSION;
    if asked.has_client_id {
        without.insert(PropertyId::AssignedClientIdentifier);
    } else if asked.negotiated.version.has_properties()
        && !given.has(PropertyId::AssignedClientIdentifier)
    {
        return Err(SendRefusal::ClientIdentifierNotAssigned);
    }
    if !asked.negotiated.response_information {
        without.insert(PropertyId::ResponseInformation);
    }
    if method.is_none() {
        without.insert(PropertyId::AuthenticationMethod);
        without.insert(PropertyId::AuthenticationData);
    }
    let granted = granted(asked, offer);
    let said = PropertyList {
        base: given,
        without,
        set: granted.as_slice(),
        subscription_ids: &[],
    };
    let method = method.map(Property::AuthenticationMethod);
    let list = PropertyList {
        base: Properties::from(&said),
        set: method.as_slice(),
        ..PropertyList::default()
    };
    let connack = ConnAck {
        session_present,
        reason: ReasonCode::SUCCESS,
        properties: Properties::from(&list),
    };
    append_fitting(&Packet::ConnAck(connack), &asked.negotiated, out)
}

/// CONNACK with an error; nothing when the client takes no packet of that size.
pub(super) fn write_refusal(
    negotiated: &Negotiated,
    reason: ReasonCode,
    properties: Properties<'_>,
    out: &mut impl Output,
) {
    let reason = match reason.is_error() && reason.allowed_in(PacketType::ConnAck) {
        true => reason,
        false => ReasonCode::UNSPECIFIED_ERROR,
    };
    let connack = ConnAck {
        session_present: false,
        reason,
        properties,
    };
    // A refusal that cannot be sent is still one: v5 [MQTT-4.13.2-1].
    let _ = append_fitting(&Packet::ConnAck(connack), negotiated, out);
}

/// Properties of CONNACK; their number is bounded by how many there are.
struct Granted {
    /// INVARIANT: the first `len` mean something.
    properties: [Property<'static>; GRANTED_MAX],
    len: usize,
}

/// The properties of CONNACK that say what is granted.
const GRANTED_MAX: usize = 10;

impl Granted {
    fn add(&mut self, property: Property<'static>) {
        if let Some(place) = self.properties.get_mut(self.len) {
            *place = property;
            self.len += 1;
        }
    }

    fn as_slice(&self) -> &[Property<'static>] {
        self.properties.get(..self.len).unwrap_or_default()
    }
}

fn granted(asked: &Asked, offer: &ServerOffer) -> Granted {
    let mut said = Granted {
        properties: [Property::TopicAliasMaximum(0); GRANTED_MAX],
        len: 0,
    };
    let negotiated = &asked.negotiated;
    if negotiated.session_expiry != asked.expiry {
        said.add(Property::SessionExpiryInterval(negotiated.session_expiry.0));
    }
    if negotiated.own_receive_maximum < u16::MAX
        && let Some(maximum) = NonZeroU16::new(negotiated.own_receive_maximum)
    {
        said.add(Property::ReceiveMaximum(maximum));
    }
    if offer.grants.maximum_qos < QoS::ExactlyOnce {
        said.add(Property::MaximumQoS(offer.grants.maximum_qos));
    }
    if negotiated.own_packet_len_max < PACKET_LEN_MAX
        && let Some(maximum) = NonZeroU32::new(negotiated.own_packet_len_max)
    {
        said.add(Property::MaximumPacketSize(maximum));
    }
    if negotiated.own_topic_alias_maximum > 0 {
        said.add(Property::TopicAliasMaximum(
            negotiated.own_topic_alias_maximum,
        ));
    }
    if negotiated.keep_alive_s != asked.keep_alive_s {
        said.add(Property::ServerKeepAlive(negotiated.keep_alive_s));
    }
    let missing = [
        (offer.grants.retain, Property::RetainAvailable(false)),
        (
            offer.grants.wildcards,
            Property::WildcardSubscriptionAvailable(false),
        ),
        (
            offer.grants.subscription_identifiers,
            Property::SubscriptionIdentifiersAvailable(false),
        ),
        (
            offer.grants.shared_subscriptions,
            Property::SharedSubscriptionAvailable(false),
        ),
    ];
    for (is_there, property) in missing {
        if !is_there {
            said.add(property);
        }
    }
    said
}
