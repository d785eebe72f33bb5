//! What must hold for any bytes: each function takes input of no particular form, and a test or a
//! fuzz target calls it and nothing else.

use bytes::Bytes;
use mqtt_codec::{
    Ack, DecodeError, EncodeError, Frame, Malformed, OwnedPublish, PACKET_LEN_MAX, Packet,
    PacketType, Properties, Property, PropertyList, PropertyScope, PropertySet, ProtocolVersion,
    Publish, TopicFilter, TopicName, bytes_missing, frame,
};

use crate::packets;
use crate::reference::{self, Framing};

/// The most of an input that is looked at where the work grows with its square. Unit: bytes.
const SPLIT_LEN_MAX: usize = 2048;

/// A fuzz target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, and that of the folder its regression inputs lie in.
    pub name: &'static str,
    /// The oracle it is one call to.
    pub oracle: fn(&[u8]),
}

/// Every fuzz target.
pub const TARGETS: [Target; 11] = [
    target("decode_v31", |bytes| decode(ProtocolVersion::V31, bytes)), // version: a target for each
    target("decode_v311", |bytes| decode(ProtocolVersion::V311, bytes)), // version: a target for each
    target("decode_v5", |bytes| decode(ProtocolVersion::V5, bytes)), // version: a target for each
    target("split", split),
    target("reencode", reencode),
    target("any_packet", any_packet),
    target("properties", properties),
    target("topic_match", topic_match),
    target("publish", publish_as_reference),
    target("acks", ack_as_reference),
    target("frame", frame_as_reference),
];

const fn target(name: &'static str, oracle: fn(&[u8])) -> Target {
    Target { name, oracle }
}

/// Reading never panics, never goes beyond the packet, and says where it failed; what was read can
/// be looked at as a whole.
///
/// # Panics
/// When it does not hold.
pub fn decode(version: ProtocolVersion, bytes: &[u8]) {
    let mut rest = bytes;
    while let Ok(Some(found)) = frame(rest, PACKET_LEN_MAX) {
        assert!(found.len <= rest.len() && found.body.len() + 2 <= found.len);
        match Packet::decode(found, version) {
            Ok(packet) => assert!(!format!("{packet:?}").is_empty()),
            Err(error) => check_error(error, found.len),
        }
        rest = rest.get(found.len..).unwrap_or_default();
    }
}

/// [`decode`] for the version named by the first byte.
///
/// # Panics
/// When it does not hold.
pub fn decode_any(bytes: &[u8]) {
    if let Some((version, bytes)) = split_version(bytes) {
        decode(version, bytes);
    }
}

/// A stream cut into pieces at every byte gives the same packets and the same error as the whole,
/// the packets no sooner than [`bytes_missing`] says.
///
/// # Panics
/// When it does not hold.
pub fn split(bytes: &[u8]) {
    let Some((version, bytes)) = split_version(bytes) else {
        return;
    };
    let bytes = bytes.get(..SPLIT_LEN_MAX).unwrap_or(bytes);
    let whole = read_stream(version, bytes);
    let mut pieces = Vec::new();
    let mut end = Ok(());
    let mut start = 0;
    let mut not_before = 0;
    for len in 0..=bytes.len() {
        let arrived = bytes.get(start..len).unwrap_or_default();
        let found = frame(arrived, PACKET_LEN_MAX);
        assert_eq!(
            matches!(found, Ok(None)),
            bytes_missing(arrived) > 0,
            "at {len}"
        );
        match found {
            Ok(None) => not_before = len + bytes_missing(arrived),
            Ok(Some(found)) => {
                assert!(len >= not_before, "a packet came before byte {not_before}");
                pieces.push((found, Packet::decode(found, version)));
                start += found.len;
                not_before = 0;
            }
            Err(error) => {
                end = Err(error);
                break;
            }
        }
    }
    assert_eq!(pieces, whole.packets);
    assert_eq!(end, whole.end);
}

