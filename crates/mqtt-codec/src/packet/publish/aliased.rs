//! What stands before the payload where a Topic Alias says everything: no Topic Name, no other property.

use super::flags;
use crate::write::{self, Writer};
use crate::{Delivery, EncodeError, PropertyId};
use core::num::NonZeroU16;

/// Fixed header of five bytes, empty Topic Name, Packet Identifier, Property Length, Topic Alias.
const LEN_MAX: usize = 5 + 2 + 2 + 1 + PROPERTY_LEN;
/// A Topic Alias with its identifier. Unit: bytes.
const PROPERTY_LEN: usize = 3;

/// Everything before the payload of a PUBLISH that has a Topic Alias, no Topic Name and no other property: what
/// [`Publish::encode_head`](super::Publish::encode_head) writes for it, made without looking at a list of properties.
///
/// Spec: v5 §3.3.2.3.4.
#[derive(Clone, Copy, Debug)]
pub struct AliasedHead {
    bytes: [u8; LEN_MAX],
    len: usize,
    packet_len: usize,
}

impl AliasedHead {
    /// For a packet that is sent for the first time, with a payload of `payload_len` bytes.
    ///
    /// # Errors
    /// The packet would be longer than any may be.
    #[inline]
    pub fn new(
        delivery: Delivery,
        retain: bool,
        topic_alias: NonZeroU16,
        payload_len: usize,
    ) -> Result<Self, EncodeError> {
        let packet_id = delivery.packet_id();
        let packet_id_len = if packet_id.is_some() { 2 } else { 0 };
        let remaining = (2 + packet_id_len + 1 + PROPERTY_LEN).saturating_add(payload_len);
        let packet_len = write::packet_len(remaining)?;
        let mut bytes = [0; LEN_MAX];
        let mut writer =
            Writer::header(flags(false, delivery.qos(), retain), remaining, &mut bytes);
        writer.array([0, 0]);
        if let Some(packet_id) = packet_id {
            writer.two_byte(packet_id.get());
        }
        let [high, low] = topic_alias.get().to_be_bytes();
        writer.array([3, PropertyId::TopicAlias.get(), high, low]);
        Ok(Self {
            bytes,
            len: packet_len - payload_len,
            packet_len,
        })
    }

    /// The bytes.
    #[must_use]
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// The whole packet, payload included. Unit: bytes.
    #[must_use]
    #[inline]
    pub const fn packet_len(&self) -> usize {
        self.packet_len
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PacketId, Properties, Property, PropertyList, ProtocolVersion, Publish, QoS};

    #[test]
    fn it_is_what_the_list_of_one_property_gives() {
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            for payload_len in [0, 1, 119, 120, 121, 16_000, 16_384, 2_100_000] {
                for (retain, alias) in [(false, 1), (true, 0xABCD)] {
                    let packet_id = (qos != QoS::AtMostOnce).then_some(PacketId::MAX);
                    let delivery = Delivery::new(qos, packet_id).unwrap();
                    let alias = NonZeroU16::new(alias).unwrap();
                    let set = [Property::TopicAlias(alias)];
                    let list = PropertyList::new(&set);
                    let publish = Publish {
                        retain,
                        delivery,
                        properties: Properties::from(&list),
                        ..Publish::default()
                    };
                    let mut expected = [0; 32];
                    let written =
                        publish.encode_head(ProtocolVersion::V5, payload_len, &mut expected);
                    let expected = &expected[..written.unwrap().len];
                    let head = AliasedHead::new(delivery, retain, alias, payload_len).unwrap();
                    assert_eq!(head.as_bytes(), expected);
                    assert_eq!(head.packet_len(), expected.len() + payload_len);
                }
            }
        }
        let alias = NonZeroU16::MIN;
        assert!(AliasedHead::new(Delivery::AtMostOnce, false, alias, 1 << 28).is_err());
    }
}
