//! Encoding the small packets the broker answers with.

use mqtt_codec::{
    Ack, Packet, PacketId, PacketType, Properties, Property, PropertyList, ProtocolVersion,
    ReasonCode,
};
use mqtt_session::Negotiated;

/// Appends PUBACK, PUBREC, PUBREL or PUBCOMP.
#[inline(always)]
pub(crate) fn push_ack(
    out: &mut Vec<u8>,
    version: ProtocolVersion,
    packet_type: PacketType,
    packet_id: PacketId,
    reason: ReasonCode,
) {
    if reason == ReasonCode::SUCCESS {
        out.extend_from_slice(&Ack::success(packet_type, packet_id));
    } else {
        push_reasoned(out, version, packet_type, packet_id, reason);
    }
}

#[inline(never)]
fn push_reasoned(
    out: &mut Vec<u8>,
    version: ProtocolVersion,
    packet_type: PacketType,
    packet_id: PacketId,
    reason: ReasonCode,
) {
    let ack = Ack {
        packet_id,
        reason,
        properties: Properties::EMPTY,
    };
    let packet = match packet_type {
        PacketType::PubAck => Packet::PubAck(ack),
        PacketType::PubRec => Packet::PubRec(ack),
        PacketType::PubRel => Packet::PubRel(ack),
        _ => Packet::PubComp(ack),
    };
    push(out, version, &packet);
}

/// Appends `packet`; `false` when the version cannot say it.
pub(crate) fn push(out: &mut Vec<u8>, version: ProtocolVersion, packet: &Packet<'_>) -> bool {
    let Ok(len) = packet.encoded_len(version) else {
        return false;
    };
    let start = out.len();
    out.resize(start + len, 0);
    let encoded = out
        .get_mut(start..)
        .map(|space| packet.encode(version, space));
    if matches!(encoded, Some(Ok(_))) {
        return true;
    }
    out.truncate(start);
    false
}

/// Appends a packet with `set`, and with `words` as its Reason String where they are allowed and fit.
///
/// `false` when it does not fit even without them.
/// Spec: v5 [MQTT-3.1.2-24], [MQTT-3.1.2-29], [MQTT-3.2.2-19], [MQTT-3.14.2-3] and their likes.
pub(crate) fn push_fitting(
    out: &mut Vec<u8>,
    negotiated: &Negotiated,
    set: &[Property<'_>],
    words: Option<&str>,
    packet: impl for<'p> Fn(Properties<'p>) -> Packet<'p>,
) -> bool {
    let version = negotiated.version;
    let fits = |out: &[u8], start: usize| {
        u32::try_from(out.len() - start).is_ok_and(|len| len <= negotiated.peer_packet_len_max)
    };
    let start = out.len();
    if let Some(words) = words.filter(|_| version.has_properties()) {
        let mut all = set.to_vec();
        all.push(Property::ReasonString(words));
        let list = PropertyList::new(&all);
        let packet = packet(Properties::from(&list));
        if negotiated.may_explain(packet.packet_type()) && push(out, version, &packet) {
            if fits(out, start) {
                return true;
            }
            out.truncate(start);
        }
    }
    let list = PropertyList::new(set);
    let written = push(out, version, &packet(Properties::from(&list)));
    if written && fits(out, start) {
        return true;
    }
    out.truncate(start);
    false
}
