//! Packets cut to what the peer takes: Reason String and User Properties go before the packet does.

use crate::output::append;
use crate::{Negotiated, Output, SendRefusal};
use mqtt_codec::{Packet, Properties, PropertyId, PropertyList, PropertySet};

const USER_PROPERTIES: PropertySet = PropertySet::of(&[PropertyId::UserProperty]);
const REASON_STRING: PropertySet = PropertySet::of(&[PropertyId::ReasonString]);
const WORDS: PropertySet = USER_PROPERTIES.union(REASON_STRING);

/// Encodes `packet` to the end of `out` as the peer of `negotiated` takes it; `out` stays as it was on an error.
///
/// What explains a packet to people is left out where the client asked for none, and, User Properties first, as far
/// as the peer's Maximum Packet Size asks for it. PUBLISH is not for this: its User Properties are part of the message.
/// Spec: v5 [MQTT-3.1.2-24], [MQTT-3.1.2-29], [MQTT-3.2.2-15], [MQTT-3.2.2-19], [MQTT-3.2.2-20] and their likes.
///
/// # Errors
/// The packet is too large even so, or cannot be written in this version.
pub(crate) fn append_fitting(
    packet: &Packet<'_>,
    negotiated: &Negotiated,
    out: &mut impl Output,
) -> Result<(), SendRefusal> {
    let given = properties_of(packet);
    if given.is_empty() {
        return append_within(packet, negotiated, out);
    }
    let forbidden = match negotiated.may_explain(packet.packet_type()) {
        true => PropertySet::EMPTY,
        false => WORDS,
    };
    let mut refused = Ok(());
    let mut tried = None;
    for dropped in [PropertySet::EMPTY, USER_PROPERTIES, REASON_STRING, WORDS] {
        let without = dropped.union(forbidden);
        if tried == Some(without) {
            continue;
        }
        tried = Some(without);
        let list = PropertyList {
            base: given,
            without,
            ..PropertyList::default()
        };
        let packet = with_properties(packet, Properties::from(&list));
        match append_within(&packet, negotiated, out) {
            Err(SendRefusal::PacketTooLarge { len, len_max }) => {
                refused = Err(SendRefusal::PacketTooLarge { len, len_max });
            }
            written => return written,
        }
    }
    refused
}

/// As [`append_fitting`], of a packet that has nothing to leave out.
fn append_within(
    packet: &Packet<'_>,
    negotiated: &Negotiated,
    out: &mut impl Output,
) -> Result<(), SendRefusal> {
    let len = packet.encoded_len(negotiated.version)?;
    let len_max = negotiated.peer_packet_len_max;
    if !u32::try_from(len).is_ok_and(|len| len <= len_max) {
        return Err(SendRefusal::PacketTooLarge { len, len_max });
    }
    Ok(append(packet, negotiated.version, out)?)
}

/// The properties that may be left out; none where the packet has no such.
fn properties_of<'a>(packet: &Packet<'a>) -> Properties<'a> {
    match packet {
        Packet::ConnAck(packet) => packet.properties,
        Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
            ack.properties
        }
        Packet::SubAck(packet) => packet.properties,
        Packet::UnsubAck(packet) => packet.properties,
        Packet::Disconnect(packet) => packet.properties,
        Packet::Auth(packet) => packet.properties,
        Packet::Connect(_)
        | Packet::Publish(_)
        | Packet::Subscribe(_)
        | Packet::Unsubscribe(_)
        | Packet::PingReq
        | Packet::PingResp => Properties::EMPTY,
    }
}

fn with_properties<'a>(packet: &Packet<'a>, properties: Properties<'a>) -> Packet<'a> {
    let mut packet = *packet;
    match &mut packet {
        Packet::ConnAck(packet) => packet.properties = properties,
        Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
            ack.properties = properties;
        }
        Packet::SubAck(packet) => packet.properties = properties,
        Packet::UnsubAck(packet) => packet.properties = properties,
        Packet::Disconnect(packet) => packet.properties = properties,
        Packet::Auth(packet) => packet.properties = properties,
        Packet::Connect(_)
        | Packet::Publish(_)
        | Packet::Subscribe(_)
        | Packet::Unsubscribe(_)
        | Packet::PingReq
        | Packet::PingResp => {}
    }
    packet
}
