//! Inputs to start fuzzing from, written by our own encoder: the same ones in every run.

use mqtt_codec::{PACKET_LEN_MAX, Packet, PacketType, Properties, ProtocolVersion, Will, frame};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use crate::packets::{self, PacketModel};

/// How many packets there are of each type and version.
const PER_TYPE: usize = 4;

/// How many inputs there are that are not made of one packet of each type.
const OTHERS: usize = 32;

/// One input for one fuzz target.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Seed {
    /// The name of the target.
    pub target: &'static str,
    /// The input.
    pub bytes: Vec<u8>,
}

/// All inputs.
#[must_use]
pub fn all() -> Vec<Seed> {
    let mut runner = TestRunner::deterministic();
    let mut seeds = Vec::new();
    for version in ProtocolVersion::ALL {
        let choice = version.level() - 3;
        let target = match choice {
            0 => "decode_v31",
            1 => "decode_v311",
            _ => "decode_v5",
        };
        let mut stream = vec![choice];
        for packet_type in PacketType::ALL {
            for _ in 0..PER_TYPE {
                let bytes = packet(&mut runner, version, packet_type);
                stream.extend(&bytes);
                of_packet(&mut seeds, choice, version, &bytes);
                seeds.push(Seed { target, bytes });
            }
        }
        for target in ["split", "reencode"] {
            let bytes = stream.clone();
            seeds.push(Seed { target, bytes });
        }
    }
    for _ in 0..OTHERS {
        let filter = one(&mut runner, packets::topic_filter());
        let name = one(&mut runner, packets::topic_name());
        let bytes = format!("{filter}\n{name}").into_bytes();
        let target = "topic_match";
        seeds.push(Seed { target, bytes });
        let bytes = one(&mut runner, proptest::collection::vec(0..=u8::MAX, 600));
        let target = "any_packet";
        seeds.push(Seed { target, bytes });
    }
    seeds
}

/// What can be made of one packet for the targets that take more or less than a stream.
fn of_packet(seeds: &mut Vec<Seed>, choice: u8, version: ProtocolVersion, bytes: &[u8]) {
    let mut add = |target, parts: &[&[u8]]| {
        let bytes = parts.concat();
        seeds.push(Seed { target, bytes });
    };
    add("split", &[&[choice], bytes, bytes]);
    add("reencode", &[&[choice], bytes]);
    add("frame", &[&[0xFF, 0xFF], bytes]);
    add("frame", &[&[0x00, 0x20], bytes]);
    let Ok(Some(found)) = frame(bytes, PACKET_LEN_MAX) else {
        return;
    };
    match found.packet_type() {
        Some(PacketType::Publish) => add("publish", &[&[choice, found.flags()], found.body]),
        Some(
            PacketType::PubAck | PacketType::PubRec | PacketType::PubRel | PacketType::PubComp,
        ) => add("acks", &[&[choice, found.first], found.body]),
        _ => {}
    }
    for (place, properties) in blocks(Packet::decode(found, version).ok().as_ref()) {
        if let Some(block) = properties.raw() {
            add("properties", &[&[place], block]);
        }
    }
}

/// The property blocks of a packet, each with the byte by which the oracle knows its place.
fn blocks<'a>(packet: Option<&Packet<'a>>) -> Vec<(u8, Properties<'a>)> {
    let Some(packet) = packet else {
        return Vec::new();
    };
    let mut will = None;
    let properties = match packet {
        Packet::Connect(packet) => {
            will = packet.will;
            packet.properties
        }
        Packet::ConnAck(packet) => packet.properties,
        Packet::Publish(packet) => packet.properties,
        Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
            ack.properties
        }
        Packet::Subscribe(packet) => packet.properties,
        Packet::SubAck(packet) => packet.properties,
        Packet::Unsubscribe(packet) => packet.properties,
        Packet::UnsubAck(packet) => packet.properties,
        Packet::Disconnect(packet) => packet.properties,
        Packet::Auth(packet) => packet.properties,
        Packet::PingReq | Packet::PingResp => Properties::EMPTY,
    };
    let will = will.map(|Will { properties, .. }| (0, properties));
    [(packet.packet_type().get(), properties)]
        .into_iter()
        .chain(will)
        .collect()
}

#[expect(
    clippy::expect_used,
    reason = "generated packets can be written; a test may panic"
)]
fn packet(runner: &mut TestRunner, version: ProtocolVersion, packet_type: PacketType) -> Vec<u8> {
    let model: PacketModel = one(runner, packets::packet_of(packet_type, version));
    model.with(|packet| {
        let mut bytes = vec![
            0;
            packet
                .encoded_len(version)
                .expect("a packet of the version")
        ];
        let written = packet.encode(version, &mut bytes);
        assert_eq!(written, Ok(bytes.len()));
        bytes
    })
}

#[expect(
    clippy::expect_used,
    reason = "no generator gives up with this seed; a test may panic"
)]
fn one<T: std::fmt::Debug>(runner: &mut TestRunner, strategy: impl Strategy<Value = T>) -> T {
    strategy
        .new_tree(runner)
        .expect("a value of the generator")
        .current()
}
