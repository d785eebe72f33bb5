//! One PUBLISH encoded once and changed for each of its receivers.

use mqtt_codec::{
    Delivery, EncodeError, PACKET_LEN_MAX, PacketId, Properties, Property, PropertyList, Publish,
    PublishHead, QoS, frame, patch_packet_id, set_publish_flags,
};

use crate::support::{V5, V31, V311, name};

fn publish<'a>(properties: Properties<'a>, delivery: Delivery) -> Publish<'a> {
    Publish {
        topic_name: Some(name("a/b")),
        delivery,
        properties,
        ..Publish::default()
    }
}

#[test]
fn the_packet_identifier_is_found_for_every_length_of_header() {
    let set = [Property::UserProperty("n", "v")];
    let list = PropertyList::new(&set);
    let other = PacketId::new(0xBEEF).unwrap();
    for version in [V31, V311, V5] {
        for payload_len in [0, 100, 120, 128, 20_000, 3_000_000] {
            let publish = publish(
                Properties::from(&list),
                Delivery::AtLeastOnce(PacketId::MIN),
            );
            let mut packet = vec![0; publish.head_len(version, payload_len).unwrap()];
            let head = publish
                .encode_head(version, payload_len, &mut packet)
                .unwrap();
            assert_eq!(head.len, packet.len());
            patch_packet_id(&mut packet, head.packet_id_at.unwrap(), other);
            packet.extend(vec![7; payload_len]);
            let found = frame(&packet, PACKET_LEN_MAX).unwrap().unwrap();
            let read = Publish::decode(found, version).unwrap();
            assert_eq!(read.delivery, Delivery::AtLeastOnce(other));
            assert_eq!(read.payload.len(), payload_len);
        }
    }
}

#[test]
fn qos_0_has_nothing_to_patch() {
    let mut out = [0; 16];
    let head = publish(Properties::EMPTY, Delivery::AtMostOnce).encode_head(V311, 3, &mut out);
    assert_eq!(
        head,
        Ok(PublishHead {
            len: 7,
            packet_id_at: None
        })
    );
    assert_eq!(&out[..7], b"\x30\x08\0\x03a/b");
}

#[test]
fn flags_are_rewritten_and_nothing_else() {
    let mut bytes = *b"\x32\x05\0\x01t\0\x01";
    set_publish_flags(&mut bytes, true, QoS::ExactlyOnce, true);
    assert_eq!(bytes, *b"\x3D\x05\0\x01t\0\x01");
    set_publish_flags(&mut bytes, false, QoS::AtLeastOnce, false);
    assert_eq!(bytes, *b"\x32\x05\0\x01t\0\x01");
}

#[test]
fn changes_outside_the_packet_do_nothing() {
    let mut bytes = [1, 2, 3];
    for at in [2, 3, 4, usize::MAX] {
        patch_packet_id(&mut bytes, at, PacketId::MAX);
    }
    set_publish_flags(&mut [], true, QoS::ExactlyOnce, true);
    assert_eq!(bytes, [1, 2, 3]);
}

#[test]
fn a_buffer_too_small_for_the_head_is_left_alone() {
    let mut out = [0xA5; 6];
    let head = publish(Properties::EMPTY, Delivery::AtMostOnce).encode_head(V311, 3, &mut out);
    assert_eq!(head, Err(EncodeError::BufferTooSmall { needed: 7 }));
    assert_eq!(out, [0xA5; 6]);
}
