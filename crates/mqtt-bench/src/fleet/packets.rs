//! The packets of a fleet, byte by byte: those of `frame`, with what people can ask for.

use super::settings::{Fleet, Protocol};
use crate::frame::{self, with_header};
use crate::scenario::{QoS, Version};

/// PINGREQ.
pub(crate) const PINGREQ: [u8; 2] = [0xC0, 0];

/// A CONNECT of this client.
pub(crate) fn connect(
    fleet: &Fleet,
    client_id: &str,
    user_name: Option<&str>,
    password: Option<&str>,
) -> Vec<u8> {
    let (name, level): (&str, u8) = match fleet.protocol {
        Protocol::V31 => ("MQIsdp", 3),
        Protocol::V311 => ("MQTT", 4),
        Protocol::V5 => ("MQTT", 5),
    };
    let flags = u8::from(fleet.clean_start) << 1
        | u8::from(user_name.is_some()) << 7
        | u8::from(password.is_some()) << 6;
    let mut body = Vec::with_capacity(32 + client_id.len());
    frame::push_string(&mut body, name);
    body.extend_from_slice(&[level, flags]);
    body.extend_from_slice(&fleet.keep_alive_s.to_be_bytes());
    match (fleet.protocol, fleet.session_expiry_s) {
        (Protocol::V31 | Protocol::V311, _) => {}
        (Protocol::V5, 0) => body.push(0),
        (Protocol::V5, seconds) => {
            body.extend_from_slice(&[5, 0x11]);
            body.extend_from_slice(&seconds.to_be_bytes());
        }
    }
    frame::push_string(&mut body, client_id);
    for text in [user_name, password].into_iter().flatten() {
        frame::push_string(&mut body, text);
    }
    with_header(0x10, &body)
}

/// Everything of a PUBLISH before the payload, for payloads of one length.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    bytes: Vec<u8>,
    /// Where the Packet Identifier is; none at QoS 0.
    packet_id_at: Option<usize>,
}

impl Head {
    pub(crate) fn new(
        version: Version,
        topic_name: &str,
        qos: QoS,
        retain: bool,
        payload_len: usize,
    ) -> Self {
        let mut head = Self {
            bytes: Vec::new(),
            packet_id_at: None,
        };
        head.set(version, topic_name, qos, retain, payload_len);
        head
    }

    /// Makes it another one, in the same memory.
    pub(crate) fn set(
        &mut self,
        version: Version,
        topic_name: &str,
        qos: QoS,
        retain: bool,
        payload_len: usize,
    ) {
        let has_id = qos != QoS::AtMostOnce;
        let properties = usize::from(version == Version::V5);
        let body = 2 + topic_name.len() + 2 * usize::from(has_id) + properties + payload_len;
        self.bytes.clear();
        self.bytes.push(0x30 | qos.bits() << 1 | u8::from(retain));
        frame::push_length(&mut self.bytes, body);
        frame::push_string(&mut self.bytes, topic_name);
        self.packet_id_at = has_id.then_some(self.bytes.len());
        if has_id {
            self.bytes.extend_from_slice(&[0, 0]);
        }
        if version == Version::V5 {
            self.bytes.push(0);
        }
    }

    /// Appends it with this Packet Identifier, which counts above QoS 0.
    pub(crate) fn write(&self, packet_id: u16, out: &mut Vec<u8>) {
        let at = out.len();
        out.extend_from_slice(&self.bytes);
        if let Some(place) = self.packet_id_at
            && let Some(place) = out.get_mut(at + place..at + place + 2)
        {
            place.copy_from_slice(&packet_id.to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connect_bytes() {
        let mut fleet = Fleet {
            keep_alive_s: 300,
            ..Fleet::default()
        };
        assert_eq!(
            connect(&fleet, "a", Some("u"), Some("p")),
            b"\x10\x14\x00\x04MQTT\x05\xc2\x01\x2c\x00\x00\x01a\x00\x01u\x00\x01p"
        );
        fleet.session_expiry_s = 9;
        fleet.clean_start = false;
        assert_eq!(
            connect(&fleet, "a", None, None),
            b"\x10\x13\x00\x04MQTT\x05\x00\x01\x2c\x05\x11\x00\x00\x00\x09\x00\x01a"
        );
        fleet.protocol = Protocol::V31;
        assert_eq!(
            connect(&fleet, "a", None, None),
            b"\x10\x0f\x00\x06MQIsdp\x03\x00\x01\x2c\x00\x01a"
        );
    }

    #[test]
    fn a_head_and_a_payload_are_a_publish() {
        for version in [Version::V311, Version::V5] {
            for qos in [QoS::AtMostOnce, QoS::ExactlyOnce] {
                let mut bytes = Vec::new();
                Head::new(version, "a/b", qos, false, 200).write(513, &mut bytes);
                bytes.extend([0, 0, 0, 9, 0, 0, 0, 0]);
                bytes.extend([b'x'; 192]);
                assert_eq!(bytes, frame::publish(version, "a/b", qos, 513, 9, 200));
            }
        }
        let mut retained = Vec::new();
        Head::new(Version::V311, "t", QoS::AtLeastOnce, true, 0).write(1, &mut retained);
        assert_eq!(retained, b"\x33\x05\x00\x01t\x00\x01");
    }
}
