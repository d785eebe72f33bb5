//! Encoding the small packets the broker answers with.

use mqtt_codec::{Ack, Packet, PacketId, PacketType, Properties, ProtocolVersion, ReasonCode};

/// Appends PUBACK, PUBREC, PUBREL or PUBCOMP.
pub(crate) fn push_ack(
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