/// What can be read can be written, in the length announced and in no more bytes than it came in;
/// it reads back as the same packet and is written as the same bytes again. A buffer one byte short
/// is refused and left alone.
///
/// # Panics
/// When it does not hold.
pub fn reencode(bytes: &[u8]) {
    let Some((version, bytes)) = split_version(bytes) else {
        return;
    };
    for (found, packet) in read_stream(version, bytes).packets {
        if let Ok(packet) = packet {
            round_trip(&packet, version);
            let written = packet.encoded_len(version);
            assert!(written.is_ok_and(|len| len <= found.len), "{packet:?} grew");
        }
    }
}

/// The second half of [`reencode`], for a packet that is there already.
///
/// # Panics
/// When it does not hold.
pub fn round_trip(packet: &Packet<'_>, version: ProtocolVersion) {
    let bytes = encode(packet, version);
    let found = frame(&bytes, PACKET_LEN_MAX);
    assert!(
        matches!(found, Ok(Some(found)) if found.len == bytes.len()),
        "{found:?}"
    );
    let Ok(Some(found)) = found else { return };
    let again = Packet::decode(found, version);
    assert_eq!(again, Ok(*packet), "{bytes:02x?}");
    if let Ok(again) = again {
        assert_eq!(encode(&again, version), bytes, "{packet:?}");
    }
    head_is_the_same(packet, version, &bytes);
}

/// A property block, in the place its first byte names, is refused with an offset inside it, or
/// tells the same in every way it can be asked.
///
/// # Panics
/// When it does not hold.
pub fn properties(bytes: &[u8]) {
    let Some((place, block)) = bytes.split_first() else {
        return;
    };
    let scope =
        PacketType::from_u8(*place & 0x0F).map_or(PropertyScope::Will, PropertyScope::Packet);
    let properties = match Properties::try_from_raw(block, scope) {
        Ok(properties) => properties,
        Err(error) => return check_error(error, block.len()),
    };
    assert_eq!(properties.raw(), Some(block));
    let all: Vec<Property<'_>> = properties.iter().collect();
    let ids: Vec<_> = all.iter().map(Property::id).collect();
    assert_eq!(properties.ids(), PropertySet::of(&ids));
    assert_eq!(properties.is_empty(), all.is_empty());
    assert!(ids.iter().all(|id| properties.has(*id)));
    let list = PropertyList::new(&all);
    assert_eq!(Properties::from(&list), properties);
    let passed_on = PropertyList {
        base: properties,
        ..PropertyList::default()
    };
    assert_eq!(Properties::from(&passed_on), properties);
    if scope == PropertyScope::Packet(PacketType::Publish) {
        let encoded = |properties| encode_publish(properties);
        assert_eq!(encoded(Properties::from(&list)), encoded(properties));
        assert_eq!(encoded(Properties::from(&passed_on)), encoded(properties));
    }
}

/// A Topic Filter and a Topic Name, parted by the first line feed, match as the slow matcher says.
///
/// # Panics
/// When it does not hold.
pub fn topic_match(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else {
        return;
    };
    let Some((filter_text, name_text)) = text.split_once('\n') else {
        return;
    };
    let filter = TopicFilter::try_new(filter_text);
    let name = TopicName::try_new(name_text);
    assert_eq!(
        filter.is_ok(),
        reference::is_topic_filter(filter_text),
        "{filter_text:?}"
    );
    assert_eq!(
        name.is_ok(),
        reference::is_topic_name(name_text),
        "{name_text:?}"
    );
    if let (Ok(filter), Ok(name)) = (filter, name) {
        assert_eq!(filter.level_count(), filter.levels().count());
        assert_eq!(name.level_count(), name.levels().count());
        let expected = reference::matches(filter_text, name_text);
        assert_eq!(
            filter.matches(name),
            expected,
            "{filter_text:?} {name_text:?}"
        );
    }
}

