//! A PUBLISH that owns its bytes by reference, and one that is read as the one before: feature `bytes`.

use bytes::Bytes;
use mqtt_codec::{
    Frame, KnownHead, OwnedPublish, PACKET_LEN_MAX, Packet, Properties, Property, PropertyList,
    ProtocolVersion, Publish, frame,
};
use mqtt_testkit::packets;
use proptest::prelude::*;

use crate::support::{V5, V311, encode, name};

/// Reads one PUBLISH out of `source`.
fn decode(version: ProtocolVersion, source: &Bytes) -> Publish<'_> {
    let found = frame(source, PACKET_LEN_MAX).unwrap().unwrap();
    Publish::decode(found, version).unwrap()
}

/// Whether all of `part` lies in `source`; nothing lies everywhere.
fn lies_in(source: &Bytes, part: &[u8]) -> bool {
    let (all, part) = (source.as_ptr_range(), part.as_ptr_range());
    part.is_empty() || (all.start <= part.start && part.end <= all.end)
}

fn known(frame: Frame<'_>, version: ProtocolVersion, publish: &Publish<'_>) -> KnownHead {
    let mut known = KnownHead::default();
    known.set(frame, version, publish);
    known
}

proptest! {
    /// What [`Publish::decode_as`] reads is what [`Publish::decode`] reads, also of what is broken.
    #[test]
    fn a_publish_read_as_the_one_before_is_the_same(
        version in proptest::sample::select(ProtocolVersion::ALL.to_vec()),
        model in packets::publish(V5),
        payload in proptest::collection::vec(any::<u8>(), 0..20),
        first in 0x30..=0x3F_u8,
        broken in proptest::option::of((any::<proptest::sample::Index>(), any::<u8>())),
    ) {
        let (version, packet) = model.with(|publish| {
            let version = if publish.topic_name.is_none() { V5 } else { version };
            (version, encode(version, &Packet::Publish(*publish)))
        });
        let found = frame(&packet, PACKET_LEN_MAX).unwrap().unwrap();
        let before = Publish::decode(found, version).unwrap();
        let known = known(found, version, &before);
        let Some(head) = known.head() else {
            prop_assert!(before.topic_name.is_none_or(|name| name.as_str().len() > 256)
                || before.properties.raw().is_none_or(|block| block.len() > 127));
            return Ok(());
        };
        let mut body = found.body[..found.body.len() - before.payload.len()].to_vec();
        body.extend(payload);
        if let Some((at, byte)) = broken {
            let at = at.index(body.len());
            body[at] = byte;
        }
        let next = Frame { first, len: body.len() + 2, body: &body };
        let decoded = Publish::decode(next, version).ok();
        if let Some(read) = Publish::decode_as(next, version, head) {
            prop_assert_eq!(Some(read), decoded);
            prop_assert_eq!(Some(read.properties.ids()), decoded.map(|publish| publish.properties.ids()));
        } else if broken.is_none() && first & 6 == found.first & 6 {
            prop_assert_eq!(decoded, None, "only what is wrong is not read");
        }
        prop_assert_eq!(Publish::decode_as(found, version, head), Some(before));
        let other = if version == V5 { V311 } else { V5 };
        prop_assert_eq!(Publish::decode_as(found, other, head), None);
    }

    #[test]
    fn the_owned_view_equals_the_borrowed_one(
        version in proptest::sample::select(ProtocolVersion::ALL.to_vec()),
        model in packets::publish(V5),
        before in 0..3_usize,
    ) {
        let bytes = model.with(|publish| {
            let version = if publish.topic_name.is_none() { V5 } else { version };
            (version, encode(version, &Packet::Publish(*publish)))
        });
        let (version, packet) = bytes;
        // The packet stands somewhere in what was read from the network.
        let mut stream = [0xC0, 0x00].repeat(before);
        stream.extend(&packet);
        stream.extend([0xC0, 0x00]);
        let stream = Bytes::from(stream);
        let part = stream.slice(2 * before..);
        let owned = {
            let publish = decode(version, &part);
            let owned = OwnedPublish::try_new(&stream, &publish).unwrap();
            prop_assert_eq!(owned.as_publish(), publish);
            prop_assert_eq!(owned.topic_name(), publish.topic_name);
            prop_assert_eq!(owned.properties().ids(), publish.properties.ids());
            prop_assert_eq!(owned.properties().raw(), publish.properties.raw());
            owned
        };
        for field in [owned.topic_name_bytes(), owned.property_block(), owned.payload()] {
            prop_assert!(lies_in(&stream, field), "a copy was made");
        }
        drop((part, stream));
        prop_assert_eq!(encode(version, &Packet::Publish(owned.as_publish())), packet);
        prop_assert_eq!(&owned.clone(), &owned);
    }
}

