//! Short ways to make packets out of bytes and bytes out of packets.

use mqtt_codec::{
    DecodeError, Malformed, PACKET_LEN_MAX, Packet, ProtocolVersion, ReasonCode, TopicFilter,
    TopicName, frame,
};

pub(crate) use mqtt_codec::ProtocolVersion::{V5, V31, V311};

/// The two standardised versions.
pub(crate) const STANDARD: [ProtocolVersion; 2] = [V311, V5];

/// A packet of this first byte and body, with its Remaining Length.
pub(crate) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    bytes.extend(var_int(body.len()));
    bytes.extend(body);
    bytes
}

/// A Variable Byte Integer.
pub(crate) fn var_int(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let digit = u8::try_from(value % 128).unwrap();
        value /= 128;
        if value == 0 {
            bytes.push(digit);
            return bytes;
        }
        bytes.push(digit | 0x80);
    }
}

/// A string or binary field with its length.
pub(crate) fn field(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    [
        u16::try_from(bytes.len()).unwrap().to_be_bytes().as_slice(),
        bytes,
    ]
    .concat()
}

/// A property block with its length.
pub(crate) fn block(properties: &[u8]) -> Vec<u8> {
    [var_int(properties.len()), properties.to_vec()].concat()
}

/// No property block, or an empty one where the version has them.
pub(crate) fn no_properties(version: ProtocolVersion) -> &'static [u8] {
    if version.has_properties() { &[0] } else { &[] }
}

/// Reads one whole packet.
pub(crate) fn decode(version: ProtocolVersion, bytes: &[u8]) -> Result<Packet<'_>, DecodeError> {
    let found = frame(bytes, PACKET_LEN_MAX)?.unwrap();
    assert_eq!(found.len, bytes.len());
    Packet::decode(found, version)
}

/// What is wrong with one whole packet.
pub(crate) fn refused(version: ProtocolVersion, bytes: &[u8]) -> Malformed {
    refused_at(version, bytes).0
}

/// What is wrong with one whole packet, and at which byte.
pub(crate) fn refused_at(version: ProtocolVersion, bytes: &[u8]) -> (Malformed, u32) {
    match decode(version, bytes) {
        Err(error) => (error.kind, error.at),
        Ok(packet) => panic!("{version:?} accepts {packet:?}"),
    }
}

/// The Reason Code for what is wrong with one whole packet.
pub(crate) fn answer(version: ProtocolVersion, bytes: &[u8]) -> ReasonCode {
    refused(version, bytes).reason_code()
}

/// Writes one packet.
pub(crate) fn encode(version: ProtocolVersion, packet: &Packet<'_>) -> Vec<u8> {
    let mut bytes = vec![0; packet.encoded_len(version).unwrap()];
    assert_eq!(packet.encode(version, &mut bytes), Ok(bytes.len()));
    bytes
}

pub(crate) fn name(text: &str) -> TopicName<'_> {
    TopicName::try_new(text).unwrap()
}

pub(crate) fn filter(text: &str) -> TopicFilter<'_> {
    TopicFilter::try_new(text).unwrap()
}