/// The reader of PUBLISH, made for speed, agrees with one made to be simple. After the choice of
/// the version come the flags of the first byte, then the body.
///
/// # Panics
/// When it does not hold.
pub fn publish_as_reference(bytes: &[u8]) {
    let Some((version, [flags, body @ ..])) = split_version(bytes) else {
        return;
    };
    let first = PacketType::Publish.first_byte() | (flags & 0x0F);
    let fast = Publish::decode(frame_of(first, body), version).ok();
    let fast = fast.map(|publish| reference::Publish {
        dup: publish.dup,
        retain: publish.retain,
        qos: publish.delivery.qos().get(),
        packet_id: publish
            .delivery
            .packet_id()
            .map_or(0, |packet_id| packet_id.get()),
        topic_name: publish.topic_name.map_or("", TopicName::as_str),
        properties: publish.properties.raw().unwrap_or_default(),
        payload: publish.payload,
    });
    assert_eq!(fast, reference::publish(version.level(), first, body));
    owned_is_the_same(version, first, body);
}

/// A PUBLISH that owns its bytes is the one it was made of, lies where that lay, and stays when all
/// else goes.
fn owned_is_the_same(version: ProtocolVersion, first: u8, body: &[u8]) {
    let source = Bytes::copy_from_slice(body);
    let Ok(publish) = Publish::decode(frame_of(first, &source), version) else {
        return;
    };
    let owned = OwnedPublish::try_new(&source, &publish);
    assert!(owned.is_some(), "{publish:?} is not in its own bytes");
    let Some(owned) = owned else { return };
    assert_eq!(owned.as_publish(), publish);
    let place = source.as_ptr_range();
    for part in [
        owned.topic_name_bytes(),
        owned.property_block(),
        owned.payload(),
    ] {
        let found = part.as_ptr_range();
        let is_inside = place.start <= found.start && found.end <= place.end;
        assert!(part.is_empty() || is_inside, "a part was copied");
    }
    drop(source);
    let again = Publish::decode(frame_of(first, body), version);
    assert_eq!(Ok(owned.as_publish()), again);
}

/// The reader of the four acknowledgements, made for speed, agrees with one made to be simple.
/// After the choice of the version come the first byte, then the body.
///
/// # Panics
/// When it does not hold.
pub fn ack_as_reference(bytes: &[u8]) {
    let Some((version, [first, body @ ..])) = split_version(bytes) else {
        return;
    };
    let found = frame_of(*first, body);
    let fast = Ack::decode(found, version);
    if let Err(error) = fast {
        check_error(error, found.len);
    }
    let fast = fast.ok().map(|ack| reference::Ack {
        packet_id: ack.packet_id.get(),
        reason: ack.reason.get(),
        properties: ack.properties.raw().unwrap_or_default(),
    });
    assert_eq!(fast, reference::ack(version.level(), *first, body));
}

/// Framing, made for speed, agrees with one made to be simple, also about the bytes that are
/// missing. The first two bytes are the longest packet accepted; 0xFFFF stands for any.
///
/// # Panics
/// When it does not hold.
pub fn frame_as_reference(bytes: &[u8]) {
    let Some((len_max, bytes)) = bytes.split_first_chunk::<2>() else {
        return;
    };
    let len_max = match u16::from_be_bytes(*len_max) {
        u16::MAX => PACKET_LEN_MAX,
        len_max => u32::from(len_max),
    };
    let found = frame(bytes, len_max);
    let missing = bytes_missing(bytes);
    let slow = reference::frame(bytes, len_max);
    let agrees = match (found, slow) {
        (Ok(None), Framing::Incomplete { missing: slow }) => missing == slow,
        (Ok(Some(found)), Framing::Whole { first, body, rest }) => {
            let len = bytes.len() - rest.len();
            missing == 0 && found == Frame { first, body, len }
        }
        (Err(error), Framing::TooLarge) => error.kind == Malformed::PacketTooLarge && error.at == 1,
        (Err(error), Framing::Broken { at }) => {
            missing == 0 && error.kind != Malformed::PacketTooLarge && error.at == at
        }
        _ => false,
    };
    assert!(agrees, "{found:?}, {missing} missing, {slow:?}");
}