#[test]
fn a_clone_shares_the_bytes() {
    let source = Bytes::from(b"\x30\x06\x00\x01t\x00hi".to_vec());
    let owned = OwnedPublish::try_new(&source, &decode(V5, &source)).unwrap();
    drop(source);
    let clone = owned.clone();
    assert_eq!(clone.payload().as_ptr(), owned.payload().as_ptr());
    drop(owned);
    assert_eq!(clone.topic_name(), Some(name("t")));
    assert_eq!(clone.payload(), "hi");
}

#[test]
fn a_topic_alias_stands_in_for_the_topic_name() {
    let source = Bytes::from_static(b"\x30\x06\x00\x00\x03\x23\x00\x07");
    let owned = OwnedPublish::try_new(&source, &decode(V5, &source)).unwrap();
    assert_eq!(owned.topic_name(), None);
    assert_eq!(owned.properties().topic_alias().unwrap().get(), 7);
}

#[test]
fn bytes_from_elsewhere_are_not_taken() {
    let source = Bytes::from(b"\x30\x05\x00\x01thi".to_vec());
    let publish = decode(V311, &source);
    assert!(OwnedPublish::try_new(&source, &publish).is_some());
    let copy = Bytes::copy_from_slice(&source);
    assert!(OwnedPublish::try_new(&copy, &publish).is_none());
    for cut in [source.slice(..5), source.slice(5..)] {
        assert!(OwnedPublish::try_new(&cut, &publish).is_none());
    }
    let other_payload = Publish {
        payload: b"no",
        ..publish
    };
    assert!(OwnedPublish::try_new(&source, &other_payload).is_none());
}

#[test]
fn properties_that_are_to_go_out_are_not_taken() {
    let source = Bytes::from_static(b"\x30\x04\x00\x01t\x00");
    let set = [Property::MessageExpiryInterval(1)];
    let list = PropertyList::new(&set);
    let publish = Publish {
        properties: Properties::from(&list),
        ..decode(V5, &source)
    };
    assert!(OwnedPublish::try_new(&source, &publish).is_none());
}

/// A Topic Alias that stands for the name is not resolved again.
#[test]
fn an_alias_stands_for_the_name_of_the_one_before() {
    let packet = b"\x30\x07\x00\x00\x03\x23\x00\x07x";
    let found = frame(packet, PACKET_LEN_MAX).unwrap().unwrap();
    let mut before = Publish::decode(found, V5).unwrap();
    assert!(known(found, V5, &before).head().is_none());
    before.topic_name = Some(name("a/b"));
    let known = known(found, V5, &before);
    let head = known.head().unwrap();
    assert_eq!(Publish::decode_as(found, V5, head), Some(before));
    let named = b"\x30\x0A\x00\x03a/b\x03\x23\x00\x07x";
    let named = frame(named, PACKET_LEN_MAX).unwrap().unwrap();
    assert_eq!(
        Publish::decode_as(named, V5, head),
        None,
        "it sets the alias"
    );
}
