//! Builds the packets the generator sends, byte by byte.

use crate::scenario::{QoS, Version};

/// PUBACK, first byte.
pub(crate) const PUBACK: u8 = 0x40;
/// PUBREC, first byte.
pub(crate) const PUBREC: u8 = 0x50;
/// PUBREL, first byte.
pub(crate) const PUBREL: u8 = 0x62;
/// PUBCOMP, first byte.
pub(crate) const PUBCOMP: u8 = 0x70;
/// The RETAIN flag in the first byte of a PUBLISH.
pub(crate) const RETAIN: u8 = 0x01;
/// DISCONNECT without a body, good in both versions.
pub(crate) const DISCONNECT: [u8; 2] = [0xE0, 0x00];
/// Bytes of an acknowledgement without Reason Code.
pub(crate) const ACK_LEN: usize = 4;
/// Bytes of a payload that name the publisher and the message.
pub(crate) const MARK_LEN: usize = 8;

/// A CONNECT without Keep Alive, Will, user name. Not clean means: keep the session for good.
pub(crate) fn connect(version: Version, client_id: &str, clean: bool) -> Vec<u8> {
    let mut body = vec![0, 4, b'M', b'Q', b'T', b'T'];
    let (level, clean_bit) = (
        if version == Version::V5 { 5 } else { 4 },
        u8::from(clean) << 1,
    );
    body.extend_from_slice(&[level, clean_bit, 0, 0]);
    match (version, clean) {
        (Version::V311, _) => {}
        (Version::V5, true) => body.push(0),
        // Property length 5, Session Expiry Interval: never.
        (Version::V5, false) => body.extend_from_slice(&[5, 0x11, 0xFF, 0xFF, 0xFF, 0xFF]),
    }
    push_string(&mut body, client_id);
    with_header(0x10, &body)
}

/// A SUBSCRIBE with packet identifier 1.
pub(crate) fn subscribe<'a>(
    version: Version,
    topic_filters: impl IntoIterator<Item = &'a String>,
    qos: QoS,
) -> Vec<u8> {
    let mut body = vec![0, 1];
    if version == Version::V5 {
        body.push(0);
    }
    for topic_filter in topic_filters {
        push_string(&mut body, topic_filter);
        body.push(qos.bits());
    }
    with_header(0x82, &body)
}

/// A PUBLISH whose payload begins with the publisher's number and a sequence number of 0, both
/// as four bytes, highest first; the rest of the payload is filler. `packet_id` counts above QoS 0.
pub(crate) fn publish(
    version: Version,
    topic_name: &str,
    qos: QoS,
    packet_id: u16,
    publisher: u32,
    payload_len: usize,
) -> Vec<u8> {
    let mut body = Vec::with_capacity(topic_name.len() + 5 + payload_len);
    push_string(&mut body, topic_name);
    if qos != QoS::AtMostOnce {
        body.extend_from_slice(&packet_id.to_be_bytes());
    }
    if version == Version::V5 {
        body.push(0);
    }
    body.extend_from_slice(&publisher.to_be_bytes());
    body.extend_from_slice(&[0; 4]);
    body.resize(body.len() + payload_len.saturating_sub(MARK_LEN), b'x');
    with_header(0x30 | qos.bits() << 1, &body)
}

/// An acknowledgement: one of the first bytes above and the packet identifier.
pub(crate) fn ack(first_byte: u8, packet_id: u16) -> [u8; ACK_LEN] {
    let [high, low] = packet_id.to_be_bytes();
    [first_byte, 2, high, low]
}

/// Puts the first byte and the Remaining Length in front of a body.
pub(crate) fn with_header(first_byte: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(body.len() + 5);
    frame.push(first_byte);
    push_length(&mut frame, body.len());
    frame.extend_from_slice(body);
    frame
}

/// Appends a Remaining Length.
pub(crate) fn push_length(frame: &mut Vec<u8>, len: usize) {
    let mut left = len;
    loop {
        let low = u8::try_from(left & 0x7F).unwrap_or(0x7F);
        left >>= 7;
        frame.push(if left > 0 { low | 0x80 } else { low });
        if left == 0 {
            break;
        }
    }
}

/// Appends a string with its length.
pub(crate) fn push_string(body: &mut Vec<u8>, text: &str) {
    // What is longer has been refused, or is the generator's own.
    let len = u16::try_from(text.len()).unwrap_or(u16::MAX);
    body.extend_from_slice(&len.to_be_bytes());
    body.extend(text.as_bytes().iter().take(len.into()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connect_bytes_in_both_versions() {
        let v311 = connect(Version::V311, "ab", true);
        assert_eq!(v311, b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x00\x00\x02ab");
        let kept = connect(Version::V5, "ab", false);
        assert_eq!(
            kept,
            b"\x10\x14\x00\x04MQTT\x05\x00\x00\x00\x05\x11\xff\xff\xff\xff\x00\x02ab"
        );
        let clean = connect(Version::V5, "ab", true);
        assert_eq!(clean, b"\x10\x0f\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x02ab");
    }

    #[test]
    fn subscribe_bytes_in_both_versions() {
        assert_eq!(
            subscribe(Version::V311, [&"a/+".to_owned()], QoS::AtLeastOnce),
            b"\x82\x08\x00\x01\x00\x03a/+\x01"
        );
        assert_eq!(
            subscribe(Version::V5, [&"a/+".to_owned()], QoS::ExactlyOnce),
            b"\x82\x09\x00\x01\x00\x00\x03a/+\x02"
        );
    }

    #[test]
    fn publish_bytes_in_both_versions() {
        assert_eq!(
            publish(Version::V311, "t", QoS::AtMostOnce, 7, 0x0102, 10),
            b"\x30\x0d\x00\x01t\x00\x00\x01\x02\x00\x00\x00\x00xx"
        );
        assert_eq!(
            publish(Version::V5, "t", QoS::ExactlyOnce, 7, 3, 8),
            b"\x34\x0e\x00\x01t\x00\x07\x00\x00\x00\x00\x03\x00\x00\x00\x00"
        );
    }

    #[test]
    fn remaining_length_takes_more_bytes_as_it_grows() {
        for (body_len, header) in [
            (0, &[0x30, 0][..]),
            (127, &[0x30, 127]),
            (128, &[0x30, 0x80, 1]),
            (16_384, &[0x30, 0x80, 0x80, 1]),
        ] {
            let frame = with_header(0x30, &vec![0; body_len]);
            assert!(frame.starts_with(header), "{body_len}");
            assert_eq!(frame.len(), header.len() + body_len);
        }
    }

    #[test]
    fn ack_bytes() {
        assert_eq!(ack(PUBREL, 0x1234), [0x62, 2, 0x12, 0x34]);
    }
}