/// Any packet at all, grown from the bytes, is written and read back as it was.
///
/// # Panics
/// When it does not hold.
pub fn any_packet(bytes: &[u8]) {
    let Some((version, bytes)) = split_version(bytes) else {
        return;
    };
    packets::from_bytes(version, bytes).with(|packet| round_trip(packet, version));
}

/// A packet of this first byte and body, whatever they are.
fn frame_of(first: u8, body: &[u8]) -> Frame<'_> {
    Frame {
        first,
        body,
        len: body.len() + 2,
    }
}

fn check_error(error: DecodeError, len: usize) {
    assert!(
        usize::try_from(error.at).is_ok_and(|at| at <= len),
        "{error} of {len}"
    );
    assert!(error.reason_code().is_error());
    assert!(!error.to_string().is_empty());
}

/// A stream as far as it is one.
struct Stream<'a> {
    packets: Vec<(Frame<'a>, Result<Packet<'a>, DecodeError>)>,
    /// The error that ends it.
    end: Result<(), DecodeError>,
}

fn read_stream(version: ProtocolVersion, bytes: &[u8]) -> Stream<'_> {
    let mut packets = Vec::new();
    let mut rest = bytes;
    let end = loop {
        match frame(rest, PACKET_LEN_MAX) {
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
            Ok(Some(found)) => {
                packets.push((found, Packet::decode(found, version)));
                rest = rest.get(found.len..).unwrap_or_default();
            }
        }
    };
    Stream { packets, end }
}

/// Writes a packet into a buffer of the announced length, after trying one byte less.
fn encode(packet: &Packet<'_>, version: ProtocolVersion) -> Vec<u8> {
    let len = packet.encoded_len(version);
    assert!(len.is_ok(), "{packet:?}: {len:?}");
    let len = len.unwrap_or_default();
    let mut short = vec![0xA5; len - 1];
    let refused = packet.encode(version, &mut short);
    assert_eq!(refused, Err(EncodeError::BufferTooSmall { needed: len }));
    assert!(
        short.iter().all(|byte| *byte == 0xA5),
        "a refusal wrote something"
    );
    let mut bytes = vec![0xA5; len + 1];
    assert_eq!(packet.encode(version, &mut bytes), Ok(len));
    assert_eq!(bytes.pop(), Some(0xA5), "the byte behind was written");
    bytes
}

/// Head and payload apart are the packet.
fn head_is_the_same(packet: &Packet<'_>, version: ProtocolVersion, bytes: &[u8]) {
    let Packet::Publish(publish) = packet else {
        return;
    };
    let payload_len = publish.payload.len();
    let mut head = vec![0; bytes.len() - payload_len];
    assert_eq!(publish.head_len(version, payload_len), Ok(head.len()));
    let written = publish.encode_head(version, payload_len, &mut head);
    assert!(
        matches!(written, Ok(written) if written.len == head.len()),
        "{written:?}"
    );
    assert_eq!([head.as_slice(), publish.payload].concat(), bytes);
    let packet_id_at = written.ok().and_then(|written| written.packet_id_at);
    let packet_id = packet_id_at.and_then(|at| bytes.get(at..at + 2));
    let expected = publish
        .delivery
        .packet_id()
        .map(|packet_id| packet_id.get().to_be_bytes());
    assert_eq!(packet_id, expected.as_ref().map(<[u8; 2]>::as_slice));
}

fn encode_publish(properties: Properties<'_>) -> Vec<u8> {
    let publish = Publish {
        topic_name: TopicName::try_new("t").ok(),
        properties,
        ..Publish::default()
    };
    encode(&Packet::Publish(publish), ProtocolVersion::V5) // version: properties exist only there
}

fn split_version(bytes: &[u8]) -> Option<(ProtocolVersion, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let version = ProtocolVersion::ALL.get(usize::from(*first) % ProtocolVersion::ALL.len())?;
    Some((*version, rest))
}
