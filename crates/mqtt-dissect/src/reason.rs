//! What a Reason Code, or a return code before v5, means.

use mqtt_codec::{PacketType, ProtocolVersion, ReasonCode};

use crate::Field;

/// That of any packet without codes of its own.
pub(crate) fn of(field: Field, packet_type: PacketType) -> Field {
    let Some(code) = code(&field) else {
        return field;
    };
    let reason = ReasonCode::new(code);
    let name = match (packet_type, code) {
        (PacketType::Disconnect, 0) => "normal disconnection",
        _ => reason.name(),
    };
    if reason.allowed_in(packet_type) {
        field.means(name)
    } else {
        field.means(format!("{name}, not for {packet_type}"))
    }
}

/// That of a CONNACK, with five refusals of its own before v5.
pub(crate) fn of_connack(field: Field, version: ProtocolVersion) -> Field {
    match code(&field).and_then(|code| version.connack_reason(code)) {
        Some(reason) if version.has_properties() => field.means(reason.name()),
        Some(ReasonCode::SUCCESS) => field.means("connection accepted"),
        Some(reason) => field.means(format!("refused: {}", reason.name())),
        None => field.means("not listed for CONNACK"),
    }
}

/// That of a SUBACK, with one failure before v5, and none in 3.1.
pub(crate) fn of_suback(field: Field, version: ProtocolVersion) -> Field {
    match code(&field) {
        Some(0) => field.means("granted qos 0"),
        Some(1 | 2) => of(field, PacketType::SubAck),
        Some(0x80) if version.has_suback_failure() && !version.has_properties() => {
            field.means("failure")
        }
        Some(_) if !version.has_properties() => field.means("not listed for SUBACK"),
        _ => of(field, PacketType::SubAck),
    }
}

fn code(field: &Field) -> Option<u8> {
    u8::try_from(field.number()?).ok()
}
